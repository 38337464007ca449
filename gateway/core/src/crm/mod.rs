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
//! Under the same introduction, catalogues and runs lies one of three transports ([`Transport`]): a
//! WebSocket that the gateway opens (`socket`), one that the CRM opens (`door` lets it in), or
//! exchanges of HTTP (`posts`). Inside there is only JSON: XML is turned into it, and back, where
//! the text of a message comes in and goes out (`text`).
//!
//! Events are never kept for later: one that comes before the introduction is
//! over, or concerns a user who is not active in the CRM, is dropped and counted
//! ([`CrmCounters`]). The CRM asks for the state anew when the link is back. What
//! waits to be sent is bounded in bytes; beyond the bound the link is dropped and
//! made again.

mod backoff;
mod catalogue;
mod challenge;
mod config;
mod connection;
mod door;
mod forms;
mod introduction;
mod link;
mod messages;
mod outbox;
mod posts;
mod requests;
mod runs;
mod socket;
mod subscriptions;
mod text;
mod users;

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::base::{ExecutionId, Instant, Random};
use crate::protocol::{
    Assembler, BodyReader, Event, FieldWriter, Fields, JsonWriter, UserRef, UserRequest,
    write_message,
};
use crate::wire::credentials::{ClientCredentials, Tries};
use crate::wire::frame::CloseCode;
use crate::wire::upgrade::Format;
use backoff::Backoff;
use catalogue::Catalogue;
pub use config::{CrmConfig, Limits, Posting, Transport, WebSocketIn, WebSocketOut};
pub use connection::{
    Authorization, CrmAction, CrmConnectionId, CrmInput, CrmReport, Post, PostAnswer, PostFailure,
};
use door::Door;
pub use forms::{DeclaredMethod, FormFailure};
use link::Stage;
use outbox::{Framing, Outbox};
use posts::{Posts, Purpose};
use requests::Asked;
use runs::Runs;
pub use runs::{MethodFailure, MethodRun};
use subscriptions::Subscriptions;
pub use users::ActiveUser;
use users::ActiveUsers;

