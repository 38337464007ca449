//! Owns the harness's own reading and writing of protocol messages (protocol 3.1): `["name", {fields}]`.
//!
//! Text comes in, a [`Message`] goes out, and the other way round. It shares nothing with the gateway's codec.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The fields of a message, in the order of the wire.
pub type Fields = Map<String, Value>;

/// One message of the protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The name of the method, answer or event.
    pub name: String,
    /// Its fields.
    pub fields: Fields,
}

impl Message {
    /// A message of this name; `fields` must be a JSON object, anything else counts as no fields.
    pub fn new(name: impl Into<String>, fields: Value) -> Self {
        let fields = match fields {
            Value::Object(fields) => fields,
            _ => Fields::new(),
        };
        Self {
            name: name.into(),
            fields,
        }
    }

    /// Reads the text of one message.
    pub fn parse(text: &str) -> Result<Self> {
        let malformed = || Error::Malformed(shortened(text));
        let value: Value = serde_json::from_str(text).map_err(|_| malformed())?;
        Self::from_value(value).ok_or_else(malformed)
    }

    /// The message that this JSON value is, if it is one.
    pub(crate) fn from_value(value: Value) -> Option<Self> {
        let Value::Array(pair) = value else {
            return None;
        };
        match <[Value; 2]>::try_from(pair) {
            Ok([Value::String(name), Value::Object(fields)]) => Some(Self { name, fields }),
            _ => None,
        }
    }

    /// The text as it goes on the wire.
    pub fn to_text(&self) -> String {
        let name = Value::from(self.name.as_str());
        format!("[{name},{}]", Value::Object(self.fields.clone()))
    }

    /// The correlation id, if the message has one that is a string.
    pub fn qid(&self) -> Option<&str> {
        self.text("qid")
    }

    /// A field, or JSON null.
    pub fn field(&self, key: &str) -> &Value {
        self.fields.get(key).unwrap_or(&Value::Null)
    }

    /// A field that is a string.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.fields.get(key).and_then(Value::as_str)
    }

    /// The field `result`; protocol 3.1: a missing one counts as 1.
    pub fn succeeded(&self) -> bool {
        self.fields
            .get("result")
            .is_none_or(|result| result.as_i64() == Some(1))
    }

    /// The message itself, or [`Error::Failed`] with its error number and text when it carries `result: 0`.
    pub fn into_success(self, method: &str) -> Result<Self> {
        if self.succeeded() {
            return Ok(self);
        }
        Err(Error::Failed {
            method: method.to_owned(),
            error: self.field("error").as_i64().unwrap_or(0),
            errormsg: self.text("errormsg").unwrap_or_default().to_owned(),
        })
    }
}

/// The name that the answer to `method` bears (protocol 3.1).
pub fn answer_name(method: &str) -> String {
    match method {
        "ping" => "pong".to_owned(),
        "whoareyou" => "iam".to_owned(),
        "getavailablemethods" => "availablemethods".to_owned(),
        "getavailableforms" => "availableforms".to_owned(),
        "getactiveusers" => "activeusers".to_owned(),
        "executemethod" => "methodresult".to_owned(),
        _ => format!("{method}result"),
    }
}

/// The name of a message, found without reading its fields; `None` if the text does not begin like a message.
pub fn peek_name(text: &str) -> Option<&str> {
    let rest = text.trim_start().strip_prefix('[')?.trim_start();
    let rest = rest.strip_prefix('"')?;
    rest.find('"').map(|end| &rest[..end])
}

/// The first `qid` in a message, found without parsing; good for messages whose own `qid` comes before any nested one.
pub fn peek_qid(text: &[u8]) -> Option<&[u8]> {
    peek_text(text, "\"qid\"")
}

/// The first field of this name that is a string, found as [`peek_qid`] finds its own; the name is given with its quotes.
pub(crate) fn peek_text<'t>(text: &'t [u8], key: &str) -> Option<&'t [u8]> {
    let key = key.as_bytes();
    let mut rest = &text[memchr::memmem::find(text, key)? + key.len()..];
    while let [b' ' | b':' | b'\t', tail @ ..] = rest {
        rest = tail;
    }
    let rest = rest.strip_prefix(b"\"")?;
    memchr::memchr(b'"', rest).map(|end| &rest[..end])
}

/// The number behind this key, which is given with its quotes and its colon.
pub(crate) fn peek_number(text: &[u8], key: &[u8]) -> Option<u64> {
    let start = memchr::memmem::find(text, key)? + key.len();
    let rest = text[start..].trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
    std::str::from_utf8(&rest[..digits.count()])
        .ok()?
        .parse()
        .ok()
}

/// A fresh random GUID in lower case.
pub fn guid() -> String {
    let random: u128 = rand::random();
    let text = format!("{random:032x}");
    format!(
        "{}-{}-4{}-a{}-{}",
        &text[..8],
        &text[8..12],
        &text[13..16],
        &text[17..20],
        &text[20..]
    )
}

/// The text, cut to a length that fits into an error message.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

/// How much of a peer's text an error message shows.
const SHOWN_CHARACTERS_MAX: usize = 400;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_survives_writing_and_reading() {
        let message = Message::new("pong", json!({"qid": "0.5", "z": [1, null], "a": "Ё\"\\"}));
        assert_eq!(Message::parse(&message.to_text()).unwrap(), message);
    }

    #[test]
    fn what_is_not_a_pair_of_name_and_object_is_refused() {
        for text in [
            "",
            "{}",
            "[]",
            "[\"a\"]",
            "[1,{}]",
            "[\"a\",[]]",
            "[\"a\",{},1]",
        ] {
            assert!(Message::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_missing_result_counts_as_success() {
        assert!(Message::new("x", json!({})).succeeded());
        assert!(!Message::new("x", json!({"result": 0})).succeeded());
    }

    #[test]
    fn name_and_qid_are_found_without_parsing() {
        let text = r#" [ "pong" , {"userlogin":"a","qid" : "17"}]"#;
        assert_eq!(peek_name(text), Some("pong"));
        assert_eq!(peek_qid(text.as_bytes()), Some(&b"17"[..]));
        assert_eq!(peek_name("no message"), None);
        assert_eq!(peek_qid(b"[\"a\",{}]"), None);
    }

    #[test]
    fn guids_have_the_usual_shape_and_differ() {
        let (one, two) = (guid(), guid());
        assert_ne!(one, two);
        assert_eq!(one.len(), 36);
        assert_eq!(
            one.split('-').map(str::len).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
    }
}
