//! `okgate-harness report` as a person types it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::sample::Sample;

fn write(directory: &Path, name: &str, sample: &Sample) -> PathBuf {
    let file = directory.join(name);
    std::fs::write(&file, serde_json::to_vec(&sample.results()).unwrap()).unwrap();
    file
}

fn report(arguments: &[&str], files: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_okgate-harness"));
    command
        .arg("report")
        .args(arguments)
        .args(files)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_form_is_written_and_the_summary_is_printed_when_nothing_else_is_asked_for() {
    let directory = TempDir::new().unwrap();
    let results = write(directory.path(), "run.json", &Sample::default());
    let printed = report(&[], &[&results]);
    assert!(printed.status.success());
    assert!(text(&printed.stdout).contains("office day: FAILED, 3 of 5 gates did not hold"));

    let file = |name: &str| directory.path().join(name).display().to_string();
    let files = ["--html", "--csv", "--junit", "--json"].map(|option| (option, file(&option[2..])));
    let mut arguments = Vec::new();
    for (option, file) in &files {
        arguments.extend([*option, file]);
    }
    let silent = report(&arguments, &[&results]);
    assert!(
        silent.status.success() && silent.stdout.is_empty(),
        "{silent:?}"
    );
    for ((_, file), begins) in
        files
            .iter()
            .zip(["<!DOCTYPE html>", "at_s,phase", "<?xml", "{\"schema\":1"])
    {
        let written = std::fs::read_to_string(file).unwrap();
        assert!(written.starts_with(begins), "{file}");
    }
    arguments.push("--text");
    assert!(!report(&arguments, &[&results]).stdout.is_empty());
}

#[test]
fn a_dash_stands_for_the_standard_output() {
    let directory = TempDir::new().unwrap();
    let results = write(directory.path(), "run.json", &Sample::steady(1));
    let printed = report(&["--junit", "-"], &[&results]);
    assert!(text(&printed.stdout).starts_with("<?xml"));
    roxmltree::Document::parse(&text(&printed.stdout)).unwrap();
}

#[test]
fn runs_are_compared_as_text_json_and_a_page() {
    let directory = TempDir::new().unwrap();
    let before = write(directory.path(), "before.json", &Sample::steady(1));
    let slower = Sample {
        slower: 1.3,
        ..Sample::steady(2)
    };
    let after = write(directory.path(), "after.json", &slower);
    let printed = report(&["--compare"], &[&before, &after]);
    assert!(printed.status.success());
    let words = text(&printed.stdout);
    assert!(
        words.contains("after.json held against before.json"),
        "{words}"
    );
    assert!(words.contains("of 4 figures: 4 worse"), "{words}");

    let json = report(&["--compare", "--json", "-"], &[&before, &after]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let row = &json["others"][0]["rows"][0];
    assert_eq!(
        (&row["measure"], &row["verdict"]),
        (&"round_trip".into(), &"worse".into())
    );
    let ratio = row["ratio"].as_f64().unwrap();
    assert!((1.2..1.4).contains(&ratio), "{row}");
    assert!(
        row["interval"][0].as_f64().unwrap() < ratio
            && ratio < row["interval"][1].as_f64().unwrap()
    );

    let page = directory.path().join("page.html");
    report(
        &["--compare", "--html", page.to_str().unwrap()],
        &[&before, &after],
    );
    assert!(
        std::fs::read_to_string(page)
            .unwrap()
            .contains("Load compared: office day")
    );
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    let directory = TempDir::new().unwrap();
    let run = write(directory.path(), "run.json", &Sample::steady(1));
    let broken = directory.path().join("broken.json");
    std::fs::write(&broken, "{\"schema\": 1, \"scenario\": 5}").unwrap();
    let missing = directory.path().join("missing.json");
    let other = directory.path().join("other.json");
    let mut another = Sample::steady(1).results();
    another.scenario = "another".to_owned();
    std::fs::write(&other, serde_json::to_vec(&another).unwrap()).unwrap();
    let cases: [(&[&str], Vec<&Path>, &str); 6] = [
        (&[], vec![&missing], "missing.json: No such file"),
        (&[], vec![&broken], "broken.json: not a message"),
        (&[], vec![&run, &run], "add --compare"),
        (&["--compare"], vec![&run], "two files or more"),
        (&["--compare"], vec![&run, &other], "different scenarios"),
        (
            &["--compare", "--csv", "x"],
            vec![&run, &run],
            "cannot be used with",
        ),
    ];
    for (arguments, files, words) in cases {
        let output = report(arguments, &files);
        assert_eq!(output.status.code(), Some(2), "{words}");
        let errors = text(&output.stderr);
        assert!(errors.contains(words), "{words} is missing in: {errors}");
    }
    assert!(
        report(&["--compare", "--force"], &[&run, &other])
            .status
            .success()
    );
}
