use std::ops::ControlFlow;

use proptest::prelude::*;

use super::handshake::{Question, number_in, response};
use super::*;
use crate::wire::frame::{FrameError, Limits};
use crate::wire::head::{self, RequestHead, ResponseHead};
use crate::wire::inbound::Incoming;
use crate::wire::upgrade::{
    Format, Policy, Refusal, UpgradeError, UpgradeRequest, Version, accept,
};

/// The example of the draft, 1.2, with a subprotocol that has a format.
const EXAMPLE: &str = "GET /demo?a=1 HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\nSec-WebSocket-Protocol: oktell-XML.v1\r\nUpgrade: WebSocket\r\n\
    Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nOrigin: http://example.com\r\n\r\n^n:ds[4U";

const HIXIE: Policy<'_> = Policy {
    origins: &[],
    allow_hixie: true,
    is_tls: false,
};

fn request(bytes: &[u8]) -> RequestHead<'_> {
    let head = RequestHead::parse(bytes, &head::Limits::default());
    head.expect("a head").expect("a whole one")
}

fn answer(bytes: &[u8]) -> ResponseHead<'_> {
    let head = ResponseHead::parse(bytes, &head::Limits::default());
    head.expect("a head").expect("a whole one")
}

// protocol 2.2-a
#[test]
fn the_example_of_the_draft_is_granted() {
    let head = request(EXAMPLE.as_bytes());
    let upgrade = accept(&head, &HIXIE).expect("granted");
    assert_eq!(
        (upgrade.version, upgrade.format),
        (Version::V0, Some(Format::Xml))
    );
    assert_eq!((upgrade.body_bytes(), upgrade.is_complete()), (8, true));
    let mut output = Vec::new();
    upgrade.write_response(&mut output);
    let output = String::from_utf8(output)
        .expect("this one is ASCII")
        .replace('\r', "");
    insta::assert_snapshot!(output, @"
    HTTP/1.1 101 WebSocket Protocol Handshake
    Upgrade: WebSocket
    Connection: Upgrade
    Sec-WebSocket-Origin: http://example.com
    Sec-WebSocket-Location: ws://example.com/demo?a=1
    Sec-WebSocket-Protocol: oktell-XML.v1

    8jKS'y:G*Co,Wxa-
    ");
}

// protocol 2.2-b
#[test]
fn version_0_is_spoken_only_where_it_is_allowed() {
    let head = request(EXAMPLE.as_bytes());
    assert_eq!(accept(&head, &Policy::default()), Err(Refusal::Version));
    let origins = ["http://crm.example".to_owned()];
    let policy = Policy {
        origins: &origins,
        ..HIXIE
    };
    assert_eq!(accept(&head, &policy), Err(Refusal::Origin));
    // Who names a version gets that one.
    let newer = EXAMPLE.replace("\r\n\r\n", "\r\nSec-WebSocket-Version: 9\r\n\r\n");
    assert_eq!(
        accept(&request(newer.as_bytes()), &HIXIE),
        Err(Refusal::Version)
    );
}

#[test]
fn there_is_no_answer_before_the_eight_bytes_behind_the_head() {
    for missing in 1..=8 {
        let cut = &EXAMPLE.as_bytes()[..EXAMPLE.len() - missing];
        let head = request(cut);
        assert!(!accept(&head, &HIXIE).expect("so far").is_complete());
    }
    let policy = Policy {
        is_tls: true,
        ..HIXIE
    };
    let more = EXAMPLE.to_owned() + "\0first frame";
    let head = request(more.as_bytes());
    let upgrade = accept(&head, &policy).expect("granted");
    let used = head.consumed() + upgrade.body_bytes();
    assert_eq!(&more.as_bytes()[used..], b"\0first frame");
    let mut output = Vec::new();
    upgrade.write_response(&mut output);
    assert!(
        answer(&output)
            .headers
            .has_token("sec-websocket-location", "wss://example.com/demo?a=1")
    );
}

#[test]
fn keys_that_hide_no_number_are_refused() {
    for (key, number) in [
        ("4 @1  46546xW%0l 1 5", Some(829_309_203)),
        ("12998 5 Y3 1  .P00", Some(259_970_620)),
        ("a1 b", Some(1)),
        ("0 ", Some(0)),
        ("4294967295 x", Some(u32::MAX)),
        ("4294967296 x", None),
        ("99999999999999999999999 x", None),
        ("3  x", None),
        ("12", None),
        (" x", None),
        ("", None),
    ] {
        assert_eq!(number_in(key), number, "{key}");
    }
    let broken = EXAMPLE.replace(".P00", ".P01");
    assert_eq!(
        accept(&request(broken.as_bytes()), &HIXIE),
        Err(Refusal::HixieKeys)
    );
    let lone = EXAMPLE.replace("Key2", "Key3");
    let refusal = accept(&request(lone.as_bytes()), &HIXIE).expect_err("one key");
    assert_eq!((refusal, refusal.status()), (Refusal::HixieKeys, 400));
}

fn ours(nonce: u8) -> UpgradeRequest<'static> {
    UpgradeRequest {
        host: "crm.example:8045",
        path: "/oktell",
        version: Version::V0,
        format: Format::Json,
        nonce: [nonce; 16],
        headers: &[("Authorization", "Basic YTpi")],
    }
}

