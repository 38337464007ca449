//! Owns what a tab makes of what it gets: answers find their requests, events are judged and timed.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use memchr::memmem;

use super::agenda::{Agenda, Habit};
use super::requests::{Open, Origin};
use crate::ledger::{Happened, SeenEvent, Step, TabKey};
use crate::message::{peek_name, peek_qid, shortened};
use crate::play::clock::{Planned, UserCall};
use crate::play::present::{Asked, Handle};
use crate::play::tally::{Counted, Timing};
use crate::play::worker::Shared;
use crate::scenario::{Arrival, BehaviourKind, FailureKind, Method};
use crate::swarm::{CallTimes, Packets};

/// A tab without its link.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) handle: Rc<Handle>,
    pub(super) agenda: Agenda,
    /// Where what it gets is judged, if it is.
    pub(super) key: Option<TabKey>,
    /// When it asks again behind answers.
    pub(super) again: VecDeque<tokio::time::Instant>,
    /// An answer of which not all packets have come.
    packets: Option<Packets>,
    /// When it got the news that the user is busy, before it is known from which call.
    busy_at: Option<Instant>,
    /// When the step was planned whose events come now.
    step: Option<Planned>,
    /// The user has a call, as far as this tab has been told.
    pub(super) is_in_call: bool,
    /// The call has been answered.
    pub(super) is_talking: bool,
    /// The person is on a break.
    pub(super) is_on_break: bool,
}

impl Desk {
    pub(super) fn new(handle: Rc<Handle>, agenda: Agenda) -> Self {
        Self {
            handle,
            agenda,
            key: None,
            again: VecDeque::new(),
            packets: None,
            busy_at: None,
            step: None,
            is_in_call: false,
            is_talking: false,
            is_on_break: false,
        }
    }

    /// Takes a message of an open tab.
    pub(super) fn take(&mut self, text: &[u8], now: Instant, shared: &Shared) {
        let name = std::str::from_utf8(text).ok().and_then(peek_name);
        match name {
            Some(name) if name == "pong" || name.ends_with("result") => {
                count(shared, false);
                self.answer(peek_qid(text), is_good(text), text, now, shared);
            }
            Some("multipart") => {
                count(shared, false);
                self.packet(text, now, shared);
            }
            _ => self.take_named(name, text, now, shared),
        }
    }

    /// Takes a message that is no answer, or one of a tab that is coming in, whose answers are others' business.
    pub(super) fn take_beside(&mut self, text: &[u8], now: Instant, shared: &Shared) {
        let name = std::str::from_utf8(text).ok().and_then(peek_name);
        self.take_named(name, text, now, shared);
    }

    fn take_named(&mut self, name: Option<&str>, text: &[u8], now: Instant, shared: &Shared) {
        match name {
            Some("error") | None => {
                count(shared, false);
                let words = shortened(&String::from_utf8_lossy(text));
                shared.fail(FailureKind::Protocol, words);
            }
            Some(name) if name == "pong" || name == "multipart" || name.ends_with("result") => {
                count(shared, false);
            }
            Some(name) => {
                count(shared, true);
                self.event(name, text, now, shared);
            }
        }
    }

    fn packet(&mut self, text: &[u8], now: Instant, shared: &Shared) {
        let taken = match &mut self.packets {
            Some(packets) => packets.go_on(text),
            None => Packets::begin(text).map(|packets| {
                let is_whole = packets.is_whole();
                self.packets = Some(packets);
                is_whole
            }),
        };
        match taken {
            Ok(false) => {}
            Ok(true) => {
                if let Some(packets) = self.packets.take() {
                    let (qid, text) = (packets.qid(), packets.beginning());
                    self.answer(qid, packets.is_good(), text.as_bytes(), now, shared);
                }
            }
            Err(error) => {
                self.packets = None;
                shared.fail(FailureKind::Protocol, error);
            }
        }
    }

    fn answer(
        &mut self,
        qid: Option<&[u8]>,
        is_good: bool,
        text: &[u8],
        now: Instant,
        shared: &Shared,
    ) {
        let open = qid.and_then(|qid| self.handle.requests.borrow_mut().answered(qid));
        let Some(open) = open else {
            if shared.is_slow(&self.handle) {
                return;
            }
            let words = shortened(&String::from_utf8_lossy(text));
            return shared.fail(
                FailureKind::Protocol,
                format!("an answer to nothing: {words}"),
            );
        };
        if is_good {
            let service = now.saturating_duration_since(open.sent.into_std());
            let since_due = open
                .due
                .map(|due| now.saturating_duration_since(due.into_std()));
            let phase = shared.phase_of(open.due.unwrap_or(open.sent).into_std());
            let timing = Timing::RoundTrip(open.method);
            let mut tally = shared.tally.borrow_mut();
            tally.time(phase, timing, service, since_due);
            tally.count(phase, Counted::Requests, 1);
            if let (Method::NUMBERS, Some(key)) = (open.method, self.key) {
                shared.ledger.borrow_mut().has_read_numbers(key);
            }
        } else {
            let words = shortened(&String::from_utf8_lossy(text));
            let login = shared.login_of(self.handle.user);
            shared.fail(
                FailureKind::Refused,
                format!("{login}, {}: {words}", open.method.name()),
            );
        }
        self.settle(open, shared);
    }

