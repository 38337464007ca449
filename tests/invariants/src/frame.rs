//! Frames as they arrive: masked or not, in fragments, cut anywhere (`okgate_core::wire::inbound`).

use std::ops::ControlFlow;

use okgate_core::wire::frame::{Binary, CloseCode, FrameError, Limits, Role, append_text};
use okgate_core::wire::inbound::{Inbound, Incoming};

use crate::records::split;

/// The first byte chooses the end of the link and its limits, the second how the rest, the bytes that arrive, are cut.
///
/// What is delivered is the same in one piece, byte by byte and in any other pieces; texts are UTF-8 and within the
/// limits; what is held between two reads is bounded, and nothing once the link has ended.
pub fn frame(input: &[u8]) {
    let (choice, rest) = split(input);
    let (cut, bytes) = split(rest);
    let setting = Setting::of(choice);
    let whole = setting.run(bytes, [bytes.len()].into_iter());
    assert_eq!(
        whole,
        setting.run(bytes, std::iter::repeat(1)),
        "byte by byte"
    );
    let pieces = (0_u32..).map(|index| pseudo_random(index, cut));
    assert_eq!(whole, setting.run(bytes, pieces), "in pieces");
    if setting.role == Role::Server {
        whole.check_again(&setting);
    }
}

/// A length of 1 to 16 that depends on both numbers.
fn pseudo_random(index: u32, seed: u8) -> usize {
    let mixed = (index + 1).wrapping_mul(u32::from(seed) * 2 + 0x9E37_79B1);
    1 + (mixed >> 28) as usize
}

struct Setting {
    role: Role,
    binary: Binary,
    limits: Limits,
}

/// What arrived, as the caller was told.
#[derive(Debug, PartialEq, Eq)]
enum Arrived {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseCode>, String),
}

/// All that arrived, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Story {
    arrived: Vec<Arrived>,
    error: Option<FrameError>,
    is_finished: bool,
}

impl Setting {
    fn of(choice: u8) -> Self {
        let bytes_max = [1 << 20, 200, 125, 20][usize::from(choice >> 2 & 3)];
        Self {
            role: if choice & 1 == 0 {
                Role::Server
            } else {
                Role::Client
            },
            binary: if choice & 2 == 0 {
                Binary::Refuse
            } else {
                Binary::Accept
            },
            limits: Limits {
                frame_bytes_max: bytes_max,
                message_bytes_max: if choice & 16 == 0 {
                    bytes_max
                } else {
                    bytes_max / 2
                },
            },
        }
    }

    /// Lets the bytes arrive in pieces of these lengths.
    fn run(&self, bytes: &[u8], pieces: impl Iterator<Item = usize>) -> Story {
        let mut inbound = Inbound::new(self.role, self.limits, self.binary);
        let mut bytes = bytes.to_vec();
        let (mut arrived, mut error, mut rest) = (Vec::new(), None, &mut bytes[..]);
        for length in pieces {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at_mut(length.min(rest.len()));
            let was_finished = inbound.is_finished();
            let before = arrived.len();
            let outcome = inbound.receive(piece, |incoming| {
                arrived.push(self.read(incoming));
                ControlFlow::Continue(())
            });
            rest = behind;
            if was_finished {
                assert!(outcome.is_ok() && arrived.len() == before, "after the end");
            }
            error = error.or(outcome.err());
            let bound = self.limits.message_bytes_max as usize + HELD_STATE_MAX;
            assert!(inbound.held_bytes() <= bound, "{}", inbound.held_bytes());
            if inbound.is_finished() {
                assert_eq!(inbound.held_bytes(), 0, "an end holds nothing");
            }
        }
        let is_finished = inbound.is_finished();
        let has_closed = matches!(arrived.last(), Some(Arrived::Close(..)));
        assert_eq!(is_finished, has_closed || error.is_some());
        Story {
            arrived,
            error,
            is_finished,
        }
    }

    fn read(&self, incoming: Incoming<'_>) -> Arrived {
        let bytes_max = self.limits.message_bytes_max as usize;
        match incoming {
            Incoming::Text(text) => {
                assert!(text.len() <= bytes_max);
                Arrived::Text(String::from_utf8(text.to_vec()).expect("a text is UTF-8"))
            }
            Incoming::Binary(payload) => {
                assert!(payload.len() <= bytes_max && self.binary == Binary::Accept);
                Arrived::Binary(payload.to_vec())
            }
            Incoming::Ping(payload) => Arrived::Ping(control(payload)),
            Incoming::Pong(payload) => Arrived::Pong(control(payload)),
            Incoming::Close { code, reason } => {
                assert!(code.is_none_or(CloseCode::is_allowed), "{code:?}");
                Arrived::Close(code, reason.to_owned())
            }
        }
    }
}

fn control(payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() <= 125, "a control frame of {}", payload.len());
    payload.to_vec()
}

impl Story {
    /// The violation has a code that says so, and the texts arrive again when we write them.
    fn check_again(&self, setting: &Setting) {
        if let Some(error) = self.error {
            let code = u16::from(error.close_code());
            assert!(matches!(code, 1002 | 1003 | 1007 | 1009), "{code}");
        }
        let texts = self.arrived.iter().filter_map(|arrived| match arrived {
            Arrived::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let mut frames = Vec::new();
        for (index, text) in texts.clone().enumerate() {
            let mask = [0x12, 0x34, 0x56, u8::try_from(index % 256).expect("a byte")];
            append_text(&mut frames, text, Some(mask));
        }
        let limits = Limits {
            frame_bytes_max: setting.limits.message_bytes_max,
            ..setting.limits
        };
        let again = Setting { limits, ..*setting }.run(&frames, [frames.len()].into_iter());
        let wanted = texts.map(|text| Arrived::Text(text.to_owned())).collect();
        let story = Self {
            arrived: wanted,
            error: None,
            is_finished: false,
        };
        assert_eq!(again, story);
    }
}

/// Bytes of state that an unfinished message may need beside its own.
const HELD_STATE_MAX: usize = 512;
