//! Who is let in: connections that CRMs open, until one of them is the link (protocol 2-i, 2-j,
//! 2.2).
//!
//! In come the bytes of each connection and the time; out go answers and, of at most one
//! connection at a time, its upgrade. A second CRM that may come in waits until the link has shown
//! that it lives, or has not. One that asks for no format is told so, and never becomes the link.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::outbox::{Framing, Outbox};
use super::{CrmAction, CrmConnectionId, CrmEvent, CrmInput, CrmLink, Limits, Transport};
use crate::base::{Instant, Random};
use crate::protocol::{ErrorNumber, Fault, peek, write_error};
use crate::wire::credentials::Authenticator;
use crate::wire::frame::{
    self, Binary, CloseCode, Role, append_close, append_own_text, append_pong,
};
use crate::wire::head::RequestHead;
use crate::wire::inbound::{Inbound, Incoming};
use crate::wire::upgrade::{Format, Policy, Version, accept};

/// Those who want in.
#[derive(Debug)]
pub(super) struct Door {
    /// `None` where nobody connects.
    authenticator: Option<Authenticator>,
    policy: Policy<'static>,
    candidates: BTreeMap<CrmConnectionId, Candidate>,
    /// Until when the link must have shown that it lives.
    contest: Option<Instant>,
}

/// A connection that is not the link.
#[derive(Debug)]
struct Candidate {
    peer: String,
    /// It is closed then.
    until: Instant,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The head of its request so far.
    Head(Vec<u8>),
    /// It may come in as soon as the link's place is free.
    Waiting(Admitted),
    /// It asked for no format.
    Formatless(Box<Formatless>),
}

/// A connection whose messages are all refused.
#[derive(Debug)]
struct Formatless {
    inbound: Inbound,
    refused: u32,
    outbox: Outbox,
}

/// Somebody who may come in.
#[derive(Debug)]
pub(super) struct Admitted {
    /// The answer that grants the upgrade.
    pub(super) response: Vec<u8>,
    /// What the CRM sent behind its request.
    pub(super) early: Vec<u8>,
    pub(super) version: Version,
    pub(super) format: Format,
    pub(super) peer: String,
}

/// What the bytes of a request amount to.
enum Verdict {
    Unfinished,
    Admitted {
        response: Vec<u8>,
        version: Version,
        format: Option<Format>,
        consumed: usize,
    },
    Refused {
        response: Vec<u8>,
        reason: String,
    },
}

impl Door {
    pub(super) fn new(transport: &Transport, random: &mut Random) -> Self {
        let mut policy = Policy::default();
        let authenticator = match transport {
            Transport::WebSocketIn(door) => {
                policy.allow_hixie = door.allow_hixie;
                policy.is_tls = door.is_tls;
                let login = door.login.clone();
                let asks = Authenticator::new(door.scheme, REALM, login, random);
                Some(asks.with_lifetime(door.nonce_lifetime))
            }
            Transport::WebSocketOut(_) | Transport::Http => None,
        };
        Self {
            authenticator,
            policy,
            candidates: BTreeMap::new(),
            contest: None,
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let decided = self.candidates.values();
        let decided = decided.filter(|it| !matches!(it.stage, Stage::Waiting(_)));
        let candidates = decided.map(|it| it.until);
        candidates.chain(self.contest).min()
    }

    /// Connections that are not the link.
    pub(super) fn len(&self) -> usize {
        self.candidates.len()
    }

    fn stage(&mut self, id: CrmConnectionId) -> Option<&mut Stage> {
        Some(&mut self.candidates.get_mut(&id)?.stage)
    }

    /// The newest who waits for the link's place.
    fn newest_waiting(&self) -> Option<CrmConnectionId> {
        let is_waiting = |it: &&Candidate| matches!(it.stage, Stage::Waiting(_));
        let newest = self.candidates.iter().rev();
        newest
            .filter(|(_, it)| is_waiting(it))
            .map(|(id, _)| *id)
            .next()
    }
}

impl CrmLink {
    /// Somebody connected.
    pub(super) fn handle_accepted(&mut self, id: CrmConnectionId, peer: String, now: Instant) {
        let limits = &self.config.limits;
        let is_open = matches!(self.config.transport, Transport::WebSocketIn(_));
        if !is_open || self.is_off() || self.door.candidates.len() >= limits.candidates_max {
            let text = "too many connections, or the gateway is going down";
            return self.turn_away(id, &peer, text, refusal(503, text));
        }
        let candidate = Candidate {
            peer,
            until: now + limits.handshake_timeout,
            stage: Stage::Head(Vec::new()),
        };
        self.door.candidates.insert(id, candidate);
    }

