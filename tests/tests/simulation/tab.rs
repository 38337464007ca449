//! Owns one tab of the simulation: the peer's end of a connection, the requests that are open, and what it has seen.
//!
//! In come the bytes that a shard sent; out go the messages that the tab wants to send. It checks what it sees against
//! the rules; what it cannot know (the hub's order) the ledger tells it.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;

use okgate_core::base::{Guid, LinkId, UserId};
use okgate_core::wire::frame::{Binary, Limits, Role};
use okgate_core::wire::inbound::{Inbound, Incoming};
use serde_json::{Value, json};

use crate::ledger::{Ledger, without_clock};

/// One tab.
pub(crate) struct Tab {
    pub(crate) shard: usize,
    pub(crate) link: LinkId,
    /// Index of the user that it logs in as.
    pub(crate) person: usize,
    pub(crate) user: UserId,
    /// How many bytes its socket takes before it is full.
    pub(crate) room: usize,
    /// Bytes that came and were not looked at.
    pub(crate) got: Vec<u8>,
    pub(crate) stage: Stage,
    /// The close code that it saw.
    pub(crate) close_code: Option<u16>,
    /// The gateway has closed its side of the connection.
    pub(crate) ends: bool,
    pub(crate) session: Option<String>,
    /// Open requests: the answer's name by `qid`.
    open: HashMap<String, String>,
    asked: u64,
    inbound: Inbound,
    /// Versions of the line in the answers that are on their way to this tab.
    pub(crate) line_versions: VecDeque<u64>,
    /// Events that its shard has been told of since it subscribed and that it has not seen.
    pub(crate) expected: VecDeque<Guid>,
    pub(crate) is_subscribed: bool,
    /// Events outside the hub's order that it may still get: one for each subscription (protocol 6.1-j).
    catch_ups: u32,
    last_place: Option<usize>,
    /// Open questions for the line, each with the version that the answer must have at least.
    questions: HashMap<String, u64>,
    last_version: u64,
    /// What it knows of the numbers' states.
    pub(crate) numbers: HashMap<String, i64>,
    pub(crate) reads_numbers: bool,
    pub(crate) counts: Counts,
}

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Handshake,
    Open,
    LoggedIn,
    /// A close frame came or went.
    Closing,
    /// The connection is no more.
    Gone,
}

/// What a tab has seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) answers: usize,
    pub(crate) refusals: usize,
    pub(crate) events: usize,
    pub(crate) lines: usize,
}

/// What a tab wants to do.
#[derive(Debug)]
pub(crate) enum Wish {
    Text(String),
    Pong(Vec<u8>),
    /// Answer the close frame and end the connection.
    Close(Option<u16>),
}

/// The request's head.
pub(crate) const HEAD: &str = "GET / HTTP/1.1\r\nHost: gate\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: json\r\n\r\n";

impl Tab {
    pub(crate) fn new(shard: usize, link: LinkId, person: usize, user: UserId) -> Self {
        Self {
            shard,
            link,
            person,
            user,
            room: usize::MAX,
            got: Vec::new(),
            stage: Stage::Handshake,
            close_code: None,
            ends: false,
            session: None,
            open: HashMap::new(),
            asked: 0,
            inbound: Inbound::new(Role::Client, Limits::default(), Binary::Refuse),
            line_versions: VecDeque::new(),
            expected: VecDeque::new(),
            is_subscribed: false,
            catch_ups: 0,
            last_place: None,
            questions: HashMap::new(),
            last_version: 0,
            numbers: HashMap::new(),
            reads_numbers: false,
            counts: Counts::default(),
        }
    }

