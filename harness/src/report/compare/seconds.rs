//! Owns which rows of a series tell of a run's noise: those of phases that count, phase by phase.

use crate::results::Results;

/// The rows of a run that count.
#[derive(Debug)]
pub(super) struct Seconds<'r> {
    results: &'r Results,
    /// The rows of each phase that counts. Phases too short to be told apart from their noise are taken together.
    phases: Vec<Vec<usize>>,
}

/// What there is of each second, phase by phase, in their order.
pub(super) type Column<S> = Vec<Vec<S>>;

impl<'r> Seconds<'r> {
    pub(super) fn of(results: &'r Results) -> Self {
        let mut rows = vec![Vec::new(); results.phases.len()];
        for (row, at_s) in results.series.at_s.iter().enumerate() {
            if let Some(phase) = results.phase_at(*at_s)
                && results.phases[phase].is_measured
            {
                rows[phase].push(row);
            }
        }
        let (long, short): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .partition(|rows: &Vec<usize>| rows.len() >= PHASE_ROWS_MIN);
        let mut phases = long;
        phases.push(short.into_iter().flatten().collect());
        Self { results, phases }
    }

    /// The figures of the column with this name; `None` if there is no such column. Moments without a figure are left out.
    pub(super) fn column(&self, name: &str) -> Option<Column<f64>> {
        let column = self.results.series.columns.get(name)?;
        Some(self.each(|row| figure(column, row)))
    }

    /// The figures of two columns, where both have one.
    pub(super) fn pairs(&self, one: &str, other: &str) -> Option<Column<(f64, f64)>> {
        let columns = &self.results.series.columns;
        let (one, other) = (columns.get(one)?, columns.get(other)?);
        Some(self.each(|row| figure(one, row).zip(figure(other, row))))
    }

    fn each<S>(&self, of: impl Fn(usize) -> Option<S>) -> Column<S> {
        let phases = self.phases.iter();
        let phases = phases.map(|rows| rows.iter().filter_map(|row| of(*row)).collect());
        phases.collect()
    }
}

fn figure(column: &[Option<f64>], row: usize) -> Option<f64> {
    let figure = column.get(row).copied().flatten();
    figure.filter(|figure| figure.is_finite())
}

/// A phase with fewer rows shares its draws with others.
const PHASE_ROWS_MIN: usize = 8;
