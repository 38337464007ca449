//! The life of the link: connecting, handshake, introduction, keep-alive, loss
//! and the next try (protocol 2, 3.5, 4).

use std::ops::ControlFlow;
use std::sync::Arc;

use super::door::Admitted;
use super::outbox::{Framing, Outbox};
use super::posts::Purpose;
use super::socket::{Socket, SocketError};
use super::{Authorization, CrmAction, CrmConnectionId, CrmEvent, CrmLink, Transport};
use crate::base::{Guid, Instant};
use crate::protocol::{Assembler, FieldWriter as _, JsonWriter, write_message};
use crate::wire::credentials::Tries;
use crate::wire::frame::{CloseCode, Role};
use crate::wire::inbound::Incoming;
use crate::wire::upgrade::{Format, UpgradeError};

/// Where in its life the link is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Between two tries.
    Waiting { until: Instant },
    /// For a CRM that connects.
    Listening,
    /// A connection is being made.
    Connecting { until: Instant },
    /// There is a connection.
    Connected(Box<Connection>),
    /// The gateway is going down.
    Off,
}

/// What belongs to one connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) phase: Phase,
    /// The format of its messages.
    pub(super) format: Format,
    /// `None` over HTTP, and while bytes are being taken.
    socket: Option<Socket>,
    /// When the CRM was heard last.
    heard: Instant,
    /// When it was pinged last.
    pinged: Instant,
    /// The `qid` of our `whoareyou`.
    pub(super) introduction: Guid,
    /// `sessionid` of the methods that run over it.
    pub(super) session: Guid,
    /// Over HTTP: when to introduce the gateway again.
    pub(super) introduce_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Handshake {
        until: Instant,
    },
    /// Over HTTP the exchange's own end ends it.
    Introduction {
        until: Option<Instant>,
    },
    Ready {
        since: Instant,
    },
}

impl Stage {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Listening => "listening",
            Self::Connecting { .. } => "connecting",
            Self::Connected(connection) => match connection.phase {
                Phase::Handshake { .. } => "connecting",
                Phase::Introduction { .. } => "introducing",
                Phase::Ready { .. } => "ready",
            },
            Self::Off => "off",
        }
    }
}

impl CrmLink {
    /// The connection is made.
    pub(super) fn handle_connected(&mut self, now: Instant) {
        let Transport::WebSocketOut(out) = &self.config.transport else {
            return;
        };
        if !matches!(self.stage, Stage::Connecting { .. }) {
            return;
        }
        let mut request = Vec::new();
        let authorization = self.authorization.take().or_else(|| {
            let credentials = self.credentials.as_mut()?;
            let header = credentials.header(&mut self.tries, "GET", &out.path, &mut self.random);
            Some(Authorization::from(header))
        });
        let (format, version) = (self.config.format, out.version);
        let random = &mut self.random;
        match Socket::ask(out, format, authorization.as_deref(), random, &mut request) {
            Err(error) => self.lose(&error.to_string(), None, now),
            Ok(socket) => {
                let until = now + self.config.limits.handshake_timeout;
                self.outbox = Outbox::new(Framing::new(Role::Client, version));
                self.begin(Phase::Handshake { until }, format, Some(socket), now);
                self.outbox.plain(&mut request);
            }
        }
    }

    /// Makes a connection that a CRM opened the link.
    pub(super) fn adopt(&mut self, id: CrmConnectionId, mut admitted: Admitted, now: Instant) {
        self.connection_id = id;
        let socket = Socket::accepted(admitted.version, &self.config.limits);
        self.outbox = Outbox::new(Framing::new(Role::Server, admitted.version));
        let phase = Phase::Handshake { until: now };
        self.begin(phase, admitted.format, Some(socket), now);
        self.peer = Some(admitted.peer);
        self.outbox.plain(&mut admitted.response);
        self.opened(now);
        self.handle_bytes(admitted.early, now);
    }

