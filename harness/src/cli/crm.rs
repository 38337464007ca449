//! Owns the subcommand `crm`: options and a behaviour file to a simulated CRM, its record to the standard output, a summary at
//! the end.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use okgate_harness::auth::{Credentials, Scheme};
use okgate_harness::crm::{
    ActiveUser, Behaviour, CrmHandle, CrmOptions, CrmRecord, CrmSeen, Introduce, Mode,
    SimulatedCrm, SubprotocolAnswer, TunnelReport, WebSocketVersion,
};
use okgate_harness::format::Format;
use okgate_harness::journal::Reader;
use okgate_harness::tls::Identity;
use serde::Serialize;

use super::print_line;

/// The options of `crm`.
#[derive(Debug, Args)]
pub(super) struct CrmArguments {
    /// Who connects to whom, as the gateway's settings name it
    #[arg(long, value_enum, default_value_t = Mode::WsOut)]
    mode: Mode,
    /// The format of the messages; a gateway that connects chooses by itself
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Address to listen on in the outgoing modes; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8045")]
    listen: SocketAddr,
    /// Address of the gateway in the incoming modes
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4067")]
    connect: SocketAddr,
    /// Path to ask the gateway for in the incoming modes
    #[arg(long, value_name = "PATH", default_value = "/")]
    path: String,
    /// How credentials are asked for in the outgoing modes, and given in the incoming ones
    #[arg(long, value_enum, default_value_t = Scheme::None)]
    auth: Scheme,
    /// The credentials that are asked for or given
    #[arg(
        long,
        value_name = "LOGIN:PASSWORD",
        env = "OKGATE_HARNESS_CREDENTIALS",
        hide_env_values = true
    )]
    credentials: Option<Credentials>,
    /// The version of the WebSocket protocol
    #[arg(long, value_enum, default_value_t = WebSocketVersion::V13)]
    websocket_version: WebSocketVersion,
    /// Subprotocols to offer in the incoming modes, divided by commas [default: the format's word]
    #[arg(long, value_name = "TOKENS", value_delimiter = ',')]
    offer: Vec<String>,
    /// PEM file of the CRM's own certificate [default: one is made for the modes in which it is a server]
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// PEM file of the private key of that certificate
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// PEM file of the root of the gateway's certificate
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// Write the root of the certificate that was made to this file, for the gateway's trust roots
    #[arg(long, value_name = "FILE")]
    write_root: Option<PathBuf>,
    /// What it can do and how it misbehaves, as TOML
    #[arg(long, value_name = "FILE")]
    behaviour: Option<PathBuf>,
    /// What its chances are drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// End after so long [default: when asked to]
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
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
    /// What goes to the standard output: one line a message for people, the same as JSON, as JSON without the messages
    /// that came and went, or nothing
    #[arg(long, value_enum, default_value_t = Log::Text)]
    log: Log,
    /// The same as --log json
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Log {
    Text,
    Json,
    Links,
    None,
}

