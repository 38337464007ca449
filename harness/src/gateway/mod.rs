//! Owns the real gateway as a child process for system tests: its settings file, ports, log and end.
//!
//! [`Settings`] come in; a running, ready gateway with its addresses goes out. The process is killed when the value is
//! dropped, and every failure shows the end of the gateway's log.

mod settings;

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

pub use self::settings::{DEFAULT_PASSWORD, Settings, User, user_id};
use crate::admin::Admin;
use crate::error::{Error, Result};
use crate::tab::Tab;

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    program: PathBuf,
    directory: TempDir,
    settings: Settings,
    addresses: Addresses,
}

/// Where a gateway listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// Tabs.
    pub clients: SocketAddr,
    /// The HTTP interface and the operator page.
    pub web: SocketAddr,
    /// Health, metrics and the scenario API.
    pub admin: SocketAddr,
}

impl Gateway {
    /// Starts the program named by the environment variable `OKGATE_BIN` (an absolute path) on free loopback ports
    /// and waits until it is ready.
    pub async fn start(settings: Settings) -> Result<Self> {
        Self::start_program(program_from_environment()?, settings).await
    }

    /// As [`Gateway::start`], with another program.
    pub async fn start_program(program: PathBuf, settings: Settings) -> Result<Self> {
        let mut directory = tempfile::Builder::new()
            .prefix("okgate-")
            .tempdir()
            .map_err(|error| Error::io("making a temporary directory", error))?;
        let mut attempt = 1;
        loop {
            let addresses = Addresses::free()?;
            let complete = addresses.put_into(settings.clone());
            let child = spawn(&program, &directory, &complete)?;
            let mut gateway = Self {
                child,
                program: program.clone(),
                directory,
                settings: complete,
                addresses,
            };
            match gateway.wait_until_ready().await {
                Ok(()) => return Ok(gateway),
                // Another process may have taken a port between its choice and its use.
                Err(Died::Exited(status))
                    if status.code() == Some(EXIT_NOT_STARTED) && attempt < PORT_ATTEMPTS_MAX =>
                {
                    attempt += 1;
                    directory = gateway.directory;
                }
                Err(died) => return Err(gateway.failure(died.problem())),
            }
        }
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Where tabs connect.
    pub fn clients(&self) -> SocketAddr {
        self.addresses.clients
    }

    /// A client of the admin address.
    pub fn admin(&self) -> Admin {
        Admin::new(self.addresses.admin)
    }

    /// A connected tab that has not logged in.
    pub async fn tab(&self) -> Result<Tab> {
        Tab::connect(self.addresses.clients, Some("json")).await
    }

    /// A tab logged in with [`DEFAULT_PASSWORD`].
    pub async fn logged_in(&self, login: &str) -> Result<Tab> {
        Tab::logged_in(self.addresses.clients, login, DEFAULT_PASSWORD).await
    }

    /// The process id while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until what its status says of the CRM's link is so, and gives that.
    pub async fn until_crm(
        &self,
        within: Duration,
        is_it: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let admin = self.admin();
        let deadline = Instant::now() + within;
        let mut ticks = interval(READY_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let crm = admin.status().await?["crm"].take();
            if is_it(&crm) {
                return Ok(crm);
            }
            if Instant::now() >= deadline {
                return Err(self.failure(format!("after {within:?} the CRM's link is {crm}")));
            }
        }
    }

    /// Everything that it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Sends SIGTERM and checks that the process ends with exit code 0 within 30 s.
    pub async fn stop(mut self) -> Result<()> {
        self.terminate().await
    }

    /// Waits until the process ends by itself, or by a signal that the caller sent, and says how; 30 s at most.
    pub async fn ended(mut self) -> Result<ExitStatus> {
        match timeout(STOP_MAX, self.child.wait()).await {
            Ok(status) => status.map_err(|error| Error::io("waiting for the gateway's end", error)),
            Err(_) => Err(self.failure(format!("it did not end within {STOP_MAX:?}"))),
        }
    }

    /// Stops it as [`Gateway::stop`] does and starts it again with the same settings, ports and data. After an orderly
    /// end its ports must be free at once.
    pub async fn restart(mut self) -> Result<Self> {
        self.terminate().await?;
        self.spawn_again(1).await
    }

    /// Kills it without warning and starts it again with the same settings, ports and data.
    pub async fn kill_and_restart(mut self) -> Result<Self> {
        let killed = self.child.kill().await;
        killed.map_err(|error| Error::io("killing the gateway", error))?;
        // The kernel takes a killed program's ring apart a moment after its end, and the listening sockets with it.
        self.spawn_again(AFTER_KILL_ATTEMPTS_MAX).await
    }

    /// Writes other settings, on the same ports, and sends SIGHUP.
    pub fn reload(&mut self, settings: Settings) -> Result<()> {
        self.settings = self.addresses.put_into(settings);
        write_settings(&self.directory, &self.settings)?;
        self.signal(rustix::process::Signal::HUP)
    }

    /// An error with this problem and the end of the log.
    pub fn failure(&self, problem: impl Into<String>) -> Error {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let first = lines.len().saturating_sub(LOG_LINES_SHOWN);
        Error::Gateway {
            problem: problem.into(),
            log_tail: lines[first..].join("\n"),
        }
    }

    async fn spawn_again(mut self, attempts_max: usize) -> Result<Self> {
        let mut attempt = 1;
        loop {
            self.child = spawn(&self.program, &self.directory, &self.settings)?;
            match self.wait_until_ready().await {
                Ok(()) => return Ok(self),
                Err(Died::Exited(status))
                    if status.code() == Some(EXIT_NOT_STARTED) && attempt < attempts_max =>
                {
                    attempt += 1;
                }
                Err(died) => return Err(self.failure(died.problem())),
            }
        }
    }

    fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let id = self.child.id();
        let id = id.and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
        let id = id.ok_or_else(|| self.failure("it had ended before it was sent a signal"))?;
        rustix::process::kill_process(id, signal)
            .map_err(|error| Error::io("sending the gateway a signal", error.into()))
    }

