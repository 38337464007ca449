//! What has come of a message whose end is still to come.

use std::str;

use super::frame::FrameError;

/// The bytes of a message, collected over several reads.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    bytes: Vec<u8>,
    /// So many bytes are known to be whole UTF-8 characters.
    checked: usize,
}

impl Unfinished {
    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of heap.
    pub(super) const fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Appends the next piece of what can become `most` bytes long, this piece included.
    pub(super) fn append(&mut self, piece: &[u8], most: usize) {
        let needed = self.bytes.len() + piece.len();
        if needed > self.bytes.capacity() {
            // Twice as much each time keeps the copying linear; what is only promised is not
            // allocated, and nothing beyond it either.
            let wanted = (2 * self.bytes.len()).clamp(needed, most);
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
    }

    /// Fails as soon as what has come can no longer become UTF-8.
    pub(super) fn check_text(&mut self) -> Result<(), FrameError> {
        match str::from_utf8(&self.bytes[self.checked..]) {
            Ok(_) => self.checked = self.bytes.len(),
            Err(error) if error.error_len().is_some() => return Err(FrameError::Utf8),
            Err(error) => self.checked += error.valid_up_to(),
        }
        Ok(())
    }

    /// Fails if the text, which has been checked so far, ends within a character.
    pub(super) const fn check_end(&self) -> Result<(), FrameError> {
        if self.checked < self.bytes.len() {
            return Err(FrameError::Utf8);
        }
        Ok(())
    }
}
