//! Version 0 of the WebSocket protocol (draft-hixie-thewebsocketprotocol-76; protocol 2.2-a): its frames and the
//! arithmetic of its handshake, whose heads are [`super::upgrade`]'s.
//!
//! A text is `0x00`, UTF-8, `0xFF`, which UTF-8 never contains; the closing handshake is `0xFF 0x00` from each side. There
//! are no control frames, no codes and no masks. In come bytes as the socket gave them; out go the same
//! [`super::inbound::Incoming`] as of the other versions. Frames with a length, which no program is known to send, are refused.

pub(super) mod handshake;
mod inbound;
#[cfg(test)]
mod tests;

pub use inbound::HixieInbound;

/// Appends a text message.
pub fn append_text(output: &mut Vec<u8>, text: &str) {
    append_own_text(output, text.as_bytes());
}

/// Appends a text message, given as bytes that are UTF-8: what the gateway wrote itself is not read again to prove it.
pub fn append_own_text(output: &mut Vec<u8>, text: &[u8]) {
    debug_assert!(str::from_utf8(text).is_ok());
    output.reserve(text.len() + 2);
    output.push(TEXT);
    output.extend_from_slice(text);
    output.push(END);
}

/// Appends the closing handshake: our beginning of it, or the answer to the peer's.
pub fn append_close(output: &mut Vec<u8>) {
    output.extend_from_slice(&[END, CLOSE]);
}

/// The first byte of a text.
const TEXT: u8 = 0x00;

/// The byte behind a text, and the first of the closing handshake.
const END: u8 = 0xFF;

/// The second byte of the closing handshake.
const CLOSE: u8 = 0x00;
