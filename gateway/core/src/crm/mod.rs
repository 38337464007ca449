//! The CRM's link as a state machine (protocol 2, 3.5, 4, 5 and 8).
//!
//! It owns the server link from the first try to connect on: handshake,
//! introduction, the catalogues of dynamic methods and forms, who is active in
//! the CRM, the methods that run, keep-alive, and restoring after a loss. In
//! come what happened to the connection and its bytes, events, methods to be run
//! and the time; out come [`CrmAction`]s for the one who holds the connection
//! and [`CrmEvent`]s for the hub. It opens no socket, holds no clock and knows no
//! user of the exchange.
//!
//! Spoken is mode `ws-out` with JSON. Another mode takes the place of the module `socket`
//! under the same introduction, catalogues and runs; XML is turned into JSON, and
//! back, where [`CrmLink`] takes and gives the text of a message; requests in a
//! user's name go up as [`CrmRequest`] does.
//!
//! Events are never kept for later: one that comes before the introduction is
//! over, or concerns a user who is not active in the CRM, is dropped and counted
//! ([`CrmCounters`]). The CRM asks for the state anew when the link is back. What
//! waits to be sent is bounded in bytes; beyond the bound the link is dropped and
//! made again.

mod backoff;
mod catalogue;
mod config;
mod connection;
mod link;
mod messages;
mod outbox;
mod requests;
mod runs;
mod socket;
mod users;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::base::{ExecutionId, Guid, Instant, Random};
use crate::protocol::{
    Assembler, BodyReader, Event, FieldWriter, Fields, JsonWriter, UserRequest, write_message,
};
use crate::wire::frame::CloseCode;
use backoff::Backoff;
use catalogue::Catalogue;
pub use config::{CrmConfig, Limits};
pub use connection::{CrmAction, CrmConnectionId, CrmInput, CrmReport};
use link::Stage;
use outbox::Outbox;
use requests::Asked;
use runs::Runs;
pub use runs::{MethodFailure, MethodRun};
pub use users::ActiveUser;
use users::ActiveUsers;

/// What the hub is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrmEvent {
    /// The introduction is over: events go out from now on.
    Ready,
    /// The link was lost or could not be made; it will be tried again.
    Lost {
        /// Why.
        reason: Arc<str>,
        /// It had been [`CrmEvent::Ready`].
        was_ready: bool,
        /// The next try comes after this time.
        retry_in: Duration,
    },
    /// A dynamic method came to its end. There is exactly one for each
    /// [`CrmLink::run_method`].
    MethodDone {
        /// The run.
        execution: ExecutionId,
        /// `outputparameters` as the text of a JSON object.
        end: Result<Arc<str>, MethodFailure>,
    },
    /// The CRM said who is active: these users and no others.
    ActiveUsers(Vec<ActiveUser>),
    /// A user logged in at the CRM, or was named again.
    UserAppeared(ActiveUser),
    /// A user logged out at the CRM.
    UserLeft(ActiveUser),
    /// The methods or forms that the CRM declares are others now.
    CatalogueChanged,
    /// The CRM asks the hub; to be answered by [`CrmLink::answer`].
    Request(CrmRequest),
}

/// A request of the CRM that the hub answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrmRequest {
    /// For [`CrmLink::answer`].
    pub token: CrmToken,
    /// In whose name; `None` in its own (protocol 5).
    pub user_login: Option<Box<str>>,
    /// What it asks.
    pub what: UserRequest,
}

/// One request of the CRM that waits for the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CrmToken(u64);

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CrmCounters {
    /// Links that came through the handshake.
    pub connects: u64,
    /// Links that were lost after it.
    pub losses: u64,
    /// Messages from the CRM.
    pub messages: u64,
    /// Messages from the CRM that could not be read.
    pub malformed: u64,
    /// Links dropped since a message from the CRM was too big.
    pub too_big: u64,
    /// Messages in packets that were dropped unfinished or wrong.
    pub multiparts_dropped: u64,
    /// Events sent.
    pub events_sent: u64,
    /// Events dropped since the link was not ready.
    pub events_not_ready: u64,
    /// Events of users who are not active in the CRM.
    pub events_not_wanted: u64,
    /// Links dropped since too much waited to be sent.
    pub queue_overflows: u64,
    /// Requests of the CRM that were refused, and methods to be run that were:
    /// too many of them waited.
    pub too_many: u64,
    /// Active users who were ignored: too many of them.
    pub users_ignored: u64,
    /// Results that came after their time-out and were accepted.
    pub late_accepted: u64,
    /// Results that came when nobody knew of their run any more.
    pub late_refused: u64,
}

/// How the link is; the default is that of a gateway without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CrmStatus {
    /// `mode` of the settings.
    pub mode: &'static str,
    /// `connecting`, `introducing`, `ready`, `waiting` (for the next try) or `off`.
    pub state: &'static str,
    /// What the CRM calls itself.
    pub name: Option<String>,
    /// Why the last link ended or could not be made.
    pub last_error: Option<String>,
    /// Dynamic methods that the CRM declared.
    pub methods: usize,
    /// Forms that the CRM declared.
    pub forms: usize,
    /// Users who are active in the CRM.
    pub active_users: usize,
    /// Dynamic methods that run or wait for the link.
    pub method_runs: usize,
    /// Bytes that wait to be sent.
    pub queue_bytes: usize,
    /// What happened so far.
    #[serde(flatten)]
    pub counters: CrmCounters,
}

