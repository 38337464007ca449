//! A shard that shows its numbers to the admin address and tells the log whom it refused.

use std::sync::Arc;

use okgate_core::base::{Action, Engine, Instant, LinkId, Payload, Peer};
use okgate_core::hub::{Downward, FromShard, ToShard};
use okgate_core::shard::Shard;

use super::refusals;
use crate::metrics::{FanoutTimes, PUBLISH_INTERVAL, ShardMetrics};
use crate::runtime::Clock;

/// A shard, what its fan-outs took, and where its numbers are shown.
pub(super) struct Metered {
    shard: Shard,
    metrics: Option<Arc<ShardMetrics>>,
    fanout: FanoutTimes,
    clock: Clock,
    shown: Instant,
    /// Something happened since the numbers were shown.
    is_stale: bool,
}

impl Metered {
    pub(super) fn new(shard: Shard, metrics: Option<Arc<ShardMetrics>>, clock: Clock) -> Self {
        Self {
            shard,
            metrics,
            fanout: FanoutTimes::default(),
            clock,
            shown: clock.instant(),
            is_stale: true,
        }
    }

    fn show(&mut self, now: Instant) {
        if now < self.shown + PUBLISH_INTERVAL {
            self.is_stale = true;
            return;
        }
        (self.shown, self.is_stale) = (now, false);
        if let Some(metrics) = &self.metrics {
            metrics.publish(self.shard.counters(), &self.fanout);
        }
    }
}

impl Metered {
    /// Does what gives an event to links, and observes how long it takes.
    fn observed(&mut self, tell: impl FnOnce(&mut Shard)) {
        let start = self.clock.instant();
        tell(&mut self.shard);
        self.fanout.observe(self.clock.instant() - start);
    }
}

impl Engine for Metered {
    type Inbox = ToShard;
    type Outbox = FromShard;

    fn open(&mut self, peer: Peer, now: Instant) -> Option<LinkId> {
        self.shard.open(peer, now)
    }

    fn receive(&mut self, link: LinkId, bytes: &mut [u8], now: Instant) {
        self.shard.receive(link, bytes, now);
    }

    fn closed(&mut self, link: LinkId, now: Instant) {
        self.shard.closed(link, now);
    }

    fn message(&mut self, message: ToShard, now: Instant) {
        if matches!(message.what, Downward::Event(_) | Downward::Numbers { .. }) {
            self.observed(|shard| shard.message(message, now));
        } else {
            self.shard.message(message, now);
        }
    }

    fn timeout(&mut self, now: Instant) {
        if self.shard.is_telling() {
            self.observed(|shard| shard.timeout(now));
        } else {
            self.shard.timeout(now);
        }
        self.show(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        let show = self.is_stale.then(|| self.shown + PUBLISH_INTERVAL);
        [self.shard.next_timeout(), show]
            .into_iter()
            .flatten()
            .min()
    }

    fn poll_action(&mut self) -> Option<Action<FromShard>> {
        self.shard.poll_action()
    }

    fn payload<'a>(&'a self, payload: &'a Payload) -> &'a [u8] {
        self.shard.payload(payload)
    }

    fn unsent(&mut self, link: LinkId, payload: &Payload, sent: usize) {
        self.shard.unsent(link, payload, sent);
    }

    fn writable(&mut self, link: LinkId, now: Instant) {
        self.shard.writable(link, now);
    }

    fn end_batch(&mut self) {
        self.shard.end_batch();
        while let Some(refusal) = self.shard.poll_refusal() {
            refusals::log(&refusal, self.clock.instant());
        }
        self.is_stale = true;
    }
}
