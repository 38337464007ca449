//! What is wrong with a document, or with a message that is to become one.

use super::ATTRIBUTES_MAX;
use crate::protocol::MESSAGES_MAX;
use crate::protocol::fault::{ErrorNumber, Fault};
use crate::protocol::peek::{NAME_BYTES_MAX, NESTING_MAX, PeekProblem};

/// The document is refused, and what could still be found of its message.
///
/// It is answered with an `error` message that carries this fault, and the method's name and the `qid` where
/// they are known (protocol 3.4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct XmlError {
    /// What is wrong, and where.
    pub problem: XmlProblem,
    /// The message's name, if it was read before the fault.
    pub name: Option<Box<str>>,
    /// The JSON text of `qid`, if it was read before the fault.
    pub qid: Option<Box<[u8]>>,
}

/// What is wrong. `at` is the offset of a byte: of the one that does not fit, or of the tag or text that holds it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlProblem {
    /// Not UTF-8.
    #[error("not UTF-8: unexpected byte {at}")]
    NotUtf8 {
        /// The first byte that is none.
        at: usize,
    },
    /// The declaration names another encoding.
    #[error("the XML declaration names the encoding {declared:?}: write UTF-8")]
    Encoding {
        /// The encoding.
        declared: String,
    },
    /// A rule of XML 1.0 is broken.
    #[error("not XML: {what} at byte {at}")]
    NotXml {
        /// What was found.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// The document ends within an element.
    #[error("not XML: the document ends at byte {at} within an element")]
    Unfinished {
        /// Its length.
        at: usize,
    },
    /// A character that XML 1.0 does not allow, as it is or as a reference; halves of surrogate pairs are such.
    #[error(
        "a character at byte {at} that XML does not allow: write such a text with encoding=\"base64\""
    )]
    Character {
        /// Where.
        at: usize,
    },
    /// A DOCTYPE.
    #[error("a DOCTYPE at byte {at}: leave it out")]
    Doctype {
        /// Where.
        at: usize,
    },
    /// A processing instruction, or a declaration that is not the first thing.
    #[error("a processing instruction at byte {at}: leave it out")]
    Instruction {
        /// Where.
        at: usize,
    },
    /// A reference to an entity that is not one of the five of XML.
    #[error("an unknown entity at byte {at}: only lt, gt, amp, apos and quot are known")]
    Entity {
        /// Where.
        at: usize,
    },
    /// More attributes than any element has.
    #[error("more than {ATTRIBUTES_MAX} attributes in the tag at byte {at}")]
    Attributes {
        /// Where.
        at: usize,
    },
    /// The document's element is another one.
    #[error("not a message: expected <message name=\"…\"> at byte {at}")]
    NotAMessage {
        /// Where.
        at: usize,
    },
    /// A message without `name`.
    #[error("the message at byte {at} has no attribute `name`")]
    NoName {
        /// Where.
        at: usize,
    },
    /// The name is empty, too long, or has other characters than printable ASCII.
    #[error(
        "the name of the message at byte {at} is not a plain identifier of at most {NAME_BYTES_MAX} characters"
    )]
    BadName {
        /// Where.
        at: usize,
    },
    /// More messages than [`MESSAGES_MAX`].
    #[error("more than {MESSAGES_MAX} messages at byte {at}")]
    TooManyMessages {
        /// Where.
        at: usize,
    },
    /// More levels than [`NESTING_MAX`].
    #[error("nested deeper than {NESTING_MAX} levels at byte {at}")]
    TooDeep {
        /// Where.
        at: usize,
    },
    /// Text where only elements belong.
    #[error("text between elements at byte {at}: it belongs into a field")]
    StrayText {
        /// Where.
        at: usize,
    },
    /// An element within a text.
    #[error(
        "an element within a text at byte {at}: say type=\"object\" or \"array\" in the tag around it"
    )]
    ElementInText {
        /// Where.
        at: usize,
    },
    /// `<field>` without the attribute `name`.
    #[error("the element <field> at byte {at} has no attribute `name`")]
    FieldWithoutName {
        /// Where.
        at: usize,
    },
    /// A child of an array that is not `<item>`.
    #[error("the children of an array are called <item>: not so at byte {at}")]
    NotAnItem {
        /// Where.
        at: usize,
    },
    /// `type` is none of the six.
    #[error(
        "an unknown type at byte {at}: expected string, number, boolean, null, object or array"
    )]
    UnknownType {
        /// Where.
        at: usize,
    },
    /// The text of a `number` is no number of JSON.
    #[error("not a number as JSON writes it at byte {at}")]
    NotANumber {
        /// Where.
        at: usize,
    },
    /// The text of a `boolean` is neither true nor false.
    #[error("not a boolean at byte {at}: expected true or false")]
    NotABoolean {
        /// Where.
        at: usize,
    },
    /// A `null` with a text.
    #[error("a null with a text at byte {at}")]
    NotNull {
        /// Where.
        at: usize,
    },
    /// `encoding` is not `base64`, or stands at something that is no text.
    #[error("an unknown encoding at byte {at}: texts may have base64")]
    UnknownEncoding {
        /// Where.
        at: usize,
    },
    /// What should be base64 of UTF-8 is not.
    #[error("not base64 of UTF-8 at byte {at}")]
    NotBase64 {
        /// Where.
        at: usize,
    },
    /// The JSON text that is to become a document is no message.
    #[error("{0}")]
    Json(#[from] PeekProblem),
    /// The JSON text that is to become a document has half of a surrogate pair.
    #[error("half of a surrogate pair in the text at byte {at}: XML cannot say it")]
    LoneSurrogate {
        /// Where.
        at: usize,
    },
}

impl XmlError {
    /// The fault that the peer is told.
    pub fn fault(&self) -> Fault {
        Fault::new(ErrorNumber::Malformed, self.problem.to_string())
    }
}

impl From<XmlProblem> for XmlError {
    fn from(problem: XmlProblem) -> Self {
        Self {
            problem,
            name: None,
            qid: None,
        }
    }
}
