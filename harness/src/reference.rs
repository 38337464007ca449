//! Owns the reference server: a bare, single-threaded epoll WebSocket server, the yardstick beside which the gateway is
//! measured. Frames of one read are unmasked in place and answered in one write; an idle connection owns no buffer.
//!
//! A text comes back, or is answered with a text of a set length; a binary frame goes out as a text to all other
//! connections, one `send` after the other. It checks no more of the protocol than it needs for that.

use std::convert::Infallible;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::error::{Error, Result};
use crate::raw::{self, BINARY, CLOSE, FrameHead, PING, PONG, TEXT};

/// The server, listening but not yet serving.
#[derive(Debug)]
pub struct ReferenceServer {
    poll: Poll,
    listener: TcpListener,
    connections: Slab<Connection>,
    buffers: Buffers,
}

/// What a text is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The text itself.
    Echo,
    /// Always the same message, so many bytes long.
    Canned(usize),
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    is_open: bool,
    /// The beginning of a frame or a handshake whose rest has not come.
    unfinished: Vec<u8>,
    /// What the peer has not taken yet.
    unsent: Vec<u8>,
}

/// Shared by all connections.
#[derive(Debug)]
struct Buffers {
    input: Vec<u8>,
    output: Vec<u8>,
    /// The frame that answers every text, if it is always the same.
    canned: Option<Vec<u8>>,
    /// The frames that a connection wants sent to all others.
    broadcast: Vec<u8>,
}

/// What follows for a connection.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Keep,
    Drop,
}

impl ReferenceServer {
    /// Listens on the address.
    pub fn bind(address: SocketAddr, answer: Answer) -> Result<Self> {
        let bind = || -> io::Result<Self> {
            let poll = Poll::new()?;
            let mut listener = TcpListener::bind(address)?;
            let registry = poll.registry();
            registry.register(&mut listener, LISTENER, Interest::READABLE)?;
            Ok(Self {
                poll,
                listener,
                connections: Slab::new(),
                buffers: Buffers {
                    input: vec![0; INPUT_BYTES],
                    output: Vec::with_capacity(INPUT_BYTES),
                    canned: answer.frame(),
                    broadcast: Vec::new(),
                },
            })
        };
        bind().map_err(|source| Error::Listen {
            address: address.to_string(),
            source,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr> {
        let address = self.listener.local_addr();
        address.map_err(|error| Error::io("finding the listening address", error))
    }

    /// Serves for ever.
    pub fn run(mut self) -> Result<Infallible> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                outcome => outcome.map_err(|error| Error::io("waiting for events", error))?,
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept();
                    continue;
                }
                self.handle(event);
            }
        }
    }

    fn handle(&mut self, event: &Event) {
        let key = event.token().0;
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let (is_readable, is_ending) = (event.is_readable(), event.is_read_closed());
        if connection.handle(is_readable, is_ending, &mut self.buffers) == Next::Drop {
            self.connections.remove(key);
        }
        if !self.buffers.broadcast.is_empty() {
            self.broadcast(key);
        }
    }

    /// Sends what one connection wants sent to all others.
    fn broadcast(&mut self, speaker: usize) {
        let frames = std::mem::take(&mut self.buffers.broadcast);
        self.connections.retain(|key, connection| {
            key == speaker || !connection.is_open || connection.send(&frames) == Next::Keep
        });
    }

    fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if let Err(error) = self.add(stream) {
                        tracing::warn!(%error, "a connection could not be set up");
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    return;
                }
            }
        }
    }

    fn add(&mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let entry = self.connections.vacant_entry();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        registry.register(&mut stream, Token(entry.key()), interest)?;
        entry.insert(Connection {
            stream,
            is_open: false,
            unfinished: Vec::new(),
            unsent: Vec::new(),
        });
        Ok(())
    }
}

impl Answer {
    fn frame(self) -> Option<Vec<u8>> {
        let Self::Canned(bytes) = self else {
            return None;
        };
        let padding = bytes.saturating_sub(CANNED_START.len() + CANNED_END.len());
        let text = format!("{CANNED_START}{}{CANNED_END}", "x".repeat(padding));
        let mut frame = Vec::new();
        raw::append_frame(&mut frame, 0x80 | TEXT, None, text.as_bytes());
        Some(frame)
    }
}

