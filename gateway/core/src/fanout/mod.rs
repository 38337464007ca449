//! What links are still to be told: encode once, queue the same bytes for many.
//!
//! In come bytes for one link (answers) or shared bytes for many (events); out
//! goes at most one send a link and batch. What a full socket did not take is
//! queued up to a bound; a link that goes over it has met the slow-consumer rule
//! and is to be dropped, so that it never holds up others. A long answer has a
//! bound of its own: who asked for a list of thousands of numbers has to be given
//! the time to read it. This module knows neither sockets nor frames.
//!
//! Order of calls: [`Fanout::write`], [`Fanout::write_long`] and [`Fanout::share`] while a batch is
//! handled, then [`Fanout::poll_ready`] and [`Fanout::take`] until there is none,
//! [`Fanout::unsent`] for each send that was cut short, and [`Fanout::end_batch`].

mod outbox;

use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::{LinkId, Payload};
pub use outbox::{Outbox, Overflow, QueueBounds};
use outbox::{Pending, narrow};

/// A shard's arena and the list of links that have something to say.
#[derive(Debug)]
pub struct Fanout {
    arena: Vec<u8>,
    /// Links with something to send, in the order in which they began to speak.
    ready: VecDeque<LinkId>,
    bounds: QueueBounds,
    queued_bytes: usize,
}

impl Fanout {
    /// An empty fan-out whose links may each queue so much.
    pub fn new(bounds: QueueBounds) -> Self {
        Self {
            arena: Vec::new(),
            ready: VecDeque::new(),
            bounds,
            queued_bytes: 0,
        }
    }

