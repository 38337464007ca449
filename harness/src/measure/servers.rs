//! Owns the servers of a measurement as processes: the gateway, and the reference that is this program again, or one that a user
//! would write instead.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, interval};

use super::MeasureOptions;
use crate::admin::Admin;
use crate::error::{Error, Result};
use crate::gateway::Gateway;
use crate::report::{process_cpu_time, process_rss_bytes};

/// A server that is measured.
pub(super) trait Server {
    /// Where tabs connect.
    fn address(&self) -> SocketAddr;

    /// The id of its process.
    fn process(&self) -> Result<u32>;

    /// The CPU time that it has used.
    fn cpu(&self) -> Result<Duration> {
        process_cpu_time(self.process()?)
    }

    /// Its resident memory.
    fn rss_bytes(&self) -> Result<u64> {
        process_rss_bytes(self.process()?)
    }
}

impl Server for Gateway {
    fn address(&self) -> SocketAddr {
        self.clients()
    }

    fn process(&self) -> Result<u32> {
        self.process_id()
            .ok_or_else(|| self.failure("it has ended while it was measured"))
    }
}

/// Starts a gateway with so many users on so many cores.
pub(super) async fn start_gateway(
    options: &MeasureOptions,
    users: usize,
    cores: i64,
) -> Result<Gateway> {
    let settings = options
        .settings
        .clone()
        .set("gateway.cores", cores)
        .users(users);
    Gateway::start_program(options.gateway.clone(), settings).await
}

/// Waits until the gateway has closed all its links.
pub(super) async fn until_empty(admin: &Admin) -> Result<()> {
    let deadline = Instant::now() + EMPTY_WITHIN;
    let mut ticks = interval(EMPTY_INTERVAL);
    loop {
        ticks.tick().await;
        let links = admin.metrics().await?.sum("okgate_links", &[]);
        if links == Some(0.0) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Error::Deadline {
                awaited: "the gateway to have no links".into(),
                after: EMPTY_WITHIN,
                instead: format!("{links:?} links"),
            });
        }
    }
}

/// Waits until the CRM is linked.
pub(super) async fn until_linked(gateway: &Gateway) -> Result<()> {
    let is_ready = |crm: &Value| crm["state"] == "ready";
    gateway.until_crm(LINKED_WITHIN, is_ready).await.map(drop)
}

/// The reference server, or another beside which the gateway is measured, as a process; it ends with this value.
#[derive(Debug)]
pub(super) struct Reference {
    child: Child,
    /// What it says of itself before its address.
    name: String,
    address: SocketAddr,
}

impl Reference {
    /// Starts one that sends texts back, or answers with so many bytes.
    pub(super) async fn start(
        options: &MeasureOptions,
        answer_bytes: Option<usize>,
    ) -> Result<Self> {
        let mut command = Command::new(&options.harness);
        command.args(["reference", "--listen", "127.0.0.1:0"]);
        if let Some(bytes) = answer_bytes {
            command.arg("--answer-bytes").arg(bytes.to_string());
        }
        Self::spawn(command).await
    }

    /// Starts a proxy before the CRM at this address, which answers the CRM's own messages with so many bytes.
    pub(super) async fn start_proxy(
        options: &MeasureOptions,
        crm: SocketAddr,
        answer_bytes: usize,
    ) -> Result<Self> {
        let mut command = Command::new(&options.harness);
        command.args(["proxy", "--listen", "127.0.0.1:0"]);
        command.arg("--connect").arg(crm.to_string());
        command.arg("--answer-bytes").arg(answer_bytes.to_string());
        Self::spawn(command).await
    }

    /// Starts a server that a user would write instead of the gateway.
    pub(super) async fn start_peer(options: &MeasureOptions, peer: &str) -> Result<Self> {
        let mut command = Command::new(&options.harness);
        command.args(["peer", peer, "--listen", "127.0.0.1:0"]);
        Self::spawn(command).await
    }

    /// Starts the same on node: the file is its program.
    pub(super) async fn start_node(program: &Path) -> Result<Self> {
        let mut command = Command::new("node");
        command.arg(program).args(["--listen", "127.0.0.1:0"]);
        Self::spawn(command).await
    }

    /// What the server says of itself.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs the program, whose first line says what it is and ends with the address.
    async fn spawn(mut command: Command) -> Result<Self> {
        let program = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        let failed = |error| Error::io(format!("starting the server {program}"), error);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            let read = BufReader::new(output).read_line(&mut line).await;
            read.map_err(failed)?;
        }
        let said = line.trim().rsplit_once("listening on ");
        let said = said.and_then(|(name, address)| Some((name.trim(), address.parse().ok()?)));
        let Some((name, address)) = said else {
            return Err(Error::Malformed(format!(
                "the first line of the server {program} does not end with its address: {line:?}"
            )));
        };
        Ok(Self {
            child,
            name: name.to_owned(),
            address,
        })
    }
}

impl Server for Reference {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> Result<u32> {
        let ended = || Error::Usage(format!("the server {} has ended", self.address));
        self.child.id().ok_or_else(ended)
    }
}

/// How long the gateway may take to notice that all tabs are gone.
const EMPTY_WITHIN: Duration = Duration::from_secs(60);
/// How long the gateway may take to link the CRM.
const LINKED_WITHIN: Duration = Duration::from_secs(30);
/// How often it is asked.
const EMPTY_INTERVAL: Duration = Duration::from_millis(100);
