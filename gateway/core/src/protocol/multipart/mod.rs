//! Long messages in packets (protocol 3.3).
//!
//! In comes one encoded message, out go the `multipart` messages that carry it;
//! and back: in come packets in any order and of any size, out go whole
//! messages. What is unfinished is bounded in number, size and age.
//!
//! The formats differ in how a character beyond ASCII is escaped, in the content type
//! and in the envelope. [`Assembler`] gives the whole text in the link's own format, as
//! [`split`] takes it: who put an XML message together makes JSON of it afterwards.

mod shared;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base64_simd::{STANDARD, forgiving_decode_to_vec};

use super::body::Body;
use super::fault::{ErrorNumber, Fault};
use super::json::write_message;
use super::write::FieldWriter as _;
use super::xml::append_ascii;
use crate::base::{Guid, Instant};
use crate::wire::upgrade::Format;
pub use shared::SharedRest;

/// Characters of base64 that one packet carries.
pub const PACKET_CHARS: usize = 2048;

/// Bytes of a `message-id`.
const ID_BYTES_MAX: usize = 128;

/// Cuts an encoded message of this format into `multipart` messages, in their order.
/// An XML message must be one of [`super::xml_from_json`].
///
/// Receivers decode each packet on its own as UTF-8, so every character beyond
/// ASCII is escaped first. `packet_chars` is rounded down to whole groups of
/// base64, of which there is at least one.
pub fn split(
    message: &[u8],
    id: Guid,
    packet_chars: usize,
    format: Format,
) -> impl Iterator<Item = Vec<u8>> {
    let message = match format {
        Format::Json => ascii_json(message),
        Format::Xml => ascii_xml(message),
    };
    let packet_bytes = packet_bytes(packet_chars);
    let run = Run {
        id,
        count: message.len().div_ceil(packet_bytes),
        format,
    };
    (0..run.count).map(move |number| {
        let start = number * packet_bytes;
        let end = message.len().min(start + packet_bytes);
        let mut packet = Vec::with_capacity(packet_room(packet_bytes, format));
        run.write_packet(&mut packet, number, &message[start..end]);
        packet
    })
}

/// The packets of one message.
#[derive(Clone, Copy, Debug)]
struct Run {
    id: Guid,
    count: usize,
    format: Format,
}

impl Run {
    /// Appends the packet of this number, which carries these bytes.
    fn write_packet(self, out: &mut Vec<u8>, number: usize, bytes: &[u8]) {
        match self.format {
            Format::Json => self.write_json(out, number, bytes),
            Format::Xml => self.write_xml(out, number, bytes),
        }
    }

    fn write_json(self, out: &mut Vec<u8>, number: usize, bytes: &[u8]) {
        write_message(out, "multipart", |writer| {
            writer.guid("message-id", self.id);
            writer.number("packetcount", signed(self.count));
            writer.number("packetnumber", signed(number));
            writer.string("content-type", "text/json; charset=utf-8");
            writer.string("content-transfer-encoding", "base64");
            writer.number(
                "content-length",
                signed(STANDARD.encoded_length(bytes.len())),
            );
            writer.base64("content", bytes);
        });
    }

    /// Writes what [`super::xml_from_json`] would make of the same packet in JSON: nothing
    /// in it must be escaped.
    fn write_xml(self, out: &mut Vec<u8>, number: usize, bytes: &[u8]) {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(b"<message name=\"multipart\"><message-id>");
        out.extend_from_slice(&self.id.text());
        out.extend_from_slice(b"</message-id><packetcount type=\"number\">");
        out.extend_from_slice(digits.format(self.count).as_bytes());
        out.extend_from_slice(b"</packetcount><packetnumber type=\"number\">");
        out.extend_from_slice(digits.format(number).as_bytes());
        out.extend_from_slice(
            b"</packetnumber><content-type>text/xml; charset=utf-8</content-type>\
              <content-transfer-encoding>base64</content-transfer-encoding>\
              <content-length type=\"number\">",
        );
        let length = STANDARD.encoded_length(bytes.len());
        out.extend_from_slice(digits.format(length).as_bytes());
        out.extend_from_slice(b"</content-length><content>");
        STANDARD.encode_append(bytes, out);
        out.extend_from_slice(b"</content></message>");
    }
}

/// How many bytes of a message so many characters of base64 carry.
const fn packet_bytes(packet_chars: usize) -> usize {
    let groups = packet_chars / 4;
    if groups == 0 { 3 } else { groups * 3 }
}

