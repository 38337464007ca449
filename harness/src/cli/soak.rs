//! Owns the subcommand `soak`: options to the library, rows and failed gates to the standard error, the summary to the
//! standard output, the figures to a file.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use okgate_harness::soak::{self, SoakOptions};

use super::load::seconds;

/// The options of `soak`.
#[derive(Debug, Args)]
pub(super) struct SoakArguments {
    /// The gateway's program
    #[arg(long, value_name = "FILE")]
    gateway: PathBuf,
    /// How long the traffic lasts; a tenth of it, a minute at most, is the warm-up
    #[arg(long, value_name = "M", default_value_t = 30.0)]
    minutes: f64,
    /// What the traffic is made from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many tabs are held all the time
    #[arg(long, value_name = "N", default_value_t = 200)]
    tabs: usize,
    /// How many users they belong to
    #[arg(long, value_name = "N", default_value_t = 20)]
    users: usize,
    /// How many connections come and go each second of busy time
    #[arg(long, value_name = "N", default_value_t = 300)]
    churn_per_s: u32,
    /// How many calls there are at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    calls: usize,
    /// How long an answer or a call's event may take
    #[arg(long, value_name = "MS", default_value_t = 2000)]
    stall_ms: u64,
    /// Write all figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the soak; the exit code tells whether every gate held.
pub(super) async fn run(arguments: SoakArguments) -> anyhow::Result<ExitCode> {
    let options = SoakOptions {
        gateway: arguments.gateway,
        duration: seconds("--minutes (in seconds)", arguments.minutes * 60.0)?,
        seed: arguments.seed,
        tabs: arguments.tabs,
        users: arguments.users,
        churn_per_s: arguments.churn_per_s,
        calls: arguments.calls,
        stall: Duration::from_millis(arguments.stall_ms),
    };
    let report = soak::run(options, super::told_to_stop(), |line| eprintln!("{line}")).await?;
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    println!("{report}");
    for failed in &report.failures {
        eprintln!("{failed}");
    }
    Ok(ExitCode::from(u8::from(!report.is_good())))
}
