//! Version 0 of the WebSocket protocol: its handshake and its frames (`okgate_core::wire::hixie`).

use std::ops::ControlFlow;

use okgate_core::wire::frame::{FrameError, Limits};
use okgate_core::wire::head::{Limits as HeadLimits, RequestHead};
use okgate_core::wire::hixie::{HixieInbound, append_close, append_text};
use okgate_core::wire::inbound::Incoming;
use okgate_core::wire::upgrade::{Policy, Version, accept};

use crate::frames::AnswerHead;
use crate::records::split;

/// The first byte chooses: `h`, a request; else, it says how the rest, the bytes that arrive, are cut.
///
/// A request is granted with a whole answer or refused with one. What is delivered is the same in one piece, byte by byte
/// and in any other pieces; texts are UTF-8 and within the limit, and what is held between two reads, too.
pub fn hixie(input: &[u8]) {
    let (choice, rest) = split(input);
    if choice == b'h' {
        handshake(rest);
    } else {
        frames(choice, rest);
    }
}

fn handshake(input: &[u8]) {
    let policy = Policy {
        allow_hixie: true,
        ..Policy::default()
    };
    let Ok(Some(head)) = RequestHead::parse(input, &HeadLimits::default()) else {
        return;
    };
    let mut output = Vec::new();
    let upgrade = match accept(&head, &policy) {
        Ok(upgrade) if upgrade.is_complete() => upgrade,
        Ok(upgrade) => {
            assert_eq!(upgrade.version, Version::V0);
            return assert!(input.len() < head.consumed() + upgrade.body_bytes());
        }
        Err(refusal) => {
            refusal.write_response(&mut output);
            let answer = AnswerHead::read(&output).expect("a whole answer");
            return assert_eq!(answer.status, refusal.status());
        }
    };
    upgrade.write_response(&mut output);
    let answer = AnswerHead::read(&output).expect("a whole answer");
    let body = if upgrade.version == Version::V0 {
        16
    } else {
        0
    };
    assert_eq!((answer.status, output.len() - answer.bytes), (101, body));
    assert_eq!(answer.header("sec-websocket-protocol"), upgrade.subprotocol);
    if upgrade.version == Version::V0 {
        assert!(head.consumed() + 8 <= input.len());
        let location = answer.header("sec-websocket-location").expect("a location");
        assert!(location.starts_with("ws://") && location.contains(upgrade.path));
    } else {
        let without = accept(&head, &Policy::default());
        assert_eq!(without, Ok(upgrade), "newer versions do not depend on it");
    }
}

const BYTES_MAX: u32 = 100;

/// The texts that arrived, whether the peer closed, and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Story {
    texts: Vec<String>,
    is_closed: bool,
    error: Option<FrameError>,
}

fn frames(cut: u8, bytes: &[u8]) {
    let whole = story(bytes.chunks(bytes.len().max(1)));
    assert_eq!(whole, story(bytes.chunks(1)), "byte by byte");
    assert_eq!(
        whole,
        story(bytes.chunks(2 + usize::from(cut % 16))),
        "in pieces"
    );
    // What arrived can be said again.
    let mut again = Vec::new();
    for text in &whole.texts {
        append_text(&mut again, text);
    }
    if whole.is_closed {
        append_close(&mut again);
    }
    let said = story([&*again].into_iter());
    assert_eq!(
        said,
        Story {
            error: None,
            ..whole
        }
    );
}

fn story<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Story {
    let mut inbound = HixieInbound::new(Limits {
        frame_bytes_max: BYTES_MAX,
        message_bytes_max: BYTES_MAX,
    });
    let mut story = Story::default();
    for piece in pieces {
        let received = inbound.receive(&mut piece.to_vec(), |incoming| {
            assert!(!story.is_closed, "something behind a close");
            match incoming {
                Incoming::Text(text) => {
                    assert!(text.len() <= BYTES_MAX as usize);
                    let text = String::from_utf8(text.to_vec()).expect("a text is UTF-8");
                    story.texts.push(text);
                }
                Incoming::Close { code: None, .. } => story.is_closed = true,
                other => panic!("{other:?} in version 0"),
            }
            ControlFlow::Continue(())
        });
        assert!(inbound.held_bytes() <= BYTES_MAX as usize);
        if let Err(error) = received {
            assert_eq!(story.error.replace(error), None, "two errors");
        }
    }
    story
}
