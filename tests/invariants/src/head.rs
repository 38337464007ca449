//! Heads of HTTP requests and answers, and the decisions on them (`okgate_core::wire::{head, upgrade}`).

use okgate_core::wire::head::{HeadError, Limits, RequestHead, ResponseHead};
use okgate_core::wire::upgrade::{Format, Policy, UpgradeRequest, Version, accept};
use tungstenite::handshake::derive_accept_key;

use crate::frames::AnswerHead;
use crate::records::text;

/// The input is what a peer sent, once as a request and once as an answer.
///
/// A head that is complete is so at its last byte and not before, however much follows; what is refused stays refused;
/// every decision has a well-formed answer with nothing of the peer's in its lines but the token that is echoed.
pub fn head(input: &[u8]) {
    let limits = [
        Limits::default(),
        Limits {
            bytes_max: 200,
            headers_max: 5,
        },
    ];
    for limits in limits {
        request(input, &limits);
        answer(input, &limits);
    }
    round_trip(input);
}

/// How a head was read: its length, or why not.
type Read = Result<Option<usize>, HeadError>;

fn request(input: &[u8], limits: &Limits) {
    let read = |bytes: &[u8]| {
        RequestHead::parse(bytes, limits).map(|head| head.map(|head| head.consumed()))
    };
    check_borders(input, limits, read);
    let mut output = Vec::new();
    match RequestHead::parse(input, limits) {
        Ok(None) => {}
        Err(error) => {
            error.write_response(&mut output);
            check_refusal(&output, error.status(), false);
        }
        Ok(Some(head)) => decide(&head, output),
    }
}

fn decide(head: &RequestHead<'_>, mut output: Vec<u8>) {
    let origins = ["http://crm.example".to_owned()];
    let picky = accept(
        head,
        &Policy {
            origins: &origins,
            ..Policy::default()
        },
    );
    let open = accept(head, &Policy::default());
    if picky.is_ok() {
        assert_eq!(picky, open, "an allow-list allows no more");
    }
    match open {
        Err(refusal) => {
            refusal.write_response(&mut output);
            check_refusal(&output, refusal.status(), head.method == "HEAD");
        }
        Ok(upgrade) => {
            assert_eq!(upgrade.format.is_some(), upgrade.subprotocol.is_some());
            upgrade.write_response(&mut output);
            let answer = AnswerHead::read(&output).expect("a whole answer");
            assert_eq!((answer.status, answer.bytes), (101, output.len()));
            let key = head.headers.text("sec-websocket-key").expect("it was read");
            let accept_key = derive_accept_key(key.as_bytes());
            assert_eq!(answer.header("sec-websocket-accept"), Some(&*accept_key));
            assert_eq!(answer.header("sec-websocket-protocol"), upgrade.subprotocol);
            let lines = if upgrade.format.is_some() { 4 } else { 3 };
            assert_eq!(answer.headers.len(), lines);
        }
    }
}

fn check_refusal(output: &[u8], status: u16, without_body: bool) {
    let answer = AnswerHead::read(output).expect("a whole answer");
    assert_eq!(answer.status, status);
    assert_eq!(answer.header("connection"), Some("close"));
    let body = if without_body {
        0
    } else {
        answer.content_length()
    };
    assert_eq!(output.len() - answer.bytes, body);
}

fn answer(input: &[u8], limits: &Limits) {
    let read = |bytes: &[u8]| {
        ResponseHead::parse(bytes, limits).map(|head| head.map(|head| head.consumed()))
    };
    check_borders(input, limits, read);
    if let Ok(Some(head)) = ResponseHead::parse(input, limits) {
        let asked = upgrade_request("crm.example", "/", Version::V13);
        // No peer knows the answer to the nonce, so the fuzzer's bytes never open a link.
        if let Err(error) = asked.check(&head) {
            assert!(!error.to_string().is_empty());
        }
    }
}

/// What a prefix of the input says, the whole input must say too.
fn check_borders(input: &[u8], limits: &Limits, read: impl Fn(&[u8]) -> Read) {
    let whole = read(input);
    if let Ok(Some(length)) = whole {
        assert!(length <= input.len() && length <= limits.bytes_max);
        assert_eq!(read(&input[..length]), Ok(Some(length)), "at its last byte");
        assert_eq!(read(&input[..length - 1]), Ok(None), "before its last byte");
    }
    if whole == Ok(None) {
        assert!(input.len() < limits.bytes_max, "an endless head");
    }
    let ends = (0..input.len()).filter(|&end| end < 64 || input[end] == b'\n');
    for end in ends.take(200) {
        match read(&input[..end]) {
            Ok(None) => {}
            Ok(Some(length)) => assert_eq!(whole, Ok(Some(length)), "cut at {end}"),
            Err(error) => assert!(whole.is_err(), "{error} when cut at {end}"),
        }
    }
}

const fn upgrade_request<'a>(host: &'a str, path: &'a str, version: Version) -> UpgradeRequest<'a> {
    UpgradeRequest {
        host,
        path,
        version,
        format: Format::Json,
        nonce: [7; 16],
        headers: &[],
    }
}

/// A request that can be written is granted, and the answer opens the link that asked.
fn round_trip(input: &[u8]) {
    let mut lines = input.split(|&byte| byte == b'\n').filter_map(text);
    let (Some(host), Some(path)) = (lines.next(), lines.next()) else {
        return;
    };
    for version in [Version::V13, Version::V8, Version::V7] {
        let asked = upgrade_request(host, path, version);
        let mut bytes = Vec::new();
        if asked.write(&mut bytes).is_err() {
            assert!(bytes.is_empty(), "half a request");
            return;
        }
        let limits = Limits {
            bytes_max: usize::MAX,
            ..Limits::default()
        };
        let head = RequestHead::parse(&bytes, &limits);
        let head = head.expect("our own request").expect("a whole one");
        assert_eq!((head.consumed(), head.target), (bytes.len(), path));
        let upgrade = accept(&head, &Policy::default()).expect("our own request");
        assert_eq!(
            (upgrade.version, upgrade.format),
            (version, Some(Format::Json))
        );
        let mut answer = Vec::new();
        upgrade.write_response(&mut answer);
        let answer = ResponseHead::parse(&answer, &limits).expect("our own answer");
        assert_eq!(asked.check(&answer.expect("a whole one")), Ok(()));
    }
}
