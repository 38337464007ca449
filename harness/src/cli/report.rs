//! Owns the subcommand `report`: files of results come in, reports of them or their comparison go out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use okgate_harness::Error;
use okgate_harness::report::compare::{self, Run, compare};
use okgate_harness::report::table::Summary;
use okgate_harness::results::{Results, SCHEMA};

use super::outputs::{Outputs, print_text, write_json, write_page};

/// The options of `report`.
#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// What a run wrote with --json; with --compare the first run and those to be held against it
    #[arg(value_name = "RESULTS.json", required = true)]
    files: Vec<PathBuf>,
    /// Hold runs against the first of them: ratios, and what of them the noise could make
    #[arg(long, conflicts_with_all = ["csv", "junit"])]
    compare: bool,
    /// Compare runs of different scenarios or forms too
    #[arg(long, requires = "compare")]
    force: bool,
    /// Print the summary, also when files are written
    #[arg(long, conflicts_with = "quiet")]
    text: bool,
    #[command(flatten)]
    outputs: Outputs,
}

/// Reports, or compares. The exit code says nothing of the runs' gates: the run itself did.
pub(super) fn run(arguments: &ReportArguments) -> anyhow::Result<ExitCode> {
    if arguments.compare {
        compare_runs(arguments)?;
    } else {
        report_run(arguments)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl ReportArguments {
    fn prints(&self) -> bool {
        self.text || !(self.outputs.quiet || self.outputs.is_any())
    }
}

fn report_run(arguments: &ReportArguments) -> anyhow::Result<()> {
    let [file] = &*arguments.files else {
        let problem = "one file is reported; to hold several against each other, add --compare";
        return Err(Error::Usage(problem.to_owned()).into());
    };
    let results = read(file)?;
    arguments.outputs.write_files(&results)?;
    if arguments.prints() {
        print_text(&Summary(&results))?;
    }
    Ok(())
}

fn compare_runs(arguments: &ReportArguments) -> anyhow::Result<()> {
    let names = names(&arguments.files);
    let runs = arguments.files.iter().zip(names).map(|(file, name)| {
        let results = read(file)?;
        Ok(Run { name, results })
    });
    let runs: Vec<Run> = runs.collect::<anyhow::Result<_>>()?;
    let comparison = compare(&runs, arguments.force)?;
    if let Some(file) = &arguments.outputs.html {
        write_page(file, &compare::page(&comparison))?;
    }
    if let Some(file) = &arguments.outputs.json {
        write_json(file, &comparison)?;
    }
    if arguments.prints() {
        print_text(&comparison)?;
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Results> {
    let usage =
        |problem: &dyn std::fmt::Display| Error::Usage(format!("{}: {problem}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| usage(&error))?;
    let results = Results::from_json(&text).map_err(|error| usage(&error))?;
    if results.schema != SCHEMA {
        eprintln!(
            "{}: its form is {}, this program knows {SCHEMA}: some of it may be shown wrongly",
            file.display(),
            results.schema
        );
    }
    Ok(results)
}

/// The files' names, without their directories if that leaves them different.
fn names(files: &[PathBuf]) -> Vec<String> {
    let short = files.iter().map(|file| match file.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => file.display().to_string(),
    });
    let short: Vec<String> = short.collect();
    let is_double = |name: &String| short.iter().filter(|other| *other == name).count() > 1;
    let names = short.iter().zip(files).map(|(name, file)| {
        if is_double(name) {
            file.display().to_string()
        } else {
            name.clone()
        }
    });
    names.collect()
}
