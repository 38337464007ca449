//! `load` with scenarios as a person runs it: against the real gateway, against servers that stall, and with files that are wrong.
#![forbid(unsafe_code)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use okgate_harness::gateway::program_from_environment;
use okgate_harness::results::{Distribution, Failure, Measure, Results, Value, Verdict};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

fn gateway() -> PathBuf {
    program_from_environment().unwrap()
}

/// What a run of `load` left behind.
struct Run {
    code: Option<i32>,
    output: String,
    errors: String,
    results: Option<Results>,
}

impl Run {
    fn of(mut command: Command, results: &Path) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let results = std::fs::read(results).ok();
        Self {
            code: status.code(),
            output: text(stdout),
            errors: text(stderr),
            results: results.map(|bytes| serde_json::from_slice(&bytes).unwrap()),
        }
    }

    fn said(&self) -> String {
        format!("{}\n{}", self.errors, self.output)
    }

    /// Whether the summary says that this threshold did not hold.
    fn told_failed(&self, threshold: &str) -> bool {
        let mut lines = self.output.lines();
        lines.any(|line| line.starts_with(threshold) && line.ends_with("FAILED"))
    }

    fn results(&self) -> &Results {
        self.results
            .as_ref()
            .unwrap_or_else(|| panic!("{}", self.said()))
    }

    fn value(&self, measure: &str) -> &Value {
        let found = self.results().measure(measure);
        let Measure { value, .. } = found.unwrap_or_else(|| panic!("{measure}: {}", self.said()));
        value
    }

    fn count(&self, measure: &str) -> u64 {
        match self.value(measure) {
            Value::Count { value } => *value,
            other => panic!("{measure}: {other:?}"),
        }
    }

    fn amount(&self, measure: &str) -> f64 {
        match self.value(measure) {
            Value::Gauge { value, .. } => *value,
            other => panic!("{measure}: {other:?}"),
        }
    }

    /// Service and response times.
    fn times(&self, measure: &str) -> (&Distribution, &Distribution) {
        match self.value(measure) {
            Value::Latency {
                service,
                response: Some(response),
            } => (service, response),
            other => panic!("{measure}: {other:?}"),
        }
    }
}

fn load(arguments: &[&str]) -> Run {
    let directory = TempDir::new().unwrap();
    let results = directory.path().join("results.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_okgate-harness"));
    command.arg("load").args(arguments);
    if !arguments.contains(&"--check") {
        command.arg("--json").arg(&results);
    }
    Run::of(command, &results)
}

/// Plays this text against the real gateway.
fn play(scenario: &str) -> Run {
    play_against("--gateway", gateway().to_str().unwrap(), scenario)
}

/// Plays this text against the server that this option names.
fn play_against(option: &str, server: &str, scenario: &str) -> Run {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("scenario.toml");
    std::fs::write(&file, scenario).unwrap();
    load(&[file.to_str().unwrap(), option, server])
}

fn shipped(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    directory.join(name).to_str().unwrap().to_owned()
}

/// A machine that is busy with other tests is no bottleneck here.
const PATIENT: &str = "[harness]\nlag_p99_max_ms = 10000\ncpu_share_max = 1.0\n";

#[test]
fn the_smoke_scenario_finds_everything_there_and_in_order() {
    let gateway = gateway();
    let run = load(&[
        &shipped("smoke.toml"),
        "--gateway",
        gateway.to_str().unwrap(),
    ]);
    assert_eq!(run.code, Some(0), "{}", run.said());
    let results = run.results();
    assert_eq!(results.verdict, Verdict::Passed);
    assert_eq!(results.failures, []);
    let calls = run.count("calls");
    assert!(calls >= 10, "{calls}");
    // Each call rings in every tab of its user that is there: two at most, and one that stays at least.
    let (service, response) = run.times("ring_to_popup");
    assert!(
        (calls..=2 * calls).contains(&service.count),
        "{calls} {}",
        service.count
    );
    assert_eq!(service.count, response.count);
    assert!(response.p50_us >= service.p50_us);
    assert!(run.amount("tabs") <= 60.0 && run.amount("tabs") > 50.0);
    assert!(run.count("reconnections") > 5);
    assert!(run.times("round_trip.getuserstate").0.count > 100);
    assert!(run.times("round_trip.pbxanswercall").0.count > 0);
    for event in [
        "phoneevent_commstarted",
        "linestatechanged",
        "pbxnumberstatechanged",
    ] {
        assert!(
            run.times(&format!("event_latency.{event}")).0.count > 0,
            "{event}"
        );
    }
    assert!(run.amount("server_rss") > 1e6 && run.amount("harness_rss_per_tab") > 0.0);
    let kinds: Vec<&str> = results
        .phases
        .iter()
        .map(|phase| phase.kind.as_str())
        .collect();
    assert_eq!(kinds, ["warm_up", "hold", "spike"]);
    // A line a second, and a row of the course; the two are not drawn at the same moment.
    let lines = run
        .errors
        .lines()
        .filter(|line| line.contains(" tabs, "))
        .count();
    let rows = results.series.at_s.len();
    assert!(lines >= 9 && rows >= 9, "{lines} lines, {rows} rows");
    for stem in ["round_trip.getuserstate", "event_latency.linestatechanged"] {
        for figure in ["p50_us", "p99_us", "service.p50_us", "service.p99_us"] {
            let column = format!("{stem}.{figure}");
            assert!(results.series.columns.contains_key(&column), "{column}");
        }
    }
}

