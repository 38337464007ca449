//! Owns the subcommand `soak`: options to the library, rows and failed gates to the standard error, the summary to the
//! standard output, the figures to a file.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Args};
use okgate_harness::crm::Mode;
use okgate_harness::faults::Plan;
use okgate_harness::soak::{self, SoakOptions};

use super::load::seconds;
use super::outputs::write_pretty_json;

/// The options of `soak`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("duration").required(true))]
pub(super) struct SoakArguments {
    /// The gateway's program
    #[arg(long, value_name = "FILE")]
    gateway: PathBuf,
    /// How long the traffic lasts; a tenth of it, a minute at most, is the warm-up
    #[arg(long, value_name = "M", group = "duration")]
    minutes: Option<f64>,
    /// The same in hours
    #[arg(long, value_name = "N", group = "duration")]
    hours: Option<f64>,
    /// What happens to the links of a quarter of the tabs and to the CRM's: none, light, heavy or a plan of "faults" in a TOML
    /// file [default: light with --hours, none with --minutes]
    #[arg(long, value_name = "PLAN")]
    faults: Option<Plan>,
    /// How the CRM is linked: ws-out, wss-out, ws-in or wss-in
    #[arg(long, value_name = "MODE", default_value = "ws-out")]
    crm_mode: Mode,
    /// What the traffic is made from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many tabs there are all the time
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
    let duration = match (arguments.hours, arguments.minutes) {
        (Some(hours), _) => seconds("--hours (in seconds)", hours * 3600.0)?,
        (None, minutes) => seconds("--minutes (in seconds)", minutes.unwrap_or(0.0) * 60.0)?,
    };
    let usual = || match arguments.hours {
        Some(_) => Plan::light(),
        None => Plan::none(),
    };
    let options = SoakOptions {
        gateway: arguments.gateway,
        duration,
        seed: arguments.seed,
        tabs: arguments.tabs,
        users: arguments.users,
        churn_per_s: arguments.churn_per_s,
        calls: arguments.calls,
        stall: Duration::from_millis(arguments.stall_ms),
        faults: arguments.faults.unwrap_or_else(usual),
        crm_mode: arguments.crm_mode,
    };
    let report = soak::run(options, super::told_to_stop(), |line| eprintln!("{line}")).await?;
    if let Some(file) = &arguments.json {
        write_pretty_json(file, &report)?;
    }
    println!("{report}");
    for failed in &report.failures {
        eprintln!("{failed}");
    }
    Ok(ExitCode::from(u8::from(!report.is_good())))
}
