//! Owns what `load` does with a scenario: its file and options to the library, progress to the standard error, what was found to
//! the standard output and to files.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use okgate_harness::play;
use okgate_harness::report::live::Live;
use okgate_harness::results::{Progress, Verdict};
use okgate_harness::scenario::{Overrides, Scenario, Server, all_measures};

use super::outputs::Outputs;

/// The options of `load` with a scenario.
#[derive(Debug, Args)]
pub(super) struct ScenarioArguments {
    /// A scenario: a TOML file of phases, behaviours and thresholds, see SCENARIOS.md
    #[arg(value_name = "SCENARIO")]
    scenario: Option<PathBuf>,
    /// What chances are drawn from, instead of the scenario's seed
    #[arg(long, value_name = "N", requires = "scenario")]
    seed: Option<u64>,
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
    #[command(flatten)]
    outputs: Outputs,
}

impl ScenarioArguments {
    /// An option that is only for scenarios.
    pub(super) fn is_misplaced(&self) -> bool {
        self.outputs.is_any() || self.outputs.quiet
    }

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
    let mut live = Live::new(arguments.outputs.quiet);
    let show = |progress: &Progress| live.show(progress);
    let playing = play::run(&scenario, &program, super::told_to_stop(), show);
    let results = super::one_thread()?.block_on(playing);
    live.finish();
    let results = results?;
    arguments.outputs.write(&results)?;
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

fn exit_code(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Passed => ExitCode::SUCCESS,
        Verdict::Failed | Verdict::Stopped => ExitCode::FAILURE,
        Verdict::Aborted => ExitCode::from(EXIT_ABORTED),
    }
}

/// The exit code of a run that a threshold ended before its time.
const EXIT_ABORTED: u8 = 99;
