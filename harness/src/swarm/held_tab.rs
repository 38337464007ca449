//! Owns one held tab: its opening, then its pings, its questions for the queue, and counting what it gets.
//!
//! It is made small, as there are thousands: one read buffer of a KiB, one timer, no record of messages.

use std::rc::Rc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message as Frame};

use super::worker::Shared;
use crate::error::{Error, Result};
use crate::load::source_address;
use crate::message::{Message, peek_name, peek_qid};
use crate::multipart::Assembler;
use crate::report;
use crate::tab::connect::{self, ConnectOptions};
use crate::tab::{login_fields, opening};

/// A tab that came through its opening.
pub(super) struct HeldTab {
    socket: WebSocketStream<TcpStream>,
    /// Of the next request.
    next_qid: u32,
}

/// The times of a held tab.
struct Times {
    next_ping: Instant,
    next_queue: Instant,
    /// The `qid` of the ping that is under way, and when it was sent.
    ping: Option<(u32, Instant)>,
}

impl HeldTab {
    /// Opens the tab of this index; failures are counted.
    pub(super) async fn open(index: usize, shared: &Shared) -> Option<Self> {
        let options = &shared.job.options;
        let mut connect_options = ConnectOptions::subprotocol(Some("json"));
        connect_options.source = source_address(index, options.address);
        let connected = match connect::connect(options.address, &connect_options).await {
            Ok(connected) => connected,
            Err(error) => {
                shared.counts.borrow_mut().fail("connect", error);
                return None;
            }
        };
        shared.counts.borrow_mut().connected += 1;
        let mut tab = Self {
            socket: connected.into_web_socket(READ_BUFFER_BYTES).await,
            next_qid: 0,
        };
        let login = format!(
            "{}{}",
            options.login_prefix,
            index / options.tabs_per_user + 1
        );
        for (method, fields) in sequence(&login, shared) {
            let answered = timeout(ANSWER_MAX, tab.request(method, fields, shared)).await;
            let outcome = answered.unwrap_or_else(|_| {
                Err(Error::Deadline {
                    awaited: format!("the answer to {method}"),
                    after: ANSWER_MAX,
                    instead: "nothing that answers it".into(),
                })
            });
            let mut counts = shared.counts.borrow_mut();
            if let Err(error) = outcome {
                let kind = if method == "login" {
                    "login"
                } else {
                    "opening"
                };
                counts.fail(kind, format!("{login}: {error}"));
                return None;
            }
            counts.logged_in += u64::from(method == "login");
        }
        let mut counts = shared.counts.borrow_mut();
        counts.opened += 1;
        counts.held += 1;
        drop(counts);
        Some(tab)
    }

    /// Holds the tab until its link ends.
    pub(super) async fn hold(mut self, shared: Rc<Shared>) {
        let ended = self.hold_until_end(&shared).await;
        let mut counts = shared.counts.borrow_mut();
        counts.held -= 1;
        match ended {
            Ok(code) => counts.closed(code),
            Err(Error::WebSocket { source, .. }) if is_lost(&source) => counts.closed(None),
            Err(error) => counts.fail("protocol", error),
        }
    }

    async fn hold_until_end(&mut self, shared: &Shared) -> Result<Option<u16>> {
        let options = &shared.job.options;
        let mut times = Times {
            next_ping: first_time(options.ping_interval),
            next_queue: if options.is_echo {
                Instant::now() + NEVER
            } else {
                first_time(options.queue_interval)
            },
            ping: None,
        };
        loop {
            let next = times.next_ping.min(times.next_queue);
            tokio::select! {
                frame = self.socket.next() => match frame {
                    Some(Ok(Frame::Text(text))) => take(&text, &mut times, shared),
                    Some(Ok(Frame::Close(frame))) => return Ok(frame.map(|frame| frame.code.into())),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(Error::web_socket("reading", error)),
                    None => return Ok(None),
                },
                () = sleep_until(next) => self.ask(&mut times, shared).await?,
            }
        }
    }

    /// Sends what is due.
    async fn ask(&mut self, times: &mut Times, shared: &Shared) -> Result<()> {
        let options = &shared.job.options;
        let now = Instant::now();
        if times.next_ping <= now {
            if times.ping.is_some() {
                let late = format!("no pong within {:?}", options.ping_interval);
                shared.counts.borrow_mut().fail("ping", late);
            }
            times.next_ping = now + options.ping_interval;
            let qid = self.send("ping", json!({})).await?;
            times.ping = Some((qid, now));
        }
        if times.next_queue <= now {
            times.next_queue = now + options.queue_interval;
            self.send("getcurrentqueue", json!({})).await?;
        }
        Ok(())
    }

