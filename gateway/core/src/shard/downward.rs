//! What the hub says to links: answers and events.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::line::is_for_list;
use super::link::Open;
use super::xml::Encoded;
use super::{Shard, Waiting};
use crate::base::{LinkId, RequestId};
use crate::hub::Downward;
use crate::protocol::{
    Answer, Event, EventKind, FieldWriter, Fields, Format, Method, Occurrence, Reply,
    write_message, write_reply,
};
use crate::session::Session;
use crate::wire::frame::{CloseCode, append_own_text};

impl Shard {
    /// Takes a message of the hub.
    pub(super) fn handle_hub(&mut self, message: Downward) {
        match message {
            Downward::Reply { request, reply, .. } => self.handle_reply(request, &reply),
            Downward::Event(event) if event.user.is_none() => self.tell_everybody(&event),
            Downward::Event(event) => self.handle_event(&event),
            Downward::ToLink { link, event } => {
                let message = self.encode(&event);
                self.tell(link.link, event.what.kind(), &[message]);
            }
            Downward::Numbers { version, changes } => {
                self.lists.forget_numbers();
                self.numbers.take_in(version, &changes);
                self.flush_numbers();
            }
            Downward::Refused { link, reason, user } => {
                let link = self.links.get_mut(link.link);
                let address = link.map(|link| link.address);
                self.note_refusal(reason, address, Some(user.login));
            }
            Downward::RefusedAddress {
                reason,
                address,
                user,
            } => self.note_refusal(reason, Some(address), user.map(|user| user.login)),
            Downward::SessionEnded { link } => {
                self.close(link.link, CloseCode::Normal, "logged out", None);
            }
            Downward::Drain { spread_ms } => {
                self.begin_drain(Duration::from_millis(spread_ms));
            }
        }
    }

    fn handle_reply(&mut self, request: RequestId, reply: &Reply) {
        let Some(waiting) = self.waiting.try_remove(request.0 as usize) else {
            return;
        };
        let id = waiting.link;
        let held = self.with_open(id, |shard, open| shard.take_reply(&waiting, reply, open));
        if is_for_list(waiting.method) {
            let link = self.links.get_mut(id);
            let is_long = link.is_some_and(|link| link.outbox.has_long());
            self.line.answered(request, id, is_long);
        }
        if waiting.method == Method::Logout && reply.is_ok() {
            self.close(id, CloseCode::Normal, "logged out", None);
        }
        for mut message in held.into_iter().flatten() {
            self.with_open(id, |shard, open| {
                shard.handle_text(id, &mut open.session, &mut message);
            });
        }
    }

    /// Answers the link; after a login, returns the messages that waited for it.
    fn take_reply(&mut self, waiting: &Waiting, reply: &Reply, open: &mut Open) -> Vec<Box<[u8]>> {
        let id = waiting.link;
        let mut held = Vec::new();
        match reply {
            Ok(Answer::LineInfo(line)) => {
                open.session.line_read = line.version;
                self.note_line(&open.session, line.version);
            }
            Ok(Answer::PbxNumbers { version, .. }) => open.session.numbers_read = *version,
            _ if waiting.method == Method::Login => held = self.end_login(id, reply, open),
            _ => {}
        }
        // protocol 3.2: a list in XML is made for its link alone.
        let format = open.session.format();
        if is_for_list(waiting.method)
            && format != Some(Format::Xml)
            && let Ok(answer) = reply
            && self.give_list(waiting, answer, &mut open.given)
        {
            return held;
        }
        self.answer.clear();
        let qid = (!waiting.qid.is_empty()).then_some(&*waiting.qid);
        write_reply(&mut self.answer, waiting.method.name(), qid, reply);
        self.send_answer(id, format);
        held
    }

    fn end_login(&mut self, id: LinkId, reply: &Reply, open: &mut Open) -> Vec<Box<[u8]>> {
        let user = match reply {
            Ok(Answer::Login(login)) => Some(login.user.clone()),
            _ => None,
        };
        if let Some(link) = self.links.get_mut(id) {
            let before = link.user.take();
            link.user = user.as_ref().map(|user| user.id);
            if let Some(before) = before {
                self.users.leave(before, id);
            }
            if let Some(user) = &user {
                self.users.join(user, id);
            }
        }
        let held = open.session.logged_in(user);
        // A link that logs in anew keeps what it was subscribed to.
        self.tell_listens(id, &open.session, open.session.subscriptions);
        held
    }

    fn note_line(&mut self, session: &Session, version: u64) {
        let user = session.user().map(|user| user.id);
        if let Some(links) = user.and_then(|user| self.users.get_mut(user)) {
            links.line_version = links.line_version.max(version);
        }
    }

    /// protocol 6.1: tells a link that the line changed since it read it last.
    pub(super) fn catch_up_line(&mut self, id: LinkId, session: &Session) {
        let user = session.user().map(|user| user.id);
        let Some(links) = user.and_then(|user| self.users.get_mut(user)) else {
            return;
        };
        if session.line_read == 0 || links.line_version <= session.line_read {
            return;
        }
        let event = Event {
            qid: self.random.guid(),
            user: Some(links.user.clone()),
            what: Occurrence::LineStateChanged {
                state: links.line_state,
                version: links.line_version,
            },
        };
        let message = self.encode(&event);
        self.tell(id, EventKind::LineStateChanged, &[message]);
    }

    fn handle_event(&mut self, event: &Arc<Event>) {
        let Some(links) = event
            .user
            .as_ref()
            .and_then(|user| self.users.get_mut(user.id))
        else {
            return;
        };
        if let Occurrence::LineStateChanged { version, state } = event.what {
            links.line_version = version;
            links.line_state = state;
        }
        let kind = event.what.kind();
        let ids = links.links.clone();
        let mut encoded = None;
        for id in ids {
            let open = self.links.get_mut(id).and_then(|link| link.open.as_ref());
            if open.is_none_or(|open| !open.session.subscriptions.contains(kind)) {
                continue;
            }
            // Encoded once for all links, and not at all if nobody listens.
            if encoded.is_none() {
                encoded = Some(self.encode(event));
            }
            self.tell(id, kind, encoded.as_slice());
        }
    }

    /// An event for many links.
    pub(super) fn encode(&mut self, event: &Event) -> Encoded {
        self.answer.clear();
        write_message(&mut self.answer, event.what.kind().name(), |writer| {
            writer.guid("qid", event.qid);
            event.what.write(writer);
            if let Some(user) = &event.user {
                writer.guid("userid", user.id.0);
                writer.string("userlogin", &user.login);
            }
        });
        self.frame.clear();
        append_own_text(&mut self.frame, &self.answer, None);
        Encoded::new(Rc::from(self.frame.as_slice()))
    }
}
