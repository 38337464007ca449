//! Owns the page of a run of load: what of its results is told and drawn, and in which order.

mod course;
mod detail;

use super::bars::{Intervals, Row};
use super::page::{Page, Section};
use super::scale::Spread;
use super::table::{Cell, Table, Tone};
use crate::report::gate;
use crate::report::table::{FIRST_CHARACTERS_MAX, amount, quantiles, show_us, verdict_words};
use crate::report::text::{one_line, shortened};
use crate::report::units::{Unit, duration, number};
use crate::results::{Distribution, Gate, Results, Verdict};

/// The page of this run.
pub fn page(results: &Results) -> Page {
    let tone = match results.verdict {
        Verdict::Passed => Tone::Good,
        Verdict::Failed | Verdict::Aborted => Tone::Bad,
        Verdict::Stopped => Tone::Neutral,
    };
    let mut page = Page::new(format!("Load: {}", one_line(&results.scenario)))
        .verdict(tone, verdict_words(results))
        .introduction(&results.description);
    facts(&mut page, results);
    page.section(gates(results));
    let mut notes = Section::new("Notes");
    notes.list(results.notes.iter().cloned());
    page.section(notes);
    page.section(failures(results));
    page.section(latencies(results));
    page.section(amounts(results));
    page.section(course::section(results));
    page.section(detail::section(results));
    page.section(phases(results));
    page.section(reading());
    page
}

fn facts(page: &mut Page, results: &Results) {
    let machine = &results.machine;
    let processors = format!("{} × {}", machine.processors, one_line(&machine.processor));
    for (name, value) in [
        ("Target", one_line(&results.target).into_owned()),
        ("Begun", one_line(&results.begun).into_owned()),
        ("Took", duration(results.seconds)),
        ("Seed", results.seed.to_string()),
        ("Processors", processors),
        ("Kernel", one_line(&machine.kernel).into_owned()),
        ("Load before", format!("{:.2}", machine.load_before)),
    ] {
        page.fact(name, value);
    }
}

fn gates(results: &Results) -> Section {
    let mut section = Section::new("Gates");
    let mut table = Table::new(
        "What was wanted, and what was found",
        &["Wanted", ">Found", "Verdict"],
    );
    for gate in &results.gates {
        table.row([
            Cell::Text(one_line(&gate.threshold).into_owned()),
            Cell::Number(gate::found(gate)),
            Cell::Judgement(tone(gate), gate::verdict(gate).to_owned()),
        ]);
    }
    section.table(&table);
    let rows: Vec<Row> = results.gates.iter().filter_map(gate_row).collect();
    if !rows.is_empty() {
        section.figure(&Intervals {
            title: "How near the limits it came".into(),
            name: "found by limit".into(),
            unit: Unit::Share,
            spread: Spread::Linear,
            reference: Some((1.0, "limit".into())),
            marks: Vec::new(),
            rows,
        });
    }
    section
}

fn tone(gate: &Gate) -> Tone {
    if gate.held { Tone::Good } else { Tone::Bad }
}

/// The bar of a gate; what is far beyond its limit does not squeeze all others.
fn gate_row(gate: &Gate) -> Option<Row> {
    let share = gate::share_of_limit(gate)?;
    let (sign, verdict) = (tone(gate).sign(), gate::verdict(gate));
    let beyond = if share > LIMITS_SHOWN { " →" } else { "" };
    Some(Row {
        name: one_line(&gate.threshold).into_owned(),
        bar: Some((0.0, share.min(LIMITS_SHOWN))),
        marks: vec![(share.min(LIMITS_SHOWN), 0)],
        words: format!("{}{beyond} {sign} {verdict}", gate::found(gate)),
    })
}

fn failures(results: &Results) -> Section {
    let mut section = Section::new("What went wrong");
    let mut table = Table::new("Failures by kind", &["Kind", ">Times", "The first"]);
    for failure in &results.failures {
        let first = shortened(&failure.first, FIRST_CHARACTERS_MAX);
        table.row([
            Cell::Text(one_line(&failure.kind).into_owned()),
            Cell::Number(number(failure.count)),
            Cell::Code(first.into_owned()),
        ]);
    }
    section.table(&table);
    section
}

