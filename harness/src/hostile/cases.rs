//! Owns the cases: how each begins, what it sends, and what it is to get.

use serde_json::{Value, json};

use crate::message::Message;
use crate::raw::{self, BINARY, TEXT};
use crate::raw_link::append_text;
use crate::tab::login_fields;

/// One thing that a peer may do wrong.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is.
    pub name: &'static str,
    /// How far the peer goes before.
    pub start: Start,
    /// What it sends then.
    pub bytes: Vec<u8>,
    /// What it is to get: see [`super::meet`].
    pub expected: &'static str,
}

/// How far a peer goes as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It connects.
    Connection,
    /// It shakes hands with this subprotocol.
    Link(Option<&'static str>),
    /// It logs in, too.
    Tab,
}

/// The user who does everything wrong.
pub(super) const LOGIN: &str = "user1";

/// Every case. The user who does everything wrong is `user1`.
pub fn all() -> Vec<Case> {
    let mut cases = connections();
    cases.extend(frames());
    cases.extend(texts());
    cases.extend(requests());
    cases
}

fn connections() -> Vec<Case> {
    let case = |name, bytes: &[u8], expected| Case {
        name,
        start: Start::Connection,
        bytes: bytes.to_vec(),
        expected,
    };
    let upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let wrong_version = format!("{upgrade}Sec-WebSocket-Version: 12\r\n\r\n");
    vec![
        case(
            "garbage instead of HTTP",
            &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 13, 10, 13, 10],
            "HTTP 400",
        ),
        case("half a head, then silence", upgrade.as_bytes(), "cut"),
        case(
            "a head of 64 KiB",
            &[upgrade.as_bytes(), b"Cookie: ", &[b'x'; 64 << 10]].concat(),
            "HTTP 431",
        ),
        case("WebSocket version 12", wrong_version.as_bytes(), "HTTP 426"),
    ]
}

fn frames() -> Vec<Case> {
    let case = |name, bytes: Vec<u8>, expected| Case {
        name,
        start: Start::Link(Some("json")),
        bytes,
        expected,
    };
    let frame = |first: u8, payload: &[u8]| {
        let mut bytes = Vec::new();
        raw::append_frame(&mut bytes, first, Some([1, 2, 3, 4]), payload);
        bytes
    };
    let mut unmasked = Vec::new();
    raw::append_frame(&mut unmasked, 0x80 | TEXT, None, b"[\"ping\",{}]");
    let without_format = Case {
        start: Start::Link(None),
        ..case(
            "no subprotocol",
            text("[\"ping\",{\"qid\":\"1\"}]").repeat(10),
            "error 403, close 1008",
        )
    };
    let two_gibibytes = [0x81, 0xFF, 0, 0, 0, 0, 0x80, 0, 0, 0, 1, 2, 3, 4].to_vec();
    let half_a_character = [
        frame(TEXT, b"[\"ping\",{\"a\":\"\xD0"),
        frame(0x80, b"\"}]"),
    ]
    .concat();
    vec![
        without_format,
        case("a binary frame", frame(0x80 | BINARY, b"x"), "close 1003"),
        case("a reserved bit", frame(0xC0 | TEXT, b"x"), "close 1002"),
        case("a frame without a mask", unmasked, "close 1002"),
        case("a length of 2 GiB", two_gibibytes, "close 1009"),
        case(
            "invalid UTF-8 across two fragments",
            half_a_character,
            "close 1007",
        ),
    ]
}

fn texts() -> Vec<Case> {
    let case = |name, message: &str, expected| Case {
        name,
        start: Start::Link(Some("json")),
        bytes: text(message),
        expected,
    };
    let nested = format!(
        "[\"ping\",{{\"qid\":\"1\",\"a\":{}{}}}]",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let long = format!(
        "[\"ping\",{{\"qid\":\"1\",\"a\":\"{}\"}}]",
        "x".repeat((1 << 20) - 100)
    );
    vec![
        case("not JSON", "hello", "error 400, goes on"),
        case("{}", "{}", "error 400, goes on"),
        case("[\"x\"]", "[\"x\"]", "error 400, goes on"),
        case("nesting of 10,000", &nested, "error 400, goes on"),
        case("a text of 1 MiB", &long, "answered, goes on"),
        case(
            "a number of 30 digits",
            "[\"ping\",{\"qid\":\"1\",\"a\":123456789012345678901234567890}]",
            "answered, goes on",
        ),
        case(
            "a lone surrogate",
            "[\"ping\",{\"qid\":\"1\",\"a\":\"\\ud800\"}]",
            "answered, goes on",
        ),
        case(
            "a key twice",
            "[\"ping\",{\"qid\":\"1\",\"qid\":\"2\"}]",
            "answered, goes on",
        ),
        case(
            "a method before the login",
            "[\"getuserstate\",{\"qid\":\"1\"}]",
            "refused with 401, goes on",
        ),
    ]
}

fn requests() -> Vec<Case> {
    let case = |name, bytes, expected| Case {
        name,
        start: Start::Tab,
        bytes,
        expected,
    };
    let wrong_password = message("login", login_fields(LOGIN, "wrong"));
    let unknown = message("nosuchmethod", json!({}));
    let others = message("getuserstate", json!({"userlogin": "user2"}));
    vec![
        case("an unknown method", unknown, "refused with 404, goes on"),
        case(
            "wrong types in every method",
            wrong_types(),
            "refused with 422, goes on",
        ),
        case("another user's login", others, "refused with 403, goes on"),
        Case {
            start: Start::Link(Some("json")),
            ..case(
                "a wrong password",
                wrong_password,
                "refused with 401, goes on",
            )
        },
    ]
}

/// Every method that reads a parameter, with parameters of a wrong type.
fn wrong_types() -> Vec<u8> {
    let calls = [
        ("login", json!({"userlogin": [], "password": {}})),
        ("subscribeevent", json!({"eventmethod": {"a": 1}})),
        ("unsubscribeevent", json!({"eventmethod": {"a": 1}})),
        ("setuserstate", json!({"userstateid": "many"})),
        ("pbxautocallstart", json!({"number": {"a": 1}})),
        ("pbxmakeflash", json!({"mode": []})),
    ];
    calls
        .into_iter()
        .flat_map(|(method, fields)| message(method, fields))
        .collect()
}

fn message(method: &str, mut fields: Value) -> Vec<u8> {
    fields["qid"] = json!("1");
    text(&Message::new(method, fields).to_text())
}

fn text(text: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    append_text(&mut frame, text.as_bytes());
    frame
}