    /// Whether requests can be sent.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open | Stage::LoggedIn)
    }

    /// The text of a request with a fresh `qid`.
    pub(crate) fn request(&mut self, name: &str, mut fields: Value) -> String {
        self.asked += 1;
        let qid = format!("0.{}", self.asked);
        fields["qid"] = qid.as_str().into();
        let answer = if name == "ping" {
            "pong".to_owned()
        } else {
            format!("{name}result")
        };
        self.open.insert(qid, answer);
        json!([name, fields]).to_string()
    }

    /// Asks for the line; the answer must be of this version or a later one.
    fn ask_line(&mut self, version: u64) -> Wish {
        let text = self.request("getextendedlineinfo", json!({}));
        self.questions.insert(format!("0.{}", self.asked), version);
        Wish::Text(text)
    }

    /// Takes what came.
    pub(crate) fn read(&mut self, ledger: &Ledger) -> Vec<Wish> {
        let mut bytes = std::mem::take(&mut self.got);
        let mut wishes = Vec::new();
        let mut frames = &mut bytes[..];
        if self.stage == Stage::Handshake {
            let Some(end) = frames.windows(4).position(|four| four == b"\r\n\r\n") else {
                self.got = bytes;
                return wishes;
            };
            assert!(frames.starts_with(b"HTTP/1.1 101 "), "the upgrade succeeds");
            self.stage = Stage::Open;
            frames = &mut frames[end + 4..];
        }
        let mut inbound = std::mem::replace(
            &mut self.inbound,
            Inbound::new(Role::Client, Limits::default(), Binary::Refuse),
        );
        let received = inbound.receive(frames, |incoming| {
            match incoming {
                Incoming::Text(text) => {
                    let message = serde_json::from_slice(text);
                    let (name, fields): (String, Value) =
                        message.expect("every message is JSON: a name and fields");
                    self.take_message(&name, &fields, ledger, &mut wishes);
                }
                Incoming::Ping(payload) => wishes.push(Wish::Pong(payload.to_vec())),
                Incoming::Pong(_) => {}
                Incoming::Close { code, .. } => {
                    self.close_code = code.map(u16::from);
                    wishes.push(Wish::Close(self.close_code));
                }
                Incoming::Binary(_) => panic!("the gateway speaks text"),
            }
            ControlFlow::Continue(())
        });
        received.expect("the gateway's frames are right");
        self.inbound = inbound;
        wishes
    }

    fn take_message(
        &mut self,
        name: &str,
        fields: &Value,
        ledger: &Ledger,
        wishes: &mut Vec<Wish>,
    ) {
        assert!(self.close_code.is_none(), "nothing follows a close frame");
        if name == "error" {
            assert_eq!(fields["result"], 0, "{fields}");
        } else if name == "pong" || name.ends_with("result") {
            self.take_answer(name, fields, ledger, wishes);
        } else {
            self.take_event(name, fields, ledger, wishes);
        }
    }

    // protocol 3.1-c: every request that has a `qid` gets exactly one answer.
    fn take_answer(&mut self, name: &str, fields: &Value, ledger: &Ledger, wishes: &mut Vec<Wish>) {
        let qid = fields["qid"].as_str().expect("answers carry the qid");
        let wanted = self.open.remove(qid);
        assert_eq!(wanted.as_deref(), Some(name), "an answer nobody asked for");
        self.counts.answers += 1;
        let is_good = name == "pong" || fields["result"] == 1;
        if !is_good {
            assert_eq!(fields["result"], 0, "{name} {fields}");
            assert!(fields["error"].is_u64() && fields["errormsg"].is_string());
            self.counts.refusals += 1;
            self.questions.remove(qid);
            return;
        }
        match name {
            "loginresult" => self.logged_in(fields, wishes),
            "getextendedlineinforesult" => {
                let least = self.questions.remove(qid).unwrap_or(0);
                self.take_line(least, fields, ledger);
            }
            "getpbxnumbersresult" => {
                let entries = fields["numbers"].as_array().expect("numbers");
                self.numbers = entries
                    .iter()
                    .map(|it| state(it, "number", "state"))
                    .collect();
                self.reads_numbers = true;
            }
            _ => {}
        }
    }

    /// Goes on as a browser library does.
    fn logged_in(&mut self, fields: &Value, wishes: &mut Vec<Wish>) {
        self.stage = Stage::LoggedIn;
        let session = fields["sessionid"].as_str().expect("a session");
        self.session = Some(session.to_owned());
        assert_eq!(fields["userid"], self.user.to_string());
        wishes.push(Wish::Text(
            self.request("getpbxnumbers", json!({"mode": "full"})),
        ));
        wishes.push(self.ask_line(0));
        self.catch_ups += 1;
        let events = json!({"eventmethod": [
            "phoneevent", "userstatechanged", "linestatechanged", "flashstatechanged", "confcompositionchanged", "confcompetitorstatechanged", "pbxnumberstatechanged",
        ]});
        wishes.push(Wish::Text(self.request("subscribeevent", events)));
    }

    // protocol 6.6-b: the line that can be asked for is already the new one when an event goes out.
    fn take_line(&mut self, least: u64, fields: &Value, ledger: &Ledger) {
        self.counts.lines += 1;
        let version = self.line_versions.pop_front().expect("the hub answered");
        assert!(
            version >= least,
            "an earlier line than the event's: {fields}"
        );
        assert!(
            version >= self.last_version,
            "lines do not go back: {fields}"
        );
        self.last_version = version;
        let wanted = ledger.seen_picture(self.user, version);
        let wanted = wanted.expect("the hub showed this line");
        assert_eq!(
            without_clock(fields.clone()),
            *wanted,
            "the line is the hub's"
        );
    }

    // protocol 6.6-d and 7-v: all tabs of the user get the same events in the same order.
    fn take_event(&mut self, name: &str, fields: &Value, ledger: &Ledger, wishes: &mut Vec<Wish>) {
        self.counts.events += 1;
        if name == "pbxnumberstatechanged" {
            assert_eq!(fields.get("userid"), None, "{fields}");
            let changes = fields["numbers"].as_array().expect("numbers");
            self.numbers
                .extend(changes.iter().map(|it| state(it, "num", "numstateid")));
            return;
        }
        // protocol 6-b: never another user's events.
        assert_eq!(fields["userid"], self.user.to_string(), "{name} {fields}");
        let qid = fields["qid"].as_str().and_then(|qid| qid.parse().ok());
        let qid: Guid = qid.expect("events carry a GUID");
        let Some((place, row)) = ledger.place(self.user, qid) else {
            assert!(
                name == "linestatechanged" && self.catch_ups > 0,
                "{name} {fields}"
            );
            self.catch_ups -= 1;
            wishes.push(self.ask_line(self.last_version));
            return;
        };
        let is_next = self.last_place.is_none_or(|last| place == last + 1);
        assert!(
            is_next,
            "{name} is event {place}, after {:?}",
            self.last_place
        );
        self.last_place = Some(place);
        assert_eq!(self.expected.pop_front(), Some(qid), "{name} {fields}");
        if name == "phoneevent_ringstarted" {
            let shown = ledger.ring_name(self.user, place).unwrap_or("");
            assert_eq!(fields["callername"], shown, "{fields}");
        }
        wishes.push(self.ask_line(row));
    }

    /// At the end, with the connection open and everything delivered.
    pub(crate) fn assert_settled(&self, numbers: &HashMap<String, i64>) {
        assert!(self.open.is_empty(), "unanswered: {:?}", self.open);
        assert!(self.expected.is_empty(), "unseen: {:?}", self.expected);
        if self.reads_numbers {
            // protocol 7-c: its final state is exact.
            assert_eq!(self.numbers, *numbers);
        }
    }
}

fn state(entry: &Value, number: &str, state: &str) -> (String, i64) {
    let number = entry[number].as_str().expect("a number");
    (number.to_owned(), entry[state].as_i64().expect("a state"))
}
