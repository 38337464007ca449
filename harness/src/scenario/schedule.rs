//! Owns what a scenario's phases lead to in time: which level of tabs and rates there is when, and when what arrives.
//!
//! Phases come in, moments in seconds from the run's beginning go out. It holds no clock.

use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;

use super::{Arrival, Phase, PhaseKind};
use crate::report::units::as_number;

/// The course of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// One leg a phase.
    pub legs: Vec<Leg>,
}

/// One phase in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leg {
    /// When it begins.
    pub begin_s: f64,
    /// When it ends.
    pub end_s: f64,
    /// At its beginning.
    pub from: Level,
    /// At its end.
    pub to: Level,
}

/// How much there is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Level {
    /// Tabs.
    pub tabs: usize,
    /// Open arrivals: calls a second.
    pub calls_per_s: f64,
    /// Open arrivals: requests a second.
    pub requests_per_s: f64,
}

impl Schedule {
    /// The course that these phases lead to.
    pub fn new(phases: &[Phase]) -> Self {
        let (mut level, mut begin_s) = (Level::default(), 0.0);
        let mut legs = Vec::new();
        for phase in phases {
            let is_open = matches!(phase.arrival, Arrival::Open { .. });
            let rate =
                |set: Option<f64>, before: f64| if is_open { set.unwrap_or(before) } else { 0.0 };
            let to = Level {
                tabs: phase.tabs.unwrap_or(level.tabs),
                calls_per_s: rate(phase.calls_per_s, level.calls_per_s),
                requests_per_s: rate(phase.requests_per_s, level.requests_per_s),
            };
            let is_gradual = matches!(phase.kind, PhaseKind::WarmUp | PhaseKind::Ramp);
            let end_s = begin_s + phase.seconds;
            legs.push(Leg {
                begin_s,
                end_s,
                from: if is_gradual && is_open { level } else { to },
                to,
            });
            if phase.kind != PhaseKind::Spike {
                level = to;
            }
            begin_s = end_s;
        }
        Self { legs }
    }

    /// How long it is.
    pub fn seconds(&self) -> f64 {
        self.legs.last().map_or(0.0, |leg| leg.end_s)
    }

    /// The place of the phase of this moment; the last one's after its end.
    pub fn phase_at(&self, at_s: f64) -> usize {
        let passed = self.legs.iter().take_while(|leg| leg.end_s <= at_s);
        passed.count().min(self.legs.len().saturating_sub(1))
    }

    /// How many tabs there ought to be at this moment.
    pub fn tabs_at(&self, at_s: f64) -> usize {
        let Some(leg) = self.legs.get(self.phase_at(at_s)) else {
            return 0;
        };
        let passed = ((at_s - leg.begin_s) / (leg.end_s - leg.begin_s)).clamp(0.0, 1.0);
        let (from, to) = (as_number(leg.from.tabs), as_number(leg.to.tabs));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between two counts
        let tabs = (from + (to - from) * passed) as usize;
        tabs
    }
}

/// When things of one kind are due that come at a rate, one after the other.
#[derive(Debug)]
pub struct Arrivals {
    stretches: Vec<Stretch>,
    /// The stretch that is looked at.
    place: usize,
    /// The last moment that was given.
    at_s: f64,
    random: ChaCha8Rng,
    is_first: bool,
}

/// A time in which the rate goes evenly from one to another.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    begin_s: f64,
    end_s: f64,
    from: f64,
    to: f64,
    is_even: bool,
}

impl Arrivals {
    /// Those of a schedule, at the rates that `rate` gives of a level.
    pub fn new(
        schedule: &Schedule,
        phases: &[Phase],
        rate: impl Fn(&Level) -> f64,
        random: ChaCha8Rng,
    ) -> Self {
        let stretches = schedule
            .legs
            .iter()
            .zip(phases)
            .map(|(leg, phase)| Stretch {
                begin_s: leg.begin_s,
                end_s: leg.end_s,
                from: rate(&leg.from),
                to: rate(&leg.to),
                is_even: matches!(phase.arrival, Arrival::Open { is_even: true, .. }),
            });
        Self {
            stretches: stretches.collect(),
            place: 0,
            at_s: 0.0,
            random,
            is_first: true,
        }
    }

    /// The next moment; `None` if nothing comes any more.
    pub fn next_s(&mut self) -> Option<f64> {
        // What the rate must add up to until then: 1 on average. The first comes in the middle of its time.
        let mut wanted = None;
        loop {
            let stretch = *self.stretches.get(self.place)?;
            let left = wanted.unwrap_or_else(|| self.draw(stretch.is_even));
            let from_s = self.at_s.max(stretch.begin_s);
            let there = stretch.until(from_s, stretch.end_s);
            if there > left {
                self.at_s = from_s + stretch.time_for(from_s, left);
                return Some(self.at_s);
            }
            wanted = Some(left - there);
            self.at_s = stretch.end_s;
            self.place += 1;
        }
    }

    fn draw(&mut self, is_even: bool) -> f64 {
        let is_first = std::mem::take(&mut self.is_first);
        if is_even {
            return if is_first { 0.5 } else { 1.0 };
        }
        // Independent things come at exponentially distributed distances.
        -(1.0 - self.random.random::<f64>()).ln()
    }
}