// protocol 2.2-s
#[test]
fn our_request_opens_a_link_to_our_own_server_whatever_the_keys() {
    for nonce in 0..=255 {
        let asked = ours(nonce);
        let mut bytes = Vec::new();
        asked.write(&mut bytes).expect("right settings");
        let head = request(&bytes);
        assert_eq!(head.headers.text("authorization"), Some("Basic YTpi"));
        let upgrade = accept(&head, &HIXIE).expect("our own request");
        assert_eq!(upgrade.origin, Some("http://crm.example:8045"));
        assert_eq!(head.consumed() + upgrade.body_bytes(), bytes.len());
        let mut output = Vec::new();
        upgrade.write_response(&mut output);
        let length = output.len();
        output.extend_from_slice(b"\0frame");
        let head = answer(&output);
        assert_eq!(asked.check(&head), Ok(()));
        assert_eq!(asked.handshake_bytes(&head), length);
        assert_eq!(ours(nonce ^ 1).check(&head), Err(UpgradeError::Challenge));
        assert_eq!(
            asked.check(&answer(&output[..length - 1])),
            Err(UpgradeError::Challenge)
        );
    }
}

#[test]
fn the_keys_of_a_question_hide_what_its_response_is_made_of() {
    let mut all: Vec<[String; 2]> = Vec::new();
    for nonce in 0..=255 {
        let Question {
            keys,
            body,
            response: expected,
        } = Question::new([nonce; 16]);
        let numbers = [&keys[0], &keys[1]].map(|key| number_in(key).expect("a number"));
        assert_eq!(response(numbers, body), expected);
        assert!(keys.iter().all(|key| key.trim() == key && key.is_ascii()));
        all.push(keys);
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 256);
}

/// What arrives: texts, and a close at the end.
#[derive(Debug, PartialEq, Eq)]
struct Got {
    texts: Vec<String>,
    is_closed: bool,
    error: Option<FrameError>,
}

/// Takes the pieces one after the other.
fn receive<'a>(limit: u32, pieces: impl IntoIterator<Item = &'a [u8]>) -> Got {
    let limits = Limits {
        frame_bytes_max: limit,
        message_bytes_max: limit + 1,
    };
    let mut inbound = HixieInbound::new(limits);
    let mut got = Got {
        texts: Vec::new(),
        is_closed: false,
        error: None,
    };
    for piece in pieces {
        let received = inbound.receive(&mut piece.to_vec(), |incoming| {
            assert!(!got.is_closed, "nothing comes behind a close");
            match incoming {
                Incoming::Text(text) => got
                    .texts
                    .push(String::from_utf8(text.to_vec()).expect("UTF-8")),
                Incoming::Close {
                    code: None,
                    reason: "",
                } => got.is_closed = true,
                other => panic!("{other:?} in version 0"),
            }
            ControlFlow::Continue(())
        });
        assert!(inbound.held_bytes() <= limit as usize);
        if let Err(error) = received {
            assert_eq!(got.error.replace(error), None, "one error");
        }
        assert!(!got.is_closed || inbound.is_finished());
    }
    got
}

