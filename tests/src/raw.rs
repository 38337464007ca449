//! Owns a TCP connection on which a test writes every byte itself: handshakes that a library would not send, frames
//! against the rules. Bytes come in, answers and frames go out; every wait has a deadline.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use okgate_harness::Message;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// How long any wait lasts at most.
const DEADLINE: Duration = Duration::from_secs(10);
/// The opcode of a text frame.
pub const TEXT: u8 = 1;
/// The opcode of a binary frame.
pub const BINARY: u8 = 2;
/// The opcode of a close frame.
pub const CLOSE: u8 = 8;
/// The opcode of a ping.
pub const PING: u8 = 9;
/// The opcode of a pong.
pub const PONG: u8 = 10;
/// The bit of a frame's first byte that says: the last of its message.
pub const FINAL: u8 = 0x80;

/// The length field that says: the length follows in two bytes.
const LENGTH_IN_2_BYTES: u8 = 0x7E;
/// The length field that says: the length follows in eight bytes.
const LENGTH_IN_8_BYTES: u8 = 0x7F;

/// A connection.
#[derive(Debug)]
pub struct RawLink {
    stream: TcpStream,
    read: Vec<u8>,
}

/// The answer to a handshake's request.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What followed the head, as far as `Content-Length` says.
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.iter();
        lines
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The head of a good request, without its last empty line: `more` are whole lines with their ends.
pub fn request_head(version: &str, more: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: gate\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: {version}\r\n{more}"
    )
}

impl RawLink {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = within("connecting", TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: Vec::new(),
        })
    }

    /// Connects from this address of the machine; all of 127.0.0.0/8 are.
    pub async fn connect_from(source: IpAddr, address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        let stream = within("connecting", socket.connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: Vec::new(),
        })
    }

    /// Connects and upgrades with this subprotocol.
    pub async fn upgraded(address: SocketAddr, subprotocol: Option<&str>) -> anyhow::Result<Self> {
        let mut link = Self::connect(address).await?;
        let more = subprotocol.map_or_else(String::new, |it| {
            format!("Sec-WebSocket-Protocol: {it}\r\n")
        });
        let answer = link.ask(&(request_head("13", &more) + "\r\n")).await?;
        ensure!(answer.status == 101, "the upgrade was refused: {answer:?}");
        Ok(link)
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, request: &str) -> anyhow::Result<Answer> {
        self.send(request.as_bytes()).await?;
        self.answer().await
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        within("sending", self.stream.write_all(bytes)).await??;
        Ok(())
    }

    /// Sends a masked frame with this first byte: the opcode, with [`FINAL`] where it is the last.
    pub async fn frame(&mut self, first: u8, payload: &[u8]) -> anyhow::Result<()> {
        self.send(&frame_bytes(first, Some([0x1B, 0xC4, 0x5A, 0x77]), payload))
            .await
    }

    /// Sends a message in one frame.
    pub async fn message(&mut self, name: &str, fields: Value) -> anyhow::Result<()> {
        let text = Message::new(name, fields).to_text();
        self.frame(FINAL | TEXT, text.as_bytes()).await
    }

    /// The next frame, which must be whole: its opcode and payload.
    pub async fn next_frame(&mut self) -> anyhow::Result<(u8, Vec<u8>)> {
        loop {
            if let Some((first, start, end)) = frame_in(&self.read)? {
                ensure!(first & 0xF0 == FINAL, "not a whole frame: {first:#x}");
                let payload = self.read[start..end].to_vec();
                self.read.drain(..end);
                return Ok((first & 0x0F, payload));
            }
            ensure!(
                self.read_more("a frame").await? > 0,
                "the connection ended instead of a frame"
            );
        }
    }

    /// The next message.
    pub async fn next_message(&mut self) -> anyhow::Result<Message> {
        let (opcode, payload) = self.next_frame().await?;
        ensure!(
            opcode == TEXT,
            "a frame of opcode {opcode} instead of a message: {payload:?}"
        );
        Ok(Message::parse(std::str::from_utf8(&payload)?)?)
    }

    /// Skips messages to the close frame, answers it, and waits for the connection's end: the code and the reason.
    pub async fn closed(&mut self) -> anyhow::Result<(u16, String)> {
        loop {
            let (opcode, payload) = self.next_frame().await?;
            if opcode != CLOSE {
                continue;
            }
            let Some((code, reason)) = payload.split_first_chunk::<2>() else {
                bail!("a close frame without a code");
            };
            // After a violation the gateway may be gone already.
            let _gone = self.frame(FINAL | CLOSE, code).await;
            self.ended().await?;
            return Ok((
                u16::from_be_bytes(*code),
                String::from_utf8(reason.to_vec())?,
            ));
        }
    }

    /// Waits for the connection's end; nothing may come before it.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        match self.read_more("the end of the connection").await {
            Ok(0) => ensure!(
                self.read.is_empty(),
                "bytes before the end: {:?}",
                self.read
            ),
            Ok(_) => bail!(
                "bytes instead of the end: {:?}",
                String::from_utf8_lossy(&self.read)
            ),
            // A reset is an end too: the peer closed with our last bytes unread.
            Err(error) if error.is::<std::io::Error>() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The answer to a request.
    pub async fn answer(&mut self) -> anyhow::Result<Answer> {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            ensure!(
                self.read_more("an answer").await? > 0,
                "the connection ended instead of an answer"
            );
        };
        let head = String::from_utf8(self.read.drain(..end + 4).collect())?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.and_then(|status| status.parse().ok());
        let pairs = lines.filter_map(|line| line.split_once(':'));
        let headers: Vec<(String, String)> = pairs
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer {
            status: status.with_context(|| format!("no status: {head}"))?,
            headers,
            body: String::new(),
        };
        let length = answer.header("content-length").map_or(Ok(0), str::parse)?;
        while self.read.len() < length {
            ensure!(
                self.read_more("a body").await? > 0,
                "the connection ended within the body"
            );
        }
        answer.body = String::from_utf8(self.read.drain(..length).collect())?;
        Ok(answer)
    }

    async fn read_more(&mut self, awaited: &str) -> anyhow::Result<usize> {
        Ok(within(awaited, self.stream.read_buf(&mut self.read)).await??)
    }
}

