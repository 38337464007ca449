//! What the CRM says (protocol 3, 4, 5, 8).

use std::ops::Range;

use super::catalogue::Catalogue;
use super::posts::Purpose;
use super::text::{self, TextError};
use super::{CrmEvent, CrmLink};
use crate::base::{ExecutionId, Guid, Instant};
use crate::protocol::{
    Echo, Fault, FieldWriter as _, JsonWriter, PeekError, is_answer_name, json_field, json_text,
    peek, write_error, write_message,
};

/// The outline of one message, kept while its text is parsed in place.
#[derive(Debug)]
pub(super) struct Outline {
    pub(super) name: String,
    pub(super) qid: Option<Vec<u8>>,
    pub(super) user_login: Option<Vec<u8>>,
    pub(super) user_id: Option<Vec<u8>>,
    fields: Range<usize>,
    pub(super) origin: Origin,
}

/// Which way a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Over the connection: it can be answered there.
    Connection,
    /// In the answer to what was posted for this purpose.
    Exchange(Purpose),
}

impl Outline {
    fn read(text: &[u8], origin: Origin) -> Result<Self, PeekError<'_>> {
        let peek = peek(text)?;
        Ok(Self {
            name: peek.name.to_owned(),
            qid: peek.qid.map(<[u8]>::to_vec),
            user_login: peek.user_login.map(<[u8]>::to_vec),
            user_id: peek.user_id.map(<[u8]>::to_vec),
            fields: peek.fields_range,
            origin,
        })
    }

    /// The run whose exchange brought the message.
    pub(super) fn posted_run(&self) -> Option<ExecutionId> {
        match self.origin {
            Origin::Exchange(Purpose::Run(execution)) => Some(execution),
            Origin::Exchange(_) | Origin::Connection => None,
        }
    }

    pub(super) fn echo(&self) -> Echo<'_> {
        Echo {
            qid: self.qid.as_deref(),
            user_login: self.user_login.as_deref(),
            user_id: self.user_id.as_deref(),
        }
    }
}

impl CrmLink {
    /// Takes the text of a message as it came in a frame.
    pub(super) fn take_message(&mut self, text: &mut [u8], now: Instant) {
        self.counters.messages += 1;
        self.take_written(text, Origin::Connection, now);
    }

    /// Takes a message as its text came, in the link's format.
    fn take_written(&mut self, text: &mut [u8], origin: Origin, now: Instant) {
        match text::read(text, self.format()) {
            Ok(None) => self.take_text(text, origin, now),
            Ok(Some(mut json)) => self.take_text(&mut json, origin, now),
            Err(error) => self.note_malformed(&error, origin),
        }
    }

    /// Takes a message that the CRM gave in its answer to what was posted.
    pub(super) fn take_posted(&mut self, purpose: Purpose, text: &mut [u8], now: Instant) {
        self.counters.messages += 1;
        self.take_text(text, Origin::Exchange(purpose), now);
    }

    fn take_text(&mut self, text: &mut [u8], origin: Origin, now: Instant) {
        match self.outline(text, origin) {
            Some(outline) if outline.name == "multipart" => self.take_packet(&outline, text, now),
            Some(outline) => self.dispatch(outline, text, now),
            None => {}
        }
    }

    /// Takes a message that came in packets; one in another that came so is none.
    fn take_whole(&mut self, text: &mut [u8], origin: Origin, now: Instant) {
        let mut json = match text::read(text, self.format()) {
            Ok(json) => json,
            Err(error) => return self.note_malformed(&error, origin),
        };
        let text = json.as_deref_mut().unwrap_or(text);
        if let Some(outline) = self.outline(text, origin) {
            self.dispatch(outline, text, now);
        }
    }

    fn outline(&mut self, text: &[u8], origin: Origin) -> Option<Outline> {
        match Outline::read(text, origin) {
            Ok(outline) => Some(outline),
            Err(error) => {
                self.counters.malformed += 1;
                // A garbled answer gets none either (protocol 3.4).
                if origin == Origin::Connection && !error.name.is_some_and(is_answer_name) {
                    self.say_error(&error.fault(), error.name, error.qid);
                }
                None
            }
        }
    }

    /// A text that is not of the link's format.
    fn note_malformed(&mut self, error: &TextError, origin: Origin) {
        self.counters.malformed += 1;
        let (name, qid) = error.outline();
        // A garbled answer gets none either (protocol 3.4).
        if origin == Origin::Connection && !name.is_some_and(is_answer_name) {
            self.say_error(&error.fault(), name, qid);
        }
    }

    /// Protocol 3.3: a wrong packet costs its message, not the link.
    fn take_packet(&mut self, outline: &Outline, text: &mut [u8], now: Instant) {
        let fields = &mut text[outline.fields.clone()];
        let assembler = &mut self.assembler;
        let accepted = self
            .body
            .read(fields, |packet| assembler.accept(&packet, now))
            .and_then(|accepted| accepted.map_err(|error| error.fault()));
        match accepted {
            Ok(None) => {}
            Ok(Some(mut whole)) => self.take_whole(&mut whole, outline.origin, now),
            Err(fault) => {
                self.counters.multiparts_dropped += 1;
                if outline.origin == Origin::Connection {
                    self.say_error(&fault, Some("multipart"), outline.qid.as_deref());
                }
            }
        }
    }

