//! What the one who holds the connection is asked to do, and reports.
//!
//! Each try to connect has an id of its own, and so has the connection that comes
//! of it: a report about one that is over reaches nobody, however late it is.

use super::CrmLink;
use crate::base::Instant;

/// A try to connect, and the connection that comes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CrmConnectionId(pub(super) u64);

/// What is to be done with the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum CrmAction {
    /// Connect to the CRM, and report [`CrmInput::Connected`] or
    /// [`CrmInput::ConnectFailed`] with this id. Whatever the last `Connect`
    /// led to is over: it was closed by either side.
    Connect(CrmConnectionId),
    /// Send these bytes; when all of them have gone out, report
    /// [`CrmInput::Sent`]. Until then there is no other send.
    Send(Vec<u8>),
    /// Give up trying to connect; or send these last bytes, if that can be done at
    /// once, and close. Nothing more needs to be reported.
    Close(Vec<u8>),
}

/// What became of a connection.
#[derive(Debug, PartialEq, Eq)]
pub struct CrmReport {
    /// Of which.
    pub connection: CrmConnectionId,
    /// What happened.
    pub what: CrmInput,
}

/// What can happen to a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum CrmInput {
    /// It is made.
    Connected,
    /// It could not be made, for this reason.
    ConnectFailed(String),
    /// Bytes arrived.
    Bytes(Vec<u8>),
    /// All bytes of the last [`CrmAction::Send`] have gone out.
    Sent,
    /// The CRM closed it, or it failed, for this reason.
    Closed(String),
}

impl CrmLink {
    /// Takes a report; one about a connection that is over changes nothing.
    pub fn handle_report(&mut self, report: CrmReport, now: Instant) {
        if report.connection != self.connection_id {
            return;
        }
        match report.what {
            CrmInput::Connected => self.handle_connected(now),
            CrmInput::ConnectFailed(reason) => self.handle_connect_failed(&reason, now),
            CrmInput::Bytes(mut bytes) => self.handle_bytes(&mut bytes, now),
            CrmInput::Sent => self.outbox.sent(),
            CrmInput::Closed(reason) => self.handle_closed(&reason, now),
        }
    }
}
