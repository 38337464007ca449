//! Owns one connection of a load: opening, login, the closed loop.
//!
//! The bytes of every request are made once, one per open request; a batch of answers is followed by one write.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use memchr::memmem::Finder;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, timeout};

use super::{LoadOptions, Phases, Tally};
use crate::error::{Error, Result};
use crate::message::{Message, answer_name, peek_qid, shortened};
use crate::raw::{self, CLOSE, PING, PONG, TEXT};
use crate::tab::connect::{self, ConnectOptions};
use crate::tab::login_fields;

/// What the connections of one thread share.
#[derive(Clone)]
pub(super) struct Shared(Rc<SharedState>);

struct SharedState {
    phases: Arc<Phases>,
    tally: RefCell<Tally>,
    buffers: RefCell<Buffers>,
    expected: Expected,
}

struct Buffers {
    input: Vec<u8>,
    output: Vec<u8>,
}

/// What a good answer looks like.
struct Expected {
    is_echo: bool,
    /// How the text begins.
    beginning: String,
    failure: Finder<'static>,
}

impl Shared {
    pub(super) fn new(tally: Tally, phases: Arc<Phases>, options: &LoadOptions) -> Self {
        Self(Rc::new(SharedState {
            phases,
            tally: RefCell::new(tally),
            buffers: RefCell::new(Buffers {
                input: vec![0; INPUT_BYTES],
                output: Vec::with_capacity(INPUT_BYTES),
            }),
            expected: Expected {
                is_echo: options.is_echo,
                beginning: format!("[\"{}\"", answer_name(options.method.name())),
                failure: Finder::new("\"result\":0"),
            },
        }))
    }

    pub(super) fn into_tally(self) -> Tally {
        self.0.tally.replace(Tally::new())
    }
}

impl Expected {
    fn holds(&self, text: &[u8]) -> bool {
        self.is_echo
            || (text.starts_with(self.beginning.as_bytes()) && self.failure.find(text).is_none())
    }
}

/// One connection, ready to be driven.
pub(super) struct Connection {
    stream: TcpStream,
    /// The beginning of a frame whose rest has not come.
    unfinished: Vec<u8>,
    /// What the server has not taken yet.
    unsent: Vec<u8>,
    slots: Vec<Slot>,
}

/// One open request after the other.
struct Slot {
    request: Vec<u8>,
    sent_at: Instant,
    is_open: bool,
}

impl Connection {
    /// Connects, and logs in if the options say so.
    pub(super) async fn open(index: usize, options: &LoadOptions) -> Result<Self> {
        let mut connect_options = ConnectOptions::subprotocol(Some("json"));
        connect_options.source = source_address(index, options.address);
        let connected = connect::connect(options.address, &connect_options).await?;
        let user = options.login.as_ref().map(|login| {
            (
                format!("{}{}", login.prefix, index % login.users + 1),
                login,
            )
        });
        let mut fields = json!({"userlogin": user.as_ref().map(|(name, _)| name)});
        if options.padding_bytes > 0 {
            fields["padding"] = json!("x".repeat(options.padding_bytes));
        }
        let slots = (0..options.depth)
            .map(|slot| Slot {
                request: request(options.method.name(), index, slot, &fields),
                sent_at: Instant::now(),
                is_open: false,
            })
            .collect();
        let mut connection = Self {
            stream: connected.stream,
            unfinished: connected.already_read,
            unsent: Vec::new(),
            slots,
        };
        if let Some((name, login)) = &user {
            let login = connection.login(name, &login.password);
            timeout(LOGIN_MAX, login)
                .await
                .map_err(|_| Error::Deadline {
                    awaited: format!("the answer to the login of {name}"),
                    after: LOGIN_MAX,
                    instead: "nothing".into(),
                })??;
        }
        Ok(connection)
    }

