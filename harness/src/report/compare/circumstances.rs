//! Owns what speaks against comparing two runs.

use super::Run;
use crate::results::{Phase, Verdict};

/// Why the two must not be compared.
pub(super) fn refusals(base: &Run, other: &Run) -> Vec<String> {
    let mut refusals = Vec::new();
    let [one, two] = [&base.results, &other.results];
    let names = format!("{} and {}", base.name, other.name);
    if one.schema != two.schema {
        let (one, two) = (one.schema, two.schema);
        refusals.push(format!("{names} have different forms: {one} and {two}"));
    }
    if one.scenario != two.scenario {
        let (one, two) = (&one.scenario, &two.scenario);
        refusals.push(format!(
            "{names} ran different scenarios: {one:?} and {two:?}"
        ));
    }
    refusals
}

/// What is to be known of the two before one believes their ratios.
pub(super) fn differences(base: &Run, other: &Run) -> Vec<String> {
    let [one, two] = [&base.results, &other.results];
    let mut told = Vec::new();
    let mut tell = |what: &str, one: String, two: String| {
        if one != two {
            told.push(format!(
                "{what}: {one} in {}, {two} in {}",
                base.name, other.name
            ));
        }
    };
    tell(
        "different seeds",
        one.seed.to_string(),
        two.seed.to_string(),
    );
    tell("different targets", one.target.clone(), two.target.clone());
    let machines = [one, two].map(|results| {
        let machine = &results.machine;
        let (processors, processor) = (machine.processors, &machine.processor);
        format!("{processors} × {processor}, Linux {}", machine.kernel)
    });
    let [machine, other_machine] = machines;
    tell("different machines", machine, other_machine);
    let phases = [one, two].map(|results| phases(&results.phases));
    let [phases, other_phases] = phases;
    tell("different phases", phases, other_phases);
    for run in [base, other] {
        let results = &run.results;
        let ended = match results.verdict {
            Verdict::Passed | Verdict::Failed => "",
            Verdict::Aborted => "was ended by a gate",
            Verdict::Stopped => "was stopped before its time",
        };
        if !ended.is_empty() {
            told.push(format!("{} {ended}", run.name));
        }
        let (load, processors) = (results.machine.load_before, results.machine.processors);
        #[allow(clippy::cast_precision_loss)] // no machine has 2^52 processors
        if load > processors as f64 * LOAD_MAX {
            told.push(format!(
                "{}'s machine was busy before it began: a load average of {load:.1} on {processors} processors",
                run.name
            ));
        }
        let notes = results.notes.iter();
        told.extend(notes.map(|note| format!("{} notes: {note}", run.name)));
    }
    told
}

/// The phases with their lengths to the tenth of a second.
fn phases(phases: &[Phase]) -> String {
    let words = phases.iter().map(|phase| {
        let seconds = phase.ended_s - phase.begun_s;
        format!("{} {seconds:.1} s", phase.name)
    });
    words.collect::<Vec<_>>().join(", ")
}

/// The load average for each processor from which a machine counts as busy.
const LOAD_MAX: f64 = 0.5;
