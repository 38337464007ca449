//! Owns a client's link in bare frames, for load and for tabs by the thousand: an idle one keeps no buffer, since all
//! links of a thread read into the same one.
//!
//! Frames come in through a buffer of the caller's, texts go out to a closure; requests are masked and queued, pings
//! answered. It takes only what a server may send in one frame: no fragments, no masks, no reserved bits.

use std::fmt::Display;
use std::io::ErrorKind;

use serde_json::Value;
use tokio::net::TcpStream;

use crate::error::{Error, Result};
use crate::message::Message;
use crate::raw::{self, CLOSE, PING, PONG, TEXT};
use crate::tab::connect::Connected;

/// One link.
#[derive(Debug)]
pub(crate) struct RawLink {
    stream: TcpStream,
    /// The beginning of a frame whose rest has not come.
    unfinished: Vec<u8>,
    /// What the server has not taken yet.
    unsent: Vec<u8>,
}

/// How a link stands after a read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// It goes on.
    Open,
    /// It ended: with this code, or without a close frame.
    Ended(Option<u16>),
}

impl LinkState {
    /// The end of the link is an error: `awaited` was awaited, `instead` came before.
    pub(crate) fn must_be_open(&self, awaited: impl Display, instead: impl Display) -> Result<()> {
        match self {
            Self::Open => Ok(()),
            Self::Ended(code) => Err(Error::Closed {
                awaited: awaited.to_string(),
                close: code.map_or_else(|| NO_CODE.to_owned(), |code| code.to_string()),
                instead: instead.to_string(),
            }),
        }
    }
}

impl RawLink {
    pub(crate) fn new(connected: Connected) -> Self {
        Self {
            stream: connected.stream,
            unfinished: connected.already_read,
            unsent: Vec::new(),
        }
    }

    /// Resolves when a read is worth trying.
    pub(crate) async fn readable(&self) -> Result<()> {
        self.stream.readable().await.map_err(io_error)
    }

    /// Resolves when a write is worth trying.
    pub(crate) async fn writable(&self) -> Result<()> {
        self.stream.writable().await.map_err(io_error)
    }

    /// Whether something waits to be written.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Reads once and gives every whole text to `take`.
    pub(crate) fn read(&mut self, input: &mut [u8], take: impl FnMut(&[u8])) -> Result<LinkState> {
        self.read_some(input, usize::MAX, take)
    }

    /// The same, but reads no more than so many bytes.
    pub(crate) fn read_some(
        &mut self,
        input: &mut [u8],
        bytes_max: usize,
        take: impl FnMut(&[u8]),
    ) -> Result<LinkState> {
        let kept = self.unfinished.len();
        if kept >= input.len() {
            return Err(Error::Malformed(format!(
                "a frame longer than {kept} bytes"
            )));
        }
        let until = kept.saturating_add(bytes_max).min(input.len());
        let read = match self.stream.try_read(&mut input[kept..until]) {
            Ok(0) => return Ok(LinkState::Ended(None)),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(LinkState::Open),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                return Ok(LinkState::Ended(None));
            }
            Err(error) => return Err(io_error(error)),
        };
        input[..kept].copy_from_slice(&self.unfinished);
        self.unfinished = Vec::new();
        self.take_frames(&input[..kept + read], take)
    }

    /// Queues whole frames, made by [`append_text`].
    pub(crate) fn queue(&mut self, frames: &[u8]) {
        self.unsent.extend_from_slice(frames);
    }

    /// Writes at once what the socket takes; the rest is queued.
    pub(crate) fn write_or_queue(&mut self, frames: &[u8]) -> Result<()> {
        let mut written = 0;
        if self.unsent.is_empty() {
            written = match self.stream.try_write(frames) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => return Err(io_error(error)),
            };
        }
        self.unsent.extend_from_slice(&frames[written..]);
        Ok(())
    }

    /// Writes everything that is queued; nothing is lost when the wait is given up.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.try_write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.stream.writable().await.map_err(io_error)?;
                }
                Err(error) => return Err(io_error(error)),
            }
        }
        Ok(())
    }

    /// Gives the queue's memory back.
    pub(crate) fn shrink(&mut self) {
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
        }
    }

    fn take_frames(&mut self, batch: &[u8], mut take: impl FnMut(&[u8])) -> Result<LinkState> {
        let mut rest = batch;
        while let Some(head) = raw::parse_head(rest) {
            let refused = |what: &str| Error::Malformed(format!("a frame {what}: {head:?}"));
            let frame_bytes = head
                .head_bytes
                .checked_add(head.payload_bytes)
                .ok_or_else(|| refused("of impossible length"))?;
            if head.mask.is_some() || rest[0] & RESERVED_BITS != 0 {
                return Err(refused("with a mask or reserved bits"));
            }
            if rest.len() < frame_bytes {
                break;
            }
            let payload = &rest[head.head_bytes..frame_bytes];
            match head.opcode {
                TEXT if head.is_final => take(payload),
                PING => raw::append_frame(&mut self.unsent, 0x80 | PONG, Some(MASK), payload),
                PONG => {}
                CLOSE => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    return Ok(LinkState::Ended(code));
                }
                _ => return Err(refused("of a kind that is not taken here")),
            }
            rest = &rest[frame_bytes..];
        }
        self.unfinished.extend_from_slice(rest);
        Ok(LinkState::Open)
    }
}

