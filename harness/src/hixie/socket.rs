//! Owns a link of WebSocket version 0 after its handshake: texts in and out, and the closing handshake.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{CLOSE_FRAME, Piece, append_text, take_frame};
use crate::error::{Error, Result};

/// What comes on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HixieEvent {
    /// A text.
    Text(String),
    /// The peer closed by the closing handshake, which was answered.
    Closed,
    /// The connection ended without it.
    Ended,
}

/// One link.
#[derive(Debug)]
pub struct HixieSocket<S> {
    stream: S,
    input: Vec<u8>,
    is_closing: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> HixieSocket<S> {
    /// A link on a stream after the handshake, with what was read beyond it.
    pub fn new(stream: S, already_read: Vec<u8>) -> Self {
        Self {
            stream,
            input: already_read,
            is_closing: false,
        }
    }

    /// The next thing that comes; nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> Result<HixieEvent> {
        loop {
            match take_frame(&mut self.input)? {
                Some(Piece::Text(text)) => return Ok(HixieEvent::Text(text)),
                Some(Piece::Close) => {
                    self.close().await?;
                    return Ok(HixieEvent::Closed);
                }
                None => {}
            }
            let read = self.stream.read_buf(&mut self.input).await;
            if read.map_err(|error| Error::io("reading from a hixie link", error))? == 0 {
                return Ok(HixieEvent::Ended);
            }
        }
    }

    /// Sends a text.
    pub async fn send(&mut self, text: &str) -> Result<()> {
        let mut frame = Vec::with_capacity(text.len() + 2);
        append_text(&mut frame, text);
        self.write(&frame).await
    }

    /// Begins or answers the closing handshake; the second time nothing is sent.
    pub async fn close(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.is_closing, true) {
            return Ok(());
        }
        self.write(&CLOSE_FRAME).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let failed = |error| Error::io("writing to a hixie link", error);
        self.stream.write_all(bytes).await.map_err(failed)?;
        self.stream.flush().await.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_ends_talk_and_close() {
        let (one, other) = tokio::io::duplex(64);
        let mut one = HixieSocket::new(one, Vec::new());
        let mut other = HixieSocket::new(other, b"\0early\xFF".to_vec());
        assert_eq!(
            other.next().await.unwrap(),
            HixieEvent::Text("early".into())
        );
        let long = "Ё".repeat(1000);
        let (sent, received) = tokio::join!(one.send(&long), other.next());
        sent.unwrap();
        assert_eq!(received.unwrap(), HixieEvent::Text(long));
        one.close().await.unwrap();
        assert_eq!(other.next().await.unwrap(), HixieEvent::Closed);
        assert_eq!(one.next().await.unwrap(), HixieEvent::Closed);
        drop(other);
        assert_eq!(one.next().await.unwrap(), HixieEvent::Ended);
    }
}
