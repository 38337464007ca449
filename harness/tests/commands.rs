//! The commands of the harness as a person runs them, against its own servers.
#![forbid(unsafe_code)]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use rustix::process::{Pid, Signal};
use serde_json::Value;

use support::{Server, harness};

fn reference() -> (Server, String) {
    let mut server = Server::start(&["reference", "--listen", "127.0.0.1:0"]);
    let line = server.next_line();
    let address = line.trim().rsplit(' ').next().unwrap().to_owned();
    (server, address)
}

fn report(arguments: &[&str]) -> (Option<i32>, Value) {
    let output = harness(arguments).output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), report.expect(&errors))
}

#[test]
fn tabs_are_held_by_workers_and_their_pings_are_timed() {
    let (_server, address) = reference();
    let (code, report) = report(&[
        "tabs",
        "--reference",
        "--address",
        &address,
        "--users",
        "6",
        "--tabs-per-user",
        "5",
        "--workers",
        "2",
        "--hold-s",
        "1",
        "--ping-s",
        "0.2",
        "--report",
        "json",
    ]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["opened"], 30);
    assert_eq!(report["held"], 30);
    assert!(report["ping"]["count"].as_u64() > Some(30), "{report}");
}

#[test]
fn tabs_that_cannot_connect_are_failures() {
    let (code, report) = report(&[
        "tabs",
        "--address",
        "127.0.0.1:1",
        "--users",
        "2",
        "--hold-s",
        "0.1",
        "--report",
        "json",
    ]);
    assert_eq!(code, Some(1));
    assert_eq!(report["failures"]["connect"], 2);
}

#[test]
fn a_load_reports_the_servers_cpu_time() {
    let (server, address) = reference();
    let process = server.child.id().to_string();
    let (code, report) = report(&[
        "load",
        "--reference",
        "--address",
        &address,
        "--connections",
        "4",
        "--depth",
        "2",
        "--duration-s",
        "0.3",
        "--warm-up-s",
        "0.1",
        "--server-pid",
        &process,
        "--report",
        "json",
    ]);
    assert_eq!(code, Some(0), "{report}");
    assert!(
        report["server_cpu_us_per_message"].as_f64() > Some(0.0),
        "{report}"
    );
}

