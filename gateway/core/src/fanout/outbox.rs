//! What one link is still to be told.

use std::collections::VecDeque;
use std::mem;

use crate::base::{Payload, SharedBytes};

/// One link's output; an idle link owns no buffer.
#[derive(Debug, Default)]
pub struct Outbox {
    pub(super) pending: Pending,
    /// It stands in the shard's list of links that have something to say.
    pub(super) is_marked: bool,
    backlog: Option<Box<Backlog>>,
}

/// What goes out with the current batch.
#[derive(Debug, Default)]
pub(super) enum Pending {
    #[default]
    Nothing,
    One(Payload),
    /// In their order: long answers are sent from where they are, so each stands
    /// apart from what is around it.
    #[expect(
        clippy::box_collection,
        reason = "few links ever have it, and each would be larger"
    )]
    Several(Box<VecDeque<Payload>>),
}

/// More bytes wait for this link's full socket than the bound allows: the link
/// is to be dropped with close code 1013 (protocol 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the link reads too slowly: its queue is over the bound")]
pub struct Overflow;

/// What a full socket has not taken, in its order.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    pub(super) chunks: VecDeque<SharedBytes>,
    amount: Amount,
    /// Only what the socket had begun to take was kept: what else it hands back
    /// of the batch is forgotten, too.
    is_cut: bool,
}

/// Bytes that wait for one link.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Amount {
    ordinary: usize,
    long: usize,
}

/// How much may wait for one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueBounds {
    /// Bytes of events and of all answers but long ones; `usize::MAX` for any.
    pub bytes_max: usize,
    /// Bytes of long answers, which the link has asked for itself; `usize::MAX`
    /// for any.
    pub long_bytes_max: usize,
}

impl QueueBounds {
    pub(super) const fn check(self, amount: Amount) -> Result<(), Overflow> {
        if amount.ordinary > self.bytes_max || amount.long > self.long_bytes_max {
            return Err(Overflow);
        }
        Ok(())
    }
}

impl Amount {
    pub(super) const fn total(self) -> usize {
        self.ordinary + self.long
    }

    pub(super) const fn ordinary(self) -> usize {
        self.ordinary
    }

    pub(super) const fn long(self) -> usize {
        self.long
    }

    fn add(&mut self, bytes: &SharedBytes) {
        if bytes.is_long() {
            self.long += bytes.rest().len();
        } else {
            self.ordinary += bytes.rest().len();
        }
    }
}

impl Outbox {
    /// Whether the socket is full and what is said is queued.
    pub const fn is_blocked(&self) -> bool {
        self.backlog.is_some()
    }

    /// Whether everything that was said has been handed to the socket.
    pub const fn is_empty(&self) -> bool {
        self.backlog.is_none() && matches!(self.pending, Pending::Nothing)
    }

    /// Whether bytes of a long answer are to be sent with this batch, or wait.
    pub fn has_long(&self) -> bool {
        let waits = |backlog: &Backlog| backlog.amount.long > 0;
        self.pending.amount().long > 0 || self.backlog.as_deref().is_some_and(waits)
    }

    pub(super) fn block(&mut self) {
        self.backlog.get_or_insert_default();
    }

    /// Whether what waited was cut off behind what the socket had begun to take.
    pub(super) fn is_cut(&self) -> bool {
        self.backlog.as_ref().is_some_and(|backlog| backlog.is_cut)
    }

    /// Queues bytes behind the others.
    pub(super) fn queue(
        &mut self,
        bytes: SharedBytes,
        bounds: QueueBounds,
    ) -> Result<(), Overflow> {
        let backlog = self.backlog.get_or_insert_default();
        backlog.amount.add(&bytes);
        backlog.chunks.push_back(bytes);
        bounds.check(backlog.amount)
    }

    /// Takes everything that is queued out.
    pub(super) fn unblock(&mut self) -> Option<Box<Backlog>> {
        self.backlog.take()
    }

    /// Keeps only the first chunk; says how many bytes were dropped.
    pub(super) fn truncate(&mut self) -> usize {
        let Some(backlog) = &mut self.backlog else {
            return 0;
        };
        let before = backlog.amount.total();
        backlog.chunks.truncate(1);
        backlog.amount = Amount::default();
        if let Some(first) = backlog.chunks.front() {
            backlog.amount.add(first);
        }
        backlog.is_cut = true;
        before - backlog.amount.total()
    }

    pub(super) fn clear(&mut self) -> usize {
        self.pending = Pending::Nothing;
        self.backlog.take().map_or(0, |backlog| backlog.bytes())
    }
}

impl Backlog {
    pub(super) const fn bytes(&self) -> usize {
        self.amount.total()
    }
}

impl Pending {
    /// The last piece, which may grow if it is at the arena's end.
    pub(super) fn last_mut(&mut self) -> Option<&mut Payload> {
        match self {
            Self::Nothing => None,
            Self::One(payload) => Some(payload),
            Self::Several(payloads) => payloads.back_mut(),
        }
    }

    pub(super) fn push(&mut self, payload: Payload) {
        if matches!(self, Self::Nothing) {
            *self = Self::One(payload);
        } else {
            self.push_behind(payload);
        }
    }

    #[cold]
    fn push_behind(&mut self, payload: Payload) {
        *self = match mem::take(self) {
            Self::Nothing => Self::One(payload),
            Self::One(first) => Self::Several(Box::new([first, payload].into())),
            Self::Several(mut payloads) => {
                payloads.push_back(payload);
                Self::Several(payloads)
            }
        };
    }

    /// How much there is of which kind.
    pub(super) fn amount(&self) -> Amount {
        let mut amount = Amount::default();
        let mut add = |payload: &Payload| match payload {
            Payload::Arena(range) => amount.ordinary += range.len(),
            Payload::Shared(bytes) => amount.add(bytes),
        };
        match self {
            Self::Nothing => {}
            Self::One(payload) => add(payload),
            Self::Several(payloads) => payloads.iter().for_each(add),
        }
        amount
    }
}
