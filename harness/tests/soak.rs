//! The command `soak` as a person runs it, against the real gateway: a short one that holds, and ones that must fail.
#![forbid(unsafe_code)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use okgate_harness::gateway::program_from_environment;
use serde_json::Value;

fn gateway() -> PathBuf {
    program_from_environment().unwrap()
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

/// Faults that come within seconds, of every kind.
const PLAN: &str = r#"
faults_max = 3
fault = [
    { kind = "delay", probability = 0.3, delay_ms = [2, 40] },
    { kind = "jitter", probability = 0.3, jitter_ms = [1, 40] },
    { kind = "bandwidth", probability = 0.2, bytes_per_s = [20_000, 50_000] },
    { kind = "byte-by-byte", probability = 0.2, pause_ms = 0 },
    { kind = "cut", probability = 0.5, after_bytes = [100, 20_000] },
    { kind = "cut", probability = 0.5, after_ms = [200, 2_000] },
    { kind = "reset", probability = 0.5, after_ms = [200, 2_000] },
    { kind = "half-open", probability = 0.5, after_ms = [200, 2_000], lasts_ms = 60_000 },
]
"#;

/// A small soak with faults; its figures.
fn soak_with_faults(minutes: &str, more: &[&str]) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let [plan, file] = ["plan.toml", "figures.json"].map(|name| directory.path().join(name));
    std::fs::write(&plan, PLAN).unwrap();
    // Whether the gateway is fast is another question than whether it is right; a busy machine must not answer it.
    let mut arguments = vec!["--stall-ms", "8000", "--faults", plan.to_str().unwrap()];
    arguments.extend(["--json", file.to_str().unwrap()]);
    arguments.extend(more);
    let output = soak(&gateway(), minutes, &arguments);
    let (summary, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{summary}{errors}");
    assert!(summary.ends_with("soak: good\n"), "{summary}");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn count(figures: &Value, name: &str) -> u64 {
    figures["counts"][name].as_u64().unwrap()
}

#[test]
fn tabs_behind_faults_lose_their_links_and_come_back_and_the_others_see_nothing_of_it() {
    let figures = soak_with_faults("0.35", &["--seed", "3"]);
    assert_eq!(
        (&figures["tabs"], &figures["returning_tabs"]),
        (&24.into(), &6.into())
    );
    let kinds = figures["faults"].as_object().unwrap();
    assert_eq!(kinds.len(), 7, "every kind came: {kinds:?}");
    for (name, least) in [
        ("returns", 6),
        ("by_session", 6),
        ("pictures", 12),
        ("crm_lists", 2),
    ] {
        assert!(count(&figures, name) >= least, "{name}: {figures}");
    }
    // The gateway has found half-open links by itself.
    assert!(
        figures["refusals"]["silence"].as_f64() > Some(0.0),
        "{figures}"
    );
    let last = figures["rows"].as_array().unwrap().last().unwrap();
    assert!(last["faults"]["cut"].as_u64() > Some(0), "{last}");
    assert!(last["usage"]["cpu_ms"].as_u64() > Some(0), "{last}");
    assert_eq!(figures["leak"]["verdict"], "too-short");
}

#[test]
fn a_crm_that_connects_over_tls_comes_through_faults_as_well() {
    let figures = soak_with_faults("0.2", &["--seed", "4", "--crm-mode", "wss-in"]);
    assert!(count(&figures, "crm_lists") >= 2, "{figures}");
    assert!(count(&figures, "crm_stops") > 0, "{figures}");
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
        &["--hours", "-1"],
        &["--minutes", "1", "--hours", "1"],
        &[],
        &["--minutes", "1", "--tabs", "3"],
        &["--minutes", "1", "--calls", "9"],
        &["--minutes", "1", "--faults", "/nowhere"],
        &["--minutes", "1", "--faults", "light", "--tabs", "4"],
        &["--minutes", "1", "--crm-mode", "http-out"],
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
