//! The command line of the harness: a simulated CRM, many tabs, load, a soak, a reference server.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    match cli::run(cli::Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("okgate-harness: {error:#}");
            match error.downcast_ref() {
                Some(okgate_harness::Error::Usage(_)) => ExitCode::from(cli::EXIT_USAGE),
                Some(okgate_harness::Error::Listen { .. }) => ExitCode::from(cli::EXIT_NOT_STARTED),
                _ => ExitCode::FAILURE,
            }
        }
    }
}