impl Stretch {
    fn slope(&self) -> f64 {
        (self.to - self.from) / (self.end_s - self.begin_s)
    }

    fn rate_at(&self, at_s: f64) -> f64 {
        self.from + self.slope() * (at_s - self.begin_s)
    }

    /// How many come between two moments, on average.
    fn until(&self, from_s: f64, to_s: f64) -> f64 {
        f64::midpoint(self.rate_at(from_s), self.rate_at(to_s)) * (to_s - from_s)
    }

    /// How long it takes from this moment on until so many have come, on average.
    fn time_for(&self, from_s: f64, count: f64) -> f64 {
        let rate = self.rate_at(from_s).max(0.0);
        let then = (rate * rate + 2.0 * self.slope() * count).max(0.0).sqrt();
        // Solved so that neither a flat nor a falling rate divides by nothing.
        2.0 * count / (rate + then).max(f64::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::SeedableRng as _;

    use super::*;

    fn phase(kind: PhaseKind, seconds: f64, tabs: usize, rate: f64, is_even: bool) -> Phase {
        Phase {
            name: kind.name().to_owned(),
            kind,
            seconds,
            tabs: Some(tabs),
            calls_per_s: Some(rate),
            requests_per_s: None,
            arrival: Arrival::Open {
                is_even,
                in_flight: 1,
                outstanding_max: 10,
            },
            is_measured: true,
        }
    }

    fn moments(phases: &[Phase], seed: u64) -> Vec<f64> {
        let schedule = Schedule::new(phases);
        let random = ChaCha8Rng::seed_from_u64(seed);
        let mut arrivals = Arrivals::new(&schedule, phases, |level| level.calls_per_s, random);
        std::iter::from_fn(|| arrivals.next_s()).collect()
    }

    #[test]
    fn a_ramp_grows_a_hold_stays_and_a_spike_comes_and_goes() {
        let phases = [
            phase(PhaseKind::WarmUp, 10.0, 100, 0.0, true),
            phase(PhaseKind::Hold, 10.0, 100, 5.0, true),
            phase(PhaseKind::Spike, 5.0, 400, 50.0, true),
            Phase {
                tabs: None,
                calls_per_s: None,
                ..phase(PhaseKind::Soak, 10.0, 0, 0.0, true)
            },
        ];
        let schedule = Schedule::new(&phases);
        let tabs = [0.0, 5.0, 10.0, 19.9, 20.0, 24.9, 25.0, 99.0].map(|at| schedule.tabs_at(at));
        assert_eq!(tabs, [0, 50, 100, 100, 400, 400, 100, 100]);
        assert!((schedule.legs[3].to.calls_per_s - 5.0).abs() < 1e-9);
        assert_eq!((schedule.phase_at(24.9), schedule.phase_at(25.0)), (2, 3));
    }

    #[test]
    fn even_arrivals_come_at_the_same_distance() {
        let moments = moments(&[phase(PhaseKind::Hold, 2.0, 0, 4.0, true)], 1);
        let expected: Vec<f64> = (0..8)
            .map(|place| 0.125 + f64::from(place) * 0.25)
            .collect();
        assert_eq!(moments.len(), expected.len());
        for (moment, expected) in moments.iter().zip(expected) {
            assert!((moment - expected).abs() < 1e-9, "{moment} {expected}");
        }
    }

    #[test]
    fn a_ramp_of_rates_brings_as_many_as_its_area() {
        let phases = [
            phase(PhaseKind::Hold, 1.0, 0, 0.0, true),
            phase(PhaseKind::Ramp, 10.0, 0, 100.0, true),
            phase(PhaseKind::Ramp, 10.0, 0, 0.0, true),
        ];
        let moments = moments(&phases, 1);
        assert!(moments.len().abs_diff(1000) <= 1, "{}", moments.len());
        let half = moments.iter().filter(|moment| **moment < 6.0).count();
        assert!(half.abs_diff(125) <= 1, "{half}");
        assert!(moments.is_sorted());
    }

    #[test]
    fn chance_arrivals_have_the_rate_on_average_and_repeat_by_the_seed() {
        let phases = [phase(PhaseKind::Hold, 100.0, 0, 50.0, false)];
        let one = moments(&phases, 7);
        assert!(one.len().abs_diff(5000) < 300, "{}", one.len());
        assert_eq!(one, moments(&phases, 7));
        assert_ne!(one, moments(&phases, 8));
        // Chance has its gaps: about a share of 1/e is longer than the average.
        let long = one.windows(2).filter(|pair| pair[1] - pair[0] > 0.02);
        assert!(long.count().abs_diff(1839) < 200);
    }

    #[test]
    fn closed_arrivals_have_no_moments() {
        let closed = Phase {
            calls_per_s: None,
            arrival: Arrival::Closed {
                opening_at_once: 1,
                calls_at_once: 3,
                requests_at_once: 1,
                think: Duration::ZERO,
            },
            ..phase(PhaseKind::Hold, 10.0, 7, 0.0, true)
        };
        let phases = [phase(PhaseKind::Hold, 1.0, 0, 3.0, true), closed];
        assert_eq!(moments(&phases, 1).len(), 3);
        assert_eq!(Schedule::new(&phases).tabs_at(1.5), 7);
    }
}
