//! Owns the two formats of messages (protocol 3.1, 3.2) behind one name, with packets (3.3) and with several messages in one
//! text (2.1).

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::message::{Message, shortened};
use crate::xml::{self, Characters};

/// How messages are written on a link.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, clap::ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As a JSON array of name and fields
    #[default]
    Json,
    /// As an XML document of one element
    Xml,
}

impl Format {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Json, Self::Xml];

    /// Its word: that of the subprotocol, the settings and the form variable `format`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Xml => "xml",
        }
    }

    /// The format whose word stands in this token, as a subprotocol names it (protocol 2.2-d).
    pub fn in_token(token: &str) -> Option<Self> {
        let token = token.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|format| token.contains(format.name()))
    }

    /// The text of one message.
    pub fn write(self, message: &Message) -> String {
        match self {
            Self::Json => message.to_text(),
            Self::Xml => xml::write(message, Characters::Plain),
        }
    }

    /// The same in ASCII, for packets.
    pub(crate) fn write_ascii(self, message: &Message) -> String {
        match self {
            Self::Json => escape_non_ascii(&message.to_text()),
            Self::Xml => xml::write(message, Characters::Referenced),
        }
    }

    /// The text of several messages; of one as it is, of none nothing (protocol 2.1-d, 2.1-e).
    pub fn write_several(self, messages: &[Message]) -> String {
        match (self, messages) {
            (_, []) => String::new(),
            (_, [message]) => self.write(message),
            (Self::Xml, _) => xml::write_several(messages),
            (Self::Json, _) => {
                let texts: Vec<String> = messages.iter().map(Message::to_text).collect();
                format!("[{}]", texts.join(","))
            }
        }
    }

    /// Reads the text of one message.
    pub fn read(self, text: &str) -> Result<Message> {
        match self {
            Self::Json => Message::parse(text),
            Self::Xml => xml::read(text),
        }
    }

    /// Reads a text of one message, of several, or of none.
    pub fn read_several(self, text: &str) -> Result<Vec<Message>> {
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Self::Xml => xml::read_several(text),
            Self::Json => match serde_json::from_str::<Vec<Value>>(text) {
                Ok(items) if items.iter().all(Value::is_array) => items
                    .into_iter()
                    .map(|item| {
                        let read = Message::from_value(item);
                        read.ok_or_else(|| Error::Malformed(shortened(text)))
                    })
                    .collect(),
                _ => Ok(vec![Message::parse(text)?]),
            },
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| Error::Usage(format!("the format {text:?} is neither json nor xml")))
    }
}

fn escape_non_ascii(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn none_one_and_several_messages_are_read_back() {
        let several = [
            Message::new("a", json!({"text": "Ё"})),
            Message::new("b", json!({})),
        ];
        for format in Format::ALL {
            for count in 0..=2 {
                let text = format.write_several(&several[..count]);
                assert_eq!(
                    format.read_several(&text).unwrap(),
                    several[..count],
                    "{text}"
                );
            }
        }
        assert_eq!(Format::Json.read_several("[]").unwrap(), []);
        assert!(Format::Json.read_several("<html/>").is_err());
        assert!(Format::Json.read_several("[[\"a\"]]").is_err());
        assert!(Format::Xml.read_several("[\"a\",{}]").is_err());
    }

    // protocol 2.2-d
    #[test]
    fn a_token_names_its_format_in_any_case_and_inside_a_longer_word() {
        assert_eq!(Format::in_token("oktell-JSON.v1"), Some(Format::Json));
        assert_eq!(Format::in_token("Xml"), Some(Format::Xml));
        assert_eq!(Format::in_token("chat"), None);
    }
}
