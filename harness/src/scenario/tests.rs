//! The format as its users meet it: what they may write, and what they are told when it is wrong.

use std::path::Path;

use super::*;

const GOOD: &str = r#"
name = "Monday"
seed = 7
[users]
count = 100
tabs_per_user = 2
[calls]
ring_ms = 500
talk_ms = [100, 200]
[requests]
getuserstate = 3
[[behaviours]]
kind = "idle"
weight = 9
[[behaviours]]
kind = "reloading"
reload_every_s = 5
[[phases]]
kind = "warm_up"
seconds = 5
tabs = 150
[[phases]]
name = "rush"
kind = "spike"
seconds = 10
tabs = 200
calls_per_s = 5
arrival = { spacing = "even" }
[[thresholds]]
expression = "errors = 0"
abort = true
from_s = 3
[[thresholds]]
expression = "p99 of ring_to_popup in rush < 50 ms"
"#;

fn parse(text: &str) -> std::result::Result<Scenario, Vec<Fault>> {
    Scenario::parse(text, Path::new("dir"), &Overrides::default())
}

/// The one fault of a text in which this was replaced.
fn fault(what: &str, with: &str) -> String {
    assert!(GOOD.contains(what), "{what}");
    let faults = parse(&GOOD.replace(what, with)).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults[0].to_string()
}

#[test]
fn a_scenario_is_what_its_file_says() {
    let scenario = parse(GOOD).unwrap();
    assert_eq!((scenario.name.as_str(), scenario.seed), ("Monday", 7));
    assert_eq!(scenario.play.users.tabs(), 200);
    assert_eq!(scenario.calls.ring_ms, (500, 500));
    assert_eq!(scenario.play.requests, [(Method::USER_STATE, 3.0)]);
    let [idle, reloading] = &scenario.play.behaviours[..] else {
        panic!("{:?}", scenario.play.behaviours);
    };
    assert_eq!((idle.weight, idle.ping), (9.0, Duration::from_secs(15)));
    assert!(!reloading.kind.stays());
    let [warm_up, rush] = &scenario.play.phases[..] else {
        panic!("{:?}", scenario.play.phases);
    };
    assert_eq!((warm_up.is_measured, rush.is_measured), (false, true));
    assert!(matches!(rush.arrival, Arrival::Open { is_even: true, .. }));
    assert!(scenario.thresholds[0].aborts);
    assert_eq!(scenario.thresholds[1].phase.as_deref(), Some("rush"));
    assert_eq!(scenario.server, Server::Started(Start::default()));
}

#[test]
fn thresholds_may_be_a_list_of_texts() {
    let place = GOOD.find("[[thresholds]]").unwrap();
    let text = GOOD[..place].replace(
        "seed = 7",
        "thresholds = [\"errors = 0\", \"server_cpu < 80 %\"]",
    );
    assert_eq!(parse(&text).unwrap().thresholds.len(), 2);
}