    fn dispatch(&mut self, outline: Outline, text: &mut [u8], now: Instant) {
        let fields = &mut text[outline.fields.clone()];
        // protocol 4: its introduction or any request of it ends the wait, and so
        // does whatever it answers to our question.
        let ends_introduction = outline.origin == Origin::Connection
            && self.is_introducing()
            && (!is_answer_name(&outline.name)
                || outline.name == "iam"
                || self.answers_introduction(&outline));
        match outline.name.as_str() {
            "iam" => self.take_identity(fields),
            "availablemethods" => self.take_catalogue(fields, "methods"),
            "availableforms" => self.take_catalogue(fields, "forms"),
            "activeusers" => self.take_active_users(fields),
            "methodresult" => self.take_method_result(outline, fields, now),
            // The answer to a ping of version 0.
            "pong" if outline.origin == Origin::Connection => self.end_contest(),
            name if is_answer_name(name) => self.take_answer(&outline, fields),
            _ => match outline.origin {
                Origin::Connection => self.take_request(outline, fields),
                Origin::Exchange(purpose) => self.take_posted_request(&outline, purpose, fields),
            },
        }
        if ends_introduction {
            self.end_introduction(now);
        }
    }

    /// protocol 2.1-g: over HTTP the CRM has no way to call the gateway; all that it can ask in an
    /// answer is who introduces itself there.
    fn take_posted_request(&mut self, outline: &Outline, purpose: Purpose, fields: &[u8]) {
        if outline.name == "whoareyou" && purpose == Purpose::Introduction {
            self.take_identity(fields);
            self.answer_whoareyou(outline.qid.as_deref());
        } else {
            self.counters.requests_ignored += 1;
        }
    }

    /// `type`, `name`, `version` and `build` of the gateway (protocol 4).
    pub(super) fn write_identity(&self, writer: &mut JsonWriter<'_>) {
        writer.string("type", "commserver");
        writer.string("name", "Oktell");
        writer.number("version", self.config.dated);
        writer.string("build", &self.config.build);
    }

    /// Notes what the CRM says about itself in `iam` or `whoareyou`.
    pub(super) fn take_identity(&mut self, fields: &[u8]) {
        let said = |field| json_field(fields, field).and_then(json_text);
        let name = said("name").or_else(|| said("type"));
        let name = name.map(|name| name.chars().take(NAME_CHARS_MAX).collect());
        self.peer_name = name;
    }

    pub(super) fn say_error(&mut self, fault: &Fault, method: Option<&str>, qid: Option<&[u8]>) {
        let mut message = Vec::new();
        write_error(&mut message, fault, method, qid);
        self.send(&message);
    }

    /// Sends a message that consists of these fields' text; `false` if it cannot be sent.
    pub(super) fn send_fields(&mut self, name: &str, fields: &[u8]) -> bool {
        let mut message = Vec::with_capacity(fields.len() + name.len() + 8);
        write_message(&mut message, name, |_| {});
        // The empty object at the end makes room for the given one.
        message.truncate(message.len() - b"{}]".len());
        message.extend_from_slice(fields);
        message.push(b']');
        self.send(&message)
    }

    fn answers_introduction(&self, outline: &Outline) -> bool {
        let asked = self.connection().map(|connection| connection.introduction);
        asked.is_some() && guid_in(outline.qid.as_deref()) == asked
    }

    fn take_catalogue(&mut self, fields: &mut [u8], kind: &'static str) {
        let declared_max = self.config.limits.declared_max;
        let read = self
            .body
            .read(fields, |body| Catalogue::read(&body, kind, declared_max))
            .and_then(|read| read);
        let known = match kind {
            "methods" => &mut self.methods,
            _ => &mut self.forms,
        };
        match read {
            Err(fault) => self.note_unreadable(kind, &fault),
            Ok(catalogue) => {
                let is_new = !known.is_known || known.text != catalogue.text;
                *known = catalogue;
                if is_new {
                    self.events.push_back(CrmEvent::CatalogueChanged);
                }
                self.start_waiting_runs();
            }
        }
    }

    fn take_active_users(&mut self, fields: &mut [u8]) {
        let users_max = self.config.limits.users_max;
        let users = &mut self.users;
        let read = self
            .body
            .read(fields, |body| users.replace(&body, users_max))
            .and_then(|read| read);
        match read {
            Ok((users, ignored)) => {
                self.counters.users_ignored += ignored;
                self.events.push_back(CrmEvent::ActiveUsers(users));
            }
            Err(fault) => self.note_unreadable("active users", &fault),
        }
    }

    /// An answer that cannot be read is not answered: only the status says so.
    fn note_unreadable(&mut self, what: &str, fault: &Fault) {
        self.counters.malformed += 1;
        self.last_error = Some(format!("the CRM's {what} cannot be read: {}", fault.text));
    }
}

/// The GUID that this JSON text of a string holds.
pub(super) fn guid_in(value: Option<&[u8]>) -> Option<Guid> {
    json_text(value?)?.parse().ok()
}

/// Characters of the CRM's name that are kept.
const NAME_CHARS_MAX: usize = 100;