    async fn login(&mut self, login: &str, password: &str) -> Result<()> {
        let mut message = Message::new("login", login_fields(login, password));
        message.fields.insert("qid".into(), "login".into());
        let mut frame = Vec::new();
        append_text(&mut frame, message.to_text().as_bytes());
        self.unsent = frame;
        let mut buffer = vec![0; 4096];
        loop {
            self.flush().await?;
            self.stream.readable().await.map_err(io_error)?;
            let Some(read) = read_some(&self.stream, &mut buffer)? else {
                continue;
            };
            self.unfinished.extend_from_slice(&buffer[..read]);
            let mut answer = None;
            let mut batch = std::mem::take(&mut self.unfinished);
            self.each_text(&mut batch, |text| {
                if peek_qid(text) == Some(b"login") {
                    answer = Some(String::from_utf8_lossy(text).into_owned());
                }
            })?;
            if let Some(answer) = answer {
                return Message::parse(&answer)?.into_success("login").map(drop);
            }
        }
    }

    /// The closed loop, until the load is over or the connection fails.
    pub(super) async fn drive(mut self, shared: Shared) {
        if let Err(error) = self.drive_until_over(&shared.0).await {
            shared.0.tally.borrow_mut().fail(|| error.to_string());
        }
    }

    async fn drive_until_over(&mut self, shared: &SharedState) -> Result<()> {
        let now = Instant::now();
        for slot in &mut self.slots {
            slot.sent_at = now;
            slot.is_open = true;
            self.unsent.extend_from_slice(&slot.request);
        }
        while !shared.phases.is_over.load(Ordering::Relaxed) {
            self.flush().await?;
            // The wait is bounded so that a silent server does not hide the end of the load.
            let readable = timeout(SILENCE_MAX, self.stream.readable()).await;
            let Ok(readable) = readable else {
                continue;
            };
            readable.map_err(io_error)?;
            self.turn(shared)?;
        }
        Ok(())
    }

    /// Takes what has come and puts the next requests into `unsent`, writing at once what the socket takes.
    fn turn(&mut self, shared: &SharedState) -> Result<()> {
        let mut buffers = shared.buffers.borrow_mut();
        let Buffers { input, output } = &mut *buffers;
        let kept = self.unfinished.len();
        if kept >= input.len() {
            return Err(Error::Malformed(
                "a frame longer than the driver's buffer".into(),
            ));
        }
        let Some(read) = read_some(&self.stream, &mut input[kept..])? else {
            return Ok(());
        };
        input[..kept].copy_from_slice(&self.unfinished);
        self.unfinished.clear();
        output.clear();
        let now = Instant::now();
        let is_measuring = shared.phases.is_measuring.load(Ordering::Relaxed);
        let mut tally = shared.tally.borrow_mut();
        let mut slots = std::mem::take(&mut self.slots);
        let outcome = self.each_text(&mut input[..kept + read], |text| {
            let Some(slot) = slot_of(text, &mut slots) else {
                tally.other_messages += 1;
                return;
            };
            if !shared.expected.holds(text) {
                tally.fail(|| shortened(&String::from_utf8_lossy(text)));
            } else if is_measuring {
                crate::report::record(&mut tally.latencies, now - slot.sent_at);
            }
            slot.sent_at = now;
            output.extend_from_slice(&slot.request);
        });
        self.slots = slots;
        outcome?;
        if self.unsent.is_empty() {
            let written = match self.stream.try_write(output) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => return Err(io_error(error)),
            };
            output.drain(..written);
        }
        self.unsent.extend_from_slice(output);
        Ok(())
    }

    /// Calls `take` with every whole text of the batch, answers pings, keeps the unfinished rest.
    fn each_text(&mut self, batch: &mut [u8], mut take: impl FnMut(&[u8])) -> Result<()> {
        let mut rest = &batch[..];
        while let Some(head) = raw::parse_head(rest) {
            let Some(frame_bytes) = head.head_bytes.checked_add(head.payload_bytes) else {
                return Err(Error::Malformed("a frame of impossible length".into()));
            };
            if rest.len() < frame_bytes {
                break;
            }
            let payload = &rest[head.head_bytes..frame_bytes];
            match head.opcode {
                TEXT if head.is_final && head.mask.is_none() => take(payload),
                PING => raw::append_frame(&mut self.unsent, 0x80 | PONG, Some(MASK), payload),
                PONG => {}
                CLOSE => {
                    let code = payload
                        .first_chunk()
                        .map_or(1005, |code| u16::from_be_bytes(*code));
                    return Err(Error::Closed {
                        awaited: "answers".into(),
                        close: format!("close {code}"),
                        instead: "see the server's log".into(),
                    });
                }
                opcode => {
                    return Err(Error::Malformed(format!(
                        "a frame that the driver does not take: opcode {opcode}"
                    )));
                }
            }
            rest = &rest[frame_bytes..];
        }
        self.unfinished.extend_from_slice(rest);
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
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
}