impl Connection {
    /// Reads and answers; `is_ending` says that the peer has ended its side after what is there to be read.
    fn handle(&mut self, is_readable: bool, is_ending: bool, buffers: &mut Buffers) -> Next {
        if self.flush() == Next::Drop {
            return Next::Drop;
        }
        if !is_readable {
            return Next::Keep;
        }
        loop {
            let kept = self.unfinished.len();
            if kept >= buffers.input.len() {
                return Next::Drop;
            }
            buffers.input[..kept].copy_from_slice(&self.unfinished);
            let read = match self.stream.read(&mut buffers.input[kept..]) {
                Ok(0) => return Next::Drop,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Next::Keep,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Next::Drop,
            };
            self.unfinished.clear();
            buffers.output.clear();
            let next = self.answer(kept + read, buffers);
            if self.send(&buffers.output) == Next::Drop || next == Next::Drop {
                return Next::Drop;
            }
            // epoll(7): a short read means that an edge-triggered stream is drained, unless its end is near.
            if kept + read < buffers.input.len() && !is_ending {
                return Next::Keep;
            }
        }
    }

    /// Answers the first so many bytes of the input.
    fn answer(&mut self, read: usize, buffers: &mut Buffers) -> Next {
        let mut answers = Answers {
            output: &mut buffers.output,
            canned: buffers.canned.as_deref(),
            broadcast: &mut buffers.broadcast,
        };
        let mut rest = &mut buffers.input[..read];
        if !self.is_open {
            match accept_handshake(rest, answers.output) {
                Handshake::Unfinished => {
                    self.unfinished.extend_from_slice(rest);
                    return Next::Keep;
                }
                Handshake::Refused => return Next::Drop,
                Handshake::Accepted(length) => {
                    self.is_open = true;
                    rest = &mut rest[length..];
                }
            }
        }
        while let Some(head) = raw::parse_head(rest) {
            if head.payload_bytes > MESSAGE_BYTES_MAX {
                return Next::Drop;
            }
            let frame_bytes = head.head_bytes + head.payload_bytes;
            if rest.len() < frame_bytes {
                break;
            }
            let (frame, after) = rest.split_at_mut(frame_bytes);
            if answers.take(head, frame) == Next::Drop {
                return Next::Drop;
            }
            rest = after;
        }
        if rest.is_empty() {
            self.unfinished = Vec::new();
        } else {
            self.unfinished.extend_from_slice(rest);
        }
        Next::Keep
    }

    fn send(&mut self, output: &[u8]) -> Next {
        let mut written = 0;
        while self.unsent.is_empty() && written < output.len() {
            match self.stream.write(&output[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Next::Drop,
            }
        }
        self.unsent.extend_from_slice(&output[written..]);
        if self.unsent.len() > UNSENT_BYTES_MAX {
            return Next::Drop;
        }
        Next::Keep
    }

    fn flush(&mut self) -> Next {
        if self.unsent.is_empty() {
            return Next::Keep;
        }
        let waiting = std::mem::take(&mut self.unsent);
        self.send(&waiting)
    }
}

/// Where the answers to a read go.
struct Answers<'a> {
    output: &'a mut Vec<u8>,
    canned: Option<&'a [u8]>,
    broadcast: &'a mut Vec<u8>,
}

impl Answers<'_> {
    fn take(&mut self, head: FrameHead, frame: &mut [u8]) -> Next {
        let payload = &mut frame[head.head_bytes..];
        let Some(mask) = head.mask else {
            return Next::Drop;
        };
        raw::apply_mask(payload, mask);
        let final_bit = if head.is_final { 0x80 } else { 0 };
        match (head.opcode, self.canned) {
            (CLOSE, _) => {
                raw::append_frame(self.output, 0x80 | CLOSE, None, payload);
                return Next::Drop;
            }
            (PING, _) => raw::append_frame(self.output, 0x80 | PONG, None, payload),
            (PONG, _) => {}
            (BINARY, _) => raw::append_frame(self.broadcast, final_bit | TEXT, None, payload),
            (_, Some(frame)) => self.output.extend_from_slice(frame),
            (opcode, None) => raw::append_frame(self.output, final_bit | opcode, None, payload),
        }
        Next::Keep
    }
}

enum Handshake {
    Unfinished,
    Refused,
    /// Accepted; the request was so long.
    Accepted(usize),
}

