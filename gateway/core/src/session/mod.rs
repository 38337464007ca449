//! One link's rights, subscriptions and limits: what a message of it may do.
//!
//! In come the texts of a link's messages and the hub's answer to its login;
//! out go answers that need no shared state, and typed requests for the hub.
//! A session knows nothing of sockets, frames and other links, and decides
//! nothing that needs the users' shared state.

mod held;

use std::borrow::Cow;

use crate::base::{Instant, RateLimit, RateUse, Refused};
use crate::protocol::{
    Answer, BodyReader, ErrorNumber, EventSet, Fault, Format, LoginRequest, Method, Peek, UserRef,
    UserRequest, is_answer_name, json_text, parse_login, parse_subscription, peek,
    read_user_request, unknown_method, write_error, write_reply,
};
use held::Held;

/// What a session allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages a second, and a burst of them; `None` is no limit (protocol 9).
    pub messages: Option<RateLimit>,
    /// So many messages over the limit in a row, and the link is closed with 1008.
    pub refusals_max: u32,
    /// A link without a format is closed with 1008 after so many refusals
    /// (protocol 2.2).
    pub formatless_refusals_max: u32,
    /// Bytes of messages that may wait for the end of a login.
    pub held_bytes_max: usize,
}

impl Default for Limits {
    /// The defaults of protocol 9.
    fn default() -> Self {
        Self {
            messages: RateLimit::new(200, 400),
            refusals_max: 400,
            formatless_refusals_max: 10,
            held_bytes_max: 64 << 10,
        }
    }
}

/// One link after its handshake.
#[derive(Debug)]
pub struct Session {
    format: Option<Format>,
    standing: Standing,
    /// What the link subscribed to.
    pub subscriptions: EventSet,
    /// The version of the line that the link read last.
    pub line_read: u64,
    /// The version of the numbers' states that the link read last.
    pub numbers_read: u64,
    rate: RateUse,
    refusals: u32,
}

/// Who the link is.
#[derive(Debug)]
enum Standing {
    /// Nobody yet.
    Anonymous,
    /// The hub decides; what comes meanwhile is held.
    LoggingIn(Box<Held>),
    /// This user.
    User(UserRef),
}

/// What became of a message. Whatever was answered is in the `answer` buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is dealt with.
    Done,
    /// It is answered with an error, for this reason.
    Refused(Refused),
    /// The hub is to answer; the reply carries this `qid`.
    Ask {
        /// The method that the reply names.
        method: Method,
        /// The JSON text of `qid`; empty for none, then success is not answered.
        qid: Box<[u8]>,
        /// What is asked.
        what: Ask,
    },
    /// The link subscribed to more: what it missed since its last reads follows.
    Subscribed(EventSet),
    /// The link is no longer subscribed to these.
    Unsubscribed(EventSet),
    /// It is dealt with, and the link is to be closed.
    Close(Closing),
}

/// What the hub is asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// To log in.
    Login(Box<LoginRequest>),
    /// Something in the user's name.
    Request(UserRequest),
    /// To end the session.
    Logout,
}

/// Why a session closes its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closing {
    /// The link logged out: 1000.
    LoggedOut,
    /// A link without a format sent too many messages: 1008.
    NoFormat,
    /// Messages came faster than allowed for too long: 1008.
    TooMany,
}

impl Session {
    /// A link that has just been upgraded.
    pub const fn new(format: Option<Format>) -> Self {
        Self {
            format,
            standing: Standing::Anonymous,
            subscriptions: EventSet::EMPTY,
            line_read: 0,
            numbers_read: 0,
            rate: RateUse::new(),
            refusals: 0,
        }
    }

    /// The user that the link is logged in as.
    pub const fn user(&self) -> Option<&UserRef> {
        match &self.standing {
            Standing::User(user) => Some(user),
            _ => None,
        }
    }

    /// The format that the link chose.
    pub const fn format(&self) -> Option<Format> {
        self.format
    }

    /// Whether the link has not named a format.
    pub const fn is_formatless(&self) -> bool {
        self.format.is_none()
    }

    /// Whether the hub decides on a login now.
    pub const fn is_logging_in(&self) -> bool {
        matches!(self.standing, Standing::LoggingIn(_))
    }

