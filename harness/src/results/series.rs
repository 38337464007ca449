//! Owns the course of a run: one column a figure, one row a moment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Figures over time. All columns are as long as there are moments.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Series {
    /// The moments, in seconds from the run's beginning.
    pub at_s: Vec<f64>,
    /// The figures of each column at these moments, with its unit at the end of its name (`tabs`, `ring_to_popup.p99_us`,
    /// `server.rss_bytes`); `None` where there was none.
    ///
    /// A latency `NAME` has `NAME.p50_us` and `NAME.p99_us` of the times since the moment before: of the response times if it has
    /// both, and then `NAME.service.p50_us` and `NAME.service.p99_us` are of the service times. From these two the comparison of
    /// runs tells how much of a difference is noise; without them it cannot. A gauge has a column of its own name, in which a point
    /// may stand for `_` and the unit may follow: `server_rss` is `server.rss_bytes`.
    pub columns: BTreeMap<String, Vec<Option<f64>>>,
}

impl Series {
    /// Adds a row; a column that it does not name has no figure in it, and one that is new had none before.
    pub fn push<'r>(&mut self, at_s: f64, row: impl IntoIterator<Item = (&'r str, f64)>) {
        let before = self.at_s.len();
        self.at_s.push(at_s);
        for (name, figure) in row {
            let column = self.columns.entry(name.to_owned()).or_default();
            column.resize(before, None);
            column.push(Some(figure));
        }
        for column in self.columns.values_mut() {
            column.resize(before + 1, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_as_long_as_the_moments_whatever_the_rows_name() {
        let mut series = Series::default();
        series.push(0.0, [("tabs", 1.0)]);
        series.push(1.0, [("calls", 2.0)]);
        series.push(2.0, [("tabs", 3.0), ("calls", 4.0)]);
        assert_eq!(series.columns["tabs"], [Some(1.0), None, Some(3.0)]);
        assert_eq!(series.columns["calls"], [None, Some(2.0), Some(4.0)]);
    }
}
