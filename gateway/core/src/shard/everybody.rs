//! Events that every subscriber is told (protocol 6.7-a), slice by slice: with thousands
//! of links one takes a good part of a second, in which a call must not have to wait for
//! its ring.

use std::collections::VecDeque;
use std::slice;

use super::xml::Encoded;
use super::{Refused, Shard};
use crate::base::{Instant, LinkId};
use crate::protocol::{Event, EventKind};

/// What is still to be told, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Everybody(VecDeque<Telling>);

#[derive(Debug)]
struct Telling {
    kind: EventKind,
    message: Encoded,
    began: Instant,
    /// The first slot of the link table whose link has not been told.
    slot: u32,
}

impl Everybody {
    /// When there is something to tell: in the past if there is.
    pub(super) fn began(&self) -> Option<Instant> {
        self.0.front().map(|telling| telling.began)
    }
}

impl Shard {
    /// Begins to tell an event to every subscriber, behind those that are being told.
    pub(super) fn tell_everybody(&mut self, event: &Event) {
        if self.everybody.0.len() >= WAITING_MAX {
            return self.note_refusal(Refused::BroadcastsWaiting, None, None);
        }
        let telling = Telling {
            kind: event.what.kind(),
            message: self.encode(event),
            began: self.now,
            slot: 0,
        };
        self.everybody.0.push_back(telling);
        if self.everybody.0.len() == 1 {
            self.tell_next_of_everybody();
        }
    }

    /// Tells the next links, if there is something to tell.
    pub(super) fn tell_next_of_everybody(&mut self) {
        let Some(mut telling) = self.everybody.0.pop_front() else {
            return;
        };
        let mut ids = self.links.ids_from(telling.slot);
        let slice: Vec<LinkId> = ids.by_ref().take(LINKS_PER_SLICE).collect();
        let next = ids.next();
        drop(ids);
        for id in slice {
            let open = self.links.get_mut(id).and_then(|link| link.open.as_ref());
            if open.is_some_and(|open| open.session.subscriptions.contains(telling.kind)) {
                self.tell(id, telling.kind, slice::from_ref(&telling.message));
            }
        }
        if let Some(next) = next {
            telling.slot = next.slot;
            self.everybody.0.push_front(telling);
        }
    }
}

/// How many links are looked at before others have their turn.
const LINKS_PER_SLICE: usize = 64;

/// Events that may wait behind the one that is being told.
const WAITING_MAX: usize = 256;
