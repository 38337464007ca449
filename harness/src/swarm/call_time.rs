//! Owns the moment that a caller's number carries, so that a tab in any process of this machine can tell how long ago the
//! call began.
//!
//! [`timed_caller`] makes the number that a call is to come from, [`age`] reads it out of the ring's event.

use std::time::Duration;

use memchr::memmem;

use crate::report::monotonic;

/// A caller's number that says when it was made.
pub fn timed_caller() -> String {
    format!("{MARK}{:0DIGITS$}", monotonic().as_micros())
}

/// How long ago the call began whose ring this event is; `None` if its caller's number does not say.
pub(super) fn age(event: &[u8]) -> Option<Duration> {
    let start = memmem::find(event, FIELD)? + FIELD.len();
    let number = std::str::from_utf8(event.get(start..start + DIGITS)?).ok()?;
    let began = Duration::from_micros(number.parse().ok()?);
    monotonic().checked_sub(began)
}

/// What such numbers begin with.
const MARK: &str = "8";
/// How the event names the caller.
const FIELD: &[u8] = br#""callerid":"8"#;
/// How many digits the microseconds have: enough for thirty years.
const DIGITS: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_tells_how_old_its_call_is() {
        let caller = timed_caller();
        let ring = format!(r#"["phoneevent_ringstarted",{{"callerid":"{caller}"}}]"#);
        let age = age(ring.as_bytes()).unwrap();
        assert!(age < Duration::from_secs(10), "{age:?}");
    }

    #[test]
    fn other_callers_and_events_tell_nothing() {
        for event in [
            r#"["phoneevent_ringstarted",{"callerid":"89274513158"}]"#,
            r#"["phoneevent_ringstarted",{"callerid":"8"}]"#,
            r#"["linestatechanged",{}]"#,
        ] {
            assert_eq!(age(event.as_bytes()), None, "{event}");
        }
    }
}
