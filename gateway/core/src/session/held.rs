//! Messages that wait for the end of a login, so that a program which does not
//! wait for `loginresult` is served in order.

use crate::protocol::{ErrorNumber, Fault, Peek};

/// The messages, in the order in which they came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    messages: Vec<Box<[u8]>>,
    bytes: usize,
}

impl Held {
    /// Keeps a message, unless that would be more than `bytes_max` in all.
    pub(super) fn keep(&mut self, message: &Peek<'_>, bytes_max: usize) -> Result<(), Fault> {
        let text = [
            b"[\"",
            message.name.as_bytes(),
            b"\",",
            message.fields,
            b"]",
        ]
        .concat();
        if self.bytes + text.len() > bytes_max {
            return Err(Fault::new(
                ErrorNumber::TooMany,
                "too much was sent before the login was answered: wait for `loginresult`",
            ));
        }
        self.bytes += text.len();
        self.messages.push(text.into());
        Ok(())
    }

    pub(super) fn into_messages(self) -> Vec<Box<[u8]>> {
        self.messages
    }
}