/// What is replaced in a good file, with what, and what is said of that.
const FAULTS: &[(&str, &str, &str)] = &[
    (
        "seed = 7",
        "sed = 7",
        "3: sed: unknown key; did you mean `seed`? Allowed: `name`",
    ),
    (
        "count = 100",
        "count = 0",
        "5: users.count: is 0, but must be a whole number from 1 to 1000000",
    ),
    ("count = 100", "", "4: users.count: is missing"),
    (
        "ring_ms = 500",
        "ring_ms = [5, 1]",
        "8: calls.ring_ms: is of the form array, but must be milliseconds",
    ),
    (
        "getuserstate = 3",
        "getuserstat = 3",
        "11: requests.getuserstat: no method that may be asked; did you mean `getuserstate`?",
    ),
    (
        "getuserstate = 3",
        "getuserstate = 0",
        "11: requests.getuserstate: its weight must be a number above 0",
    ),
    (
        "kind = \"idle\"",
        "kind = \"idles\"",
        "13: behaviours[1].kind: \"idles\" is not known; did you mean `idle`?",
    ),
    (
        "weight = 9",
        "reload_every_s = 9",
        "14: behaviours[1].reload_every_s: is a key of behaviours of kind \"reloading\", not of \"idle\"",
    ),
    (
        "name = \"rush\"",
        "name = \"warm_up\"",
        "23: phases[2].name: \"warm_up\" is another's name already",
    ),
    (
        "seconds = 10",
        "seconds = \"ten\"",
        "25: phases[2].seconds: is the text \"ten\", but must be a number",
    ),
    (
        "tabs = 200",
        "tabs = 201",
        "26: phases[2].tabs: is 201, but 100 users with 2 tabs each have 200",
    ),
    (
        "spacing = \"even\"",
        "spacing = \"evens\"",
        "28: phases[2].arrival.spacing: \"evens\" is not known; did you mean `even`?",
    ),
    (
        "{ spacing = \"even\" }",
        "\"close\"",
        "28: phases[2].arrival: \"close\" is not known; did you mean `closed`?",
    ),
    (
        "{ spacing = \"even\" }",
        "\"closed\"",
        "27: phases[2].calls_per_s: is only for phases with open arrivals",
    ),
    (
        "errors = 0",
        "errorz = 0",
        "30: thresholds[1].expression: \"errorz = 0\": there is no measure `errorz`; did you mean `errors`?",
    ),
    (
        "in rush",
        "in rash",
        "34: thresholds: \"p99 of ring_to_popup in rash < 50 ms\": there is no measured phase \"rash\"; did you mean `rush`?",
    ),
    (
        "in rush",
        "in warm_up",
        "there is no measured phase \"warm_up\"",
    ),
    ("name = \"Monday\"", "name = \"Monday", "2: is no TOML"),
    (
        "[users]",
        "[target]\naddress = \"nowhere\"\nadmin = \"127.0.0.1:1\"\n[users]",
        "5: target.address: \"nowhere\" is no address with a port",
    ),
    (
        "[users]",
        "[target]\naddress = \"127.0.0.1:1\"\n[users]",
        "calls_per_s: needs the gateway's admin address",
    ),
];

#[test]
fn every_fault_names_its_line_its_key_and_what_is_allowed() {
    for (what, with, words) in FAULTS {
        let said = fault(what, with);
        assert!(said.contains(words), "{with}:\n{said}\n{words}");
    }
}

#[test]
fn values_that_do_not_fit_each_other_are_faults() {
    for (what, with, words) in [
        ("calls_per_s = 5", "calls_per_s = 50", "needs about"),
        (
            "kind = \"idle\"",
            "kind = \"flapping\"",
            "needs tabs that stay",
        ),
        ("kind = \"spike\"", "kind = \"warm_up\"", "none is measured"),
        (
            "kind = \"spike\"",
            "kind = \"hold\"",
            "a hold keeps the tabs",
        ),
        (
            "tabs = 150",
            "tabs = 0\nrequests_per_s = 4",
            "needs tabs that make the requests",
        ),
        (
            "abort = true",
            "abort = false",
            "is only for thresholds with `abort = true`",
        ),
        ("in rush", "", ""),
        (
            "ring_to_popup in rush < 50 ms",
            "harness_lag in rush < 50 ms",
            "is measured for the whole run",
        ),
        (
            "errors = 0",
            "errors in rush = 0",
            "errors is measured for the whole run",
        ),
        (
            "errors = 0",
            "errors.closed in rush = 0",
            "errors.closed is measured for the whole run",
        ),
        (
            "errors = 0",
            "tabs in rush > 0",
            "tabs is measured for the whole run",
        ),
    ] {
        if words.is_empty() {
            assert!(parse(&GOOD.replace(what, with)).is_ok());
            continue;
        }
        let faults = parse(&GOOD.replace(what, with)).unwrap_err();
        assert!(
            faults.iter().any(|fault| fault.problem.contains(words)),
            "{with}: {faults:?}"
        );
    }
}

#[test]
fn one_reading_finds_all_faults_in_the_order_of_their_lines() {
    let text = GOOD
        .replace("seed = 7", "sed = 7")
        .replace("seconds = 10", "seconds = 0")
        .replace("errors = 0", "errors");
    let lines: Vec<usize> = parse(&text)
        .unwrap_err()
        .iter()
        .map(|fault| fault.line)
        .collect();
    assert_eq!(lines, [3, 25, 30]);
}

