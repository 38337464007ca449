//! Owns the subcommand `measure`: options to the library, turns to the standard error, the table to the standard output, the
//! same as JSON to a file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use okgate_harness::gateway::Settings;
use okgate_harness::measure::{self, ExactnessOptions, MeasureOptions, Subject};

use super::load::seconds;

/// The options of `measure`.
#[derive(Debug, Args)]
pub(super) struct MeasureArguments {
    /// What is measured
    #[arg(value_enum)]
    subject: Subject,
    /// The gateway's program
    #[arg(long, value_name = "FILE")]
    gateway: PathBuf,
    /// The gateway's settings, without users and addresses [default: those of the program, without limits of rate]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// How many turns; 0: as many as this measurement takes usually
    #[arg(long, value_name = "N", default_value_t = 0)]
    rounds: usize,
    /// How many tabs there are when there are many
    #[arg(long, value_name = "N", default_value_t = 15_000)]
    tabs: usize,
    /// exactness: how many users
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    users: usize,
    /// exactness: how many tabs each user has
    #[arg(long, value_name = "K", default_value_t = 3)]
    tabs_per_user: usize,
    /// exactness: how many calls begin in a second
    #[arg(long, value_name = "R", default_value_t = 100.0)]
    rate: f64,
    /// exactness: how long calls are begun
    #[arg(long, value_name = "S", default_value_t = 120.0)]
    seconds: f64,
    /// Write the table to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Measures; the exit code tells whether every target was held.
pub(super) async fn run(arguments: MeasureArguments) -> anyhow::Result<ExitCode> {
    let settings = match &arguments.settings {
        None => Settings::new().without_load_limits(),
        Some(file) => {
            let text = std::fs::read_to_string(file);
            let text = text.with_context(|| format!("reading {}", file.display()))?;
            Settings::from_toml(&text).with_context(|| format!("reading {}", file.display()))?
        }
    };
    let options = MeasureOptions {
        gateway: arguments.gateway,
        harness: std::env::current_exe().context("finding this program's own file")?,
        settings,
        rounds: arguments.rounds,
        tabs: arguments.tabs,
        exactness: ExactnessOptions {
            users: arguments.users,
            tabs_per_user: arguments.tabs_per_user,
            rate: arguments.rate,
            duration: seconds("--seconds", arguments.seconds)?,
        },
    };
    let table = measure::run(arguments.subject, &options, |line| eprintln!("{line}")).await?;
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&table)?;
        std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    println!("{table}");
    Ok(ExitCode::from(u8::from(!table.is_good())))
}
