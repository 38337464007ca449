//! Owns the subcommand `measure`: options to the library, turns to the standard error, the table to the standard output, the
//! same as JSON to a file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use okgate_harness::Error;
use okgate_harness::crm::Mode;
use okgate_harness::format::Format;
use okgate_harness::gateway::Settings;
use okgate_harness::measure::{
    self, ExactnessOptions, MeasureOptions, Outcome, PeersOptions, SilentOptions, StormOptions,
    Subject,
};

use super::load::seconds;
use super::outputs::{write_file, write_pretty_json};

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
    /// How many tabs there are when there are many [default: 15000; peers: 10000]
    #[arg(long, value_name = "N")]
    tabs: Option<usize>,
    /// exactness: how many users; storm: how many of them are active in the CRM [default: 5000; storm: 2000]
    #[arg(long, value_name = "N")]
    users: Option<usize>,
    /// exactness: how many tabs each user has
    #[arg(long, value_name = "K", default_value_t = 3)]
    tabs_per_user: usize,
    /// exactness: how many calls begin in a second; storm, silent-crm: how many runs of a method [default: 100; storm: 500;
    /// silent-crm: 200]
    #[arg(long, value_name = "R")]
    rate: Option<f64>,
    /// exactness: how long calls are begun; storm: how long each CRM lives when all is well; silent-crm, peers: how long a
    /// turn is [default: 120; storm: 2; silent-crm: 3; peers: 1]
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// methods, tunnel: how the CRM is linked to the gateway; the proxy is always linked by ws-out in JSON
    #[arg(long, value_enum, default_value_t = Mode::WsOut)]
    mode: Mode,
    /// methods, tunnel: the format of the gateway's link
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// peers: the program of the server on node's ws, benches/peers/server.mjs; without it that server is left out
    #[arg(long, value_name = "FILE")]
    ws_server: Option<PathBuf>,
    /// peers: write the table to this file, as a page with bars
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the table to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Measures; the exit code tells whether every target was held.
pub(super) async fn run(arguments: MeasureArguments) -> anyhow::Result<ExitCode> {
    if arguments.html.is_some() && arguments.subject != Subject::Peers {
        return Err(Error::Usage("--html: only peers are shown as a page".into()).into());
    }
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
        tabs: arguments.tabs.unwrap_or(match arguments.subject {
            Subject::Peers => 10_000,
            _ => 15_000,
        }),
        exactness: ExactnessOptions {
            users: arguments.users.unwrap_or(5_000),
            tabs_per_user: arguments.tabs_per_user,
            rate: arguments.rate.unwrap_or(100.0),
            duration: seconds("--seconds", arguments.seconds.unwrap_or(120.0))?,
        },
        link: (arguments.mode, arguments.format),
        storm: StormOptions {
            users: arguments.users.unwrap_or(2_000),
            rate: arguments.rate.unwrap_or(500.0),
            calm: seconds("--seconds", arguments.seconds.unwrap_or(2.0))?,
        },
        silent: SilentOptions {
            rate: arguments.rate.unwrap_or(200.0),
            turn: seconds("--seconds", arguments.seconds.unwrap_or(3.0))?,
        },
        peers: PeersOptions {
            turn: seconds("--seconds", arguments.seconds.unwrap_or(1.0))?,
            ws_server: arguments.ws_server,
        },
    };
    let outcome = measure::run(arguments.subject, &options, |line| eprintln!("{line}")).await?;
    if let Some(file) = &arguments.json {
        write_pretty_json(file, &outcome)?;
    }
    if let (Some(file), Outcome::Comparison(comparison)) = (&arguments.html, &outcome) {
        write_file(file, comparison.to_html().as_bytes())?;
    }
    println!("{outcome}");
    Ok(ExitCode::from(u8::from(!outcome.is_good())))
}
