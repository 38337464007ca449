//! Writes the inputs that the corpora grew from: `cargo run -p okgate-invariants --example seeds -- DIRECTORY`.
//!
//! They are the messages of `gateway/PROTOCOL.md`, the stories of a browser library and of a CRM, and what programs do
//! wrong. `scripts/fuzz --minimise` makes a corpus of them and of what the fuzzer found.
#![forbid(unsafe_code)]

use std::path::Path;
use std::{env, fs, io};

use okgate_core::base::Guid;
use okgate_core::protocol::{Format, split};
use okgate_core::wire::frame::{
    CloseCode, append_binary, append_close, append_ping, append_pong, append_text,
};

fn main() -> io::Result<()> {
    let Some(directory) = env::args_os().nth(1) else {
        return Err(io::Error::other("name the directory that gets the seeds"));
    };
    let targets = [
        ("head", heads()),
        ("frame", frames()),
        ("message", messages().into_iter().map(Vec::from).collect()),
        ("multipart", multiparts()),
        ("shard", programs(include_str!("seeds/shard.txt"))),
        ("crm", programs(include_str!("seeds/crm.txt"))),
        ("xml", documents()),
        ("auth", programs(include_str!("seeds/auth.txt"))),
        ("hixie", hixies()),
    ];
    for (target, seeds) in targets {
        let directory = Path::new(&directory).join(target);
        fs::create_dir_all(&directory)?;
        for (index, seed) in seeds.into_iter().enumerate() {
            fs::write(directory.join(format!("seed-{index:03}")), seed)?;
        }
    }
    Ok(())
}

fn heads() -> Vec<Vec<u8>> {
    const LINES: &str = "Host: gateway:4066\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let request = |first: &str, more: &str| format!("{first}\r\n{LINES}{more}\r\n").into_bytes();
    let answer = |first: &str, more: &str| format!("HTTP/1.1 {first}\r\n{more}\r\n").into_bytes();
    let get = "GET /oktell?a=1 HTTP/1.1";
    vec![
        request(
            get,
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, oktell-json.v1\r\n",
        ),
        request(
            get,
            "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Origin: http://crm.example\r\n",
        ),
        request(
            get,
            "Sec-WebSocket-Version: 13\r\nOrigin: http://crm.example\r\n",
        ),
        request(
            get,
            "Sec-WebSocket-Version: 7\r\nSec-WebSocket-Protocol: XML\r\n",
        ),
        request(get, "Sec-WebSocket-Version: 0\r\n"),
        request(get, "Sec-WebSocket-Version: 13\r\nContent-Length: 5\r\n"),
        request(
            get,
            "Sec-WebSocket-Version: 13\r\nTransfer-Encoding: chunked\r\n",
        ),
        request(
            "GET http://gateway/x HTTP/1.1",
            "Sec-WebSocket-Version: 13\r\n",
        ),
        request("POST / HTTP/1.1", "Sec-WebSocket-Version: 13\r\n"),
        request("GET / HTTP/1.0", "Sec-WebSocket-Version: 13\r\n"),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00".to_vec(),
        b"GET / HTTP/2.0\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\nHost: a\n\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n".to_vec(),
        ["GET / HTTP/1.1\r\n", &"X: y\r\n".repeat(70), "\r\n"]
            .concat()
            .into_bytes(),
        answer(
            "101 Switching Protocols",
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n",
        ),
        answer(
            "401 Unauthorized",
            "WWW-Authenticate: Basic realm=\"crm\"\r\n",
        ),
        answer("426 Upgrade Required", "Sec-WebSocket-Version: 13, 8\r\n"),
        answer("200", ""),
        b"crm.example:8045\n/oktell?x=y\n".to_vec(),
        b"a b\nno path\n".to_vec(),
    ]
}

