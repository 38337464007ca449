//! Frames and heads: what arrives, as reads bring it, and what goes out.

use std::hint::black_box;
use std::ops::ControlFlow;

use okgate_core::wire::frame::{Binary, Limits, Role, append_text, append_text_with, unmask};
use okgate_core::wire::head::{self, RequestHead};
use okgate_core::wire::inbound::{Inbound, Incoming};
use okgate_core::wire::upgrade::{Policy, accept};

use super::{Amount, BATCH, HotPath, PING, Reads, Repeats, Step};
use crate::gateway::{MASK, frames};

pub(super) const PATHS: &[HotPath] = &[
    path("wire/unmask_4096", Amount::Bytes(4096), unmask_payload),
    path("wire/decode_batch_16x147", MESSAGES, || {
        decode(frames(&[PING; BATCH]), usize::MAX)
    }),
    path("wire/decode_batch_16x147_cut_in_two", MESSAGES, || {
        decode(frames(&[PING; BATCH]), 1_300)
    }),
    path(
        "wire/decode_256_kib_frame_in_1_kib_pieces",
        Amount::Bytes(256 << 10),
        || decode(frames(&[&"x".repeat(256 << 10)]), 1 << 10),
    ),
    path(
        "wire/decode_1024_kib_frame_in_1_kib_pieces",
        Amount::Bytes(1024 << 10),
        || decode(frames(&[&"x".repeat(1024 << 10)]), 1 << 10),
    ),
    path("wire/encode_batch_16x147", MESSAGES, || encode(None)),
    path("wire/encode_masked_batch_16x147", MESSAGES, || encode(MASK)),
    path(
        "wire/encode_behind_header_batch_16x147",
        MESSAGES,
        encode_behind_header,
    ),
    path(
        "wire/head_and_upgrade",
        Amount::Bytes(REQUEST.len() as u64),
        handshake,
    ),
];

const MESSAGES: Amount = Amount::Elements(BATCH as u64);

/// What a current browser sends.
const REQUEST: &[u8] = b"GET /?login=admin HTTP/1.1\r\n\
    Host: gateway.example:4066\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: https://crm.example\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: ru,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
    Sec-WebSocket-Protocol: json\r\n\
    \r\n";

const fn path(name: &'static str, amount: Amount, set_up: fn() -> Step) -> HotPath {
    HotPath {
        name,
        amount,
        repeats: Repeats::Always,
        set_up,
    }
}

/// Takes the mask off; the next step puts it on again, which is the same work.
fn unmask_payload() -> Step {
    let mut payload = vec![b'x'; 4096];
    let mask = MASK.expect("a browser masks");
    Box::new(move || {
        unmask(black_box(&mut payload), mask);
        payload.len()
    })
}

/// Frames arrive in reads of so many bytes.
fn decode(frames: Vec<u8>, read_bytes: usize) -> Step {
    let mut inbound = Inbound::new(Role::Server, Limits::default(), Binary::Refuse);
    let mut reads = Reads::of(frames);
    Box::new(move || {
        let mut text_bytes = 0;
        for read in reads.next().chunks_mut(read_bytes) {
            let result = inbound.receive(read, |incoming| {
                if let Incoming::Text(text) = incoming {
                    text_bytes += black_box(text).len();
                }
                ControlFlow::Continue(())
            });
            result.expect("the frames are fine");
        }
        text_bytes
    })
}

fn encode(mask: Option<[u8; 4]>) -> Step {
    let mut output = Vec::new();
    Box::new(move || {
        output.clear();
        for _ in 0..BATCH {
            append_text(&mut output, black_box(PING), mask);
        }
        output.len()
    })
}

fn encode_behind_header() -> Step {
    let mut output = Vec::new();
    Box::new(move || {
        output.clear();
        for _ in 0..BATCH {
            append_text_with(&mut output, None, 200, |output| {
                output.extend_from_slice(black_box(PING).as_bytes());
            });
        }
        output.len()
    })
}

fn handshake() -> Step {
    let limits = head::Limits::default();
    let origins = ["https://crm.example".to_owned()];
    let mut output = Vec::new();
    Box::new(move || {
        output.clear();
        let head = RequestHead::parse(black_box(REQUEST), &limits);
        let head = head.ok().flatten().expect("the head is complete");
        let upgrade = accept(
            &head,
            &Policy {
                origins: &origins,
                ..Policy::default()
            },
        )
        .expect("the request is fine");
        upgrade.write_response(&mut output);
        output.len()
    })
}