    /// Lets `write` append bytes for one link.
    pub fn write(
        &mut self,
        link: LinkId,
        outbox: &mut Outbox,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Overflow> {
        self.append(link, outbox, false, write)
    }

    /// As [`Fanout::write`], for an answer that may be so long that it has a bound
    /// of its own.
    pub fn write_long(
        &mut self,
        link: LinkId,
        outbox: &mut Outbox,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Overflow> {
        self.append(link, outbox, true, write)
    }

    fn append(
        &mut self,
        link: LinkId,
        outbox: &mut Outbox,
        is_long: bool,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Overflow> {
        let pending = self.gather(outbox);
        let start = self.arena.len();
        write(&mut self.arena);
        let end = self.arena.len();
        let long_bytes = if is_long { end - start } else { 0 };
        if outbox.is_blocked() {
            let bytes = Rc::from(&self.arena[start..]);
            self.arena.truncate(start);
            return self.queue(outbox, bytes, 0, long_bytes);
        }
        if end - pending > self.bounds.total() {
            self.arena.truncate(start);
            return Err(Overflow);
        }
        if pending == start {
            outbox.long_bytes = 0;
        }
        outbox.pending = Pending::Arena(pending..end);
        outbox.long_bytes = outbox.long_bytes.saturating_add(narrow(long_bytes));
        self.mark(link, outbox);
        Ok(())
    }

    /// Says the same bytes to one more link.
    pub fn share(
        &mut self,
        link: LinkId,
        outbox: &mut Outbox,
        bytes: &Rc<[u8]>,
    ) -> Result<(), Overflow> {
        if outbox.is_blocked() {
            return self.queue(outbox, Rc::clone(bytes), 0, 0);
        }
        if matches!(outbox.pending, Pending::Nothing) {
            outbox.pending = Pending::Shared(Rc::clone(bytes));
            outbox.long_bytes = 0;
            self.mark(link, outbox);
            return Ok(());
        }
        self.write(link, outbox, |arena| arena.extend_from_slice(bytes))
    }

    /// The next link that has something to say in this batch.
    pub fn poll_ready(&mut self) -> Option<LinkId> {
        self.ready.pop_front()
    }

    /// What a link that [`Fanout::poll_ready`] named says; `None` if it was
    /// dropped meanwhile.
    pub fn take(&mut self, outbox: &mut Outbox) -> Option<Payload> {
        outbox.is_marked = false;
        match std::mem::replace(&mut outbox.pending, Pending::Nothing) {
            Pending::Nothing => None,
            Pending::Arena(range) => Some(Payload::Arena(range)),
            Pending::Shared(bytes) => Some(Payload::Shared(bytes)),
        }
    }

    /// The bytes of a payload of this batch.
    pub fn payload<'a>(&'a self, payload: &'a Payload) -> &'a [u8] {
        match payload {
            Payload::Arena(range) => &self.arena[range.clone()],
            Payload::Shared(bytes) => bytes,
        }
    }

    /// The socket took only the first `sent` bytes: the rest is queued and the
    /// link is blocked until [`Fanout::writable`].
    pub fn unsent(
        &mut self,
        outbox: &mut Outbox,
        payload: &Payload,
        sent: usize,
    ) -> Result<(), Overflow> {
        outbox.block();
        let long_bytes = std::mem::take(&mut outbox.long_bytes) as usize;
        match payload {
            Payload::Arena(range) => {
                let rest = Rc::from(&self.arena[range.start + sent..range.end]);
                self.queue(outbox, rest, 0, long_bytes)
            }
            Payload::Shared(bytes) => self.queue(outbox, Rc::clone(bytes), sent, long_bytes),
        }
    }

    /// The socket takes bytes again: what is queued is ready to be sent.
    pub fn writable(&mut self, link: LinkId, outbox: &mut Outbox) {
        let start = self.arena.len();
        self.queued_bytes -= outbox.unblock(&mut self.arena);
        if self.arena.len() > start {
            outbox.pending = Pending::Arena(start..self.arena.len());
            self.mark(link, outbox);
        }
    }

    /// Forgets what a link that is dropped had queued.
    pub fn forget(&mut self, outbox: &mut Outbox) {
        self.queued_bytes -= outbox.clear();
    }

    /// Forgets what waits behind the bytes that the socket has begun to take.
    pub fn forget_behind_first(&mut self, outbox: &mut Outbox) {
        self.queued_bytes -= outbox.truncate();
    }

    /// Appends the last bytes of a link that is to be closed, whatever the bound.
    pub fn append_last(&mut self, link: LinkId, outbox: &mut Outbox, bytes: &[u8]) {
        if !outbox.is_blocked() {
            let pending = self.gather(outbox);
            self.arena.extend_from_slice(bytes);
            outbox.pending = Pending::Arena(pending..self.arena.len());
            self.mark(link, outbox);
            return;
        }
        self.queued_bytes += bytes.len();
        // The bound was met before; a close frame more is what it costs to say so.
        let _over = outbox.queue(Rc::from(bytes), 0, 0, self.bounds);
    }

    /// The batch's sends are settled: the arena is free again.
    pub fn end_batch(&mut self) {
        if self.ready.is_empty() {
            self.arena.clear();
            self.arena.shrink_to(ARENA_KEPT_MAX);
        }
    }

    /// Bytes that wait for full sockets, of all links.
    pub const fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Makes the pending bytes the last ones of the arena, so that more can follow;
    /// gives where they begin.
    fn gather(&mut self, outbox: &mut Outbox) -> usize {
        let start = self.arena.len();
        match &outbox.pending {
            Pending::Nothing => return start,
            Pending::Arena(range) if range.end == start => return range.start,
            Pending::Arena(range) => self.arena.extend_from_within(range.clone()),
            Pending::Shared(bytes) => self.arena.extend_from_slice(bytes),
        }
        outbox.pending = Pending::Arena(start..self.arena.len());
        start
    }

    fn mark(&mut self, link: LinkId, outbox: &mut Outbox) {
        if !std::mem::replace(&mut outbox.is_marked, true) {
            self.ready.push_back(link);
        }
    }

    fn queue(
        &mut self,
        outbox: &mut Outbox,
        bytes: Rc<[u8]>,
        from: usize,
        long_bytes: usize,
    ) -> Result<(), Overflow> {
        self.queued_bytes += bytes.len() - from;
        outbox.queue(bytes, from, long_bytes, self.bounds)
    }
}

/// An arena that grew beyond this for one batch is given back.
const ARENA_KEPT_MAX: usize = 4 << 20;

#[cfg(test)]
mod tests;
