//! Composition and commands: what a person types, and which parts are put
//! together for it.
//!
//! In comes the command line; out goes an exit code. It never answers a
//! message of the protocol: that is the core's business.

mod check;
mod command;
mod crm;
mod echo;
mod hub_seat;
mod metered;
mod passwd;
mod probe;
mod programs;
mod refusals;
mod reload;
mod run;
mod services;
mod signals;
mod tls;
mod urls;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

use command::{Command, CommandLine, CrmCommand};

/// How a command ended; the numbers are fixed for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All went well.
    Fine,
    /// A check or threshold failed.
    Failed,
    /// Wrong usage or settings.
    Usage,
    /// It could not start: port in use, `io_uring` refused and the like.
    CouldNotStart,
}

impl Outcome {
    /// The process's exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::CouldNotStart => 3,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

/// Runs the command that the command line names.
#[must_use]
pub fn main() -> ExitCode {
    // clap itself ends with 2 on wrong usage, and with 0 after --help.
    let outcome = match CommandLine::parse().command {
        Command::Run { config } => run::run(&config),
        Command::Check { config } => check::check(&config, &mut std::io::stdout().lock()),
        Command::Crm {
            command: CrmCommand::Test { config },
        } => probe::probe(&config, &mut std::io::stdout().lock()),
        Command::Echo { listen, cores } => echo::echo(listen, cores),
        Command::Passwd { login } => passwd::passwd(&login),
        Command::Settings { markdown } => check::settings(markdown, &mut std::io::stdout().lock()),
    };
    outcome.into()
}