    fn begin(&mut self, phase: Phase, format: Format, socket: Option<Socket>, now: Instant) {
        self.stage = Stage::Connected(Box::new(Connection {
            phase,
            format,
            socket,
            heard: now,
            pinged: now,
            introduction: self.random.guid(),
            session: self.random.guid(),
            introduce_at: None,
        }));
    }

    /// The connection could not be made.
    pub(super) fn handle_connect_failed(&mut self, reason: &str, now: Instant) {
        if matches!(self.stage, Stage::Connecting { .. }) {
            // There is nothing to close.
            self.lose_silently(&format!("cannot connect: {reason}"), now);
        }
    }

    /// Bytes arrived.
    pub(super) fn handle_bytes(&mut self, mut bytes: Vec<u8>, now: Instant) {
        let Stage::Connected(connection) = &mut self.stage else {
            return;
        };
        connection.heard = now;
        let Some(mut socket) = connection.socket.take() else {
            return;
        };
        let outcome = self.take_bytes(&mut socket, &mut bytes, now);
        // The link may have been lost on what arrived.
        if let Stage::Connected(connection) = &mut self.stage {
            connection.socket = Some(socket);
            if let Err(error) = outcome {
                self.break_off(error, now);
            }
        }
        self.settle(now);
    }

    fn take_bytes(
        &mut self,
        socket: &mut Socket,
        bytes: &mut Vec<u8>,
        now: Instant,
    ) -> Result<(), SocketError> {
        let config = Arc::clone(&self.config);
        if let Transport::WebSocketOut(out) = &config.transport
            && socket.shake_hands(bytes, out, &config.limits)?
        {
            self.opened(now);
        }
        socket.receive(bytes, |incoming| self.take_in(incoming, now))
    }

    /// The CRM closed the connection, or it failed.
    pub(super) fn handle_closed(&mut self, reason: &str, now: Instant) {
        match self.stage {
            Stage::Connecting { .. } | Stage::Connected(_) => {
                self.lose_silently(&format!("the connection was closed: {reason}"), now);
            }
            Stage::Waiting { .. } | Stage::Listening | Stage::Off => {}
        }
    }