/// What the hub is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrmEvent {
    /// The introduction is over: events go out from now on.
    Ready {
        /// Who connected, if it was the CRM that did.
        peer: Option<Arc<str>>,
    },
    /// The link was lost or could not be made; it will be tried again.
    Lost {
        /// Why.
        reason: Arc<str>,
        /// It had been [`CrmEvent::Ready`].
        was_ready: bool,
        /// The next try comes after this time; `None` where the CRM restores its link.
        retry_in: Option<Duration>,
    },
    /// Somebody connected and was not let in.
    TurnedAway {
        /// Whence.
        peer: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
    /// An exchange gave nothing that can be used; the link goes on.
    ExchangeFailed {
        /// Why.
        reason: Arc<str>,
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
    /// Connections that were not let in.
    pub turned_away: u64,
    /// Those of them whose login or password was missing or wrong.
    pub unauthenticated: u64,
    /// Those of them that wanted the place of a link that lives.
    pub conflicts: u64,
    /// Messages that were posted.
    pub posts: u64,
    /// Exchanges that had no connection.
    pub posts_unreachable: u64,
    /// Exchanges whose answer did not come in time.
    pub posts_timed_out: u64,
    /// Exchanges whose answer broke off.
    pub posts_broken: u64,
    /// Exchanges that were refused for their credentials.
    pub posts_unauthorized: u64,
    /// Exchanges with another status than 200.
    pub posts_status: u64,
    /// Exchanges that were answered with a page of HTML.
    pub posts_html: u64,
    /// Exchanges that were answered with base64.
    pub posts_base64: u64,
    /// Exchanges for a method whose answer was empty, or held no result of it.
    pub posts_unanswered: u64,
    /// Requests in the answers to what was posted: they are ignored.
    pub requests_ignored: u64,
    /// Answers and requests that are longer than what may wait to be sent.
    pub too_long: u64,
    /// Messages that cannot be written in the link's format.
    pub unwritable: u64,
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
    /// `listening` (for a CRM), `connecting`, `introducing`, `ready`, `waiting` (for the next try) or
    /// `off`.
    pub state: &'static str,
    /// The format of messages, while there is a link.
    pub format: Option<&'static str>,
    /// Who connected, if it was the CRM that did.
    pub peer: Option<String>,
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
    /// Messages that are being posted.
    pub exchanges: usize,
    /// Connections of CRMs that are not let in, or not yet.
    pub candidates: usize,
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
            format: None,
            peer: None,
            name: None,
            last_error: None,
            methods: 0,
            forms: 0,
            active_users: 0,
            method_runs: 0,
            exchanges: 0,
            candidates: 0,
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
    /// Of the last try to connect, or of the connection that was let in last.
    connection_id: CrmConnectionId,
    /// Who connected.
    peer: Option<String>,
    backoff: Backoff,
    credentials: Option<ClientCredentials>,
    /// The same for what is posted, where something else may be asked for.
    posting_credentials: Option<ClientCredentials>,
    /// What was tried to get the present connection accepted, and what it was asked for.
    tries: Tries,
    authorization: Option<Authorization>,
    door: Door,
    outbox: Outbox,
    posts: Posts,
    peer_name: Option<String>,
    last_error: Option<String>,
    users: ActiveUsers,
    subscriptions: Subscriptions,
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
    /// A link that is about to be made: by the gateway, whose first action is to connect or to
    /// post, or by the CRM.
    pub fn new(config: CrmConfig, mut random: Random, now: Instant) -> Self {
        let door = Door::new(&config.transport, &mut random);
        let credentials = config.credentials.clone().map(ClientCredentials::new);
        let assembler = Assembler::new(config.limits.multipart);
        let mut link = Self {
            config: Arc::new(config),
            random,
            stage: Stage::Waiting { until: now },
            connection_id: CrmConnectionId::default(),
            peer: None,
            backoff: Backoff::default(),
            posting_credentials: credentials.clone(),
            credentials,
            tries: Tries::default(),
            authorization: None,
            door,
            outbox: Outbox::new(Framing::Client),
            posts: Posts::default(),
            peer_name: None,
            last_error: None,
            users: ActiveUsers::default(),
            subscriptions: Subscriptions::default(),
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
    /// active in the CRM or the CRM asked for it; one that concerns none, in any case.
    pub fn send_event(&mut self, event: &Arc<Event>, now: Instant) {
        if !self.is_ready() {
            self.counters.events_not_ready += 1;
            return;
        }
        if self.is_http() {
            // protocol 2.1: nothing is said about users there.
            self.counters.events_not_wanted += 1;
            return;
        }
        let kind = event.what.kind();
        let user = event.user.as_ref();
        let active = user.and_then(|user| self.users.named(&user.login));
        if let Some(user) = user
            && active.is_none()
            && !self.subscriptions.wants(&user.login, kind)
        {
            self.counters.events_not_wanted += 1;
            return;
        }
        let mut message = Vec::new();
        write_message(&mut message, kind.name(), |writer| {
            writer.guid("qid", event.qid);
            event.what.write(writer);
            if let Some(user) = user {
                write_user(writer, active, user);
            }
        });
        if let Some(text) = self.text_of(&message) {
            self.outbox.event(&text, &mut self.random);
            self.counters.events_sent += 1;
        }
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
            mode: self.config.mode,
            state: self.stage.name(),
            format: self.connection().map(|it| it.format.as_str()),
            peer: self.peer.clone(),
            name: self.peer_name.clone(),
            last_error: self.last_error.clone(),
            methods: self.methods.len(),
            forms: self.forms.len(),
            active_users: self.users.len(),
            method_runs: self.runs.len(),
            exchanges: self.posts.under_way(),
            candidates: self.door.len(),
            queue_bytes: self.outbox.bytes() + self.posts.bytes(),
            counters: self.counters,
        }
    }

    /// The next thing to do with the connection.
    pub fn poll_action(&mut self) -> Option<CrmAction> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        if let Some(bytes) = self.outbox.take() {
            return Some(CrmAction::Send(self.connection_id, bytes));
        }
        self.next_post()
    }

    /// The next thing to tell the hub.
    pub fn poll_event(&mut self) -> Option<CrmEvent> {
        self.events.pop_front()
    }

    /// Sends a message that is an answer or a request; `false` if it cannot be sent.
    fn send(&mut self, message: &[u8]) -> bool {
        self.send_for(Purpose::Other, message)
    }

    /// Sends a message, over HTTP as an exchange for this purpose; `false` if it cannot be sent.
    fn send_for(&mut self, purpose: Purpose, message: &[u8]) -> bool {
        let Some(text) = self.text_of(message) else {
            return false;
        };
        if self.is_http() {
            return self.post(purpose, text.into_owned());
        }
        self.send_text(&text)
    }

    /// Sends the text of a message over the connection; `false` if it is too long for that.
    fn send_text(&mut self, text: &[u8]) -> bool {
        let format = self.format();
        let (limits, random) = (&self.config.limits, &mut self.random);
        let is_sent = self.outbox.message(text, format, limits, random);
        self.counters.too_long += u64::from(!is_sent);
        is_sent
    }

    /// The format of messages.
    fn format(&self) -> Format {
        let connection = self.connection();
        connection.map_or(self.config.format, |it| it.format)
    }

    /// The text of a message in the link's format, unless it cannot be written in it.
    fn text_of<'a>(&mut self, message: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let text = text::written(message, self.format());
        self.counters.unwritable += u64::from(text.is_err());
        text.ok()
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

/// `userid` and `userlogin`: as the CRM knows the user who is active there (protocol 5),
/// else as the exchange does.
fn write_user(writer: &mut JsonWriter<'_>, active: Option<&ActiveUser>, user: &UserRef) {
    match active.and_then(|active| active.crm_user_id.as_ref()) {
        Some(id) => writer.raw("userid", id.as_bytes()),
        None => writer.guid("userid", user.id.0),
    }
    writer.string(
        "userlogin",
        active.map_or(&user.login, |active| &active.login),
    );
}

#[cfg(test)]
mod tests;
