//! Owns the servers that are compared: which there are, and each of them as a running process.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use clap::ValueEnum as _;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::super::MeasureOptions;
use super::super::cores::Cores;
use super::super::servers::{Reference, Server, start_gateway};
use super::comparison::{ECHO, OKGATE};
use crate::error::{Error, Result};
use crate::gateway::Gateway;
use crate::peers::{Peer, check};

/// A server to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contender {
    Okgate,
    /// The reference server, which sends texts back.
    Echo,
    Peer(Peer),
    /// The peer on node's `ws`.
    Ws,
}

impl Contender {
    /// All that can be started.
    pub(super) fn all(options: &MeasureOptions) -> Vec<Self> {
        let mut all = vec![Self::Okgate, Self::Echo];
        all.extend(Peer::ALL.map(Self::Peer));
        all.extend(options.peers.ws_server.is_some().then_some(Self::Ws));
        all
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Okgate => OKGATE,
            Self::Echo => ECHO,
            Self::Peer(peer) => peer.library(),
            Self::Ws => "ws (node)",
        }
    }
}

/// A server that runs; it ends with this value.
#[derive(Debug)]
pub(super) struct Running {
    contender: Contender,
    process: Process,
    /// What it is exactly.
    description: String,
}

#[derive(Debug)]
enum Process {
    Gateway(Box<Gateway>),
    Other(Box<Reference>),
}

impl Running {
    /// Starts it; a gateway with so many users.
    pub(super) async fn start(
        contender: Contender,
        options: &MeasureOptions,
        users: usize,
    ) -> Result<Self> {
        let other = match contender {
            Contender::Okgate => {
                let gateway = start_gateway(options, users, 1).await?;
                return Ok(Self {
                    contender,
                    process: Process::Gateway(Box::new(gateway)),
                    description: version(options).await?,
                });
            }
            Contender::Echo => Reference::start(options, None).await?,
            Contender::Peer(peer) => {
                let value = peer.to_possible_value();
                let name = value.as_ref().map_or("", |value| value.get_name());
                Reference::start_peer(options, name).await?
            }
            Contender::Ws => {
                let program = options.peers.ws_server.as_ref();
                let program = program.ok_or_else(|| {
                    Error::Usage("the program of the server on node's ws is not named".into())
                })?;
                Reference::start_node(program).await?
            }
        };
        Ok(Self {
            contender,
            description: match contender {
                Contender::Echo => "the reference server of this program, on epoll".into(),
                _ => other.name().to_owned(),
            },
            process: Process::Other(Box::new(other)),
        })
    }

    pub(super) fn name(&self) -> &'static str {
        self.contender.name()
    }

    pub(super) fn contender(&self) -> Contender {
        self.contender
    }

    pub(super) fn description(&self) -> &str {
        &self.description
    }

    /// The gateway, if it is one.
    pub(super) fn gateway(&self) -> Option<&Gateway> {
        match &self.process {
            Process::Gateway(gateway) => Some(gateway),
            Process::Other(_) => None,
        }
    }

    /// Binds it to the core of the servers.
    pub(super) fn bind(&self, cores: Cores) -> Result<()> {
        cores.bind_server(self.process()?)
    }

    /// Proves that a peer does what is measured; what the gateway does is proven elsewhere, and the echo does nothing.
    pub(super) async fn prove(&self) -> Result<()> {
        match self.contender {
            Contender::Okgate | Contender::Echo => Ok(()),
            Contender::Peer(_) | Contender::Ws => check::check(self.address()).await,
        }
    }

    /// Waits until it has nothing to do, e.g. after many connections have ended.
    pub(super) async fn until_quiet(&self) -> Result<()> {
        let deadline = Instant::now() + QUIET_WITHIN;
        let mut before = self.cpu()?;
        loop {
            sleep(QUIET_FOR).await;
            let now = self.cpu()?;
            let used = now.saturating_sub(before);
            if used <= QUIET_CPU_MAX {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Error::Deadline {
                    awaited: format!("{} to have nothing to do", self.name()),
                    after: QUIET_WITHIN,
                    instead: format!("{used:?} of CPU time in {QUIET_FOR:?}"),
                });
            }
            before = now;
        }
    }

    pub(super) async fn stop(self) -> Result<()> {
        match self.process {
            Process::Gateway(gateway) => gateway.stop().await,
            // It is killed with its value.
            Process::Other(_) => Ok(()),
        }
    }
}

impl Server for Running {
    fn address(&self) -> SocketAddr {
        match &self.process {
            Process::Gateway(gateway) => gateway.address(),
            Process::Other(other) => other.address(),
        }
    }

    fn process(&self) -> Result<u32> {
        match &self.process {
            Process::Gateway(gateway) => gateway.process(),
            Process::Other(other) => other.process(),
        }
    }
}

/// What the gateway's program says of itself.
async fn version(options: &MeasureOptions) -> Result<String> {
    let output = Command::new(&options.gateway)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| Error::io("asking the gateway's program for its version", error))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// How long a server is watched to find out whether it has something to do.
const QUIET_FOR: Duration = Duration::from_millis(200);
/// The CPU time that it may use in that time.
const QUIET_CPU_MAX: Duration = Duration::from_millis(1);
/// How long it may take until it has nothing to do.
const QUIET_WITHIN: Duration = Duration::from_secs(60);
