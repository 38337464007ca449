//! Times of the wire: a batch of frames as one read brings it, encoding, a whole handshake.

use std::{hint::black_box, ops::ControlFlow};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use okgate_core::wire::frame::{Binary, Limits, Role, append_text, append_text_with};
use okgate_core::wire::head::{self, RequestHead};
use okgate_core::wire::inbound::{Inbound, Incoming};
use okgate_core::wire::upgrade::{Policy, accept};

/// A message of 147 bytes, as tabs send them.
const MESSAGE: &str = "[\"ping\", {\"qid\": \"EFD478CE-C7D9-4103-91D8-1BAC7528AC49\", \
    \"userlogin\": \"admin\", \"filler\": \"012301234567890123456789012345678901234567890123456789\"}]";
const BATCH: usize = 16;
const MASK: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

/// A mask that leaves the payload as it is: the same bytes can be decoded again and again.
const NO_CHANGE: Option<[u8; 4]> = Some([0; 4]);

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

fn count(inbound: &mut Inbound, bytes: &mut [u8]) -> usize {
    let mut total = 0;
    let result = inbound.receive(bytes, |incoming| {
        if let Incoming::Text(text) = incoming {
            total += black_box(text).len();
        }
        ControlFlow::Continue(())
    });
    result.expect("the frames are fine");
    total
}

fn new_inbound() -> Inbound {
    Inbound::new(Role::Server, Limits::default(), Binary::Refuse)
}

fn decode(criterion: &mut Criterion) {
    assert_eq!(MESSAGE.len(), 147);
    let mut batch = Vec::new();
    for _ in 0..BATCH {
        append_text(&mut batch, MESSAGE, NO_CHANGE);
    }
    let mut group = criterion.benchmark_group("wire");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("decode_batch_16x147", |bencher| {
        let mut inbound = new_inbound();
        bencher.iter(|| count(&mut inbound, &mut batch));
    });
    group.bench_function("decode_batch_16x147_cut_in_two", |bencher| {
        let mut inbound = new_inbound();
        let (first, second) = batch.split_at_mut(1_300);
        bencher.iter(|| count(&mut inbound, first) + count(&mut inbound, second));
    });
    group.finish();
}

fn decode_long(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire");
    for kibibytes in [256, 1024] {
        let mut bytes = Vec::new();
        append_text(&mut bytes, &"x".repeat(kibibytes << 10), NO_CHANGE);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        let name = format!("decode_{kibibytes}_kib_frame_in_1_kib_pieces");
        group.bench_function(name, |bencher| {
            let mut inbound = new_inbound();
            bencher.iter(|| {
                let pieces = bytes.chunks_mut(1 << 10);
                pieces
                    .map(|piece| count(&mut inbound, piece))
                    .sum::<usize>()
            });
        });
    }
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire");
    group.throughput(Throughput::Elements(BATCH as u64));
    let mut output = Vec::new();
    for (name, mask) in [
        ("encode_batch_16x147", None),
        ("encode_masked_batch_16x147", MASK),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                output.clear();
                for _ in 0..BATCH {
                    append_text(&mut output, black_box(MESSAGE), mask);
                }
                output.len()
            });
        });
    }
    group.bench_function("encode_behind_header_batch_16x147", |bencher| {
        bencher.iter(|| {
            output.clear();
            for _ in 0..BATCH {
                append_text_with(&mut output, None, 200, |output| {
                    output.extend_from_slice(black_box(MESSAGE).as_bytes());
                });
            }
            output.len()
        });
    });
    group.finish();
}

fn handshake(criterion: &mut Criterion) {
    let limits = head::Limits::default();
    let origins = ["https://crm.example".to_owned()];
    let policy = Policy { origins: &origins };
    let mut output = Vec::new();
    criterion.bench_function("wire/head_and_upgrade", |bencher| {
        bencher.iter(|| {
            output.clear();
            let head = RequestHead::parse(black_box(REQUEST), &limits);
            let head = head.ok().flatten().expect("the head is complete");
            let upgrade = accept(&head, &policy).expect("the request is fine");
            upgrade.write_response(&mut output);
            output.len()
        });
    });
}

criterion_group!(benches, decode, decode_long, encode, handshake);
criterion_main!(benches);
