//! Owns the verdict on the memory of a long run: a robust slope through what the rows show, held against a bound.
//!
//! The slope is the median of the slopes between all pairs of rows (Theil and Sen), so that single rows that are high or low do
//! not move it. What a process fills once, its caches and its allocator's stock, grows at first and then no more; a leak goes on
//! growing, and so is suspected only if the second half of the rows rises, too.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// What the memory did over the rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Leak {
    /// Whether it leaks.
    pub verdict: LeakVerdict,
    /// How many rows were looked at: those behind the warm-up.
    pub rows: usize,
    /// From the first of them to the last.
    pub hours: f64,
    /// The slope through all rows.
    pub slope_kib_per_h: f64,
    /// The slope through the second half of them.
    pub late_slope_kib_per_h: f64,
    /// The greatest slope that is no leak.
    pub bound_kib_per_h: f64,
    /// What the slope makes over the time.
    pub grown_kib: f64,
    /// The same as a share of the memory at its beginning.
    pub grown_share: f64,
}

/// The words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeakVerdict {
    /// The memory does not grow, or too little.
    NoLeak,
    /// The memory grew to the end.
    Suspected,
    /// There are not enough rows to tell.
    TooShort,
}

impl Leak {
    /// Judges a memory in bytes by the time of each row.
    #[allow(clippy::cast_precision_loss)] // no memory has 2^52 bytes
    pub(super) fn judge(rows: &[(Duration, u64)]) -> Self {
        let points: Vec<(f64, f64)> = rows
            .iter()
            .map(|(at, bytes)| (at.as_secs_f64() / 3600.0, *bytes as f64 / 1024.0))
            .collect();
        let slope = slope(&points);
        let late_slope = self::slope(&points[points.len() / 2..]);
        let (begin, end) = match points.as_slice() {
            [(begin, _), .., (end, _)] => (*begin, *end),
            _ => (0.0, 0.0),
        };
        let hours = end - begin;
        let grown = slope * hours;
        let at_first = points.iter().map(|(x, y)| y - slope * (x - begin));
        let at_first = median(at_first.collect());
        let is_suspected = slope.min(late_slope) > BOUND_KIB_PER_H && grown > GROWN_KIB_MIN;
        Self {
            verdict: if points.len() < ROWS_MIN || hours < HOURS_MIN {
                LeakVerdict::TooShort
            } else if is_suspected {
                LeakVerdict::Suspected
            } else {
                LeakVerdict::NoLeak
            },
            rows: points.len(),
            hours,
            slope_kib_per_h: slope,
            late_slope_kib_per_h: late_slope,
            bound_kib_per_h: BOUND_KIB_PER_H,
            grown_kib: grown,
            grown_share: if at_first > 0.0 {
                grown / at_first
            } else {
                0.0
            },
        }
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.verdict {
            LeakVerdict::NoLeak => "no leak",
            LeakVerdict::Suspected => "leak suspected",
            LeakVerdict::TooShort => "too short to tell a leak",
        };
        write!(
            formatter,
            "{words}: RSS slope {:.0} KiB/h, in the second half {:.0} KiB/h (bound {:.0} KiB/h), {:+.0} KiB ({:+.2} %) over \
             {:.2} h, {} rows",
            self.slope_kib_per_h,
            self.late_slope_kib_per_h,
            self.bound_kib_per_h,
            self.grown_kib,
            self.grown_share * 100.0,
            self.hours,
            self.rows
        )
    }
}

/// The median of the slopes between all pairs of points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let mut slopes = Vec::new();
    for (place, (x, y)) in points.iter().enumerate() {
        for (later_x, later_y) in &points[place + 1..] {
            if later_x > x {
                slopes.push((later_y - y) / (later_x - x));
            }
        }
    }
    median(slopes)
}

/// The one in the middle; 0 without any.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.as_slice() {
        [] => 0.0,
        numbers if numbers.len().is_multiple_of(2) => {
            f64::midpoint(numbers[middle - 1], numbers[middle])
        }
        numbers => numbers[middle],
    }
}

/// The greatest slope that is no leak: under the usual churn of 300 connections a second five bytes of each.
const BOUND_KIB_PER_H: f64 = 4_096.0;
/// Growth below this is none, however short the time: tables grow to the greatest crowd that they meet, and the journal of calls
/// fills, for the first hour.
const GROWN_KIB_MIN: f64 = 2_048.0;
/// The fewest rows that tell anything.
const ROWS_MIN: usize = 8;
/// The shortest time that tells anything.
const HOURS_MIN: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    /// A row a minute, of so many KiB.
    fn rows(count: u64, kib: impl Fn(f64) -> f64) -> Vec<(Duration, u64)> {
        let minute = |minute: u64| {
            let at = Duration::from_secs(minute * 60);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // test numbers
            let bytes = (kib(at.as_secs_f64() / 3600.0) * 1024.0) as u64;
            (at, bytes)
        };
        (0..count).map(minute).collect()
    }

    #[test]
    fn a_steady_growth_is_a_leak_and_its_slope_is_found_among_rows_that_are_off() {
        let noisy = |hours: f64| {
            let noise = if (hours * 600.0).rem_euclid(70.0) < 10.0 {
                9_000.0
            } else {
                0.0
            };
            40_000.0 + 10_000.0 * hours + noise
        };
        let leak = Leak::judge(&rows(120, noisy));
        assert_eq!(leak.verdict, LeakVerdict::Suspected, "{leak}");
        let error = (leak.slope_kib_per_h - 10_000.0).abs();
        assert!(error < 500.0, "{leak}");
        assert!((leak.grown_share - 0.49).abs() < 0.05, "{leak}");
        assert!(leak.to_string().starts_with("leak suspected: RSS slope "));
    }

    #[test]
    fn what_fills_up_and_stays_is_no_leak() {
        let filling = |hours: f64| 40_000.0 + 8_000.0 * (hours * 6.0).min(1.0);
        for count in [20, 120] {
            let leak = Leak::judge(&rows(count, filling));
            assert_eq!(leak.verdict, LeakVerdict::NoLeak, "{leak}");
        }
        let leak = Leak::judge(&rows(60, |hours| 40_000.0 - 5_000.0 * hours));
        assert_eq!(leak.verdict, LeakVerdict::NoLeak, "{leak}");
        assert!(
            leak.to_string()
                .starts_with("no leak: RSS slope -5000 KiB/h")
        );
    }

    #[test]
    fn a_few_rows_tell_nothing() {
        for count in [0, 1, 2, 7] {
            let leak = Leak::judge(&rows(count, |hours| 40_000.0 + 90_000.0 * hours));
            assert_eq!(leak.verdict, LeakVerdict::TooShort, "{leak}");
        }
    }
}
