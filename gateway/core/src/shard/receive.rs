//! What links send: frames to messages, messages to answers or requests.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::line::{Asking, is_for_list};
use super::link::{Open, Stage};
#[cfg(test)]
use super::tests;
use super::{Refused, Shard, Waiting};
use crate::base::{LinkId, RequestId, UserId};
use crate::hub::Upward;
use crate::protocol::{EventKind, EventSet, Format, Method, UserRequest};
use crate::session::{Ask, Closing, Outcome, Session};
use crate::wire::frame::{CloseCode, FrameError, append_pong};
use crate::wire::inbound::Incoming;

impl Shard {
    /// Takes what a link sent. A panic costs this link: what it was in the middle of
    /// is gone with it, and no other link notices.
    pub(super) fn handle_bytes(&mut self, id: LinkId, bytes: &mut [u8]) {
        let handling = AssertUnwindSafe(|| self.handle_bytes_of(id, bytes));
        if catch_unwind(handling).is_err() {
            self.refuse(id, Refused::Panicked);
            self.cut(id);
        }
    }

    fn handle_bytes_of(&mut self, id: LinkId, bytes: &mut [u8]) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.heard = self.now;
        match link.stage {
            Stage::Handshake(_) => self.handle_handshake(id, bytes),
            Stage::Open | Stage::Closing { .. } => self.handle_frames(id, bytes),
        }
    }

    pub(super) fn handle_frames(&mut self, id: LinkId, bytes: &mut [u8]) {
        let fault = self.with_open(id, |shard, open| {
            let Open {
                inbound, session, ..
            } = open;
            let received = inbound.receive(bytes, |incoming| {
                shard.handle_incoming(id, session, incoming);
                ControlFlow::Continue(())
            });
            received.err()
        });
        if let Some(Some(fault)) = fault {
            self.handle_violation(id, fault);
        }
    }

    /// Takes the open half out of the table while `act` works with it and the
    /// shard, and puts it back if the link is still there.
    pub(super) fn with_open<T>(
        &mut self,
        id: LinkId,
        act: impl FnOnce(&mut Self, &mut Open) -> T,
    ) -> Option<T> {
        let mut open = self.links.get_mut(id)?.open.take()?;
        let result = act(self, &mut open);
        if let Some(link) = self.links.get_mut(id) {
            link.open = Some(open);
        }
        Some(result)
    }

    fn handle_incoming(&mut self, id: LinkId, session: &mut Session, incoming: Incoming<'_>) {
        let stage = self.links.get_mut(id).map(|link| &link.stage);
        let is_open = matches!(stage, Some(Stage::Open));
        match incoming {
            Incoming::Text(text) if is_open => match session.format() {
                Some(Format::Xml) => self.handle_document(id, session, text),
                _ => self.handle_text(id, session, text),
            },
            Incoming::Ping(payload) if is_open => {
                self.write(id, |out| append_pong(out, payload, None));
            }
            Incoming::Close { code, .. } => self.answer_close(id, code),
            Incoming::Text(_) | Incoming::Binary(_) | Incoming::Ping(_) | Incoming::Pong(_) => {}
        }
    }

    /// Deals with one message of a link, given as JSON.
    pub(super) fn handle_text(&mut self, id: LinkId, session: &mut Session, text: &mut [u8]) {
        #[cfg(test)]
        assert!(text != tests::PANIC, "as the test wishes");
        self.answer.clear();
        let answered = session.handle_text(
            text,
            &self.config.limits.session,
            &mut self.body,
            &mut self.answer,
            self.now,
        );
        self.conclude(id, session, answered);
    }

    /// Does what follows from a message whose answer, if there is one, is in the
    /// answer buffer.
    pub(super) fn conclude(
        &mut self,
        id: LinkId,
        session: &mut Session,
        (method, outcome): (Method, Outcome),
    ) {
        self.counters.messages[method.index()] += 1;
        self.send_answer(id, session.format());
        match outcome {
            Outcome::Done => {}
            Outcome::Refused(reason) => self.refuse(id, reason),
            Outcome::Ask { method, qid, what } => self.ask(id, session, method, qid, what),
            Outcome::Subscribed(added) => self.catch_up(id, session, added),
            Outcome::Unsubscribed(removed) => self.tell_listens(id, session, removed),
            Outcome::Close(Closing::LoggedOut) => {
                self.close(id, CloseCode::Normal, "logged out", None);
            }
            Outcome::Close(Closing::NoFormat) => {
                let reason = "no format: ask for the subprotocol json or xml";
                self.close(id, CloseCode::Policy, reason, Some(Refused::Formatless));
            }
            Outcome::Close(Closing::TooMany) => {
                let reason = "messages came too fast";
                self.close(id, CloseCode::Policy, reason, Some(Refused::TooFast));
            }
        }
    }

    fn ask(&mut self, id: LinkId, session: &Session, method: Method, qid: Box<[u8]>, what: Ask) {
        let waiting = Waiting {
            link: id,
            method,
            qid,
        };
        match (what, session.user()) {
            (Ask::Login(login), _) => {
                let request = self.await_reply(waiting);
                self.post(id, Upward::Login { request, login });
            }
            (Ask::Logout, _) => {
                self.let_out_of_line(id);
                let request = self.await_reply(waiting);
                self.post(id, Upward::Logout { request });
            }
            (Ask::Request(what), Some(user)) => {
                let user = user.id;
                if is_for_list(method) {
                    self.ask_in_turn(Asking {
                        waiting,
                        user,
                        what,
                    });
                } else {
                    self.ask_user_request(waiting, user, what);
                }
            }
            (Ask::Request(_), None) => unreachable!("a session asks in a user's name only"),
        }
    }

    /// Asks the hub in a user's name.
    pub(super) fn ask_user_request(
        &mut self,
        waiting: Waiting,
        user: UserId,
        what: UserRequest,
    ) -> RequestId {
        let link = waiting.link;
        let request = self.await_reply(waiting);
        self.post(
            link,
            Upward::Request {
                request,
                user,
                what,
            },
        );
        request
    }

    /// The hub is asked something on behalf of a link.
    fn await_reply(&mut self, waiting: Waiting) -> RequestId {
        if let Some(link) = self.links.get_mut(waiting.link) {
            link.known_to_hub = true;
        }
        let key = self.waiting.insert(waiting);
        RequestId(u32::try_from(key).expect("far fewer than 2^32 requests wait"))
    }

    /// protocol 6.1: what changed since the link's last reads follows at once.
    fn catch_up(&mut self, id: LinkId, session: &mut Session, added: EventSet) {
        if added.contains(EventKind::LineStateChanged) {
            self.catch_up_line(id, session);
        }
        if added.contains(EventKind::NumberStateChanged) {
            self.catch_up_numbers(id, session);
        }
        self.tell_listens(id, session, added);
    }

    /// protocol 6.7-g and 8: the hub keeps some events for users none of whose links is
    /// subscribed to them, tells others to links one by one, and so has to know which
    /// are subscribed.
    pub(super) fn tell_listens(&mut self, id: LinkId, session: &Session, changed: EventSet) {
        if changed.intersection(EventSet::WATCHED).is_empty() {
            return;
        }
        if let Some(user) = session.user().map(|user| user.id) {
            let events = session.subscriptions.intersection(EventSet::WATCHED);
            self.post(id, Upward::Listens { user, events });
        }
    }

    fn handle_violation(&mut self, id: LinkId, fault: FrameError) {
        let refused = match fault {
            FrameError::FrameTooLong => Refused::FrameTooBig,
            FrameError::MessageTooLong => Refused::MessageTooBig,
            FrameError::BinaryRefused => Refused::Binary,
            FrameError::Utf8 => Refused::NotUtf8,
            _ => Refused::Protocol,
        };
        self.close(id, fault.close_code(), &fault.to_string(), Some(refused));
        self.close_after_sending(id);
    }
}