    async fn terminate(&mut self) -> Result<()> {
        self.signal(rustix::process::Signal::TERM)?;
        match timeout(STOP_MAX, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.failure(format!("after SIGTERM it ended with {status}"))),
            Ok(Err(error)) => Err(Error::io("waiting for the gateway's end", error)),
            Err(_) => Err(self.failure(format!("it did not end within {STOP_MAX:?} of SIGTERM"))),
        }
    }

    /// Asks `/readyz` again and again: HTTP has no way to be told.
    async fn wait_until_ready(&mut self) -> std::result::Result<(), Died> {
        let admin = self.admin().deadline(Duration::from_secs(2));
        let deadline = Instant::now() + READY_MAX;
        let mut ticks = interval(READY_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let last = tokio::select! {
                status = self.child.wait() => {
                    return Err(match status {
                        Ok(status) => Died::Exited(status),
                        Err(error) => Died::NotReady(error.to_string()),
                    });
                }
                _ = ticks.tick() => match admin.get("/readyz").await {
                    Ok(answer) if answer.status == 200 => return Ok(()),
                    Ok(answer) => format!("{} {}", answer.status, answer.body),
                    Err(error) => error.to_string(),
                },
            };
            if Instant::now() > deadline {
                return Err(Died::NotReady(last));
            }
        }
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join(LOG_NAME)
    }
}

/// Why a gateway did not become ready.
enum Died {
    Exited(ExitStatus),
    NotReady(String),
}

impl Died {
    fn problem(&self) -> String {
        match self {
            Self::Exited(status) => format!("it ended with {status} before it was ready"),
            Self::NotReady(last) => format!("it was not ready within {READY_MAX:?}: {last}"),
        }
    }
}

impl Addresses {
    /// Three free ports of the loopback address.
    fn free() -> Result<Self> {
        let [clients, web, admin] = free_addresses()?;
        Ok(Self {
            clients,
            web,
            admin,
        })
    }

    fn put_into(self, settings: Settings) -> Settings {
        settings.listen(self.clients, self.web, self.admin)
    }
}

