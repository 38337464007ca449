//! Connecting to a host by its name: all its addresses are tried, one after the other.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::stream::{Stream, resolve};
use super::task;

/// Why a host cannot be connected to.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Its name has no address.
    #[error("{name} cannot be resolved: {error}")]
    Resolve {
        /// `host:port`.
        name: String,
        /// What the system says.
        error: io::Error,
    },
    /// The connection was refused or failed; the last address's fault.
    #[error("{address} cannot be connected to: {error}")]
    Connect {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// It took too long.
    #[error("{name} cannot be connected to within {} ms", within.as_millis())]
    TimedOut {
        /// `host:port`.
        name: String,
        /// How long that was.
        within: Duration,
    },
}

/// Connects to `host:port` within this time, the name's resolution included. Each of its
/// addresses gets an equal share of what is left.
pub async fn dial(name: &str, within: Duration) -> Result<Stream, DialError> {
    let started = Instant::now();
    let timed_out = || DialError::TimedOut {
        name: name.to_owned(),
        within,
    };
    let unresolved = |error| DialError::Resolve {
        name: name.to_owned(),
        error,
    };
    let addresses = task::timeout(within, resolve(name)).await;
    let addresses = addresses.ok_or_else(timed_out)?.map_err(unresolved)?;
    let mut last = unresolved(io::Error::other("the name has no address"));
    for (tried, &address) in addresses.iter().enumerate() {
        let left = within.saturating_sub(started.elapsed());
        let others = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match Stream::connect(address, left / others).await {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => last = timed_out(),
            Err(error) => last = DialError::Connect { address, error },
        }
    }
    Err(last)
}
