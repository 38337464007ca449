//! The frames of RFC 6455: reading a frame's head, taking the mask off, appending frames.
//!
//! In come bytes that start at a frame's head; out go checked heads ([`Decoder`]) and encoded
//! frames (the `append_*` functions). What spans more than one frame (fragments, UTF-8 across
//! them, bytes that are still missing) is [`super::inbound`]'s. No extension is ever negotiated,
//! so the reserved bits must be zero. It never owns a buffer.

mod decode;
mod encode;

pub use decode::{Decoder, FrameHead, unmask};
pub use encode::{
    append_binary, append_close, append_own_text, append_ping, append_pong, append_text,
    append_text_with, append_with, header_length, write_header,
};
pub use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// The longest head of a frame: two bytes, eight of length, four of mask.
pub const HEAD_BYTES_MAX: usize = 14;

/// The longest payload of a control frame (RFC 6455, 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// Which end of a link we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We accepted the link: what arrives must be masked, what we send is not.
    Server,
    /// We opened the link: what arrives must not be masked, what we send is.
    Client,
}

/// What happens to a binary message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// The first frame of one ends the link with 1003: the gateway's rule (protocol 9).
    Refuse,
    /// It is delivered.
    Accept,
}

/// How long frames and messages may be, in bytes of payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest frame; a longer one ends the link with 1009 as soon as its head is here.
    pub frame_bytes_max: u32,
    /// The longest message, all its fragments together; more ends the link with 1009.
    pub message_bytes_max: u32,
}

impl Default for Limits {
    /// The limits of a client link (protocol 9): 1 MiB for both.
    fn default() -> Self {
        Self {
            frame_bytes_max: 1 << 20,
            message_bytes_max: 1 << 20,
        }
    }
}

/// A violation by the peer. The link is over: send a close frame with [`FrameError::close_code`],
/// then close. Nothing that arrives later is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A reserved bit is set though no extension was negotiated. Close with 1002.
    #[error("a reserved bit is set")]
    ReservedBits,
    /// The opcode is one of those without a meaning. Close with 1002.
    #[error("an unknown opcode")]
    Opcode,
    /// The length uses more bytes than it needs, or its highest bit is set. Close with 1002.
    #[error("a frame length in a wrong form")]
    Length,
    /// A client's frame came without a mask. Close with 1002.
    #[error("a client's frame without a mask")]
    Unmasked,
    /// A server's frame came with a mask. Close with 1002.
    #[error("a server's frame with a mask")]
    Masked,
    /// A control frame is fragmented or longer than 125 bytes. Close with 1002.
    #[error("a control frame that is fragmented or too long")]
    ControlFrame,
    /// A continuation came with no message to continue. Close with 1002.
    #[error("a continuation of no message")]
    Continuation,
    /// A new message began before the last one ended. Close with 1002.
    #[error("a new message within an unfinished one")]
    UnfinishedMessage,
    /// A close frame has a payload of one byte, or a code that must not be sent. Close with 1002.
    #[error("a close frame with a wrong code")]
    ClosePayload,
    /// A binary message where only text is spoken. Close with 1003.
    #[error("binary messages are not spoken here")]
    BinaryRefused,
    /// A text or a close reason is not UTF-8. Close with 1007.
    #[error("a text that is not UTF-8")]
    Utf8,
    /// A frame is longer than [`Limits::frame_bytes_max`]. Close with 1009.
    #[error("a frame longer than allowed")]
    FrameTooLong,
    /// A message is longer than [`Limits::message_bytes_max`]. Close with 1009.
    #[error("a message longer than allowed")]
    MessageTooLong,
}

impl FrameError {
    /// The code of the close frame that the violation is answered with.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::ReservedBits
            | Self::Opcode
            | Self::Length
            | Self::Unmasked
            | Self::Masked
            | Self::ControlFrame
            | Self::Continuation
            | Self::UnfinishedMessage
            | Self::ClosePayload => CloseCode::Protocol,
            Self::BinaryRefused => CloseCode::Unsupported,
            Self::Utf8 => CloseCode::Invalid,
            Self::FrameTooLong | Self::MessageTooLong => CloseCode::Size,
        }
    }
}

#[cfg(test)]
mod tests;
