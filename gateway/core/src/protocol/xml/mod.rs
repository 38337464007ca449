//! The XML form of messages (protocol 3.2): there and back without loss.
//!
//! In come documents and go out the same messages as JSON text, and the other way round. Whoever works
//! with a message works with its JSON text: [`super::peek()`] and [`super::BodyReader`] do not know that it came as XML.
//! What comes in is bounded in depth, and what goes out by what came in: JSON is at most
//! [`JSON_GROWTH_MAX`] times as long as its document, a document at most [`XML_GROWTH_MAX`] times as long as its JSON
//! (which are the worst cases; an ordinary message becomes half as long again). No reference to an entity of a
//! document's own is ever resolved, and no other document is looked at.

mod characters;
mod error;
mod known;
mod read;
mod tag;
#[cfg(test)]
mod tests;
mod write;

pub use error::{XmlError, XmlProblem};
pub use read::{json_from_xml, messages_from_xml};
pub(super) use write::append_ascii;
pub use write::xml_from_json;

/// JSON text is at most so many times as long as the XML document that it is made of.
pub const JSON_GROWTH_MAX: usize = 6;

/// An XML document is at most so many times as long as the JSON text that it is made of, and a hundred bytes.
pub const XML_GROWTH_MAX: usize = 16;

/// Attributes of one element: the protocol knows four.
const ATTRIBUTES_MAX: usize = 16;
