//! CSV, JUnit and the summary, read back.

use std::fmt::Write as _;

use okgate_harness::report::csv;
use okgate_harness::report::junit::{self, Case, Outcome, Suite};
use okgate_harness::report::table::Summary;
use okgate_harness::results::{Results, Verdict};
use roxmltree::{Document, Node};

use super::sample::Sample;

fn csv_text(results: &Results) -> String {
    let mut text = Vec::new();
    csv::write(results, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_course_is_read_back_from_csv_as_it_was() {
    let mut results = Sample::default().results();
    results.phases[1].name = "a \"quoted\", divided\r\nname".to_owned();
    let text = csv_text(&results);
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let headings: Vec<String> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(headings[..2], ["at_s", "phase"]);
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), results.series.at_s.len());
    for (row, at_s) in rows.iter().zip(&results.series.at_s) {
        assert_eq!(row[0].parse::<f64>().unwrap().to_bits(), at_s.to_bits());
    }
    for (place, name) in headings.iter().enumerate().skip(2) {
        let read: Vec<Option<f64>> = rows.iter().map(|row| row[place].parse().ok()).collect();
        assert_eq!(read, results.series.columns[name], "{name}");
    }
    assert_eq!(&rows[0][1], "warm up");
    assert_eq!(&rows[9][1], "warm up");
    assert_eq!(&rows[10][1], "a \"quoted\", divided\r\nname");
}

#[test]
fn csv_has_one_header_line_ends_of_lines_by_the_book_and_empty_cells_for_no_figure() {
    let text = csv_text(&Sample::default().results());
    assert_eq!(text.matches("at_s").count(), 1);
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    assert!(text.ends_with("\r\n") && !text.contains("null") && !text.contains("NaN"));
    let gap = text.lines().nth(41).unwrap();
    assert!(
        gap.starts_with("41,working hours,") && gap.contains(",,"),
        "{gap}"
    );
}

fn case(name: &str, outcome: Outcome, output: &str) -> Case {
    Case {
        name: name.to_owned(),
        class_name: "suite.part".to_owned(),
        seconds: 0.25,
        outcome,
        output: output.to_owned(),
    }
}

fn counts<'a>(node: Node<'a, '_>) -> [&'a str; 5] {
    ["tests", "failures", "errors", "skipped", "time"].map(|name| node.attribute(name).unwrap())
}

#[test]
fn junit_is_well_formed_whatever_a_case_printed() {
    let everything: String = (0..=0x2ff)
        .chain([0x202e, 0xfffe, 0xffff, 0x1_f600])
        .filter_map(char::from_u32)
        .collect();
    let hostile = format!("{everything}]]></system-out><failure/>&lt;\r\n\u{1b}[0m\"'");
    let problem = || (hostile.clone(), hostile.clone());
    let (message, text) = problem();
    let failed = Outcome::Failed { message, text };
    let (message, text) = problem();
    let error = Outcome::Error { message, text };
    let skipped = Outcome::Skipped {
        reason: hostile.clone(),
    };
    let suite = Suite {
        name: hostile.clone(),
        seconds: 1.0,
        cases: vec![
            case("passes", Outcome::Passed, &hostile),
            case(&hostile, failed, ""),
            case("breaks", error, ""),
            case("waits", skipped, ""),
        ],
    };
    let xml = junit::write(&[
        suite.clone(),
        Suite {
            name: "empty".into(),
            seconds: 0.5,
            cases: Vec::new(),
        },
    ]);
    let document = Document::parse(&xml).unwrap();
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    assert_eq!(counts(root), ["4", "1", "1", "1", "1.500"]);
    let suites: Vec<Node<'_, '_>> = root.children().filter(Node::is_element).collect();
    assert_eq!(counts(suites[0]), ["4", "1", "1", "1", "1.000"]);
    assert_eq!(counts(suites[1]), ["0", "0", "0", "0", "0.500"]);
    let cases: Vec<Node<'_, '_>> = suites[0].children().filter(Node::is_element).collect();
    let inner = |case: Node<'_, '_>| {
        case.first_element_child()
            .map(|child| child.tag_name().name().to_owned())
    };
    let inner: Vec<Option<String>> = cases.iter().map(|case| inner(*case)).collect();
    let wanted = ["system-out", "failure", "error", "skipped"].map(|name| Some(name.to_owned()));
    assert_eq!(inner, wanted);
    let printed = cases[0].first_element_child().unwrap().text().unwrap();
    assert!(
        printed.ends_with("]]></system-out><failure/>&lt;\n␛[0m\"'"),
        "{printed}"
    );
    assert!(
        printed.contains("ABC") && printed.contains('😀') && printed.contains('Ü'),
        "{printed}"
    );
    assert_eq!(cases[0].attribute("classname"), Some("suite.part"));
    assert_eq!(cases[0].attribute("time"), Some("0.250"));
}

