//! Owns the moments that a caller's number carries, so that a tab in any process of this machine can tell how long ago the call
//! began, and when its steps are planned.
//!
//! [`timed_caller`] makes the number of a call whose beginning alone is of interest, [`CallTimes::caller`] that of one with a
//! plan; [`age`] and [`CallTimes::read`] read them out of the ring's event.

use std::time::Duration;

use memchr::memmem;

use crate::report::monotonic;

/// When a call was begun and how it is to go on. Moments are since the machine's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallTimes {
    /// When it was begun.
    pub(crate) begun: Duration,
    /// When it ought to have been begun.
    pub(crate) due: Duration,
    /// How long it is to ring.
    pub(crate) ring: Duration,
    /// How long the talk is to be; zero: nobody is to answer.
    pub(crate) talk: Duration,
}

impl CallTimes {
    /// The caller's number that says all this.
    pub(crate) fn caller(&self) -> String {
        let late = self
            .begun
            .saturating_sub(self.due)
            .as_micros()
            .min(LATE_MAX);
        let [ring, talk] = [self.ring, self.talk].map(|time| time.as_millis().min(STEP_MAX));
        let begun = self.begun.as_micros();
        format!(
            "{MARK}{begun:0DIGITS$}{late:0LATE_DIGITS$}{ring:0STEP_DIGITS$}{talk:0STEP_DIGITS$}"
        )
    }

    /// Reads what the caller's number of a ring's event says; `None` if it says nothing.
    pub(crate) fn read(event: &[u8]) -> Option<Self> {
        let mut digits = digits_of(event)?;
        let mut next = |count: usize| -> Option<u64> {
            let (number, rest) = digits.split_at_checked(count)?;
            digits = rest;
            std::str::from_utf8(number).ok()?.parse().ok()
        };
        let begun = Duration::from_micros(next(DIGITS)?);
        let late = Duration::from_micros(next(LATE_DIGITS)?);
        Some(Self {
            begun,
            due: begun.checked_sub(late)?,
            ring: Duration::from_millis(next(STEP_DIGITS)?),
            talk: Duration::from_millis(next(STEP_DIGITS)?),
        })
    }
}

/// A caller's number that says when it was made.
pub fn timed_caller() -> String {
    format!("{MARK}{:0DIGITS$}", monotonic().as_micros())
}

/// How long ago the call began whose ring this event is; `None` if its caller's number does not say.
pub(super) fn age(event: &[u8]) -> Option<Duration> {
    let number = std::str::from_utf8(digits_of(event)?.get(..DIGITS)?).ok()?;
    let begun = Duration::from_micros(number.parse().ok()?);
    monotonic().checked_sub(begun)
}

/// What follows the mark in the caller's number.
fn digits_of(event: &[u8]) -> Option<&[u8]> {
    let start = memmem::find(event, FIELD)? + FIELD.len();
    event.get(start..)
}

/// What such numbers begin with.
const MARK: &str = "8";
/// How the event names the caller.
const FIELD: &[u8] = br#""callerid":"8"#;
/// How many digits the microseconds have: enough for thirty years.
const DIGITS: usize = 15;
/// How many those have by which a call was begun too late: ten seconds at most.
const LATE_DIGITS: usize = 7;
const LATE_MAX: u128 = 9_999_999;
/// How many the milliseconds of a step have: a hundred seconds at most.
const STEP_DIGITS: usize = 5;
const STEP_MAX: u128 = 99_999;

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(caller: &str) -> Vec<u8> {
        format!(r#"["phoneevent_ringstarted",{{"callerid":"{caller}","x":1}}]"#).into_bytes()
    }

    #[test]
    fn a_ring_tells_how_old_its_call_is() {
        let age = age(&ring(&timed_caller())).unwrap();
        assert!(age < Duration::from_secs(10), "{age:?}");
    }

    #[test]
    fn a_ring_tells_how_its_call_was_planned() {
        let times = CallTimes {
            begun: Duration::from_millis(1500),
            due: Duration::from_millis(1450),
            ring: Duration::from_millis(700),
            talk: Duration::ZERO,
        };
        assert_eq!(CallTimes::read(&ring(&times.caller())), Some(times));
        assert!(age(&ring(&times.caller())).is_some());
        assert_eq!(CallTimes::read(&ring(&timed_caller())), None);
    }

    #[test]
    fn other_callers_and_events_tell_nothing() {
        for event in [
            r#"["phoneevent_ringstarted",{"callerid":"89274513158"}]"#,
            r#"["phoneevent_ringstarted",{"callerid":"8"}]"#,
            r#"["linestatechanged",{}]"#,
        ] {
            assert_eq!(age(event.as_bytes()), None, "{event}");
            assert_eq!(CallTimes::read(event.as_bytes()), None, "{event}");
        }
    }
}
