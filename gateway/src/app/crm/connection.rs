//! One connection of the CRM's link, from the try to make it to its end.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Receiver;
use futures_lite::future::or;
use okgate_core::base::Instant;
use okgate_core::crm::{CrmConnectionId, CrmInput};

use super::{Place, Reports};
use crate::log::RateLimited;
use crate::runtime::{
    Clock, Connection, ReadHalf, ServerName, Stream, Task, TlsAcceptor, TlsConnector, TlsError,
    WriteHalf, dial, timeout,
};

/// What the link wants done with a connection.
#[derive(Debug)]
pub(super) enum Order {
    Send(Vec<u8>),
    /// Send these last bytes, and close.
    Close(Vec<u8>),
}

/// Moves the bytes of one connection.
pub(super) struct Wire {
    pub(super) id: CrmConnectionId,
    pub(super) orders: Receiver<Order>,
    pub(super) reports: Reports,
    pub(super) clock: Clock,
    pub(super) _place: Place,
}

impl Wire {
    /// Connects when the connection before has ended, and serves what comes of it.
    pub(super) async fn connect_and_serve(self, target: Arc<Target>, before: Option<Task>) {
        if let Some(before) = before {
            before.join().await;
        }
        match self.unless_closed(target.connect()).await {
            None => {}
            Some(Err(reason)) => self.report(CrmInput::ConnectFailed(reason)).await,
            Some(Ok(connection)) => {
                self.report(CrmInput::Connected).await;
                self.serve(connection).await;
            }
        }
    }

    /// Serves a connection that a CRM opened.
    pub(super) async fn serve_accepted(self, stream: Stream, tls: Option<Rc<TlsAcceptor>>) {
        let peer = stream.peer();
        let connection = match tls {
            None => Connection::from(stream),
            Some(tls) => match tls.accept(stream, TLS_TIMEOUT).await {
                Ok(connection) => connection,
                Err(error) => return log_no_tls(peer, &error, self.clock.instant()),
            },
        };
        self.report(CrmInput::Accepted(peer.to_string())).await;
        self.serve(connection).await;
    }

    async fn serve(&self, connection: Connection) {
        let (reader, writer) = connection.split();
        or(self.read(reader), self.write(writer)).await;
    }

    /// Reads until the CRM ends the connection.
    async fn read(&self, mut reader: ReadHalf) {
        let mut buffer = vec![0; READ_BYTES];
        let reason = loop {
            match reader.read(&mut buffer).await {
                Ok(0) => break "the CRM closed it".to_owned(),
                Ok(count) => {
                    let bytes = buffer[..count].to_vec();
                    self.report(CrmInput::Bytes(bytes)).await;
                }
                Err(error) => break error.to_string(),
            }
        };
        self.report(CrmInput::Closed(reason)).await;
    }

    /// Writes until the link is closed or cannot be written to.
    async fn write(&self, mut writer: WriteHalf) {
        while let Ok(order) = self.orders.recv().await {
            let bytes = match order {
                Order::Close(last) => return end(&mut writer, &[], &last).await,
                Order::Send(bytes) => bytes,
            };
            let mut written = 0;
            let closed = {
                let mut writing = pin!(writer.write_rest(&bytes, &mut written));
                let mut closing = pin!(self.orders.recv());
                or(async { Err(writing.as_mut().await) }, async {
                    Ok(closing.as_mut().await)
                })
                .await
            };
            match closed {
                Err(Ok(())) => self.report(CrmInput::Sent).await,
                Err(Err(error)) => return self.report(CrmInput::Closed(error.to_string())).await,
                // The rest of the send goes first: nothing can be put into the middle of a frame.
                Ok(Ok(Order::Close(last))) => {
                    return end(&mut writer, &bytes[written..], &last).await;
                }
                // The link orders no second send before it hears of the first.
                Ok(Ok(Order::Send(_)) | Err(_)) => return,
            }
        }
    }

    /// What the work gives, or `None` if the link closes the connection meanwhile.
    async fn unless_closed<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let done = async { Some(work.await) };
        let closed = async {
            let _close = self.orders.recv().await;
            None
        };
        or(done, closed).await
    }

    async fn report(&self, what: CrmInput) {
        self.reports.tell(self.id, what).await;
    }
}

/// Sends the rest, the last bytes and the end of the stream, as far as that goes within
/// [`CLOSE_WAIT`], and waits as long for the CRM's own end, which the reading side sees.
async fn end(writer: &mut WriteHalf, rest: &[u8], last: &[u8]) {
    let ending = async {
        let sent: io::Result<()> = async {
            writer.write_all(rest).await?;
            writer.write_all(last).await?;
            writer.shutdown().await
        }
        .await;
        if sent.is_ok() {
            pending::<()>().await;
        }
    };
    timeout(CLOSE_WAIT, ending).await.unwrap_or_default();
}

fn log_no_tls(peer: SocketAddr, error: &TlsError, now: Instant) {
    static BRAKE: RateLimited = RateLimited::new(LOG_PERIOD);
    if let Some(not_logged) = BRAKE.admit(1, now) {
        tracing::warn!(%peer, %error, not_logged, "a connection to the CRM's address comes to nothing");
    }
}

/// Where the CRM listens.
pub(super) struct Target {
    /// `host:port`.
    pub(super) address: String,
    /// With TLS: whom the certificate must be for.
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Target {
    async fn connect(&self) -> Result<Connection, String> {
        let dialled = dial(&self.address, CONNECT_TIMEOUT).await;
        self.secure(dialled.map_err(|error| error.to_string())?)
            .await
    }

    async fn secure(&self, stream: Stream) -> Result<Connection, String> {
        let Some((connector, name)) = &self.tls else {
            return Ok(stream.into());
        };
        let secured = connector.connect(stream, name, TLS_TIMEOUT).await;
        secured.map_err(|error| format!("{}: {error}", self.address))
    }
}

/// What one read takes at most; a few reads may wait for the hub.
const READ_BYTES: usize = 64 << 10;

/// To connect, to whichever of the CRM's addresses; the link itself gives up after a time, too.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a closed connection's last bytes and the CRM's end are waited for.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// At most one line of the log within this time.
const LOG_PERIOD: Duration = Duration::from_secs(10);

/// How long a handshake of TLS may take.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);
