//! Owns the subcommands `tabs` and `tabs-worker`: options to the library, progress to the standard error, the report to
//! the standard output.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use okgate_harness::swarm::{self, SwarmOptions};

use super::ReportForm;
use super::load::seconds;

/// The options of `tabs`.
#[derive(Debug, Args)]
pub(super) struct TabsArguments {
    /// Address of the gateway's listener for tabs
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4066")]
    address: SocketAddr,
    /// How many users
    #[arg(long, value_name = "N", default_value_t = 10)]
    users: usize,
    /// How many tabs each user has
    #[arg(long, value_name = "K", default_value_t = 1)]
    tabs_per_user: usize,
    /// Log in as this and a number from 1 on
    #[arg(long, value_name = "PREFIX", default_value = "user")]
    login_prefix: String,
    /// Everybody's password
    #[arg(long, value_name = "P", default_value = okgate_harness::gateway::DEFAULT_PASSWORD)]
    password: String,
    /// How many worker processes, each for 18,000 tabs at most [default: as many as needed]
    #[arg(long, value_name = "W")]
    workers: Option<usize>,
    /// How many connections are opened per second; 0: as fast as they succeed
    #[arg(long, value_name = "R", default_value_t = 0.0)]
    rate: f64,
    /// How long the tabs are held once all are there; 0: until Ctrl-C
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    hold_s: f64,
    /// How often each tab sends a ping; 0: never
    #[arg(long, value_name = "S", default_value_t = 15.0)]
    ping_s: f64,
    /// How often each tab asks for its queue; 0: never
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    queue_s: f64,
    /// Go through the whole opening sequence of a browser library
    #[arg(long)]
    full_opening: bool,
    /// The server is the one of "reference": no login, no subscriptions, pings only
    #[arg(long)]
    reference: bool,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = ReportForm::Text)]
    report: ReportForm,
}

/// Holds the tabs; the exit code tells whether anything failed.
pub(super) async fn run(arguments: TabsArguments) -> anyhow::Result<ExitCode> {
    let hold = seconds("--hold-s", arguments.hold_s)?;
    seconds("--rate", arguments.rate)?;
    let options = SwarmOptions {
        address: arguments.address,
        users: arguments.users,
        first_user: 1,
        tabs_per_user: arguments.tabs_per_user,
        login_prefix: arguments.login_prefix,
        password: arguments.password,
        workers: arguments.workers,
        rate: arguments.rate,
        opening_max: swarm::OPENING_MAX,
        hold: (!hold.is_zero()).then_some(hold),
        ping_interval: seconds("--ping-s", arguments.ping_s)?,
        queue_interval: seconds("--queue-s", arguments.queue_s)?,
        full_opening: arguments.full_opening,
        number_states_every: 1,
        is_judged: false,
        is_reference: arguments.reference,
    };
    let program = std::env::current_exe().context("finding this program's own file")?;
    let report = swarm::run(options, &program, super::told_to_stop(), |line| {
        eprintln!("{line}");
    })
    .await?;
    arguments.report.print(&report)?;
    Ok(ExitCode::from(u8::from(!report.is_good())))
}
