//! `measure storm`, `measure silent-crm`, `measure methods` and `measure tunnel` as a person runs them, against the real gateway:
//! short ones, whose figures are those of a busy machine, but whose runs and lists are right all the same.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::{Command, Output};

use okgate_harness::gateway::program_from_environment;
use serde_json::Value;

fn gateway() -> PathBuf {
    program_from_environment().unwrap()
}

/// A measurement, and its table as JSON.
fn measure(subject: &str, more: &[&str]) -> (Output, Value) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("table.json");
    let output = Command::new(env!("CARGO_BIN_EXE_okgate-harness"))
        .args(["measure", subject, "--gateway"])
        .arg(gateway())
        .arg("--json")
        .arg(&file)
        .args(more)
        .output()
        .unwrap();
    let table = std::fs::read(file).unwrap_or_default();
    (output, serde_json::from_slice(&table).unwrap_or_default())
}

fn texts(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// The medians of the rows whose names end so.
fn medians(table: &Value, name: &str) -> Vec<f64> {
    let rows = table["rows"].as_array().map(Vec::as_slice);
    let rows = rows.unwrap_or_default().iter();
    rows.filter(|row| row["name"].as_str().unwrap().ends_with(name))
        .map(|row| row["gateway"]["median"].as_f64().unwrap())
        .collect()
}

// protocol 2-g, 2-h, 5-c, 8-e and 8-h
#[test]
fn a_crm_killed_under_load_comes_back_with_its_users_and_every_run_has_an_end_of_its_own() {
    let few = [
        "--rounds",
        "3",
        "--users",
        "200",
        "--rate",
        "100",
        "--seconds",
        "0.3",
    ];
    let (output, table) = measure("storm", &few);
    assert_eq!(output.status.code(), Some(0), "{}", texts(&output));
    // Over a link that the gateway makes and over one that the CRM makes.
    assert_eq!(medians(&table, "lists that agreed"), [3.0, 3.0]);
    assert_eq!(medians(&table, "runs wrong or lost"), [0.0, 0.0]);
    assert_eq!(medians(&table, "runs that did not end"), [0.0, 0.0]);
    assert_eq!(medians(&table, "users answered wrongly"), [0.0, 0.0]);
    let answered = medians(&table, "runs answered");
    assert!(answered.iter().all(|count| *count > 50.0), "{answered:?}");
}

// protocol 3.5-c and 8-h
#[test]
fn a_crm_that_falls_silent_costs_its_runs_their_time_and_the_tabs_nothing() {
    let few = ["--rounds", "1", "--rate", "50", "--seconds", "0.5"];
    let (output, table) = measure("silent-crm", &few);
    // 1 where the machine is too busy for its figures; a tab without an answer would be another error.
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{}",
        texts(&output)
    );
    assert_eq!(
        medians(&table, "runs wrong or lost"),
        [0.0; 3],
        "{}",
        texts(&output)
    );
    let notes = table["notes"].to_string();
    for silence in ["never answers", "half-open", "reads nothing"] {
        assert!(notes.contains(silence), "{notes}");
    }
    assert!(notes.contains(" timeout, 0 wrong, 0 lost"), "{notes}");
    let memory = medians(&table, "most memory");
    assert!(
        memory.len() == 3 && memory.iter().all(|mib| *mib < 200.0),
        "{memory:?}"
    );
}

// protocol 8-d
#[test]
fn the_costs_of_the_crms_link_are_measured_over_every_kind_of_link() {
    for (mode, format) in [("ws-in", "xml"), ("http-out", "json")] {
        let few = ["--rounds", "1", "--mode", mode, "--format", format];
        let (output, table) = measure("methods", &few);
        assert_eq!(output.status.code(), Some(0), "{mode}: {}", texts(&output));
        assert_eq!(medians(&table, "CPU time a run").len(), 3, "{mode}");
    }
    let (output, _) = measure("tunnel", &["--mode", "http-out"]);
    assert_eq!(output.status.code(), Some(2), "{}", texts(&output));
}

#[test]
fn storms_that_make_no_sense_are_wrong_usage() {
    for (subject, wrong) in [
        ("storm", ["--users", "3"]),
        ("storm", ["--rate", "0"]),
        ("silent-crm", ["--rate", "1000"]),
        ("silent-crm", ["--seconds", "-1"]),
    ] {
        let (output, _) = measure(subject, &wrong);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{wrong:?}: {}",
            texts(&output)
        );
    }
}
