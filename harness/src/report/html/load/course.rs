//! Owns the drawings of a run's course: which columns of the series share one, and what it is called.

use std::collections::BTreeMap;

use super::super::lines::{Band, Line, Lines, Over};
use super::super::page::Section;
use super::super::palette::SERIES_MAX;
use super::super::scale::Spread;
use super::detail::is_own;
use crate::report::text::one_line;
use crate::report::units::Unit;
use crate::results::Results;

/// Tabs, rates, errors, memory and processor time over time: all columns but those of a latency.
pub(super) fn section(results: &Results) -> Section {
    let mut section = Section::new("Course of the run");
    // Tabs are what all others depend on, and come first.
    let mut groups: BTreeMap<(usize, bool, String), Vec<Line>> = BTreeMap::new();
    for name in results.series.columns.keys() {
        let (stem, unit) = Unit::of_column(name);
        let place = PLACES.iter().position(|(of, _)| *of == unit);
        let Some(place) = place.filter(|_| !is_own(results, name)) else {
            continue;
        };
        let title = match PLACES[place].1 {
            "" => one_line(stem.split(['.', '_']).next().unwrap_or(stem)).into_owned(),
            title => title.to_owned(),
        };
        let line = line(results, name, stem);
        groups
            .entry((place, title != "tabs", title))
            .or_default()
            .push(line);
    }
    for ((place, _, title), lines) in groups {
        let drawn = of_one_size(lines);
        let is_parted = drawn.len() > 1;
        for lines in drawn {
            section.figure(&Lines {
                title: chart_title(&title, &lines, is_parted),
                name: title.to_lowercase(),
                unit: PLACES[place].0.clone(),
                spread: Spread::Linear,
                over: Over::Time(bands(results)),
                lines,
            });
        }
    }
    section
}

/// One line has no legend, and the parts of one subject must not have the same name: they are told by their lines.
fn chart_title(subject: &str, lines: &[Line], is_parted: bool) -> String {
    if lines.len() > 1 && !is_parted {
        return subject.to_owned();
    }
    let names: Vec<&str> = lines.iter().map(|line| &*line.name).collect();
    let names = names.join(", ");
    if names.starts_with(subject) {
        return names;
    }
    format!("{subject}: {names}")
}

/// The phases, for drawings over time.
pub(super) fn bands(results: &Results) -> Vec<Band> {
    let bands = results.phases.iter().map(|phase| Band {
        name: one_line(&phase.name).into_owned(),
        from: phase.begun_s,
        to: phase.ended_s,
    });
    bands.collect()
}

/// The column of the series with this name, as a line.
pub(super) fn line(results: &Results, column: &str, name: &str) -> Line {
    let figures = results.series.columns.get(column);
    let moments = results.series.at_s.iter().copied();
    Line {
        name: one_line(name).into_owned(),
        points: moments
            .zip(figures.into_iter().flatten().copied())
            .collect(),
    }
}

/// Lines that can be seen over one axis: as many as look different, and none much smaller than the others.
fn of_one_size(mut lines: Vec<Line>) -> Vec<Vec<Line>> {
    let largest = |line: &Line| {
        let figures = line.points.iter().filter_map(|(_, figure)| *figure);
        figures.fold(0.0, f64::max)
    };
    lines.sort_by(|one, other| largest(other).total_cmp(&largest(one)));
    let mut drawn: Vec<Vec<Line>> = Vec::new();
    for line in lines {
        let fits = drawn.last().is_some_and(|drawn| {
            let is_seen = largest(&line) == 0.0 || largest(&line) * SIZES_MAX >= largest(&drawn[0]);
            drawn.len() < SERIES_MAX && is_seen
        });
        match drawn.last_mut() {
            Some(drawn) if fits => drawn.push(line),
            _ => drawn.push(vec![line]),
        }
    }
    drawn
}

/// What is drawn, in this order, with the title; numbers are parted by the first word of their names.
const PLACES: [(Unit, &str); 6] = [
    (Unit::Number, ""),
    (Unit::PerSecond, "Rates"),
    (Unit::Time, "Other times"),
    (Unit::Clock, "Other times in seconds"),
    (Unit::Bytes, "Memory"),
    (Unit::Share, "Processor time and other shares"),
];
/// How many times larger than another line's a line's largest figure may be.
const SIZES_MAX: f64 = 25.0;
