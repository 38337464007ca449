//! Runs held against each other: what is the same stays the same, what is slower is found, and noise is not called a change.

use okgate_harness::report::compare::{Comparison, Run, Verdict, compare};
use okgate_harness::results::Results;

use super::sample::Sample;

fn run(name: &str, results: Results) -> Run {
    Run {
        name: name.to_owned(),
        results,
    }
}

fn compared(before: &Sample, after: &Sample) -> Comparison {
    let runs = [
        run("before", before.results()),
        run("after", after.results()),
    ];
    compare(&runs, false).unwrap()
}

fn verdicts(comparison: &Comparison) -> Vec<Verdict> {
    let rows = comparison.others.iter().flat_map(|other| &other.rows);
    rows.map(|row| row.verdict).collect()
}

#[test]
fn the_same_run_is_the_same_in_every_figure() {
    let results = Sample::default().results();
    let runs = [
        run("a", results.clone()),
        run("b", results.clone()),
        run("c", results),
    ];
    let comparison = compare(&runs, false).unwrap();
    let verdicts = verdicts(&comparison);
    assert_eq!(comparison.others.len(), 2);
    assert!(
        verdicts.len() > 40 && verdicts.iter().all(|verdict| *verdict == Verdict::Same),
        "{verdicts:?}"
    );
    for other in &comparison.others {
        assert_eq!(other.lonely, Vec::<String>::new());
    }
}

#[test]
fn a_run_that_is_slower_by_30_percent_is_found_and_one_that_is_faster_too() {
    for seed in 0..8 {
        let busy = |seed| Sample {
            per_second: 400,
            ..Sample::steady(seed)
        };
        let before = busy(seed);
        let after = Sample {
            slower: 1.3,
            ..busy(seed + 1000)
        };
        assert_eq!(
            verdicts(&compared(&before, &after)),
            [Verdict::Worse; 4],
            "{seed}"
        );
        assert_eq!(
            verdicts(&compared(&after, &before)),
            [Verdict::Better; 4],
            "{seed}"
        );
    }
}

/// Of pairs of runs with the same chances the share of figures that were called different, in percent.
fn false_alarms(sample: &Sample) -> usize {
    let mut alarms = 0;
    let mut figures = 0;
    for seed in 0..40 {
        let seeded = |seed| Sample {
            seed,
            ..sample.clone()
        };
        let comparison = compared(&seeded(seed), &seeded(seed + 500));
        let verdicts = verdicts(&comparison);
        figures += verdicts.len();
        alarms += verdicts
            .iter()
            .filter(|verdict| **verdict != Verdict::Same)
            .count();
    }
    assert_eq!(figures, 160);
    alarms * 100 / figures
}

#[test]
fn noise_alone_is_seldom_called_a_change_be_it_even_lasting_or_in_bursts() {
    let even = Sample::steady(0);
    let lasting = Sample {
        unrest: 0.2,
        memory: 0.6,
        ..even.clone()
    };
    let bursts = Sample {
        stalls: 0.03,
        ..even.clone()
    };
    for (kind, sample) in [("even", even), ("lasting", lasting), ("bursts", bursts)] {
        let alarms = false_alarms(&sample);
        assert!(alarms <= 3, "{kind}: {alarms} %");
    }
}

#[test]
fn different_scenarios_are_refused_unless_that_is_forced() {
    let mut other = Sample::steady(1).results();
    other.scenario = "another".to_owned();
    let runs = [
        run("a.json", Sample::steady(1).results()),
        run("b.json", other),
    ];
    let error = compare(&runs, false).unwrap_err().to_string();
    for part in [
        "a.json and b.json",
        "\"office day\" and \"another\"",
        "--force",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let forced = compare(&runs, true).unwrap();
    assert!(forced.others[0].differences[0].contains("ran different scenarios"));
    let mut newer = Sample::steady(1).results();
    newer.schema += 1;
    let runs = [
        run("a.json", Sample::steady(1).results()),
        run("b.json", newer),
    ];
    assert!(
        compare(&runs, false)
            .unwrap_err()
            .to_string()
            .contains("different forms: 1 and 2")
    );
    assert!(
        compare(&runs[..1], false)
            .unwrap_err()
            .to_string()
            .contains("two files or more")
    );
}

#[test]
fn what_speaks_against_a_comparison_is_told() {
    let before = Sample::steady(1).results();
    let mut after = Sample::steady(2).results();
    after.target = "10.0.0.7:4066".to_owned();
    after.machine.processors = 2;
    after.machine.load_before = 5.0;
    after.phases[0].ended_s = 61.0;
    after.notes = vec!["the harness was the bottleneck".to_owned()];
    after.verdict = okgate_harness::results::Verdict::Stopped;
    let comparison = compare(&[run("a", before), run("b", after)], false).unwrap();
    let told = comparison.others[0].differences.join("\n");
    for part in [
        "different seeds: 1 in a, 2 in b",
        "different targets: 127.0.0.1:4066 in a, 10.0.0.7:4066 in b",
        "different machines: 8 × ",
        "different phases: hold 60.0 s in a, hold 61.0 s in b",
        "b was stopped before its time",
        "b's machine was busy",
        "b notes: the harness was the bottleneck",
    ] {
        assert!(told.contains(part), "{part} is missing in:\n{told}");
    }
}

#[test]
fn without_a_course_there_is_no_estimate_and_the_reason_is_told() {
    let mut before = Sample::steady(1).results();
    before.series.columns.clear();
    let mut after = Sample {
        slower: 2.0,
        ..Sample::steady(2)
    }
    .results();
    after.measures.push(okgate_harness::results::Measure {
        name: "calls".into(),
        explanation: String::new(),
        value: okgate_harness::results::Value::Count { value: 1 },
    });
    let comparison = compare(&[run("a", before), run("b", after)], false).unwrap();
    assert_eq!(verdicts(&comparison), [Verdict::Unsure; 4]);
    let text = comparison.to_string();
    assert!(
        text.contains(
            "no estimate for round_trip: the series has no p50 and p99 of their response times"
        ),
        "{text}"
    );
    assert!(text.contains("calls value only in b"), "{text}");
}

#[test]
fn a_comparison_reads_as_a_table_with_its_method_in_a_line() {
    let slower = Sample {
        slower: 1.3,
        seed: 2,
        ..Sample::default()
    };
    insta::assert_snapshot!(compared(&Sample::default(), &slower).to_string());
}
