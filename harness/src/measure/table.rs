//! Owns the outcome of a measurement: figures beside those of the reference and beside their targets, for people as a table
//! and for programs as JSON.

use std::fmt;

use serde::Serialize;

use super::statistics::Summary;
use crate::report::table::Columns;

/// What one measurement found.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// What was measured, and how.
    pub title: String,
    /// The figures.
    pub rows: Vec<Row>,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// What it is measured in.
    pub unit: &'static str,
    /// The gateway's.
    pub gateway: Option<Summary>,
    /// The reference's, measured in turns with the gateway's.
    pub reference: Option<Summary>,
    /// The gateway's by the reference's, turn by turn.
    pub ratio: Option<Summary>,
    /// What is wanted of it.
    pub target: Option<Target>,
}

/// What a figure is to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The gateway's figure is no greater.
    AtMost(f64),
    /// The gateway's figure is no less.
    AtLeast(f64),
    /// The ratio is no greater.
    RatioAtMost(f64),
}

impl Table {
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a row, and gives it for the target to be set.
    pub(super) fn row(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        gateway: &[f64],
        reference: &[f64],
    ) -> &mut Row {
        self.rows.push(Row {
            name: name.into(),
            unit,
            gateway: Summary::of(gateway),
            reference: Summary::of(reference),
            ratio: Summary::of_ratios(gateway, reference),
            target: None,
        });
        let last = self.rows.len() - 1;
        &mut self.rows[last]
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Whether every figure is as wanted.
    pub fn is_good(&self) -> bool {
        self.rows.iter().all(|row| row.is_met() != Some(false))
    }
}

impl Row {
    pub(super) fn wanted(&mut self, target: Target) {
        self.target = Some(target);
    }

    /// Whether the median is as wanted; `None` if nothing is. A figure that could not be measured is not.
    pub fn is_met(&self) -> Option<bool> {
        let is = |summary: &Option<Summary>, wanted: &dyn Fn(f64) -> bool| {
            summary
                .as_ref()
                .is_some_and(|summary| wanted(summary.median))
        };
        Some(match self.target? {
            Target::AtMost(most) => is(&self.gateway, &|median| median <= most),
            Target::AtLeast(least) => is(&self.gateway, &|median| median >= least),
            Target::RatioAtMost(most) => is(&self.ratio, &|median| median <= most),
        })
    }

    fn cells(&self) -> [String; 7] {
        let cell = |summary: &Option<Summary>| shown(summary.as_ref());
        let verdict = match self.is_met() {
            Some(true) => "holds",
            Some(false) => "MISSED",
            None => "",
        };
        [
            self.name.clone(),
            self.unit.to_owned(),
            cell(&self.gateway),
            cell(&self.reference),
            cell(&self.ratio),
            self.target
                .map_or_else(String::new, |target| target.to_string()),
            verdict.to_owned(),
        ]
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(formatter, "≤ {most}"),
            Self::AtLeast(least) => write!(formatter, "≥ {least}"),
            Self::RatioAtMost(most) => write!(formatter, "ratio ≤ {most:.2}"),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut columns = Columns::new(&HEADINGS);
        for row in &self.rows {
            columns.line(row.cells());
        }
        write!(formatter, "{}\n\n{columns}", self.title)?;
        for note in &self.notes {
            write!(formatter, "\n{note}")?;
        }
        Ok(())
    }
}

/// A median with its interval; nothing if there is none.
pub(super) fn shown(summary: Option<&Summary>) -> String {
    let number = |value: f64| {
        let digits = match value.abs() {
            ..10.0 => 2,
            ..100.0 => 1,
            _ => 0,
        };
        format!("{value:.digits$}")
    };
    let Some(summary) = summary else {
        return String::new();
    };
    if summary.count == 1 {
        return number(summary.median);
    }
    let (low, high) = (number(summary.low), number(summary.high));
    format!("{} [{low}, {high}]", number(summary.median))
}

/// The columns.
const HEADINGS: [&str; 7] = [
    "figure",
    "unit",
    "gateway",
    "reference",
    "ratio",
    "target",
    "",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_judged_by_its_median_and_shown_with_its_interval() {
        let mut table = Table::new("Round trips");
        let row = table.row("ping", "µs", &[1.0, 1.2, 1.1], &[1.0, 1.0, 1.0]);
        row.wanted(Target::RatioAtMost(1.25));
        assert!(table.is_good());
        let row = table.row("memory", "bytes/tab", &[1300.0], &[]);
        row.wanted(Target::AtMost(1228.8));
        table.note("one shard");
        assert!(!table.is_good());
        let text = table.to_string();
        assert!(
            text.contains("1.10 [1.00, 1.20]  ratio ≤ 1.25  holds"),
            "{text}"
        );
        assert!(
            text.contains("≤ 1228.8") && text.contains("MISSED"),
            "{text}"
        );
        assert!(text.ends_with("\none shard"), "{text}");
    }

    #[test]
    fn what_could_not_be_measured_does_not_hold() {
        let mut table = Table::new("Nothing");
        table.row("x", "µs", &[], &[]).wanted(Target::AtLeast(1.0));
        assert!(!table.is_good());
    }
}
