//! Owns the servers that a user would write instead of okgate, for measurements side by side: on a well-known WebSocket library
//! each, on one thread of tokio, with care for speed and memory but in no unusual way.
//!
//! A listener comes in. What goes out: `["pong",{"qid":…}]` for `["ping",{"qid":…}]`, after the request was really parsed; and the
//! text of `["broadcast",{"text":…}]` to all other connections. There are no logins, events or calls: that is okgate's part.
//! [`check`] proves that a server does this, whoever wrote it; the one on node's `ws` lies in `benches/peers`.

pub mod check;
mod fastwebsockets;
mod reply;
mod tungstenite;

use std::convert::Infallible;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::error::{Error, Result};
use crate::listening;

/// A server on a WebSocket library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Peer {
    /// On tokio-tungstenite
    Tungstenite,
    /// On fastwebsockets
    Fastwebsockets,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Tungstenite, Self::Fastwebsockets];

    /// The library's name.
    pub fn library(self) -> &'static str {
        match self {
            Self::Tungstenite => "tokio-tungstenite",
            Self::Fastwebsockets => "fastwebsockets",
        }
    }

    /// The library's version, as this program was built with it.
    pub fn version(self) -> String {
        let packages = LOCK.parse::<toml::Table>().unwrap_or_default();
        let packages = packages.get("package").and_then(toml::Value::as_array);
        let version = packages.into_iter().flatten().find_map(|package| {
            let is_it = package.get("name")?.as_str() == Some(self.library());
            package.get("version")?.as_str().filter(|_| is_it)
        });
        version.unwrap_or("of an unknown version").to_owned()
    }

    /// Listens on the address.
    pub fn listen(address: SocketAddr) -> Result<TcpListener> {
        let listen = || {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4(),
                SocketAddr::V6(_) => TcpSocket::new_v6(),
            }?;
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        listen().map_err(|source| Error::Listen {
            address: address.to_string(),
            source,
        })
    }

    /// Serves for ever.
    pub async fn serve(self, listener: TcpListener) -> Infallible {
        match self {
            Self::Tungstenite => tungstenite::serve(&listener).await,
            Self::Fastwebsockets => fastwebsockets::serve(&listener).await,
        }
    }
}

/// A text for all connections but the one that it came from.
#[derive(Debug, Clone)]
struct Event<T> {
    speaker: u64,
    text: T,
}

/// The next connection, whatever becomes of others.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        let (stream, _) = listening::accept(listener).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::warn!(%error, "a connection has failed at once");
        } else {
            return stream;
        }
    }
}

/// The subprotocol to choose of those that a browser offers: it refuses a server that chooses none.
fn first_subprotocol(offered: Option<&str>) -> Option<&str> {
    offered?.split(',').next().map(str::trim)
}

/// What this program was built with.
const LOCK: &str = include_str!("../../../Cargo.lock");
/// How many connections may wait to be accepted: the library's 128 are few when many come at once.
const BACKLOG: u32 = 1024;
/// How many events a connection may be late; a slower one misses some.
const EVENTS_MAX: usize = 256;
/// How long a message may be.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests;
