//! The messages that arrive on a link of version 0.

use std::mem;
use std::ops::ControlFlow;

use memchr::memchr;

use super::{CLOSE, END, TEXT};
use crate::wire::frame::{FrameError, Limits};
use crate::wire::inbound::Incoming;
use crate::wire::unfinished::Unfinished;

/// The receiving half of a link of version 0 after the handshake, of either side.
#[derive(Debug)]
pub struct HixieInbound {
    bytes_max: usize,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Between two frames.
    Between,
    /// Within a text, of which this has come.
    Text(Unfinished),
    /// The first byte of the closing handshake has come.
    Closing,
    /// Everything that comes is ignored.
    Finished,
}

impl HixieInbound {
    /// For a link that has just been upgraded. Of the limits the lower one counts: a message is a frame here.
    pub fn new(limits: Limits) -> Self {
        Self {
            bytes_max: limits.frame_bytes_max.min(limits.message_bytes_max) as usize,
            stage: Stage::Between,
        }
    }

    /// Takes the bytes of one read, and hands each message that is now complete to `deliver`: texts, in place where they
    /// lie whole in `bytes`, and at last a close without a code.
    ///
    /// After an error, a close, or a `Break` from `deliver`, the inbound half is finished: the rest of `bytes` and all
    /// that comes later is ignored.
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        mut deliver: impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), FrameError> {
        let mut bytes = bytes;
        while !bytes.is_empty() && !self.is_finished() {
            match self.step(bytes, &mut deliver) {
                Ok(used) => bytes = &mut bytes[used..],
                Err(error) => {
                    self.stage = Stage::Finished;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Whether everything that arrives from now on is ignored.
    pub const fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Finished)
    }

    /// Bytes of heap that it holds: none between messages, and no more than a message may be long.
    pub fn held_bytes(&self) -> usize {
        match &self.stage {
            Stage::Text(text) => text.capacity(),
            _ => 0,
        }
    }

    /// Handles one byte between texts, or the part of a text that is here; hands back how many bytes it used.
    fn step(
        &mut self,
        bytes: &mut [u8],
        deliver: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<usize, FrameError> {
        let first = bytes[0];
        match (&mut self.stage, first) {
            (Stage::Text(_), _) => self.text(bytes, deliver),
            (Stage::Between, TEXT) => self.new_text(&mut bytes[1..], deliver).map(|used| used + 1),
            (Stage::Between, END) => {
                self.stage = Stage::Closing;
                Ok(1)
            }
            (Stage::Closing, CLOSE) => {
                let close = Incoming::Close {
                    code: None,
                    reason: "",
                };
                self.hand_over(close, deliver);
                self.stage = Stage::Finished;
                Ok(1)
            }
            // A frame whose length stands in front of it.
            (Stage::Between, 0x80..) | (Stage::Closing, _) => Err(FrameError::BinaryRefused),
            (Stage::Between, _) => Err(FrameError::Opcode),
            (Stage::Finished, _) => Ok(bytes.len()),
        }
    }

    /// A text begins with the first of `bytes`.
    fn new_text(
        &mut self,
        bytes: &mut [u8],
        deliver: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<usize, FrameError> {
        let end = match memchr(END, bytes) {
            Some(end) if end <= self.bytes_max => end,
            _ => {
                self.stage = Stage::Text(Unfinished::default());
                return self.text(bytes, deliver);
            }
        };
        let text = &mut bytes[..end];
        str::from_utf8(text).map_err(|_| FrameError::Utf8)?;
        self.hand_over(Incoming::Text(text), deliver);
        Ok(end + 1)
    }

    /// More of a text, of which some has come before.
    fn text(
        &mut self,
        bytes: &[u8],
        deliver: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<usize, FrameError> {
        let Stage::Text(text) = &mut self.stage else {
            unreachable!("called within a text only");
        };
        let end = memchr(END, bytes);
        let piece = &bytes[..end.unwrap_or(bytes.len())];
        let fitting = piece.len().min(self.bytes_max - text.len());
        text.append(&piece[..fitting], self.bytes_max);
        // The wrong text is said before the long one: the same bytes fail in the same way however they are cut.
        text.check_text()?;
        if fitting < piece.len() {
            return Err(FrameError::MessageTooLong);
        }
        let Some(end) = end else {
            return Ok(bytes.len());
        };
        let Stage::Text(mut text) = mem::replace(&mut self.stage, Stage::Between) else {
            unreachable!("it was a text a moment ago");
        };
        text.check_end()?;
        self.hand_over(Incoming::Text(text.bytes_mut()), deliver);
        Ok(end + 1)
    }

    fn hand_over(
        &mut self,
        incoming: Incoming<'_>,
        deliver: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) {
        if deliver(incoming).is_break() {
            self.stage = Stage::Finished;
        }
    }
}
