//! An independent reader of what the gateway sends: HTTP heads and the frames of RFC 6455, as strict as a peer may be.
//!
//! In come bytes as they were sent, cut anywhere; out go heads, messages and control frames. Anything that a strict peer
//! would complain of is a panic.

use base64_simd::STANDARD;
use okgate_core::protocol::{json_field, json_text};
use roxmltree::{Document, Node};
use serde_json::Value;
use serde_json::value::RawValue;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A message: one JSON array of a name and an object.
    Message {
        /// Its name.
        name: String,
        /// The text of its fields, in JSON.
        fields: String,
        /// It came as a document.
        is_xml: bool,
    },
    /// A ping and its payload.
    Ping(Vec<u8>),
    /// A pong and its payload.
    Pong(Vec<u8>),
    /// The last frame, with its code.
    Close(Option<u16>),
}

/// One direction of one connection after its handshake.
#[derive(Debug)]
pub(crate) struct Frames {
    is_masked: bool,
    bytes: Vec<u8>,
    has_ended: bool,
}

impl Frames {
    /// Of a peer whose frames must be masked, or must not be.
    pub(crate) const fn new(is_masked: bool) -> Self {
        Self {
            is_masked,
            bytes: Vec::new(),
            has_ended: false,
        }
    }

    /// Whether a close frame was read.
    pub(crate) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether no frame is unfinished.
    pub(crate) fn is_at_border(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes bytes, and gives what is complete.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Said> {
        self.bytes.extend_from_slice(bytes);
        let (mut said, mut used) = (Vec::new(), 0);
        while let Some(frame) = Frame::read(&self.bytes[used..], self.is_masked) {
            assert!(!self.has_ended, "a frame behind the close frame");
            used += frame.bytes;
            let what = read_frame(frame.opcode, frame.payload);
            self.has_ended = matches!(what, Said::Close(_));
            said.push(what);
        }
        self.bytes.drain(..used);
        said
    }
}

/// A whole frame, unmasked.
struct Frame {
    opcode: u8,
    payload: Vec<u8>,
    bytes: usize,
}

impl Frame {
    fn read(bytes: &[u8], is_masked: bool) -> Option<Self> {
        let [first, second, ..] = *bytes else {
            return None;
        };
        assert_eq!(first & 0xF0, 0x80, "not a whole message: {first:#x}");
        assert_eq!(second & 0x80 != 0, is_masked, "the mask bit");
        let extended = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let digits = bytes.get(2..2 + extended)?.iter();
        let length = match extended {
            0 => usize::from(second & 0x7F),
            _ => digits.fold(0, |length, &digit| length << 8 | usize::from(digit)),
        };
        let shortest = [0, 126, 1 << 16][extended.div_ceil(4)];
        assert!(length >= shortest, "a length in too many bytes: {length}");
        let start = 2 + extended + if is_masked { 4 } else { 0 };
        let mask = bytes.get(2 + extended..start)?;
        let mut payload = bytes.get(start..start.checked_add(length)?)?.to_vec();
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        Some(Self {
            opcode: first & 0x0F,
            payload,
            bytes: start + length,
        })
    }
}

fn read_frame(opcode: u8, payload: Vec<u8>) -> Said {
    assert!(
        opcode == 1 || payload.len() <= 125,
        "a control frame of {} bytes",
        payload.len()
    );
    match opcode {
        1 => read_message(std::str::from_utf8(&payload).expect("a text is UTF-8")),
        8 => {
            assert_ne!(payload.len(), 1, "half a close code");
            let code = payload.split_first_chunk::<2>().map(|(code, reason)| {
                std::str::from_utf8(reason).expect("a reason is UTF-8");
                u16::from_be_bytes(*code)
            });
            assert!(code.is_none_or(may_be_sent), "close code {code:?}");
            Said::Close(code)
        }
        9 => Said::Ping(payload),
        10 => Said::Pong(payload),
        _ => panic!("opcode {opcode}"),
    }
}

/// RFC 6455, 7.4: the codes that may stand in a frame.
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// protocol 3.1-a: an array of a name and an object; protocol 3.2-a: or a document.
pub(crate) fn read_message(text: &str) -> Said {
    if text.starts_with('<') {
        return read_document(text);
    }
    let read: Result<(&RawValue, &RawValue), _> = serde_json::from_str(text);
    let (name, fields) = read.unwrap_or_else(|error| panic!("no message: {error}: {text}"));
    let name = serde_json::from_str(name.get()).expect("a name is a text");
    assert!(fields.get().starts_with('{'), "no object: {text}");
    Said::Message {
        name,
        fields: fields.get().to_owned(),
        is_xml: false,
    }
}

/// protocol 3.2-b: the same message as a document. Its fields become JSON, their numbers as they stand.
fn read_document(text: &str) -> Said {
    let document = Document::parse(text).unwrap_or_else(|error| panic!("no XML: {error}: {text}"));
    let root = document.root_element();
    assert!(root.has_tag_name("message"), "no message: {text}");
    Said::Message {
        name: root.attribute("name").expect("a name").to_owned(),
        fields: json_object(root),
        is_xml: true,
    }
}

fn json_object(node: Node<'_, '_>) -> String {
    let field = |child: Node<'_, '_>| {
        let key = child.attribute("name").unwrap_or(child.tag_name().name());
        let key = match child.attribute("name-encoding") {
            Some(_) => decoded(key),
            None => key.to_owned(),
        };
        format!("{}:{}", Value::String(key), json_value(child))
    };
    let fields = node.children().filter(Node::is_element).map(field);
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn json_value(node: Node<'_, '_>) -> String {
    let text = node.text().unwrap_or_default();
    match node.attribute("type") {
        Some("number" | "boolean") => text.to_owned(),
        Some("null") => "null".to_owned(),
        Some("object") => json_object(node),
        Some("array") => {
            let items = node.children().filter(Node::is_element).map(json_value);
            format!("[{}]", items.collect::<Vec<_>>().join(","))
        }
        None | Some("string") if node.attribute("encoding").is_some() => {
            Value::String(decoded(text)).to_string()
        }
        None | Some("string") => Value::String(text.to_owned()).to_string(),
        Some(other) => panic!("the type {other}"),
    }
}

fn decoded(base64: &str) -> String {
    let bytes = STANDARD.decode_to_vec(base64).expect("base64");
    String::from_utf8(bytes).expect("base64 of UTF-8")
}

/// A text field of a message.
pub(crate) fn field<'a>(fields: &'a str, key: &str) -> Option<std::borrow::Cow<'a, str>> {
    json_field(fields.as_bytes(), key).and_then(json_text)
}

