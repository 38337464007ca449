//! Numbers' states, collected and paced (protocol 7): the one event that every
//! subscriber gets.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use super::Shard;
use crate::base::{Instant, LinkId, NumberId};
use crate::protocol::{Event, EventKind, NUMBERS_PER_EVENT, NumberChange, Occurrence};

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
}

impl NumberFeed {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            states: HashMap::new(),
            pending: BTreeSet::new(),
            version: 0,
            paced_until: Instant::default(),
        }
    }

    pub(super) fn take_in(&mut self, version: u64, changes: &[(NumberId, NumberChange)]) {
        self.version = version;
        for (id, change) in changes {
            self.states.insert(*id, (change.clone(), version));
            self.pending.insert(*id);
        }
    }

    /// When what is pending is to be told.
    pub(super) fn flush_at(&self) -> Option<Instant> {
        (!self.pending.is_empty()).then_some(self.paced_until)
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

    /// Told to so many: the next time comes so late that telling takes at most a
    /// fifth of the shard's time.
    fn pace(&mut self, subscribers: u32, now: Instant) {
        let cost = SEND_COST * subscribers;
        self.paced_until = now + self.interval.max(cost * 5);
    }
}

impl Shard {
    /// Tells every subscriber what is pending, if it is time.
    pub(super) fn flush_numbers(&mut self) {
        if self.numbers.flush_at().is_none_or(|at| at > self.now) {
            return;
        }
        let changes = self.numbers.take_pending();
        let messages = self.number_messages(&changes);
        let subscribed = |shard: &mut Self, id: &LinkId| {
            let open = shard.links.get_mut(*id).and_then(|link| link.open.as_ref());
            open.is_some_and(|open| {
                open.session
                    .subscriptions
                    .contains(EventKind::NumberStateChanged)
            })
        };
        let links: Vec<LinkId> = self.links.ids().collect();
        let mut told = 0;
        for id in links {
            if subscribed(self, &id) {
                told += 1;
                self.tell(id, EventKind::NumberStateChanged, &messages);
            }
        }
        self.numbers.pace(told, self.now);
    }

    /// Tells one link what it missed since it read the numbers last.
    pub(super) fn catch_up_numbers(&mut self, id: LinkId, read: u64) {
        let missed = self.numbers.since(read);
        if !missed.is_empty() {
            let messages = self.number_messages(&missed);
            self.tell(id, EventKind::NumberStateChanged, &messages);
        }
    }

    /// A long event is divided by content, never sent in multipart (protocol 3.3).
    fn number_messages(&mut self, changes: &[NumberChange]) -> Vec<Rc<[u8]>> {
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

/// What one send costs a shard, nearly all of it the kernel's delivery; measured
/// on loopback, where it is the dearest.
const SEND_COST: Duration = Duration::from_micros(10);
