//! Owns one held tab of a soak: it logs in, subscribes, asks now and then in the rhythm of the phases, and judges every
//! message that it gets: an answer to an open request, in time and of the right name, or an event that it subscribed.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};

use super::World;
use super::calls;
use super::phase::Phase;
use super::watch::{Gate, Kind};
use crate::error::{Error, Result};
use crate::message::{Message, answer_name, shortened};
use crate::raw;
use crate::raw_link::{LinkState, RawLink, append_text};
use crate::tab::connect::{self, ConnectOptions};
use crate::tab::login_fields;

/// A tab that came through its opening.
pub(super) struct HeldTab {
    link: RawLink,
    desk: Desk,
    random: ChaCha8Rng,
}

/// What a tab knows of its requests.
struct Desk {
    world: Rc<World>,
    /// Which tab, counted from 0; tabs go round the users.
    index: usize,
    next_qid: u64,
    open: BTreeMap<u64, Open>,
}

/// A request without an answer yet.
struct Open {
    method: &'static str,
    sent_at: Instant,
    kind: Kind,
    /// It was reported as late already.
    is_late: bool,
}

impl HeldTab {
    /// Connects, logs in and subscribes.
    pub(super) async fn open(world: &Rc<World>, index: usize) -> Result<Self> {
        let options = ConnectOptions::subprotocol(Some("json"));
        let connected = connect::connect(world.clients, &options).await?;
        let mut tab = Self {
            link: RawLink::new(connected),
            desk: Desk {
                world: Rc::clone(world),
                index,
                next_qid: 0,
                open: BTreeMap::new(),
            },
            random: world.random(HELD_STREAM + index as u64),
        };
        let login = super::login_of(tab.desk.user());
        let fields = login_fields(&login, crate::gateway::DEFAULT_PASSWORD);
        tab.ask("login", fields, Kind::Request)?;
        tab.answered().await?;
        tab.ask(
            "subscribeevent",
            json!({"eventmethod": EVENTS}),
            Kind::Request,
        )?;
        tab.ask(
            "subscribeevent",
            json!({"event": "phoneevent"}),
            Kind::Request,
        )?;
        tab.answered().await?;
        Ok(tab)
    }

    /// Holds the tab until the phase is over.
    pub(super) async fn hold(mut self) {
        let world = Rc::clone(&self.desk.world);
        let ended = self.hold_until_over().await;
        let index = self.desk.index;
        match ended {
            Ok(()) => {}
            Err(error) => world
                .watch
                .fail(Gate::HeldTabs, format_args!("tab {index}: {error}")),
        }
        for open in self.desk.open.values() {
            world.watch.open_request(-1);
            let lost = format_args!("tab {index} got no answer to {}", open.method);
            world.watch.fail(Gate::Messages, lost);
        }
    }

    async fn hold_until_over(&mut self) -> Result<()> {
        let mut phases = self.desk.world.phases.subscribe();
        let mut phase = *phases.borrow_and_update();
        let mut next = self.after(ASK_MS);
        loop {
            let due = if self.is_my_turn(phase) {
                next
            } else {
                Instant::now() + NEVER
            };
            let late = self.desk.next_late();
            tokio::select! {
                readable = self.link.readable() => {
                    readable?;
                    self.read()?;
                    self.link.flush().await?;
                }
                // It does not fail: the tab's own world shows the phases.
                _ = phases.changed() => {
                    phase = *phases.borrow();
                    if phase == Phase::Over {
                        return self.close().await;
                    }
                    next = self.greet(phase)?;
                }
                () = sleep_until(due) => {
                    let (method, kind) = self.choose(phase);
                    self.ask(method, json!({}), kind)?;
                    next = if phase == Phase::Busy { self.after(ASK_MS) } else { self.after(LONE_MS) };
                }
                () = sleep_until(late) => self.desk.note_late(),
            }
            self.link.shrink();
        }
    }

    fn is_my_turn(&self, phase: Phase) -> bool {
        match phase {
            Phase::Busy => true,
            Phase::Lone(index) => index == self.desk.index,
            _ => false,
        }
    }

    /// The phase has begun: says when to ask next.
    fn greet(&mut self, phase: Phase) -> Result<Instant> {
        if phase == Phase::Burst {
            for _ in 0..self.random.random_range(1..=BURST_REQUESTS_MAX) {
                self.ask("ping", json!({}), Kind::AfterPause)?;
            }
        }
        Ok(match phase {
            Phase::Lone(_) => Instant::now(),
            _ => self.after(ASK_MS),
        })
    }

    /// Pings mostly; now and then something that the hub answers.
    fn choose(&mut self, phase: Phase) -> (&'static str, Kind) {
        if let Phase::Lone(_) = phase {
            return ("ping", Kind::AfterPause);
        }
        let method = match self.random.random_range(0..10) {
            0 => "getuserstate",
            1 => "getcurrentqueue",
            2 => "getextendedlineinfo",
            _ => "ping",
        };
        (method, Kind::Request)
    }

    fn after(&mut self, ms: std::ops::Range<u64>) -> Instant {
        Instant::now() + Duration::from_millis(self.random.random_range(ms))
    }

    fn ask(&mut self, method: &'static str, fields: Value, kind: Kind) -> Result<()> {
        let qid = self.desk.note(method, kind);
        let mut message = Message::new(method, fields);
        message.fields.insert("qid".into(), qid.to_string().into());
        let mut frame = Vec::new();
        append_text(&mut frame, message.to_text().as_bytes());
        self.link.write_or_queue(&frame)
    }

