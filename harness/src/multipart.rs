//! Owns multipart (protocol 3.3): cutting a long message into packets, and putting packets together again.
//!
//! Packets come in any order and of any size, each decoded on its own; unfinished messages are bounded in number,
//! packets and bytes. It never sends anything itself.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::error::{Error, Result};
use crate::format::Format;
use crate::message::{Message, guid};

/// How many base64 characters one packet carries.
pub const PACKET_CHARACTERS: usize = 2048;
/// How many unfinished messages an assembler keeps at most.
pub const UNFINISHED_MESSAGES_MAX: usize = 16;
/// How many packets one message may have.
pub const PACKETS_MAX: usize = 65_536;
/// How long one put-together message may be.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Cuts the message into packets, in order. Non-ASCII characters are escaped first, since receivers decode each
/// packet on its own as UTF-8.
pub fn split(message: &Message) -> Vec<Message> {
    split_as(message, Format::Json)
}

/// As [`split`], for a link of this format.
pub fn split_as(message: &Message, format: Format) -> Vec<Message> {
    let encoded = STANDARD.encode(format.write_ascii(message));
    let message_id = guid();
    let packet_count = encoded.len().div_ceil(PACKET_CHARACTERS);
    (0..packet_count)
        .map(|number| {
            let start = number * PACKET_CHARACTERS;
            let content = &encoded[start..encoded.len().min(start + PACKET_CHARACTERS)];
            Message::new(
                "multipart",
                json!({
                    "message-id": message_id,
                    "packetcount": packet_count,
                    "packetnumber": number,
                    "content-type": format!("text/{format}; charset=utf-8"),
                    "content-transfer-encoding": "base64",
                    "content-length": content.len(),
                    "content": content,
                }),
            )
        })
        .collect()
}

/// Puts packets together.
#[derive(Debug, Default)]
pub struct Assembler {
    format: Format,
    unfinished: HashMap<String, Unfinished>,
}

impl Assembler {
    /// One for a link of this format; the default is JSON.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            unfinished: HashMap::new(),
        }
    }

    /// Takes one `multipart` message; gives the whole message when this was its last missing packet.
    pub fn accept(&mut self, packet: &Message) -> Result<Option<Message>> {
        let id = packet.text("message-id").unwrap_or_default().to_owned();
        let outcome = self.accept_as(&id, packet);
        match outcome {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => {
                self.unfinished.remove(&id);
            }
        }
        outcome
    }

    fn accept_as(&mut self, id: &str, packet: &Message) -> Result<Option<Message>> {
        let wrong = |what: &str| Error::Malformed(format!("multipart {id:?}: {what}"));
        let number = unsigned(packet, "packetnumber").ok_or_else(|| wrong("no packetnumber"))?;
        let count = unsigned(packet, "packetcount").ok_or_else(|| wrong("no packetcount"))?;
        if count == 0 || count > PACKETS_MAX || number >= count {
            return Err(wrong("packetnumber or packetcount out of range"));
        }
        let content = packet.text("content").unwrap_or_default();
        if unsigned(packet, "content-length").is_some_and(|length| length != content.len()) {
            return Err(wrong("content-length differs from the content"));
        }
        let bytes = STANDARD
            .decode(content)
            .map_err(|_| wrong("the content is not base64"))?;
        let is_known = self.unfinished.contains_key(id);
        if !is_known && self.unfinished.len() >= UNFINISHED_MESSAGES_MAX {
            return Err(wrong("too many unfinished messages"));
        }
        let unfinished = self
            .unfinished
            .entry(id.to_owned())
            .or_insert_with(|| Unfinished::new(count));
        if unfinished.packets.len() != count {
            return Err(wrong("packetcount changed"));
        }
        unfinished.add(number, bytes);
        if unfinished.total_bytes > MESSAGE_BYTES_MAX {
            return Err(wrong("too long"));
        }
        if unfinished.missing > 0 {
            return Ok(None);
        }
        let whole: Vec<u8> = unfinished
            .packets
            .iter()
            .flatten()
            .flatten()
            .copied()
            .collect();
        let text = String::from_utf8(whole).map_err(|_| wrong("the whole is not UTF-8"))?;
        self.format.read(&text).map(Some)
    }
}

#[derive(Debug)]
struct Unfinished {
    packets: Vec<Option<Vec<u8>>>,
    missing: usize,
    total_bytes: usize,
}

impl Unfinished {
    fn new(count: usize) -> Self {
        Self {
            packets: vec![None; count],
            missing: count,
            total_bytes: 0,
        }
    }

    fn add(&mut self, number: usize, bytes: Vec<u8>) {
        if self.packets[number].is_none() {
            self.missing -= 1;
            self.total_bytes += bytes.len();
            self.packets[number] = Some(bytes);
        }
    }
}

/// A field that is a whole number, also when it was sent as a string (protocol 3.1).
fn unsigned(packet: &Message, key: &str) -> Option<usize> {
    let value = packet.field(key);
    let number = value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))?;
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn long_message() -> Message {
        Message::new(
            "availablemethods",
            json!({"qid": "1", "text": "Звонок 📞 ".repeat(500)}),
        )
    }

    #[test]
    fn packets_in_reverse_order_give_the_message_back() {
        let message = long_message();
        let packets = split(&message);
        assert!(packets.len() > 4);
        let mut assembler = Assembler::default();
        let mut whole = None;
        for packet in packets.iter().rev() {
            assert!(whole.is_none());
            whole = assembler.accept(packet).unwrap();
        }
        assert_eq!(whole.unwrap(), message);
        assert!(assembler.unfinished.is_empty());
    }

    #[test]
    fn every_packet_decodes_to_ascii_on_its_own() {
        for packet in split(&long_message()) {
            let content = packet.text("content").unwrap();
            assert!(STANDARD.decode(content).unwrap().is_ascii());
        }
    }

    #[test]
    fn a_repeated_packet_counts_once() {
        let packets = split(&long_message());
        let mut assembler = Assembler::default();
        assert!(assembler.accept(&packets[0]).unwrap().is_none());
        assert!(assembler.accept(&packets[0]).unwrap().is_none());
        assert_eq!(assembler.unfinished.len(), 1);
    }

    #[test]
    fn a_wrong_content_length_drops_the_message() {
        let mut packets = split(&long_message());
        packets[1].fields.insert("content-length".into(), json!(1));
        let mut assembler = Assembler::default();
        assembler.accept(&packets[0]).unwrap();
        assert!(assembler.accept(&packets[1]).is_err());
        assert!(assembler.unfinished.is_empty());
    }

    #[test]
    fn unfinished_messages_are_bounded() {
        let mut assembler = Assembler::default();
        for _ in 0..UNFINISHED_MESSAGES_MAX {
            assembler.accept(&split(&long_message())[0]).unwrap();
        }
        assert!(assembler.accept(&split(&long_message())[0]).is_err());
    }

    proptest! {
        #[test]
        fn any_text_survives(text in ".{0,3000}") {
            let message = Message::new("x", json!({"text": text}));
            for format in Format::ALL {
                let mut assembler = Assembler::new(format);
                let mut whole = None;
                for packet in split_as(&message, format) {
                    whole = assembler.accept(&packet).unwrap();
                }
                prop_assert_eq!(whole.as_ref(), Some(&message));
            }
        }
    }
}