    /// A request has come to its end: others may follow it.
    pub(super) fn settle(&mut self, open: Open, shared: &Shared) {
        match open.origin {
            Origin::Habit => {}
            Origin::Due => shared.one_done(),
            Origin::Loop => self.ask_again(shared),
        }
    }

    /// A request has come to its end, and nothing follows it.
    pub(super) fn give_up(&self, origin: Origin, shared: &Shared) {
        match origin {
            Origin::Habit => {}
            Origin::Due => shared.one_done(),
            Origin::Loop => {
                let loops = &self.handle.loops;
                loops.set(loops.get().saturating_sub(1));
            }
        }
    }

    /// In a closed phase an answer is followed by the next request, unless the phase wants fewer.
    pub(super) fn ask_again(&mut self, shared: &Shared) {
        let (wanted, think) = match shared.arrival() {
            Arrival::Closed {
                requests_at_once,
                think,
                ..
            } => (*requests_at_once, *think),
            Arrival::Open { .. } => (0, Duration::ZERO),
        };
        if self.handle.loops.get() > wanted {
            return self.give_up(Origin::Loop, shared);
        }
        if think.is_zero() {
            let method = shared.choose_method();
            let asked = Asked { method, due: None };
            self.handle.waiting.borrow_mut().push_back(asked);
        } else {
            let at = tokio::time::Instant::now() + think;
            self.again.push_back(at);
        }
    }

    fn event(&mut self, name: &str, text: &[u8], now: Instant, shared: &Shared) {
        let Some(key) = self.key else {
            return;
        };
        let noticed = shared.ledger.borrow_mut().take(key, name, text, now);
        if noticed.is_of_numbers {
            return shared.time_numbers(now);
        }
        let Some(seen) = noticed.seen else {
            return;
        };
        if let Some(fan_out) = noticed.fan_out {
            let phase = shared.phase();
            shared
                .tally
                .borrow_mut()
                .time(phase, Timing::FanOut, fan_out, None);
        }
        self.time(seen, text, now, shared);
        match noticed.step {
            Some(Step::Rings) => self.is_in_call = true,
            Some(Step::Answered) => self.is_talking = true,
            Some(Step::Over | Step::Gone) => (self.is_in_call, self.is_talking) = (false, false),
            None => return,
        }
        let behaviour = shared.behaviour(&self.handle);
        if matches!(
            behaviour.kind,
            BehaviourKind::BusyOperator { follows: true, .. }
        ) {
            self.agenda
                .set(Habit::Follow, tokio::time::Instant::from_std(now));
        }
    }

    /// Times an event by the step of its call.
    fn time(&mut self, seen: SeenEvent, text: &[u8], now: Instant, shared: &Shared) {
        let call = shared.call_of(self.handle.user);
        match seen.what {
            Happened::RingStarted => return self.time_ring(seen, text, now, shared),
            Happened::UserState if seen.about == BUSY => {
                self.busy_at = Some(now);
                return;
            }
            Happened::UserState if self.is_in_call => self.step = call.map(|call| call.over),
            // Who came in the middle of a call knows nothing of its plan.
            Happened::RingStopped if self.step.is_none() && self.is_in_call => {
                self.step = call.and_then(|call| call.answered);
            }
            Happened::CommStarted if self.shall_end(call, shared) => {
                if let Some(call) = call {
                    self.agenda.set(Habit::Call, call.over.due.into());
                }
            }
            Happened::Other => return,
            _ => {}
        }
        if let Some(planned) = self.step {
            shared.time_event(seen.what.name(), planned, now);
        }
        if seen.what == Happened::LineState {
            self.step = None;
        }
    }

    fn time_ring(&mut self, seen: SeenEvent, text: &[u8], now: Instant, shared: &Shared) {
        let Some(times) = CallTimes::read(text) else {
            return;
        };
        let call = shared.call_begun(self.handle.user, seen.about, times);
        self.step = Some(call.begun);
        if let Some(busy_at) = self.busy_at.take() {
            shared.time_event(Happened::UserState.name(), call.begun, busy_at);
        }
        shared.time_event(seen.what.name(), call.begun, now);
        shared.time_ring(call.begun, now);
        if self.shall_end(Some(call), shared) {
            let due = call.answered.map_or(call.over.due, |answered| answered.due);
            self.agenda.set(Habit::Call, due.into());
        }
    }

    /// Whether the person at this tab answers and ends this call.
    fn shall_end(&self, call: Option<UserCall>, shared: &Shared) -> bool {
        call.is_some_and(|call| !call.talk.is_zero()) && shared.answers(&self.handle)
    }
}

/// Counts a message.
fn count(shared: &Shared, is_event: bool) {
    let mut tally = shared.tally.borrow_mut();
    let phase = shared.phase();
    tally.count(phase, Counted::Messages, 1);
    if is_event {
        tally.count(phase, Counted::Events, 1);
    }
}

fn is_good(text: &[u8]) -> bool {
    memmem::find(text, b"\"result\":0").is_none()
}

/// The state of a user in a call.
const BUSY: u64 = 5;
