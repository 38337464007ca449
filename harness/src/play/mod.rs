//! Owns a run of a load scenario: a [`Scenario`] comes in, [`Results`] go out, and [`Progress`] once a second meanwhile.
//!
//! The supervisor starts or finds the server, divides the users among worker processes, makes the simulated calls, looks at the
//! server's process and puts everything together. Each worker holds the tabs of its users on one thread and reports four times a
//! second. What a tab does is `tab`'s, whether it got every event once and in order `ledger`'s.

mod callees;
mod calls;
mod clock;
mod collect;
mod crowd;
mod end;
mod figures;
mod job;
mod outcome;
mod pace;
mod present;
mod run;
mod server;
mod tab;
mod tally;
mod verdict;
mod worker;

use std::path::Path;

pub(crate) use self::callees::Callees;
pub(crate) use self::end::{number_states, until_quiet};
pub use self::worker::run_worker;
use crate::error::Result;
use crate::results::{Progress, Results};
use crate::scenario::Scenario;

/// Plays a scenario to its end, or until `stop` resolves. `program` is this program's file, for the workers.
pub async fn run(
    scenario: &Scenario,
    program: &Path,
    stop: impl Future<Output = ()>,
    progress: impl FnMut(&Progress),
) -> Result<Results> {
    run::run(scenario, program, stop, progress).await
}

/// The hidden subcommand that makes a process a worker.
pub const WORKER_COMMAND: &str = "load-worker";
