//! The command `soak` as a person runs it, against the real gateway: a short one that holds, and ones that must fail.
#![forbid(unsafe_code)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The real gateway: the environment variable `OKGATE_BIN`, absolute.
fn gateway() -> PathBuf {
    let path = std::env::var_os("OKGATE_BIN").map(PathBuf::from);
    let path = path.expect("OKGATE_BIN must be the absolute path of the built okgate program");
    assert!(path.is_absolute() && path.is_file(), "{}", path.display());
    path
}

/// A small soak of this many minutes.
fn soak(gateway: &Path, minutes: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_okgate-harness"))
        .args(["soak", "--minutes", minutes, "--tabs", "24", "--users", "4"])
        .args(["--calls", "2", "--churn-per-s", "60", "--gateway"])
        .arg(gateway)
        .args(more)
        .output()
        .unwrap()
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A program that is the gateway after this shell line.
fn gateway_script(directory: &Path, line: &str) -> PathBuf {
    let program = directory.join("gateway");
    let script = format!("#!/bin/sh\n{line} '{}' \"$@\"\n", gateway().display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    program
}

#[test]
fn a_short_soak_holds_every_gate_and_writes_its_figures() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("figures.json");
    let more = ["--seed", "3", "--json", file.to_str().unwrap()];
    let output = soak(&gateway(), "0.2", &more);
    let (summary, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{summary}{errors}");
    assert!(summary.ends_with("soak: good\n"), "{summary}");
    let figures: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(
        (&figures["seed"], &figures["tabs"]),
        (&3.into(), &24.into())
    );
    let rows = figures["rows"].as_array().unwrap();
    assert!(rows.len() >= 9, "{figures}");
    for count in ["answers", "events", "calls", "crm_stops", "pauses"] {
        assert!(
            figures["counts"][count].as_u64() > Some(0),
            "{count}: {figures}"
        );
    }
    let churn = figures["counts"]["churn"].as_object().unwrap();
    assert_eq!(churn.len(), 10, "{figures}");
    let usages = &figures["usages"];
    assert_eq!(usages["warm"]["descriptors"], usages["end"]["descriptors"]);
    assert_eq!(usages["idle"]["descriptors"], usages["none"]["descriptors"]);
}

#[test]
fn a_soak_that_allows_no_time_fails_at_its_gate_for_stalls() {
    let output = soak(&gateway(), "0.03", &["--stall-ms", "0"]);
    let (summary, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{summary}{errors}");
    assert!(errors.contains("gate stall failed"), "{errors}");
    assert!(summary.ends_with("soak: FAILED\n"), "{summary}");
}

#[test]
fn a_line_of_an_error_in_the_gateways_log_fails_the_soak() {
    let directory = tempfile::tempdir().unwrap();
    let program = gateway_script(directory.path(), "echo 'ERROR on purpose'\nexec");
    let output = soak(&program, "0.03", &[]);
    let (summary, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{summary}{errors}");
    assert!(
        errors.contains("gate log failed 1 times; first: ERROR on purpose"),
        "{errors}"
    );
    assert!(summary.contains("stall        fine"), "{summary}");
}

#[test]
fn a_gateway_that_dies_fails_the_soak_and_ends_it_early() {
    let directory = tempfile::tempdir().unwrap();
    let program = gateway_script(directory.path(), "exec timeout --signal=KILL 4");
    let output = soak(&program, "1", &[]);
    let (summary, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{summary}{errors}");
    for gate in ["held-tabs", "process"] {
        assert!(errors.contains(&format!("gate {gate} failed")), "{errors}");
    }
}

#[test]
fn a_soak_that_makes_no_sense_is_wrong_usage() {
    for wrong in [
        &["--minutes", "0"][..],
        &["--minutes", "-1"],
        &["--tabs", "3"],
        &["--calls", "9"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_okgate-harness"))
            .args(["soak", "--users", "4", "--gateway", "/nowhere"])
            .args(wrong)
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{wrong:?}: {:?}",
            texts(&output)
        );
    }
}
