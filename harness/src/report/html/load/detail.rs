//! Owns what is drawn of each latency by itself: its course, its percentiles, its histograms.

use super::super::bars::Histogram;
use super::super::lines::{Line, Lines, Over};
use super::super::page::Section;
use super::super::palette::SERIES_MAX;
use super::super::scale::Spread;
use super::super::svg::Drawing;
use super::super::table::Table;
use super::course::{bands, line};
use super::{table_of_times, time_cells};
use crate::report::text::one_line;
use crate::report::units::Unit;
use crate::results::{Distribution, Measure, Results, Value};

/// The latencies one by one. Of many, those without a family come first, then those that were measured most often.
pub(super) fn section(results: &Results) -> Section {
    let mut section = Section::new("Latencies one by one");
    let mut measured: Vec<(&Measure, &Distribution, Option<&Distribution>)> = Vec::new();
    for measure in &results.measures {
        if let Value::Latency { service, response } = &measure.value
            && service.count > 0
        {
            measured.push((measure, service, response.as_ref()));
        }
    }
    measured.sort_by_key(|(measure, service, _)| {
        let is_member = measure.name.contains('.');
        (
            is_member,
            if is_member {
                u64::MAX - service.count
            } else {
                0
            },
        )
    });
    for (measure, service, response) in measured.iter().take(MEASURES_MAX) {
        section.section(detail(results, measure, service, *response));
    }
    if measured.len() > MEASURES_MAX {
        let names = measured[MEASURES_MAX..].iter();
        let names = names.map(|(measure, ..)| one_line(&measure.name).into_owned());
        let names = names.collect::<Vec<_>>().join(", ");
        section.paragraph(format!(
            "Not drawn, since they are many: {names}. The tables and the JSON have them."
        ));
    }
    section
}

fn detail(
    results: &Results,
    measure: &Measure,
    service: &Distribution,
    response: Option<&Distribution>,
) -> Section {
    let name = one_line(&measure.name).into_owned();
    let mut section = Section::new(name.clone());
    section.paragraph(one_line(&measure.explanation).into_owned());
    let lines = course(results, &measure.name, response.is_some());
    if !lines.is_empty() {
        section.figure(&Lines {
            title: match &lines[..] {
                [alone] => format!("{name} over time: {}", alone.name),
                _ => format!("{name} over time"),
            },
            name: "time".into(),
            unit: Unit::Time,
            spread: Spread::Log,
            over: Over::Time(bands(results)),
            lines,
        });
    }
    section.figure(&percentiles(&name, service, response));
    let mut drawn = vec![(format!("{name}: service times"), 0, service)];
    drawn.extend(response.map(|response| (format!("{name}: response times"), 1, response)));
    let drawn = Histogram::side_by_side(&drawn);
    section.figures(drawn.iter().map(|histogram| histogram as &dyn Drawing));
    section.table(&by_phase(results, &measure.name));
    section
}

/// What the measure was in each phase, if phases have measures of their own and there is more than one.
fn by_phase(results: &Results, name: &str) -> Table {
    let mut table = table_of_times(format!("{} by phase", one_line(name)), "Phase");
    let phases = results.phases.iter().filter_map(|phase| {
        let measure = phase.measures.iter().find(|measure| measure.name == name)?;
        matches!(measure.value, Value::Latency { .. }).then_some((phase, measure))
    });
    let phases: Vec<_> = phases.collect();
    if phases.len() < 2 {
        return table;
    }
    for (phase, measure) in phases {
        for (time, times) in measure.value.times() {
            table.row(time_cells(&phase.name, time, times));
        }
    }
    table
}

/// Whether a column is drawn, or told of, here: `NAME.p50_us` and `NAME.service.p50_us` of a latency `NAME`.
pub(super) fn is_own(results: &Results, column: &str) -> bool {
    let stem = column
        .strip_suffix("_us")
        .and_then(|stem| stem.rsplit_once('.'));
    stem.is_some_and(|(stem, figure)| {
        let name = stem.strip_suffix(".service").unwrap_or(stem);
        let measure = results.measure(name).map(|measure| &measure.value);
        let is_measured = |value: &Value| match value {
            Value::Latency { service, .. } => service.count > 0,
            _ => false,
        };
        rank(figure).is_some() && measure.is_some_and(is_measured)
    })
}

/// The columns of this measure, those of the service time first, the shorter times before the longer ones.
fn course(results: &Results, measure: &str, has_response: bool) -> Vec<Line> {
    let columns_of = |stem: String, time: &str| {
        let columns = results.series.columns.keys().filter_map(|column| {
            let figure = column.strip_prefix(&stem)?.strip_suffix("_us")?;
            Some((rank(figure)?, column, format!("{time}{figure}")))
        });
        let mut columns: Vec<_> = columns.collect();
        columns.sort_by_key(|(rank, ..)| *rank);
        columns
    };
    let plain = if has_response { "response " } else { "" };
    let mut columns = columns_of(format!("{measure}.service."), "service ");
    columns.extend(columns_of(format!("{measure}."), plain));
    columns.truncate(SERIES_MAX);
    let lines = columns
        .iter()
        .map(|(_, column, name)| line(results, column, name));
    lines.collect()
}

/// Where a figure of times stands among the others; `None` for what is none.
fn rank(figure: &str) -> Option<u32> {
    match figure {
        "min" => Some(0),
        "mean" => Some(500_000),
        "max" => Some(1_000_001),
        // p5, p50, p99, p999: digits behind the second are behind the point.
        _ => {
            let digits = figure.strip_prefix('p')?;
            let is_number =
                !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
            let padded = format!("{digits:0<6.6}");
            is_number.then(|| padded.parse().ok()).flatten()
        }
    }
}

fn percentiles(name: &str, service: &Distribution, response: Option<&Distribution>) -> Lines {
    let mut lines = vec![Line::by_percentile("service time", service)];
    let response = response.filter(|response| response.count > 0);
    lines.extend(response.map(|response| Line::by_percentile("response time", response)));
    let count = response.map_or(service.count, |response| response.count.max(service.count));
    Lines {
        title: format!("{name} by percentile"),
        name: "time".into(),
        unit: Unit::Time,
        spread: Spread::Log,
        over: Over::Percentiles(count),
        lines,
    }
}

/// How many latencies are drawn one by one.
const MEASURES_MAX: usize = 12;
