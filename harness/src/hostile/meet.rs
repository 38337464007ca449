//! Owns a meeting of a hostile peer with a gateway, and says in words what the peer got.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::cases::{Case, LOGIN, Start};
use crate::error::{Error, Result};
use crate::gateway::DEFAULT_PASSWORD;
use crate::message::{Message, peek_name, peek_qid, shortened};
use crate::raw::{self, CLOSE, TEXT};
use crate::raw_link::{append_text, request_frame};
use crate::tab::connect::{self, ConnectOptions};
use crate::tab::login_fields;

/// Meets the gateway once. What the peer got, in order and each thing once: `HTTP 400`, `close 1002`, `error 400` (a message of
/// that name), `refused with 404` (an answer), `answered`, `goes on` (a `ping` behind it all was answered), `cut` (no word of
/// it), `silence` (nothing more for [`PATIENCE`]).
pub async fn meet(address: SocketAddr, case: &Case) -> Result<String> {
    let mut peer = Peer::start(address, case.start, None).await?;
    // The gateway may end the connection before it has taken everything.
    let _ended = peer.stream.write_all(&case.bytes).await;
    if case.start != Start::Connection {
        // An answer of the hub may come after that of a ping: the probe goes once there is one.
        while !peer.take()? && peer.got.is_empty() && peer.read_more().await {}
        let mut probe = Vec::new();
        append_text(&mut probe, PROBE.as_bytes());
        let _ended = peer.stream.write_all(&probe).await;
    }
    peer.read_to_end().await
}

/// As [`meet`], for a connection that says nothing and is held until the gateway ends it or `until`.
pub async fn meet_and_hold(address: SocketAddr, until: Instant) -> Result<String> {
    let mut peer = Peer::start(address, Start::Connection, None).await?;
    peer.deadline = until;
    peer.read_to_end().await
}

/// A tab that reads nothing while its user's state is changed so often; what it finds when it reads in the end.
pub async fn starve(address: SocketAddr, changes: usize) -> Result<String> {
    let mut starving = Peer::start(address, Start::Tab, Some(RECEIVE_BYTES_SMALL)).await?;
    let mut frames = Vec::new();
    let subscription = json!({"eventmethod": "userstatechanged"});
    append_text(
        &mut frames,
        Message::new("subscribeevent", subscription)
            .to_text()
            .as_bytes(),
    );
    starving.stream.write_all(&frames).await.map_err(broken)?;
    let mut busy = Peer::start(address, Start::Tab, None).await?;
    for change in 0..changes {
        frames.clear();
        // A break and back.
        let state = json!({"userstateid": if change % 2 == 0 { 2 } else { 1 }, "qid": "1"});
        append_text(
            &mut frames,
            Message::new("setuserstate", state).to_text().as_bytes(),
        );
        busy.stream.write_all(&frames).await.map_err(broken)?;
        busy.message().await?;
    }
    starving.deadline = Instant::now() + PATIENCE;
    starving.read_to_end().await
}

struct Peer {
    stream: TcpStream,
    read: Vec<u8>,
    is_upgraded: bool,
    deadline: Instant,
    got: Vec<String>,
    events: usize,
    is_over: bool,
}

impl Peer {
    async fn start(address: SocketAddr, start: Start, receive_bytes: Option<u32>) -> Result<Self> {
        let mut options = ConnectOptions::subprotocol(match start {
            Start::Link(subprotocol) => subprotocol,
            Start::Connection | Start::Tab => Some("json"),
        });
        options.receive_buffer_bytes = receive_bytes;
        let (stream, read) = if start == Start::Connection {
            (connect_only(address).await?, Vec::new())
        } else {
            let connected = connect::connect(address, &options).await?;
            (connected.stream, connected.already_read)
        };
        let mut peer = Self {
            stream,
            read,
            is_upgraded: start != Start::Connection,
            deadline: Instant::now() + PATIENCE,
            got: Vec::new(),
            events: 0,
            is_over: false,
        };
        if start == Start::Tab {
            peer.log_in().await?;
        }
        Ok(peer)
    }

    async fn log_in(&mut self) -> Result<()> {
        let frame = request_frame("login", login_fields(LOGIN, DEFAULT_PASSWORD), "login");
        self.stream.write_all(&frame).await.map_err(broken)?;
        let answer = self.message().await?;
        answer.into_success("login").map(drop)
    }

