//! Owns the reading end of one connection that the gateway made to the CRM: its bytes to what the CRM hears.
//!
//! In come the bytes of the hub's sends; out go the handshake, whole messages and control frames. It checks the form of
//! what it reads: frames, JSON and packets.

use std::collections::HashSet;
use std::ops::ControlFlow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use okgate_core::wire::frame::{Binary, Limits, Role};
use okgate_core::wire::inbound::{Inbound, Incoming};
use serde::Deserialize;
use serde_json::Value;

/// What the CRM hears.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The head of the gateway's request.
    Handshake(Vec<u8>),
    Message(String, Value),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

pub(crate) struct Tap {
    head: Vec<u8>,
    inbound: Option<Inbound>,
    packets: Packets,
    has_ended: bool,
}

/// A message that comes in packets.
#[derive(Default)]
struct Packets {
    id: Option<String>,
    next: u64,
    content: String,
}

impl Tap {
    pub(crate) fn new() -> Self {
        Self {
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
            bytes = self.head.split_off(end + 4);
            heard.push(Heard::Handshake(std::mem::take(&mut self.head)));
            self.inbound = Some(inbound());
        }
        let mut inbound = self.inbound.take().unwrap_or_else(inbound);
        let received = inbound.receive(&mut bytes, |incoming| {
            self.take_in(incoming, &mut heard);
            ControlFlow::Continue(())
        });
        received.expect("the gateway's frames are right");
        self.inbound = Some(inbound);
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
        let (name, fields): (String, Value) =
            serde_json::from_slice(text).expect("every message is JSON: a name and fields");
        assert_no_key_twice(text);
        if name != "multipart" {
            return Some(Heard::Message(name, fields));
        }
        let whole = self.packets.take(&fields)?;
        let (name, fields) = serde_json::from_str(&whole).expect("packets carry a message");
        Some(Heard::Message(name, fields))
    }
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

fn inbound() -> Inbound {
    let limits = Limits {
        frame_bytes_max: u32::MAX,
        message_bytes_max: u32::MAX,
    };
    Inbound::new(Role::Server, limits, Binary::Refuse)
}