    /// Something happened to a connection that is not the link.
    pub(super) fn handle_candidate(&mut self, id: CrmConnectionId, what: CrmInput, now: Instant) {
        match what {
            CrmInput::Bytes(mut bytes) => self.take_candidate_bytes(id, &mut bytes, now),
            CrmInput::Closed(_) => {
                self.door.candidates.remove(&id);
            }
            CrmInput::Sent => {
                if let Some(Stage::Formatless(it)) = self.door.stage(id) {
                    it.outbox.sent();
                }
                self.send_to_formatless(id);
            }
            // Late news of a connection that is over.
            _ => {}
        }
    }

    fn take_candidate_bytes(&mut self, id: CrmConnectionId, bytes: &mut [u8], now: Instant) {
        let limits = &self.config.limits;
        let Some(candidate) = self.door.candidates.get_mut(&id) else {
            return;
        };
        match &mut candidate.stage {
            Stage::Waiting(admitted) => {
                // It was not answered yet, and has little to say before that.
                if admitted.early.len() + bytes.len() > limits.head.bytes_max {
                    self.drop_candidate(id, "it talks before it is let in", Vec::new());
                } else {
                    admitted.early.extend_from_slice(bytes);
                }
            }
            Stage::Formatless(it) => {
                let (mut answer, mut is_over) =
                    refuse_messages(&mut it.inbound, &mut it.refused, bytes, limits);
                it.outbox.frames(&mut answer);
                if it.outbox.bytes() > FORMATLESS_BYTES_MAX as usize {
                    // Pings are not counted; who reads no answers has none to come.
                    is_over = true;
                }
                if is_over {
                    let last = it.outbox.end(None, limits, &mut self.random);
                    let reason = "it asked for no format: the subprotocol must say json or xml";
                    self.drop_candidate(id, reason, last);
                } else {
                    self.send_to_formatless(id);
                }
            }
            Stage::Head(received) => {
                received.extend_from_slice(bytes);
                let received = std::mem::take(received);
                self.judge(id, received, now);
            }
        }
    }

    fn judge(&mut self, id: CrmConnectionId, received: Vec<u8>, now: Instant) {
        let verdict = self.read_request(&received, now);
        let limits = &self.config.limits;
        let Some(candidate) = self.door.candidates.get_mut(&id) else {
            return;
        };
        match verdict {
            Verdict::Unfinished => candidate.stage = Stage::Head(received),
            Verdict::Refused { response, reason } => self.drop_candidate(id, &reason, response),
            Verdict::Admitted {
                response,
                version,
                format: None,
                consumed,
            } => {
                if version == Version::V0 {
                    // It has no codes that could say why.
                    return self.drop_candidate(id, NO_FORMAT, refusal(400, NO_FORMAT));
                }
                candidate.until = now + limits.formatless;
                let mut outbox = Outbox::new(Framing::Server);
                let mut response = response;
                outbox.plain(&mut response);
                candidate.stage = Stage::Formatless(Box::new(Formatless {
                    inbound: inbound(limits),
                    refused: 0,
                    outbox,
                }));
                let mut early = received;
                self.take_candidate_bytes(id, &mut early[consumed..], now);
            }
            Verdict::Admitted {
                response,
                version,
                format: Some(format),
                consumed,
            } => {
                let admitted = Admitted {
                    response,
                    version,
                    early: received[consumed..].to_vec(),
                    format,
                    peer: candidate.peer.clone(),
                };
                self.let_in_or_contest(id, admitted, now);
            }
        }
    }

    /// Sends what waits, one send at a time.
    fn send_to_formatless(&mut self, id: CrmConnectionId) {
        if let Some(Stage::Formatless(it)) = self.door.stage(id)
            && let Some(bytes) = it.outbox.take()
        {
            self.actions.push_back(CrmAction::Send(id, bytes));
        }
    }