/// Runs the CRM until its time is over or the process is asked to end. The exit code is 1 if a user got a wrong answer.
pub(super) async fn run(arguments: CrmArguments) -> anyhow::Result<ExitCode> {
    let log = if arguments.json {
        Log::Json
    } else {
        arguments.log
    };
    let duration = match arguments.seconds {
        Some(seconds) => Some(super::load::seconds("--seconds", seconds)?),
        None => None,
    };
    let write_root = arguments.write_root.clone();
    let mut options = arguments.into_options()?;
    options.keeps_messages = log != Log::Links;
    let (mode, format) = (options.mode, options.format);
    let handle = SimulatedCrm::start(options).await?;
    if let Some(file) = &write_root {
        let root = handle.root().unwrap_or_default();
        std::fs::write(file, root).with_context(|| format!("writing {}", file.display()))?;
    }
    let kind = if mode.is_incoming() {
        "connecting"
    } else {
        "listening"
    };
    match log {
        Log::Json | Log::Links => {
            let address = handle.address();
            let line = serde_json::json!({"kind": kind, "address": address, "mode": mode.name(), "format": format});
            print_line(&line)?;
        }
        Log::Text => print_line(&format!("{kind}: {} ({mode}, {format})", handle.address()))?,
        Log::None => {}
    }
    let over = async {
        match duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    let mut summary = Summary::default();
    let printing = print_records(handle.received(), log, &mut summary);
    tokio::select! {
        ended = super::asked_to_end() => ended?,
        () = over => {}
        failed = printing => failed?,
    }
    summary.finish(&handle);
    match log {
        Log::Json | Log::Links => {
            print_line(&serde_json::json!({"kind": "summary", "summary": summary}))?;
        }
        Log::Text => print_line(&summary)?,
        Log::None => {}
    }
    let is_bad = summary.users.as_ref().is_some_and(|users| users.wrong > 0);
    handle.stop().await;
    Ok(ExitCode::from(u8::from(is_bad)))
}

impl CrmArguments {
    fn into_options(self) -> anyhow::Result<CrmOptions> {
        let mut options = CrmOptions::new(self.listen).mode(self.mode, self.format);
        if let Some(file) = &self.behaviour {
            let text = read(file, "--behaviour")?;
            options.behaviour = Behaviour::from_toml(&text)?;
        }
        if let Some(file) = &self.callers {
            options.callers = read_callers(file)?;
        }
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            options.tls.identity = Some(Identity::read(certificate, key)?);
        }
        if let Some(file) = &self.root {
            let root = Some(read(file, "--root")?);
            if self.mode.is_incoming() {
                options.tls.root = root;
            } else {
                options.tls.client_root = root;
            }
        }
        options.connect = self.connect;
        options.path = self.path;
        options.auth = self.auth;
        options.credentials = self.credentials;
        options.websocket_version = self.websocket_version;
        options.offers = self.offer;
        options.seed = self.seed;
        options.method_delay = Duration::from_millis(self.method_delay_ms);
        options.introduce = self.introduce;
        options.multipart_catalogue = self.multipart_catalogue;
        options.subprotocol = self.subprotocol;
        options.active_users = self.active_users;
        Ok(options)
    }
}

/// What a run was like.
#[derive(Debug, Default, Serialize)]
struct Summary {
    links: u64,
    refused: u64,
    malformed: u64,
    /// Messages that came, by name.
    received: BTreeMap<String, u64>,
    /// Messages that went out, by name.
    sent: BTreeMap<String, u64>,
    /// The users of the tunnel, if there were any.
    users: Option<TunnelReport>,
}

impl Summary {
    fn count(&mut self, record: &CrmRecord) {
        match &record.what {
            CrmSeen::LinkUp(_) => self.links += 1,
            CrmSeen::Refused(_) => self.refused += 1,
            CrmSeen::Malformed(_) => self.malformed += 1,
            CrmSeen::Received(message) => {
                *self.received.entry(message.name.clone()).or_default() += 1;
            }
            CrmSeen::Sent(message) => *self.sent.entry(message.name.clone()).or_default() += 1,
            CrmSeen::WrongAnswer(_) | CrmSeen::LinkDown(_) => {}
        }
    }

    fn finish(&mut self, handle: &CrmHandle) {
        let report = handle.tunnel();
        self.users = (report.sent > 0).then_some(report);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "links: {}, refused: {}, malformed: {}",
            self.links, self.refused, self.malformed
        )?;
        for (title, counts) in [("received", &self.received), ("sent", &self.sent)] {
            let total: u64 = counts.values().sum();
            let names = counts.iter().map(|(name, count)| format!("{name} {count}"));
            let names = names.collect::<Vec<_>>().join(", ");
            writeln!(formatter, "{title}: {total} ({names})")?;
        }
        match &self.users {
            Some(users) => write!(formatter, "{users}"),
            None => write!(formatter, "no users spoke"),
        }
    }
}

/// Prints every record; ends only when the output fails, e.g. since nobody reads it any more.
async fn print_records(
    mut records: Reader<CrmRecord>,
    log: Log,
    summary: &mut Summary,
) -> anyhow::Result<()> {
    loop {
        let Some(record) = records.next(Duration::from_secs(3600)).await else {
            continue;
        };
        summary.count(&record);
        match log {
            Log::Json | Log::Links => print_line(&record.to_json())?,
            Log::Text => print_line(&*record)?,
            Log::None => {}
        }
    }
}

fn read_callers(file: &Path) -> anyhow::Result<HashMap<String, String>> {
    let text = read(file, "--callers")?;
    let callers = serde_json::from_str(&text);
    Ok(callers.map_err(|error| usage(file, "--callers", &error))?)
}

fn read(file: &Path, option: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file);
    Ok(text.map_err(|error| usage(file, option, &error))?)
}

fn usage(file: &Path, option: &str, problem: &dyn fmt::Display) -> okgate_harness::Error {
    okgate_harness::Error::Usage(format!("{option} {}: {problem}", file.display()))
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
