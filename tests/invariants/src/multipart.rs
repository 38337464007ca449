//! Long messages in packets: the splitter and the assembler (`okgate_core::protocol::{split, Assembler}`).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use base64_simd::{STANDARD, forgiving_decode_to_vec};
use okgate_core::base::{Guid, Instant};
use okgate_core::protocol::{
    Assembler, BodyReader, Format, MultipartError, MultipartLimits, json_field, json_text, peek,
    split,
};
use serde_json::{Value, json};

use crate::records::{self, number, records};

/// The first byte chooses: `s`, a message is split and put together again; else, a program of packets.
pub fn multipart(input: &[u8]) {
    let (choice, rest) = records::split(input);
    if choice == b's' {
        there_and_back(rest);
    } else {
        program(rest);
    }
}

/// A size, an order, and the message: it comes out of its packets as it went in, in whatever order they come.
fn there_and_back(input: &[u8]) {
    let (size, rest) = records::split(input);
    let (order, message) = records::split(rest);
    let Some(message) = records::text(message) else {
        return;
    };
    let chars = usize::from(size) * 8;
    let packets: Vec<Vec<u8>> =
        split(message.as_bytes(), Guid::from_bits(7), chars, Format::Json).collect();
    let contents: Vec<String> = packets.iter().map(|packet| content(packet)).collect();
    let full = (chars / 4 * 4).max(4);
    for (index, content) in contents.iter().enumerate() {
        let is_last = index + 1 == contents.len();
        assert!(if is_last {
            content.len() <= full
        } else {
            content.len() == full
        });
        let decoded = STANDARD.decode_to_vec(content).expect("base64 on its own");
        // protocol 3.3-g: no character is cut in two.
        assert!(decoded.is_ascii(), "a packet beyond ASCII");
    }
    let mut assembler = Assembler::new(MultipartLimits::default());
    let mut whole = None;
    for index in shuffled(packets.len(), order) {
        assert_eq!(whole, None, "whole before its last packet");
        let packet = peek(&packets[index]).expect("a packet is a message");
        let accepted = accept(&mut assembler, packet.fields, Instant::default());
        whole = accepted.expect("JSON").expect("our own packet");
    }
    assert_eq!(whole.is_none(), packets.is_empty());
    assert_eq!(assembler.held_bytes(), 0);
    let whole = String::from_utf8(whole.unwrap_or_default()).expect("UTF-8");
    if message.is_ascii() {
        assert_eq!(whole, message);
    } else if let Ok(value) = serde_json::from_str::<Value>(message) {
        assert_eq!(serde_json::from_str::<Value>(&whole).ok(), Some(value));
    }
}

fn content(packet: &[u8]) -> String {
    let packet = peek(packet).expect("a packet is a message");
    assert_eq!(packet.name, "multipart");
    let field = |key| json_field(packet.fields, key).and_then(json_text);
    let content = field("content").expect("content");
    assert_eq!(
        field("content-length"),
        Some(content.len().to_string().into())
    );
    content.into_owned()
}

/// The numbers below `count` in an order that depends on the seed.
fn shuffled(count: usize, seed: u8) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&index| (index * (2 * usize::from(seed) + 1)) % 257);
    order
}

/// Records: `t` and a digit, time passes; `p`, four digits and a content, a packet (message, count, number, kind); else
/// the text of a packet's fields.
fn program(input: &[u8]) {
    let mut world = World::new();
    for (operation, operand) in records(input, 500) {
        match operation {
            b't' => world.pass(Duration::from_secs(
                number(records::split(operand).0) as u64 * 3,
            )),
            b'p' => world.packet(operand),
            _ => world.fields(&[&[operation], operand].concat()),
        }
        world.check();
    }
    world.pass(LIMITS.age_max);
    world.assembler.expire(world.now);
    assert_eq!(world.assembler.held_bytes(), 0);
    assert_eq!(world.assembler.next_expiry(), None);
}

const LIMITS: MultipartLimits = MultipartLimits {
    packets_max: 6,
    bytes_max: 200,
    unfinished_max: 3,
    age_max: Duration::from_secs(30),
};

struct World {
    assembler: Assembler,
    now: Instant,
    /// What came last of each packet that was taken, by message.
    taken: HashMap<String, BTreeMap<i64, Vec<u8>>>,
}

impl World {
    fn new() -> Self {
        Self {
            assembler: Assembler::new(LIMITS),
            now: Instant::default(),
            taken: HashMap::new(),
        }
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    fn packet(&mut self, operand: &[u8]) {
        let Some(([id, count, position, kind], content)) = operand.split_first_chunk::<4>() else {
            return;
        };
        let encoded = match kind {
            b'b' => "%%%".to_owned(),
            b'u' => STANDARD.encode_to_string([content, b"\xFF"].concat()),
            _ => STANDARD.encode_to_string(content),
        };
        let fields = json!({
            "message-id": char::from(*id).to_string(),
            "packetcount": number(*count),
            "packetnumber": number(*position).to_string(),
            "content": encoded,
        });
        self.fields(fields.to_string().as_bytes());
    }

    fn fields(&mut self, fields: &[u8]) {
        let Some(accepted) = accept(&mut self.assembler, fields, self.now) else {
            return;
        };
        let Ok(read) = serde_json::from_slice::<Value>(fields) else {
            return;
        };
        let text = |field: &str| match &read[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let id = text("message-id");
        match accepted {
            Err(error) => {
                assert!(matches!(error.fault().number.code(), 400 | 413 | 422 | 429));
                self.taken.remove(&id);
            }
            Ok(whole) => {
                // A packet of a message that was dropped is taken unread.
                let position = text("packetnumber").trim().parse::<f64>();
                let content = forgiving_decode_to_vec(text("content").as_bytes());
                if let (Ok(position), Ok(content)) = (position, content) {
                    #[expect(clippy::cast_possible_truncation, reason = "packets are few")]
                    let position = position as i64;
                    let message = self.taken.entry(id.clone()).or_default();
                    message.insert(position, content);
                }
                if let Some(whole) = whole {
                    self.check_whole(&id, text("packetcount").trim(), &whole);
                }
            }
        }
    }

    /// It consists of what came last of each of its packets.
    fn check_whole(&mut self, id: &str, count: &str, whole: &[u8]) {
        assert!(whole.len() <= LIMITS.bytes_max);
        assert!(records::text(whole).is_some(), "UTF-8");
        let packets = self.taken.remove(id).unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, reason = "packets are few")]
        let count = count.parse::<f64>().expect("a count") as i64;
        let content: Vec<u8> = packets
            .range(..count)
            .flat_map(|(_, it)| it.clone())
            .collect();
        assert_eq!(content, whole);
    }

    fn check(&self) {
        let held = self.assembler.held_bytes();
        assert!(held <= LIMITS.bytes_max, "{held} bytes are held");
        let expiry = self.assembler.next_expiry();
        assert!(expiry.is_some() || held == 0, "held for ever");
        assert!(expiry.is_none_or(|at| at <= self.now + LIMITS.age_max));
    }
}

/// Gives the fields of a packet to the assembler; `None` if they are not JSON that can be read.
fn accept(
    assembler: &mut Assembler,
    fields: &[u8],
    now: Instant,
) -> Option<Result<Option<Vec<u8>>, MultipartError>> {
    let mut fields = fields.to_vec();
    let read = BodyReader::new().read(&mut fields, |body| assembler.accept(&body, now));
    read.ok()
}
