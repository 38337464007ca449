//! Messages: the first look, the fields, whole requests, packets.

use std::hint::black_box;

use okgate_core::base::{Guid, Instant};
use okgate_core::protocol::{
    Assembler, BodyReader, Format, Method, MultipartLimits, PACKET_CHARS, peek, read_user_request,
    split,
};

use super::{Amount, HotPath, PING, Reads, Repeats, Step};

pub(super) const PATHS: &[HotPath] = &[
    path("peek/147", SHORT, || look(short_message())),
    path("peek/4096", LONG, || look(long_message())),
    path("body/147", SHORT, || fields(&short_message())),
    path("body/4096", LONG, || fields(&long_message())),
    path("request/getversion", MESSAGE, || {
        request(r#"["getversion",{"qid":"0.82314752938475","showalloweddbstoredprocs":1}]"#)
    }),
    path("request/setuserstate", MESSAGE, || {
        request(
            r#"["setuserstate",{"qid":"0.82314752938475","userstateid":"2","lunchreasonid":1}]"#,
        )
    }),
    path("request/getcurrentqueue", MESSAGE, || {
        request(r#"["getcurrentqueue",{"qid":"0.82314752938475"}]"#)
    }),
    path("multipart/cut_4096", LONG, cut),
    path("multipart/join_4096", LONG, join),
];

const SHORT: Amount = Amount::Bytes(PING.len() as u64);
const LONG: Amount = Amount::Bytes(4096);
const MESSAGE: Amount = Amount::Elements(1);

const fn path(name: &'static str, amount: Amount, set_up: fn() -> Step) -> HotPath {
    HotPath {
        name,
        amount,
        repeats: Repeats::Always,
        set_up,
    }
}

fn short_message() -> Vec<u8> {
    PING.as_bytes().to_vec()
}

/// An answer with a list of numbers, a little over 4 KiB.
fn long_message() -> Vec<u8> {
    let mut message = String::from(r#"["getpbxnumbersresult",{"qid":"0.8231475","numbers":["#);
    let mut number = 100;
    while message.len() < 4096 {
        let comma = if number == 100 { "" } else { "," };
        let row = format!(
            r#"{comma}{{"id":"1bac7528-c7d9-4103-91d8-efd478ce{number:04}","number":"{number}","caption":"Отдел продаж","type":0,"state":1,"isgroup":false}}"#
        );
        message.push_str(&row);
        number += 1;
    }
    message += "]}]";
    message.into_bytes()
}

fn look(message: Vec<u8>) -> Step {
    Box::new(move || peek(black_box(&message)).expect("a message").name.len())
}

fn fields(message: &[u8]) -> Step {
    let mut reads = Reads::of(peek(message).expect("a message").fields.to_vec());
    let mut reader = BodyReader::new();
    Box::new(move || {
        let qid = reader.read(reads.next(), |body| {
            body.text("qid").map(|qid| qid.is_some())
        });
        usize::from(qid.flatten().expect("JSON with a qid"))
    })
}

fn request(message: &str) -> Step {
    let mut reads = Reads::of(message.as_bytes().to_vec());
    let mut reader = BodyReader::new();
    Box::new(move || {
        let message = reads.next();
        let peek = peek(message).expect("a message");
        let (method, range) = (Method::named(peek.name), peek.fields_range);
        let fields_bytes = range.len();
        let request = read_user_request(method, &mut message[range], &mut reader);
        black_box(request.expect("a request for the hub"));
        fields_bytes
    })
}

fn cut() -> Step {
    let message = long_message();
    Box::new(move || {
        let packets = split(
            black_box(&message),
            Guid::from_bits(7),
            PACKET_CHARS,
            Format::Json,
        );
        packets.map(|packet| packet.len()).sum()
    })
}

/// All packets of one message; the last one gives it.
fn join() -> Step {
    let message = long_message();
    let packets = split(&message, Guid::from_bits(7), PACKET_CHARS, Format::Json);
    let fields = |packet: Vec<u8>| Reads::of(peek(&packet).expect("a packet").fields.to_vec());
    let mut packets: Vec<_> = packets.map(fields).collect();
    let mut assembler = Assembler::new(MultipartLimits::default());
    let mut reader = BodyReader::new();
    Box::new(move || {
        let mut message = None;
        for packet in &mut packets {
            let accepted = reader.read(packet.next(), |body| {
                assembler.accept(&body, Instant::from_micros(0))
            });
            message = accepted.expect("JSON").expect("a good packet");
        }
        message.expect("all packets are there").len()
    })
}
