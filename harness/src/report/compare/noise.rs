//! Owns the estimate of how far a figure of one run lies from that of the next, from the seconds of the run itself.
//!
//! A run's 99th percentile is no average of its seconds': one awful second can make it. So what was drawn from the seconds
//! ([`super::blocks`]) is mixed as a run mixes it. Of each second the series keeps the median and the 99th percentile; between
//! and beyond them the share of times that are longer than `x` is taken to fall with a power of `x`, as tails of latencies do.

use super::blocks::{Block, Plan};
use super::seconds::Column;
use crate::report::units::as_number;
use crate::results::Distribution;

/// The noise of a figure.
#[derive(Debug, Clone)]
pub(super) struct Noise {
    /// By what figures that were drawn differ from the run's own, as logarithms.
    around: Vec<f64>,
    /// How many blocks there were; what is told from few is not sure.
    blocks: f64,
    /// How far independent times would spread the figure, as a logarithm: there is never less.
    spread: f64,
    /// What the rounding to microseconds does to the figure, as a share of it.
    rounding: f64,
}

/// The noise of a quantile, from the medians and the 99th percentiles of the seconds; or why it cannot be told.
pub(super) fn of_quantile(
    seconds: &Column<(f64, f64)>,
    times: &Distribution,
    quantile: f64,
) -> Result<Noise, String> {
    let count = enough(seconds)?;
    let each = as_number(times.count) / count;
    let least = TIMES_A_SECOND_MIN[usize::from(quantile > 0.9)];
    if each < least {
        return Err(format!(
            "{each:.1} times a second are too few, {least:.0} would do"
        ));
    }
    let law = |(p50, p99): &(f64, f64)| Law::through(*p50, *p99, each);
    let laws: Vec<Vec<Law>> = each_second(seconds, law);
    let beyond = (1.0 - quantile).ln();
    let grid = grid(laws.iter().flatten().map(|law| law.at(beyond)));
    let shares = |law: &Law| grid.iter().map(|at| law.share_beyond(*at)).collect();
    let sums = Sums::of(&each_second(&laws, shares));
    let medians = each_second(seconds, |(p50, _)| *p50);
    let tails = each_second(seconds, |(_, p99)| *p99);
    let plan = Plan::of(&[medians, tails], sums.lengths());
    let own = crossing(&sums, &grid, &plan.whole(), beyond);
    let at = quantiles(times);
    Ok(Noise {
        around: plan.draw(|blocks| crossing(&sums, &grid, blocks, beyond) - own),
        blocks: plan.blocks(),
        spread: spread(times.count, quantile, &at),
        rounding: 0.5 / at(quantile),
    })
}

/// The noise of an amount that is about the same in every second; or why it cannot be told.
pub(super) fn of_amount(seconds: &Column<f64>) -> Result<Noise, String> {
    enough(seconds)?;
    let sums = Sums::of(&each_second(seconds, |amount| vec![*amount]));
    let plan = Plan::of(std::slice::from_ref(seconds), sums.lengths());
    let own = sums.mean(&plan.whole(), 0);
    if own <= 0.0 {
        return Err("the series has nothing but zeros".to_owned());
    }
    let mean = |blocks: &[Vec<Block>]| (sums.mean(blocks, 0) / own).max(f64::MIN_POSITIVE).ln();
    Ok(Noise {
        around: plan.draw(mean),
        blocks: plan.blocks(),
        spread: 0.0,
        rounding: 0.0,
    })
}

/// By what the ratio of two figures is multiplied to get the ends of the interval that holds the true one.
pub(super) fn interval(base: &Noise, other: &Noise) -> (f64, f64) {
    // Both were drawn by the same chances: the first of one is held against the last of the other.
    let pairs = other.around.iter().zip(base.around.iter().rev());
    let mut apart: Vec<f64> = pairs.map(|(other, base)| other - base).collect();
    apart.sort_by(f64::total_cmp);
    let few = base.blocks.min(other.blocks).max(1.5);
    let wider = (few / (few - 1.0)).sqrt() * student(base.blocks + other.blocks - 2.0) / NORMAL;
    let rounding = base.rounding + other.rounding;
    let independent = NORMAL * base.spread.hypot(other.spread);
    let least = independent.max(LEAST) + rounding;
    let ends = [TAIL, 1.0 - TAIL].map(|share| match apart.len() {
        0 => 0.0,
        draws => apart[rank(share, draws)] * wider,
    });
    let [low, high] = ends;
    let (low, high) = ((low - rounding).min(-least), (high + rounding).max(least));
    (low.exp(), high.exp())
}

/// The standard deviation of the quantile of so many independent times, as a logarithm: it lies where as many more or fewer are
/// below it as chance makes of them.
fn spread(count: u64, quantile: f64, at: impl Fn(f64) -> f64) -> f64 {
    let chance = (quantile * (1.0 - quantile) / as_number(count.max(1))).sqrt();
    (at(quantile + chance).ln() - at(quantile - chance).ln()) / 2.0
}