/// Appends a text as a client's frame.
pub(crate) fn append_text(output: &mut Vec<u8>, text: &[u8]) {
    raw::append_frame(output, 0x80 | TEXT, Some(MASK), text);
}

/// A request as it goes over a link, with this `qid` behind its fields.
pub(crate) fn request_frame(method: &str, fields: Value, qid: impl Display) -> Vec<u8> {
    let mut message = Message::new(method, fields);
    message.fields.insert("qid".into(), qid.to_string().into());
    let mut frame = Vec::new();
    append_text(&mut frame, message.to_text().as_bytes());
    frame
}

/// Appends the frame that ends a link, with this code.
pub(crate) fn append_close(output: &mut Vec<u8>, code: u16) {
    raw::append_frame(output, 0x80 | CLOSE, Some(MASK), &code.to_be_bytes());
}

fn io_error(error: std::io::Error) -> Error {
    Error::io("driving a link", error)
}

/// How the end of a link is called that no close frame announced.
pub(crate) const NO_CODE: &str = "no close frame";
/// A client must mask; what with is its own choice, and this one costs the server what any other does.
const MASK: [u8; 4] = [0x5A, 0xC3, 0x96, 0x3C];
/// Bits of a frame's first byte that only extensions may set.
const RESERVED_BITS: u8 = 0x70;
/// A good size for the buffer that a thread's links read into; a frame must fit in.
pub(crate) const INPUT_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (RawLink, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let connected = Connected {
            stream,
            already_read: Vec::new(),
            subprotocol: None,
        };
        (RawLink::new(connected), listener.accept().await.unwrap().0)
    }

    /// Reads until a text came or the link ended.
    async fn next(link: &mut RawLink) -> Result<(Vec<String>, LinkState)> {
        let mut input = vec![0; 4096];
        let mut texts = Vec::new();
        loop {
            link.readable().await?;
            let state = link.read(&mut input, |text| {
                texts.push(String::from_utf8_lossy(text).into_owned());
            })?;
            if state != LinkState::Open || !texts.is_empty() {
                return Ok((texts, state));
            }
        }
    }

    #[tokio::test]
    async fn a_frame_in_two_pieces_is_taken_whole_and_leaves_no_buffer() {
        let (mut link, mut server) = pair().await;
        server.write_all(b"\x81\x05he").await.unwrap();
        link.readable().await.unwrap();
        assert_eq!(
            link.read(&mut [0; 64], |_| panic!("too early")).unwrap(),
            LinkState::Open
        );
        server.write_all(b"llo\x81\x01x").await.unwrap();
        assert_eq!(next(&mut link).await.unwrap().0, ["hello", "x"]);
        assert_eq!(link.unfinished.capacity(), 0);
    }

    #[tokio::test]
    async fn a_little_is_read_at_a_time_and_the_rest_is_left() {
        let (mut link, mut server) = pair().await;
        server.write_all(b"\x81\x01a\x81\x01b").await.unwrap();
        let mut texts = Vec::new();
        for _ in 0..2 {
            link.readable().await.unwrap();
            let read = link.read_some(&mut [0; 64], 3, |text| texts.push(text.to_vec()));
            assert_eq!(read.unwrap(), LinkState::Open);
        }
        assert_eq!(texts, [b"a", b"b"]);
    }

    #[test]
    fn a_close_frame_carries_its_code() {
        let mut frame = Vec::new();
        append_close(&mut frame, 1001);
        raw::apply_mask(&mut frame[6..], MASK);
        assert_eq!(
            (frame[0], frame[1], &frame[6..]),
            (0x88, 0x82, &b"\x03\xE9"[..])
        );
    }

    #[tokio::test]
    async fn a_ping_is_answered_and_a_close_code_is_seen() {
        let (mut link, mut server) = pair().await;
        server
            .write_all(b"\x89\x02hi\x88\x02\x03\xF5")
            .await
            .unwrap();
        let (_, state) = next(&mut link).await.unwrap();
        assert_eq!(state, LinkState::Ended(Some(1013)));
        link.flush().await.unwrap();
        let mut pong = [0; 8];
        server.read_exact(&mut pong).await.unwrap();
        raw::apply_mask(&mut pong[6..], MASK);
        assert_eq!((pong[0], &pong[6..]), (0x8A, &b"hi"[..]));
    }

    #[tokio::test]
    async fn masked_reserved_and_fragmented_frames_are_refused_and_an_end_is_an_end() {
        for frame in [
            &b"\x81\x81abcdx"[..],
            b"\xC1\x01x",
            b"\x01\x01x",
            b"\x82\x01x",
        ] {
            let (mut link, mut server) = pair().await;
            server.write_all(frame).await.unwrap();
            assert!(next(&mut link).await.is_err(), "{frame:?}");
        }
        let (mut link, server) = pair().await;
        drop(server);
        assert_eq!(next(&mut link).await.unwrap().1, LinkState::Ended(None));
    }
}
