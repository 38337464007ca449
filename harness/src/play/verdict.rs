//! Owns what a run comes to: every threshold with what was observed, and whether the harness itself was the bottleneck.

use std::time::Duration;

use super::figures::Found;
use crate::results::{Gate, Verdict};
use crate::scenario::{Bounds, Scenario, Threshold};

/// Looks at every threshold. `aborted`: the place of the one that ended the run.
pub(super) fn gates(scenario: &Scenario, found: &Found<'_>, aborted: Option<usize>) -> Vec<Gate> {
    let thresholds = scenario.thresholds.iter().enumerate();
    thresholds
        .map(|(place, threshold)| {
            let observed = observed(threshold, scenario, found);
            Gate {
                threshold: threshold.text.clone(),
                observed,
                held: observed.is_some_and(|observed| threshold.holds(observed)),
                aborted: aborted == Some(place),
            }
        })
        .collect()
}

/// The first threshold that ends the run at this moment.
pub(super) fn aborting(scenario: &Scenario, found: &Found<'_>, at_s: f64) -> Option<usize> {
    scenario.thresholds.iter().position(|threshold| {
        threshold.aborts
            && at_s >= threshold.from_s
            // What nothing is known of yet may hold in the end.
            && observed(threshold, scenario, found).is_some_and(|it| !threshold.holds(it))
    })
}

fn observed(threshold: &Threshold, scenario: &Scenario, found: &Found<'_>) -> Option<f64> {
    let phase = match &threshold.phase {
        Some(name) => Some(
            scenario
                .play
                .phases
                .iter()
                .position(|phase| phase.name == *name)?,
        ),
        None => None,
    };
    let value = found.value(&threshold.measure, phase)?;
    threshold.observed(&value)
}

/// What says that the figures are those of the harness rather than of the server: one note for each reason.
pub(super) fn bottleneck(
    bounds: &Bounds,
    lags_p99: &[Duration],
    cpu_shares: &[(String, f64)],
) -> Vec<String> {
    let mut notes = Vec::new();
    let latest = lags_p99.iter().enumerate().max_by_key(|(_, lag)| **lag);
    if let Some((worker, lag)) = latest.filter(|(_, lag)| **lag > bounds.lag_p99_max) {
        let (lag, bound) = (millis(*lag), millis(bounds.lag_p99_max));
        notes.push(format!(
            "the harness was the bottleneck: the timers of worker {} were {lag:.1} ms late in one of a hundred times, and at most {bound} ms are allowed (harness.lag_p99_max_ms); run it with more workers (harness.workers), on more processors or on another machine than the server's, or with less load",
            worker + 1
        ));
    }
    let busiest = cpu_shares
        .iter()
        .max_by(|one, other| one.1.total_cmp(&other.1));
    if let Some((who, share)) = busiest.filter(|(_, share)| *share > bounds.cpu_share_max) {
        let (share, bound) = (share * 100.0, bounds.cpu_share_max * 100.0);
        notes.push(format!(
            "the harness was the bottleneck: {who} used {share:.0} % of a processor, and at most {bound:.0} % are allowed (harness.cpu_share_max); run it with more workers (harness.workers), on more processors, or with less load"
        ));
    }
    notes
}

/// How a run ended whose gates and notes these are.
pub(super) fn verdict(gates: &[Gate], is_void: bool, was_stopped: bool) -> Verdict {
    if gates.iter().any(|gate| gate.aborted) {
        return Verdict::Aborted;
    }
    if was_stopped {
        return Verdict::Stopped;
    }
    if is_void || gates.iter().any(|gate| !gate.held) {
        return Verdict::Failed;
    }
    Verdict::Passed
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds() -> Bounds {
        Bounds {
            workers: None,
            lag_p99_max: Duration::from_millis(20),
            cpu_share_max: 0.9,
            answer_max: Duration::from_secs(30),
        }
    }

    fn gate(held: bool, aborted: bool) -> Gate {
        Gate {
            threshold: "errors = 0".into(),
            observed: Some(0.0),
            held,
            aborted,
        }
    }

    #[test]
    fn a_late_or_busy_harness_is_said_to_be_the_bottleneck_with_what_to_do() {
        let ms = Duration::from_millis;
        let workers = |share: f64| vec![("worker 1".to_owned(), share)];
        assert!(bottleneck(&bounds(), &[ms(20)], &workers(0.9)).is_empty());
        let late = bottleneck(&bounds(), &[ms(1), ms(25)], &workers(0.1));
        assert_eq!(late.len(), 1);
        for part in [
            "the harness was the bottleneck",
            "worker 2 were 25.0 ms late",
            "harness.workers",
        ] {
            assert!(late[0].contains(part), "{late:?}");
        }
        let busy = bottleneck(&bounds(), &[ms(1)], &workers(0.95));
        assert!(
            busy[0].contains("worker 1 used 95 % of a processor"),
            "{busy:?}"
        );
    }

    #[test]
    fn one_gate_that_did_not_hold_fails_a_run_and_an_aborting_one_aborts_it() {
        assert_eq!(verdict(&[gate(true, false)], false, false), Verdict::Passed);
        assert_eq!(
            verdict(&[gate(true, false), gate(false, false)], false, false),
            Verdict::Failed
        );
        assert_eq!(verdict(&[gate(false, true)], false, true), Verdict::Aborted);
        assert_eq!(verdict(&[gate(true, false)], false, true), Verdict::Stopped);
        assert_eq!(verdict(&[], true, false), Verdict::Failed);
    }
}