    /// Acts on every deadline that has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.handle_stage_timeout(now);
        self.expire_candidates(now);
        self.counters.multiparts_dropped += self.assembler.expire(now) as u64;
        self.expire_runs(now);
        self.settle(now);
    }

    /// When to call [`CrmLink::handle_timeout`] next.
    pub fn next_timeout(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Waiting { until } | Stage::Connecting { until } => Some(*until),
            Stage::Listening | Stage::Off => None,
            Stage::Connected(connection) => self.next_connection_timeout(connection),
        };
        let other = [
            self.assembler.next_expiry(),
            self.runs.next_deadline(),
            self.door.next_timeout(),
        ];
        stage.into_iter().chain(other.into_iter().flatten()).min()
    }

    fn next_connection_timeout(&self, connection: &Connection) -> Option<Instant> {
        if self.is_http() {
            return connection.introduce_at;
        }
        let limits = &self.config.limits;
        let ping = connection.heard.max(connection.pinged) + limits.ping_after;
        let silence = connection.heard + limits.silence_max;
        let phase = match connection.phase {
            Phase::Handshake { until } => return Some(until),
            Phase::Introduction { until } => until,
            Phase::Ready { .. } => None,
        };
        [Some(ping), Some(silence), phase]
            .into_iter()
            .flatten()
            .min()
    }

    /// Closes the link with 1001 for this reason, and makes no other.
    pub fn shut_down(&mut self, reason: &str, now: Instant) {
        self.lose(reason, Some((CloseCode::Away, reason)), now);
        self.stage = Stage::Off;
        self.clear_door(reason);
        self.abandon_posts();
        self.fail_all_runs();
    }

    /// Whether the introduction is over: events go out.
    pub fn is_ready(&self) -> bool {
        self.connection()
            .is_some_and(|it| matches!(it.phase, Phase::Ready { .. }))
    }

    pub(super) fn connection(&self) -> Option<&Connection> {
        match &self.stage {
            Stage::Connected(connection) => Some(connection),
            Stage::Waiting { .. } | Stage::Connecting { .. } | Stage::Listening | Stage::Off => {
                None
            }
        }
    }

    pub(super) fn is_off(&self) -> bool {
        matches!(self.stage, Stage::Off)
    }

    pub(super) fn is_listening(&self) -> bool {
        matches!(self.stage, Stage::Listening)
    }

    /// Whether each message is an exchange of its own.
    pub(super) fn is_http(&self) -> bool {
        matches!(self.config.transport, Transport::Http)
    }

    /// Does the gateway's part for there to be a link.
    pub(super) fn connect(&mut self, now: Instant) {
        match self.config.transport {
            Transport::WebSocketIn(_) => {
                self.stage = Stage::Listening;
                return;
            }
            Transport::Http => {
                self.begin(
                    Phase::Introduction { until: None },
                    self.config.format,
                    None,
                    now,
                );
                return self.introduce();
            }
            Transport::WebSocketOut(_) => {}
        }
        let until = now + self.config.limits.connect_timeout;
        self.stage = Stage::Connecting { until };
        self.connection_id.0 += 1;
        self.actions
            .push_back(CrmAction::Connect(self.connection_id));
    }

    /// Asks the link to show that it lives.
    pub(super) fn ask_for_life(&mut self, now: Instant) {
        if let Stage::Connected(connection) = &mut self.stage {
            connection.pinged = now;
            self.ping(CONTEST);
        }
    }

    /// Version 0 has no pings of its own: there it is the message.
    fn ping(&mut self, payload: &[u8]) {
        if self.outbox.has_pings() {
            self.outbox.ping(payload, &mut self.random);
        } else {
            self.request(Purpose::Other, "ping", |_| {});
        }
    }

    /// Sends a request with a fresh `qid`.
    pub(super) fn request(
        &mut self,
        purpose: Purpose,
        name: &str,
        fields: impl FnOnce(&mut JsonWriter<'_>),
    ) {
        let qid = self.random.guid();
        let mut message = Vec::new();
        write_message(&mut message, name, |writer| {
            writer.guid("qid", qid);
            fields(writer);
        });
        self.send_for(purpose, &message);
    }

    /// Ends the link, with a close frame if there is a code, and plans the next try.
    pub(super) fn lose(&mut self, reason: &str, close: Option<(CloseCode, &str)>, now: Instant) {
        if matches!(self.stage, Stage::Connecting { .. } | Stage::Connected(_)) {
            let is_open = match &self.stage {
                Stage::Connected(it) => !matches!(it.phase, Phase::Handshake { .. }),
                _ => false,
            };
            let close = close.filter(|_| is_open);
            let limits = &self.config.limits;
            let last = self.outbox.end(close, limits, &mut self.random);
            // What was to be done with the connection is over with it.
            let id = self.connection_id;
            self.actions.retain(|action| !action.is_for(id));
            if !self.is_http() {
                self.actions.push_back(CrmAction::Close(id, last));
            }
            self.lose_silently(reason, now);
        }
    }

    /// The connection is gone: plans the next try.
    fn lose_silently(&mut self, reason: &str, now: Instant) {
        let limits = &self.config.limits;
        let phase = self.connection().map(|connection| connection.phase);
        let was_ready = matches!(phase, Some(Phase::Ready { .. }));
        match phase {
            Some(Phase::Ready { since }) => {
                self.counters.losses += 1;
                if now.since(since) >= limits.health {
                    self.backoff.reset();
                }
            }
            Some(Phase::Introduction { .. }) => self.counters.losses += 1,
            Some(Phase::Handshake { .. }) | None => {}
        }
        let retry_in = if matches!(self.config.transport, Transport::WebSocketIn(_)) {
            self.stage = Stage::Listening;
            self.hasten_contest(now);
            None
        } else {
            let pause = self.backoff.pause(limits, &mut self.random);
            self.stage = Stage::Waiting { until: now + pause };
            Some(pause)
        };
        self.outbox = Outbox::new(Framing::Client);
        self.tries = Tries::default();
        self.authorization = None; // protocol 2.2-q
        self.abandon_posts();
        self.assembler = Assembler::new(self.config.limits.multipart);
        self.asked.clear();
        self.subscriptions = super::Subscriptions::default();
        self.peer_name = None;
        self.peer = None;
        self.last_error = Some(reason.to_owned());
        self.events.push_back(CrmEvent::Lost {
            reason: reason.into(),
            was_ready,
            retry_in,
        });
        self.fail_sent_runs();
    }

    fn take_in(&mut self, incoming: Incoming<'_>, now: Instant) -> ControlFlow<()> {
        match incoming {
            Incoming::Text(text) => self.take_message(text, now),
            Incoming::Ping(payload) => self.outbox.pong(payload, &mut self.random),
            Incoming::Pong(CONTEST) => self.end_contest(),
            // Binary messages are refused before they get here.
            Incoming::Pong(_) | Incoming::Binary(_) => {}
            Incoming::Close { code, reason } => {
                let number = code.map_or(1005, u16::from);
                let words = format!("the CRM closed the link with {number} {reason}");
                let code = code.unwrap_or(CloseCode::Normal);
                self.lose(words.trim_end(), Some((code, "")), now);
            }
        }
        // Each message's answers count, lest one batch fills the memory.
        self.settle(now);
        match self.stage {
            Stage::Connected(_) => ControlFlow::Continue(()),
            Stage::Waiting { .. } | Stage::Connecting { .. } | Stage::Listening | Stage::Off => {
                ControlFlow::Break(())
            }
        }
    }

    fn break_off(&mut self, error: SocketError, now: Instant) {
        self.counters.too_big += u64::from(matches!(error, SocketError::TooBig(_)));
        let error = match error {
            SocketError::Upgrade(UpgradeError::Unauthorized { challenges }) => {
                match self.answer_upgrade(&challenges) {
                    Ok(()) => return self.connect_again(now),
                    Err(error) => error,
                }
            }
            error => error,
        };
        let reason = error.to_string();
        let close = error.close_code().map(|code| (code, reason.as_str()));
        self.lose(&reason, close, now);
    }

    fn handle_stage_timeout(&mut self, now: Instant) {
        match &self.stage {
            Stage::Waiting { until } if now >= *until => self.connect(now),
            Stage::Connecting { until } if now >= *until => {
                self.lose("cannot connect: it takes too long", None, now);
            }
            Stage::Connected(connection) if self.is_http() => {
                if connection.introduce_at.is_some_and(|at| at <= now) {
                    self.introduce_again(now);
                }
            }
            Stage::Connected(connection) => {
                let phase = connection.phase;
                self.handle_connection_timeout(phase, now);
            }
            Stage::Waiting { .. } | Stage::Connecting { .. } | Stage::Listening | Stage::Off => {}
        }
    }

    fn handle_connection_timeout(&mut self, phase: Phase, now: Instant) {
        let Stage::Connected(connection) = &mut self.stage else {
            return;
        };
        let limits = &self.config.limits;
        match phase {
            Phase::Handshake { until } if now >= until => {
                return self.lose("the CRM does not answer the handshake", None, now);
            }
            Phase::Handshake { .. } => return,
            Phase::Introduction { .. } | Phase::Ready { .. } => {}
        }
        if now.since(connection.heard) >= limits.silence_max {
            let close = Some((CloseCode::Normal, "silent for too long"));
            return self.lose("the CRM was silent for too long", close, now);
        }
        let quiet_since = connection.heard.max(connection.pinged);
        if now.since(quiet_since) >= limits.ping_after {
            connection.pinged = now;
            self.ping(&[]);
        }
        if matches!(phase, Phase::Introduction { until: Some(until) } if now >= until) {
            self.end_introduction(now);
        }
    }
}

/// The payload of the ping that a link must answer to keep its place.
const CONTEST: &[u8] = b"another CRM wants this place";
