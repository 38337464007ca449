//! The CRM's link on the network: opens the connection that the hub's state
//! machine asks for and moves its bytes.
//!
//! In come the machine's [`CrmAction`]s; out go [`CrmReport`]s. One connection at a
//! time, from the try to make it to its end; what a close finds still unsent
//! delays the next try by no more than [`CLOSE_WAIT`].

use std::future::{Future, pending};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;
use okgate_core::crm::{CrmAction, CrmConnectionId, CrmInput, CrmReport};

use crate::runtime::{
    Inbox, Mailbox, MailboxError, ReadHalf, Stream, WriteHalf, resolve, sleep, timeout,
};

/// Serves the CRM's connections, one after the other.
pub(super) struct CrmDriver {
    /// `host:port` of the CRM.
    pub(super) address: Arc<str>,
    pub(super) actions: Inbox<CrmAction>,
    pub(super) reports: Mailbox<CrmReport>,
}

impl CrmDriver {
    /// Does what the hub asks until the hub is gone.
    pub(super) async fn run(self) {
        while let Some(action) = self.actions.receive().await {
            // Anything else is about a connection that has ended.
            if let CrmAction::Connect(id) = action {
                self.serve(id).await;
            }
        }
    }

    /// One connection, from the try to make it on.
    async fn serve(&self, id: CrmConnectionId) {
        match self.unless_closed(connect(&self.address)).await {
            None => {}
            Some(Err(reason)) => self.report(id, CrmInput::ConnectFailed(reason)).await,
            Some(Ok(stream)) => {
                self.report(id, CrmInput::Connected).await;
                let (reader, writer) = stream.split();
                or(self.read(id, reader), self.write(id, writer)).await;
            }
        }
    }

    /// Reads until the CRM ends the connection.
    async fn read(&self, id: CrmConnectionId, mut reader: ReadHalf) {
        let mut buffer = vec![0; READ_BYTES];
        let reason = loop {
            match reader.read(&mut buffer).await {
                Ok(0) => break "the CRM closed it".to_owned(),
                Ok(count) => {
                    let bytes = buffer[..count].to_vec();
                    self.report(id, CrmInput::Bytes(bytes)).await;
                }
                Err(error) => break error.to_string(),
            }
        };
        self.report(id, CrmInput::Closed(reason)).await;
    }

    /// Writes until the link is closed or cannot be written to.
    async fn write(&self, id: CrmConnectionId, mut writer: WriteHalf) {
        while let Some(action) = self.actions.receive().await {
            match action {
                CrmAction::Send(bytes) => {
                    match self.unless_closed(writer.write_all(&bytes)).await {
                        // Nothing can be put behind half a frame.
                        None => return,
                        Some(Ok(())) => self.report(id, CrmInput::Sent).await,
                        Some(Err(error)) => {
                            let reason = error.to_string();
                            return self.report(id, CrmInput::Closed(reason)).await;
                        }
                    }
                }
                CrmAction::Close(last) => {
                    let ended = timeout(CLOSE_WAIT, close(&mut writer, &last)).await;
                    return ended.unwrap_or_default();
                }
                // The link does not connect while it is connected.
                CrmAction::Connect(_) => return,
            }
        }
    }

    /// What the work gives, or `None` if the link closes the connection meanwhile: the
    /// link wants nothing else done while it waits for the end of this.
    async fn unless_closed<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let done = async { Some(work.await) };
        let closed = async {
            let _close = self.actions.receive().await;
            None
        };
        or(done, closed).await
    }

    /// Tells the hub, waiting for room: nothing of a connection is lost, and a CRM
    /// that sends faster than it is heard is read more slowly.
    async fn report(&self, connection: CrmConnectionId, what: CrmInput) {
        let mut report = CrmReport { connection, what };
        while let Err(MailboxError::Full(refused)) = self.reports.send(report) {
            report = refused;
            sleep(RETRY).await;
        }
    }
}

/// Sends the last bytes and the end of the stream; then there is only the CRM's
/// end to be waited for, which the reading side sees.
async fn close(writer: &mut WriteHalf, last: &[u8]) {
    let sent: io::Result<()> = async {
        writer.write_all(last).await?;
        writer.shutdown().await
    }
    .await;
    if sent.is_ok() {
        pending::<()>().await;
    }
}

async fn connect(address: &str) -> Result<Stream, String> {
    let addresses = resolve(address).await;
    let addresses = addresses.map_err(|error| format!("{address} cannot be resolved: {error}"))?;
    let mut last = format!("{address} has no address");
    for address in addresses {
        match Stream::connect(address, CONNECT_TIMEOUT).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(last)
}

/// What one read takes at most; a few reads may wait for the hub.
const READ_BYTES: usize = 64 << 10;

/// Reports that may wait for the hub.
pub(super) const REPORTS_MAX: usize = 16;

/// What the link wants done next: at most one send, one close and one connect.
pub(super) const ACTIONS_MAX: usize = 16;

/// For each address of the CRM; the link itself gives up trying after a time, too.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a closed connection's last bytes and the CRM's end are waited for.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// When a full mailbox is tried again.
const RETRY: Duration = Duration::from_millis(1);
