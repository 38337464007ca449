//! The CRM's end of one connection: what it reads, held against the rules, and how it writes.

use std::collections::HashSet;

use okgate_core::base::Instant;
use okgate_core::protocol::xml_from_json;
use okgate_core::wire::frame::{append_ping, append_pong, append_text};
use okgate_core::wire::hixie;
use okgate_core::wire::upgrade::{Format, Version};

use crate::frames::{AnswerHead, Frames, Packets, Said, field, read_message};

/// Who opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    Gateway,
    Crm,
}

pub(super) struct Peer {
    opener: Opener,
    /// The gateway knows that it is there.
    pub(super) is_made: bool,
    pub(super) in_flight: bool,
    /// The request that the gateway sent first.
    pub(super) request: Vec<u8>,
    /// When this end had sent a whole request that ought to be granted.
    pub(super) asked_at: Option<Instant>,
    pub(super) version: Version,
    /// What the connection is for; `None` without a format.
    pub(super) format: Option<Format>,
    reader: Option<Reader>,
    /// It was refused: nothing but its end may follow.
    is_refused: bool,
    packets: Packets,
    /// This end sent bytes that may be anything.
    pub(super) is_wild: bool,
    pub(super) unanswered: HashSet<String>,
    /// What was asked with its being alive, and not answered.
    pub(super) pings: usize,
    /// What this end has to say to what it read.
    pub(super) reactions: Vec<Vec<u8>>,
    /// Values of `WWW-Authenticate`.
    pub(super) challenges: Vec<String>,
}

enum Reader {
    Frames(Frames),
    /// Bytes of an unfinished frame of version 0, and whether it has ended.
    Hixie(Vec<u8>, bool),
}

impl Peer {
    pub(super) fn new(opener: Opener, version: Version, format: Option<Format>) -> Self {
        Self {
            opener,
            is_made: opener == Opener::Crm,
            in_flight: false,
            request: Vec::new(),
            asked_at: None,
            version,
            format,
            reader: None,
            is_refused: false,
            packets: Packets::default(),
            is_wild: false,
            unanswered: HashSet::new(),
            pings: 0,
            reactions: Vec::new(),
            challenges: Vec::new(),
        }
    }

    /// The connection's place is that of the link, or it may become it when the handshake is over.
    pub(super) fn is_link(&self) -> bool {
        self.reader.is_some() && self.format.is_some()
    }

    /// It waits for the answer to its request.
    pub(super) fn is_waiting(&self) -> bool {
        self.opener == Opener::Crm && self.reader.is_none() && !self.is_refused
    }

    pub(super) fn is_open(&self) -> bool {
        self.reader.is_some()
    }

