//! Owns the results of a run that is over: everything that was found, in the form in which it is written down.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::figures::Found;
use super::run::Cause;
use super::tally::Counted;
use super::verdict::{bottleneck, gates, verdict};
use crate::results::{self, Failure, Machine, Measure, Results, Series, Verdict};
use crate::scenario::{FailureKind, MeasureKind, Scenario, Unit, all_measures};

/// How a run ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// When it was begun.
    pub(super) wall: SystemTime,
    /// The machine before that.
    pub(super) machine: Machine,
    pub(super) took: Duration,
    pub(super) target: SocketAddr,
    pub(super) cause: Cause,
}

/// Puts everything together.
pub(super) fn results(
    scenario: &Scenario,
    found: &Found<'_>,
    series: Series,
    ended: &Ended,
) -> Results {
    let aborted = match ended.cause {
        Cause::Aborted(place) => Some(place),
        _ => None,
    };
    let gates = gates(scenario, found, aborted);
    let workers = &found.collected.workers;
    let lags = workers
        .iter()
        .map(|worker| Duration::from_micros(worker.lag.value_at_quantile(0.99)));
    let lags: Vec<Duration> = lags.collect();
    let mut notes = bottleneck(&scenario.play.bounds, &lags, &found.harness_cpu());
    let is_void = !notes.is_empty() || ended.cause == Cause::Broken;
    if ended.cause == Cause::Broken {
        notes.push("the run broke off: see the failures `server` and `worker`".into());
    }
    Results {
        schema: results::SCHEMA,
        scenario: scenario.name.clone(),
        description: scenario.description.clone(),
        seed: scenario.seed,
        begun: rfc_3339(ended.wall),
        seconds: ended.took.as_secs_f64(),
        target: ended.target.to_string(),
        machine: ended.machine.clone(),
        phases: phases(found),
        measures: measures(found, None),
        series,
        verdict: verdict(&gates, is_void, ended.cause == Cause::Stopped),
        gates,
        failures: failures(found),
        notes,
    }
}

/// Adds what went wrong after the end, such as that the server did not end in order.
pub(super) fn add_failure(results: &mut Results, kind: FailureKind, words: &str) {
    results.failures.push(Failure {
        kind: kind.name().to_owned(),
        count: 1,
        first: words.to_owned(),
    });
    if results.verdict == Verdict::Passed {
        results.verdict = Verdict::Failed;
        results.notes.push(format!("after the end: {words}"));
    }
}

fn phases(found: &Found<'_>) -> Vec<results::Phase> {
    let reached = found.course.ticks.last().map_or(0.0, |tick| tick.at_s);
    let legs = found.schedule.legs.iter().zip(found.phases).enumerate();
    let begun = legs.filter(|(_, (leg, _))| leg.begin_s < reached);
    begun
        .map(|(place, (leg, phase))| results::Phase {
            name: phase.name.clone(),
            kind: phase.kind.name().to_owned(),
            begun_s: leg.begin_s,
            ended_s: leg.end_s.min(reached),
            is_measured: phase.is_measured,
            measures: measures(found, Some(place)),
        })
        .collect()
}

/// Everything that was measured in one phase, or in all that are measured, in the order of the list of measures.
fn measures(found: &Found<'_>, phase: Option<usize>) -> Vec<Measure> {
    let timed = found.collected.timed(phase);
    let all = all_measures()
        .into_iter()
        .filter(|measure| match measure.kind {
            MeasureKind::Latency => timed.contains(measure.name.as_str()),
            // The rest is known of the whole run alone.
            MeasureKind::Count => phase.is_none() || is_of_phases(&measure.name),
            MeasureKind::Gauge(unit) => phase.is_none() || unit == Unit::PerSecond,
        });
    let measured = all.filter_map(|measure| {
        Some(Measure {
            value: found.value(&measure.name, phase)?,
            name: measure.name,
            explanation: measure.explanation,
        })
    });
    measured.collect()
}

fn is_of_phases(name: &str) -> bool {
    Counted::ALL.iter().any(|counted| counted.name() == name)
}

fn failures(found: &Found<'_>) -> Vec<Failure> {
    let failures = found.collected.failures.iter();
    let failures = failures.map(|(kind, (count, first))| Failure {
        kind: kind.name().to_owned(),
        count: *count,
        first: first.clone(),
    });
    failures.collect()
}

/// A moment in UTC to the second.
fn rfc_3339(moment: SystemTime) -> String {
    let seconds = moment
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let seconds = i64::try_from(seconds).unwrap_or_default();
    jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_rfc_3339_has_it() {
        let moment = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        assert_eq!(rfc_3339(moment), "2001-09-09T01:46:40Z");
    }
}