#[test]
fn a_threshold_that_does_not_hold_is_named_and_is_the_exit_code() {
    let gateway = gateway();
    let file = shipped("failing-threshold.toml");
    let run = load(&[&file, "--gateway", gateway.to_str().unwrap()]);
    assert_eq!(run.code, Some(1), "{}", run.said());
    assert!(
        run.told_failed("p50 of round_trip < 1 us"),
        "{}",
        run.output
    );
    let [failed, held] = &run.results().gates[..] else {
        panic!("{:?}", run.results().gates);
    };
    assert!(
        !failed.held && failed.observed > Some(1.0) && !failed.aborted,
        "{failed:?}"
    );
    assert!(held.held, "{held:?}");
    assert_eq!(run.results().verdict, Verdict::Failed);
}

#[test]
fn a_threshold_that_aborts_ends_the_run_at_once() {
    let run = play(&format!(
        "name = \"x\"\n[users]\ncount = 3\n[[phases]]\nkind = \"hold\"\nseconds = 600\ntabs = 3\nrequests_per_s = 20\n\
         [[thresholds]]\nexpression = \"p50 of round_trip < 1 us\"\nabort = true\n{PATIENT}"
    ));
    assert_eq!(run.code, Some(99), "{}", run.said());
    let results = run.results();
    assert_eq!(results.verdict, Verdict::Aborted);
    assert!(
        results.gates[0].aborted && results.seconds < 60.0,
        "{}",
        results.seconds
    );
}

#[test]
fn a_harness_that_was_the_bottleneck_fails_the_run_with_the_word_for_it() {
    let run = play(
        "name = \"x\"\n[users]\ncount = 3\n[[phases]]\nkind = \"hold\"\nseconds = 2\ntabs = 3\n\
         [[thresholds]]\nexpression = \"errors = 0\"\n[harness]\nlag_p99_max_ms = 0.001\nworkers = 2\n",
    );
    assert_eq!(run.code, Some(1), "{}", run.said());
    assert!(
        run.output.contains("the harness was the bottleneck"),
        "{}",
        run.output
    );
    assert!(
        run.output.contains("harness.lag_p99_max_ms"),
        "{}",
        run.output
    );
    assert!(run.results().gates[0].held && run.results().verdict == Verdict::Failed);
}

#[test]
fn a_slow_reader_is_closed_and_counted_and_nobody_else_notices() {
    let run = play(&format!(
        "name = \"x\"\n[users]\ncount = 4\n[gateway.settings]\nclients.queue_bytes_max = 4096\n\
         [[behaviours]]\nkind = \"idle\"\nweight = 3\nping_s = 0.2\n\
         [[behaviours]]\nkind = \"slow_reader\"\nping_s = 0.0005\nread_bytes = 1\n\
         [[phases]]\nkind = \"hold\"\nseconds = 12\ntabs = 4\n{PATIENT}"
    ));
    assert_eq!(run.code, Some(0), "{}", run.said());
    assert!(run.count("slow_reader_closes") > 0, "{}", run.output);
    let closed = run.results().failures.iter().find(|it| it.kind == "closed");
    assert_eq!(closed, None::<&Failure>);
}

#[test]
fn a_closed_loop_asks_behind_each_answer_and_has_no_response_times() {
    let run = play(&format!(
        "name = \"x\"\n[users]\ncount = 4\n[requests]\ngetuserstate = 1\n\
         [[phases]]\nkind = \"hold\"\nseconds = 3\ntabs = 4\narrival = \"closed\"\nrequests_at_once = 2\nthink_ms = 200\ncalls_at_once = 1\n{PATIENT}"
    ));
    assert_eq!(run.code, Some(0), "{}", run.said());
    let Value::Latency { service, response } = run.value("round_trip.getuserstate") else {
        panic!("{}", run.output);
    };
    // Eight in flight, each after a pause of 0.2 s, for three seconds: no more than those pauses allow, and not half of it.
    assert!((70..=128).contains(&service.count), "{}", service.count);
    assert_eq!(*response, None);
    assert!(run.count("calls") >= 1, "{}", run.output);
}

