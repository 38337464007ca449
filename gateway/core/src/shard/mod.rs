//! One core's share of the links: what they send, what they are told, their time.
//!
//! In come connections, bytes, the hub's messages and the time; out come sends,
//! closes and messages to the hub. A shard answers alone what needs no shared
//! state (handshakes, `ping`, subscriptions, refusals) and asks the hub for the
//! rest. It performs no IO: a runtime, a simulation or a fuzzer drives it through
//! [`Engine`], whose documentation gives the order of the calls.

mod admission;
mod close;
mod config;
mod connect;
mod counters;
mod downward;
mod drain;
mod everybody;
mod handshake;
mod line;
mod link;
mod lists;
mod numbers;
mod receive;
mod refusals;
mod table;
mod time;
mod users;
mod xml;

use std::collections::VecDeque;
use std::sync::Arc;

use slab::Slab;

use crate::base::{
    Action, Engine, Instant, LinkId, LinkRef, Payload, Peer, Random, ShardId, Wheel,
};
pub use crate::base::{Refusal, Refused};
use crate::fanout::{Fanout, QueueBounds};
use crate::hub::{FromShard, ToShard, Upward};
use crate::protocol::{BodyReader, Method};
pub use admission::{AddressLinks, Admission};
pub use config::{Config, FOREVER, Limits};
pub use counters::Counters;
use drain::Drain;
use everybody::Everybody;
use line::Line;
use link::{Link, Stage};
use lists::Lists;
use numbers::NumberFeed;
use table::Table;
use users::Users;

/// The links of one core.
#[derive(Debug)]
pub struct Shard {
    id: ShardId,
    config: Arc<Config>,
    admission: Arc<Admission>,
    links: Table<Link>,
    users: Users,
    waiting: Slab<Waiting>,
    numbers: NumberFeed,
    everybody: Everybody,
    lists: Lists,
    line: Line,
    fanout: Fanout,
    wheel: Wheel<LinkId>,
    due: Vec<LinkId>,
    drain: Option<Drain>,
    posts: VecDeque<FromShard>,
    /// Half-closes and closes, after this batch's sends.
    endings: VecDeque<Ending>,
    counters: Counters,
    /// For the log; at most one a reason.
    refusals: Vec<Refusal>,
    random: Random,
    /// The time of the input that is handled.
    now: Instant,
    // Scratch memory.
    body: BodyReader,
    answer: Vec<u8>,
    frame: Vec<u8>,
}

/// A request that waits for the hub.
#[derive(Debug)]
struct Waiting {
    link: LinkId,
    method: Method,
    qid: Box<[u8]>,
}

/// What happens to a connection after its sends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Shutdown(LinkId),
    Close(LinkId),
    /// Close a link that was kept for what it is still to be told.
    Forget(LinkId),
}

impl Shard {
    /// A shard without links, which counts connections for itself; see
    /// [`Shard::sharing`].
    pub fn new(id: ShardId, config: Arc<Config>, random: Random, now: Instant) -> Self {
        Self {
            id,
            admission: Arc::new(Admission::new(&config.limits)),
            links: Table::new(),
            users: Users::default(),
            waiting: Slab::new(),
            numbers: NumberFeed::new(config.number_states_interval),
            everybody: Everybody::default(),
            lists: Lists::default(),
            line: Line::default(),
            fanout: Fanout::new(QueueBounds {
                bytes_max: config.limits.queue_bytes_max,
                long_bytes_max: config.limits.long_answer_bytes_max,
            }),
            wheel: Wheel::new(now),
            due: Vec::new(),
            drain: None,
            posts: VecDeque::new(),
            endings: VecDeque::new(),
            counters: Counters::default(),
            refusals: Vec::new(),
            random,
            now,
            body: BodyReader::new(),
            answer: Vec::new(),
            frame: Vec::new(),
            config,
        }
    }

    /// The same shard, which counts connections together with all others that share
    /// this.
    #[must_use]
    pub fn sharing(self, admission: Arc<Admission>) -> Self {
        Self { admission, ..self }
    }

    /// Which shard it is.
    pub const fn id(&self) -> ShardId {
        self.id
    }

