//! Owns the summary of a run for a terminal: aligned columns, amounts in the unit that fits them, and what failed in words.

use std::fmt::{self, Display, Formatter};

use super::gate;
use super::text::{one_line, shortened};
use super::units::{Unit, duration, number};
use crate::results::{Distribution, Results, Value, Verdict};

/// Lines of cells in columns that are as wide as their widest cell.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    lines: Vec<Vec<String>>,
    to_the_right: Vec<bool>,
}

impl Columns {
    /// With these headings; those that begin with `>` have their cells set to the right.
    pub fn new(headings: &[&str]) -> Self {
        let names = headings.iter().map(|it| it.trim_start_matches('>'));
        Self {
            lines: vec![names.map(str::to_owned).collect()],
            to_the_right: headings.iter().map(|it| it.starts_with('>')).collect(),
        }
    }

    /// Adds a line. Controls in its cells become pictures.
    pub fn line<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let cells = cells.into_iter();
        let shown = cells.map(|cell| one_line(cell.as_ref()).into_owned());
        self.lines.push(shown.collect());
    }

    /// Whether there are headings alone.
    pub fn is_empty(&self) -> bool {
        self.lines.len() <= 1
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| {
            let cells = self.lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        (0..self.to_the_right.len()).map(width).collect()
    }
}

impl Display for Columns {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for line in &self.lines {
            let cells = line.iter().zip(&widths).zip(&self.to_the_right);
            let cells = cells.map(|((cell, width), is_right)| match is_right {
                true => format!("{cell:>width$}"),
                false => format!("{cell:width$}"),
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// What a run found, as lines for people.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'r>(pub &'r Results);

impl Display for Summary<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self(results) = self;
        write_head(formatter, results)?;
        let parts = [latencies(results), amounts(results), gates(results)];
        for part in parts.iter().filter(|part| !part.is_empty()) {
            write!(formatter, "\n{part}")?;
        }
        write_failures(formatter, results)?;
        for note in &results.notes {
            writeln!(formatter, "\nnote: {}", one_line(note))?;
        }
        let name = one_line(&results.scenario);
        writeln!(formatter, "\n{name}: {}", verdict_words(results))
    }
}

/// How a run ended, in words.
pub fn verdict_words(results: &Results) -> String {
    let failed = results.gates.iter().filter(|gate| !gate.held).count();
    let of = format!("{failed} of {} gates did not hold", results.gates.len());
    match results.verdict {
        Verdict::Passed if results.gates.is_empty() => "passed (it has no gates)".to_owned(),
        Verdict::Passed => format!("passed, {} gates held", results.gates.len()),
        Verdict::Failed if failed == 0 => "FAILED, although every gate held: see the notes".into(),
        Verdict::Failed => format!("FAILED, {of}"),
        Verdict::Aborted => format!("ABORTED by a gate, {of}"),
        Verdict::Stopped => format!("STOPPED before its time, {of}"),
    }
}

fn write_head(formatter: &mut Formatter<'_>, results: &Results) -> fmt::Result {
    let machine = &results.machine;
    let (scenario, target) = (one_line(&results.scenario), one_line(&results.target));
    let (processor, begun) = (one_line(&machine.processor), one_line(&results.begun));
    writeln!(
        formatter,
        "{scenario}: {} against {target}, begun {begun}, seed {}",
        duration(results.seconds),
        results.seed
    )?;
    writeln!(
        formatter,
        "on {} processors ({processor}), Linux {}, load average {:.2} before",
        machine.processors,
        one_line(&machine.kernel),
        machine.load_before
    )?;
    let phases = results.phases.iter().map(|phase| {
        let seconds = duration(phase.ended_s - phase.begun_s);
        let counts = if phase.is_measured {
            ""
        } else {
            ", not measured"
        };
        format!("{} ({} {seconds}{counts})", phase.name, phase.kind)
    });
    let phases = phases.collect::<Vec<_>>().join(", ");
    writeln!(formatter, "phases: {}", one_line(&phases))
}

fn latencies(results: &Results) -> Columns {
    let mut columns = Columns::new(&[
        "latency", "", ">count", ">p50", ">p90", ">p99", ">p99.9", ">max",
    ]);
    for measure in &results.measures {
        let mut name = &*measure.name;
        for (time, times) in measure.value.times() {
            columns.line(latency_cells(name, time, times));
            name = "";
        }
    }
    columns
}

fn latency_cells(name: &str, time: &str, times: &Distribution) -> Vec<String> {
    let mut cells = vec![name.to_owned(), time.to_owned(), number(times.count)];
    if times.count > 0 {
        cells.extend(quantiles(times).map(show_us));
    }
    cells
}

/// The quantiles that tables show: p50, p90, p99, p99.9 and the longest.
pub fn quantiles(times: &Distribution) -> [u64; 5] {
    let Distribution {
        p50_us,
        p90_us,
        p99_us,
        p999_us,
        max_us,
        ..
    } = *times;
    [p50_us, p90_us, p99_us, p999_us, max_us]
}

/// Microseconds in the unit that fits them.
#[allow(clippy::cast_precision_loss)] // three digits are shown
pub fn show_us(us: u64) -> String {
    Unit::Time.show(us as f64)
}

/// Counts of a family's members, such as kinds of errors, are left out where nothing was counted: the family's own count is there.
fn amounts(results: &Results) -> Columns {
    let mut columns = Columns::new(&["measure", ">value"]);
    for measure in &results.measures {
        let is_empty_member =
            measure.value == Value::Count { value: 0 } && measure.name.contains('.');
        if let Some(amount) = amount(&measure.value).filter(|_| !is_empty_member) {
            columns.line([&measure.name, &amount]);
        }
    }
    columns
}

/// A count or a gauge as text; `None` of times.
pub fn amount(value: &Value) -> Option<String> {
    match value {
        Value::Latency { .. } => None,
        Value::Count { value } => Some(number(*value)),
        Value::Gauge { value, unit } => Some(Unit::of_gauge(unit).show(*value)),
    }
}

fn gates(results: &Results) -> Columns {
    let mut columns = Columns::new(&["gate", ">found", ""]);
    for gate in &results.gates {
        let found = gate::found(gate);
        columns.line([&*gate.threshold, &found, gate::verdict(gate)]);
    }
    columns
}

fn write_failures(formatter: &mut Formatter<'_>, results: &Results) -> fmt::Result {
    let mut columns = Columns::new(&["went wrong", ">times", "the first"]);
    for failure in &results.failures {
        let first = one_line(&failure.first);
        let first = shortened(&first, FIRST_CHARACTERS_MAX);
        columns.line([&*failure.kind, &number(failure.count), &first]);
    }
    if columns.is_empty() {
        return Ok(());
    }
    write!(formatter, "\n{columns}")
}

/// How much of a failure's words is shown.
pub(super) const FIRST_CHARACTERS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut columns = Columns::new(&["name", ">times", ""]);
        columns.line(["Ёлка", "7", "a\nb"]);
        columns.line(["x", "1,000", ""]);
        assert_eq!(
            columns.to_string(),
            "name  times\nЁлка      7  a␊b\nx     1,000\n"
        );
    }
}