#[test]
fn closed_loops_that_follow_each_other_do_not_add_up() {
    let run = play(&format!(
        "name = \"x\"\n[users]\ncount = 4\n[requests]\ngetuserstate = 1\n\
         [[phases]]\nkind = \"warm_up\"\nseconds = 1\ntabs = 4\narrival = \"closed\"\nrequests_at_once = 2\nthink_ms = 200\n\
         [[phases]]\nkind = \"hold\"\nseconds = 3\narrival = \"closed\"\nrequests_at_once = 2\nthink_ms = 200\n{PATIENT}"
    ));
    assert_eq!(run.code, Some(0), "{}", run.said());
    let Value::Latency { service, .. } = run.value("round_trip.getuserstate") else {
        panic!("{}", run.output);
    };
    // Eight in flight, each after a pause of 0.2 s, for three seconds, and not twice as many.
    assert!((70..=128).contains(&service.count), "{}", service.count);
}

// The times that somebody meets who asks a server that stands still for a second.
#[test]
fn a_stall_shows_in_response_times_and_hardly_in_service_times() {
    let server = support::stalling_server(Duration::from_secs(4), Duration::from_secs(1));
    let scenario = format!(
        "name = \"x\"\n[users]\ncount = 4\n[requests]\ngetuserstate = 1\n\
         [[behaviours]]\nkind = \"idle\"\nping_s = 0\nqueue_s = 0\nopening = \"short\"\n\
         [[phases]]\nkind = \"warm_up\"\nseconds = 1\ntabs = 4\n\
         [[phases]]\nkind = \"hold\"\nseconds = 9\nrequests_per_s = 100\narrival = {{ spacing = \"even\" }}\n{PATIENT}"
    );
    let run = play_against("--target", &server.to_string(), &scenario);
    assert_eq!(run.code, Some(0), "{}", run.said());
    let (service, response) = run.times("round_trip.getuserstate");
    assert!(service.count.abs_diff(900) <= 2, "{}", service.count);
    // Each of the four tabs has a request or two under way that the stall meets: less than one of fifty.
    assert!(
        service.at(0.95) < 300_000 && service.max_us > 500_000,
        "{service:?}"
    );
    // The hundred that were due in that second all waited, one of nine, half of them for more than half of it.
    assert!(
        response.at(0.95) > 400_000 && response.max_us > 900_000,
        "{response:?}"
    );
    assert!(response.at(0.5) < 500_000, "{response:?}");
}

#[test]
fn what_is_due_while_too_much_is_outstanding_is_an_error_and_not_left_out() {
    let server = support::stalling_server(Duration::from_secs(2), Duration::from_secs(1));
    let scenario = format!(
        "name = \"x\"\n[users]\ncount = 2\n[[behaviours]]\nkind = \"idle\"\nopening = \"short\"\n\
         [[phases]]\nkind = \"hold\"\nseconds = 5\ntabs = 2\nrequests_per_s = 100\narrival = {{ outstanding_max = 20 }}\n\
         [[thresholds]]\nexpression = \"errors.not_sent = 0\"\n{PATIENT}"
    );
    let run = play_against("--target", &server.to_string(), &scenario);
    assert_eq!(run.code, Some(1), "{}", run.said());
    let not_sent = run.count("errors.not_sent");
    assert!((40..=200).contains(&not_sent), "{}", run.said());
    assert!(run.told_failed("errors.not_sent = 0"), "{}", run.output);
}

#[test]
fn a_wrong_file_is_refused_with_every_fault_and_its_line() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("wrong.toml");
    let wrong = "name = \"x\"\nsed = 1\n[users]\ncount = 1\n[[phases]]\nkind = \"hold\"\nseconds = 1\n[[thresholds]]\nexpression = \"p99 of ring_to_pop < 1 ms\"\n";
    std::fs::write(&file, wrong).unwrap();
    let file = file.to_str().unwrap();
    for arguments in [&[file][..], &["--check", file]] {
        let run = load(arguments);
        assert_eq!(run.code, Some(2), "{}", run.said());
        for words in [
            format!("{file}:2: sed: unknown key; did you mean `seed`?"),
            format!("{file}:9: thresholds[1].expression: "),
            "did you mean `ring_to_popup`?".to_owned(),
        ] {
            assert!(run.errors.contains(&words), "{words}\n{}", run.errors);
        }
    }
}