/// The time that each share was not longer than.
fn quantiles(times: &Distribution) -> impl Fn(f64) -> f64 {
    let times = times.histogram();
    move |share: f64| as_number(times.value_at_quantile(share.clamp(0.0, 1.0)).max(1))
}

/// The share of a second's times that are longer than each time, as a power of the time.
#[derive(Debug, Clone, Copy)]
struct Law {
    /// The median, and the share that is longer, as logarithms.
    middle: (f64, f64),
    slope: f64,
}

impl Law {
    /// Through the median and the 99th percentile of so many times.
    fn through(p50: f64, p99: f64, times: f64) -> Self {
        // Of few times the 99th percentile is the longest, and more than 1 % of all times are longer than that.
        let beyond = |share: f64| (1.0 - (share * times).ceil().min(times) / (times + 1.0)).ln();
        let (at_50, at_99) = (p50.max(1.0).ln(), p99.max(1.0).ln());
        let apart = (at_99 - at_50).max(APART_MIN);
        Self {
            middle: (at_50, beyond(0.5)),
            slope: (beyond(0.99) - beyond(0.5)) / apart,
        }
    }

    /// The time, as a logarithm, that this share is longer than, which is one too.
    fn at(&self, beyond: f64) -> f64 {
        self.middle.0 + (beyond - self.middle.1) / self.slope
    }

    fn share_beyond(&self, at: f64) -> f64 {
        let share = self.middle.1 + (at - self.middle.0) * self.slope;
        share.min(0.0).exp()
    }
}

/// Of each phase and each place of the grid the sums over the first units, so that a block's sum is a difference. A unit is a
/// second, or as many as keep the units few.
struct Sums {
    phases: Vec<Vec<Vec<f64>>>,
}

impl Sums {
    fn of(seconds: &Column<Vec<f64>>) -> Self {
        let count: usize = seconds.iter().map(Vec::len).sum();
        let unit = count.div_ceil(UNITS_MAX).max(1);
        let phases = seconds.iter().map(|seconds| {
            let places = seconds.first().map_or(0, Vec::len);
            let mut sum = vec![0.0; places];
            let mut sums = vec![sum.clone()];
            for unit in seconds.chunks(unit) {
                let part = as_number(unit.len());
                for second in unit {
                    for (sum, figure) in sum.iter_mut().zip(second) {
                        *sum += figure / part;
                    }
                }
                sums.push(sum.clone());
            }
            sums
        });
        Self {
            phases: phases.collect(),
        }
    }

    fn lengths(&self) -> Vec<usize> {
        self.phases.iter().map(|sums| sums.len() - 1).collect()
    }

    /// The mean over what was drawn of each phase.
    fn mean(&self, drawn: &[Vec<Block>], place: usize) -> f64 {
        let mut total = 0.0;
        let mut units = 0;
        for (sums, blocks) in self.phases.iter().zip(drawn) {
            for block in blocks {
                total += block.sum(sums.len() - 1, |first| sums[first][place]);
                units += block.length;
            }
        }
        total / as_number(units.max(1))
    }
}

