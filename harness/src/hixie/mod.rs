//! Owns WebSocket version 0 (draft-hixie-thewebsocketprotocol-76) of the harness's own making: the challenge and the
//! frames.
//!
//! Keys and bytes come in, the answer to a challenge and texts go out. [`HixieSocket`] drives it over a stream; heads of
//! requests are read by whoever owns the handshake.

mod socket;

use md5::{Digest, Md5};

pub use self::socket::{HixieEvent, HixieSocket};
use crate::error::{Error, Result};

/// What a client asks with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The header `Sec-WebSocket-Key1`.
    pub key1: String,
    /// The header `Sec-WebSocket-Key2`.
    pub key2: String,
    /// The eight bytes behind the head.
    pub body: [u8; 8],
}

impl Challenge {
    /// A fresh one.
    pub fn random() -> Self {
        Self {
            key1: random_key(),
            key2: random_key(),
            body: rand::random(),
        }
    }

    /// The sixteen bytes that a server proves itself with.
    pub fn answer(&self) -> Result<[u8; 16]> {
        let mut hash = Md5::new();
        for key in [&self.key1, &self.key2] {
            hash.update(key_number(key)?.to_be_bytes());
        }
        hash.update(self.body);
        Ok(hash.finalize().into())
    }
}

/// The number in a key: its digits, divided by how many spaces it has.
fn key_number(key: &str) -> Result<u32> {
    let wrong = |what: &str| Error::Malformed(format!("the key {key:?} {what}"));
    let digits: String = key.chars().filter(char::is_ascii_digit).collect();
    let number: u64 = digits.parse().map_err(|_| wrong("holds no number"))?;
    let spaces = key.bytes().filter(|byte| *byte == b' ').count() as u64;
    if spaces == 0 || !number.is_multiple_of(spaces) {
        return Err(wrong("is not divisible by its spaces"));
    }
    u32::try_from(number / spaces).map_err(|_| wrong("is too great"))
}

/// As section 4.1 of the draft tells: a number times some spaces, with noise and the spaces strewn in.
fn random_key() -> String {
    let spaces: u32 = rand::random_range(1..=12);
    let number: u32 = rand::random_range(0..=u32::MAX / spaces);
    let mut key: Vec<char> = (number * spaces).to_string().chars().collect();
    for _ in 0..rand::random_range(1..=12) {
        let place = rand::random_range(0..=key.len());
        let noise = if rand::random() {
            rand::random_range('!'..='/')
        } else {
            rand::random_range(':'..='~')
        };
        key.insert(place, noise);
    }
    for _ in 0..spaces {
        let place = rand::random_range(1..key.len());
        key.insert(place, ' ');
    }
    key.into_iter().collect()
}

/// A piece of what came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A text.
    Text(String),
    /// The peer wants to close.
    Close,
}

/// Appends a text as a frame.
pub fn append_text(output: &mut Vec<u8>, text: &str) {
    output.push(TEXT_START);
    output.extend_from_slice(text.as_bytes());
    output.push(TEXT_END);
}

/// Takes the first whole frame from the beginning of `input`; `None` if it has not come whole.
pub fn take_frame(input: &mut Vec<u8>) -> Result<Option<Piece>> {
    match input.first() {
        None => Ok(None),
        Some(&TEXT_START) => {
            let Some(end) = memchr::memchr(TEXT_END, input) else {
                if input.len() > TEXT_BYTES_MAX {
                    return Err(Error::Malformed("a text that does not end".into()));
                }
                return Ok(None);
            };
            let frame: Vec<u8> = input.drain(..=end).collect();
            let text = std::str::from_utf8(&frame[1..end]);
            let text = text.map_err(|_| Error::Malformed("a text that is not UTF-8".into()))?;
            Ok(Some(Piece::Text(text.to_owned())))
        }
        Some(&TEXT_END) => match input.get(1) {
            None => Ok(None),
            Some(0) => {
                input.drain(..2);
                Ok(Some(Piece::Close))
            }
            Some(_) => Err(Error::Malformed("a frame with a length".into())),
        },
        Some(other) => Err(Error::Malformed(format!("a frame of type {other:#04x}"))),
    }
}

/// The two bytes of the closing handshake.
pub const CLOSE_FRAME: [u8; 2] = [TEXT_END, 0];
const TEXT_START: u8 = 0;
const TEXT_END: u8 = 0xFF;
/// How long a text may be.
const TEXT_BYTES_MAX: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // The draft's examples, sections 1.2 and 1.3.
    #[test]
    fn the_challenges_of_the_draft_have_their_answers() {
        let challenge = Challenge {
            key1: "4 @1  46546xW%0l 1 5".into(),
            key2: "12998 5 Y3 1  .P00".into(),
            body: *b"^n:ds[4U",
        };
        assert_eq!(&challenge.answer().unwrap(), b"8jKS'y:G*Co,Wxa-");
        let challenge = Challenge {
            key1: "18x 6]8vM;54 *(5:  {   U1]8  z [  8".into(),
            key2: "1_ tx7X d  <  nw  334J702) 7]o}` 0".into(),
            body: *b"Tm[K T2u",
        };
        assert_eq!(&challenge.answer().unwrap(), b"fQJ,fN/4F4!~K~MH");
    }

    #[test]
    fn keys_without_digits_or_spaces_and_with_a_remainder_are_refused() {
        for key in ["", "abc ", "123", "7 7 7 7 x", "99999999999999 9"] {
            assert!(key_number(key).is_err(), "{key}");
        }
        for _ in 0..1000 {
            Challenge::random().answer().unwrap();
        }
    }

    #[test]
    fn a_close_and_odd_frames_are_seen() {
        let mut input = b"\0a\xFF\xFF".to_vec();
        assert_eq!(
            take_frame(&mut input).unwrap(),
            Some(Piece::Text("a".into()))
        );
        assert_eq!(take_frame(&mut input).unwrap(), None);
        input.push(0);
        assert_eq!(take_frame(&mut input).unwrap(), Some(Piece::Close));
        assert!(take_frame(&mut b"\x81\x01a".to_vec()).is_err());
        assert!(take_frame(&mut b"\xFF\x05".to_vec()).is_err());
        assert!(take_frame(&mut b"\0\x80\xFF".to_vec()).is_err());
    }

    proptest! {
        #[test]
        fn texts_survive_in_any_pieces(texts in proptest::collection::vec(any::<String>(), 0..5), cut in 1usize..7) {
            let mut wire = Vec::new();
            for text in &texts {
                append_text(&mut wire, text);
            }
            let (mut input, mut seen) = (Vec::new(), Vec::new());
            for piece in wire.chunks(cut) {
                input.extend_from_slice(piece);
                while let Some(Piece::Text(text)) = take_frame(&mut input).unwrap() {
                    seen.push(text);
                }
            }
            prop_assert_eq!(seen, texts);
        }
    }
}
