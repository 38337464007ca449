//! What links are still to be told: encode once, queue the same bytes for many.
//!
//! In come bytes for one link (answers) or shared bytes for many (events, long
//! lists); out go sends, nearly always one a link and batch. What a full socket did
//! not take is queued up to a bound; a link that goes over it has met the
//! slow-consumer rule and is to be dropped, so that it never holds up others. A long
//! answer has a bound of its own: who asked for a list of thousands of numbers has to
//! be given the time to read it. It is sent, and waits, from where it is: however
//! many links it goes to and in however many steps, it is never copied. This module
//! knows neither sockets nor frames.
//!
//! Order of calls: [`Fanout::write`], [`Fanout::share`] and [`Fanout::share_long`] while a
//! batch is handled, then [`Fanout::poll_ready`] and [`Fanout::take`] until there is none,
//! [`Fanout::unsent`] for each send that was cut short, and [`Fanout::end_batch`].

mod outbox;

use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::{LinkId, Payload, SharedBytes};
use outbox::Pending;
pub use outbox::{Outbox, Overflow, QueueBounds};

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
    ///
    /// Within one batch a link whose socket takes bytes has the same bound as one
    /// whose socket is full, but for a single message, which may be as long as it is.
    pub fn write(
        &mut self,
        link: LinkId,
        outbox: &mut Outbox,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Overflow> {
        if outbox.is_blocked() {
            let start = self.arena.len();
            write(&mut self.arena);
            let bytes = Rc::from(&self.arena[start..]);
            self.arena.truncate(start);
            return self.queue(outbox, bytes, false);
        }
        let pending = self.gather(outbox);
        let start = self.arena.len();
        write(&mut self.arena);
        let before = match &outbox.pending {
            Pending::Several(_) => outbox.pending.amount().ordinary(),
            Pending::Nothing | Pending::One(_) => start - pending,
        };
        let added = self.arena.len() - start;
        if before > 0 && before.saturating_add(added) > self.bounds.bytes_max {
            self.arena.truncate(start);
            return Err(Overflow);
        }
        self.extend(outbox, pending);
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
            return self.queue(outbox, Rc::clone(bytes), false);
        }
        if matches!(outbox.pending, Pending::Nothing)
            && let Some(bytes) = SharedBytes::new(Rc::clone(bytes), false)
        {
            outbox.pending = Pending::One(Payload::Shared(bytes));
            self.mark(link, outbox);
            return Ok(());
        }
        self.write(link, outbox, |arena| arena.extend_from_slice(bytes))
    }

    /// Says a long answer, which is sent from where it is, to one more link.
    pub fn share_long(
        &mut self,
        link: LinkId,
        outbox: &mut Outbox,
        bytes: &Rc<[u8]>,
    ) -> Result<(), Overflow> {
        if outbox.is_blocked() {
            return self.queue(outbox, Rc::clone(bytes), true);
        }
        let bytes = SharedBytes::new(Rc::clone(bytes), true).ok_or(Overflow)?;
        let long = outbox.pending.amount().long();
        if long.saturating_add(bytes.rest().len()) > self.bounds.long_bytes_max {
            return Err(Overflow);
        }
        outbox.pending.push(Payload::Shared(bytes));
        self.mark(link, outbox);
        Ok(())
    }

    /// The next link that has something to say in this batch.
    pub fn poll_ready(&mut self) -> Option<LinkId> {
        self.ready.pop_front()
    }

    /// The first of what a link that [`Fanout::poll_ready`] named says; if there is
    /// more, the link is the next one to be named again. `None` if it was dropped
    /// meanwhile.
    pub fn take(&mut self, link: LinkId, outbox: &mut Outbox) -> Option<Payload> {
        match std::mem::replace(&mut outbox.pending, Pending::Nothing) {
            Pending::Several(payloads) => self.take_first(link, outbox, payloads),
            Pending::One(payload) => {
                outbox.is_marked = false;
                Some(payload)
            }
            Pending::Nothing => {
                outbox.is_marked = false;
                None
            }
        }
    }

    #[cold]
    #[expect(clippy::box_collection, reason = "it goes back where it came from")]
    fn take_first(
        &mut self,
        link: LinkId,
        outbox: &mut Outbox,
        mut payloads: Box<VecDeque<Payload>>,
    ) -> Option<Payload> {
        let first = payloads.pop_front();
        if payloads.is_empty() {
            outbox.is_marked = false;
        } else {
            outbox.pending = Pending::Several(payloads);
            self.ready.push_front(link);
        }
        first
    }

    /// The bytes of a payload of this batch.
    pub fn payload<'a>(&'a self, payload: &'a Payload) -> &'a [u8] {
        match payload {
            Payload::Arena(range) => &self.arena[range.clone()],
            Payload::Shared(bytes) => bytes.rest(),
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
        if outbox.is_cut() {
            return Ok(());
        }
        outbox.block();
        match payload {
            Payload::Arena(range) => {
                let rest = Rc::from(&self.arena[range.start + sent..range.end]);
                self.queue(outbox, rest, false)
            }
            Payload::Shared(bytes) => self.queue_bytes(outbox, bytes.after(sent)),
        }
    }

    /// The socket takes bytes again: what is queued is ready to be sent. Long answers
    /// go from where they are, all between them in one piece.
    pub fn writable(&mut self, link: LinkId, outbox: &mut Outbox) {
        let Some(backlog) = outbox.unblock() else {
            return;
        };
        self.queued_bytes -= backlog.bytes();
        for chunk in backlog.chunks {
            if chunk.is_long() {
                outbox.pending.push(Payload::Shared(chunk));
                continue;
            }
            let pending = self.gather(outbox);
            self.arena.extend_from_slice(chunk.rest());
            self.extend(outbox, pending);
        }
        if !matches!(outbox.pending, Pending::Nothing) {
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
        if outbox.is_blocked() {
            // The bound was met before; a close frame more is what it costs to say so.
            let _over = self.queue(outbox, Rc::from(bytes), false);
            return;
        }
        let pending = self.gather(outbox);
        self.arena.extend_from_slice(bytes);
        self.extend(outbox, pending);
        self.mark(link, outbox);
    }

    /// The batch's sends are settled: the arena is free again.
    pub fn end_batch(&mut self) {
        if self.ready.is_empty() {
            self.arena.clear();
            self.arena.shrink_to(ARENA_KEPT_MAX);
        }
    }

    /// Bytes that wait for full sockets, of all links. Those of a long answer count
    /// for each link that they wait for, but are there only once.
    pub const fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Makes the last piece that is pending the last one of the arena, so that more
    /// can follow; gives where it begins. Behind a long answer a new piece begins.
    fn gather(&mut self, outbox: &mut Outbox) -> usize {
        let start = self.arena.len();
        let Some(last) = outbox.pending.last_mut() else {
            return start;
        };
        match last {
            Payload::Arena(range) if range.end == start => return range.start,
            Payload::Arena(range) => self.arena.extend_from_within(range.clone()),
            Payload::Shared(bytes) if bytes.is_long() => return start,
            Payload::Shared(bytes) => self.arena.extend_from_slice(bytes.rest()),
        }
        *last = Payload::Arena(start..self.arena.len());
        start
    }

    /// What is in the arena from this place on, which [`Fanout::gather`] gave, is pending.
    fn extend(&self, outbox: &mut Outbox, start: usize) {
        let whole = start..self.arena.len();
        if whole.is_empty() {
            return;
        }
        match outbox.pending.last_mut() {
            Some(Payload::Arena(range)) if range.start == start => *range = whole,
            _ => outbox.pending.push(Payload::Arena(whole)),
        }
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
        is_long: bool,
    ) -> Result<(), Overflow> {
        let bytes = SharedBytes::new(bytes, is_long).ok_or(Overflow)?;
        self.queue_bytes(outbox, bytes)
    }

    fn queue_bytes(&mut self, outbox: &mut Outbox, bytes: SharedBytes) -> Result<(), Overflow> {
        self.queued_bytes += bytes.rest().len();
        outbox.queue(bytes, self.bounds)
    }
}

/// An arena that grew beyond this for one batch is given back.
const ARENA_KEPT_MAX: usize = 4 << 20;

#[cfg(test)]
mod tests;
