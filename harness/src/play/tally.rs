//! Owns what a worker measures and counts between two reports, by phase.
//!
//! Histograms hold what came since the last report and are only as long as the longest time needs; what leaves is each value to
//! three digits with how often it occurred.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::report;
use crate::scenario::{FailureKind, Method};

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Timing {
    Connect,
    Login,
    Opening,
    ComeBack,
    RoundTrip(Method),
    RingToPopup,
    /// An event of this name.
    Event(&'static str),
    FanOut,
    Lag,
}

impl Timing {
    /// The measure's name.
    pub(super) fn name(self) -> String {
        match self {
            Self::Connect => "connect".into(),
            Self::Login => "login".into(),
            Self::Opening => "opening".into(),
            Self::ComeBack => "come_back".into(),
            Self::RoundTrip(method) => format!("{ROUND_TRIP}.{}", method.name()),
            Self::RingToPopup => RING_TO_POPUP.into(),
            Self::Event(name) => format!("event_latency.{name}"),
            Self::FanOut => "fan_out".into(),
            Self::Lag => LAG.into(),
        }
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Counted {
    TabsOpened,
    Reconnections,
    SlowReaderCloses,
    Calls,
    Requests,
    Events,
    Messages,
}

impl Counted {
    pub(super) const ALL: [Self; 7] = [
        Self::TabsOpened,
        Self::Reconnections,
        Self::SlowReaderCloses,
        Self::Calls,
        Self::Requests,
        Self::Events,
        Self::Messages,
    ];

    /// The measure's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::TabsOpened => "tabs_opened",
            Self::Reconnections => "reconnections",
            Self::SlowReaderCloses => "slow_reader_closes",
            Self::Calls => "calls",
            Self::Requests => "requests",
            Self::Events => "events",
            Self::Messages => "messages",
        }
    }
}

/// Values in microseconds and how often each occurred.
pub(super) type Steps = Vec<(u64, u64)>;

/// What happened in one phase since the last report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct PhaseTally {
    pub(super) phase: usize,
    pub(super) times: Vec<Timed>,
    pub(super) counts: Vec<(Counted, u64)>,
}

/// Times of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Timed {
    /// The measure's name.
    pub(super) name: String,
    pub(super) service: Steps,
    /// Empty if nothing was due at a set time.
    pub(super) response: Steps,
}

/// The figures since the last report.
#[derive(Debug, Default)]
pub(super) struct Tally {
    times: HashMap<(usize, Timing), Pair>,
    counts: BTreeMap<(usize, Counted), u64>,
    failures: BTreeMap<FailureKind, (u64, String)>,
}

/// Times that are as long as they need to be to hold what came.
#[derive(Debug)]
struct Pair {
    service: Histogram<u32>,
    response: Histogram<u32>,
    /// Whether anything was due at a set time.
    was_due: bool,
}

impl Pair {
    fn new() -> Self {
        let empty = || Histogram::new(3).expect("three digits are allowed");
        Self {
            service: empty(),
            response: empty(),
            was_due: false,
        }
    }
}

impl Tally {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Times something: how long it took, and how long since it ought to have begun, if that was at a set time.
    pub(super) fn time(
        &mut self,
        phase: usize,
        timing: Timing,
        service: Duration,
        response: Option<Duration>,
    ) {
        let pair = self.times.entry((phase, timing)).or_insert_with(Pair::new);
        record(&mut pair.service, service);
        record(&mut pair.response, response.unwrap_or(service));
        pair.was_due |= response.is_some();
    }

    /// Times many things of one kind at once, each due at a set time.
    pub(super) fn time_all(
        &mut self,
        phase: usize,
        timing: Timing,
        times: impl Iterator<Item = (Duration, Duration)>,
    ) {
        let mut times = times.peekable();
        if times.peek().is_none() {
            return;
        }
        let pair = self.times.entry((phase, timing)).or_insert_with(Pair::new);
        for (service, response) in times {
            record(&mut pair.service, service);
            record(&mut pair.response, response);
        }
        pair.was_due = true;
    }

    pub(super) fn count(&mut self, phase: usize, counted: Counted, number: u64) {
        *self.counts.entry((phase, counted)).or_default() += number;
    }