#[test]
fn an_empty_file_is_told_what_it_needs() {
    let faults = parse("").unwrap_err();
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let said = said.join("\n");
    for key in [
        "name: is missing",
        "users: is missing",
        "phases: is missing",
    ] {
        assert!(said.contains(key), "{said}");
    }
}

#[test]
fn what_the_command_line_says_goes_before_the_file() {
    let overrides = Overrides {
        seed: Some(9),
        target: "127.0.0.1:5000".parse().ok(),
        admin: "127.0.0.1:5001".parse().ok(),
        ..Overrides::default()
    };
    let scenario = Scenario::parse(GOOD, Path::new(""), &overrides).unwrap();
    assert_eq!(scenario.seed, 9);
    let Server::Runs(target) = scenario.server else {
        panic!("{:?}", scenario.server);
    };
    assert_eq!(target.address.port(), 5000);
}

#[test]
fn a_scenario_can_be_made_smaller_and_shorter() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.toml");
    std::fs::write(&file, GOOD).unwrap();
    let overrides = Overrides {
        scale: Some(0.1),
        stretch: Some(0.5),
        ..Overrides::default()
    };
    let play = Scenario::read(&file, &overrides).unwrap().play;
    assert_eq!((play.users.count, play.users.tabs()), (10, 20));
    assert_eq!(
        (play.phases[0].tabs, play.phases[1].tabs),
        (Some(15), Some(20))
    );
    assert_eq!(play.phases[1].calls_per_s, Some(0.5));
    assert!((play.phases[1].seconds - 5.0).abs() < 1e-9);
    let wrong = Overrides {
        scale: Some(0.0),
        ..Overrides::default()
    };
    let error = Scenario::read(&file, &wrong).unwrap_err().to_string();
    assert!(error.contains("--scale 0"), "{error}");
}

#[test]
fn a_fault_in_a_file_is_shown_with_the_files_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.toml");
    std::fs::write(&file, GOOD.replace("seed = 7", "sed = 7")).unwrap();
    let error = Scenario::read(&file, &Overrides::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("{}:3: sed: ", file.display())),
        "{error}"
    );
    let nowhere = Scenario::read(Path::new("/nowhere"), &Overrides::default());
    assert!(matches!(nowhere, Err(Error::Usage(_))));
}

#[test]
fn keys_that_only_one_kind_of_behaviours_has_say_so() {
    for (kind, keys) in read::OWN_KEYS {
        for key in keys {
            let known = schema::section("behaviours").key(key).unwrap();
            assert!(known.about.starts_with(&format!("`{kind}`: ")), "{known:?}");
        }
    }
}

/// The reference of the format.
const REFERENCE: &str = include_str!("../../SCENARIOS.md");

#[test]
fn the_reference_has_every_key_with_its_form_and_what_holds_without_it() {
    let rows = SECTIONS
        .iter()
        .flat_map(|section| section.keys)
        .map(Key::row);
    let missing: Vec<String> = rows.filter(|row| !REFERENCE.contains(row)).collect();
    assert!(
        missing.is_empty(),
        "SCENARIOS.md lacks:\n{}",
        missing.join("\n")
    );
}

#[test]
fn the_reference_has_every_measure_with_its_line() {
    let rows = all_measures().into_iter().map(|measure| {
        let MeasureName {
            name, explanation, ..
        } = measure;
        format!("| `{name}` | {explanation} |")
    });
    let missing: Vec<String> = rows.filter(|row| !REFERENCE.contains(row)).collect();
    assert!(
        missing.is_empty(),
        "SCENARIOS.md lacks:\n{}",
        missing.join("\n")
    );
}

#[test]
fn the_scenarios_that_are_shipped_are_sound() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = files.collect();
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        let scenario = Scenario::read(&file, &Overrides::default());
        let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
        assert!(!scenario.description.is_empty(), "{}", file.display());
    }
}

#[test]
fn every_example_of_the_reference_is_sound() {
    let mut examples = REFERENCE.split("```toml\n").skip(1);
    let whole = examples.next().and_then(|rest| rest.split("```").next());
    let whole = whole.unwrap_or_default();
    let scenario = parse(whole);
    assert!(scenario.is_ok(), "{scenario:?}");
}
