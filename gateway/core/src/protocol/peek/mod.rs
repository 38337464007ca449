//! The first look at a message: its name, `qid` and user, found without reading
//! the rest (protocol 3.1).
//!
//! In comes the text of one message, known to be UTF-8. Out go pieces of that
//! same text. One pass checks the grammar, so that the pieces are valid JSON
//! and may be echoed or forwarded as they are; nothing is allocated and no value
//! is converted. What a method needs beyond that, [`super::BodyReader`] reads.

mod scan;
mod several;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

pub(super) use self::scan::{Scanner, StringSpan, Unexpected};
pub use self::several::{MESSAGES_MAX, messages_in_json};
use super::fault::{ErrorNumber, Fault};

/// Levels of arrays and objects in a message, its own array included.
pub const NESTING_MAX: u32 = scan::NESTING_MAX + 2;

/// Bytes of a message's name.
pub const NAME_BYTES_MAX: usize = 64;

/// Bytes of a `qid` as JSON text: every request that waits keeps its own.
pub const QID_BYTES_MAX: usize = 1024;

/// What a message says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek<'a> {
    /// The name: the method, answer or event.
    pub name: &'a str,
    /// The JSON text of the object of fields, braces included.
    pub fields: &'a [u8],
    /// Where [`Peek::fields`] stands in the message.
    pub fields_range: Range<usize>,
    /// The JSON text of `qid`: a string or a number; echoed as it is.
    pub qid: Option<&'a [u8]>,
    /// The JSON text of `userlogin`; [`json_text`] reads it.
    pub user_login: Option<&'a [u8]>,
    /// The JSON text of `userid`; [`json_text`] reads it.
    pub user_id: Option<&'a [u8]>,
}

/// The message is malformed, and what could still be found of it.
///
/// It is answered with an `error` message that carries this fault, and the
/// method's name and the `qid` where they are known (protocol 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct PeekError<'a> {
    /// What is wrong.
    pub problem: PeekProblem,
    /// The name, if it was read before the fault.
    pub name: Option<&'a str>,
    /// The JSON text of `qid`, if it was read before the fault.
    pub qid: Option<&'a [u8]>,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeekProblem {
    /// The grammar of JSON is broken.
    #[error("not JSON: unexpected byte {at}")]
    NotJson {
        /// The offset of the byte that does not fit.
        at: usize,
    },
    /// JSON, but not an array of a name and an object.
    #[error("not a message: expected [\"name\", {{fields}}]")]
    NotAMessage,
    /// The name is empty, too long, or has other characters than printable ASCII.
    #[error("the name is not a plain identifier of at most {NAME_BYTES_MAX} characters")]
    BadName,
    /// More levels than [`NESTING_MAX`].
    #[error("nested deeper than {NESTING_MAX} levels")]
    TooDeep,
    /// More messages in one text than [`MESSAGES_MAX`].
    #[error("more than {MESSAGES_MAX} messages")]
    TooManyMessages,
    /// `qid` is longer than [`QID_BYTES_MAX`].
    #[error("`qid` is longer than {QID_BYTES_MAX} bytes")]
    LongQid,
}

impl PeekError<'_> {
    /// The fault that the peer is told.
    pub fn fault(&self) -> Fault {
        Fault::new(ErrorNumber::Malformed, self.problem.to_string())
    }
}

/// Finds a message's name, fields, `qid`, `userlogin` and `userid`.
///
/// Of a key that occurs twice the last one counts, as for [`super::Body`] and
/// for JSON parsers in browsers. The text must be UTF-8: that was checked where
/// the frame came in.
///
/// ```
/// use okgate_core::protocol::peek;
///
/// let message = br#"["getuserstate", {"qid": 7, "userlogin": "anna"}]"#;
/// let peek = peek(message).unwrap();
/// assert_eq!(peek.name, "getuserstate");
/// assert_eq!(peek.qid, Some(&b"7"[..]));
/// assert_eq!(peek.user_login, Some(&br#""anna""#[..]));
/// assert_eq!(&message[peek.fields_range], peek.fields);
/// ```
pub fn peek(message: &[u8]) -> Result<Peek<'_>, PeekError<'_>> {
    let mut found = Found::default();
    match read_message(message, &mut found) {
        Ok((name, fields_range)) => Ok(Peek {
            name,
            fields: &message[fields_range.clone()],
            fields_range,
            qid: found.qid,
            user_login: found.user_login,
            user_id: found.user_id,
        }),
        Err(problem) => Err(PeekError {
            problem,
            name: found.name,
            qid: found.qid.filter(|qid| qid.len() <= QID_BYTES_MAX),
        }),
    }
}