    fn read_request(&mut self, received: &[u8], now: Instant) -> Verdict {
        let mut response = Vec::new();
        let head = match RequestHead::parse(received, &self.config.limits.head) {
            Ok(Some(head)) => head,
            Ok(None) => return Verdict::Unfinished,
            Err(error) => {
                error.write_response(&mut response);
                let reason = error.to_string();
                return Verdict::Refused { response, reason };
            }
        };
        match accept(&head, &self.door.policy) {
            Ok(upgrade) if !upgrade.is_complete() => Verdict::Unfinished,
            Ok(upgrade) => {
                // Two of these headers are none that can be right.
                let said = head.headers.single("authorization").unwrap_or(Some(""));
                if let Some(authenticator) = &mut self.door.authenticator
                    && let Err(denied) =
                        authenticator.check(head.method, head.target, said, now, &mut self.random)
                {
                    self.counters.unauthenticated += 1;
                    denied.write_response(&mut response);
                    let reason = denied.reason.to_string();
                    return Verdict::Refused { response, reason };
                }
                upgrade.write_response(&mut response);
                Verdict::Admitted {
                    response,
                    version: upgrade.version,
                    format: upgrade.format,
                    consumed: head.consumed() + upgrade.body_bytes(),
                }
            }
            Err(refusal) => {
                refusal.write_response(&mut response);
                let reason = refusal.to_string();
                Verdict::Refused { response, reason }
            }
        }
    }

    /// protocol 2-j: with a link in place, that one is asked first whether it lives.
    fn let_in_or_contest(&mut self, id: CrmConnectionId, admitted: Admitted, now: Instant) {
        let Some(candidate) = self.door.candidates.get_mut(&id) else {
            return;
        };
        candidate.stage = Stage::Waiting(admitted);
        if self.connection().is_none() {
            return self.fill_place(now);
        }
        let is_asked = self.door.contest.is_some();
        self.door
            .contest
            .get_or_insert(now + self.config.limits.contest);
        if !is_asked {
            self.ask_for_life(now);
        }
    }

    /// The link is lost: who waits for its place need not wait for the end of the contest.
    pub(super) fn hasten_contest(&mut self, now: Instant) {
        if let Some(until) = &mut self.door.contest {
            *until = now;
        }
    }

    /// The link has shown that it lives: who wants its place is refused.
    pub(super) fn end_contest(&mut self) {
        if self.door.contest.take().is_none() {
            return;
        }
        while let Some(id) = self.door.newest_waiting() {
            self.counters.conflicts += 1;
            let text = "another CRM is linked, and its link is alive: there is one CRM at a time";
            self.drop_candidate(id, text, refusal(409, text));
        }
    }

    /// The link's place is free: the newest who waits for it gets it.
    pub(super) fn fill_place(&mut self, now: Instant) {
        self.door.contest = None;
        let Some(id) = self.door.newest_waiting() else {
            return;
        };
        if let Some(candidate) = self.door.candidates.remove(&id)
            && let Stage::Waiting(admitted) = candidate.stage
        {
            self.adopt(id, admitted, now);
        }
        while let Some(id) = self.door.newest_waiting() {
            self.counters.conflicts += 1;
            let text = "another CRM was let in at the same moment";
            self.drop_candidate(id, text, refusal(409, text));
        }
    }

    pub(super) fn expire_candidates(&mut self, now: Instant) {
        if self.door.contest.is_some_and(|until| until <= now) {
            let reason = "another CRM wants the link, and this one does not answer a ping";
            self.lose(reason, Some((CloseCode::Normal, "replaced")), now);
            self.fill_place(now);
        }
        let expired = self.door.candidates.iter();
        // Those who wait are decided on by the contest's end.
        let is_waiting = |it: &Candidate| matches!(it.stage, Stage::Waiting(_));
        let expired = expired.filter(|(_, it)| it.until <= now && !is_waiting(it));
        for id in expired.map(|(id, _)| *id).collect::<Vec<_>>() {
            let refusal = || refusal(408, "the request did not come in time");
            let last = self.last_words(id, CloseCode::Policy, NO_FORMAT, refusal);
            self.drop_candidate(id, "it took too long", last);
        }
    }

