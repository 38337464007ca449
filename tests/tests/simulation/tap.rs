//! Owns the reading end of one connection between the gateway and the CRM: its bytes to what the CRM hears.
//!
//! In come the bytes of the hub's sends; out go the handshake, whole messages and control frames. It checks the form of
//! what it reads: frames, JSON and packets.

use std::collections::HashSet;
use std::ops::ControlFlow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use okgate_core::protocol::{Format, json_from_xml};
use okgate_core::wire::frame::{Binary, Limits, Role};
use okgate_core::wire::hixie::HixieInbound;
use okgate_core::wire::inbound::{Inbound, Incoming};
use serde::Deserialize;
use serde_json::Value;

use crate::line::{Line, Mode};

/// What the CRM hears.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The gateway's request, or its answer to the CRM's.
    Handshake(Vec<u8>),
    Message(String, Value),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

pub(crate) struct Tap {
    line: Line,
    head: Vec<u8>,
    inbound: Option<Reader>,
    packets: Packets,
    has_ended: bool,
}

enum Reader {
    Frames(Inbound),
    Hixie(HixieInbound),
}

/// A message that comes in packets.
#[derive(Default)]
struct Packets {
    id: Option<String>,
    next: u64,
    content: String,
}

impl Tap {
    pub(crate) fn new(line: Line) -> Self {
        Self {
            line,
            head: Vec::new(),
            inbound: None,
            packets: Packets::default(),
            has_ended: false,
        }
    }

    /// Takes the bytes of one send.
    pub(crate) fn take(&mut self, mut bytes: Vec<u8>) -> Vec<Heard> {
        let mut heard = Vec::new();
        if self.inbound.is_none() {
            self.head.append(&mut bytes);
            let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else {
                return heard;
            };
            let body = match self.line.mode {
                _ if !self.line.is_old() => 0,
                Mode::In => 16,
                Mode::Out | Mode::Http => 8,
            };
            bytes = self.head.split_off(end + 4 + body);
            heard.push(Heard::Handshake(std::mem::take(&mut self.head)));
        }
        let mut inbound = self.inbound.take();
        let inbound_now = inbound.get_or_insert_with(|| reader(self.line));
        let deliver = |incoming: Incoming<'_>| {
            self.take_in(incoming, &mut heard);
            ControlFlow::Continue(())
        };
        let received = match inbound_now {
            Reader::Frames(inbound) => inbound.receive(&mut bytes, deliver),
            Reader::Hixie(inbound) => inbound.receive(&mut bytes, deliver),
        };
        received.expect("the gateway's frames are right");
        self.inbound = inbound;
        heard
    }

    fn take_in(&mut self, incoming: Incoming<'_>, heard: &mut Vec<Heard>) {
        assert!(!self.has_ended, "nothing follows a close frame");
        heard.extend(match incoming {
            Incoming::Text(text) => self.take_text(text),
            Incoming::Ping(payload) => Some(Heard::Ping(payload.to_vec())),
            Incoming::Pong(_) => Some(Heard::Pong),
            Incoming::Close { code, .. } => {
                self.has_ended = true;
                Some(Heard::Close(code.map(u16::from)))
            }
            Incoming::Binary(_) => panic!("the gateway speaks text"),
        });
    }

    fn take_text(&mut self, text: &[u8]) -> Option<Heard> {
        let (name, fields) = read_message(text, self.line.format);
        if name != "multipart" {
            return Some(Heard::Message(name, fields));
        }
        let whole = self.packets.take(&fields)?;
        let (name, fields) = read_message(whole.as_bytes(), self.line.format);
        Some(Heard::Message(name, fields))
    }
}

/// A message in this format, and in no other.
pub(crate) fn read_message(text: &[u8], format: Format) -> (String, Value) {
    let json = match format {
        Format::Json => text.to_vec(),
        Format::Xml => json_from_xml(text).expect("every message is a document"),
    };
    assert_no_key_twice(&json);
    serde_json::from_slice(&json).expect("every message is a name and fields")
}

impl Packets {
    // protocol 3.3: in order, not interleaved, and each decoded on its own.
    fn take(&mut self, fields: &Value) -> Option<String> {
        let id = fields["message-id"].as_str().expect("a message-id");
        let known = self.id.get_or_insert_with(|| id.to_owned());
        assert_eq!(known, id, "packets of two messages are not interleaved");
        assert_eq!(fields["packetnumber"], self.next, "packets are in order");
        let content = fields["content"].as_str().expect("content");
        assert_eq!(fields["content-length"], content.len());
        let part = STANDARD.decode(content).expect("each packet is base64");
        self.content += std::str::from_utf8(&part).expect("each packet is UTF-8");
        self.next += 1;
        (fields["packetcount"] == self.next).then(|| std::mem::take(self).content)
    }
}

/// Libraries differ in which of two equal keys they take.
fn assert_no_key_twice(text: &[u8]) {
    struct Keys;
    impl<'de> serde::de::Visitor<'de> for Keys {
        type Value = ();
        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            let mut seen = HashSet::new();
            while let Some((key, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                assert!(seen.insert(key.clone()), "the key {key} is there twice");
            }
            Ok(())
        }
    }
    struct Once;
    impl<'de> Deserialize<'de> for Once {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Keys).map(|()| Self)
        }
    }
    let read: Result<(String, Once), _> = serde_json::from_slice(text);
    read.expect("a message has fields");
}

fn reader(line: Line) -> Reader {
    let limits = Limits {
        frame_bytes_max: u32::MAX,
        message_bytes_max: u32::MAX,
    };
    if line.is_old() {
        return Reader::Hixie(HixieInbound::new(limits));
    }
    let role = match line.mode {
        Mode::In => Role::Client,
        Mode::Out | Mode::Http => Role::Server,
    };
    Reader::Frames(Inbound::new(role, limits, Binary::Refuse))
}
