//! Owns a CRM's WebSocket of any version after its handshake: texts in and out, and how it ends.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::options::WebSocketVersion;
use super::stream::BoxedStream;
use crate::error::{Error, Result};
use crate::hixie::{HixieEvent, HixieSocket};

/// A WebSocket.
pub(super) enum Socket {
    /// Versions 13, 8 and 7.
    Framed(Box<WebSocketStream<BoxedStream>>),
    /// Version 0.
    Hixie(HixieSocket<BoxedStream>),
}

/// What comes on a socket.
pub(super) enum Event {
    /// A text.
    Text(String),
    /// A binary frame.
    Binary,
    /// It ended, and how.
    Ended(String),
}

impl Socket {
    /// A socket on a connection whose handshake is over, with what was read beyond it.
    pub(super) async fn new(
        stream: BoxedStream,
        already_read: Vec<u8>,
        version: WebSocketVersion,
        role: Role,
    ) -> Self {
        if version == WebSocketVersion::V0 {
            return Self::Hixie(HixieSocket::new(stream, already_read));
        }
        let limits = WebSocketConfig::default().max_frame_size(Some(MESSAGE_BYTES_MAX));
        let socket =
            WebSocketStream::from_partially_read(stream, already_read, role, Some(limits)).await;
        Self::Framed(Box::new(socket))
    }

    /// The next thing that comes; nothing is lost when the wait is given up.
    pub(super) async fn next(&mut self) -> Result<Event> {
        let ended = |how: &str| Ok(Event::Ended(how.to_owned()));
        match self {
            Self::Hixie(socket) => match socket.next().await? {
                HixieEvent::Text(text) => Ok(Event::Text(text)),
                HixieEvent::Closed => ended("closed by the gateway"),
                HixieEvent::Ended => ended("ended"),
            },
            Self::Framed(socket) => loop {
                match socket.next().await {
                    Some(Ok(Frame::Text(text))) => {
                        return Ok(Event::Text(text.as_str().to_owned()));
                    }
                    Some(Ok(Frame::Binary(_))) => return Ok(Event::Binary),
                    Some(Ok(Frame::Close(frame))) => {
                        let code = frame.map_or(1005, |frame| u16::from(frame.code));
                        // The answer to the close frame goes out with this.
                        let _ = socket.flush().await;
                        return ended(&format!("closed by the gateway with {code}"));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(Error::web_socket("reading", error)),
                    None => return ended("ended"),
                }
            },
        }
    }

    /// Sends a text.
    pub(super) async fn send(&mut self, text: String) -> Result<()> {
        match self {
            Self::Hixie(socket) => socket.send(&text).await,
            Self::Framed(socket) => {
                let sent = socket.send(Frame::text(text)).await;
                sent.map_err(|error| Error::web_socket("sending", error))
            }
        }
    }

    /// Begins the closing handshake; version 0 has no codes.
    pub(super) async fn close(&mut self, code: u16) -> Result<()> {
        match self {
            Self::Hixie(socket) => socket.close().await,
            Self::Framed(socket) => {
                let frame = Frame::Close(Some(CloseFrame {
                    code: code.into(),
                    reason: "".into(),
                }));
                let sent = socket.send(frame).await;
                sent.map_err(|error| Error::web_socket("closing", error))
            }
        }
    }
}

/// How long a message may be.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
