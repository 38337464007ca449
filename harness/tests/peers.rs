//! `peer` and `measure peers` as a person runs them: short turns with few connections, whose figures mean nothing, but which are
//! all there.
#![forbid(unsafe_code)]

mod support;

use std::path::PathBuf;
use std::process::Output;

use okgate_harness::gateway::program_from_environment;
use okgate_harness::peers::{Peer, check};
use serde_json::Value;

use support::{Server, harness};

fn gateway() -> PathBuf {
    program_from_environment().unwrap()
}

fn texts(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[tokio::test]
async fn a_peer_says_what_it_is_and_where_it_listens() {
    for (peer, name) in [
        (Peer::Tungstenite, "tungstenite"),
        (Peer::Fastwebsockets, "fastwebsockets"),
    ] {
        let mut server = Server::start(&["peer", name, "--listen", "127.0.0.1:0"]);
        let line = server.next_line();
        let (said, address) = line.trim().split_once(" listening on ").unwrap();
        assert_eq!(said, format!("{} {}", peer.library(), peer.version()));
        check::check(address.parse().unwrap()).await.unwrap();
    }
}

#[test]
fn a_comparison_has_every_figure_of_every_server_as_table_json_and_page() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let output = harness(&["measure", "peers", "--gateway"])
        .arg(gateway())
        .args(["--rounds", "1", "--tabs", "60", "--seconds", "0.1"])
        .arg("--json")
        .arg(file("peers.json"))
        .arg("--html")
        .arg(file("peers.html"))
        .output()
        .unwrap();
    // 1 where a figure misses its target: with so little to measure, it may.
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "{}", texts(&output));
    let table = std::fs::read(file("peers.json")).unwrap();
    let table: Value = serde_json::from_slice(&table).unwrap();
    let figures = table["figures"].as_array().unwrap();
    // Four shapes of round trips with three figures each, two of setting up, one of a fan-out, two of idle connections.
    assert_eq!(figures.len(), 17, "{}", texts(&output));
    for figure in figures {
        let is_idle = figure["name"].as_str().unwrap().starts_with("idle");
        let entries = figure["entries"].as_array().unwrap();
        assert_eq!(entries.len(), if is_idle { 5 } else { 4 }, "{figure}");
        for entry in entries {
            let median = entry["figure"]["median"].as_f64();
            assert!(median >= Some(0.0), "{figure}");
        }
    }
    let is_met = |wanted: &Value| wanted["is_met"].as_bool().unwrap();
    let targets = table["targets"].as_array().unwrap();
    assert_eq!(targets.len(), 8, "{targets:?}");
    assert_eq!(targets.iter().all(is_met), code == Some(0));
    let notes = table["notes"].to_string();
    assert!(notes.contains("node's ws is left out") && notes.contains("TLS is left out"));
    let page = std::fs::read_to_string(file("peers.html")).unwrap();
    assert_eq!(page.matches("<section>").count(), 17);
}

#[test]
fn comparisons_that_make_no_sense_are_wrong_usage() {
    for wrong in [
        ["peers", "--tabs", "5"],
        ["peers", "--seconds", "0"],
        ["memory", "--html", "page.html"],
    ] {
        let mut command = harness(&["measure", "--gateway"]);
        let output = command.arg(gateway()).args(wrong).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{wrong:?}: {}",
            texts(&output)
        );
    }
}
