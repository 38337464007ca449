//! Owns the course of a run as CSV (RFC 4180): one header line whose names end in their units, one line a moment, an empty cell
//! where there was no figure.

use std::io::Write;

use csv::{Terminator, WriterBuilder};

use crate::error::{Error, Result};
use crate::results::Results;

/// Writes the moments, in seconds from the run's beginning, the phase that each belongs to, and every column.
pub fn write(results: &Results, output: impl Write) -> Result<()> {
    let mut lines = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(output);
    write_lines(results, &mut lines)
        .and_then(|()| Ok(lines.flush()?))
        .map_err(|error| Error::io("writing CSV", error.into()))
}

fn write_lines(results: &Results, lines: &mut csv::Writer<impl Write>) -> csv::Result<()> {
    let series = &results.series;
    let names = series.columns.keys().map(String::as_str);
    lines.write_record(["at_s", "phase"].into_iter().chain(names))?;
    for (row, at_s) in series.at_s.iter().enumerate() {
        let phase = results.phase_at(*at_s);
        let phase = phase.map_or("", |place| &results.phases[place].name);
        lines.write_field(at_s.to_string())?;
        lines.write_field(phase)?;
        for column in series.columns.values() {
            let figure = column.get(row).copied().flatten();
            lines.write_field(figure.map_or_else(String::new, |figure| figure.to_string()))?;
        }
        lines.write_record(None::<&[u8]>)?;
    }
    Ok(())
}
