//! What the one who holds the network's end is asked to do, and reports.
//!
//! Every connection and every exchange has an id: a report about one that is over reaches nobody,
//! however late it is.

use super::CrmLink;
use crate::base::Instant;

/// A try to connect and the connection that comes of it; a connection that a CRM opened; an
/// exchange.
///
/// The link numbers what it asks for itself. Who accepts connections numbers them, from 1 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CrmConnectionId(pub u64);

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum CrmAction {
    /// Connect to the CRM, and report [`CrmInput::Connected`] or
    /// [`CrmInput::ConnectFailed`] with this id. Whatever the last `Connect`
    /// led to is over: it was closed by either side.
    Connect(CrmConnectionId),
    /// Send these bytes; when all of them have gone out, report
    /// [`CrmInput::Sent`]. Until then there is no other send on this connection.
    Send(CrmConnectionId, Vec<u8>),
    /// Give up trying to connect; or send these last bytes, if that can be done at
    /// once, and close. Nothing more needs to be reported of this connection.
    Close(CrmConnectionId, Vec<u8>),
    /// Post this, and report [`CrmInput::Posted`] with this id.
    Post(CrmConnectionId, Post),
    /// Nobody waits for the end of this exchange any more: break it off. Nothing needs to be
    /// reported of it.
    Abandon(CrmConnectionId),
}

/// What became of a connection or an exchange.
#[derive(Debug, PartialEq, Eq)]
pub struct CrmReport {
    /// Of which.
    pub connection: CrmConnectionId,
    /// What happened.
    pub what: CrmInput,
}

/// What can happen to a connection or an exchange.
#[derive(Debug, PartialEq, Eq)]
pub enum CrmInput {
    /// The connection that was asked for is made.
    Connected,
    /// It could not be made, for this reason.
    ConnectFailed(String),
    /// Somebody connected, from this address.
    Accepted(String),
    /// Bytes arrived.
    Bytes(Vec<u8>),
    /// All bytes of the last [`CrmAction::Send`] have gone out.
    Sent,
    /// The CRM closed it, or it failed, for this reason.
    Closed(String),
    /// An exchange came to its end.
    Posted(Result<PostAnswer, PostFailure>),
}

/// A message that is posted to the CRM's URL (protocol 2.1).
#[derive(Debug, PartialEq, Eq)]
pub struct Post {
    /// The body: `application/x-www-form-urlencoded`.
    pub body: Vec<u8>,
    /// The `Authorization` header, if there are credentials.
    pub authorization: Option<Authorization>,
}

/// The value of an `Authorization` header. It shows in no `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization(String);

impl From<String> for Authorization {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl std::ops::Deref for Authorization {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Authorization {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Authorization")
    }
}

/// What the CRM answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostAnswer {
    /// The status code.
    pub status: u16,
    /// Every `WWW-Authenticate` header.
    pub challenges: Vec<String>,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The `Location` header.
    pub location: Option<String>,
    /// The body, without transfer coding.
    pub body: Vec<u8>,
}

/// Why there is no answer. The text of each says what happened, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostFailure {
    /// There is no connection: nothing was sent.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// The answer did not come in time.
    #[error("the CRM does not answer: {0}")]
    TimedOut(String),
    /// The connection ended before the answer did, or what came is no HTTP.
    #[error("the exchange broke off: {0}")]
    Broken(String),
    /// The answer is longer than `crm.message_bytes_max`.
    #[error("the CRM's answer is longer than crm.message_bytes_max")]
    TooBig,
}

impl CrmLink {
    /// Takes a report; one about a connection or an exchange that is over changes nothing.
    pub fn handle_report(&mut self, report: CrmReport, now: Instant) {
        let CrmReport { connection, what } = report;
        match what {
            CrmInput::Posted(outcome) => self.handle_posted(connection, outcome, now),
            CrmInput::Accepted(peer) => self.handle_accepted(connection, peer, now),
            what if connection != self.connection_id => {
                self.handle_candidate(connection, what, now);
            }
            CrmInput::Connected => self.handle_connected(now),
            CrmInput::ConnectFailed(reason) => self.handle_connect_failed(&reason, now),
            CrmInput::Bytes(bytes) => self.handle_bytes(bytes, now),
            CrmInput::Sent => self.outbox.sent(),
            CrmInput::Closed(reason) => self.handle_closed(&reason, now),
        }
        self.settle(now);
        if self.is_listening() {
            self.fill_place(now);
        }
    }
}

impl CrmAction {
    /// Whether it is about this connection.
    pub(super) fn is_for(&self, connection: CrmConnectionId) -> bool {
        match self {
            Self::Connect(id) | Self::Send(id, _) | Self::Close(id, _) => *id == connection,
            Self::Post(..) | Self::Abandon(_) => false,
        }
    }
}
