//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// A gateway that speaks the Oktell Web-Socket integration protocol with a CRM
/// server and operators' browser tabs.
#[derive(Debug, Parser)]
#[command(name = "okgate", version, arg_required_else_help = true)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(super) enum Command {
    /// Runs the gateway.
    Run {
        /// The settings file.
        #[arg(long, value_name = "FILE", env = "OKGATE_CONFIG")]
        config: PathBuf,
    },
    /// Names every fault in a settings file; ends with 0 if there is none, else with 2.
    Check {
        /// The settings file.
        #[arg(long, value_name = "FILE", env = "OKGATE_CONFIG")]
        config: PathBuf,
    },
    /// Everything about the CRM's link.
    Crm {
        #[command(subcommand)]
        command: CrmCommand,
    },
    /// Prints an annotated sample of the settings file.
    Settings {
        /// Print the reference page instead.
        #[arg(long)]
        markdown: bool,
    },
    /// Sends every WebSocket message back: for conformance suites.
    #[command(hide = true)]
    Echo {
        /// The address to listen on.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// How many cores to use; 0 for all.
        #[arg(long, default_value_t = 1)]
        cores: usize,
    },
    /// Asks for a password and prints the user's entry for the settings file.
    /// When the input is no terminal, its first line is the password.
    Passwd {
        /// The user's login.
        login: String,
    },
}

#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(super) enum CrmCommand {
    /// Tries the configured link once and says step by step what happens. In the modes in which the
    /// CRM connects, the gateway must not be running: the test listens in its place.
    Test {
        /// The settings file.
        #[arg(long, value_name = "FILE", env = "OKGATE_CONFIG")]
        config: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_settings_file_is_named_with_config() {
        let line = ["okgate", "check", "--config", "okgate.toml"];
        let parsed = CommandLine::try_parse_from(line).expect("a known command");
        let config = PathBuf::from("okgate.toml");
        assert_eq!(parsed.command, Command::Check { config });
    }
}
