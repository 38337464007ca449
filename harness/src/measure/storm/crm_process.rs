//! Owns a simulated CRM as a process that can be killed: this program's subcommand `crm`, and what it says of its links.

use std::io::Write as _;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::crm::Mode;
use crate::error::{Error, Result};

/// A CRM that runs.
#[derive(Debug)]
pub(super) struct CrmProcess {
    child: Child,
    /// When it listened, or began to connect.
    pub(super) ready_at: Instant,
    /// Reads what it says until its end.
    reading: JoinHandle<Said>,
    _behaviour: NamedTempFile,
}

/// What a CRM said of its links.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) links: u64,
    /// Answers that its users got and should not have got, and messages that are none.
    pub(super) wrong: Vec<String>,
}

impl CrmProcess {
    /// Starts one whose users are `user<number>` of these numbers, half of them active from its start on; the others log in.
    pub(super) async fn start(
        program: &Path,
        mode: Mode,
        address: SocketAddr,
        users: Range<usize>,
    ) -> Result<Self> {
        let behaviour = write_behaviour(users)?;
        let way = if mode.is_incoming() {
            "--connect"
        } else {
            "--listen"
        };
        let mut child = Command::new(program)
            .args(["crm", "--log", "links", "--mode", mode.name()])
            .arg(way)
            .arg(address.to_string())
            .arg("--behaviour")
            .arg(behaviour.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Error::io("starting a CRM", error))?;
        let output = child.stdout.take();
        let output = output.ok_or_else(|| Error::Usage("the CRM has no output".into()))?;
        let mut lines = BufReader::new(output).lines();
        let first = timeout(START_MAX, lines.next_line()).await;
        let first = first.unwrap_or(Ok(None)).ok().flatten().unwrap_or_default();
        let said: Value = serde_json::from_str(&first).unwrap_or_default();
        if !matches!(said["kind"].as_str(), Some("listening" | "connecting")) {
            let problem = format!("the CRM's first line does not say that it is there: {first:?}");
            return Err(Error::Malformed(problem));
        }
        Ok(Self {
            child,
            ready_at: Instant::now(),
            reading: tokio::spawn(read(lines)),
            _behaviour: behaviour,
        })
    }

    /// Kills it without warning, and waits for its end.
    pub(super) async fn kill(mut self) -> Result<Said> {
        let killed = self.child.kill().await;
        killed.map_err(|error| Error::io("killing the CRM", error))?;
        let panicked = |error| Error::Usage(format!("reading what the CRM says panicked: {error}"));
        self.reading.await.map_err(panicked)
    }
}

async fn read(mut lines: Lines<BufReader<ChildStdout>>) -> Said {
    let mut said = Said::default();
    // A killed process may leave half a line.
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(record) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        match record["kind"].as_str() {
            Some("linkup") => said.links += 1,
            Some("wronganswer" | "malformed") if said.wrong.len() < WRONG_MAX => {
                said.wrong.push(line);
            }
            _ => {}
        }
    }
    said
}

fn write_behaviour(users: Range<usize>) -> Result<NamedTempFile> {
    let failed = |error| Error::io("writing the CRM's behaviour", error);
    let mut file = NamedTempFile::new().map_err(failed)?;
    file.write_all(behaviour(users).as_bytes())
        .map_err(failed)?;
    Ok(file)
}

/// Runs take some time, and end in another order than they began.
fn behaviour(users: Range<usize>) -> String {
    let active = users.start..users.start + users.len() / 2;
    let active = active
        .map(|user| format!("[[active_users]]\nlogin = \"user{user}\"\nid = \"crm-{user}\"\n"));
    let parameters = r#"[{ key = "text" }, { key = "number", type = "number" }]"#;
    format!(
        r#"{}
[[methods]]
key = "echo"
inputparams = {parameters}
outputparams = {parameters}
answer = {{ delay_ms = 20, jitter_ms = 80 }}
[users]
first = {}
count = {}
rate = {TUNNEL_RATE:.1}
"#,
        active.collect::<String>(),
        users.start,
        users.len()
    )
}

/// How long a CRM may take to start.
const START_MAX: Duration = Duration::from_secs(20);
/// How many wrong answers are kept.
const WRONG_MAX: usize = 100;
/// Requests a second that its users send together.
const TUNNEL_RATE: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crm::Behaviour;

    #[test]
    fn half_of_the_users_are_active_and_the_others_log_in() {
        let behaviour = Behaviour::from_toml(&behaviour(11..21)).unwrap();
        let logins: Vec<&str> = behaviour
            .active_users
            .iter()
            .map(|user| user.login.as_str())
            .collect();
        assert_eq!(logins, ["user11", "user12", "user13", "user14", "user15"]);
        let users = behaviour.users.unwrap();
        assert_eq!((users.first, users.count), (11, 10));
    }
}