/// The bytes of one slot's request. Its `qid` looks like a browser's random number; the last digits name the slot.
fn request(method: &str, connection: usize, slot: usize, more: &serde_json::Value) -> Vec<u8> {
    let mut message = Message::new(
        method,
        json!({"qid": format!("0.{connection:08}{slot:08}")}),
    );
    if let Some(more) = more.as_object() {
        let given = more.iter().filter(|(_, value)| !value.is_null());
        let given = given.map(|(key, value)| (key.clone(), value.clone()));
        message.fields.extend(given);
    }
    let mut frame = Vec::new();
    append_text(&mut frame, message.to_text().as_bytes());
    frame
}

fn append_text(output: &mut Vec<u8>, text: &[u8]) {
    raw::append_frame(output, 0x80 | TEXT, Some(MASK), text);
}

/// The open slot that this text answers.
fn slot_of<'a>(text: &[u8], slots: &'a mut [Slot]) -> Option<&'a mut Slot> {
    let qid = peek_qid(text)?;
    let digits = std::str::from_utf8(qid.last_chunk::<8>()?).ok()?;
    slots
        .get_mut(digits.parse::<usize>().ok()?)
        .filter(|slot| slot.is_open)
}

/// Reads what is there; `None` if there is nothing.
fn read_some(stream: &TcpStream, buffer: &mut [u8]) -> Result<Option<usize>> {
    match stream.try_read(buffer) {
        Ok(0) => Err(io_error(ErrorKind::UnexpectedEof.into())),
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(io_error(error)),
    }
}

/// Where the connection of this index comes from: another loopback address for every so many connections, since one
/// address has ports for no more; `None` leaves the choice to the system.
pub(crate) fn source_address(index: usize, target: SocketAddr) -> Option<SocketAddr> {
    let SocketAddr::V4(target) = target else {
        return None;
    };
    if !target.ip().is_loopback() || index < CONNECTIONS_PER_SOURCE {
        return None;
    }
    let number = u32::try_from(index / CONNECTIONS_PER_SOURCE + 1).ok()?;
    let source = Ipv4Addr::from_bits((127 << 24) | (number & 0x00FF_FFFF));
    Some(SocketAddr::from((source, 0)))
}

fn io_error(error: std::io::Error) -> Error {
    Error::io("driving a connection", error)
}

/// A client must mask; what with is its own choice, and this one costs the server what any other does.
const MASK: [u8; 4] = [0x5A, 0xC3, 0x96, 0x3C];
/// The size of a thread's read buffer.
const INPUT_BYTES: usize = 1 << 20;
/// How long a login may take.
const LOGIN_MAX: Duration = Duration::from_secs(10);
/// How long a connection waits for the next answers before it looks whether the load is over.
const SILENCE_MAX: Duration = Duration::from_millis(200);
/// How many connections come from one loopback address.
const CONNECTIONS_PER_SOURCE: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_change_only_when_ports_run_short_and_only_on_loopback() {
        let target = "127.0.0.1:4066".parse().unwrap();
        assert_eq!(source_address(19_999, target), None);
        assert_eq!(source_address(20_000, target), "127.0.0.2:0".parse().ok());
        assert_eq!(
            source_address(6_000_000, target),
            "127.0.1.45:0".parse().ok()
        );
        assert_eq!(source_address(20_000, "10.0.0.1:1".parse().unwrap()), None);
    }

    #[test]
    fn an_answer_finds_its_slot_by_the_qid() {
        let slot = || Slot {
            request: Vec::new(),
            sent_at: Instant::now(),
            is_open: true,
        };
        let mut slots = [slot(), slot()];
        slots[0].is_open = false;
        assert!(slot_of(br#"["pong",{"qid":"0.0000000700000001"}]"#, &mut slots).is_some());
        assert!(slot_of(br#"["pong",{"qid":"0.0000000700000000"}]"#, &mut slots).is_none());
        assert!(slot_of(br#"["pong",{"qid":"0.0000000700000002"}]"#, &mut slots).is_none());
        assert!(slot_of(br#"["x",{}]"#, &mut slots).is_none());
    }
}
