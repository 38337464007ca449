//! Owns the options that say where results go, the same for every command that has some, and their writing.

use std::fmt::Display;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use okgate_harness::report::html::{Page, load_page};
use okgate_harness::report::junit::{self, Suite};
use okgate_harness::report::table::Summary;
use okgate_harness::report::{csv, gate};
use okgate_harness::results::Results;
use serde::Serialize;

/// Where results go. A file named `-` is the standard output.
#[derive(Debug, Args)]
pub(super) struct Outputs {
    /// Write a page with tables and charts to this file: one HTML file that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Write the course of the run to this file, as CSV
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,
    /// Write the gates to this file, as continuous integration reads them (JUnit)
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Write everything to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Neither progress nor a summary: only gates that failed, to the standard error
    #[arg(long)]
    pub(super) quiet: bool,
}

impl Outputs {
    /// Writes every file that was asked for, and the summary to the standard output unless it is to be quiet or a file goes there.
    pub(super) fn write(&self, results: &Results) -> anyhow::Result<()> {
        self.write_files(results)?;
        if self.quiet {
            for gate in results.gates.iter().filter(|gate| !gate.held) {
                eprintln!(
                    "gate failed: {}, found {}",
                    gate.threshold,
                    gate::found(gate)
                );
            }
        } else if !self.uses_standard_output() {
            print_text(&Summary(results))?;
        }
        Ok(())
    }

    /// Writes every file that was asked for.
    pub(super) fn write_files(&self, results: &Results) -> anyhow::Result<()> {
        if let Some(file) = &self.html {
            write_page(file, &load_page(results))?;
        }
        if let Some(file) = &self.csv {
            let mut text = Vec::new();
            csv::write(results, &mut text)?;
            write_file(file, &text)?;
        }
        if let Some(file) = &self.junit {
            write_file(file, junit::write(&[Suite::of_load(results)]).as_bytes())?;
        }
        if let Some(file) = &self.json {
            write_json(file, results)?;
        }
        Ok(())
    }

    /// Whether any file was asked for.
    pub(super) fn is_any(&self) -> bool {
        self.files().any(Option::is_some)
    }

    fn uses_standard_output(&self) -> bool {
        self.files().flatten().any(|file| is_standard_output(file))
    }

    fn files(&self) -> impl Iterator<Item = &Option<PathBuf>> {
        [&self.html, &self.csv, &self.junit, &self.json].into_iter()
    }
}

/// Writes a page to a file.
pub(super) fn write_page(file: &Path, page: &Page) -> anyhow::Result<()> {
    write_file(file, page.to_html().as_bytes())
}

/// Writes JSON to a file.
pub(super) fn write_json(file: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    write_file(file, &text)
}

/// The same in lines, for people.
pub(super) fn write_pretty_json(file: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    write_file(file, &serde_json::to_vec_pretty(value)?)
}

/// Prints text; that nobody reads it to its end is no failure.
pub(super) fn print_text(text: &impl Display) -> anyhow::Result<()> {
    let mut output = BufWriter::new(std::io::stdout().lock());
    let written = write!(output, "{text}").and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("writing to the standard output"),
    }
}

/// Writes to a file.
pub(super) fn write_file(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if is_standard_output(file) {
        let written = std::io::stdout().lock().write_all(bytes);
        return written.context("writing to the standard output");
    }
    std::fs::write(file, bytes).with_context(|| format!("writing {}", file.display()))
}

fn is_standard_output(file: &Path) -> bool {
    file.as_os_str() == "-"
}
