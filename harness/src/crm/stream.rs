//! Owns the bytes under a CRM's links: plain connections and those over TLS, behind one type.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::error::{Error, Result};

/// Anything that is read and written.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection.
pub(super) type BoxedStream = Box<dyn Stream>;

/// Makes a connection that was accepted ready for messages.
pub(super) async fn accept(stream: TcpStream, tls: Option<&TlsAcceptor>) -> Result<BoxedStream> {
    without_delay(&stream)?;
    let Some(acceptor) = tls else {
        return Ok(Box::new(stream));
    };
    let accepted = in_time("the gateway's TLS handshake", acceptor.accept(stream)).await?;
    let accepted = accepted.map_err(|error| Error::io("accepting over TLS", error))?;
    Ok(Box::new(accepted))
}

/// Connects to a gateway.
pub(super) async fn connect(
    address: SocketAddr,
    tls: Option<&(TlsConnector, ServerName<'static>)>,
) -> Result<BoxedStream> {
    let connected = in_time("a connection", TcpStream::connect(address)).await?;
    let stream = connected.map_err(|source| Error::Connect {
        address: address.to_string(),
        source,
    })?;
    without_delay(&stream)?;
    let Some((connector, name)) = tls else {
        return Ok(Box::new(stream));
    };
    let connecting = connector.connect(name.clone(), stream);
    let connected = in_time("the gateway's TLS handshake", connecting).await?;
    let connected = connected.map_err(|error| Error::io("connecting over TLS", error))?;
    Ok(Box::new(connected))
}

/// Waits, but not for ever.
pub(super) async fn in_time<F: Future>(awaited: &str, future: F) -> Result<F::Output> {
    let outcome = tokio::time::timeout(HANDSHAKE_MAX, future).await;
    outcome.map_err(|_| Error::Deadline {
        awaited: awaited.to_owned(),
        after: HANDSHAKE_MAX,
        instead: "nothing".into(),
    })
}

fn without_delay(stream: &TcpStream) -> Result<()> {
    let set = stream.set_nodelay(true);
    set.map_err(|error| Error::io("setting TCP_NODELAY", error))
}

/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
