//! Numbers' states, collected and paced (protocol 7): the one event that every
//! subscriber gets.
//!
//! It is told slice by slice: with thousands of links it takes a good part of a
//! second, in which a call must not have to wait for its ring.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use super::Shard;
use super::xml::Encoded;
use crate::base::{Instant, LinkId, NumberId};
use crate::protocol::{Event, EventKind, NUMBERS_PER_EVENT, NumberChange, Occurrence};
use crate::session::Session;

/// The last state of every number that changed since the shard began, and what
/// of it is still to be told.
#[derive(Debug)]
pub(super) struct NumberFeed {
    interval: Duration,
    states: HashMap<NumberId, (NumberChange, u64)>,
    pending: BTreeSet<NumberId>,
    version: u64,
    /// Not before this.
    paced_until: Instant,
    telling: Option<Telling>,
}

/// An event that has been told to some of the links.
#[derive(Debug)]
struct Telling {
    /// The event, divided if it is long.
    messages: Rc<[Encoded]>,
    /// The version of the states in it: who has read this one needs no telling.
    version: u64,
    began: Instant,
    /// The first slot of the link table whose link has not been told.
    slot: u32,
    told: u32,
}

impl NumberFeed {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            states: HashMap::new(),
            pending: BTreeSet::new(),
            version: 0,
            paced_until: Instant::default(),
            telling: None,
        }
    }

    pub(super) fn take_in(&mut self, version: u64, changes: &[(NumberId, NumberChange)]) {
        self.version = version;
        for (id, change) in changes {
            self.states.insert(*id, (change.clone(), version));
            self.pending.insert(*id);
        }
    }

    /// When there is something to tell; in the past if it has been begun.
    pub(super) fn flush_at(&self) -> Option<Instant> {
        match &self.telling {
            Some(telling) => Some(telling.began),
            None => (!self.pending.is_empty()).then_some(self.paced_until),
        }
    }

    /// What changed after this version, in a fixed order.
    fn since(&self, version: u64) -> Vec<NumberChange> {
        if version >= self.version {
            return Vec::new();
        }
        let changed = self.states.iter().filter(|(_, state)| state.1 > version);
        let mut changed: Vec<_> = changed.map(|(id, state)| (*id, state.0.clone())).collect();
        changed.sort_by_key(|(id, _)| *id);
        changed.into_iter().map(|(_, change)| change).collect()
    }

    fn take_pending(&mut self) -> Vec<NumberChange> {
        let pending = std::mem::take(&mut self.pending);
        let states = pending.iter().filter_map(|id| self.states.get(id));
        states.map(|(change, _)| change.clone()).collect()
    }

    /// Told to all: the next time comes so late that telling takes at most a fifth
    /// of the shard's time.
    fn pace(&mut self, told: &Telling) {
        let cost = SEND_COST * told.told;
        self.paced_until = told.began + self.interval.max(cost * 5);
    }
}

impl Shard {
    /// Whether an event has been told to some of the links and is to be told to more.
    pub fn is_telling(&self) -> bool {
        self.numbers.telling.is_some() || self.everybody.began().is_some()
    }

    /// Tells the next subscribers what is pending, if it is time.
    pub(super) fn flush_numbers(&mut self) {
        if self.numbers.flush_at().is_none_or(|at| at > self.now) {
            return;
        }
        let mut telling = match self.numbers.telling.take() {
            Some(telling) => telling,
            None => self.begin_telling(),
        };
        let mut ids = self.links.ids_from(telling.slot);
        let slice: Vec<LinkId> = ids.by_ref().take(LINKS_PER_SLICE).collect();
        let next = ids.next();
        drop(ids);
        for id in slice {
            if self.wants_numbers(id, telling.version) {
                telling.told += 1;
                self.tell(id, EventKind::NumberStateChanged, &telling.messages);
            }
        }
        match next {
            Some(next) => {
                telling.slot = next.slot;
                self.numbers.telling = Some(telling);
            }
            None => self.numbers.pace(&telling),
        }
    }

    fn begin_telling(&mut self) -> Telling {
        let changes = self.numbers.take_pending();
        Telling {
            messages: self.number_messages(&changes).into(),
            version: self.numbers.version,
            began: self.now,
            slot: 0,
            told: 0,
        }
    }

    /// Whether the link has subscribed and has not read these states, or newer ones,
    /// meanwhile: they would put its picture back.
    fn wants_numbers(&mut self, id: LinkId, version: u64) -> bool {
        let open = self.links.get_mut(id).and_then(|link| link.open.as_ref());
        open.is_some_and(|open| {
            let subscriptions = &open.session.subscriptions;
            subscriptions.contains(EventKind::NumberStateChanged)
                && open.session.numbers_read < version
        })
    }

    /// Tells one link what it missed since it read the numbers last; it knows them
    /// then. Who has never read them has missed nothing.
    pub(super) fn catch_up_numbers(&mut self, id: LinkId, session: &mut Session) {
        let missed = match session.numbers_read {
            0 => Vec::new(),
            read => self.numbers.since(read),
        };
        session.numbers_read = session.numbers_read.max(self.numbers.version);
        if !missed.is_empty() {
            let messages = self.number_messages(&missed);
            self.tell(id, EventKind::NumberStateChanged, &messages);
        }
    }

    /// A long event is divided by content, never sent in multipart (protocol 3.3).
    fn number_messages(&mut self, changes: &[NumberChange]) -> Vec<Encoded> {
        let divided = changes.chunks(NUMBERS_PER_EVENT);
        let mut messages = Vec::with_capacity(divided.len());
        for part in divided {
            let event = Event {
                qid: self.random.guid(),
                user: None,
                what: Occurrence::NumberStateChanged(part.to_vec()),
            };
            messages.push(self.encode(&event));
        }
        messages
    }
}

/// How many links are looked at before others have their turn: some milliseconds of
/// sends.
const LINKS_PER_SLICE: usize = 64;

/// What one send costs a shard, nearly all of it the kernel's delivery; measured
/// on loopback, where it is the dearest.
const SEND_COST: Duration = Duration::from_micros(10);