    /// Bytes of the gateway come.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        assert!(!self.is_refused, "more than a refusal");
        if self.reader.is_some() {
            self.read_frames(bytes);
        } else if self.opener == Opener::Gateway {
            self.read_request(bytes);
        } else {
            self.read_answer(bytes);
        }
    }

    /// One send holds the request, and nothing goes out until it is answered.
    fn read_request(&mut self, bytes: &[u8]) {
        assert!(self.request.is_empty());
        let body = if self.version == Version::V0 { 8 } else { 0 };
        let end = bytes.len().checked_sub(body).expect("a whole request");
        assert!(bytes[..end].ends_with(b"\r\n\r\n"));
        self.request = bytes.to_vec();
        self.open();
    }

    /// One send begins with the whole answer.
    fn read_answer(&mut self, bytes: &[u8]) {
        let head = AnswerHead::read(bytes).expect("a whole answer");
        let lines = head.headers.iter();
        let challenges = lines.filter(|(name, _)| name == "www-authenticate");
        self.challenges = challenges.map(|(_, value)| value.clone()).collect();
        let rest = &bytes[head.bytes..];
        if head.status != 101 {
            assert_eq!(rest.len(), head.content_length(), "a whole body");
            // Somebody who only looks is told what stands here.
            assert!(head.status == 200 || head.status >= 400, "{}", head.status);
            self.is_refused = true;
            return;
        }
        let said = head.header("sec-websocket-protocol");
        let format = said.map(str::to_ascii_lowercase).map(|word| {
            let places = [word.find("json"), word.find("xml")];
            match places {
                [Some(json), xml] if xml.is_none_or(|xml| json < xml) => Format::Json,
                _ => Format::Xml,
            }
        });
        assert!(
            self.is_wild || format == self.format,
            "the format that was asked for: {said:?}"
        );
        self.format = format;
        let mut rest = rest;
        if head.header("sec-websocket-location").is_some() {
            self.version = Version::V0;
            rest = &rest[16..];
        }
        self.open();
        self.read_frames(rest);
    }

    fn open(&mut self) {
        self.reader = Some(match self.version {
            Version::V0 => Reader::Hixie(Vec::new(), false),
            _ => Reader::Frames(Frames::new(self.opener == Opener::Gateway)),
        });
    }

    fn read_frames(&mut self, bytes: &[u8]) {
        let said = match self.reader.as_mut().expect("an open connection") {
            Reader::Frames(frames) => {
                let said = frames.take(bytes);
                assert!(frames.is_at_border(), "a send ends within a frame");
                said
            }
            Reader::Hixie(kept, has_ended) => {
                kept.extend_from_slice(bytes);
                read_hixie(kept, has_ended)
            }
        };
        for said in said {
            self.hear(said);
        }
    }

    fn hear(&mut self, said: Said) {
        self.assert_format(&said);
        match self.packets.take(said) {
            Some(said @ Said::Message { .. }) => {
                self.assert_format(&said);
                self.hear_message(said);
            }
            Some(Said::Close(code)) => {
                let ours = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1013];
                let has_code = self.version != Version::V0;
                assert!(self.is_wild || code.is_some_and(|code| ours.contains(&code)) == has_code);
            }
            Some(Said::Ping(payload)) => {
                self.pings += 1;
                let mut pong = Vec::new();
                append_pong(&mut pong, &payload, self.mask());
                self.reactions.push(pong);
            }
            Some(Said::Pong(_)) | None => {}
        }
    }

    fn hear_message(&mut self, said: Said) {
        let Said::Message { name, fields, .. } = said else {
            return;
        };
        if name == "ping" {
            self.pings += 1;
            let qid = field(&fields, "qid").unwrap_or_default();
            let pong = self.written(&format!(r#"["pong",{{"qid":"{qid}"}}]"#));
            self.reactions.push(pong);
        }
        let qid = field(&fields, "qid").filter(|qid| qid.starts_with('#'));
        let is_answer = qid.is_none_or(|qid| self.unanswered.remove(&*qid));
        assert!(
            is_answer || self.is_wild,
            "a second answer: {name} {fields}"
        );
    }

    fn assert_format(&self, said: &Said) {
        if let Said::Message { is_xml, .. } = said {
            let wanted = self.format == Some(Format::Xml);
            assert_eq!(*is_xml, wanted, "the connection's format: {said:?}");
        }
    }

    /// The bytes of a message, given in JSON, as this end sends it.
    pub(super) fn written(&self, message: &str) -> Vec<u8> {
        let format = self.format.unwrap_or(Format::Json);
        let text = text_in(format, message);
        let text = String::from_utf8_lossy(&text);
        let mut bytes = Vec::new();
        if self.version == Version::V0 {
            hixie::append_text(&mut bytes, &text);
        } else {
            append_text(&mut bytes, &text, self.mask());
        }
        bytes
    }

    pub(super) fn ping(&self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        append_ping(&mut bytes, payload, self.mask());
        bytes
    }

    /// Nothing is left to be answered.
    pub(super) fn assert_quiet(&self) {
        assert!(self.unanswered.is_empty(), "{:?}", self.unanswered);
        assert!(self.packets.is_between(), "an unfinished multipart");
    }

    const fn mask(&self) -> Option<[u8; 4]> {
        match self.opener {
            Opener::Gateway => None,
            Opener::Crm => Some([7, 77, 177, 0]),
        }
    }
}

/// The text of a message that is given in JSON; what is none stays as it is.
pub(super) fn text_in(format: Format, message: &str) -> Vec<u8> {
    let mut document = Vec::new();
    match format {
        Format::Xml if xml_from_json(message.as_bytes(), &mut document).is_ok() => document,
        Format::Xml | Format::Json => message.as_bytes().to_vec(),
    }
}

/// Frames of version 0: 0x00, the text, 0xFF; the last one is 0xFF, 0x00.
fn read_hixie(kept: &mut Vec<u8>, has_ended: &mut bool) -> Vec<Said> {
    let mut said = Vec::new();
    while let Some(&first) = kept.first() {
        assert!(!*has_ended, "a frame behind the close frame");
        if first == 0xFF {
            assert_eq!(kept.get(1), Some(&0), "a whole close frame");
            kept.drain(..2);
            *has_ended = true;
            said.push(Said::Close(None));
            continue;
        }
        assert_eq!(first, 0, "a text");
        let end = kept.iter().position(|byte| *byte == 0xFF);
        let end = end.expect("a send ends within a frame");
        let text = std::str::from_utf8(&kept[1..end]).expect("a text is UTF-8");
        said.push(read_message(text));
        kept.drain(..=end);
    }
    said
}
