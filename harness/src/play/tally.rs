//! Owns what a worker measures and counts between two reports, by phase.
//!
//! Times are kept as steps: a few hundred values to three digits and how often each occurred, as a whole histogram for each
//! kind and phase would take more memory than the tabs.

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
#[derive(Debug)]
pub(super) struct Tally {
    /// Only says which values are the same to three digits.
    scale: Histogram<u64>,
    times: HashMap<(usize, Timing), Pair>,
    counts: BTreeMap<(usize, Counted), u64>,
    failures: BTreeMap<FailureKind, (u64, String)>,
}

#[derive(Debug, Default)]
struct Pair {
    service: HashMap<u64, u64>,
    response: HashMap<u64, u64>,
    /// Whether anything was due at a set time.
    was_due: bool,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            scale: report::histogram(),
            times: HashMap::new(),
            counts: BTreeMap::new(),
            failures: BTreeMap::new(),
        }
    }

    /// Times something: how long it took, and how long since it ought to have begun, if that was at a set time.
    pub(super) fn time(
        &mut self,
        phase: usize,
        timing: Timing,
        service: Duration,
        response: Option<Duration>,
    ) {
        let [service, since_due] =
            [service, response.unwrap_or(service)].map(|time| self.step(time));
        let pair = self.times.entry((phase, timing)).or_default();
        *pair.service.entry(service).or_default() += 1;
        *pair.response.entry(since_due).or_default() += 1;
        pair.was_due |= response.is_some();
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
        let mut tally = |phase: usize, put: &mut dyn FnMut(&mut PhaseTally)| {
            let tally = phases.entry(phase).or_default();
            tally.phase = phase;
            put(tally);
        };
        for ((phase, timing), pair) in self.times.drain() {
            let response = if pair.was_due {
                pair.response
            } else {
                HashMap::new()
            };
            let mut timed = Some(Timed {
                name: timing.name(),
                service: pair.service.into_iter().collect(),
                response: response.into_iter().collect(),
            });
            tally(phase, &mut |tally| tally.times.extend(timed.take()));
        }
        for ((phase, counted), number) in std::mem::take(&mut self.counts) {
            tally(phase, &mut |tally| tally.counts.push((counted, number)));
        }
        (
            phases.into_values().collect(),
            std::mem::take(&mut self.failures),
        )
    }

    fn step(&self, time: Duration) -> u64 {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let us = us.clamp(1, self.scale.high());
        self.scale.highest_equivalent(us)
    }
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
    fn a_step_is_the_value_that_a_histogram_would_show() {
        let tally = Tally::new();
        let mut histogram = report::histogram();
        for us in [1, 999, 123_456, 59_999_999, 90_000_000] {
            let step = tally.step(Duration::from_micros(us));
            histogram.reset();
            histogram.saturating_record(us);
            assert_eq!(histogram.value_at_quantile(1.0).min(step), step, "{us}");
            let mut again = report::histogram();
            again.saturating_record(step);
            assert_eq!(
                again.value_at_quantile(1.0),
                histogram.value_at_quantile(1.0)
            );
        }
    }
}
