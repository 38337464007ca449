//! The challenge of the handshake: two numbers hidden in keys, and eight bytes behind the head.

use md5::{Digest as _, Md5};

use crate::base::Random;

/// Bytes behind the head of a request.
pub(in crate::wire) const REQUEST_BODY_BYTES: usize = 8;

/// Bytes behind the head of an answer.
pub(in crate::wire) const ANSWER_BODY_BYTES: usize = 16;

/// The number in a key: its digits in a row, divided by its spaces. `None` if that is no whole number of 32 bits.
pub(in crate::wire) fn number_in(key: &str) -> Option<u32> {
    let spaces = key.bytes().filter(|byte| *byte == b' ').count() as u64;
    let mut digits = None::<u64>;
    for digit in key.chars().filter_map(|it| it.to_digit(10)) {
        let before = digits.unwrap_or(0);
        digits = Some(before.checked_mul(10)?.checked_add(u64::from(digit))?);
    }
    let digits = digits?;
    if spaces == 0 || !digits.is_multiple_of(spaces) {
        return None;
    }
    u32::try_from(digits / spaces).ok()
}

/// What the server answers to the two numbers and the eight bytes.
pub(in crate::wire) fn response(
    numbers: [u32; 2],
    body: [u8; REQUEST_BODY_BYTES],
) -> [u8; ANSWER_BODY_BYTES] {
    let mut hash = Md5::new();
    for number in numbers {
        hash.update(number.to_be_bytes());
    }
    hash.update(body);
    hash.finalize().into()
}

/// What a client asks with.
#[derive(Debug)]
pub(in crate::wire) struct Question {
    pub(in crate::wire) keys: [String; 2],
    pub(in crate::wire) body: [u8; REQUEST_BODY_BYTES],
    /// What the server has to answer.
    pub(in crate::wire) response: [u8; ANSWER_BODY_BYTES],
}

impl Question {
    /// The question that these random bytes stand for.
    pub(in crate::wire) fn new(nonce: [u8; 16]) -> Self {
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(&nonce);
        let mut random = Random::from_seed(seed);
        let (one, two) = (key(&mut random), key(&mut random));
        let body = random.number().to_be_bytes();
        Self {
            response: response([one.0, two.0], body),
            keys: [one.1, two.1],
            body,
        }
    }
}

/// A random number, and a key that it is hidden in.
fn key(random: &mut Random) -> (u32, String) {
    let spaces = 1 + random.below(12);
    let number = random.below(u64::from(u32::MAX) / spaces + 1);
    let mut key: Vec<u8> = (number * spaces).to_string().into_bytes();
    for _ in 0..=random.below(12) {
        let place = below(random, key.len() + 1);
        let other = OTHERS[below(random, OTHERS.len())];
        key.insert(place, other);
    }
    for _ in 0..spaces {
        // Neither in front nor at the end, where a parser would take it away.
        let place = 1 + below(random, key.len() - 1);
        key.insert(place, b' ');
    }
    let number = u32::try_from(number).expect("at most the highest of 32 bits");
    (number, key.into_iter().map(char::from).collect())
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).expect("below a usize")
}

/// Characters of a key that are neither digits nor spaces.
const OTHERS: &[u8] =
    b"!#$%&'()*+-./;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~";
