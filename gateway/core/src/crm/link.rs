//! The life of the link: connecting, handshake, introduction, keep-alive, loss
//! and the next try (protocol 2, 3.5, 4).

use std::ops::ControlFlow;
use std::sync::Arc;

use super::socket::{Socket, SocketError};
use super::{CrmAction, CrmEvent, CrmLink};
use crate::base::{Guid, Instant};
use crate::protocol::{Assembler, FieldWriter as _, JsonWriter, write_message};
use crate::wire::frame::CloseCode;
use crate::wire::inbound::Incoming;

/// Where in its life the link is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Between two tries.
    Waiting { until: Instant },
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
    phase: Phase,
    /// `None` only while bytes are being taken.
    socket: Option<Socket>,
    /// When the CRM was heard last.
    heard: Instant,
    /// When it was pinged last.
    pinged: Instant,
    /// The `qid` of our `whoareyou`.
    pub(super) introduction: Guid,
    /// `sessionid` of the methods that run over it.
    pub(super) session: Guid,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Handshake { until: Instant },
    Introduction { until: Instant },
    Ready { since: Instant },
}

impl Stage {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
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
        if !matches!(self.stage, Stage::Connecting { .. }) {
            return;
        }
        let mut request = Vec::new();
        match Socket::start(&self.config, &mut self.random, &mut request) {
            Err(error) => self.lose(&error.to_string(), None, now),
            Ok(socket) => {
                self.stage = Stage::Connected(Box::new(Connection {
                    phase: Phase::Handshake {
                        until: now + self.config.limits.handshake_timeout,
                    },
                    socket: Some(socket),
                    heard: now,
                    pinged: now,
                    introduction: self.random.guid(),
                    session: self.random.guid(),
                }));
                self.outbox.plain(|out| out.append(&mut request));
            }
        }
    }

    /// The connection could not be made.
    pub(super) fn handle_connect_failed(&mut self, reason: &str, now: Instant) {
        if matches!(self.stage, Stage::Connecting { .. }) {
            // There is nothing to close.
            self.lose_silently(&format!("cannot connect: {reason}"), now);
        }
    }

    /// Bytes arrived; they are changed where they lie.
    pub(super) fn handle_bytes(&mut self, bytes: &mut [u8], now: Instant) {
        let Stage::Connected(connection) = &mut self.stage else {
            return;
        };
        connection.heard = now;
        let Some(mut socket) = connection.socket.take() else {
            return;
        };
        let config = Arc::clone(&self.config);
        let outcome = socket.receive(
            bytes,
            &config,
            self,
            |link| link.opened(now),
            |link, incoming| link.take_in(incoming, now),
        );
        // The link may have been lost on what arrived.
        if let Stage::Connected(connection) = &mut self.stage {
            connection.socket = Some(socket);
            if let Err(error) = outcome {
                self.break_off(&error, now);
            }
        }
        self.settle(now);
    }

    /// The CRM closed the connection, or it failed.
    pub(super) fn handle_closed(&mut self, reason: &str, now: Instant) {
        match self.stage {
            Stage::Connecting { .. } | Stage::Connected(_) => {
                self.lose_silently(&format!("the connection was closed: {reason}"), now);
            }
            Stage::Waiting { .. } | Stage::Off => {}
        }
    }

    /// Acts on every deadline that has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.handle_stage_timeout(now);
        self.counters.multiparts_dropped += self.assembler.expire(now) as u64;
        self.expire_runs(now);
        self.settle(now);
    }

    /// When to call [`CrmLink::handle_timeout`] next.
    pub fn next_timeout(&self) -> Option<Instant> {
        let limits = &self.config.limits;
        let stage = match &self.stage {
            Stage::Waiting { until } | Stage::Connecting { until } => Some(*until),
            Stage::Off => None,
            Stage::Connected(connection) => {
                let ping = connection.heard.max(connection.pinged) + limits.ping_after;
                let silence = connection.heard + limits.silence_max;
                match connection.phase {
                    Phase::Handshake { until } => Some(until),
                    Phase::Introduction { until } => Some(until.min(ping).min(silence)),
                    Phase::Ready { .. } => Some(ping.min(silence)),
                }
            }
        };
        let other = [self.assembler.next_expiry(), self.runs.next_deadline()];
        stage.into_iter().chain(other.into_iter().flatten()).min()
    }

    /// The gateway is going down: closes the link with 1001 and makes no other.
    pub fn shut_down(&mut self, now: Instant) {
        let reason = "the gateway is going down";
        self.lose(reason, Some((CloseCode::Away, reason)), now);
        if let Stage::Waiting { .. } = self.stage {
            self.stage = Stage::Off;
        }
        self.fail_all_runs();
    }

    /// Whether the introduction is over: events go out.
    pub fn is_ready(&self) -> bool {
        self.connection()
            .is_some_and(|it| matches!(it.phase, Phase::Ready { .. }))
    }

    pub(super) fn is_introducing(&self) -> bool {
        self.connection()
            .is_some_and(|it| matches!(it.phase, Phase::Introduction { .. }))
    }

    pub(super) fn connection(&self) -> Option<&Connection> {
        match &self.stage {
            Stage::Connected(connection) => Some(connection),
            Stage::Waiting { .. } | Stage::Connecting { .. } | Stage::Off => None,
        }
    }

    pub(super) fn connect(&mut self, now: Instant) {
        let until = now + self.config.limits.connect_timeout;
        self.stage = Stage::Connecting { until };
        self.connection_id.0 += 1;
        self.actions
            .push_back(CrmAction::Connect(self.connection_id));
    }

    /// The introduction is over: events may go out, and the CRM is asked what it
    /// can do and who is there (protocol 4).
    pub(super) fn end_introduction(&mut self, now: Instant) {
        let Stage::Connected(connection) = &mut self.stage else {
            return;
        };
        connection.phase = Phase::Ready { since: now };
        for name in ["getavailablemethods", "getavailableforms", "getactiveusers"] {
            self.request(name, |_| {});
        }
        self.events.push_back(CrmEvent::Ready);
        self.start_waiting_runs();
    }

    /// Sends a request with a fresh `qid`.
    pub(super) fn request(&mut self, name: &str, fields: impl FnOnce(&mut JsonWriter<'_>)) {
        let qid = self.random.guid();
        let mut message = Vec::new();
        write_message(&mut message, name, |writer| {
            writer.guid("qid", qid);
            fields(writer);
        });
        self.send(&message);
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
            self.actions.clear();
            self.actions.push_back(CrmAction::Close(last));
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
        let retry_in = self.backoff.pause(limits, &mut self.random);
        self.stage = Stage::Waiting {
            until: now + retry_in,
        };
        self.outbox = super::Outbox::default();
        self.assembler = Assembler::new(self.config.limits.multipart);
        self.asked.clear();
        self.peer_name = None;
        self.last_error = Some(reason.to_owned());
        self.events.push_back(CrmEvent::Lost {
            reason: reason.into(),
            was_ready,
            retry_in,
        });
        self.fail_sent_runs();
    }

    /// The handshake is over: introduces the gateway (protocol 4).
    fn opened(&mut self, now: Instant) {
        let wait = self.config.limits.introduction_wait;
        let Stage::Connected(connection) = &mut self.stage else {
            return;
        };
        connection.phase = Phase::Introduction { until: now + wait };
        let qid = connection.introduction;
        self.counters.connects += 1;
        let mut message = Vec::new();
        write_message(&mut message, "whoareyou", |writer| {
            writer.guid("qid", qid);
            self.write_identity(writer);
        });
        self.send(&message);
    }

    fn take_in(&mut self, incoming: Incoming<'_>, now: Instant) -> ControlFlow<()> {
        match incoming {
            Incoming::Text(text) => self.take_message(text, now),
            Incoming::Ping(payload) => self.outbox.pong(payload, &mut self.random),
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
            _ => ControlFlow::Break(()),
        }
    }

    fn break_off(&mut self, error: &SocketError, now: Instant) {
        self.counters.too_big += u64::from(matches!(error, SocketError::TooBig(_)));
        let reason = error.to_string();
        let close = error.close_code().map(|code| (code, reason.as_str()));
        self.lose(&reason, close, now);
    }

    fn handle_stage_timeout(&mut self, now: Instant) {
        let limits = &self.config.limits;
        match &mut self.stage {
            Stage::Waiting { until } if now >= *until => self.connect(now),
            Stage::Connecting { until } if now >= *until => {
                self.lose("cannot connect: it takes too long", None, now);
            }
            Stage::Connected(connection) => match connection.phase {
                Phase::Handshake { until } if now >= until => {
                    self.lose("the CRM does not answer the handshake", None, now);
                }
                Phase::Handshake { .. } => {}
                _ if now.since(connection.heard) >= limits.silence_max => {
                    let reason = "the CRM was silent for too long";
                    self.lose(
                        reason,
                        Some((CloseCode::Normal, "silent for too long")),
                        now,
                    );
                }
                phase => {
                    let quiet_since = connection.heard.max(connection.pinged);
                    if now.since(quiet_since) >= limits.ping_after {
                        connection.pinged = now;
                        self.outbox.ping(&mut self.random);
                    }
                    if matches!(phase, Phase::Introduction { until } if now >= until) {
                        self.end_introduction(now);
                    }
                }
            },
            Stage::Waiting { .. } | Stage::Connecting { .. } | Stage::Off => {}
        }
    }
}
