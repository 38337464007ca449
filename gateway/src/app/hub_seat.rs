//! The hub's place beside shard 0's ring: messages in, outputs to where they go.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use okgate_core::base::{Instant, Now, ShardId};
use okgate_core::hub::{FromShard, Hub, Output, ToShard};

use crate::runtime::{Clock, Inbox, LocalMailbox, Mailbox, MailboxError, Outside, ShardHandle};

/// What other threads and tasks tell the hub.
#[derive(Debug)]
pub(super) enum HubMessage {
    /// A shard's link wants something.
    Shard(FromShard),
    /// Close all links, spread over this time.
    Drain(Duration),
}

/// The hub and its ways out.
pub(super) struct HubSeat {
    pub(super) hub: Hub,
    pub(super) clock: Clock,
    pub(super) inbox: Inbox<HubMessage>,
    /// To shard 0, which runs on the same thread.
    pub(super) local: LocalMailbox<ToShard>,
    /// To the other shards.
    pub(super) shards: Arc<[ShardHandle<ToShard>]>,
    /// What did not fit a shard's mailbox, by shard; sent before anything newer.
    pub(super) backlogs: Vec<VecDeque<ToShard>>,
}

impl HubSeat {
    fn now(&self) -> Now {
        self.clock.now()
    }

    /// Gives every output to where it goes.
    fn settle(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::ToShard(message) => self.to_shard(message),
                Output::Admin(..) => {}
                Output::Drained => {
                    for shard in self.shards.iter() {
                        shard.stop();
                    }
                }
            }
        }
    }

    fn to_shard(&mut self, message: ToShard) {
        if message.shard == ShardId(0) {
            return self.local.send(message);
        }
        let index = usize::from(message.shard.0);
        if let Some(backlog) = self.backlogs.get_mut(index) {
            backlog.push_back(message);
            send_backlog(&self.shards[index], backlog);
        }
    }
}

impl Outside<FromShard> for HubSeat {
    fn post(&mut self, message: FromShard, _now: Instant) {
        let now = self.now();
        self.hub.handle_shard(message, now);
        self.settle();
    }

    fn turn(&mut self, now: Instant) {
        for (shard, backlog) in self.shards.iter().zip(&mut self.backlogs) {
            send_backlog(shard, backlog);
        }
        while let Some(message) = self.inbox.take() {
            let now = self.now();
            match message {
                HubMessage::Shard(message) => self.hub.handle_shard(message, now),
                HubMessage::Drain(spread) => self.hub.drain(spread, now),
            }
            self.settle();
        }
        if self.hub.next_timeout().is_some_and(|at| at <= now) {
            let now = self.now();
            self.hub.handle_timeout(now);
            self.settle();
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let retry = self.backlogs.iter().any(|backlog| !backlog.is_empty());
        let retry = retry.then(|| self.clock.instant() + RETRY);
        [self.hub.next_timeout(), retry].into_iter().flatten().min()
    }
}

/// What a shard other than the hub's posts.
pub(super) struct Forward {
    pub(super) hub: Mailbox<HubMessage>,
    pub(super) backlog: VecDeque<HubMessage>,
    pub(super) clock: Clock,
}

impl Forward {
    fn send(&mut self) {
        while let Some(message) = self.backlog.pop_front() {
            if let Err(MailboxError::Full(message)) = self.hub.send(message) {
                self.backlog.push_front(message);
                return;
            }
        }
    }
}

impl Outside<FromShard> for Forward {
    fn post(&mut self, message: FromShard, _now: Instant) {
        self.backlog.push_back(HubMessage::Shard(message));
        self.send();
    }

    fn turn(&mut self, _now: Instant) {
        self.send();
    }

    fn next_timeout(&self) -> Option<Instant> {
        (!self.backlog.is_empty()).then(|| self.clock.instant() + RETRY)
    }
}

/// Sends what a shard's mailbox takes; a shard that has ended takes nothing more.
fn send_backlog(shard: &ShardHandle<ToShard>, backlog: &mut VecDeque<ToShard>) {
    while let Some(message) = backlog.pop_front() {
        if let Err(MailboxError::Full(message)) = shard.send(message) {
            backlog.push_front(message);
            return;
        }
    }
}

/// When a full mailbox is tried again.
const RETRY: Duration = Duration::from_millis(1);
