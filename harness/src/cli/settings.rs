//! Owns the subcommand `gateway-settings`: options to the text of a settings file for the gateway.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use okgate_harness::Error;
use okgate_harness::gateway::Settings;

/// The options of `gateway-settings`.
#[derive(Debug, Args)]
pub(super) struct SettingsArguments {
    /// How many users: user1, user2 … with the numbers 101, 102 … and the password "password"
    #[arg(long, value_name = "N", default_value_t = 10)]
    users: usize,
    /// Where tabs connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4066")]
    listen: SocketAddr,
    /// The web address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4055")]
    web: SocketAddr,
    /// The admin address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4056")]
    admin: SocketAddr,
    /// Link this CRM by ws-out
    #[arg(long, value_name = "ADDR")]
    crm: Option<SocketAddr>,
    /// Lift the limits that a load would meet
    #[arg(long)]
    without_load_limits: bool,
    /// Set any key, the value as in TOML: --set 'gateway.cores=1'; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Prints the settings file.
pub(super) fn run(arguments: &SettingsArguments) -> anyhow::Result<ExitCode> {
    let mut settings = Settings::new()
        .listen(arguments.listen, arguments.web, arguments.admin)
        .users(arguments.users);
    if let Some(crm) = arguments.crm {
        settings = settings.crm_ws_out(crm).caller_name("callername", 500);
    }
    if arguments.without_load_limits {
        settings = settings.without_load_limits();
    }
    for assignment in &arguments.set {
        let (key, value) = assignment
            .split_once('=')
            .ok_or_else(|| Error::Usage(format!("--set {assignment}: no = in it")))?;
        let value: toml::Value = value
            .parse()
            .map_err(|error| Error::Usage(format!("--set {assignment}: {error}")))?;
        settings = settings.set(key.trim(), value);
    }
    print!("{}", settings.to_toml());
    Ok(ExitCode::SUCCESS)
}
