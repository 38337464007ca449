//! Owns one operator's browser tab as tests drive it (protocol 3 and 6.1): requests answered by `qid`, events in order,
//! raw frames, the close that was seen.
//!
//! A task of its own reads the link into a journal; every wait reads that journal with a deadline and, when it fails,
//! says what was awaited and what came instead. It never reconnects: a tab that lost its link stays lost.

pub(crate) mod connect;
pub(crate) mod opening;

use std::collections::HashMap;
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
pub use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::error::{Error, Result};
use crate::journal::{Journal, Reader};
use crate::message::{Message, answer_name, guid, shortened};
use crate::multipart::Assembler;
use crate::password::PasswordHashes;

pub use self::connect::ConnectOptions;
pub use self::opening::Opening;

/// How long a tab waits for anything unless told otherwise.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// One thing that came over a tab's link.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// When it came.
    pub at: Instant,
    /// What it was.
    pub what: Seen,
}

/// What came over a tab's link.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// The answer to a request of this tab that was still open.
    Answer(Message),
    /// A message that answers no open request, and is no answer by its name.
    Event(Message),
    /// An answer that nobody waited for: a second one, or one with an unknown `qid`; also `error` without a `qid`.
    Unasked(Message),
    /// A text that is no message, or broken multipart.
    Malformed(String),
    /// A binary frame of this length.
    Binary(usize),
    /// The end of the link.
    Closed(CloseSeen),
}

impl Seen {
    /// The message, whatever it was taken for.
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::Answer(message) | Self::Event(message) | Self::Unasked(message) => Some(message),
            _ => None,
        }
    }
}

/// How a link ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseSeen {
    /// The code of the peer's close frame; `None` if the link ended without one (or with an empty one).
    pub code: Option<u16>,
    /// The reason in the close frame, or the failure of the link.
    pub reason: String,
}

/// A browser tab that a test drives.
#[derive(Debug)]
pub struct Tab {
    sink: SplitSink<WebSocketStream<TcpStream>, Frame>,
    /// The subprotocol in the handshake's answer.
    subprotocol: Option<String>,
    shared: Arc<Shared>,
    reading: JoinHandle<()>,
    received: Reader<Incoming>,
    deadline: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    journal: Journal<Incoming>,
    /// The open requests: `qid` and method.
    open: Mutex<HashMap<String, String>>,
}

impl Tab {
    /// Connects with this subprotocol (`Some("json")` as browser libraries do).
    pub async fn connect(address: SocketAddr, subprotocol: Option<&str>) -> Result<Self> {
        Self::connect_with(address, &ConnectOptions::subprotocol(subprotocol)).await
    }

    /// Connects with every detail of the handshake's request chosen.
    pub async fn connect_with(address: SocketAddr, options: &ConnectOptions) -> Result<Self> {
        let mut connected = connect::connect(address, options).await?;
        let subprotocol = connected.subprotocol.take();
        let connection = connected.second_handle()?;
        let socket = connected.into_web_socket(options.read_buffer_bytes).await;
        let (sink, stream) = socket.split();
        let shared = Arc::new(Shared::default());
        let received = shared.journal.reader_from_start();
        let reading = tokio::spawn(read_link(stream, connection, Arc::clone(&shared)));
        Ok(Self {
            sink,
            subprotocol,
            shared,
            reading,
            received,
            deadline: DEADLINE,
        })
    }

    /// Connects with `json` and logs in.
    pub async fn logged_in(address: SocketAddr, login: &str, password: &str) -> Result<Self> {
        let mut tab = Self::connect(address, Some("json")).await?;
        tab.login(login, password).await?;
        Ok(tab)
    }

    /// The subprotocol in the handshake's answer.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Sets how long every later wait lasts at most.
    pub fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    /// Sends a request with a fresh `qid` and waits for its answer, which must bear the right name. An answer with
    /// `result: 0` is given back like any other.
    pub async fn request(&mut self, name: &str, fields: Value) -> Result<Message> {
        let qid = self.send_request(name, fields).await?;
        self.answer_to(name, &qid).await
    }

    /// As [`Tab::request`], but `result: 0` is [`Error::Failed`].
    pub async fn request_ok(&mut self, name: &str, fields: Value) -> Result<Message> {
        self.request(name, fields).await?.into_success(name)
    }

    /// Sends a request with a fresh `qid` (or the one in `fields`) and gives the `qid` for [`Tab::answer_to`].
    pub async fn send_request(&mut self, name: &str, fields: Value) -> Result<String> {
        let mut message = Message::new(name, fields);
        let qid = message.qid().map_or_else(guid, str::to_owned);
        message.fields.insert("qid".into(), qid.as_str().into());
        self.shared.open().insert(qid.clone(), name.to_owned());
        self.send(&message).await?;
        Ok(qid)
    }

