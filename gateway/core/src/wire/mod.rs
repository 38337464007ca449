//! Bytes of a link to heads and frames, and back.
//!
//! Owns the first layer of a link: the HTTP head of the handshake ([`head`]), whom a proxy speaks
//! for ([`forwarded`]), who asks ([`credentials`]), the upgrade to a WebSocket from either side ([`upgrade`]), the frames
//! of RFC 6455 ([`frame`]) and the messages that arrive in them ([`inbound`]), those of version 0 ([`hixie`]), the
//! body of a message that goes by HTTP ([`form`]), and how the other side's [`host`] is written.
//! In come bytes as the socket gave them, cut anywhere. Out go heads, messages, refusals with the
//! complete answer, and the bytes of frames in the caller's buffer.
//! It never reads or writes a socket, holds no clock, and knows nothing of what a message says.

pub mod answer;
pub mod credentials;
pub mod form;
pub mod forwarded;
pub mod frame;
pub mod head;
pub mod hixie;
pub mod host;
pub mod inbound;
mod unfinished;
pub mod upgrade;
