//! How long giving an event to links kept a shard at a stretch.

use std::time::Duration;

/// A histogram that one shard keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FanoutTimes {
    counts: [u64; BOUNDS_MICROS.len()],
    over: u64,
    sum_micros: u64,
}

impl FanoutTimes {
    /// Counts one fan-out.
    pub fn observe(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_micros = self.sum_micros.saturating_add(micros);
        let bucket = BOUNDS_MICROS.partition_point(|&bound| bound < micros);
        match self.counts.get_mut(bucket) {
            Some(count) => *count += 1,
            None => self.over += 1,
        }
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.over
    }

    /// Their times together, in seconds.
    pub(super) fn sum_seconds(&self) -> f64 {
        Duration::from_micros(self.sum_micros).as_secs_f64()
    }

    /// Each upper bound in seconds and how many were within it and above the
    /// one before; the last bound is open.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let seconds = |&micros: &u64| Duration::from_micros(micros).as_secs_f64();
        let bounds = BOUNDS_MICROS.iter().map(seconds);
        let bounded = bounds.zip(self.counts.iter().copied());
        bounded.chain([(f64::INFINITY, self.over)]).collect()
    }
}

/// From one small fan-out to the fifth of a shard's time that one may take.
const BOUNDS_MICROS: [u64; 10] = [50, 100, 250, 500, 1000, 2500, 5000, 10_000, 50_000, 250_000];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_in_the_first_bucket_that_holds_it() {
        let mut times = FanoutTimes::default();
        for micros in [50, 51, 1_000_000] {
            times.observe(Duration::from_micros(micros));
        }
        let buckets = times.buckets();
        assert_eq!(buckets[0], (0.000_05, 1));
        assert_eq!(buckets[1], (0.000_1, 1));
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, 1)));
        assert_eq!(times.count(), 3);
    }
}
