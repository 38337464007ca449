//! Owns one held tab of a soak: it logs in, subscribes, asks now and then in the rhythm of the phases, and must keep its link
//! to the end. Its desk judges every message that it gets; the first tab of each user is the user's witness.

use std::rc::Rc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::World;
use super::desk::{EVENTS, Part};
use super::phase::Phase;
use super::pictures::{LINE, STATE, Wanted};
use super::tab_link::TabLink;
use super::watch::{Gate, Kind};
use crate::error::Result;
use crate::gateway::DEFAULT_PASSWORD;
use crate::tab::login_fields;

/// A tab that came through its opening.
pub(super) struct HeldTab {
    link: TabLink,
    random: ChaCha8Rng,
    /// Who wants to know what the user's witness is told; `None` for other tabs.
    wishes: Option<mpsc::Receiver<Wanted>>,
}

impl HeldTab {
    /// Connects, logs in and subscribes.
    pub(super) async fn open(world: &Rc<World>, index: usize) -> Result<Self> {
        let mut link = TabLink::connect(world, world.clients, index, Part::Held).await?;
        let user = link.desk.user();
        let is_witness = index == user;
        if !is_witness {
            world.stories.follow(index, user, true);
        }
        let login = super::login_of(user);
        for (method, fields) in [
            ("login", login_fields(&login, DEFAULT_PASSWORD)),
            ("subscribeevent", json!({"eventmethod": EVENTS})),
            ("subscribeevent", json!({"event": "phoneevent"})),
        ] {
            let answer = link.request(method, fields, Kind::Request, OPENING_MAX);
            answer.await?.into_success(method)?;
        }
        Ok(Self {
            link,
            random: world.random(HELD_STREAM + index as u64),
            wishes: is_witness.then(|| world.witnesses.enlist(user)),
        })
    }

    /// Holds the tab until the phase is over.
    pub(super) async fn hold(mut self) {
        if let Err(error) = self.hold_until_over().await {
            let (world, index) = (&self.link.desk.world, self.link.desk.index);
            world
                .watch
                .fail(Gate::HeldTabs, format_args!("tab {index}: {error}"));
        }
    }

    async fn hold_until_over(&mut self) -> Result<()> {
        let world = Rc::clone(&self.link.desk.world);
        let mut phases = world.phases.subscribe();
        let mut phase = *phases.borrow_and_update();
        let mut next = self.after(ASK_MS);
        loop {
            let due = self.is_my_turn(phase).then_some(next);
            let late = self.link.desk.next_late(world.options.stall);
            tokio::select! {
                done = self.link.progress() => done?,
                wanted = next_wish(&mut self.wishes) => self.show(wanted)?,
                // It does not fail: the tab's own world shows the phases.
                _ = phases.changed() => {
                    phase = *phases.borrow();
                    if phase == Phase::Over {
                        return self.link.close(OPENING_MAX).await;
                    }
                    next = self.greet(phase)?;
                }
                () = sleep_until(due.unwrap_or(next)), if due.is_some() => {
                    let (method, kind) = self.choose(phase);
                    self.link.ask(method, json!({}), kind)?;
                    next = if phase == Phase::Busy { self.after(ASK_MS) } else { self.after(LONE_MS) };
                }
                () = sleep_until(late.unwrap_or(next)), if late.is_some() => self.link.desk.note_late(),
            }
        }
    }

    fn is_my_turn(&self, phase: Phase) -> bool {
        match phase {
            Phase::Busy => true,
            Phase::Lone(index) => index == self.link.desk.index,
            _ => false,
        }
    }

    /// The phase has begun: says when to ask next.
    fn greet(&mut self, phase: Phase) -> Result<Instant> {
        if phase == Phase::Burst {
            for _ in 0..self.random.random_range(1..=BURST_REQUESTS_MAX) {
                self.link.ask("ping", json!({}), Kind::AfterPause)?;
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
        (choose_method(&mut self.random), Kind::Request)
    }

    fn after(&mut self, ms: std::ops::Range<u64>) -> Instant {
        Instant::now() + Duration::from_millis(self.random.random_range(ms))
    }

    /// Asks for what the witness's picture is made of.
    fn show(&mut self, wanted: Wanted) -> Result<()> {
        for (method, tell) in [(STATE, wanted.state), (LINE, wanted.line)] {
            self.link.ask_for(method, json!({}), Kind::Request, tell)?;
        }
        Ok(())
    }
}

/// What a tab asks next.
pub(super) fn choose_method(random: &mut ChaCha8Rng) -> &'static str {
    match random.random_range(0..10) {
        0 => STATE,
        1 => "getcurrentqueue",
        2 => LINE,
        _ => "ping",
    }
}

/// The next wish for a picture; those who are no witnesses wait for ever.
async fn next_wish(wishes: &mut Option<mpsc::Receiver<Wanted>>) -> Wanted {
    let wish = match wishes {
        Some(wishes) => wishes.recv().await,
        None => None,
    };
    match wish {
        Some(wish) => wish,
        None => std::future::pending().await,
    }
}

/// The time between two requests of a tab while it is busy.
pub(super) const ASK_MS: std::ops::Range<u64> = 200..2_000;
/// The time between two requests of a tab that is alone.
const LONE_MS: std::ops::Range<u64> = 20..300;
/// How many requests a tab sends at once after a pause.
const BURST_REQUESTS_MAX: usize = 4;
/// How long an opening or a closing may take: all tabs do it at once.
const OPENING_MAX: Duration = Duration::from_secs(10);
/// Where the tabs' streams of random numbers begin.
const HELD_STREAM: u64 = 1 << 20;
