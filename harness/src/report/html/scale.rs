//! Owns axes: where an amount lies on one, and the round amounts that are written at it.

use crate::report::units::Unit;

/// How amounts are spread over an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Evenly.
    Linear,
    /// By their size: ten times as much is always as far away. For amounts above zero.
    Log,
    /// By what is left to all: 90 %, 99 %, 99.9 % are equally far from each other. For shares from 0 to below 1.
    Nines,
}

/// An axis that is ready to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    spread: Spread,
    low: f64,
    high: f64,
    /// The round amounts and their labels, in ascending order.
    pub(super) ticks: Vec<Tick>,
    /// The unit that the labels share; empty if each has its own.
    pub(super) unit: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

impl Axis {
    /// One from zero, or from less, to the largest of these amounts, with at most so many steps.
    pub(super) fn linear(amounts: impl Iterator<Item = f64>, unit: &Unit, steps: usize) -> Self {
        let (low, high) = ends(amounts).unwrap_or((0.0, 0.0));
        let (low, high) = (low.min(0.0), high.max(0.0));
        let high = if high > low { high } else { low + 1.0 };
        let scale = unit.scale(high.abs().max(low.abs()));
        let step = round_step((high - low) / scale.divisor / count(steps), unit);
        let first = (low / scale.divisor / step).floor();
        let last = (high / scale.divisor / step).ceil();
        Self {
            spread: Spread::Linear,
            low: first * step * scale.divisor,
            high: last * step * scale.divisor,
            ticks: even_ticks(first, last, step, scale.divisor),
            unit: scale.name.to_owned(),
        }
    }

    /// One of moments from the beginning to the last, which need not be a round one.
    pub(super) fn clock(last: f64, steps: usize) -> Self {
        let high = if last > 0.0 { last } else { 1.0 };
        let (divisor, unit) = match high {
            ..=300.0 => (1.0, "s"),
            ..=10_800.0 => (60.0, "min"),
            _ => (3600.0, "h"),
        };
        let step = clock_step(high / count(steps)) / divisor;
        let last = (high / divisor / step).floor();
        Self {
            spread: Spread::Linear,
            low: 0.0,
            high,
            ticks: even_ticks(0.0, last, step, divisor),
            unit: unit.to_owned(),
        }
    }

    /// One of amounts above zero by their size. Each tick has its own unit.
    pub(super) fn log(amounts: impl Iterator<Item = f64>, unit: &Unit) -> Self {
        let (low, high) = ends(amounts.filter(|amount| *amount > 0.0)).unwrap_or((1.0, 10.0));
        let marks = round_marks(low, high);
        let ticks = marks.iter().map(|at| Tick {
            at: *at,
            label: in_own_unit(*at, unit),
        });
        Self {
            spread: Spread::Log,
            low: *marks.first().unwrap_or(&low),
            high: *marks.last().unwrap_or(&high),
            ticks: ticks.collect(),
            unit: String::new(),
        }
    }

    /// One of shares up to the last that this many values can tell.
    pub(super) fn nines(values: u64) -> Self {
        let nines = values.max(10).ilog10().clamp(2, NINES_MAX);
        let mut ticks = vec![(0.0, "0 %".to_owned()), (0.5, "50 %".to_owned())];
        for nine in 1..=nines {
            let decimals = usize::try_from(nine).unwrap_or(0).saturating_sub(2);
            let share = 1.0 - 0.1_f64.powi(nine.cast_signed());
            ticks.push((share, format!("{:.decimals$} %", share * 100.0)));
        }
        let ticks = ticks.into_iter().map(|(at, label)| Tick { at, label });
        Self {
            spread: Spread::Nines,
            low: 0.0,
            high: 1.0 - 0.1_f64.powi(nines.cast_signed()),
            ticks: ticks.collect(),
            unit: String::new(),
        }
    }

