//! A brake on log lines that would repeat.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use okgate_core::base::Instant;

/// Lets one line through per period and counts those between. It can stand in
/// a `static` and be used by several threads.
#[derive(Debug)]
pub struct RateLimited {
    period: Duration,
    /// When the next line may pass, in microseconds.
    open_at: AtomicU64,
    held_back: AtomicU64,
}

impl RateLimited {
    /// At most one line per period.
    pub const fn new(period: Duration) -> Self {
        Self {
            period,
            open_at: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
        }
    }

    /// The thing that a line would tell happened so many times. `Some` if it may be
    /// written now: how many more than one of them there were since the last line, for
    /// the line to say so.
    pub fn admit(&self, count: u64, now: Instant) -> Option<u64> {
        let open_at = self.open_at.load(Ordering::Relaxed);
        let next = (now + self.period).as_micros();
        let is_first = now.as_micros() >= open_at
            && self
                .open_at
                .compare_exchange(open_at, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_first {
            let held_back = self.held_back.swap(0, Ordering::Relaxed);
            Some(held_back + count.saturating_sub(1))
        } else {
            self.held_back.fetch_add(count, Ordering::Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_period_passes_and_says_how_many_were_held_back() {
        let brake = RateLimited::new(Duration::from_secs(10));
        let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        assert_eq!(brake.admit(1, at(5)), Some(0));
        assert_eq!(brake.admit(1, at(6)), None);
        assert_eq!(brake.admit(3, at(14)), None);
        assert_eq!(brake.admit(1, at(15)), Some(4));
        assert_eq!(brake.admit(7, at(40)), Some(6));
    }
}
