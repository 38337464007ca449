//! The text of a message in the link's format: inside there is only JSON.

use std::borrow::Cow;

use crate::protocol::{
    ErrorNumber, Fault, PeekError, PeekProblem, XmlError, json_from_xml, messages_from_xml,
    messages_in_json, xml_from_json,
};
use crate::wire::upgrade::Format;

/// A text is no message, or a message cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum TextError {
    /// Not JSON, or no message.
    #[error("{0}")]
    Json(PeekProblem),
    /// Not XML, no message, or no text that XML can hold.
    #[error("{0}")]
    Xml(#[from] XmlError),
}

impl From<PeekError<'_>> for TextError {
    fn from(error: PeekError<'_>) -> Self {
        Self::Json(error.problem)
    }
}

impl TextError {
    /// What the CRM is told.
    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Json(problem) => Fault::new(ErrorNumber::Malformed, problem.to_string()),
            Self::Xml(error) => error.fault(),
        }
    }

    /// The name and the `qid` of the message, as far as they are known.
    pub(super) fn outline(&self) -> (Option<&str>, Option<&[u8]>) {
        match self {
            Self::Json(_) => (None, None),
            Self::Xml(error) => (error.name.as_deref(), error.qid.as_deref()),
        }
    }
}

/// The text of a message, from its JSON.
pub(super) fn written(message: &[u8], format: Format) -> Result<Cow<'_, [u8]>, TextError> {
    match format {
        Format::Json => Ok(Cow::Borrowed(message)),
        Format::Xml => {
            let mut document = Vec::with_capacity(message.len() * 2);
            xml_from_json(message, &mut document)?;
            Ok(Cow::Owned(document))
        }
    }
}

/// The JSON of a message; `None` if that is its text already.
pub(super) fn read(text: &[u8], format: Format) -> Result<Option<Vec<u8>>, TextError> {
    match format {
        Format::Json => Ok(None),
        Format::Xml => Ok(Some(json_from_xml(text)?)),
    }
}

/// The JSON of one message or several, in the answer to a post.
pub(super) fn messages(text: &[u8], format: Format) -> Result<Vec<Vec<u8>>, TextError> {
    match format {
        Format::Json => {
            let places = messages_in_json(text)?;
            Ok(places.into_iter().map(|it| text[it].to_vec()).collect())
        }
        Format::Xml => Ok(messages_from_xml(text)?),
    }
}
