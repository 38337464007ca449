//! What one link is still to be told.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

/// One link's output; an idle link owns no buffer.
#[derive(Debug, Default)]
pub struct Outbox {
    pub(super) pending: Pending,
    /// It stands in the shard's list of links that have something to say.
    pub(super) is_marked: bool,
    /// Bytes of long answers in what is pending or with the socket.
    pub(super) long_bytes: u32,
    backlog: Option<Box<Backlog>>,
}

/// What goes out with the current batch.
#[derive(Debug, Default)]
pub(super) enum Pending {
    #[default]
    Nothing,
    Arena(Range<usize>),
    Shared(Rc<[u8]>),
}

/// More bytes wait for this link's full socket than the bound allows: the link
/// is to be dropped with close code 1013 (protocol 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the link reads too slowly: its queue is over the bound")]
pub struct Overflow;

#[derive(Debug, Default)]
struct Backlog {
    /// Bytes, and how many of them have gone out.
    chunks: VecDeque<(Rc<[u8]>, usize)>,
    bytes: usize,
    /// Of these, the bytes of long answers.
    long_bytes: usize,
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
    /// All that may wait.
    pub(super) const fn total(self) -> usize {
        self.bytes_max.saturating_add(self.long_bytes_max)
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

    pub(super) fn block(&mut self) {
        self.backlog.get_or_insert_default();
    }

    /// Queues bytes behind the others; so many of them at most are of long answers.
    pub(super) fn queue(
        &mut self,
        bytes: Rc<[u8]>,
        from: usize,
        long_bytes: usize,
        bounds: QueueBounds,
    ) -> Result<(), Overflow> {
        let backlog = self.backlog.get_or_insert_default();
        let added = bytes.len() - from;
        backlog.bytes += added;
        backlog.long_bytes += long_bytes.min(added);
        backlog.chunks.push_back((bytes, from));
        let counted = backlog.bytes - backlog.long_bytes;
        if counted > bounds.bytes_max || backlog.bytes > bounds.total() {
            return Err(Overflow);
        }
        Ok(())
    }

    /// Moves everything that is queued behind `out`; says how many bytes those are.
    pub(super) fn unblock(&mut self, out: &mut Vec<u8>) -> usize {
        let Some(backlog) = self.backlog.take() else {
            return 0;
        };
        for (bytes, from) in &backlog.chunks {
            out.extend_from_slice(&bytes[*from..]);
        }
        self.long_bytes = narrow(backlog.long_bytes);
        backlog.bytes
    }

    /// Keeps only the first chunk; says how many bytes were dropped.
    pub(super) fn truncate(&mut self) -> usize {
        let Some(backlog) = &mut self.backlog else {
            return 0;
        };
        let kept = backlog
            .chunks
            .front()
            .map_or(0, |(bytes, from)| bytes.len() - from);
        let dropped = backlog.bytes - kept;
        backlog.chunks.truncate(1);
        backlog.bytes = kept;
        backlog.long_bytes = backlog.long_bytes.min(kept);
        dropped
    }

    pub(super) fn clear(&mut self) -> usize {
        self.pending = Pending::Nothing;
        self.backlog.take().map_or(0, |backlog| backlog.bytes)
    }
}

/// A number of bytes of long answers: beyond four gibibytes it is not told apart.
pub(super) fn narrow(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
