//! Owns what is said of repeated measurements: the median and how sure it is.

use serde::Serialize;

/// Some measurements of the same thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The median.
    pub median: f64,
    /// The lower end of the interval that holds the true median in 95 of 100 cases; with fewer than six
    /// measurements, which cannot say that, the least of them.
    pub low: f64,
    /// The upper end of that interval.
    pub high: f64,
    /// How many there are.
    pub count: usize,
}

impl Summary {
    /// Of at least one measurement; `None` of none.
    pub fn of(measured: &[f64]) -> Option<Self> {
        let mut sorted = measured.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let last = count.checked_sub(1)?;
        let outside = ranks_outside(count);
        Some(Self {
            median: f64::midpoint(sorted[last / 2], sorted[count / 2]),
            low: sorted[outside],
            high: sorted[last - outside],
            count,
        })
    }

    /// Of the quotients of measurements that were taken in pairs.
    pub fn of_ratios(measured: &[f64], references: &[f64]) -> Option<Self> {
        let pairs = measured.iter().zip(references);
        let ratios: Vec<f64> = pairs
            .map(|(measured, reference)| measured / reference)
            .collect();
        Self::of(&ratios)
    }
}

/// How many of the sorted measurements lie outside the interval at each end: each is above the true median or below it
/// like the toss of a coin, so this is the binomial distribution's.
#[allow(clippy::cast_precision_loss)] // nobody measures 2^52 times
fn ranks_outside(count: usize) -> usize {
    let mut outside = 0;
    let mut rank = 0;
    // That exactly `rank` measurements lie below the true median, and that no more do.
    let mut exactly = 0.5_f64.powf(count as f64);
    let mut at_most = exactly;
    while at_most <= TAIL_MAX {
        outside = rank;
        rank += 1;
        exactly *= (count - rank + 1) as f64 / rank as f64;
        at_most += exactly;
    }
    outside
}

/// The probability at each end.
const TAIL_MAX: f64 = 0.025;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_an_interval_of_ranks() {
        let summary = Summary::of(&[5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!((summary.low, summary.median, summary.high), (1.0, 3.0, 5.0));
        let between = Summary::of(&[1.0, 2.0]).unwrap().median;
        assert!((between - 1.5).abs() < f64::EPSILON, "{between}");
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn the_ranks_are_those_of_the_tables() {
        // How many of n measurements lie outside at each end, for 95 %.
        for (count, outside) in [
            (1, 0),
            (6, 0),
            (8, 0),
            (9, 1),
            (12, 2),
            (15, 3),
            (20, 5),
            (30, 9),
        ] {
            assert_eq!(ranks_outside(count), outside, "{count}");
        }
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        let summary = Summary::of_ratios(&[2.0, 30.0, 9.0], &[1.0, 10.0, 3.0]).unwrap();
        assert_eq!((summary.median, summary.low), (3.0, 2.0));
    }
}
