//! The pauses between two tries: exponential, with full jitter (protocol 2).

use std::time::Duration;

use super::Limits;
use crate::base::Random;

/// Counts the failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause before the next try: anything from nothing to the bound, which
    /// doubles with each failure.
    pub(super) fn pause(&mut self, limits: &Limits, random: &mut Random) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let bound = limits.pause_min.saturating_mul(factor);
        let bound = bound.min(limits.pause_max).as_micros();
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        Duration::from_micros(random.below(bound.saturating_add(1)))
    }

    /// The link was healthy.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_the_pause_doubles_from_half_a_second_to_thirty() {
        let limits = Limits::default();
        let mut longest = [Duration::ZERO; 10];
        for seed in 0..500 {
            let (mut backoff, mut random) = (Backoff::default(), Random::from_number(seed));
            for longest in &mut longest {
                *longest = backoff.pause(&limits, &mut random).max(*longest);
            }
        }
        let bounds = [
            500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000,
        ];
        for (longest, bound) in longest.into_iter().zip(bounds) {
            let bound = Duration::from_millis(bound);
            assert!(
                longest <= bound && longest > bound * 9 / 10,
                "{longest:?} {bound:?}"
            );
        }
    }

    #[test]
    fn it_never_gives_up_and_starts_anew_after_health() {
        let limits = Limits::default();
        let (mut backoff, mut random) = (Backoff::default(), Random::from_number(1));
        for _ in 0..100 {
            assert!(backoff.pause(&limits, &mut random) <= limits.pause_max);
        }
        backoff.reset();
        assert!(backoff.pause(&limits, &mut random) <= limits.pause_min);
    }
}