fn whole(bytes: &[u8]) -> Got {
    let got = receive(16, [bytes]);
    assert_eq!(receive(16, bytes.chunks(1)), got, "byte by byte");
    got
}

fn texts(texts: &[&str], is_closed: bool, error: Option<FrameError>) -> Got {
    Got {
        texts: texts.iter().map(|&it| it.to_owned()).collect(),
        is_closed,
        error,
    }
}

#[test]
fn texts_and_the_closing_handshake_arrive_in_any_pieces() {
    let mut bytes = Vec::new();
    append_text(&mut bytes, "Привет");
    append_text(&mut bytes, "");
    append_own_text(&mut bytes, b"[\"\0\"]");
    append_close(&mut bytes);
    append_text(&mut bytes, "ignored");
    assert_eq!(
        whole(&bytes),
        texts(&["Привет", "", "[\"\0\"]"], true, None)
    );
    assert_eq!(&bytes[..3], b"\0\xD0\x9F");
}

// protocol 2.2-t
#[test]
fn what_version_0_does_not_have_is_refused() {
    for (bytes, error) in [
        (&b"\0a\xFF\x80\x01x"[..], FrameError::BinaryRefused),
        (b"\0a\xFF\xFF\x01x", FrameError::BinaryRefused),
        (b"\0a\xFF\xFE", FrameError::BinaryRefused),
        (b"\0a\xFF\x01a\xFF", FrameError::Opcode),
        (b"\0a\xFF\x7F", FrameError::Opcode),
        (b"\0a\xFF\0\xC3\xFF", FrameError::Utf8),
        (b"\0a\xFF\0\xC3(\xFF", FrameError::Utf8),
        (b"\0a\xFF\0\xED\xA0\x80\xFF", FrameError::Utf8),
        (
            b"\0a\xFF\0aaaaaaaaaaaaaaaaa\xFF",
            FrameError::MessageTooLong,
        ),
        (b"\0a\xFF\0aaaaaaaaaaaaaaaaa", FrameError::MessageTooLong),
        (b"\0a\xFF\0aaaaaaaaaaaaaaa\x80a\xFF", FrameError::Utf8),
        (
            b"\0a\xFF\0aaaaaaaaaaaaaaaaa\x80\xFF",
            FrameError::MessageTooLong,
        ),
    ] {
        assert_eq!(
            whole(bytes),
            texts(&["a"], false, Some(error)),
            "{}",
            bytes.escape_ascii()
        );
    }
    assert_eq!(
        whole(b"\0aaaaaaaaaaaaaaaa\xFF"),
        texts(&["aaaaaaaaaaaaaaaa"], false, None)
    );
}

#[test]
fn who_is_told_to_stop_gets_nothing_more() {
    let mut inbound = HixieInbound::new(Limits::default());
    let mut count = 0;
    let received = inbound.receive(&mut b"\0a\xFF\0b\xFF".to_vec(), |_| {
        count += 1;
        ControlFlow::Break(())
    });
    assert_eq!((received, count, inbound.is_finished()), (Ok(()), 1, true));
}

proptest! {
    #[test]
    fn any_bytes_mean_the_same_in_any_pieces(
        bytes in prop::collection::vec(prop_oneof![Just(0), Just(0xFF), any::<u8>()], 0..60),
        size in 1_usize..10,
    ) {
        let got = receive(20, [&*bytes]);
        prop_assert_eq!(receive(20, bytes.chunks(size)), got);
    }

    #[test]
    fn any_texts_come_out_as_they_went_in(sent in prop::collection::vec(".{0,8}", 0..8), size in 1_usize..10) {
        let mut bytes = Vec::new();
        for text in &sent {
            append_text(&mut bytes, text);
        }
        append_close(&mut bytes);
        let got = receive(64, bytes.chunks(size));
        prop_assert_eq!(got, Got { texts: sent, is_closed: true, error: None });
    }
}
