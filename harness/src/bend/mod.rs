//! Owns the proof that conformance cases bite: a proxy before a server that breaks one rule of the protocol, and the table of
//! what it can break.
//!
//! Connections come in and go on to the server; heads and messages pass a [`Bend`], which changes those that its rule is about.
//! What it does not know (TLS, HTTP without an upgrade) passes as it is. The server is never changed, so a case that passes without the bend and fails
//! with it sees exactly that rule.

mod pump;
mod table;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub use self::table::{all, of_rule};
use crate::crm::Mode;
use crate::error::Result;
use crate::listening;
use crate::message::Message;

/// One way to break one rule.
#[derive(Debug, Clone, Copy)]
pub struct Bend {
    /// The rule that it breaks.
    pub rule: &'static str,
    /// What the server seems to do, as a sentence.
    pub what: &'static str,
    make: fn() -> Bender,
}

/// What changes what passes; made anew for each connection, so that one peer's messages do not bend another's.
struct Bender {
    head: fn(Passing, &mut String),
    message: Box<dyn FnMut(Passing, Message) -> Vec<Out> + Send>,
}

/// What passes: which way, on whose link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Passing {
    side: Side,
    is_from_gateway: bool,
}

/// What goes out for a message that came.
#[derive(Debug, PartialEq)]
enum Out {
    /// A message, on its way.
    On(Message),
    /// A message back to where it came from.
    Back(Message),
}

/// Whose link a proxy stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Tabs connect to the gateway.
    Tabs,
    /// The CRM connects to the gateway.
    CrmConnects,
    /// The gateway connects to the CRM.
    GatewayConnects,
}

impl Side {
    /// The side of the CRM's link in this mode.
    pub fn crm(mode: Mode) -> Self {
        if mode.is_incoming() {
            Self::CrmConnects
        } else {
            Self::GatewayConnects
        }
    }
}

/// A running proxy; dropping it ends it.
#[derive(Debug)]
pub struct Bent {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Bent {
    /// Starts one on a free port of the loopback address.
    pub async fn start(bend: &Bend, side: Side, server: SocketAddr) -> Result<Self> {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_at(listen, bend, side, server).await
    }

    /// Starts one at this address.
    pub async fn start_at(
        listen: SocketAddr,
        bend: &Bend,
        side: Side,
        server: SocketAddr,
    ) -> Result<Self> {
        let (listener, address) = listening::listen(listen).await?;
        Ok(Self {
            address,
            serving: tokio::spawn(serve(listener, bend.make, side, server)),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Bent {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, make: fn() -> Bender, side: Side, server: SocketAddr) {
    // The connections end with this task.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (client, _) = listening::accept(&listener).await;
        let bender = Mutex::new(make());
        connections.spawn(async move {
            // A server that is gone shows at the client as the end of its connection.
            if let Ok(server) = TcpStream::connect(server).await {
                pump::run(client, server, &bender, side).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

#[cfg(test)]
mod tests;
