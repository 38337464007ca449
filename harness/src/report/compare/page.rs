//! Owns a comparison as a page.

use super::{Comparison, Other, Row, Verdict};
use crate::report::html::{Cell, Intervals, Page, Row as Bar, Section, Spread, Table, Tone};
use crate::report::text::one_line;
use crate::report::units::Unit;

/// The page of this comparison.
pub fn page(comparison: &Comparison) -> Page {
    let scenario = one_line(&comparison.scenario);
    let mut page = Page::new(format!("Load compared: {scenario}"));
    page.fact("First run", one_line(&comparison.base));
    for (place, other) in comparison.others.iter().enumerate() {
        page.fact(format!("Run {}", place + 2), one_line(&other.name));
    }
    for other in &comparison.others {
        page.section(section(comparison, other));
    }
    let mut reading = Section::new("How to read this");
    reading.paragraph(comparison.method);
    page.section(reading);
    page
}

fn section(comparison: &Comparison, other: &Other) -> Section {
    let (name, base) = (one_line(&other.name), one_line(&comparison.base));
    let mut section = Section::new(format!("{name} held against {base}"));
    section.paragraph(format!("{}.", capitalised(&other.sum())));
    section.list(other.warnings());
    for (title, of_times) in [("Times", true), ("Other figures", false)] {
        let is_shown = |row: &&Row| (row.unit == "us") == of_times && row.interval.is_some();
        let bars: Vec<Bar> = other.rows.iter().filter(is_shown).map(bar).collect();
        if !bars.is_empty() {
            section.figure(&Intervals {
                title: format!("{title}: {name} by {base}, with what the noise leaves open"),
                name: "ratio to the first run".into(),
                unit: Unit::Number,
                spread: Spread::Log,
                reference: Some((1.0, "no change".into())),
                marks: Vec::new(),
                rows: bars,
            });
        }
    }
    section.table(&table(&name, other));
    section
}

fn bar(row: &Row) -> Bar {
    let (ratio, interval) = (row.ratio_words(), row.interval_words());
    Bar {
        name: name(row),
        bar: row.interval,
        marks: row.ratio.map(|ratio| (ratio, 0)).into_iter().collect(),
        words: format!("{ratio} {interval} {}", row.verdict.words()),
    }
}

fn name(row: &Row) -> String {
    let figure = row.figure.trim_start_matches("value");
    format!("{} {figure}", one_line(&row.measure))
        .trim_end()
        .to_owned()
}

fn table(name: &str, other: &Other) -> Table {
    let headings = [
        "Figure",
        ">First",
        ">This",
        ">Ratio",
        ">[low, high]",
        "Verdict",
    ];
    let mut table = Table::new(format!("Every figure of {name}"), &headings);
    for row in &other.rows {
        let [base, this] = row.amounts();
        let tone = match row.verdict {
            Verdict::Better => Tone::Good,
            Verdict::Worse => Tone::Bad,
            _ => Tone::Neutral,
        };
        let words = row.verdict.words().to_owned();
        table.row([
            Cell::Text(self::name(row)),
            Cell::Number(base),
            Cell::Number(this),
            Cell::Number(row.ratio_words()),
            Cell::Number(row.interval_words()),
            match tone {
                Tone::Neutral => Cell::Text(words),
                tone => Cell::Judgement(tone, words),
            },
        ]);
    }
    table
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}