/// Addresses with free ports of the loopback address, below the range that outgoing connections take theirs from.
pub fn free_addresses<const COUNT: usize>() -> Result<[SocketAddr; COUNT]> {
    let mut listeners = Vec::new();
    for _ in 0..PORT_TRIES_MAX {
        if listeners.len() == COUNT {
            break;
        }
        let port = rand::random_range(PORTS);
        listeners.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    }
    let addresses: std::io::Result<Vec<SocketAddr>> =
        listeners.iter().map(TcpListener::local_addr).collect();
    let addresses = addresses.map_err(|error| Error::io("finding free ports", error))?;
    <[SocketAddr; COUNT]>::try_from(addresses)
        .map_err(|_| Error::Usage(format!("no {COUNT} free ports among {PORTS:?}")))
}

/// The built gateway: the environment variable `OKGATE_BIN`, which must be the absolute path of a file.
pub fn program_from_environment() -> Result<PathBuf> {
    let missing = |what: &str| {
        Error::Usage(format!(
            "OKGATE_BIN must be the absolute path of the built okgate program: {what}"
        ))
    };
    let program = std::env::var_os("OKGATE_BIN").ok_or_else(|| missing("it is not set"))?;
    let program = PathBuf::from(program);
    if !program.is_absolute() {
        return Err(missing(&format!("{} is relative", program.display())));
    }
    if !program.is_file() {
        return Err(missing(&format!("{} is not there", program.display())));
    }
    Ok(program)
}

fn write_settings(directory: &TempDir, settings: &Settings) -> Result<PathBuf> {
    let file = directory.path().join("okgate.toml");
    let written = std::fs::write(&file, settings.to_toml());
    written.map_err(|error| Error::io("writing the settings for the gateway", error))?;
    Ok(file)
}

fn spawn(program: &PathBuf, directory: &TempDir, settings: &Settings) -> Result<Child> {
    let failed = |doing: &str| {
        let doing = format!("{doing} for the gateway");
        move |error| Error::io(doing, error)
    };
    let file = write_settings(directory, settings)?;
    let log = File::options()
        .create(true)
        .append(true)
        .open(directory.path().join(LOG_NAME))
        .map_err(failed("opening the log"))?;
    let errors = log.try_clone().map_err(failed("opening the log"))?;
    Command::new(program)
        .arg("run")
        .arg("--config")
        .arg(&file)
        // What it keeps goes where it started, unless the settings say otherwise.
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed("starting the program"))
}

/// The log's name in the temporary directory.
const LOG_NAME: &str = "okgate.log";
/// How many lines of the log a failure shows.
const LOG_LINES_SHOWN: usize = 40;
/// The exit code of a gateway that could not start, e.g. since a port is in use.
const EXIT_NOT_STARTED: i32 = 3;
/// How often other ports are tried.
const PORT_ATTEMPTS_MAX: usize = 5;
/// How often a killed gateway is started again while its ports are not free yet.
const AFTER_KILL_ATTEMPTS_MAX: usize = 50;
/// How many ports are looked at to find free ones.
const PORT_TRIES_MAX: usize = 200;
/// Where ports are looked for.
const PORTS: std::ops::Range<u16> = 12_000..32_000;
/// How long a gateway may take to become ready.
const READY_MAX: Duration = Duration::from_secs(20);
/// How often `/readyz` or the status is asked: neither tells anybody by itself.
const READY_INTERVAL: Duration = Duration::from_millis(20);
/// How long a gateway may take to end.
const STOP_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A program that does this instead of being a gateway.
    async fn start_script(script: &str) -> (TempDir, Result<Gateway>) {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
        let started = Gateway::start_program(program, Settings::new().users(1)).await;
        (directory, started)
    }

    #[tokio::test]
    async fn a_program_that_ends_early_shows_its_log() {
        let (_directory, started) = start_script("echo io_uring is refused >&2; exit 1").await;
        let error = started.unwrap_err().to_string();
        assert!(error.contains("exit status: 1"), "{error}");
        assert!(error.contains("io_uring is refused"), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_finds_its_ports_taken_is_started_again_with_others() {
        let script = "grep listen $3; exit 3";
        let (_directory, started) = start_script(script).await;
        let error = started.unwrap_err();
        let Error::Gateway { log_tail, .. } = &error else {
            panic!("{error}");
        };
        let listeners: std::collections::HashSet<_> =
            log_tail.lines().filter(|line| line.contains('[')).collect();
        // Two lists in each attempt: tabs and web.
        assert_eq!(listeners.len(), 2 * PORT_ATTEMPTS_MAX, "{log_tail}");
    }
}