/// Whether a message of this name is an answer: such are never answered, else
/// two programs would answer each other for ever (protocol 3.4).
///
/// `methodresult` is one too, though a late one is told so (protocol 8).
pub fn is_answer_name(name: &str) -> bool {
    const ANSWERS: [&str; 7] = [
        "error",
        "pong",
        "iam",
        "availablemethods",
        "availableforms",
        "activeusers",
        "websocketredirect",
    ];
    name.ends_with("result") || ANSWERS.contains(&name)
}

/// Reads the JSON text of one value as plain text: a string's characters, a
/// number's digits; `None` for anything else.
pub fn json_text(value: &[u8]) -> Option<Cow<'_, str>> {
    match value.first()? {
        b'"' if !value.contains(&b'\\') => {
            let inner = value.get(1..value.len().checked_sub(1)?)?;
            std::str::from_utf8(inner).ok().map(Cow::Borrowed)
        }
        b'"' => serde_json::from_slice(value).ok().map(Cow::Owned),
        b'-' | b'0'..=b'9' => std::str::from_utf8(value).ok().map(Cow::Borrowed),
        _ => None,
    }
}

/// Finds one field of an object without reading the others: its JSON text as
/// it stands. The object must be valid JSON, as [`Peek::fields`] is.
pub fn json_field<'a>(object: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let mut scanner = Scanner::new(object);
    let mut found = None;
    let read = scanner.object(|scanner, field| {
        if scanner.is_key(&field.key, key.as_bytes()) {
            found = Some(&object[field.value]);
        }
    });
    read.ok().and(found)
}

/// What was found so far.
#[derive(Default)]
struct Found<'a> {
    name: Option<&'a str>,
    qid: Option<&'a [u8]>,
    user_login: Option<&'a [u8]>,
    user_id: Option<&'a [u8]>,
}

fn read_message<'a>(
    message: &'a [u8],
    found: &mut Found<'a>,
) -> Result<(&'a str, Range<usize>), PeekProblem> {
    let mut scanner = Scanner::new(message);
    if scanner.next_token() != Some(b'[') {
        return Err(not_a_message(message));
    }
    scanner.skip(1);
    if scanner.next_token() != Some(b'"') {
        return Err(not_a_message(message));
    }
    let name = scanner.string()?;
    let name = plain_name(&message[name.inner]).ok_or(PeekProblem::BadName)?;
    found.name = Some(name);
    if scanner.next_token() != Some(b',') {
        return Err(not_a_message(message));
    }
    scanner.skip(1);
    if scanner.next_token() != Some(b'{') {
        return Err(not_a_message(message));
    }
    let fields = scanner.object(|scanner, field| {
        let is = |key: &[u8]| scanner.is_key(&field.key, key);
        let slot = if is(b"qid") {
            &mut found.qid
        } else if is(b"userid") {
            &mut found.user_id
        } else if is(b"userlogin") {
            &mut found.user_login
        } else {
            return;
        };
        *slot = Some(&message[field.value]);
    })?;
    if scanner.next_token() != Some(b']') {
        return Err(not_a_message(message));
    }
    scanner.skip(1);
    scanner.end()?;
    found.qid = found.qid.filter(|qid| is_string_or_number(qid));
    if found.qid.is_some_and(|qid| qid.len() > QID_BYTES_MAX) {
        return Err(PeekProblem::LongQid);
    }
    Ok((name, fields))
}

/// Says whether a text that is no message is JSON at least.
#[cold]
fn not_a_message(message: &[u8]) -> PeekProblem {
    let mut scanner = Scanner::new(message);
    match scanner.value().and_then(|()| scanner.end()) {
        Ok(()) => PeekProblem::NotAMessage,
        Err(unexpected) => unexpected.into(),
    }
}

impl From<Unexpected> for PeekProblem {
    fn from(unexpected: Unexpected) -> Self {
        match unexpected {
            Unexpected::Byte { at } => Self::NotJson { at },
            Unexpected::Depth => Self::TooDeep,
        }
    }
}

pub(super) fn plain_name(name: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.iter().all(is_plain) {
        return None;
    }
    std::str::from_utf8(name).ok()
}

/// Whether the text is a number of JSON and nothing else.
pub(super) fn is_number(text: &[u8]) -> bool {
    let is_start = matches!(text.first(), Some(b'-' | b'0'..=b'9'));
    let mut scanner = Scanner::new(text);
    is_start && scanner.value().is_ok() && scanner.place() == text.len()
}

fn is_string_or_number(value: &[u8]) -> bool {
    matches!(value.first(), Some(b'"' | b'-' | b'0'..=b'9'))
}
