//! Links that chose XML (protocol 2.2-d, 3.2): documents become JSON where they come in, and messages documents where
//! they are queued, so that nothing between knows of them. They are rare, and so what they are told is made of the JSON
//! text that everybody gets: an event once for all of them in a shard, an answer for its link alone.

use std::cell::OnceCell;
use std::rc::Rc;

use super::{Refused, Shard};
use crate::base::LinkId;
use crate::protocol::{
    ErrorNumber, EventKind, Fault, Format, json_from_xml, peek, write_error, xml_from_json,
};
use crate::session::Session;
use crate::wire::frame::{append_own_text, header_length};

/// A message for many links, as one text frame of a server in each format.
#[derive(Debug)]
pub(super) struct Encoded {
    json: Rc<[u8]>,
    /// Made for the first link that wants it; `None` in it if XML cannot say the message.
    xml: OnceCell<Option<Rc<[u8]>>>,
}

impl Encoded {
    /// Takes the frame of a message in JSON.
    pub(super) fn new(json: Rc<[u8]>) -> Self {
        Self {
            json,
            xml: OnceCell::new(),
        }
    }

    /// The frame in JSON.
    pub(super) const fn json(&self) -> &Rc<[u8]> {
        &self.json
    }

    /// The frame in XML; `None` if that cannot say the message.
    fn xml(&self) -> Option<&Rc<[u8]>> {
        self.xml.get_or_init(|| as_xml(&self.json)).as_ref()
    }
}

fn as_xml(frame: &[u8]) -> Option<Rc<[u8]>> {
    let lengths = [2, 4, 10];
    let is_head = |head: &usize| header_length(frame.len().saturating_sub(*head), false) == *head;
    let head = lengths.into_iter().find(is_head)?;
    let mut document = Vec::new();
    xml_from_json(frame.get(head..)?, &mut document).ok()?;
    let mut frame = Vec::with_capacity(document.len() + head);
    append_own_text(&mut frame, &document, None);
    Some(frame.into())
}

impl Shard {
    /// Deals with one document of a link.
    pub(super) fn handle_document(&mut self, id: LinkId, session: &mut Session, document: &[u8]) {
        match json_from_xml(document) {
            Ok(mut message) => self.handle_text(id, session, &mut message),
            Err(error) => {
                self.answer.clear();
                let limits = &self.config.limits.session;
                let about = (error.name.as_deref(), error.qid.as_deref());
                let answered = session.handle_malformed(
                    &error.fault(),
                    about,
                    limits,
                    &mut self.answer,
                    self.now,
                );
                self.conclude(id, session, answered);
            }
        }
    }

    /// Gives an event to a link that wants documents.
    #[cold]
    pub(super) fn tell_as_xml(&mut self, id: LinkId, kind: EventKind, message: &Encoded) {
        let Some(frame) = message.xml() else {
            return self.refuse(id, Refused::NotXml);
        };
        self.counters.events[kind as usize] += 1;
        if let Some(link) = self.links.get_mut(id)
            && self.fanout.share(id, &mut link.outbox, frame).is_err()
        {
            self.drop_slow(id);
        }
    }

    /// Sends what is in the answer buffer as a document.
    #[cold]
    pub(super) fn send_answer_as_xml(&mut self, id: LinkId) {
        let answer = std::mem::take(&mut self.answer);
        let mut document = Vec::new();
        if xml_from_json(&answer, &mut document).is_err() {
            self.refuse(id, Refused::NotXml);
            append_instead(&mut document, &answer);
        }
        self.send_message(id, &document, Format::Xml);
        self.answer = answer;
    }
}

/// Appends the error that is told instead of an answer that XML cannot say.
fn append_instead(document: &mut Vec<u8>, answer: &[u8]) {
    let fault = Fault::new(
        ErrorNumber::NotAvailable,
        "the answer is nested too deep, or has half of a surrogate pair in it: ask by the subprotocol json",
    );
    let (name, qid) = match peek(answer) {
        Ok(peeked) => (Some(peeked.name), peeked.qid),
        Err(error) => (error.name, error.qid),
    };
    let method = name.map(|name| name.strip_suffix("result").unwrap_or(name));
    let mut instead = Vec::new();
    write_error(&mut instead, &fault, method, qid);
    if xml_from_json(&instead, document).is_err() {
        // It is the `qid` that XML cannot say.
        instead.clear();
        write_error(&mut instead, &fault, method, None);
        xml_from_json(&instead, document).expect("an error of our own words");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of both frames.
    fn texts(message: &str) -> (String, Option<String>) {
        let mut frame = Vec::new();
        append_own_text(&mut frame, message.as_bytes(), None);
        let encoded = Encoded::new(frame.into());
        let text = |frame: &Rc<[u8]>| {
            let text = frame.iter().position(|byte| matches!(byte, b'<' | b'['));
            String::from_utf8(frame[text.expect("a message")..].to_vec()).expect("UTF-8")
        };
        let json = text(encoded.json());
        let xml = || encoded.xml().map(Rc::as_ptr);
        assert_eq!(xml(), xml(), "made once");
        (json, encoded.xml().map(text))
    }

    #[test]
    fn a_frame_of_any_length_has_its_form_in_xml() {
        for length in [
            0, 100, 112, 113, 114, 115, 200, 65_500, 65_521, 65_522, 65_530, 70_000,
        ] {
            let value = "a".repeat(length);
            let message = format!(r#"["x",{{"t":"{value}"}}]"#);
            let xml = format!(r#"<message name="x"><t>{value}</t></message>"#);
            assert_eq!(texts(&message), (message, Some(xml)));
        }
        assert_eq!(texts(r#"["x",{"t":"\ud800"}]"#).1, None);
    }

    #[test]
    fn an_error_stands_in_for_an_answer_that_xml_cannot_say() {
        let instead = |answer: &str| {
            let mut document = Vec::new();
            append_instead(&mut document, answer.as_bytes());
            String::from_utf8(document).expect("UTF-8")
        };
        insta::assert_snapshot!(instead(r#"["getxresult",{"qid":"7","t":"\ud800"}]"#), @r#"<message name="error"><qid>7</qid><result type="number">0</result><error type="number">503</error><errormsg>the answer is nested too deep, or has half of a surrogate pair in it: ask by the subprotocol json</errormsg><method>getx</method></message>"#);
        assert!(!instead(r#"["x",{"qid":"\ud800"}]"#).contains("qid"));
        let deep = format!(r#"["xresult",{{"qid":1,"a":{}}}]"#, "[".repeat(70));
        assert!(instead(&deep).contains(r#"<qid type="number">1</qid>"#));
    }
}