#[test]
fn the_crm_says_where_it_listens_and_wrong_usage_has_its_exit_code() {
    let mut server = Server::start(&["crm", "--json", "--listen", "127.0.0.1:0"]);
    let line: Value = serde_json::from_str(&server.next_line()).unwrap();
    assert_eq!(line["kind"], "listening");
    let address = line["address"].as_str().unwrap();
    let taken = harness(&["crm", "--listen", address]).output().unwrap();
    assert_eq!(taken.status.code(), Some(3));
    let missing = harness(&["crm", "--callers", "/nowhere"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    let unknown = harness(&["load", "--method", "getuserstate"])
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn the_printed_settings_hold_what_was_set() {
    let output = harness(&[
        "gateway-settings",
        "--users",
        "3",
        "--set",
        "gateway.cores=1",
    ])
    .output()
    .unwrap();
    let settings: toml::Table = String::from_utf8(output.stdout).unwrap().parse().unwrap();
    assert_eq!(settings["gateway"]["cores"].as_integer(), Some(1));
    assert_eq!(settings["users"].as_array().map(Vec::len), Some(3));
    let wrong = harness(&["gateway-settings", "--set", "gateway.cores"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn tabs_log_in_subscribe_and_count_their_events() {
    let address = support::answering_server().to_string();
    for (opening, subscriptions) in [(&[][..], 2), (&["--full-opening"][..], 11)] {
        let arguments = [
            "tabs",
            "--address",
            &address,
            "--users",
            "3",
            "--tabs-per-user",
            "2",
            "--hold-s",
            "0.5",
            "--ping-s",
            "0.2",
            "--queue-s",
            "0.2",
            "--report",
            "json",
        ];
        let (code, report) = report(&[&arguments, opening].concat());
        assert_eq!(code, Some(0), "{report}");
        assert_eq!(report["logged_in"], 6);
        assert_eq!(
            report["events"]["linestatechanged"],
            6 * subscriptions,
            "{report}"
        );
    }
}

#[test]
fn a_wrong_password_is_a_failure_that_shows_the_servers_words() {
    let address = support::answering_server().to_string();
    let (code, report) = report(&[
        "tabs",
        "--address",
        &address,
        "--users",
        "1",
        "--password",
        "wrong",
        "--hold-s",
        "0.1",
        "--report",
        "json",
    ]);
    assert_eq!(code, Some(1));
    assert_eq!(report["failures"]["login"], 1);
    let words = report["first_failure"].as_str().unwrap();
    assert!(words.contains("Wrong login/pass combination"), "{words}");
}

#[test]
fn a_load_logs_in_and_checks_its_answers() {
    let address = support::answering_server().to_string();
    let (code, report) = report(&[
        "load",
        "--address",
        &address,
        "--connections",
        "2",
        "--depth",
        "2",
        "--method",
        "getuserstate",
        "--login-prefix",
        "user",
        "--duration-s",
        "0.2",
        "--warm-up-s",
        "0",
        "--report",
        "json",
    ]);
    assert_eq!(code, Some(0), "{report}");
    assert!(report["messages"].as_u64() > Some(10), "{report}");
}

#[tokio::test]
async fn the_opening_sequence_gets_every_answer_in_order() {
    let address = support::answering_server();
    let mut tab = okgate_harness::tab::Tab::connect(address, Some("json"))
        .await
        .unwrap();
    let opening = tab.opening_sequence("user1", "password").await.unwrap();
    let asked: Vec<&str> = opening
        .answers
        .iter()
        .map(|(method, _)| method.as_str())
        .collect();
    assert_eq!(
        asked[..4],
        ["ping", "login", "getcurrentqueue", "subscribeevent"]
    );
    assert!(opening.answer("getpbxnumbers").unwrap().succeeded());
}

#[test]
fn a_signal_to_the_whole_process_group_still_leads_to_a_report() {
    let (_server, address) = reference();
    let arguments = [
        "tabs",
        "--reference",
        "--address",
        &address,
        "--users",
        "4",
        "--ping-s",
        "0.1",
        "--report",
        "json",
    ];
    let mut child = harness(&arguments)
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let progress = BufReader::new(child.stderr.take().unwrap()).lines();
    let are_held = progress
        .map_while(Result::ok)
        .any(|line| line.contains("4/4 held"));
    assert!(are_held);
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process_group(group, Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["lost_workers"], 0);
    assert!(report["ping"]["count"].as_u64() > Some(0), "{report}");
}

#[test]
fn a_crm_of_any_mode_is_played_for_a_while_and_sums_up() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(
        file("crm.toml"),
        "introduce = \"never\"\n[link]\ndrop_every = 5\n",
    )
    .unwrap();
    let arguments = [
        "crm",
        "--mode",
        "wss-out",
        "--format",
        "xml",
        "--auth",
        "digest",
        "--credentials",
        "crm:secret",
        "--websocket-version",
        "0",
        "--listen",
        "127.0.0.1:0",
        "--behaviour",
        &file("crm.toml"),
        "--write-root",
        &file("root.pem"),
        "--seconds",
        "0.1",
    ];
    let output = harness(&arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("listening: 127.0.0.1:"), "{text}");
    assert!(
        text.contains("(wss-out, xml)") && text.contains("links: 0"),
        "{text}"
    );
    let root = std::fs::read_to_string(file("root.pem")).unwrap();
    assert!(root.starts_with("-----BEGIN CERTIFICATE-----"), "{root}");
}

#[test]
fn what_cannot_be_played_is_wrong_usage() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("crm.toml");
    std::fs::write(&file, "[link]\ndrops = 5\n").unwrap();
    let file = file.to_str().unwrap();
    for arguments in [
        &["--behaviour", file][..],
        &["--auth", "basic"],
        &["--mode", "wss-in"],
        &["--mode", "smoke-signals"],
        &["--credentials", "nocolon"],
        &["--certificate", file],
        &["--seconds", "-1"],
    ] {
        let output = harness(&[&["crm"], arguments].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn the_fault_proxy_says_what_it_did_to_each_connection_and_takes_orders() {
    let (_server, address) = reference();
    let mut command = harness(&["faults", "--listen", "127.0.0.1:0", "--connect", &address]);
    command
        .args(["--seed", "5", "--fault", "cut", "delay"])
        .args(["--log", "json", "--control"])
        .stdin(Stdio::piped());
    let mut proxy = Server::of(command);
    let mut orders = proxy.child.stdin.take().unwrap();
    let line = proxy.next_line();
    let through = line.trim().rsplit(' ').next().unwrap();
    let mut stream = std::net::TcpStream::connect(through).unwrap();
    // More than the longest time until a cut.
    let request = format!("GET / HTTP/1.1\r\nPadding: {}\r\n", "x".repeat(30_000));
    // The cut may come before all of it is written.
    let _cut = stream.write_all(request.as_bytes());
    let record: Value = serde_json::from_str(&proxy.next_line()).unwrap();
    assert_eq!(
        (&record["connection"], &record["end"]),
        (&1.into(), &"cut".into())
    );
    let faults = record["faults"].as_array().unwrap();
    assert_eq!(
        (&faults[0]["kind"], &faults[1]["kind"]),
        (&"cut".into(), &"delay".into())
    );
    let carried = record["up_bytes"].as_u64().unwrap() + record["down_bytes"].as_u64().unwrap();
    assert_eq!(Some(carried), faults[0]["after_bytes"].as_u64(), "{record}");

    let _stream = std::net::TcpStream::connect(through).unwrap();
    let mut open = String::new();
    while open != "open: [2]\n" {
        writeln!(orders, "open").unwrap();
        open = proxy.next_line();
    }
    writeln!(orders, "reset 2").unwrap();
    let record: Value = loop {
        let line = proxy.next_line();
        if !line.starts_with("open") {
            break serde_json::from_str(&line).unwrap();
        }
    };
    assert_eq!(record["end"], "reset", "{record}");
}

#[test]
fn a_printed_plan_of_faults_can_be_edited_and_used() {
    let output = harness(&["faults", "--plan", "heavy", "--print-plan"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("plan.toml");
    std::fs::write(&file, &output.stdout).unwrap();
    let again = harness(&["faults", "--print-plan", "--plan"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.stdout, again.stdout);
    std::fs::write(&file, "[[fault]]\nkind = \"cut\"\ndelay_ms = 3\n").unwrap();
    let wrong = harness(&["faults", "--print-plan", "--plan"])
        .arg(&file)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(wrong.status.code(), Some(2), "{errors}");
    assert!(
        errors.contains("delay_ms does not belong to it"),
        "{errors}"
    );
}