/// protocol 3.3-f: the packets of one message, in order, with nothing between them.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    next: usize,
    content: String,
}

impl Packets {
    /// Whether no message is unfinished.
    pub(crate) const fn is_between(&self) -> bool {
        self.next == 0
    }

    /// Takes what was said, and gives the message that it is or completes.
    pub(crate) fn take(&mut self, said: Said) -> Option<Said> {
        match said {
            Said::Message { name, fields, .. } if name == "multipart" => self.take_packet(&fields),
            // What was to follow may have been dropped.
            Said::Close(_) => Some(said),
            _ => {
                assert!(self.is_between(), "{said:?} between two packets");
                Some(said)
            }
        }
    }

    fn take_packet(&mut self, fields: &str) -> Option<Said> {
        let number = |key| field(fields, key).and_then(|text| text.parse::<usize>().ok());
        let content = field(fields, "content").expect("content");
        let content = STANDARD.decode_to_vec(&*content).expect("base64");
        assert_eq!(number("packetnumber"), Some(self.next), "in order");
        self.next += 1;
        self.content += std::str::from_utf8(&content).expect("UTF-8 on its own");
        if number("packetcount") != Some(self.next) {
            return None;
        }
        Some(read_message(&std::mem::take(self).content))
    }
}

/// The head of an answer to a handshake.
#[derive(Debug)]
pub(crate) struct AnswerHead {
    /// Its status.
    pub(crate) status: u16,
    /// Its bytes, with the empty line at its end.
    pub(crate) bytes: usize,
    /// Its lines, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl AnswerHead {
    /// Reads the head that `bytes` begin with; `None` while it is incomplete. The lines are held against RFC 9112.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).expect("a head is a text");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status.and_then(|line| line.split_once(' ')?.0.parse().ok());
        Some(Self {
            status: status.expect("a status"),
            bytes: end + 4,
            headers: lines.map(header_line).collect(),
        })
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let line = self.headers.iter().find(|(known, _)| known == name);
        line.map(|(_, value)| value.as_str())
    }

    /// The bytes of the body.
    pub(crate) fn content_length(&self) -> usize {
        let length = self.header("content-length");
        let length = length.and_then(|length| length.parse().ok());
        length.expect("a length")
    }
}

fn header_line(line: &str) -> (String, String) {
    let (name, value) = line.split_once(": ").expect("a header line");
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    assert!(!name.is_empty() && name.bytes().all(is_token), "{line:?}");
    let is_text = |byte: u8| byte == b'\t' || !byte.is_ascii_control();
    assert!(value.bytes().all(is_text), "{line:?}");
    (name.to_ascii_lowercase(), value.to_owned())
}