    /// Where the amount lies: 0 at the low end, 1 at the high one; the ends themselves for what lies outside.
    pub(super) fn place(&self, amount: f64) -> f64 {
        let spread = |amount: f64| match self.spread {
            Spread::Linear => amount,
            Spread::Log => amount.max(f64::MIN_POSITIVE).log10(),
            Spread::Nines => -(1.0 - amount).max(f64::MIN_POSITIVE).log10(),
        };
        let (low, high) = (spread(self.low), spread(self.high));
        let place = (spread(amount) - low) / (high - low);
        if place.is_finite() {
            place.clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// Whether the amount lies between its ends.
    pub(super) fn holds(&self, amount: f64) -> bool {
        (self.low..=self.high).contains(&amount)
    }
}

/// From so many steps to so many, which are of a unit that the amounts are divided by.
fn even_ticks(first: f64, last: f64, step: f64, divisor: f64) -> Vec<Tick> {
    let decimals = decimals_of(step);
    let ticks = (0..=whole(last - first)).map(|place| {
        let amount = (first + count(place)) * step;
        Tick {
            at: amount * divisor,
            label: with_commas(amount, decimals),
        }
    });
    ticks.collect()
}

fn ends(amounts: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = amounts.filter(|amount| amount.is_finite());
    finite.fold(None, |ends, amount| {
        let (low, high) = ends.unwrap_or((amount, amount));
        Some((f64::min(low, amount), f64::max(high, amount)))
    })
}

/// The next 1, 2 or 5 with any number of noughts; for bytes the next power of two.
fn round_step(least: f64, unit: &Unit) -> f64 {
    if *unit == Unit::Bytes {
        return 2_f64.powf(least.max(1e-3).log2().ceil());
    }
    let least = if *unit == Unit::Number {
        least.max(1.0)
    } else {
        least
    };
    let nought = 10_f64.powf(least.max(1e-12).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * nought);
    let step = steps.into_iter().find(|step| *step >= least * 0.999);
    step.unwrap_or(10.0 * nought)
}

fn clock_step(least_s: f64) -> f64 {
    let step = CLOCK_STEPS_S.iter().find(|step| **step >= least_s * 0.999);
    step.copied()
        .unwrap_or_else(|| (least_s / 86_400.0).ceil() * 86_400.0)
}

/// Round amounts from the last below the low one to the first above the high one: tens alone, or 1, 2 and 5 if these would be few.
fn round_marks(low: f64, high: f64) -> Vec<f64> {
    let decades = (high / low).log10();
    let factors: &[f64] = match decades {
        ..1.2 => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
        ..3.0 => &[1.0, 2.0, 5.0],
        _ => &[1.0],
    };
    let first = low.log10().floor();
    let last = high.log10().ceil();
    let tens = (0..=whole(last - first)).map(|place| 10_f64.powf(first + count(place)));
    let marks = tens.flat_map(|ten| factors.iter().map(move |factor| factor * ten));
    let marks: Vec<f64> = marks.collect();
    let from = marks.iter().rposition(|mark| *mark <= low * 1.001);
    let to = marks.iter().position(|mark| *mark >= high * 0.999);
    let (from, to) = (from.unwrap_or(0), to.unwrap_or(marks.len() - 1));
    let to = to.max(from + 1).min(marks.len() - 1);
    marks[from..=to].to_vec()
}

fn decimals_of(step: f64) -> usize {
    let decimals = -(step * 1.0001).log10().floor();
    let is_half = step < 1.0 && (step.log2().fract() == 0.0);
    if is_half && step < 0.5 {
        return 2;
    }
    whole(decimals.max(0.0))
}

/// A round amount with no more digits than it needs, in the unit that fits it.
fn in_own_unit(amount: f64, unit: &Unit) -> String {
    let scale = unit.scale(amount);
    let shown = (amount / scale.divisor * 1e6).round() / 1e6;
    let shown = if shown.fract() == 0.0 {
        with_commas(shown, 0)
    } else {
        shown.to_string()
    };
    format!("{shown} {}", scale.name).trim_end().to_owned()
}

fn with_commas(amount: f64, decimals: usize) -> String {
    if decimals > 0 || amount < 0.0 {
        return format!("{amount:.decimals$}");
    }
    crate::report::units::number(whole_number(amount.round()))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // ticks are few and not below zero
fn whole(amount: f64) -> usize {
    amount.clamp(0.0, TICKS_MAX) as usize
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // labels below zero are written elsewhere
fn whole_number(amount: f64) -> u64 {
    amount as u64
}

#[allow(clippy::cast_precision_loss)] // ticks are few
fn count(steps: usize) -> f64 {
    steps as f64
}

const CLOCK_STEPS_S: [f64; 20] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0,
    3600.0, 7200.0, 14_400.0, 21_600.0, 43_200.0,
];
/// More nines than this no histogram of times can tell.
const NINES_MAX: u32 = 6;
/// No axis has more ticks, whatever amounts come.
const TICKS_MAX: f64 = 200.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| &*tick.label).collect()
    }