/// Bytes that a packet takes which carries so many bytes, and what stands around them.
const fn packet_room(packet_bytes: usize, format: Format) -> usize {
    let around = match format {
        Format::Json => 256,
        Format::Xml => 448,
    };
    packet_bytes / 3 * 4 + around
}

/// How much of unfinished messages one link may leave with us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultipartLimits {
    /// Packets of one message.
    pub packets_max: u32,
    /// Bytes of all unfinished messages together, and so of any one.
    pub bytes_max: usize,
    /// Unfinished messages at a time.
    pub unfinished_max: usize,
    /// How long a message may be unfinished.
    pub age_max: Duration,
}

impl Default for MultipartLimits {
    /// Limits that carry the longest message of a server link: 16 MiB.
    fn default() -> Self {
        Self {
            packets_max: 16 * 1024,
            bytes_max: 16 * 1024 * 1024,
            unfinished_max: 8,
            age_max: Duration::from_secs(30),
        }
    }
}

/// A packet that is refused. The message that it belongs to is dropped with
/// all that came and comes of it; the peer is told by an `error` message with
/// [`MultipartError::fault`]; the link goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// A field is missing or wrong.
    #[error("{0}")]
    Field(#[from] Fault),
    /// `content` is not base64.
    #[error("a packet's content is not base64")]
    NotBase64,
    /// Two packets disagree on how many there are.
    #[error("the packets of one message disagree on their count")]
    CountChanged,
    /// A packet came twice.
    #[error("a packet came twice")]
    Repeated,
    /// The whole message is not UTF-8.
    #[error("the message in the packets is not UTF-8")]
    NotUtf8,
    /// More than [`MultipartLimits::packets_max`].
    #[error("too many packets in one message")]
    TooManyPackets,
    /// More than [`MultipartLimits::bytes_max`].
    #[error("too many bytes in unfinished messages")]
    TooBig,
    /// More than [`MultipartLimits::unfinished_max`].
    #[error("too many unfinished messages")]
    TooManyUnfinished,
}

impl MultipartError {
    /// What the peer is told.
    pub fn fault(&self) -> Fault {
        let number = match self {
            Self::Field(fault) => return fault.clone(),
            Self::NotBase64 | Self::CountChanged | Self::Repeated | Self::NotUtf8 => {
                ErrorNumber::Malformed
            }
            Self::TooManyPackets | Self::TooBig => ErrorNumber::TooBig,
            Self::TooManyUnfinished => ErrorNumber::TooMany,
        };
        Fault::new(number, self.to_string())
    }
}

/// Puts the packets of one link together.
#[derive(Debug)]
pub struct Assembler {
    limits: MultipartLimits,
    /// In the order of their first packets.
    unfinished: Vec<Unfinished>,
    /// Messages that were dropped lately: the rest of them is ignored.
    dropped: VecDeque<Box<str>>,
    bytes: usize,
}

#[derive(Debug)]
struct Unfinished {
    id: Box<str>,
    since: Instant,
    packet_count: u32,
    packets: BTreeMap<u32, Vec<u8>>,
}

/// One packet, read.
struct Packet {
    id: Box<str>,
    count: u32,
    number: u32,
    content: Vec<u8>,
}