#[test]
fn a_file_is_checked_and_measures_are_listed_without_a_server() {
    let run = load(&["--check", &shipped("steady.toml")]);
    assert_eq!(run.code, Some(0), "{}", run.said());
    assert!(
        run.output.contains("is sound: \"Steady\""),
        "{}",
        run.output
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_okgate-harness"));
    command.args(["load", "--list-measures"]);
    let run = Run::of(command, Path::new("/nowhere"));
    assert_eq!(run.code, Some(0), "{}", run.said());
    assert!(
        run.output
            .lines()
            .any(|line| line.starts_with("ring_to_popup: from "))
    );
}

#[test]
fn a_scenario_and_the_options_of_a_closed_loop_exclude_each_other() {
    let file = shipped("smoke.toml");
    let run = load(&[&file, "--connections", "5"]);
    assert_eq!(run.code, Some(2), "{}", run.said());
    assert!(run.errors.contains("cannot be used with"), "{}", run.errors);
    let mut command = Command::new(env!("CARGO_BIN_EXE_okgate-harness"));
    command.args(["load", "--html", "page.html"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("are for scenarios"), "{errors}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_okgate-harness"));
    command.args(["load", "--seed", "5"]);
    assert_eq!(Run::of(command, Path::new("/nowhere")).code, Some(2));
}

#[test]
fn a_server_that_is_not_there_is_an_error_of_every_tab() {
    let scenario = format!(
        "name = \"x\"\n[users]\ncount = 2\n[[phases]]\nkind = \"hold\"\nseconds = 1\ntabs = 2\n\
         [[thresholds]]\nexpression = \"errors = 0\"\n{PATIENT}"
    );
    let run = play_against("--target", "127.0.0.1:1", &scenario);
    assert_eq!(run.code, Some(1), "{}", run.said());
    assert!(run.count("errors.connect") >= 2, "{}", run.output);
}

/// Plays a scenario of ten minutes, and sends a signal to the processes that this chooses once tabs are there: of the
/// run itself and of its children, each with the first two words of its command line.
fn interrupted(choose: impl Fn(&str) -> bool, signal: Signal) -> Run {
    let directory = TempDir::new().unwrap();
    let [file, results] = ["scenario.toml", "results.json"].map(|name| directory.path().join(name));
    let scenario = format!(
        "name = \"x\"\n[users]\ncount = 4\n[[phases]]\nkind = \"hold\"\nseconds = 600\ntabs = 4\nrequests_per_s = 10\n\
         [[thresholds]]\nexpression = \"requests >= 1\"\n{PATIENT}"
    );
    std::fs::write(&file, scenario).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_okgate-harness"));
    command.arg("load").arg(&file).arg("--json").arg(&results);
    command.arg("--gateway").arg(gateway());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains(": 4/4 tabs") {
        assert!(errors.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    let children = children.split_whitespace().map(|id| id.parse().unwrap());
    for process in children.chain([id]) {
        let words = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap();
        let words: Vec<&str> = words.split('\0').take(2).collect();
        if choose(&words.join(" ")) {
            let process = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
            rustix::process::kill_process(process, signal).unwrap();
        }
    }
    std::io::Read::read_to_string(&mut errors, &mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    let results = std::fs::read(&results).ok();
    Run {
        code: output.status.code(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: said,
        results: results.map(|bytes| serde_json::from_slice(&bytes).unwrap()),
    }
}

#[test]
fn a_run_that_somebody_ends_says_what_it_found_until_then() {
    let run = interrupted(|words| words.ends_with(" load"), Signal::INT);
    assert_eq!(run.code, Some(1), "{}", run.said());
    assert_eq!(run.results().verdict, Verdict::Stopped);
    assert_eq!(run.results().failures, []);
    assert!(run.amount("tabs") > 3.0 && run.results().seconds < 60.0);
}

#[test]
fn a_worker_or_a_gateway_that_dies_breaks_the_run_off_with_words() {
    for (who, kind) in [(" load-worker", "worker"), (" run", "server")] {
        let run = interrupted(|words| words.ends_with(who), Signal::KILL);
        assert_eq!(run.code, Some(1), "{who}: {}", run.said());
        let results = run.results();
        assert_eq!(results.verdict, Verdict::Failed);
        assert!(
            results.failures.iter().any(|failure| failure.kind == kind),
            "{:?}",
            results.failures
        );
        assert!(
            results.notes.iter().any(|note| note.contains("broke off")),
            "{:?}",
            results.notes
        );
    }
}