#[test]
fn gates_are_cases_and_a_run_that_tells_nothing_fails_by_itself() {
    let mut results = Sample::default().results();
    let suite = Suite::of_load(&results);
    let outcomes = |suite: &Suite| {
        let mut text = String::new();
        for case in &suite.cases {
            let outcome = match &case.outcome {
                Outcome::Passed => "passed".to_owned(),
                Outcome::Failed { message, .. } => format!("failed: {message}"),
                Outcome::Skipped { reason } => format!("skipped: {reason}"),
                Outcome::Error { message, .. } => format!("error: {message}"),
            };
            writeln!(text, "{} / {}: {outcome}", case.class_name, case.name).unwrap();
        }
        text
    };
    insta::assert_snapshot!(outcomes(&suite), @r"
    load.office day / the run: passed
    load.office day / p99 of round_trip < 20 ms: passed
    load.office day / p99 of ring_to_popup in rush < 25 ms: failed: found 61.26, wanted p99 of ring_to_popup in rush < 25 ms
    load.office day / errors = 0: failed: found 3, wanted errors = 0
    load.office day / requests_per_s > 1000: passed
    load.office day / server_rss_per_tab < 2 KiB: failed: could not be measured, wanted server_rss_per_tab < 2 KiB
    ");
    assert!(
        suite.cases[0]
            .output
            .contains("event_lost: 1, the first: call 5")
    );

    results.gates.retain(|gate| gate.held);
    let first = |results: &Results| Suite::of_load(results).cases[0].outcome.clone();
    assert!(
        matches!(first(&results), Outcome::Failed { text, .. } if text.contains("the harness ran"))
    );
    results.verdict = Verdict::Stopped;
    assert!(matches!(first(&results), Outcome::Error { .. }));
    results.verdict = Verdict::Passed;
    assert_eq!(first(&results), Outcome::Passed);
}

#[test]
fn the_summary_is_aligned_and_in_units_that_fit() {
    insta::assert_snapshot!(Summary(&Sample::default().results()).to_string());
}

#[test]
fn nothing_in_the_summary_speaks_to_the_terminal() {
    let mut results = Sample::default().results();
    let hostile = "x\x1b]0;title\x07\x1b[2J\r\nforged: passed\u{202e}";
    results.failures[0].first = hostile.repeat(100);
    results.gates[0].threshold = hostile.to_owned();
    results.scenario = hostile.to_owned();
    results.target = hostile.to_owned();
    results.notes = vec![hostile.to_owned()];
    results.measures[0].name = hostile.to_owned();
    results.phases[0].name = hostile.to_owned();
    let tame = Summary(&Sample::default().results()).to_string();
    let text = Summary(&results).to_string();
    assert!(
        !text
            .chars()
            .any(|character| character.is_control() && character != '\n')
    );
    assert_eq!(text.lines().count(), tame.lines().count());
    assert!(
        !text.lines().any(|line| line.starts_with("forged")),
        "{text}"
    );
}

#[test]
fn results_are_read_back_from_their_json() {
    let results = Sample::default().results();
    let text = serde_json::to_string(&results).unwrap();
    assert_eq!(Results::from_json(&text).unwrap(), results);
    let error = Results::from_json("{\"schema\": 1}")
        .unwrap_err()
        .to_string();
    assert!(error.contains("missing field"), "{error}");
}