fn accept_handshake(input: &[u8], output: &mut Vec<u8>) -> Handshake {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(input) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Handshake::Unfinished,
        Err(_) => return Handshake::Refused,
    };
    let header = |name: &str| {
        request
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    };
    let Some(key) = header("sec-websocket-key") else {
        return Handshake::Refused;
    };
    output.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
    );
    output.extend_from_slice(derive_accept_key(key).as_bytes());
    let protocols = header("sec-websocket-protocol");
    if let Some(first) = protocols.and_then(|list| list.split(|byte| *byte == b',').next()) {
        output.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        output.extend_from_slice(first.trim_ascii());
    }
    output.extend_from_slice(b"\r\n\r\n");
    Handshake::Accepted(length)
}

/// How a canned answer begins: it is a message like others.
const CANNED_START: &str = r#"["canned",{"text":""#;
/// How a canned answer ends.
const CANNED_END: &str = r#""}]"#;
/// The listener's token; connections have their place in the slab.
const LISTENER: Token = Token(usize::MAX);
/// The size of the one read buffer.
const INPUT_BYTES: usize = 256 << 10;
/// How long a frame may be: it must fit into the read buffer.
const MESSAGE_BYTES_MAX: usize = INPUT_BYTES - raw::HEAD_BYTES_MAX - 1;
/// How much may wait for a peer that does not read.
const UNSENT_BYTES_MAX: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::message::Message;
    use crate::tab::{Frame, Tab};

    fn start(answer: Answer) -> SocketAddr {
        let address = "127.0.0.1:0".parse().unwrap();
        let server = ReferenceServer::bind(address, answer).unwrap();
        let address = server.address().unwrap();
        std::thread::spawn(move || server.run());
        address
    }

    #[tokio::test]
    async fn a_tab_hears_its_own_messages_of_any_length() {
        let mut tab = Tab::connect(start(Answer::Echo), Some("json"))
            .await
            .unwrap();
        assert_eq!(tab.subprotocol(), Some("json"));
        for length in [0, 1, 100, 200, 70_000, 200_000] {
            let message = Message::new("customevent", json!({"text": "x".repeat(length)}));
            tab.send(&message).await.unwrap();
            assert_eq!(tab.next_event().await.unwrap(), message);
        }
    }

    #[tokio::test]
    async fn a_batch_that_the_tab_does_not_read_at_once_is_echoed_in_order() {
        let mut tab = Tab::connect(start(Answer::Echo), Some("json"))
            .await
            .unwrap();
        let message = |number: usize| {
            Message::new(
                "customevent",
                json!({"number": number, "text": "x".repeat(5000)}),
            )
        };
        for number in 0..200 {
            tab.send(&message(number)).await.unwrap();
        }
        for number in 0..200 {
            assert_eq!(tab.next_event().await.unwrap(), message(number));
        }
    }

    #[tokio::test]
    async fn a_close_is_echoed_and_a_too_long_frame_ends_the_link() {
        let address = start(Answer::Echo);
        let tab = Tab::connect(address, None).await.unwrap();
        assert_eq!(tab.close(1000).await.unwrap().code, Some(1000));
        let mut tab = Tab::connect(address, None).await.unwrap();
        tab.set_deadline(Duration::from_secs(5));
        // The server may end the link before everything is written.
        let _ = tab.send_frame(Frame::text("x".repeat(INPUT_BYTES))).await;
        assert_eq!(tab.closed().await.unwrap().code, None);
    }
    #[tokio::test]
    async fn a_canned_answer_has_its_length_whatever_was_asked() {
        let address = start(Answer::Canned(200));
        let mut tab = Tab::connect(address, Some("json")).await.unwrap();
        for _ in 0..2 {
            let message = Message::new("ping", json!({}));
            tab.send(&message).await.unwrap();
            let answer = tab.next_event().await.unwrap();
            assert_eq!(
                (answer.name.as_str(), answer.to_text().len()),
                ("canned", 200)
            );
        }
    }

    #[tokio::test]
    async fn a_binary_frame_goes_to_all_others_as_a_text() {
        let address = start(Answer::Echo);
        let mut tabs = Vec::new();
        for _ in 0..3 {
            tabs.push(Tab::connect(address, Some("json")).await.unwrap());
        }
        let event = Message::new("customevent", json!({"text": "for all"}));
        let mut speaker = tabs.remove(0);
        let frame = Frame::binary(event.to_text().into_bytes());
        speaker.send_frame(frame).await.unwrap();
        for tab in &mut tabs {
            assert_eq!(tab.next_event().await.unwrap(), event);
        }
        let own = Message::new("customevent", json!({"text": "back"}));
        speaker.send(&own).await.unwrap();
        assert_eq!(speaker.next_event().await.unwrap(), own);
    }
}
