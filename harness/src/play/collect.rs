//! Owns everything that the workers of a run and its caller have reported so far: figures by phase, failures, how each worker is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::job::Report;
use super::tally::{Counted, LAG, PhaseTally, ROUND_TRIP, Steps, Tally};
use crate::ledger::LedgerReport;
use crate::report::{self, add_steps};
use crate::results::{Distribution, Value};
use crate::scenario::{FailureKind, Phase};

/// What was reported.
#[derive(Debug)]
pub(super) struct Collected {
    is_measured: Vec<bool>,
    /// Figures by phase.
    pub(super) phases: Vec<Figures>,
    /// Figures since they were last taken.
    recent: Figures,
    pub(super) failures: BTreeMap<FailureKind, (u64, String)>,
    pub(super) workers: Vec<WorkerState>,
    /// The judgement of events, from the workers that have given it.
    pub(super) ledger: LedgerReport,
}

/// Times by the measure's name, and counts.
#[derive(Debug, Default)]
pub(super) struct Figures {
    times: BTreeMap<String, Pair>,
    counts: BTreeMap<Counted, u64>,
}

#[derive(Debug)]
struct Pair {
    service: Histogram<u64>,
    response: Option<Histogram<u64>>,
}

/// How a worker is.
#[derive(Debug)]
pub(super) struct WorkerState {
    pub(super) held: usize,
    pub(super) rss_bytes_before: u64,
    pub(super) rss_bytes: u64,
    /// Its CPU time at moments since the machine's start.
    pub(super) cpu: Vec<(Duration, Duration)>,
    /// How late its timers were in measured time.
    pub(super) lag: Histogram<u64>,
}

impl Collected {
    pub(super) fn new(phases: &[Phase], workers: usize) -> Self {
        Self {
            is_measured: phases.iter().map(|phase| phase.is_measured).collect(),
            phases: phases.iter().map(|_| Figures::default()).collect(),
            recent: Figures::default(),
            failures: BTreeMap::new(),
            workers: (0..workers).map(|_| WorkerState::new()).collect(),
            ledger: LedgerReport::default(),
        }
    }

    /// Takes a worker's report; gives what has changed of who can be called.
    pub(super) fn take(&mut self, worker: usize, report: Report) -> Vec<(usize, bool)> {
        let state = &mut self.workers[worker];
        state.held = report.held;
        state.rss_bytes_before = report.rss_bytes_before;
        state.rss_bytes = report.rss_bytes;
        state.cpu.push((report.at, report.cpu));
        for tally in &report.tallies {
            let is_measured = self.is_measured.get(tally.phase) == Some(&true);
            for timed in tally
                .times
                .iter()
                .filter(|timed| is_measured && timed.name == LAG)
            {
                add_steps(&mut self.workers[worker].lag, &timed.service);
            }
            self.add(tally);
        }
        self.fail_all(report.failures);
        if let Some(ledger) = report.ledger {
            self.ledger.add(ledger);
        }
        report.called
    }

    /// Takes what the supervisor itself has counted.
    pub(super) fn take_tally(&mut self, tally: &mut Tally) {
        let (tallies, failures) = tally.take();
        for tally in &tallies {
            self.add(tally);
        }
        self.fail_all(failures);
    }

    /// Counts so many failures of a kind.
    pub(super) fn fail(&mut self, kind: FailureKind, count: u64, words: impl Into<String>) {
        if count > 0 {
            let known = self
                .failures
                .entry(kind)
                .or_insert_with(|| (0, words.into()));
            known.0 += count;
        }
    }

    fn fail_all(&mut self, failures: BTreeMap<FailureKind, (u64, String)>) {
        for (kind, (count, words)) in failures {
            self.fail(kind, count, words);
        }
    }

    /// How often anything went wrong.
    pub(super) fn errors(&self) -> u64 {
        self.failures.values().map(|(count, _)| count).sum()
    }

    pub(super) fn held(&self) -> usize {
        self.workers.iter().map(|worker| worker.held).sum()
    }

    /// The figures since this was last asked.
    pub(super) fn take_recent(&mut self) -> Figures {
        std::mem::take(&mut self.recent)
    }

    /// The names of everything that was timed in one phase, or in all that are measured.
    pub(super) fn timed(&self, phase: Option<usize>) -> BTreeSet<&str> {
        let names = self.wanted(phase).flat_map(|figures| figures.times.keys());
        names.map(String::as_str).collect()
    }

    /// Times as a measure's value: those of one phase, or of all that are measured.
    pub(super) fn times(&self, name: &str, phase: Option<usize>) -> Option<Value> {
        let mut all = Figures::default();
        for pair in self
            .wanted(phase)
            .filter_map(|figures| figures.times.get(name))
        {
            let response = pair.response.as_ref().map(report::steps);
            all.add_times(
                name,
                &report::steps(&pair.service),
                &response.unwrap_or_default(),
            );
        }
        all.times(name)
    }

    /// How many there were in one phase, or in all that are measured.
    pub(super) fn count(&self, counted: Counted, phase: Option<usize>) -> u64 {
        self.wanted(phase)
            .map(|figures| figures.count(counted))
            .sum()
    }

    fn wanted(&self, phase: Option<usize>) -> impl Iterator<Item = &Figures> {
        let all = self.phases.iter().zip(&self.is_measured).enumerate();
        let wanted = all.filter(move |(place, (_, is_measured))| {
            phase.map_or(**is_measured, |wanted| wanted == *place)
        });
        wanted.map(|(_, (figures, _))| figures)
    }

    fn add(&mut self, tally: &PhaseTally) {
        self.recent.add(tally);
        if let Some(figures) = self.phases.get_mut(tally.phase) {
            figures.add(tally);
        }
    }
}

