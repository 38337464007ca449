//! Owns one connection of a load: opening, login, the closed loop.
//!
//! The bytes of every request are made once, one per open request; a batch of answers is followed by one write.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use memchr::memmem::Finder;
use serde_json::json;
use tokio::time::{Duration, Instant, timeout};

use super::{LoadOptions, Phases, Tally};
use crate::error::{Error, Result};
use crate::message::{Message, answer_name, peek_qid, shortened};
use crate::raw_link::{INPUT_BYTES, LinkState, RawLink, append_text, request_frame};
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
    is_reference: bool,
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
                is_reference: options.is_reference,
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
        self.is_reference
            || (text.starts_with(self.beginning.as_bytes()) && self.failure.find(text).is_none())
    }
}

/// One connection, ready to be driven.
pub(super) struct Connection {
    link: RawLink,
    slots: Vec<Slot>,
    /// The slot whose request is the oldest.
    oldest: usize,
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
        let named = user.as_ref().filter(|_| options.names_user);
        let mut fields = json!({"userlogin": named.map(|(name, _)| name)});
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
            link: RawLink::new(connected),
            slots,
            oldest: 0,
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
        let frame = request_frame("login", login_fields(login, password), "login");
        self.link.queue(&frame);
        let mut input = vec![0; LOGIN_BYTES_MAX];
        loop {
            self.link.flush().await?;
            self.link.readable().await?;
            let mut answer = None;
            let state = self.link.read(&mut input, |text| {
                if peek_qid(text) == Some(b"login") {
                    answer = Some(String::from_utf8_lossy(text).into_owned());
                }
            })?;
            if let Some(answer) = answer {
                return Message::parse(&answer)?.into_success("login").map(drop);
            }
            check_open(&state)?;
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
            self.link.queue(&slot.request);
        }
        while !shared.phases.is_over.load(Ordering::Relaxed) {
            let link = &mut self.link;
            let ready = async {
                link.flush().await?;
                link.readable().await
            };
            // The wait is bounded so that a silent server does not hide the end of the load.
            if let Ok(ready) = timeout(SILENCE_MAX, ready).await {
                ready?;
                self.turn(shared)?;
            }
        }
        Ok(())
    }

    /// Takes what has come and answers it with the next requests, in one write.
    fn turn(&mut self, shared: &SharedState) -> Result<()> {
        let mut buffers = shared.buffers.borrow_mut();
        let Buffers { input, output } = &mut *buffers;
        output.clear();
        let is_measuring = shared.phases.is_measuring.load(Ordering::Relaxed);
        let mut tally = shared.tally.borrow_mut();
        let (slots, oldest) = (&mut self.slots, &mut self.oldest);
        let now = Instant::now();
        let state = self.link.read(input, |text| {
            let slot = if shared.expected.is_reference {
                let place = *oldest;
                *oldest = (place + 1) % slots.len();
                slots.get_mut(place)
            } else {
                slot_of(text, slots)
            };
            let Some(slot) = slot else {
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
        })?;
        check_open(&state)?;
        self.link.write_or_queue(output)
    }
}

fn check_open(state: &LinkState) -> Result<()> {
    state.must_be_open("answers", "see the server's log")
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

/// The open slot that this text answers.
fn slot_of<'a>(text: &[u8], slots: &'a mut [Slot]) -> Option<&'a mut Slot> {
    let qid = peek_qid(text)?;
    let digits = std::str::from_utf8(qid.last_chunk::<8>()?).ok()?;
    slots
        .get_mut(digits.parse::<usize>().ok()?)
        .filter(|slot| slot.is_open)
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

/// What the `qid` of a load's request looks like.
pub(crate) const QID_EXAMPLE: &str = "0.0000000000000000";
/// How long the answer to a login may be.
const LOGIN_BYTES_MAX: usize = 64 << 10;
/// How long a login may take.
const LOGIN_MAX: Duration = Duration::from_secs(10);
/// How long a connection waits for the next answers before it looks whether the load is over.
const SILENCE_MAX: Duration = Duration::from_millis(200);
/// How many connections come from one loopback address.
pub(crate) const CONNECTIONS_PER_SOURCE: usize = 20_000;

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