    pub(super) fn fail(&mut self, kind: FailureKind, words: impl std::fmt::Display) {
        let (count, _) = self
            .failures
            .entry(kind)
            .or_insert_with(|| (0, words.to_string()));
        *count += 1;
    }

    /// Gives what there is and begins anew.
    pub(super) fn take(&mut self) -> (Vec<PhaseTally>, BTreeMap<FailureKind, (u64, String)>) {
        let mut phases: BTreeMap<usize, PhaseTally> = BTreeMap::new();
        let empty = |phase| PhaseTally {
            phase,
            ..PhaseTally::default()
        };
        let newest = self.times.keys().map(|(phase, _)| *phase).max();
        for ((phase, timing), pair) in &mut self.times {
            if pair.service.is_empty() {
                continue;
            }
            let tally = phases.entry(*phase).or_insert_with(|| empty(*phase));
            tally.times.push(Timed {
                name: timing.name(),
                service: steps(&pair.service),
                response: if pair.was_due {
                    steps(&pair.response)
                } else {
                    Steps::new()
                },
            });
            pair.service.reset();
            pair.response.reset();
            pair.was_due = false;
        }
        // Of a phase that is over hardly anything comes.
        self.times.retain(|(phase, _), _| Some(*phase) == newest);
        for ((phase, counted), number) in std::mem::take(&mut self.counts) {
            let tally = phases.entry(phase).or_insert_with(|| empty(phase));
            tally.counts.push((counted, number));
        }
        (
            phases.into_values().collect(),
            std::mem::take(&mut self.failures),
        )
    }
}

/// Longer times than a minute count as a minute, as everywhere.
fn record(histogram: &mut Histogram<u32>, time: Duration) {
    let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    histogram
        .record(us.clamp(1, report::LATENCY_US_MAX))
        .expect("it grows as it must");
}

fn steps(histogram: &Histogram<u32>) -> Steps {
    let steps = histogram.iter_recorded();
    steps
        .map(|step| (step.value_iterated_to(), u64::from(step.count_at_value())))
        .collect()
}

/// The measure of all requests together.
pub(super) const ROUND_TRIP: &str = "round_trip";
/// The measure of rings.
pub(super) const RING_TO_POPUP: &str = "ring_to_popup";
/// The measure of the harness's own lateness.
pub(super) const LAG: &str = "harness_lag";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_counts_come_out_by_phase_and_once() {
        let mut tally = Tally::new();
        let ms = Duration::from_millis;
        tally.time(1, Timing::RingToPopup, ms(2), Some(ms(9)));
        tally.time(1, Timing::RingToPopup, ms(2), None);
        tally.time(0, Timing::FanOut, ms(1), None);
        tally.count(1, Counted::Calls, 3);
        tally.fail(FailureKind::Closed, "one");
        tally.fail(FailureKind::Closed, "two");
        let (phases, failures) = tally.take();
        assert_eq!(phases.len(), 2);
        assert_eq!(phases[0].times[0].response, []);
        let rings = &phases[1].times[0];
        assert_eq!(rings.service.iter().map(|(_, count)| count).sum::<u64>(), 2);
        assert_eq!(rings.response.len(), 2);
        assert_eq!(phases[1].counts, [(Counted::Calls, 3)]);
        assert_eq!(failures[&FailureKind::Closed], (2, "one".to_owned()));
        assert!(tally.take().0.is_empty());
    }

    #[test]
    fn what_comes_out_makes_the_same_histogram_again() {
        let mut tally = Tally::new();
        let mut histogram = report::histogram();
        for us in [1, 999, 123_456, 59_999_999, 90_000_000] {
            let time = Duration::from_micros(us);
            report::record(&mut histogram, time);
            tally.time(0, Timing::FanOut, time, None);
        }
        let mut again = report::histogram();
        for (us, count) in &tally.take().0[0].times[0].service {
            again.saturating_record_n(*us, *count);
        }
        assert_eq!(again, histogram);
    }

    #[test]
    fn a_phase_that_is_over_takes_no_memory() {
        let mut tally = Tally::new();
        for phase in 0..3 {
            tally.time(phase, Timing::FanOut, Duration::from_millis(1), None);
            assert_eq!(tally.take().0.len(), 1);
            assert_eq!(tally.times.len(), 1);
        }
    }
}
