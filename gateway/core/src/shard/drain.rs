//! Going down: links are closed with 1001, spread over a time, so that their
//! pages do not all come back at once.

use std::time::Duration;

use super::{Refused, Shard};
use crate::base::{Instant, LinkId};
use crate::hub::FromShard;
use crate::wire::frame::CloseCode;

/// The links that are still to be closed.
#[derive(Debug)]
pub(super) struct Drain {
    links: Vec<LinkId>,
    total: usize,
    since: Instant,
    spread: Duration,
    next: Instant,
    /// The hub knows that no link is left.
    is_reported: bool,
}

impl Drain {
    /// When to go on.
    pub(super) fn next(&self) -> Option<Instant> {
        (!self.links.is_empty()).then_some(self.next)
    }

    /// How many links are to be left open at `now`.
    fn left_at(&self, now: Instant) -> usize {
        let passed = (now - self.since).as_micros();
        let spread = self.spread.as_micros();
        if passed >= spread {
            return 0;
        }
        let left = self.total as u128 * (spread - passed) / spread;
        usize::try_from(left).unwrap_or(usize::MAX)
    }
}

impl Shard {
    /// Begins to close every link; new ones are refused from now on.
    pub(super) fn begin_drain(&mut self, spread: Duration) {
        let links: Vec<LinkId> = self.links.ids().collect();
        self.drain = Some(Drain {
            total: links.len(),
            links,
            since: self.now,
            spread,
            next: self.now,
            is_reported: false,
        });
        self.drain_on();
        self.check_drained();
    }

    /// Closes as many links as the time that has passed asks for.
    pub(super) fn drain_on(&mut self) {
        while let Some(drain) = &mut self.drain {
            if drain.links.len() <= drain.left_at(self.now) {
                drain.next = self.now + STEP;
                return;
            }
            let Some(id) = drain.links.pop() else {
                return;
            };
            if self
                .links
                .get_mut(id)
                .is_some_and(|link| link.open.is_none())
            {
                self.cut(id);
            } else {
                let (code, reason) = (CloseCode::Away, "the gateway is going down");
                self.close(id, code, reason, Some(Refused::GoingDown));
            }
        }
    }

    /// Tells the hub, once, that the last link is gone.
    pub(super) fn check_drained(&mut self) {
        let is_empty = self.links.len() == 0;
        if let Some(drain) = &mut self.drain
            && is_empty
            && !std::mem::replace(&mut drain.is_reported, true)
        {
            self.posts.push_back(FromShard::Drained(self.id));
        }
    }
}

/// How often the next few links are closed.
const STEP: Duration = Duration::from_millis(20);