/// A frame's bytes.
pub fn frame_bytes(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        length @ 0..=125 => bytes.push(mask_bit | u8::try_from(length).expect("at most 125")),
        length @ 126..=0xFFFF => {
            bytes.push(mask_bit | LENGTH_IN_2_BYTES);
            bytes.extend(u16::try_from(length).expect("two bytes").to_be_bytes());
        }
        length => {
            bytes.push(mask_bit | LENGTH_IN_8_BYTES);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask.into_iter().flatten());
    let key = mask.unwrap_or_default();
    bytes.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    bytes
}

/// The first frame, if it is complete: its first byte, and where its payload starts and ends.
fn frame_in(bytes: &[u8]) -> anyhow::Result<Option<(u8, usize, usize)>> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    ensure!(second & 0x80 == 0, "the gateway masks its frames");
    let (start, length) = match second {
        &LENGTH_IN_2_BYTES => match rest.first_chunk() {
            Some(length) => (4, usize::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        &LENGTH_IN_8_BYTES => match rest.first_chunk() {
            Some(length) => (10, usize::try_from(u64::from_be_bytes(*length))?),
            None => return Ok(None),
        },
        length => (2, usize::from(*length)),
    };
    Ok((bytes.len() >= start + length).then_some((*first, start, start + length)))
}

async fn within<T>(awaited: &str, future: impl Future<Output = T>) -> anyhow::Result<T> {
    let result = tokio::time::timeout(DEADLINE, future).await;
    result.with_context(|| format!("waited {DEADLINE:?} for {awaited}"))
}
