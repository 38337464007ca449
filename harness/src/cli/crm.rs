//! Owns the subcommand `crm`: options to a simulated CRM, its record to lines of JSON on the standard output.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use okgate_harness::crm::{
    ActiveUser, CrmOptions, CrmRecord, Introduce, SimulatedCrm, SubprotocolAnswer,
};
use okgate_harness::journal::Reader;

/// The options of `crm`.
#[derive(Debug, Args)]
pub(super) struct CrmArguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8045")]
    listen: SocketAddr,
    /// JSON file that maps telephone numbers to names: {"89274513158": "Ivan Petrov"}
    #[arg(long, value_name = "FILE")]
    callers: Option<PathBuf>,
    /// How long the method "slow" takes
    #[arg(long, value_name = "N", default_value_t = 1000)]
    method_delay_ms: u64,
    /// Who introduces itself: the CRM at once, the CRM when asked, or nobody
    #[arg(long, value_enum, default_value_t = Introduce::Answer)]
    introduce: Introduce,
    /// Send the catalogues in multipart packets also when they are short
    #[arg(long)]
    multipart_catalogue: bool,
    /// Subprotocol of the handshake's answer: "echo", "none", or any token
    #[arg(long, value_name = "ANSWER", default_value = "echo", value_parser = subprotocol_answer)]
    subprotocol: SubprotocolAnswer,
    /// Users who are active in the CRM: LOGIN or LOGIN:ID, several divided by commas
    #[arg(long, value_name = "USERS", value_delimiter = ',', value_parser = active_user)]
    active_users: Vec<ActiveUser>,
    /// What goes to the standard output: one JSON line per message, or nothing
    #[arg(long, value_enum, default_value_t = Log::Json)]
    log: Log,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Log {
    Json,
    None,
}

/// Runs the CRM until the process is asked to end.
pub(super) async fn run(arguments: CrmArguments) -> anyhow::Result<ExitCode> {
    let callers = match &arguments.callers {
        Some(file) => read_callers(file)?,
        None => HashMap::new(),
    };
    let handle = SimulatedCrm::start(CrmOptions {
        listen: arguments.listen,
        callers,
        method_delay: Duration::from_millis(arguments.method_delay_ms),
        introduce: arguments.introduce,
        multipart_catalogue: arguments.multipart_catalogue,
        subprotocol: arguments.subprotocol,
        active_users: arguments.active_users,
    })
    .await?;
    if arguments.log == Log::Json {
        print_line(&serde_json::json!({"kind": "listening", "address": handle.address()}))?;
    }
    let printing = print_records(handle.received(), arguments.log);
    tokio::select! {
        ended = super::asked_to_end() => ended?,
        failed = printing => failed?,
    }
    handle.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Prints every record; ends only when the output fails, e.g. since nobody reads it any more.
async fn print_records(mut records: Reader<CrmRecord>, log: Log) -> anyhow::Result<()> {
    loop {
        if let Some(record) = records.next(Duration::from_secs(3600)).await
            && log == Log::Json
        {
            print_line(&record.to_json())?;
        }
    }
}

fn print_line(line: &serde_json::Value) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").context("writing to the standard output")
}

fn read_callers(file: &Path) -> anyhow::Result<HashMap<String, String>> {
    let usage = |problem: &dyn std::fmt::Display| {
        okgate_harness::Error::Usage(format!("--callers {}: {problem}", file.display()))
    };
    let text = std::fs::read_to_string(file).map_err(|error| usage(&error))?;
    Ok(serde_json::from_str(&text).map_err(|error| usage(&error))?)
}

#[allow(clippy::unnecessary_wraps)] // the form that clap asks for
fn subprotocol_answer(text: &str) -> Result<SubprotocolAnswer, String> {
    Ok(match text {
        "echo" => SubprotocolAnswer::Echo,
        "none" => SubprotocolAnswer::Nothing,
        token => SubprotocolAnswer::Token(token.to_owned()),
    })
}

fn active_user(text: &str) -> Result<ActiveUser, String> {
    let (login, id) = text.split_once(':').unwrap_or((text, text));
    if login.is_empty() {
        return Err("a login is missing".into());
    }
    Ok(ActiveUser {
        login: login.to_owned(),
        id: id.to_owned(),
    })
}
