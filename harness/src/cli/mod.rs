//! Owns the subcommands and their options: arguments come in, the library is called, an exit code goes out.

mod conform;
mod crm;
mod faults;
mod load;
mod measure;
mod outputs;
mod peer;
mod proxy;
mod report;
mod scenario;
mod settings;
mod soak;
mod tabs;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

/// Peers of the okgate gateway: a simulated CRM server, many operators' tabs, load, a soak, a proxy that makes connections fail,
/// measurements, a reference server.
///
/// Exit codes: 0 fine, 1 failures were seen, 2 wrong usage, 3 an address could not be listened on, 99 a threshold ended a load
/// before its time.
#[derive(Debug, Parser)]
#[command(name = "okgate-harness", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays a CRM server for a gateway in any of the six modes
    Crm(Box<crm::CrmArguments>),
    /// Holds many logged-in, subscribed tabs and counts what they get
    Tabs(tabs::TabsArguments),
    /// Prints a settings file for a gateway with many users
    GatewaySettings(settings::SettingsArguments),
    /// One worker process of "tabs"; its job comes on the standard input
    #[command(name = okgate_harness::swarm::WORKER_COMMAND, hide = true)]
    TabsWorker,
    /// One worker process of "load SCENARIO"; its job comes on the standard input
    #[command(name = okgate_harness::play::WORKER_COMMAND, hide = true)]
    LoadWorker,
    /// Plays a load scenario of phases, behaviours and thresholds; without one loads a server with requests in a closed loop
    Load(Box<load::LoadArguments>),
    /// Keeps a gateway under mixed traffic with churn for a long time and fails on stalls, losses and leaks
    Soak(soak::SoakArguments),
    /// Reports what a run of load found: summary, page, CSV, JUnit; or holds runs against each other
    Report(report::ReportArguments),
    /// Holds a server against the rules of the protocol, case by case, as tab and as CRM
    Conform(conform::ConformArguments),
    /// Breaks a rule of the protocol between a server and its peers, and proves that its conformance cases notice
    Bend(conform::BendArguments),
    /// Measures a gateway beside the reference server and says whether it holds its targets
    Measure(measure::MeasureArguments),
    /// Runs a bare single-threaded epoll WebSocket server, the yardstick for measurements
    Reference(load::ReferenceArguments),
    /// Runs one of the servers that the gateway is compared with
    #[command(hide = true)]
    Peer(peer::PeerArguments),
    /// Runs a bare proxy before a CRM, the yardstick for what its link costs
    Proxy(proxy::ProxyArguments),
    /// Runs a proxy that makes connections late, slow, cut, reset or half-open, by a plan and a seed
    Faults(faults::FaultsArguments),
}

/// Runs the chosen subcommand.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Crm(arguments) => one_thread()?.block_on(crm::run(*arguments)),
        Command::Tabs(arguments) => one_thread()?.block_on(tabs::run(arguments)),
        Command::GatewaySettings(arguments) => settings::run(&arguments),
        Command::TabsWorker => {
            okgate_harness::swarm::run_worker()?;
            Ok(ExitCode::SUCCESS)
        }
        Command::LoadWorker => {
            okgate_harness::play::run_worker()?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Load(arguments) => load::run(*arguments),
        Command::Soak(arguments) => one_thread()?.block_on(soak::run(arguments)),
        Command::Report(arguments) => report::run(&arguments),
        Command::Conform(arguments) => one_thread()?.block_on(conform::run(arguments)),
        Command::Bend(arguments) => one_thread()?.block_on(conform::run_bend(arguments)),
        Command::Measure(arguments) => one_thread()?.block_on(measure::run(arguments)),
        Command::Reference(arguments) => load::run_reference(&arguments),
        Command::Peer(arguments) => one_thread()?.block_on(peer::run(arguments)),
        Command::Proxy(arguments) => one_thread()?.block_on(proxy::run(arguments)),
        Command::Faults(arguments) => one_thread()?.block_on(faults::run(arguments)),
    }
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReportForm {
    /// Lines for people
    Text,
    /// One JSON object
    Json,
}

impl ReportForm {
    fn print<R: std::fmt::Display + serde::Serialize>(self, report: &R) -> anyhow::Result<()> {
        match self {
            Self::Text => print_line(report),
            Self::Json => print_line(&serde_json::to_string(report)?),
        }
    }
}

/// Prints a line; that nobody reads it any more is an error.
fn print_line(line: &impl std::fmt::Display) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").context("writing to the standard output")
}

/// The exit code for wrong usage.
pub(crate) const EXIT_USAGE: u8 = 2;
/// The exit code when an address could not be listened on.
pub(crate) const EXIT_NOT_STARTED: u8 = 3;

fn one_thread() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")
}

/// Resolves when the process is asked to end.
async fn asked_to_end() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// As [`asked_to_end`], for those who go on without signals where these cannot be awaited.
async fn told_to_stop() {
    if let Err(error) = asked_to_end().await {
        tracing::warn!(%error, "signals cannot be awaited");
        std::future::pending::<()>().await;
    }
}
