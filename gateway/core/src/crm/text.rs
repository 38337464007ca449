//! The text of a message in the link's format: inside there is only JSON.

use std::borrow::Cow;

use crate::protocol::{PeekProblem, peek};
use crate::wire::upgrade::Format;

/// A text is no message, or a message cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum TextError {
    /// Not JSON, or no message.
    #[error("{0}")]
    Json(#[from] PeekProblem),
}

/// The text of a message, from its JSON.
pub(super) fn written(message: &[u8], format: Format) -> Result<Cow<'_, [u8]>, TextError> {
    match format {
        Format::Json | Format::Xml => Ok(Cow::Borrowed(message)),
    }
}

/// The JSON of a message; `None` if that is its text already.
pub(super) fn read(_text: &[u8], format: Format) -> Result<Option<Vec<u8>>, TextError> {
    match format {
        Format::Json | Format::Xml => Ok(None),
    }
}

/// The JSON of one message or several, in the answer to a post.
pub(super) fn messages(text: &[u8], format: Format) -> Result<Vec<Vec<u8>>, TextError> {
    match format {
        Format::Json | Format::Xml => {
            peek(text).map_err(|error| error.problem)?;
            Ok(vec![text.to_vec()])
        }
    }
}