    /// Everybody who is not the link is sent away.
    pub(super) fn clear_door(&mut self, reason: &str) {
        self.door.contest = None;
        while let Some(id) = self.door.candidates.keys().next().copied() {
            let last = self.last_words(id, CloseCode::Away, reason, || refusal(503, reason));
            self.drop_candidate(id, reason, last);
        }
    }

    /// What a candidate hears last: a refusal, or a close frame if it has been upgraded already.
    fn last_words(
        &mut self,
        id: CrmConnectionId,
        code: CloseCode,
        reason: &str,
        refusal: impl FnOnce() -> Vec<u8>,
    ) -> Vec<u8> {
        let (limits, random) = (&self.config.limits, &mut self.random);
        match self.door.candidates.get_mut(&id).map(|it| &mut it.stage) {
            Some(Stage::Formatless(it)) => it.outbox.end(Some((code, reason)), limits, random),
            _ => refusal(),
        }
    }

    fn drop_candidate(&mut self, id: CrmConnectionId, reason: &str, last: Vec<u8>) {
        if let Some(candidate) = self.door.candidates.remove(&id) {
            self.turn_away(id, &candidate.peer, reason, last);
        }
    }

    fn turn_away(&mut self, id: CrmConnectionId, peer: &str, reason: &str, last: Vec<u8>) {
        self.counters.turned_away += 1;
        self.actions.push_back(CrmAction::Close(id, last));
        self.events.push_back(CrmEvent::TurnedAway {
            peer: peer.into(),
            reason: reason.into(),
        });
    }
}

/// Answers each message with an error (protocol 2.2-g); `true` when there were enough of them, or
/// the connection is over.
fn refuse_messages(
    inbound: &mut Inbound,
    refused: &mut u32,
    bytes: &mut [u8],
    limits: &Limits,
) -> (Vec<u8>, bool) {
    let mut answer = Vec::new();
    let received = inbound.receive(bytes, |incoming| {
        match incoming {
            Incoming::Text(text) => {
                *refused += 1;
                append_own_text(&mut answer, &formatless_error(text), None);
            }
            Incoming::Ping(payload) => append_pong(&mut answer, payload, None),
            Incoming::Pong(_) | Incoming::Binary(_) => {}
            Incoming::Close { code, .. } => {
                append_close(&mut answer, code, "", None);
                return ControlFlow::Break(());
            }
        }
        if *refused >= limits.formatless_refusals_max {
            append_close(&mut answer, Some(CloseCode::Policy), NO_FORMAT, None);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = &received {
        append_close(
            &mut answer,
            Some(error.close_code()),
            &error.to_string(),
            None,
        );
    }
    let is_over = received.is_err() || inbound.is_finished();
    (answer, is_over)
}

fn formatless_error(text: &[u8]) -> Vec<u8> {
    let fault = Fault::new(ErrorNumber::Malformed, NO_FORMAT);
    let mut message = Vec::new();
    match peek(text) {
        Ok(peek) => write_error(&mut message, &fault, Some(peek.name), peek.qid),
        Err(_) => write_error(&mut message, &fault, None, None),
    }
    message
}

fn inbound(limits: &Limits) -> Inbound {
    let limits = frame::Limits {
        frame_bytes_max: limits.message_bytes_max.min(FORMATLESS_BYTES_MAX),
        message_bytes_max: limits.message_bytes_max.min(FORMATLESS_BYTES_MAX),
    };
    Inbound::new(Role::Server, limits, Binary::Refuse)
}

fn refusal(status: u16, text: &str) -> Vec<u8> {
    let mut response = Vec::new();
    let answer = crate::wire::answer::Answer {
        status,
        headers: &[],
        body: text,
        without_body: false,
    };
    answer.write(&mut response);
    response
}

/// What a CRM is asked the login for.
const REALM: &str = "okgate";

const NO_FORMAT: &str = "no format: ask for the subprotocol json or xml";

/// A message that is refused anyway need not be long.
const FORMATLESS_BYTES_MAX: u32 = 64 << 10;
