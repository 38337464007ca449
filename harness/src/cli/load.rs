//! Owns the subcommands `load` and `reference`: options to the library, the report to the standard output. With a scenario `load`
//! plays that; without one it is a closed loop.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use okgate_harness::load::{self, LoadLogin, LoadMethod, LoadOptions};
use okgate_harness::reference::{Answer, ReferenceServer};

use super::ReportForm;
use super::scenario::{self, ScenarioArguments};

/// The options of `load`.
#[derive(Debug, Args)]
pub(super) struct LoadArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// Address of the server's WebSocket listener
    #[arg(
        long,
        conflicts_with = "scenario",
        value_name = "ADDR",
        default_value = "127.0.0.1:4066"
    )]
    address: SocketAddr,
    /// How many connections
    #[arg(
        long,
        conflicts_with = "scenario",
        value_name = "N",
        default_value_t = 50
    )]
    connections: usize,
    /// How many open requests each connection has
    #[arg(
        long,
        conflicts_with = "scenario",
        value_name = "D",
        default_value_t = 1
    )]
    depth: usize,
    /// What is asked again and again
    #[arg(long, conflicts_with = "scenario", value_enum, default_value_t = LoadMethod::Ping)]
    method: LoadMethod,
    /// How long is measured
    #[arg(
        long,
        conflicts_with = "scenario",
        value_name = "S",
        default_value_t = 5.0
    )]
    duration_s: f64,
    /// How long the load runs before it is measured
    #[arg(
        long,
        conflicts_with = "scenario",
        value_name = "S",
        default_value_t = 1.0
    )]
    warm_up_s: f64,
    /// Log in as this and a number from 1 on (needed for every method but ping)
    #[arg(long, conflicts_with = "scenario", value_name = "PREFIX")]
    login_prefix: Option<String>,
    /// How many users there are; connections go round them [default: one per connection]
    #[arg(long, conflicts_with = "scenario", value_name = "N")]
    users: Option<usize>,
    /// Everybody's password
    #[arg(long, conflicts_with = "scenario", value_name = "P", default_value = okgate_harness::gateway::DEFAULT_PASSWORD)]
    password: String,
    /// The server is the one of "reference": no login, and any text answers the oldest open request
    #[arg(long, conflicts_with = "scenario")]
    reference: bool,
    /// How many threads drive the connections
    #[arg(
        long,
        conflicts_with = "scenario",
        value_name = "N",
        default_value_t = 1
    )]
    threads: usize,
    /// Process id of the server: its CPU time per message and memory are reported
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Pad each request with so many bytes
    #[arg(
        long,
        conflicts_with = "scenario",
        value_name = "BYTES",
        default_value_t = 0
    )]
    padding: usize,
    /// Form of the report
    #[arg(long, conflicts_with = "scenario", value_enum, default_value_t = ReportForm::Text)]
    report: ReportForm,
}

/// Runs the load; the exit code tells whether anything failed.
pub(super) fn run(arguments: LoadArguments) -> anyhow::Result<ExitCode> {
    if arguments.scenario.is_wanted() {
        return scenario::run(&arguments.scenario, arguments.server_pid);
    }
    if arguments.scenario.is_misplaced() {
        let problem = "--html, --csv, --junit, --json and --quiet are for scenarios; the closed loop has --report";
        return Err(okgate_harness::Error::Usage(problem.to_owned()).into());
    }
    let users = arguments.users.unwrap_or(arguments.connections);
    let report = load::run(&LoadOptions {
        address: arguments.address,
        connections: arguments.connections,
        depth: arguments.depth,
        method: arguments.method,
        duration: seconds("--duration-s", arguments.duration_s)?,
        warm_up: seconds("--warm-up-s", arguments.warm_up_s)?,
        login: arguments.login_prefix.map(|prefix| LoadLogin {
            prefix,
            users,
            password: arguments.password,
        }),
        names_user: true,
        is_reference: arguments.reference,
        threads: arguments.threads,
        server_process: arguments.server_pid,
        padding_bytes: arguments.padding,
    })?;
    arguments.report.print(&report)?;
    let is_good = report.failures == 0 && report.messages > 0;
    Ok(ExitCode::from(u8::from(!is_good)))
}

/// A number of seconds as a time; negative or endless ones are wrong usage.
pub(super) fn seconds(option: &str, seconds: f64) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| {
        okgate_harness::Error::Usage(format!("{option} {seconds}: {error}")).into()
    })
}

/// The options of `reference`.
#[derive(Debug, Args)]
pub(super) struct ReferenceArguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4099")]
    listen: SocketAddr,
    /// Answer every text with the same message of so many bytes [default: send the text back]
    #[arg(long, value_name = "N")]
    answer_bytes: Option<usize>,
}

/// Serves until the process is killed.
pub(super) fn run_reference(arguments: &ReferenceArguments) -> anyhow::Result<ExitCode> {
    okgate_harness::report::raise_descriptor_limit();
    let answer = arguments.answer_bytes.map_or(Answer::Echo, Answer::Canned);
    let server = ReferenceServer::bind(arguments.listen, answer)?;
    println!("listening on {}", server.address()?);
    match server.run()? {}
}
