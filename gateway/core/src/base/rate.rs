//! How often something may happen, in one number a link.

use std::time::Duration;

use super::Instant;

/// A sustained rate with a burst above it (the generic cell rate algorithm).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    interval: Duration,
    tolerance: Duration,
}

impl RateLimit {
    /// So many a second, and `burst` at once; `per_second` of 0 means no limit.
    pub fn new(per_second: u32, burst: u32) -> Option<Self> {
        let interval = Duration::from_secs(1).checked_div(per_second)?;
        Some(Self {
            interval,
            tolerance: interval * burst.max(1),
        })
    }
}

/// What was used of a [`RateLimit`] so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateUse {
    /// When the burst is whole again.
    whole_at: Instant,
}

impl RateUse {
    /// Nothing used yet.
    pub const fn new() -> Self {
        Self {
            whole_at: Instant::from_micros(0),
        }
    }

    /// Counts one more and says whether it is within the limit; one that is not
    /// uses nothing up.
    pub fn allows(&mut self, limit: RateLimit, now: Instant) -> bool {
        let after = self.whole_at.max(now) + limit.interval;
        let is_within = after - now <= limit.tolerance;
        if is_within {
            self.whole_at = after;
        }
        is_within
    }

    /// Whether the burst is whole again: as if nothing had been used.
    pub fn is_whole(&self, now: Instant) -> bool {
        self.whole_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_only_the_sustained_rate() {
        let limit = RateLimit::new(200, 400).expect("a limit");
        let (mut rate, mut now) = (RateUse::default(), Instant::from_micros(1_000_000));
        let passed = (0..1000).filter(|_| rate.allows(limit, now)).count();
        assert_eq!(passed, 400);
        now = now + Duration::from_secs(1);
        let passed = (0..1000).filter(|_| rate.allows(limit, now)).count();
        assert_eq!(passed, 200);
        assert!(!rate.is_whole(now + Duration::from_millis(1990)));
        assert!(rate.is_whole(now + Duration::from_secs(2)));
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        assert_eq!(RateLimit::new(0, 400), None);
    }
}
