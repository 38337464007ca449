//! Owns how servers and proxies of the harness take an address and the connections to it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::error::{Error, Result};

/// Listens on this address; gives also where that is, as port 0 takes a free one.
pub(crate) async fn listen(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let failed = |source| Error::Listen {
        address: wanted.to_string(),
        source,
    };
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// The next connection, whatever becomes of others; none is lost when the wait is given up.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // It may be for want of descriptors, which others must give back first.
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// How long nobody is accepted after a failure.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