impl Figures {
    pub(super) fn count(&self, counted: Counted) -> u64 {
        self.counts.get(&counted).copied().unwrap_or_default()
    }

    fn times(&self, name: &str) -> Option<Value> {
        let pair = self.times.get(name)?;
        Some(Value::Latency {
            service: Distribution::from(&pair.service),
            response: pair.response.as_ref().map(Distribution::from),
        })
    }

    /// The response times, or the service times where nothing was due; `None` without any.
    pub(super) fn histogram(&self, name: &str) -> Option<&Histogram<u64>> {
        let pair = self.times.get(name)?;
        Some(pair.response.as_ref().unwrap_or(&pair.service))
    }

    /// All times, with the beginnings of their names in the series: the plain ones are those of [`Self::histogram`], beside
    /// response times stand the service times.
    pub(super) fn columns(&self) -> impl Iterator<Item = (String, &Histogram<u64>)> {
        self.times
            .iter()
            .flat_map(|(name, Pair { service, response })| {
                let plain = (name.clone(), response.as_ref().unwrap_or(service));
                let beside = response
                    .as_ref()
                    .map(|_| (format!("{name}.service"), service));
                [plain].into_iter().chain(beside)
            })
    }

    fn add(&mut self, tally: &PhaseTally) {
        for timed in &tally.times {
            self.add_times(&timed.name, &timed.service, &timed.response);
            if timed.name.starts_with(ROUND_TRIP) {
                self.add_times(ROUND_TRIP, &timed.service, &timed.response);
            }
        }
        for (counted, number) in &tally.counts {
            *self.counts.entry(*counted).or_default() += number;
        }
    }

    fn add_times(&mut self, name: &str, service: &Steps, response: &Steps) {
        let pair = self.times.entry(name.to_owned()).or_insert_with(|| Pair {
            service: report::histogram(),
            response: None,
        });
        // What was not due at a set time has the same times, or its part is missing beside the others'.
        if pair.response.is_none() && !response.is_empty() {
            pair.response = Some(pair.service.clone());
        }
        add_steps(&mut pair.service, service);
        if let Some(known) = &mut pair.response {
            add_steps(
                known,
                if response.is_empty() {
                    service
                } else {
                    response
                },
            );
        }
    }
}

impl WorkerState {
    fn new() -> Self {
        Self {
            held: 0,
            rss_bytes_before: 0,
            rss_bytes: 0,
            cpu: Vec::new(),
            lag: report::histogram(),
        }
    }

    /// Whether it has reported at all.
    pub(super) fn has_begun(&self) -> bool {
        !self.cpu.is_empty()
    }
}

/// The share of a processor that was used between two moments, as far as there are figures of it, which come in their order.
pub(super) fn cpu_share(
    used: &[(Duration, Duration)],
    from: Duration,
    to: Duration,
) -> Option<f64> {
    let until = used.partition_point(|(at, _)| *at <= to);
    let begun = used.partition_point(|(at, _)| *at < from);
    let [(first_at, first), .., (last_at, last)] = used.get(begun..until)? else {
        return None;
    };
    let time = last_at.saturating_sub(*first_at).as_secs_f64();
    (time > 0.0).then(|| last.saturating_sub(*first).as_secs_f64() / time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::tally::Timing;
    use crate::scenario::{Method, Overrides, Scenario};

    fn phases() -> Vec<Phase> {
        let text = "name = \"x\"\n[users]\ncount = 1\n[[phases]]\nkind = \"warm_up\"\nseconds = 1\n[[phases]]\nkind = \"hold\"\nseconds = 1\n";
        let scenario = Scenario::parse(text, std::path::Path::new(""), &Overrides::default());
        scenario.unwrap().play.phases
    }

    fn report(phase: usize, tally: &mut Tally) -> Report {
        let ms = Duration::from_millis;
        tally.time(phase, Timing::RoundTrip(Method::PING), ms(1), Some(ms(5)));
        tally.time(phase, Timing::RoundTrip(Method::QUEUE), ms(2), None);
        tally.time(phase, Timing::Lag, ms(3), None);
        tally.count(phase, Counted::Requests, 2);
        let (tallies, failures) = tally.take();
        Report {
            tallies,
            failures,
            held: 7,
            ..Report::default()
        }
    }

    fn count(value: Option<Value>) -> (u64, Option<u64>) {
        match value {
            Some(Value::Latency { service, response }) => {
                (service.count, response.map(|response| response.count))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_warm_up_is_left_out_of_what_counts() {
        let mut collected = Collected::new(&phases(), 1);
        let mut tally = Tally::new();
        for phase in [0, 0, 1] {
            collected.take(0, report(phase, &mut tally));
        }
        assert_eq!(collected.count(Counted::Requests, None), 2);
        let times = |name| count(collected.times(name, None));
        assert_eq!(times("round_trip.ping"), (1, Some(1)));
        assert_eq!(times("round_trip"), (2, Some(2)));
        assert_eq!(times("round_trip.getcurrentqueue"), (1, None));
        assert_eq!(collected.count(Counted::Requests, Some(0)), 4);
        assert!(collected.timed(None).contains("harness_lag"));
        assert_eq!(collected.workers[0].lag.len(), 1);
        assert_eq!(collected.held(), 7);
        assert_eq!(collected.take_recent().count(Counted::Requests), 6);
        assert_eq!(collected.take_recent().count(Counted::Requests), 0);
    }

    #[test]
    fn the_share_of_a_processor_is_that_between_two_moments() {
        let s = Duration::from_secs;
        let used = [(s(1), s(0)), (s(2), s(1)), (s(3), s(2)), (s(4), s(2))];
        assert_eq!(cpu_share(&used, s(2), s(4)), Some(0.5));
        assert_eq!(cpu_share(&used, s(4), s(9)), None);
    }
}