    /// Reads once; the end of the link is an error.
    fn read(&mut self) -> Result<()> {
        let world = Rc::clone(&self.desk.world);
        let desk = &mut self.desk;
        let state = self
            .link
            .read(&mut world.input.borrow_mut(), |text| desk.take(text))?;
        match state {
            LinkState::Open => Ok(()),
            LinkState::Ended(code) => Err(Error::Closed {
                awaited: "its next message".into(),
                close: format!("code {code:?}"),
                instead: format!("{} requests were open", self.desk.open.len()),
            }),
        }
    }

    /// Waits until nothing is open.
    async fn answered(&mut self) -> Result<()> {
        let all = async {
            while !self.desk.open.is_empty() {
                self.link.flush().await?;
                self.link.readable().await?;
                self.read()?;
            }
            Ok(())
        };
        let answered = timeout(OPENING_MAX, all).await;
        answered.unwrap_or_else(|_| {
            Err(Error::Deadline {
                awaited: "the answers of a tab's opening".into(),
                after: OPENING_MAX,
                instead: "nothing that answers them".into(),
            })
        })
    }

    /// Closes in order; the gateway must end the link in time.
    async fn close(&mut self) -> Result<()> {
        let mut frame = Vec::new();
        let normal = 1000_u16.to_be_bytes();
        raw::append_frame(&mut frame, 0x80 | raw::CLOSE, Some(CLOSE_MASK), &normal);
        self.link.write_or_queue(&frame)?;
        let ended = async {
            loop {
                self.link.flush().await?;
                self.link.readable().await?;
                match self.read() {
                    Ok(()) => {}
                    Err(Error::Closed { .. }) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        };
        timeout(OPENING_MAX, ended).await.unwrap_or_else(|_| {
            Err(Error::Deadline {
                awaited: "the end of a closed tab".into(),
                after: OPENING_MAX,
                instead: "nothing".into(),
            })
        })
    }
}

impl Desk {
    fn user(&self) -> usize {
        self.index % self.world.options.users
    }

    /// A request goes out now.
    fn note(&mut self, method: &'static str, kind: Kind) -> u64 {
        let qid = self.next_qid;
        self.next_qid += 1;
        let open = Open {
            method,
            sent_at: Instant::now(),
            kind,
            is_late: false,
        };
        self.open.insert(qid, open);
        self.world.watch.open_request(1);
        qid
    }

    /// When the next open request is late.
    fn next_late(&self) -> Instant {
        let waiting = self.open.values().find(|open| !open.is_late);
        waiting.map_or_else(
            || Instant::now() + NEVER,
            |open| open.sent_at + self.world.options.stall,
        )
    }

    fn note_late(&mut self) {
        let (stall, now) = (self.world.options.stall, Instant::now());
        for open in self.open.values_mut() {
            if !open.is_late && now.duration_since(open.sent_at) >= stall {
                open.is_late = true;
                let what = format_args!(
                    "tab {} had no answer to {} within {stall:?}",
                    self.index, open.method
                );
                self.world.watch.fail(Gate::Stall, what);
            }
        }
    }

    fn take(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let wrong = match Message::parse(&text) {
            Ok(message) => self.take_message(&message),
            Err(_) => Some("it is no message"),
        };
        if let Some(wrong) = wrong {
            let what = format_args!("tab {}: {wrong}: {}", self.index, shortened(&text));
            self.world.watch.fail(Gate::Messages, what);
        }
    }

    /// Says what is wrong with the message.
    fn take_message(&mut self, message: &Message) -> Option<&'static str> {
        let qid = message.qid().and_then(|qid| qid.parse::<u64>().ok());
        if let Some(open) = qid.and_then(|qid| self.open.remove(&qid)) {
            return self.take_answer(message, &open);
        }
        if message.name.starts_with("phoneevent_") {
            self.world.watch.count(|counts| counts.events += 1);
            let chain = message.text("chainid").unwrap_or_default();
            calls::seen(&self.world, self.user(), self.index, &message.name, chain);
            return None;
        }
        if !EVENTS.contains(&message.name.as_str()) {
            return Some("nobody asked for it");
        }
        self.world.watch.count(|counts| counts.events += 1);
        let login = super::login_of(self.user());
        let owner = message.text("userlogin").unwrap_or(&login);
        // protocol 6-b: never another user's events.
        (owner != login).then_some("it is another user's event")
    }

    fn take_answer(&mut self, message: &Message, open: &Open) -> Option<&'static str> {
        let (watch, time) = (&self.world.watch, open.sent_at.elapsed());
        watch.open_request(-1);
        watch.time(open.kind, time);
        watch.count(|counts| counts.answers += 1);
        if time > self.world.options.stall {
            let index = self.index;
            let what = format_args!(
                "tab {index} waited {time:?} for the answer to {}",
                open.method
            );
            watch.fail(Gate::Stall, what);
        }
        let is_good = message.name == answer_name(open.method) && message.succeeded();
        (!is_good).then_some("it is a wrong answer")
    }
}

/// The events that a held tab subscribes beside the phone's.
const EVENTS: [&str; 4] = [
    "userstatechanged",
    "pbxnumberstatechanged",
    "linestatechanged",
    "flashstatechanged",
];
/// The time between two requests of a tab while it is busy.
const ASK_MS: std::ops::Range<u64> = 200..2_000;
/// The time between two requests of a tab that is alone.
const LONE_MS: std::ops::Range<u64> = 20..300;
/// How many requests a tab sends at once after a pause.
const BURST_REQUESTS_MAX: usize = 4;
/// How long an opening or a closing may take: all tabs do it at once.
const OPENING_MAX: Duration = Duration::from_secs(10);
/// The mask of the close frame.
const CLOSE_MASK: [u8; 4] = [0x3A, 0x91, 0xC4, 0x07];
/// Where the tabs' streams of random numbers begin.
const HELD_STREAM: u64 = 1 << 20;
/// Later than any run.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