    /// What it counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Links, in whatever stage.
    pub const fn links(&self) -> usize {
        self.links.len()
    }

    const fn reference(&self, link: LinkId) -> LinkRef {
        LinkRef {
            shard: self.id,
            link,
        }
    }

    fn post(&mut self, link: LinkId, what: Upward) {
        let link = self.reference(link);
        self.posts.push_back(FromShard::Link { link, what });
    }

    /// Puts the link on the wheel with the deadline that counts now.
    fn schedule(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(id) {
            let (deadline, _) = link.due(&self.config.limits);
            if deadline.since(link.since) < link::WHEEL_AHEAD_MAX {
                self.wheel.insert(deadline, id);
            }
        }
    }

    fn refresh_gauges(&mut self) {
        self.counters.links = self.links.len() as u64;
        self.counters.tabs = self.users.tabs() as u64;
        self.counters.queue_bytes = self.fanout.queued_bytes() as u64;
    }
}

impl Engine for Shard {
    type Inbox = ToShard;
    type Outbox = FromShard;

    fn open(&mut self, peer: Peer, now: Instant) -> Option<LinkId> {
        self.now = now;
        let address = peer.address.ip().to_canonical();
        if self.drain.is_some() {
            self.note_refusal(Refused::GoingDown, Some(address), None);
            return None;
        }
        Some(self.take_connection(address))
    }

    fn receive(&mut self, link: LinkId, bytes: &mut [u8], now: Instant) {
        self.now = now;
        self.handle_bytes(link, bytes);
    }

    fn closed(&mut self, link: LinkId, now: Instant) {
        self.now = now;
        self.forget(link);
    }

    fn message(&mut self, message: ToShard, now: Instant) {
        self.now = now;
        self.handle_hub(message.what);
    }

    fn timeout(&mut self, now: Instant) {
        self.now = now;
        self.handle_timeout();
    }

    fn next_timeout(&self) -> Option<Instant> {
        let numbers = self.numbers.flush_at();
        let everybody = self.everybody.began();
        let drain = self.drain.as_ref().and_then(Drain::next);
        let line = self.line.next(self.now);
        [self.wheel.next(), numbers, everybody, drain, line]
            .into_iter()
            .flatten()
            .min()
    }

    fn poll_action(&mut self) -> Option<Action<FromShard>> {
        if self.posts.is_empty() && self.line.has_waiting() {
            self.let_line_on();
        }
        if let Some(post) = self.posts.pop_front() {
            return Some(Action::Post(post));
        }
        while let Some(link) = self.fanout.poll_ready() {
            let Some(entry) = self.links.get_mut(link) else {
                continue;
            };
            if let Some(payload) = self.fanout.take(link, &mut entry.outbox) {
                return Some(Action::Send { link, payload });
            }
        }
        match self.endings.pop_front()? {
            Ending::Shutdown(link) => Some(Action::Shutdown { link }),
            Ending::Close(link) => Some(Action::Close { link }),
            Ending::Forget(link) => {
                self.forget(link);
                Some(Action::Close { link })
            }
        }
    }

    fn payload<'a>(&'a self, payload: &'a Payload) -> &'a [u8] {
        self.fanout.payload(payload)
    }

    fn unsent(&mut self, link: LinkId, payload: &Payload, sent: usize) {
        if let Some(entry) = self.links.get_mut(link)
            && self
                .fanout
                .unsent(&mut entry.outbox, payload, sent)
                .is_err()
        {
            self.drop_slow(link);
        }
    }

    fn writable(&mut self, link: LinkId, now: Instant) {
        self.now = now;
        if let Some(entry) = self.links.get_mut(link) {
            self.fanout.writable(link, &mut entry.outbox);
            self.line.moves();
            if matches!(entry.stage, Stage::Closing { shutdown: true }) {
                self.endings.push_back(Ending::Shutdown(link));
            }
        }
    }

    fn end_batch(&mut self) {
        self.fanout.end_batch();
        self.end_turns();
        self.refresh_gauges();
    }
}

#[cfg(test)]
mod tests;
