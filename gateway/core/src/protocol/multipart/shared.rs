//! One long JSON message for many receivers, whose beginnings alone differ.
//!
//! All but the first packet are the same bytes for everybody, so they are made
//! once. The first one carries the receiver's own beginning, with as much space
//! behind it as fills the packet: so the whole message is cut exactly where
//! protocol 3.3-d says.

use std::rc::Rc;

use super::{PACKET_CHARS, Run, ascii_json, packet_bytes, packet_room};
use crate::base::Guid;
use crate::wire::frame::append_text_with;
use crate::wire::upgrade::Format;

/// The common rest of a long message, in packets, as frames of a server.
#[derive(Clone, Debug)]
pub struct SharedRest {
    run: Run,
    frames: Rc<[u8]>,
}

impl SharedRest {
    /// Cuts up the encoded text behind everybody's own beginning. No link may get two
    /// messages with the same id.
    pub fn new(rest: &[u8], id: Guid) -> Self {
        let rest = ascii_json(rest);
        let packets = rest.chunks(PACKET_BYTES);
        let run = Run {
            id,
            count: 1 + packets.len(),
            format: Format::Json,
        };
        let mut frames =
            Vec::with_capacity(packets.len() * packet_room(PACKET_BYTES, Format::Json));
        for (number, bytes) in (1..).zip(packets) {
            append_packet(&mut frames, run, number, bytes);
        }
        Self {
            run,
            frames: frames.into(),
        }
    }

    /// Appends the first packet, behind which [`SharedRest::frames`] belong. The
    /// beginning must end where JSON may have white space. Appends nothing and gives
    /// `false` if it is longer than one packet.
    pub fn write_first(&self, out: &mut Vec<u8>, beginning: &[u8]) -> bool {
        let beginning = ascii_json(beginning);
        let mut packet = [b' '; PACKET_BYTES];
        let Some(place) = packet.get_mut(..beginning.len()) else {
            return false;
        };
        place.copy_from_slice(&beginning);
        append_packet(out, self.run, 0, &packet);
        true
    }

    /// All packets but the first.
    pub const fn frames(&self) -> &Rc<[u8]> {
        &self.frames
    }
}

fn append_packet(out: &mut Vec<u8>, run: Run, number: usize, bytes: &[u8]) {
    append_text_with(out, None, packet_room(bytes.len(), Format::Json), |out| {
        run.write_packet(out, number, bytes);
    });
}

const PACKET_BYTES: usize = packet_bytes(PACKET_CHARS);

#[cfg(test)]
mod tests {
    use base64_simd::STANDARD;
    use serde_json::Value;

    use super::*;
    use crate::wire::frame::{Binary, Limits, Role};
    use crate::wire::inbound::{Inbound, Incoming};

    /// The packets in these frames.
    fn packets(frames: &mut [u8]) -> Vec<Value> {
        let mut packets = Vec::new();
        let mut inbound = Inbound::new(Role::Client, Limits::default(), Binary::Refuse);
        let received = inbound.receive(frames, |incoming| {
            if let Incoming::Text(text) = incoming {
                let (name, fields): (String, Value) =
                    serde_json::from_slice(text).expect("a packet is JSON");
                assert_eq!(name, "multipart");
                packets.push(fields);
            }
            std::ops::ControlFlow::Continue(())
        });
        received.expect("whole frames");
        packets
    }

    #[test]
    fn the_whole_is_cut_where_one_receivers_own_message_would_be() {
        let rest = format!(r#""text":"{}"}}]"#, "Анна ".repeat(1000));
        let shared = SharedRest::new(rest.as_bytes(), Guid::from_bits(7));
        for qid in ["1", "Ё", &"9".repeat(1024)] {
            let beginning = format!(r#"["x",{{"qid":"{qid}","#);
            let mut frames = Vec::new();
            assert!(shared.write_first(&mut frames, beginning.as_bytes()));
            frames.extend_from_slice(shared.frames());
            let packets = packets(&mut frames);
            let mut content = String::new();
            for (number, packet) in packets.iter().enumerate() {
                assert_eq!(packet["packetnumber"], number);
                assert_eq!(packet["packetcount"], packets.len());
                assert_eq!(packet["message-id"], packets[0]["message-id"]);
                let text = packet["content"].as_str().expect("a text");
                assert_eq!(packet["content-length"], text.len());
                assert!(text.len() == PACKET_CHARS || number + 1 == packets.len());
                content += text;
            }
            let whole = STANDARD.decode_to_vec(&content).expect("base64");
            assert!(whole.is_ascii());
            let whole: Value = serde_json::from_slice(&whole).expect("a message");
            let own: Value = serde_json::from_str(&(beginning + &rest)).expect("a message");
            assert_eq!(whole, own);
        }
    }

    #[test]
    fn a_beginning_longer_than_a_packet_is_refused() {
        let shared = SharedRest::new(b"1}]", Guid::from_bits(7));
        let mut out = Vec::new();
        assert!(!shared.write_first(&mut out, &[b'1'; PACKET_BYTES + 1]));
        assert!(!shared.write_first(&mut out, "Ё".repeat(257).as_bytes()));
        assert!(out.is_empty());
        assert!(shared.write_first(&mut out, &[b'1'; PACKET_BYTES]));
    }
}