    /// Deals with one message, given as JSON whatever the link's format; its answer,
    /// if it needs no hub, is appended to `answer` as JSON. The text is parsed in
    /// place and has no meaning afterwards.
    pub fn handle_text(
        &mut self,
        text: &mut [u8],
        limits: &Limits,
        body: &mut BodyReader,
        answer: &mut Vec<u8>,
        now: Instant,
    ) -> (Method, Outcome) {
        if !self.is_within(limits, now) {
            return (Method::Unknown, self.refuse_flood(text, limits, answer));
        }
        self.refusals = if self.format.is_none() {
            self.refusals
        } else {
            0
        };
        if self.format.is_none() {
            return (Method::Unknown, self.refuse_format(limits, answer));
        }
        let peeked = match peek(text) {
            Ok(peeked) => peeked,
            Err(error) => {
                write_error(answer, &error.fault(), error.name, error.qid);
                return (Method::Unknown, Outcome::Done);
            }
        };
        let method = Method::named(peeked.name);
        if let Some(outcome) = self.check(method, &peeked, limits, answer) {
            return (method, outcome);
        }
        let qid = peeked.qid.unwrap_or_default().into();
        let fields = peeked.fields_range;
        let outcome = self.dispatch(method, qid, &mut text[fields], body, answer);
        (method, outcome)
    }

    /// Deals with one message that could not even be made JSON of, for this fault;
    /// its name and the JSON text of its `qid` are given where they are known.
    pub fn handle_malformed(
        &mut self,
        fault: &Fault,
        (name, qid): (Option<&str>, Option<&[u8]>),
        limits: &Limits,
        answer: &mut Vec<u8>,
        now: Instant,
    ) -> (Method, Outcome) {
        if !self.is_within(limits, now) {
            write_error(answer, &too_fast(), name, qid);
            return (Method::Unknown, self.count_flood(limits));
        }
        self.refusals = 0;
        write_error(answer, fault, name, qid);
        (Method::Unknown, Outcome::Done)
    }

    /// The hub's word on the login: the user on success. Returns the messages
    /// that were held meanwhile, which are to be handled now, in order.
    pub fn logged_in(&mut self, user: Option<UserRef>) -> Vec<Box<[u8]>> {
        let standing = match user {
            Some(user) => Standing::User(user),
            None => Standing::Anonymous,
        };
        match std::mem::replace(&mut self.standing, standing) {
            Standing::LoggingIn(held) => held.into_messages(),
            _ => Vec::new(),
        }
    }

    /// What can be said of a message before its fields are read; `None` if it may
    /// go on.
    fn check(
        &mut self,
        method: Method,
        peeked: &Peek<'_>,
        limits: &Limits,
        answer: &mut Vec<u8>,
    ) -> Option<Outcome> {
        if method == Method::Ping {
            answer.extend_from_slice(b"[\"pong\",");
            answer.extend_from_slice(peeked.fields);
            answer.push(b']');
            return Some(Outcome::Done);
        }
        // protocol 3.4: never answer an answer. `iam` is noted and not answered. A user's
        // `methodresult` is a request all the same (protocol 6.7-e).
        let is_result = method == Method::MethodResult && self.user().is_some();
        if is_answer_name(peeked.name) && !is_result {
            return Some(Outcome::Done);
        }
        let mut outcome = Outcome::Done;
        let fault = match &mut self.standing {
            Standing::Anonymous if matches!(method, Method::Login | Method::Logout) => return None,
            Standing::Anonymous => {
                outcome = Outcome::Refused(Refused::NotLoggedIn);
                Fault::new(
                    ErrorNumber::NotLoggedIn,
                    "log in first: this link may only `ping`, `login` and `logout`",
                )
            }
            Standing::LoggingIn(held) => match held.keep(peeked, limits.held_bytes_max) {
                Ok(()) => return Some(outcome),
                Err(fault) => {
                    outcome = Outcome::Refused(Refused::HeldTooMuch);
                    fault
                }
            },
            Standing::User(_) if matches!(method, Method::Login | Method::Logout) => return None,
            Standing::User(user) if !is_own(user, peeked) => Fault::new(
                ErrorNumber::NotAllowed,
                "a tab acts only as the user that it logged in as",
            ),
            Standing::User(_) if method == Method::Unknown => unknown_method(peeked.name),
            Standing::User(_) => return None,
        };
        write_reply(answer, peeked.name, peeked.qid, &Err(fault));
        Some(outcome)
    }