impl Default for CrmStatus {
    fn default() -> Self {
        Self {
            mode: "off",
            state: "off",
            name: None,
            last_error: None,
            methods: 0,
            forms: 0,
            active_users: 0,
            method_runs: 0,
            queue_bytes: 0,
            counters: CrmCounters::default(),
        }
    }
}

/// The link to the one CRM.
///
/// Call any input, then [`CrmLink::poll_action`] and [`CrmLink::poll_event`]
/// until both give `None`, then ask [`CrmLink::next_timeout`].
#[derive(Debug)]
pub struct CrmLink {
    config: Arc<CrmConfig>,
    random: Random,
    stage: Stage,
    /// Of the last try to connect.
    connection_id: CrmConnectionId,
    backoff: Backoff,
    outbox: Outbox,
    peer_name: Option<String>,
    last_error: Option<String>,
    users: ActiveUsers,
    methods: Catalogue,
    forms: Catalogue,
    runs: Runs,
    asked: HashMap<CrmToken, Asked>,
    next_token: u64,
    assembler: Assembler,
    body: BodyReader,
    counters: CrmCounters,
    actions: VecDeque<CrmAction>,
    events: VecDeque<CrmEvent>,
}

impl CrmLink {
    /// A link that is about to be made: the first action is to connect.
    pub fn new(config: CrmConfig, random: Random, now: Instant) -> Self {
        let assembler = Assembler::new(config.limits.multipart);
        let mut link = Self {
            config: Arc::new(config),
            random,
            stage: Stage::Waiting { until: now },
            connection_id: CrmConnectionId::default(),
            backoff: Backoff::default(),
            outbox: Outbox::default(),
            peer_name: None,
            last_error: None,
            users: ActiveUsers::default(),
            methods: Catalogue::default(),
            forms: Catalogue::default(),
            runs: Runs::default(),
            asked: HashMap::new(),
            next_token: 0,
            assembler,
            body: BodyReader::new(),
            counters: CrmCounters::default(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
        };
        link.connect(now);
        link
    }

    /// Tells the CRM of an event: one that concerns a user, if that user is
    /// active in the CRM; one that concerns none, in any case.
    pub fn send_event(&mut self, event: &Arc<Event>, now: Instant) {
        if !self.is_ready() {
            self.counters.events_not_ready += 1;
            return;
        }
        let active = match &event.user {
            None => None,
            Some(user) => {
                let Some(active) = self.users.named(&user.login) else {
                    self.counters.events_not_wanted += 1;
                    return;
                };
                Some((active, user.id))
            }
        };
        let mut message = Vec::new();
        write_message(&mut message, event.what.kind().name(), |writer| {
            writer.guid("qid", event.qid);
            event.what.write(writer);
            if let Some((active, id)) = active {
                write_user(writer, active, id.0);
            }
        });
        self.outbox.event(&message, &mut self.random);
        self.counters.events_sent += 1;
        self.settle(now);
    }

    /// The methods that the CRM declared: the text of a JSON array.
    pub fn methods(&self) -> Arc<str> {
        Arc::clone(&self.methods.text)
    }

    /// The forms that the CRM declared: the text of a JSON array.
    pub fn forms(&self) -> Arc<str> {
        Arc::clone(&self.forms.text)
    }

    /// The login of the active user whom the CRM knows by this id (protocol 5-i).
    pub fn login_of(&self, crm_user_id: &str) -> Option<&str> {
        self.users.login_of(crm_user_id)
    }

    /// How the link is.
    pub fn status(&self) -> CrmStatus {
        CrmStatus {
            mode: socket::MODE,
            state: self.stage.name(),
            name: self.peer_name.clone(),
            last_error: self.last_error.clone(),
            methods: self.methods.len(),
            forms: self.forms.len(),
            active_users: self.users.len(),
            method_runs: self.runs.len(),
            queue_bytes: self.outbox.bytes(),
            counters: self.counters,
        }
    }

    /// The next thing to do with the connection.
    pub fn poll_action(&mut self) -> Option<CrmAction> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        self.outbox.take().map(CrmAction::Send)
    }

    /// The next thing to tell the hub.
    pub fn poll_event(&mut self) -> Option<CrmEvent> {
        self.events.pop_front()
    }

    /// Sends a message that is an answer or a request.
    fn send(&mut self, message: &[u8]) {
        self.outbox
            .message(message, &self.config.limits, &mut self.random);
    }

    /// Drops the link if too much waits to be sent.
    fn settle(&mut self, now: Instant) {
        if self.outbox.bytes() > self.config.limits.queue_bytes_max {
            self.counters.queue_overflows += 1;
            let reason = "the CRM reads too slowly: more than crm.queue_bytes_max waits to be sent";
            self.lose(reason, Some((CloseCode::Again, "too slow")), now);
        }
    }
}

/// `userid` and `userlogin` as the CRM knows the user (protocol 5).
fn write_user(writer: &mut JsonWriter<'_>, user: &ActiveUser, id: Guid) {
    match &user.crm_user_id {
        Some(id) => writer.raw("userid", id.as_bytes()),
        None => writer.guid("userid", id),
    }
    writer.string("userlogin", &user.login);
}

#[cfg(test)]
mod tests;