    /// The next message, which must be there soon.
    async fn message(&mut self) -> Result<Message> {
        self.deadline = Instant::now() + PATIENCE;
        loop {
            if let Some((TEXT, payload)) = self.take_frame() {
                let message = Message::parse(&String::from_utf8_lossy(&payload))?;
                if message.name.ends_with("result") {
                    return Ok(message);
                }
            } else if !self.read_more().await {
                return Err(Error::Malformed(
                    "an end where an answer was to come".into(),
                ));
            }
        }
    }

    /// Everything that the peer got.
    async fn read_to_end(mut self) -> Result<String> {
        while !self.take()? && self.read_more().await {}
        if self.events > 0 {
            self.got.insert(0, format!("{} events", self.events));
        }
        Ok(self.got.join(", "))
    }

    /// Says what has come; whether nothing more is to come.
    fn take(&mut self) -> Result<bool> {
        let is_over = if self.is_upgraded {
            self.take_frames()?
        } else {
            self.take_head()
        };
        self.is_over |= is_over;
        Ok(self.is_over)
    }

    /// Reads more; `false` at the end, which is said too.
    async fn read_more(&mut self) -> bool {
        let end = match timeout_at(self.deadline, self.stream.read_buf(&mut self.read)).await {
            Ok(Ok(1..)) => return true,
            Ok(Ok(0) | Err(_)) => "cut",
            Err(_) => "silence",
        };
        self.got(end);
        self.is_over = true;
        false
    }

    /// Whether the head of an answer has come, which is said.
    fn take_head(&mut self) -> bool {
        let text = String::from_utf8_lossy(&self.read);
        let Some((line, _)) = text.split_once("\r\n") else {
            return false;
        };
        let status = line.split(' ').nth(1).unwrap_or("?");
        let said = format!("HTTP {status}");
        self.got(&said);
        true
    }

    /// Says all frames that have come; whether a close or the answer to the probe was among them.
    fn take_frames(&mut self) -> Result<bool> {
        while let Some((opcode, payload)) = self.take_frame() {
            match opcode {
                CLOSE => {
                    let code = payload
                        .first_chunk()
                        .map_or(0, |code| u16::from_be_bytes(*code));
                    self.got(&format!("close {code}"));
                    return Ok(true);
                }
                TEXT => {
                    let name = std::str::from_utf8(&payload).ok().and_then(peek_name);
                    if name == Some("pong") && peek_qid(&payload) == Some(PROBE_QID) {
                        self.got("goes on");
                        return Ok(true);
                    }
                    self.take_text(&payload)?;
                }
                _ => {}
            }
        }
        Ok(false)
    }

    /// Says what this message is. What echoes the peer's own fields is not parsed: they need not be good.
    fn take_text(&mut self, text: &[u8]) -> Result<()> {
        let text = String::from_utf8_lossy(text);
        let said = match peek_name(&text) {
            Some("pong" | "multipart") => "answered".to_owned(),
            Some("error") => format!("error {}", Message::parse(&text)?.field("error")),
            Some(name) if name.ends_with("result") => match Message::parse(&text)? {
                answer if answer.succeeded() => "answered".to_owned(),
                answer => format!("refused with {}", answer.field("error")),
            },
            Some(_) => {
                self.events += 1;
                return Ok(());
            }
            None => shortened(&text),
        };
        self.got(&said);
        Ok(())
    }

    fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (head, payload) = raw::take_frame(&mut self.read)?;
        Some((head.opcode, payload))
    }

    fn got(&mut self, what: &str) {
        if self.got.iter().all(|got| got != what) {
            self.got.push(what.to_owned());
        }
    }
}

async fn connect_only(address: SocketAddr) -> Result<TcpStream> {
    let connecting = TcpStream::connect(address).await;
    connecting.map_err(|error| Error::io(format!("connecting to {address}"), error))
}

fn broken(error: std::io::Error) -> Error {
    Error::io("sending what is wrong", error)
}

/// How long a peer waits for what it gets.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// What shows that a link goes on.
const PROBE: &str = r#"["ping",{"qid":"probe"}]"#;
/// The mark of its answer.
const PROBE_QID: &[u8] = b"probe";
/// The receive buffer of a tab that is to be full soon.
const RECEIVE_BYTES_SMALL: u32 = 4096;