    /// Waits for the answer to a request that was sent with [`Tab::send_request`], wherever it is in the record.
    pub async fn answer_to(&self, method: &str, qid: &str) -> Result<Message> {
        let is_answer = |seen: &Seen| matches!(seen, Seen::Answer(m) if m.qid() == Some(qid));
        let awaited = format!("the answer to {method} ({qid})");
        let mut reader = self.shared.journal.reader_from_start();
        let found = wait(&mut reader, &awaited, self.deadline, is_answer).await?;
        let Seen::Answer(answer) = &found.what else {
            unreachable!("is_answer looks for an answer");
        };
        if answer.name != answer_name(method) {
            return Err(Error::WrongAnswer {
                method: method.to_owned(),
                answer: shortened(&answer.to_text()),
            });
        }
        Ok(answer.clone())
    }

    /// Sends a message as it is; nothing is awaited.
    pub async fn send(&mut self, message: &Message) -> Result<()> {
        self.send_text(&message.to_text()).await
    }

    /// Sends any text.
    pub async fn send_text(&mut self, text: &str) -> Result<()> {
        self.send_frame(Frame::text(text)).await
    }

    /// Sends any frame: text, binary, ping, pong, close.
    pub async fn send_frame(&mut self, frame: Frame) -> Result<()> {
        self.sink
            .send(frame)
            .await
            .map_err(|error| Error::web_socket("sending", error))
    }

    /// A reader of everything that came, from the beginning.
    pub fn received(&self) -> Reader<Incoming> {
        self.shared.journal.reader_from_start()
    }

    /// A reader of what comes from now on.
    pub fn received_from_now(&self) -> Reader<Incoming> {
        self.shared.journal.reader_from_now()
    }

    /// A reader of the events only, in order, from the first one on; independent of [`Tab::next_event`].
    pub fn events(&self) -> Events {
        Events {
            reader: self.shared.journal.reader_from_start(),
            deadline: self.deadline,
        }
    }

    /// The next event that this tab has not given yet.
    pub async fn next_event(&mut self) -> Result<Message> {
        let is_event = |seen: &Seen| matches!(seen, Seen::Event(_));
        let found = wait(&mut self.received, "an event", self.deadline, is_event).await?;
        Ok(found.message().clone())
    }

    /// The next event of this name; events before it are skipped.
    pub async fn event(&mut self, name: &str) -> Result<Message> {
        let is_wanted = |seen: &Seen| matches!(seen, Seen::Event(event) if event.name == name);
        let awaited = format!("the event {name}");
        let found = wait(&mut self.received, &awaited, self.deadline, is_wanted).await?;
        Ok(found.message().clone())
    }

    /// Makes [`Tab::next_event`] and [`Tab::event`] skip what has come so far.
    pub fn skip_events(&mut self) {
        self.received = self.received_from_now();
    }

    /// Every event so far.
    pub fn events_so_far(&self) -> Vec<Message> {
        let all = self.shared.journal.all();
        all.iter()
            .filter_map(|incoming| match &incoming.what {
                Seen::Event(event) => Some(event.clone()),
                _ => None,
            })
            .collect()
    }

    /// Asks for a `pong` and so makes sure that everything that the peer sent before it has been recorded.
    pub async fn settle(&mut self) -> Result<()> {
        self.request("ping", json!({})).await.map(drop)
    }

    /// Waits until the link ends and says how.
    pub async fn closed(&self) -> Result<CloseSeen> {
        let mut reader = self.shared.journal.reader_from_start();
        let is_closed = |seen: &Seen| matches!(seen, Seen::Closed(_));
        let found = wait(&mut reader, "the end of the link", self.deadline, is_closed).await?;
        match &found.what {
            Seen::Closed(close) => Ok(close.clone()),
            _ => unreachable!("is_closed looks for the close"),
        }
    }

    /// Logs in with both password hashes (protocol 6.1); a refusal is [`Error::Failed`].
    pub async fn login(&mut self, login: &str, password: &str) -> Result<Message> {
        self.request_ok("login", login_fields(login, password))
            .await
    }

    /// Subscribes these events (protocol 7).
    pub async fn subscribe(&mut self, events: &[&str]) -> Result<()> {
        let fields = json!({"eventmethod": events});
        self.request_ok("subscribeevent", fields).await.map(drop)
    }

    /// Everything that a browser library does after the handshake (protocol 6.1), in its order.
    pub async fn opening_sequence(&mut self, login: &str, password: &str) -> Result<Opening> {
        opening::open(self, login, password).await
    }

    /// Closes with this code and waits for the end of the link.
    pub async fn close(mut self, code: u16) -> Result<CloseSeen> {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        self.send_frame(Frame::Close(Some(frame))).await?;
        self.closed().await
    }
}

impl Drop for Tab {
    /// Drops the connection without a close frame, as a crashed browser does.
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// The fields of a `login` with both password hashes.
pub fn login_fields(login: &str, password: &str) -> Value {
    let hashes = PasswordHashes::of(password);
    json!({
        "userlogin": login,
        "password": hashes.lower_case,
        "Password": hashes.as_typed,
        "showid": 1,
    })
}

/// Reads a tab's events in order, at its own pace.
#[derive(Debug)]
pub struct Events {
    reader: Reader<Incoming>,
    deadline: Duration,
}

impl Events {
    /// The next event, with the time when it came.
    pub async fn next(&mut self) -> Result<(Instant, Message)> {
        let is_event = |seen: &Seen| matches!(seen, Seen::Event(_));
        let found = wait(&mut self.reader, "an event", self.deadline, is_event).await?;
        Ok((found.at, found.message().clone()))
    }

