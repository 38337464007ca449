//! Owns the form in which continuous integration reads outcomes: the XML of JUnit, as Jenkins, GitLab and the actions of GitHub
//! take it.
//!
//! Suites of cases come in, one document goes out, well-formed whatever the texts hold.

use std::fmt::Write as _;

use super::markup::Element;
use crate::results::{Gate, Results, Verdict};

/// Some cases that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
    /// Its cases in their order.
    pub cases: Vec<Case>,
}

/// One thing that was tried or judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// What it belongs to; points part the levels that readers fold.
    pub class_name: String,
    /// How long it took.
    pub seconds: f64,
    /// What came of it.
    pub outcome: Outcome,
    /// What it printed.
    pub output: String,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is as wanted.
    Passed,
    /// It is not.
    Failed {
        /// Why, in a line.
        message: String,
        /// Why, in full.
        text: String,
    },
    /// It was not tried.
    Skipped {
        /// Why not.
        reason: String,
    },
    /// It could not be tried to its end.
    Error {
        /// Why, in a line.
        message: String,
        /// Why, in full.
        text: String,
    },
}

impl Suite {
    /// The gates of a run of load, and the run itself: it fails by itself if it tells nothing although every gate held.
    pub fn of_load(results: &Results) -> Self {
        let class_name = format!("load.{}", results.scenario);
        let mut cases = vec![Case {
            name: "the run".to_owned(),
            class_name: class_name.clone(),
            seconds: results.seconds,
            outcome: run_outcome(results),
            output: run_output(results),
        }];
        cases.extend(results.gates.iter().map(|gate| Case {
            name: gate.threshold.clone(),
            class_name: class_name.clone(),
            seconds: 0.0,
            outcome: gate_outcome(gate),
            output: String::new(),
        }));
        Self {
            name: format!("load: {}", results.scenario),
            seconds: results.seconds,
            cases,
        }
    }

    fn element(&self) -> Element {
        let cases = self.cases.iter().map(Case::element);
        let suite = Element::new("testsuite").with("name", &self.name);
        let counts = Counts::of(std::slice::from_ref(self));
        counts.written(suite, self.seconds).children(cases)
    }
}

impl Case {
    fn element(&self) -> Element {
        let mut case = Element::new("testcase")
            .with("name", &self.name)
            .with("classname", &self.class_name)
            .with("time", seconds(self.seconds));
        match &self.outcome {
            Outcome::Passed => {}
            Outcome::Failed { message, text } => case.push(problem("failure", message, text)),
            Outcome::Error { message, text } => case.push(problem("error", message, text)),
            Outcome::Skipped { reason } => {
                case.push(Element::new("skipped").with("message", reason));
            }
        }
        if !self.output.is_empty() {
            case.push(Element::of_text("system-out", &self.output));
        }
        case
    }
}

/// The document of these suites.
pub fn write(suites: &[Suite]) -> String {
    let time = suites.iter().map(|suite| suite.seconds).sum();
    let root = Counts::of(suites)
        .written(Element::new("testsuites"), time)
        .children(suites.iter().map(Suite::element));
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{root}\n")
}

#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn of(suites: &[Suite]) -> Self {
        let mut counts = Self::default();
        for case in suites.iter().flat_map(|suite| &suite.cases) {
            counts.tests += 1;
            match case.outcome {
                Outcome::Passed => {}
                Outcome::Failed { .. } => counts.failures += 1,
                Outcome::Error { .. } => counts.errors += 1,
                Outcome::Skipped { .. } => counts.skipped += 1,
            }
        }
        counts
    }

    fn written(&self, element: Element, time: f64) -> Element {
        element
            .with("tests", self.tests)
            .with("failures", self.failures)
            .with("errors", self.errors)
            .with("skipped", self.skipped)
            .with("time", seconds(time))
    }
}

fn problem(name: &'static str, message: &str, text: &str) -> Element {
    Element::new(name)
        .with("message", message)
        .with("type", name)
        .text(text)
}

fn gate_outcome(gate: &Gate) -> Outcome {
    if gate.held {
        return Outcome::Passed;
    }
    let mut message = match gate.observed {
        Some(observed) => format!("found {observed}, wanted {}", gate.threshold),
        None => format!("could not be measured, wanted {}", gate.threshold),
    };
    if gate.aborted {
        message.push_str("; this ended the run");
    }
    Outcome::Failed {
        text: message.clone(),
        message,
    }
}

fn run_outcome(results: &Results) -> Outcome {
    let is_explained = results.gates.iter().any(|gate| !gate.held);
    let text = results.notes.join("\n");
    match results.verdict {
        Verdict::Passed => Outcome::Passed,
        Verdict::Failed | Verdict::Aborted if is_explained => Outcome::Passed,
        Verdict::Failed | Verdict::Aborted => Outcome::Failed {
            message: "the run failed although every gate held".to_owned(),
            text,
        },
        Verdict::Stopped => Outcome::Error {
            message: "the run was stopped before its time".to_owned(),
            text,
        },
    }
}

/// What went wrong and what is to be known besides, a line each.
fn run_output(results: &Results) -> String {
    let mut output = String::new();
    for failure in &results.failures {
        let (kind, count, first) = (&failure.kind, failure.count, &failure.first);
        let _ = writeln!(output, "{kind}: {count}, the first: {first}"); // a String takes everything
    }
    for note in &results.notes {
        let _ = writeln!(output, "{note}");
    }
    output
}

fn seconds(seconds: f64) -> String {
    let seconds = if seconds.is_finite() { seconds } else { 0.0 };
    format!("{seconds:.3}")
}