fn frames() -> Vec<Vec<u8>> {
    let mask = Some([0x37, 0xFA, 0x21, 0x3D]);
    let made = |choice: u8, write: &dyn Fn(&mut Vec<u8>)| {
        let mut seed = vec![choice, b'0'];
        write(&mut seed);
        seed
    };
    let raw = |bytes: &[u8]| [b"\x00\x30", bytes].concat();
    let mut seeds = vec![
        made(0, &|out| append_text(out, r#"["ping",{"qid":"1"}]"#, mask)),
        made(0, &|out| append_text(out, &"ж".repeat(100), mask)),
        made(4, &|out| append_text(out, &"x".repeat(201), mask)),
        made(0, &|out| append_ping(out, b"are you there", mask)),
        made(2, &|out| append_binary(out, b"\x00\xFF", mask)),
        made(0, &|out| append_binary(out, b"\x00\xFF", mask)),
        made(1, &|out| append_text(out, "from a server", None)),
        made(1, &|out| append_pong(out, b"", None)),
        made(0, &|out| append_text(out, "without a mask", None)),
        made(0, &|out| {
            append_text(out, "one", mask);
            append_close(out, Some(CloseCode::Away), "bye", mask);
            append_text(out, "too late", mask);
        }),
        // A text in fragments with a ping between them, cut in the middle of a character.
        raw(b"\x01\x81\0\0\0\0\xD0\x89\x80\0\0\0\0\x80\x81\0\0\0\0\xB6"),
        raw(b"\x80\x80\0\0\0\0"),
        raw(b"\x01\x80\0\0\0\0\x81\x80\0\0\0\0"),
        raw(b"\x81\x82\0\0\0\0\xC3\x28"),
        raw(b"\x81\xFE\0\x05\0\0\0\0hello"),
        raw(b"\x81\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0"),
        raw(b"\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0"),
        raw(b"\x88\x81\0\0\0\0\x03"),
        raw(b"\x88\x82\0\0\0\0\x03\xED"),
        raw(b"\x89\xFE\0\x7E\0\0\0\0"),
        raw(b"\x09\x80\0\0\0\0"),
        raw(b"\xC1\x80\0\0\0\0"),
        raw(b"\x83\x80\0\0\0\0"),
    ];
    seeds.extend((0..8).map(|choice| made(choice << 2, &|out| append_text(out, "[]", mask))));
    seeds
}

/// Messages of the protocol, and some that break its rules.
fn messages() -> Vec<&'static str> {
    let good = include_str!("seeds/messages.txt").lines();
    let bad = include_str!("seeds/malformed.txt").lines();
    good.chain(bad).filter(|line| !line.is_empty()).collect()
}

fn multiparts() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        "[\"ping\",{\"qid\":\"1\"}]",
        "[\"x\",{\"y\":\"жук 🐞\"}]",
        "",
        "ж",
    ]
    .into_iter()
    .zip([0, 1, 2, 255])
    .map(|(message, size)| [&[b's', size, size], message.as_bytes()].concat())
    .collect();
    let message = br#"["availablemethods",{"qid":"1","methods":[{"key":"m"}]}]"#;
    let packets = split(message, Guid::from_bits(1), 20, Format::Json);
    let fields = packets.map(|packet| {
        let start = b"[\"multipart\",".len();
        packet[start..packet.len() - 1].to_vec()
    });
    let fields: Vec<Vec<u8>> = fields.collect();
    seeds.push([b"m", fields.join(&RECORD_SEPARATOR).as_slice()].concat());
    seeds.extend(programs(include_str!("seeds/multipart.txt")));
    seeds
}

/// Messages in JSON, and documents.
fn documents() -> Vec<Vec<u8>> {
    let json = messages().into_iter().map(|message| format!("j{message}"));
    let documents = include_str!("seeds/documents.txt").lines();
    let documents = documents
        .filter(|line| !line.is_empty())
        .map(|it| format!("x{it}"));
    json.chain(documents).map(String::into_bytes).collect()
}

fn hixies() -> Vec<Vec<u8>> {
    const EXAMPLE: &str = "hGET /demo HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\nSec-WebSocket-Protocol: json\r\nUpgrade: WebSocket\r\n\
        Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nOrigin: http://example.com\r\n\r\n^n:ds[4U";
    let newer = EXAMPLE.replace(
        "Origin:",
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin:",
    );
    let mut seeds: Vec<Vec<u8>> = [
        EXAMPLE,
        &EXAMPLE[..EXAMPLE.len() - 1],
        &EXAMPLE.replace("Key2", "Key3"),
        &EXAMPLE.replace("12998 5", "12998x5"),
        &EXAMPLE.replace("/demo", "/demo?a=b"),
        &newer,
    ]
    .map(|request| request.as_bytes().to_vec())
    .into();
    let frames: [&[u8]; 8] = [
        b"0\0[\"ping\",{}]\xFF\0\xFF\xFF\0\0late\xFF",
        b"1\0\xD0\xB6\xFF",
        b"2\0\xD0\xFF",
        b"3\x80\x01x",
        b"4\xFF\x01x",
        b"5\x01x\xFF",
        b"6\xFF",
        b"7\0unfinished",
    ];
    seeds.extend(frames.map(<[u8]>::to_vec));
    seeds.push([b"8\0", [b'x'; 101].as_slice(), b"\xFF"].concat());
    seeds
}

const RECORD_SEPARATOR: u8 = 0x1E;

/// Programs in a file: the first byte and the records stand in lines of their own, an empty line behind each program.
/// The end of a header line is written as `\r\n`.
fn programs(file: &str) -> Vec<Vec<u8>> {
    let separator = char::from(RECORD_SEPARATOR).to_string();
    let programs = file.trim_end().split("\n\n");
    let join = |program: &str| program.replace('\n', &separator).replace(r"\r\n", "\r\n");
    programs.map(|program| join(program).into_bytes()).collect()
}
