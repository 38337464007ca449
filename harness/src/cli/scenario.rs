//! Owns what `load` does with a scenario: its file and options to the library, progress to the standard error, what was found to
//! the standard output and to files.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use okgate_harness::play;
use okgate_harness::results::{Distribution, Progress, Results, Value, Verdict};
use okgate_harness::scenario::{Overrides, Scenario, Server, all_measures};

/// The options of `load` with a scenario.
#[derive(Debug, Args)]
pub(super) struct ScenarioArguments {
    /// A scenario: a TOML file of phases, behaviours and thresholds, see SCENARIOS.md
    #[arg(value_name = "SCENARIO")]
    scenario: Option<PathBuf>,
    /// What chances are drawn from, instead of the scenario's seed
    #[arg(long, value_name = "N", requires = "scenario")]
    seed: Option<u64>,
    /// Write everything that was found to this file, as JSON
    #[arg(long, value_name = "FILE", requires = "scenario")]
    json: Option<PathBuf>,
    /// A server that runs already, instead of the scenario's
    #[arg(
        long,
        value_name = "ADDR",
        requires = "scenario",
        conflicts_with = "gateway"
    )]
    target: Option<SocketAddr>,
    /// The admin address of that server, for simulated calls
    #[arg(long, value_name = "ADDR", requires = "scenario")]
    admin: Option<SocketAddr>,
    /// The gateway's program to be started, instead of the scenario's
    #[arg(long, value_name = "FILE", requires = "scenario")]
    gateway: Option<PathBuf>,
    /// So many times the users, tabs and rates of the scenario
    #[arg(long, value_name = "FACTOR", requires = "scenario")]
    scale: Option<f64>,
    /// So many times the length of its phases
    #[arg(long, value_name = "FACTOR", requires = "scenario")]
    stretch: Option<f64>,
    /// Only say what is wrong with the scenario
    #[arg(long, requires = "scenario")]
    check: bool,
    /// Only say what is measured, each by its name in thresholds with one line about it
    #[arg(long, conflicts_with = "scenario")]
    list_measures: bool,
}

impl ScenarioArguments {
    /// Whether this is about scenarios at all.
    pub(super) fn is_wanted(&self) -> bool {
        self.scenario.is_some() || self.list_measures
    }
}

/// Plays the scenario; the exit code tells whether every threshold held.
pub(super) fn run(
    arguments: &ScenarioArguments,
    server_pid: Option<u32>,
) -> anyhow::Result<ExitCode> {
    let Some(file) = &arguments.scenario else {
        for measure in all_measures() {
            println!("{}: {}", measure.name, measure.explanation);
        }
        return Ok(ExitCode::SUCCESS);
    };
    let overrides = Overrides {
        seed: arguments.seed,
        target: arguments.target,
        admin: arguments.admin,
        pid: server_pid,
        program: arguments.gateway.clone(),
        scale: arguments.scale,
        stretch: arguments.stretch,
    };
    let scenario = Scenario::read(file, &overrides)?;
    if arguments.check {
        println!("{}: {}", file.display(), summary(&scenario));
        return Ok(ExitCode::SUCCESS);
    }
    let program = std::env::current_exe().context("finding this program's own file")?;
    let playing = play::run(&scenario, &program, super::told_to_stop(), show);
    let results = super::one_thread()?.block_on(playing)?;
    hand_over(&results, arguments)?;
    Ok(exit_code(results.verdict))
}

/// One sentence about a sound scenario.
fn summary(scenario: &Scenario) -> String {
    let play = &scenario.play;
    let seconds: f64 = play.phases.iter().map(|phase| phase.seconds).sum();
    let against = match &scenario.server {
        Server::Runs(target) => format!("against {}", target.address),
        Server::Started(_) => "against a gateway that is started".to_owned(),
    };
    format!(
        "is sound: {:?}, {} phases of {seconds:.0} s in all, up to {} tabs of {} users, {} thresholds, {against}",
        scenario.name,
        play.phases.len(),
        play.users.tabs(),
        play.users.count,
        scenario.thresholds.len(),
    )
}

/// Shows how a run stands, about once a second.
fn show(progress: &Progress) {
    eprintln!("{progress}");
}

/// Gives what was found to everybody who writes it down.
fn hand_over(results: &Results, arguments: &ScenarioArguments) -> anyhow::Result<()> {
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string(results)?;
        std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    print(results);
    Ok(())
}

fn exit_code(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Passed => ExitCode::SUCCESS,
        Verdict::Failed | Verdict::Stopped => ExitCode::FAILURE,
        Verdict::Aborted => ExitCode::from(EXIT_ABORTED),
    }
}

/// What was found, one line each.
fn print(results: &Results) {
    for measure in &results.measures {
        let value = match &measure.value {
            Value::Latency { service, response } => {
                let response = response.as_ref();
                let response = response.map(|it| format!("; response {}", times(it)));
                format!("service {}{}", times(service), response.unwrap_or_default())
            }
            Value::Count { value } => value.to_string(),
            Value::Gauge { value, unit } => format!("{value:.3} {unit}"),
        };
        println!("{}: {value}", measure.name);
    }
    for failure in &results.failures {
        let (kind, count, first) = (&failure.kind, failure.count, &failure.first);
        println!("failure {kind}: {count}, the first: {first}");
    }
    for gate in &results.gates {
        let word = match (gate.held, gate.aborted) {
            (true, _) => "held",
            (false, false) => "FAILED",
            (false, true) => "FAILED, and ended the run",
        };
        let observed = gate
            .observed
            .map_or("nothing".to_owned(), |it| format!("{it:.3}"));
        println!("{word}: {} (observed: {observed})", gate.threshold);
    }
    for note in &results.notes {
        println!("{note}");
    }
    println!("verdict: {:?}", results.verdict);
}

fn times(times: &Distribution) -> String {
    format!(
        "p50 {} µs, p99 {} µs, max {} µs ({})",
        times.p50_us, times.p99_us, times.max_us, times.count
    )
}

/// The exit code of a run that a threshold ended before its time.
const EXIT_ABORTED: u8 = 99;