    /// A message that may do what it says.
    fn dispatch(
        &mut self,
        method: Method,
        qid: Box<[u8]>,
        fields: &mut [u8],
        body: &mut BodyReader,
        answer: &mut Vec<u8>,
    ) -> Outcome {
        let ask = match method {
            Method::SubscribeEvent | Method::UnsubscribeEvent => {
                let named = body.read(fields, |body| parse_subscription(&body));
                let named = named
                    .and_then(|named| named)
                    .map(|events| self.subscribe(method, events));
                let (reply, outcome) = match named {
                    Ok(outcome) => (Ok(Answer::Done), outcome),
                    Err(fault) => (Err(fault), Outcome::Done),
                };
                write_reply(answer, method.name(), some(&qid), &reply);
                return outcome;
            }
            Method::Logout if self.user().is_none() => {
                write_reply(answer, method.name(), some(&qid), &Ok(Answer::Done));
                return Outcome::Close(Closing::LoggedOut);
            }
            Method::Logout => Ok(Ask::Logout),
            Method::Login => body
                .read(fields, |body| parse_login(&body))
                .and_then(|login| login)
                .map(|login| Ask::Login(Box::new(login))),
            method => read_user_request(method, fields, body).map(Ask::Request),
        };
        match ask {
            Ok(what) => {
                if matches!(what, Ask::Login(_)) {
                    self.standing = Standing::LoggingIn(Box::default());
                }
                Outcome::Ask { method, qid, what }
            }
            Err(fault) => {
                write_reply(answer, method.name(), some(&qid), &Err(fault));
                Outcome::Done
            }
        }
    }

    fn subscribe(&mut self, method: Method, events: EventSet) -> Outcome {
        if method == Method::UnsubscribeEvent {
            let removed = events.intersection(self.subscriptions);
            self.subscriptions = self.subscriptions.without(events);
            return Outcome::Unsubscribed(removed);
        }
        let added = events.without(self.subscriptions);
        self.subscriptions = self.subscriptions.union(events);
        Outcome::Subscribed(added)
    }

    /// Counts a message; whether it came no faster than allowed.
    fn is_within(&mut self, limits: &Limits, now: Instant) -> bool {
        limits
            .messages
            .is_none_or(|limit| self.rate.allows(limit, now))
    }

    fn refuse_flood(&mut self, text: &[u8], limits: &Limits, answer: &mut Vec<u8>) -> Outcome {
        let fault = too_fast();
        match peek(text) {
            Ok(peeked) if is_answer_name(peeked.name) => {}
            Ok(peeked) => write_reply(answer, peeked.name, peeked.qid, &Err(fault)),
            Err(error) => write_error(answer, &fault, error.name, error.qid),
        }
        self.count_flood(limits)
    }

    fn count_flood(&mut self, limits: &Limits) -> Outcome {
        self.refusals += 1;
        if self.refusals > limits.refusals_max {
            return Outcome::Close(Closing::TooMany);
        }
        Outcome::Refused(Refused::Throttled)
    }

    // protocol 2.2: every message on a link without a format is refused, in JSON.
    fn refuse_format(&mut self, limits: &Limits, answer: &mut Vec<u8>) -> Outcome {
        let fault = Fault::new(
            ErrorNumber::NotAllowed,
            "this link has no format: ask for the subprotocol `json` or `xml` in the handshake",
        );
        write_error(answer, &fault, None, None);
        self.refusals += 1;
        if self.refusals >= limits.formatless_refusals_max {
            return Outcome::Close(Closing::NoFormat);
        }
        Outcome::Done
    }
}

fn too_fast() -> Fault {
    Fault::new(
        ErrorNumber::TooMany,
        "messages come faster than this link may send them: slow down",
    )
}

/// Whether the user that a message names, if it names one, is the link's own.
fn is_own(user: &UserRef, peeked: &Peek<'_>) -> bool {
    let is_login = |login: Cow<'_, str>| login.is_empty() || user.is_called(&login);
    let is_id = |id: Cow<'_, str>| id.is_empty() || id.parse() == Ok(user.id.0);
    let login = peeked.user_login.and_then(json_text);
    let id = peeked.user_id.and_then(json_text);
    login.is_none_or(is_login) && id.is_none_or(is_id)
}

fn some(qid: &[u8]) -> Option<&[u8]> {
    (!qid.is_empty()).then_some(qid)
}