impl Assembler {
    /// An assembler with nothing in it.
    pub fn new(limits: MultipartLimits) -> Self {
        Self {
            limits,
            unfinished: Vec::new(),
            dropped: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Takes the fields of a `multipart` message. Gives the text of the message
    /// whose last packet this was.
    pub fn accept(
        &mut self,
        packet: &Body<'_>,
        now: Instant,
    ) -> Result<Option<Vec<u8>>, MultipartError> {
        self.expire(now);
        let id = packet.required_text("message-id")?;
        if id.len() > ID_BYTES_MAX {
            return Err(Fault::parameter("message-id", "a GUID").into());
        }
        if self.dropped.iter().any(|dropped| **dropped == *id) {
            return Ok(None);
        }
        let outcome = Packet::read(&id, packet).and_then(|packet| self.add(packet, now));
        if outcome.is_err() {
            self.drop_message(&id);
        }
        outcome
    }

    /// Drops what has been unfinished for too long; says how many messages.
    pub fn expire(&mut self, now: Instant) -> usize {
        let age_max = self.limits.age_max;
        let is_old = |message: &Unfinished| now.since(message.since) >= age_max;
        let old: Vec<_> = self.unfinished.extract_if(.., |it| is_old(it)).collect();
        for message in &old {
            self.bytes -= message.bytes();
        }
        old.len()
    }

    /// When [`Assembler::expire`] has something to drop.
    pub fn next_expiry(&self) -> Option<Instant> {
        let oldest = self.unfinished.iter().map(|it| it.since).min()?;
        Some(oldest + self.limits.age_max)
    }

    /// Bytes of all unfinished messages.
    pub fn held_bytes(&self) -> usize {
        self.bytes
    }

    fn add(&mut self, packet: Packet, now: Instant) -> Result<Option<Vec<u8>>, MultipartError> {
        if packet.count > self.limits.packets_max {
            return Err(MultipartError::TooManyPackets);
        }
        if self.bytes + packet.content.len() > self.limits.bytes_max {
            return Err(MultipartError::TooBig);
        }
        let known = self.unfinished.iter().position(|it| it.id == packet.id);
        let index = match known {
            Some(index) => index,
            None if self.unfinished.len() == self.limits.unfinished_max => {
                return Err(MultipartError::TooManyUnfinished);
            }
            None => {
                self.unfinished.push(Unfinished {
                    id: packet.id,
                    since: now,
                    packet_count: packet.count,
                    packets: BTreeMap::new(),
                });
                self.unfinished.len() - 1
            }
        };
        let message = &mut self.unfinished[index];
        if message.packet_count != packet.count {
            return Err(MultipartError::CountChanged);
        }
        if message.packets.contains_key(&packet.number) {
            return Err(MultipartError::Repeated);
        }
        self.bytes += packet.content.len();
        message.packets.insert(packet.number, packet.content);
        if message.packets.len() < message.packet_count as usize {
            return Ok(None);
        }
        let message = self.unfinished.remove(index);
        self.bytes -= message.bytes();
        let whole: Vec<u8> = message.packets.into_values().flatten().collect();
        match std::str::from_utf8(&whole) {
            Ok(_) => Ok(Some(whole)),
            Err(_) => Err(MultipartError::NotUtf8),
        }
    }

    fn drop_message(&mut self, id: &str) {
        if let Some(index) = self.unfinished.iter().position(|it| *it.id == *id) {
            self.bytes -= self.unfinished.remove(index).bytes();
        }
        if self.dropped.len() >= self.limits.unfinished_max.max(1) {
            self.dropped.pop_front();
        }
        self.dropped.push_back(id.into());
    }
}

impl Unfinished {
    fn bytes(&self) -> usize {
        self.packets.values().map(Vec::len).sum()
    }
}

impl Packet {
    fn read(id: &str, body: &Body<'_>) -> Result<Self, MultipartError> {
        let number = |field, minimum: u32| {
            let number = body.number(field)?.and_then(|it| u32::try_from(it).ok());
            let number = number.filter(|&it| it >= minimum);
            number.ok_or_else(|| Fault::parameter(field, "a number of packets"))
        };
        let (count, position) = (number("packetcount", 1)?, number("packetnumber", 0)?);
        if position >= count {
            return Err(Fault::parameter("packetnumber", "a number below packetcount").into());
        }
        let encoding = body.text("content-transfer-encoding")?;
        if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("base64")) {
            return Err(Fault::parameter("content-transfer-encoding", "base64").into());
        }
        let content = body.required_text("content")?;
        let content = forgiving_decode_to_vec(content.as_bytes());
        Ok(Self {
            id: id.into(),
            count,
            number: position,
            content: content.map_err(|_| MultipartError::NotBase64)?,
        })
    }
}

/// The same JSON text in ASCII alone. Beyond ASCII there are only characters
/// within strings, where an escape means the same.
fn ascii_json(message: &[u8]) -> Cow<'_, [u8]> {
    if message.is_ascii() {
        return Cow::Borrowed(message);
    }
    let mut ascii = Vec::with_capacity(message.len() * 3 / 2);
    for piece in message.chunk_by(|one, next| one.is_ascii() == next.is_ascii()) {
        if piece.is_ascii() {
            ascii.extend_from_slice(piece);
        } else {
            escape(&mut ascii, &String::from_utf8_lossy(piece));
        }
    }
    Cow::Owned(ascii)
}

/// The same XML document in ASCII alone.
fn ascii_xml(message: &[u8]) -> Cow<'_, [u8]> {
    if message.is_ascii() {
        return Cow::Borrowed(message);
    }
    let mut ascii = Vec::with_capacity(message.len() * 3 / 2);
    append_ascii(&mut ascii, message);
    Cow::Owned(ascii)
}

/// Appends the characters as escapes of JSON.
fn escape(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for unit in text.encode_utf16() {
        let digit = |shift: u32| HEX[usize::from(unit >> shift) & 0xF];
        out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
    }
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