/// The time, as a logarithm, that this share of what was drawn is longer than.
fn crossing(sums: &Sums, grid: &[f64], drawn: &[Vec<Block>], beyond: f64) -> f64 {
    let share = |place: usize| sums.mean(drawn, place).max(f64::MIN_POSITIVE).ln();
    // The shares fall from place to place: those before `first` are greater.
    let (mut first, mut end) = (0, grid.len());
    while first < end {
        let middle = usize::midpoint(first, end);
        if share(middle) > beyond {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    if first == 0 || first == grid.len() {
        return grid[first.min(grid.len() - 1)];
    }
    let (above, below) = (share(first - 1), share(first));
    let part = if above > below {
        (above - beyond) / (above - below)
    } else {
        0.0
    };
    grid[first - 1] + part * (grid[first] - grid[first - 1])
}

/// Evenly from the least of the seconds' own quantiles to the greatest, between which that of any mixture lies.
fn grid(quantiles: impl Iterator<Item = f64>) -> Vec<f64> {
    let ends = quantiles.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| {
        (low.min(at), high.max(at))
    });
    let step = (ends.1 - ends.0) / as_number(GRID - 1);
    (0..GRID)
        .map(|place| ends.0 + step * as_number(place))
        .collect()
}

fn each_second<S, T>(phases: &Column<S>, of: impl Fn(&S) -> T) -> Column<T> {
    let phases = phases.iter();
    phases
        .map(|seconds| seconds.iter().map(&of).collect())
        .collect()
}

fn enough<S>(phases: &Column<S>) -> Result<f64, String> {
    let seconds: usize = phases.iter().map(Vec::len).sum();
    if seconds < SECONDS_MIN {
        return Err(format!(
            "the series has {seconds} moments of it in phases that count, {SECONDS_MIN} would do"
        ));
    }
    Ok(as_number(seconds))
}

/// The quantile of Student's distribution at 1 - [`TAIL`], as the first terms of its series around the normal one.
fn student(freedom: f64) -> f64 {
    let (z, freedom) = (NORMAL, freedom.max(2.0));
    let first = (z.powi(3) + z) / (4.0 * freedom);
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * freedom.powi(2));
    z + first + second
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between the first and the last
fn rank(share: f64, count: usize) -> usize {
    (share * as_number(count - 1)).round() as usize
}

/// The share that the interval leaves out at each end.
const TAIL: f64 = 0.005;
/// The quantile of the normal distribution at 1 - [`TAIL`].
const NORMAL: f64 = 2.575_829;
/// A difference of 1 % is never told from noise, however even the seconds are.
const LEAST: f64 = 0.01;
/// From fewer seconds nothing is told.
const SECONDS_MIN: usize = 8;
/// With fewer times a second the median, or the 99th percentile, of a second says too little.
const TIMES_A_SECOND_MIN: [f64; 2] = [3.0, 10.0];
/// The least distance of a second's 99th percentile from its median, as a logarithm.
const APART_MIN: f64 = 1e-3;
/// How many places a grid has; between them shares are interpolated.
const GRID: usize = 128;
/// How many units a run is parted into at most.
const UNITS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_goes_through_both_percentiles_of_a_second() {
        let law = Law::through(1_000.0, 20_000.0, 999.0);
        let share = |us: f64| law.share_beyond(us.ln());
        assert!((share(1_000.0) - 0.5).abs() < 1e-3, "{}", share(1_000.0));
        assert!((share(20_000.0) - 0.01).abs() < 1e-3, "{}", share(20_000.0));
        assert!((law.at(0.01_f64.ln()).exp() - 20_000.0).abs() < 60.0);
        assert!(share(200_000.0) < 0.001);
    }

    #[test]
    fn students_quantile_is_that_of_the_tables() {
        for (freedom, wanted, within) in
            [(8.0, 3.355, 0.05), (30.0, 2.750, 0.005), (1e9, 2.576, 1e-3)]
        {
            let quantile = student(freedom);
            assert!((quantile - wanted).abs() < within, "{freedom}: {quantile}");
        }
    }

    #[test]
    fn even_seconds_leave_the_least_interval_and_uneven_ones_a_wide_one() {
        let even = of_amount(&vec![vec![5.0; 60]]).unwrap();
        let (low, high) = interval(&even, &even);
        assert!(
            (low - 0.99).abs() < 1e-3 && (high - 1.01).abs() < 1e-3,
            "{low} {high}"
        );
        let uneven = (0..60).map(|second| f64::from(second % 7 + 1)).collect();
        let (low, high) = interval(&even, &of_amount(&vec![uneven]).unwrap());
        assert!(low < 0.9 && high > 1.1, "{low} {high}");
    }

    #[test]
    fn differences_between_phases_are_no_noise() {
        let phases = vec![vec![1.0; 30], vec![100.0; 30]];
        let noise = of_amount(&phases).unwrap();
        let (low, high) = interval(&noise, &noise);
        assert!(low > 0.98 && high < 1.02, "{low} {high}");
    }

    #[test]
    fn few_seconds_or_few_times_say_nothing_and_say_why() {
        let quantile = |count| Distribution {
            count,
            ..Distribution::default()
        };
        let short = of_quantile(&vec![vec![(1.0, 2.0); 7]], &quantile(1_000_000), 0.99);
        let short = short.unwrap_err();
        assert!(short.contains("7 moments"), "{short}");
        let thin = of_quantile(&vec![vec![(1.0, 2.0); 60]], &quantile(300), 0.99).unwrap_err();
        assert!(thin.contains("5.0 times a second"), "{thin}");
        let nothing = of_amount(&vec![vec![0.0; 60]]).unwrap_err();
        assert!(nothing.contains("zeros"), "{nothing}");
    }

    #[test]
    fn a_quantile_is_never_surer_than_that_of_independent_times() {
        let mut recorded = crate::report::histogram();
        for us in (1_000..2_000).chain([40_000; 10]) {
            recorded.record(us).unwrap();
        }
        let times = Distribution::from(&recorded);
        let even = vec![vec![(1_500.0, 2_000.0); 60]];
        let noise = |quantile| of_quantile(&even, &times, quantile).unwrap();
        let (low, high) = interval(&noise(0.5), &noise(0.5));
        assert!(low > 0.93 && high < 1.07, "{low} {high}");
        // One more of the ten long ones, and they are the 99th percentile.
        let (low, high) = interval(&noise(0.99), &noise(0.99));
        assert!(low < 0.1 && high > 10.0, "{low} {high}");
    }

    #[test]
    fn a_long_run_is_told_from_fewer_units() {
        let seconds = (0..20_000).map(|second| f64::from(second % 10)).collect();
        let noise = of_amount(&vec![seconds]).unwrap();
        let (low, high) = interval(&noise, &noise);
        assert!(low > 0.9 && high < 1.1, "{low} {high}");
    }
}
