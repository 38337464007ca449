//! `measure exactness` as a person runs it, against the real gateway: a short one that holds, and one that must fail.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::{Command, Output};

use okgate_harness::gateway::program_from_environment;
use serde_json::Value;

fn gateway() -> PathBuf {
    program_from_environment().unwrap()
}

fn exactness(more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_okgate-harness"))
        .args(["measure", "exactness", "--gateway"])
        .arg(gateway())
        .args(more)
        .output()
        .unwrap()
}

fn texts(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn a_few_calls_reach_every_tab_once_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("figures.json");
    let figures = file.to_str().unwrap();
    let few = ["--users", "50", "--seconds", "5", "--rate", "10"];
    let output = exactness(&[&few[..], &["--json", figures]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", texts(&output));
    let figures: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let rows = figures["rows"].as_array().unwrap();
    let events = rows
        .iter()
        .filter(|row| row["name"].as_str().unwrap().ends_with("events read"))
        .map(|row| row["gateway"]["median"].as_f64().unwrap());
    // Six events of a call at least, in each of three tabs.
    assert!(events.clone().count() == 2 && events.into_iter().all(|count| count > 500.0));
}

#[test]
fn more_calls_than_there_are_users_for_fail_it_and_are_named() {
    let few = ["--users", "2", "--seconds", "1", "--rate", "100"];
    let output = exactness(&few);
    let said = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let begun = said
        .lines()
        .find(|line| line.contains("1 shards, calls begun"));
    assert!(begun.is_some_and(|line| line.ends_with("MISSED")), "{said}");
}
