//! Owns a comparison as lines for people.

use std::fmt::{self, Display, Formatter};

use super::{Comparison, Other, Row, Verdict};
use crate::report::table::Columns;
use crate::report::text::one_line;
use crate::report::units::Unit;

impl Display for Comparison {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let scenario = one_line(&self.scenario);
        for other in &self.others {
            let (base, name) = (one_line(&self.base), one_line(&other.name));
            writeln!(formatter, "{scenario}: {name} held against {base}\n")?;
            write_other(formatter, other)?;
        }
        write!(formatter, "{}", self.method)
    }
}

fn write_other(formatter: &mut Formatter<'_>, other: &Other) -> fmt::Result {
    let mut columns = Columns::new(&[
        "measure",
        "",
        ">first",
        ">this",
        ">ratio",
        ">[low, high]",
        "",
    ]);
    let mut last = "";
    for row in &other.rows {
        let name = if row.measure == last {
            ""
        } else {
            &row.measure
        };
        last = &row.measure;
        let [base, this] = row.amounts();
        let figure = row.figure.trim_start_matches("value");
        columns.line([
            name,
            figure,
            &base,
            &this,
            &row.ratio_words(),
            &row.interval_words(),
            row.verdict.words(),
        ]);
    }
    writeln!(formatter, "{columns}")?;
    for line in other.warnings() {
        writeln!(formatter, "note: {}", one_line(&line))?;
    }
    writeln!(formatter, "{}\n", other.sum())
}

impl Other {
    /// How many figures are better, worse and so on, in a line.
    pub fn sum(&self) -> String {
        let count = |verdict: Verdict| {
            self.rows
                .iter()
                .filter(|row| row.verdict == verdict)
                .count()
        };
        let words = ORDER
            .iter()
            .filter_map(|(verdict, words)| match count(*verdict) {
                0 => None,
                count => Some(format!("{count} {words}")),
            });
        let words = words.collect::<Vec<_>>().join(", ");
        let figures = self.rows.len();
        format!("of {figures} figures: {words}")
    }

    /// What is to be known before one believes the ratios: differences, figures without an estimate, and those without a partner.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut lines = self.differences.clone();
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for row in self
            .rows
            .iter()
            .filter(|row| row.verdict == Verdict::Unsure)
        {
            let reason = row.reason.as_deref().unwrap_or("there is no ratio to zero");
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, measures)) => measures.push(&row.measure),
                None => reasons.push((reason, vec![&row.measure])),
            }
        }
        lines.extend(reasons.into_iter().map(|(reason, mut measures)| {
            measures.dedup();
            format!("no estimate for {}: {reason}", measures.join(", "))
        }));
        lines.extend(self.lonely.iter().cloned());
        lines
    }
}

impl Row {
    /// Both amounts in the unit that fits them.
    pub(super) fn amounts(&self) -> [String; 2] {
        let unit = Unit::of_gauge(&self.unit);
        [self.base, self.other].map(|amount| unit.show(amount))
    }

    pub(super) fn ratio_words(&self) -> String {
        self.ratio.map_or_else(|| "–".to_owned(), ratio_words)
    }

    pub(super) fn interval_words(&self) -> String {
        let words = |(low, high)| format!("[{}, {}]", ratio_words(low), ratio_words(high));
        self.interval.map_or_else(String::new, words)
    }
}

fn ratio_words(ratio: f64) -> String {
    match ratio {
        ..0.1 => format!("{ratio:.3}"),
        ..10.0 => format!("{ratio:.2}"),
        _ => format!("{ratio:.1}"),
    }
}

/// Verdicts in the order of a sum, in words.
const ORDER: [(Verdict, &str); 6] = [
    (Verdict::Worse, "worse"),
    (Verdict::Better, "better"),
    (Verdict::Higher, "higher"),
    (Verdict::Lower, "lower"),
    (Verdict::Same, "within the noise"),
    (Verdict::Unsure, "without an estimate"),
];