    #[test]
    fn steps_are_round_and_in_one_unit() {
        let axis = Axis::linear([3_100.0, 8_700.0].into_iter(), &Unit::Time, 5);
        assert_eq!(
            (labels(&axis), &*axis.unit),
            (vec!["0", "2", "4", "6", "8", "10"], "ms")
        );
        let axis = Axis::linear([70e6].into_iter(), &Unit::Bytes, 5);
        assert_eq!(labels(&axis), ["0", "16", "32", "48", "64", "80"]);
        assert_eq!(axis.unit, "MiB");
        let axis = Axis::linear([0.42].into_iter(), &Unit::Share, 5);
        assert_eq!(
            (labels(&axis), &*axis.unit),
            (vec!["0", "10", "20", "30", "40", "50"], "%")
        );
        let axis = Axis::linear([2_000.0].into_iter(), &Unit::Number, 4);
        assert_eq!(labels(&axis), ["0", "500", "1,000", "1,500", "2,000"]);
    }

    #[test]
    fn moments_are_told_in_seconds_minutes_or_hours() {
        let axis = Axis::clock(62.0, 8);
        assert_eq!(
            (labels(&axis), &*axis.unit),
            (vec!["0", "10", "20", "30", "40", "50", "60"], "s")
        );
        let axis = Axis::clock(1800.0, 8);
        assert_eq!(
            (labels(&axis), &*axis.unit),
            (vec!["0", "5", "10", "15", "20", "25", "30"], "min")
        );
        let axis = Axis::clock(43_200.0, 8);
        assert_eq!(
            (labels(&axis), &*axis.unit),
            (vec!["0", "2", "4", "6", "8", "10", "12"], "h")
        );
    }

    #[test]
    fn amounts_by_their_size_have_the_unit_that_fits_each() {
        let axis = Axis::log([350.0, 2_400_000.0].into_iter(), &Unit::Time);
        assert_eq!(
            labels(&axis),
            ["100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s"]
        );
        let axis = Axis::log([1_100.0, 1_300.0].into_iter(), &Unit::Time);
        assert_eq!(labels(&axis), ["1 ms", "1.5 ms"]);
    }

    #[test]
    fn shares_are_spread_by_their_nines() {
        let axis = Axis::nines(5_000);
        assert_eq!(labels(&axis), ["0 %", "50 %", "90 %", "99 %", "99.9 %"]);
        let place = |share| (axis.place(share) * 1e6).round() / 1e6;
        assert!((place(0.9) - 1.0 / 3.0).abs() < 1e-5 && (place(0.99) - 2.0 / 3.0).abs() < 1e-5);
    }

    #[test]
    fn no_amounts_or_strange_ones_still_make_an_axis() {
        for amounts in [
            vec![],
            vec![0.0],
            vec![f64::NAN],
            vec![f64::INFINITY, 5.0],
            vec![-3.0],
        ] {
            for axis in [
                Axis::linear(amounts.iter().copied(), &Unit::Time, 5),
                Axis::log(amounts.iter().copied(), &Unit::Time),
            ] {
                assert!(axis.ticks.len() >= 2, "{amounts:?}: {axis:?}");
                assert!((0.0..=1.0).contains(&axis.place(f64::NAN)));
                assert!((0.0..=1.0).contains(&axis.place(7.0)));
            }
        }
    }
}