    /// The next event of this name, with the time when it came; events before it are skipped.
    pub async fn named(&mut self, name: &str) -> Result<(Instant, Message)> {
        let is_wanted = |seen: &Seen| matches!(seen, Seen::Event(event) if event.name == name);
        let awaited = format!("the event {name}");
        let found = wait(&mut self.reader, &awaited, self.deadline, is_wanted).await?;
        Ok((found.at, found.message().clone()))
    }
}

impl Incoming {
    fn message(&self) -> &Message {
        let message = self.what.message();
        message.expect("asked only of entries that were searched as messages")
    }

    fn describe(&self) -> String {
        match &self.what {
            Seen::Answer(message) => format!("answer {}", shortened(&message.to_text())),
            Seen::Event(message) => format!("event {}", shortened(&message.to_text())),
            Seen::Unasked(message) => format!("unasked {}", shortened(&message.to_text())),
            Seen::Malformed(text) => format!("malformed {}", shortened(text)),
            Seen::Binary(length) => format!("a binary frame of {length} bytes"),
            Seen::Closed(close) => format!("close {:?} {}", close.code, close.reason),
        }
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, HashMap<String, String>> {
        // A panic while the lock is held cannot leave the map half-written.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, what: Seen) {
        self.journal.push(Incoming {
            at: Instant::now(),
            what,
        });
    }

    fn record_message(&self, message: Message) {
        let is_awaited = message
            .qid()
            .is_some_and(|qid| self.open().remove(qid).is_some());
        let is_answer = message.name.ends_with("result")
            || matches!(message.name.as_str(), "pong" | "error" | "iam");
        self.record(if is_awaited {
            Seen::Answer(message)
        } else if is_answer {
            Seen::Unasked(message)
        } else {
            Seen::Event(message)
        });
    }
}

/// Reads the link into the journal until it ends, and then ends the connection as a browser does: the tab itself still
/// holds the sending half, which would keep it open.
async fn read_link(
    mut stream: SplitStream<WebSocketStream<TcpStream>>,
    connection: std::net::TcpStream,
    shared: Arc<Shared>,
) {
    let mut assembler = Assembler::default();
    let mut close = CloseSeen {
        code: None,
        reason: "the connection ended without a close frame".into(),
    };
    while let Some(frame) = stream.next().await {
        match frame {
            Ok(Frame::Text(text)) => match Message::parse(&text) {
                Ok(message) if message.name == "multipart" => match assembler.accept(&message) {
                    Ok(Some(whole)) => shared.record_message(whole),
                    Ok(None) => {}
                    Err(error) => shared.record(Seen::Malformed(error.to_string())),
                },
                Ok(message) => shared.record_message(message),
                Err(_) => shared.record(Seen::Malformed(text.to_string())),
            },
            Ok(Frame::Binary(bytes)) => shared.record(Seen::Binary(bytes.len())),
            Ok(Frame::Close(frame)) => {
                close = CloseSeen {
                    code: frame.as_ref().map(|frame| frame.code.into()),
                    reason: frame.map_or_else(String::new, |frame| frame.reason.to_string()),
                };
            }
            Ok(_) => {}
            Err(error) => {
                if close.code.is_none() {
                    close.reason = error.to_string();
                }
                break;
            }
        }
    }
    shared.record(Seen::Closed(close));
    // It fails where the peer has ended the connection altogether.
    let _ended = connection.shutdown(Shutdown::Both);
}

/// Waits for a wanted entry; the end of the link ends the wait.
async fn wait(
    reader: &mut Reader<Incoming>,
    awaited: &str,
    within: Duration,
    is_wanted: impl Fn(&Seen) -> bool,
) -> Result<Arc<Incoming>> {
    let deadline = Instant::now() + within;
    let mut skipped = Vec::new();
    while let Some(entry) = reader.next_until(deadline).await {
        if is_wanted(&entry.what) {
            return Ok(entry);
        }
        if let Seen::Closed(_) = &entry.what {
            return Err(Error::Closed {
                awaited: awaited.to_owned(),
                close: entry.describe(),
                instead: describe(&skipped),
            });
        }
        skipped.push(entry);
    }
    Err(Error::Deadline {
        awaited: awaited.to_owned(),
        after: within,
        instead: describe(&skipped),
    })
}

fn describe(skipped: &[Arc<Incoming>]) -> String {
    if skipped.is_empty() {
        return "nothing".into();
    }
    let first = skipped.len().saturating_sub(ENTRIES_SHOWN_MAX);
    let shown: Vec<String> = skipped[first..]
        .iter()
        .map(|entry| entry.describe())
        .collect();
    shown.join("\n  ")
}

/// How many entries an error message shows.
const ENTRIES_SHOWN_MAX: usize = 12;

#[cfg(test)]
mod tests;