    /// Asks and waits for the answer, also one in packets; what comes before it is counted.
    async fn request(&mut self, method: &str, fields: Value, shared: &Shared) -> Result<()> {
        let qid = self.send(method, fields).await?.to_string();
        let mut assembler = Assembler::default();
        let mut close = None;
        while let Some(frame) = self.socket.next().await {
            let text = match frame.map_err(|error| Error::web_socket("reading", error))? {
                Frame::Text(text) => text,
                Frame::Close(frame) => {
                    close = frame;
                    continue;
                }
                _ => continue,
            };
            count(&text, shared);
            let answer = if peek_name(&text) == Some("multipart") {
                assembler.accept(&Message::parse(&text)?)?
            } else if peek_qid(text.as_bytes()) == Some(qid.as_bytes()) {
                Some(Message::parse(&text)?)
            } else {
                None
            };
            if let Some(answer) = answer.filter(|answer| answer.qid() == Some(&qid)) {
                return answer.into_success(method).map(drop);
            }
        }
        Err(Error::Closed {
            awaited: format!("the answer to {method}"),
            close: close.map_or("no close frame".into(), |frame| frame.to_string()),
            instead: "no such answer".into(),
        })
    }

    async fn send(&mut self, method: &str, fields: Value) -> Result<u32> {
        let qid = self.next_qid;
        self.next_qid = self.next_qid.wrapping_add(1);
        let mut message = Message::new(method, fields);
        message.fields.insert("qid".into(), qid.to_string().into());
        self.socket
            .send(Frame::text(message.to_text()))
            .await
            .map_err(|error| Error::web_socket("sending", error))?;
        Ok(qid)
    }
}

/// What a tab asks before it is held.
fn sequence(login: &str, shared: &Shared) -> Vec<(&'static str, Value)> {
    let options = &shared.job.options;
    if options.is_echo {
        return Vec::new();
    }
    if options.full_opening {
        return opening::sequence(login, &options.password);
    }
    vec![
        ("login", login_fields(login, &options.password)),
        ("subscribeevent", json!({"eventmethod": EVENTS})),
        ("subscribeevent", json!({"event": "phoneevent"})),
    ]
}

/// Takes a message of a held tab: the pong of its ping is timed, everything is counted.
fn take(text: &str, times: &mut Times, shared: &Shared) {
    count(text, shared);
    if !matches!(peek_name(text), Some("pong" | "ping")) {
        return;
    }
    let qid = peek_qid(text.as_bytes())
        .and_then(|qid| std::str::from_utf8(qid).ok())
        .and_then(|qid| qid.parse::<u32>().ok());
    if let Some((awaited, sent_at)) = times.ping
        && qid == Some(awaited)
    {
        times.ping = None;
        report::record(&mut shared.round_trips.borrow_mut(), sent_at.elapsed());
    }
}

fn count(text: &str, shared: &Shared) {
    let mut counts = shared.counts.borrow_mut();
    counts.messages += 1;
    match peek_name(text) {
        // A server that echoes sends pings back.
        Some("pong" | "ping" | "multipart") => {}
        Some("error") | None => counts.fail("protocol", crate::message::shortened(text)),
        Some(name) if name.ends_with("result") => {}
        Some(name) => counts.event(name),
    }
}

/// A random time within the first interval, so that thousands of tabs do not ask all at once.
fn first_time(interval: Duration) -> Instant {
    if interval.is_zero() {
        return Instant::now() + NEVER;
    }
    Instant::now() + interval.mul_f64(rand::random())
}

/// Whether the connection ended without a close frame, rather than by a breach of the protocol.
fn is_lost(error: &SocketError) -> bool {
    matches!(
        error,
        SocketError::Io(_)
            | SocketError::ConnectionClosed
            | SocketError::AlreadyClosed
            | SocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake)
    )
}

/// The events that a held tab subscribes beside the phone's.
const EVENTS: [&str; 6] = [
    "userstatechanged",
    "pbxnumberstatechanged",
    "linestatechanged",
    "flashstatechanged",
    "customevent",
    "shownotifymessage",
];
/// The read buffer that a held tab keeps all the time.
const READ_BUFFER_BYTES: usize = 1024;
/// How long each answer of an opening may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Later than any run.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