fn latencies(results: &Results) -> Section {
    let mut section = Section::new("Latencies");
    let mut table = table_of_times("Times by percentile", "Measure");
    let mut rows = Vec::new();
    for measure in &results.measures {
        for (time, times) in measure.value.times() {
            table.row(time_cells(&measure.name, time, times));
            if times.count > 0 {
                rows.push(latency_row(&measure.name, time, times));
            }
        }
    }
    section.table(&table);
    if !rows.is_empty() {
        section.figure(&Intervals {
            title: "Latencies at a glance: the bar goes from the median to p99.9".into(),
            name: "time".into(),
            unit: Unit::Time,
            spread: Spread::Log,
            reference: None,
            marks: vec!["p50".into(), "p99".into()],
            rows,
        });
    }
    section
}

/// A table whose rows are [`time_cells`], and begin with such a name.
fn table_of_times(caption: impl Into<String>, names: &str) -> Table {
    let headings = [
        names, "Time", ">Count", ">p50", ">p90", ">p99", ">p99.9", ">Longest",
    ];
    Table::new(caption, &headings)
}

/// Whose times they are and which, how many, and the quantiles of them.
fn time_cells(name: &str, time: &str, times: &Distribution) -> impl Iterator<Item = Cell> {
    let names = [one_line(name).into_owned(), time.to_owned()];
    let quantiles = quantiles(times).map(|us| match times.count {
        0 => "–".to_owned(),
        _ => show_us(us),
    });
    let numbers = std::iter::once(number(times.count)).chain(quantiles);
    let names = names.into_iter().map(Cell::Text);
    names.chain(numbers.map(Cell::Number))
}

#[allow(clippy::cast_precision_loss)] // drawn to a pixel
fn latency_row(name: &str, time: &str, times: &Distribution) -> Row {
    let [p50, _, p99, p999, _] = quantiles(times);
    Row {
        name: format!("{}, {time}", one_line(name)),
        bar: Some((p50 as f64, p999 as f64)),
        marks: vec![(p50 as f64, 0), (p99 as f64, 1)],
        words: format!("{} / {}", show_us(p50), show_us(p99)),
    }
}

fn amounts(results: &Results) -> Section {
    let mut section = Section::new("Other measures");
    let mut table = Table::new("Counts and amounts", &["Measure", ">Value", "What it is"]);
    for measure in &results.measures {
        if let Some(amount) = amount(&measure.value) {
            table.row([
                Cell::Text(one_line(&measure.name).into_owned()),
                Cell::Number(amount),
                Cell::Text(one_line(&measure.explanation).into_owned()),
            ]);
        }
    }
    section.table(&table);
    section
}

fn phases(results: &Results) -> Section {
    let mut section = Section::new("Phases");
    let headings = ["Phase", ">Number", "Kind", ">From", ">To", "Counts"];
    let mut table = Table::new("What went on when", &headings);
    for (place, phase) in results.phases.iter().enumerate() {
        let counts = if phase.is_measured { "yes" } else { "no" };
        table.row([
            Cell::Text(one_line(&phase.name).into_owned()),
            Cell::Number((place + 1).to_string()),
            Cell::Text(one_line(&phase.kind).into_owned()),
            Cell::Number(format!("{:.1} s", phase.begun_s)),
            Cell::Number(format!("{:.1} s", phase.ended_s)),
            Cell::Text(counts.to_owned()),
        ]);
    }
    section.table(&table);
    section
}

fn reading() -> Section {
    let mut section = Section::new("How to read this");
    section.list(HOW_TO_READ.map(str::to_owned));
    section
}

/// Bars of gates end at so many times the limit.
const LIMITS_SHOWN: f64 = 2.0;

const HOW_TO_READ: [&str; 5] = [
    "Service time runs from when a thing was done to its effect. Response time runs from when it ought to have been done: it counts the wait of those whose turn came later because the server, or the harness, was behind. Users feel the response time.",
    "p99 of 20 ms: 99 of 100 took 20 ms or less. In drawings by percentile each step to the right leaves a tenth of the ones before: 90 %, 99 %, 99.9 %.",
    "Figures over time are those of the interval that ends at the moment; measures count only what happened in phases that count.",
    "Axes of times mostly go by size: the same distance is the same factor.",
    "Series are told apart by dashes and markers as well as by colour. A marker shows its figure when it is pointed at.",
];
