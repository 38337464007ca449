//! Owns a distribution of times that was written down: percentiles for whoever reads it, steps for whoever draws or adds it.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::report;

/// How times, in microseconds, are distributed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Distribution {
    /// How many were measured.
    pub count: u64,
    /// The shortest.
    pub min_us: u64,
    /// The average.
    pub mean_us: f64,
    /// The median.
    pub p50_us: u64,
    /// 90 % were not longer.
    pub p90_us: u64,
    /// 99 % were not longer.
    pub p99_us: u64,
    /// 99.9 % were not longer.
    pub p999_us: u64,
    /// The longest.
    pub max_us: u64,
    /// Each value that occurred (to three digits) with how often it did, in ascending order.
    pub steps: Vec<(u64, u64)>,
}

impl Distribution {
    /// The histogram that it was made from, to three digits.
    pub fn histogram(&self) -> Histogram<u64> {
        let mut histogram = report::histogram();
        report::add_steps(&mut histogram, &self.steps);
        histogram
    }

    /// The time that this share (0 to 1) was not longer than; 0 of none.
    pub fn at(&self, quantile: f64) -> u64 {
        self.histogram().value_at_quantile(quantile)
    }
}

impl From<&Histogram<u64>> for Distribution {
    fn from(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        Self {
            count: histogram.len(),
            min_us: histogram.min(),
            mean_us: histogram.mean(),
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            p999_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
            steps: report::steps(histogram),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_down_is_the_same_distribution_again() {
        let mut histogram = report::histogram();
        for us in [3, 50, 50, 7_000, 1_234_567] {
            histogram.record(us).unwrap();
        }
        let written = Distribution::from(&histogram);
        assert_eq!((written.count, written.p50_us), (5, 50));
        assert_eq!(Distribution::from(&written.histogram()), written);
        assert_eq!(written.at(0.5), 50);
        assert_eq!(Distribution::default().at(0.99), 0);
    }
}
