//! Owns what only shows when a scenario is looked at as a whole: values that do not fit each other.

use super::fields::{Fields, allowed};
use super::{Arrival, Cast, Phase, PhaseKind, Scenario, Schedule, Server};
use crate::report::units::as_number;

/// Notes the faults of a scenario whose parts are sound each.
pub(super) fn check(top: &Fields<'_>, scenario: &Scenario) {
    let phases = top.entries("phases", "phases");
    if scenario.play.phases.is_empty() {
        return top.fault("phases", "is empty: give at least one [[phases]]");
    }
    if scenario.play.phases.iter().all(|phase| !phase.is_measured) {
        top.fault(
            "phases",
            "none is measured: add one of another kind than warm_up",
        );
    }
    if let Err(error) = Cast::divide(&scenario.play) {
        top.fault("harness", error.to_string());
    }
    check_tabs(&phases, scenario);
    check_calls(&phases, scenario);
    check_thresholds(top, scenario);
}

fn check_tabs(phases: &[Fields<'_>], scenario: &Scenario) {
    let users = &scenario.play.users;
    let mut before = 0;
    for (fields, phase) in phases.iter().zip(&scenario.play.phases) {
        let tabs = phase.tabs.unwrap_or(before);
        if tabs > users.tabs() {
            let (count, each, most) = (users.count, users.tabs_per_user, users.tabs());
            fields.fault(
                "tabs",
                format!("is {tabs}, but {count} users with {each} tabs each have {most}"),
            );
        }
        let steady = matches!(phase.kind, PhaseKind::Hold | PhaseKind::Soak);
        if steady && tabs != before && before > 0 {
            let kind = phase.kind.name();
            fields.fault(
                "tabs",
                format!(
                    "is {tabs} after {before}, but a {kind} keeps the tabs: use a ramp or a spike"
                ),
            );
        }
        let asks = phase.requests_per_s.unwrap_or_default() > 0.0
            || matches!(
                phase.arrival,
                Arrival::Closed {
                    requests_at_once: 1..,
                    ..
                }
            );
        if asks && tabs == 0 {
            fields.fault(
                "requests_per_s",
                "needs tabs that make the requests: set `tabs` here or before",
            );
        }
        if phase.kind != PhaseKind::Spike {
            before = tabs;
        }
    }
}

/// Calls need somebody who can be called, and enough of them.
fn check_calls(phases: &[Fields<'_>], scenario: &Scenario) {
    let play = &scenario.play;
    let schedule = Schedule::new(&play.phases);
    let cast = Cast::new(play, scenario.seed);
    for ((fields, phase), leg) in phases.iter().zip(&play.phases).zip(&schedule.legs) {
        let (key, at_once) = match phase.arrival {
            Arrival::Closed { calls_at_once, .. } => ("calls_at_once", as_number(calls_at_once)),
            Arrival::Open { .. } => {
                let rate = leg.from.calls_per_s.max(leg.to.calls_per_s);
                // How many are in a call or left alone after one: by chance sometimes more than on average.
                let busy = rate * seconds_of_a_call(scenario);
                ("calls_per_s", busy + 4.0 * busy.sqrt())
            }
        };
        if at_once <= 0.0 {
            continue;
        }
        if !has_admin(scenario) {
            fields.fault(key, "needs the gateway's admin address, where calls are simulated: set target.admin, or let the harness start a gateway");
            return;
        }
        let called = cast
            .called(&play.behaviours, leg.from.tabs.max(leg.to.tabs))
            .len();
        if called == 0 {
            fields.fault(key, "needs tabs that stay, of kind idle, busy_operator or supervisor: calls go to their users");
        } else if as_number(called) < at_once {
            let needed = at_once.ceil();
            fields.fault(key, format!("needs about {needed} users with tabs that stay, because each is busy for a while and then left alone (calls.pause_ms); there are {called}"));
        }
    }
}

/// How long a user is taken by a call, on average.
fn seconds_of_a_call(scenario: &Scenario) -> f64 {
    let calls = &scenario.calls;
    let middle = |(shortest, longest): (u64, u64)| as_number(shortest + longest) / 2e3;
    let talk = middle(calls.talk_ms) * (1.0 - calls.unanswered_share);
    middle(calls.ring_ms) + talk + calls.pause.as_secs_f64()
}

fn has_admin(scenario: &Scenario) -> bool {
    match &scenario.server {
        Server::Runs(target) => target.admin.is_some(),
        Server::Started(_) => true,
    }
}

fn check_thresholds(top: &Fields<'_>, scenario: &Scenario) {
    let has_process = match &scenario.server {
        Server::Runs(target) => target.pid.is_some(),
        Server::Started(_) => true,
    };
    let measured: Vec<&str> = scenario
        .play
        .phases
        .iter()
        .filter(|phase| phase.is_measured)
        .map(|phase: &Phase| phase.name.as_str())
        .collect();
    for threshold in &scenario.thresholds {
        let fault = |problem: String| {
            let problem = format!("{:?}: {problem}", threshold.text);
            top.document.fault(threshold.at, "thresholds", problem);
        };
        let measure = &threshold.measure;
        if measure.starts_with("server_") && !has_process {
            fault(format!(
                "{measure} needs the server's process: set target.pid, or let the harness start a gateway"
            ));
        }
        let Some(phase) = &threshold.phase else {
            continue;
        };
        if !measured.contains(&phase.as_str()) {
            fault(format!(
                "there is no measured phase {phase:?}; {}",
                allowed(phase, &measured)
            ));
        }
        let of_the_run = ["server_", "harness_", "errors."];
        let is_of_the_run = ["errors", "tabs"].contains(&measure.as_str())
            || of_the_run.iter().any(|family| measure.starts_with(family));
        if is_of_the_run {
            fault(format!(
                "{measure} is measured for the whole run: leave out `in {phase}`"
            ));
        }
    }
}
