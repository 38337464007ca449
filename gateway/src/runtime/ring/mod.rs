//! The tab ring: a private `io_uring` per shard that carries the clients' connections.
//!
//! Owns the listening sockets, the connections, the receive buffers and the
//! shard's mailboxes. In come the kernel's completions and messages of other
//! threads; out go sends. What the bytes mean is the business of the
//! [`Engine`] that it drives; the ring never looks into them.
//!
//! One wake-up is: completions to the engine, then messages and timers, then
//! the engine's actions until there are none, then all sends in one system
//! call that also waits for the next completion. While there is traffic the
//! ring waits in its own queue, with polls on the executor's rings, and gives
//! the executor's other tasks a turn when those have events, and every few
//! milliseconds for their timers; without traffic it sleeps in the executor.

mod accept;
mod batch;
mod buffers;
mod drive;
mod links;
mod park;
mod port;
mod queue;
mod sweep;
mod token;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use okgate_core::base::{Engine, Instant};

use self::accept::{LOG_PAUSE, Listener};
use self::batch::Batch;
use self::links::Links;
use self::park::Park;
use self::queue::{Completion, Queue, QueueSizes};
use self::sweep::Sweep;
use super::clock::Clock;
use super::counters::RingCounters;
use super::executor::Seat;
use super::mailbox::{Inbox, LocalMailbox, RingWaker};
use super::system;
use crate::log::RateLimited;

pub(super) use self::park::PARK_MAX;
pub use self::port::{ShardHandle, ShardPort, shard_port};
pub(super) use self::queue::probe;

/// The sizes of a tab ring.
#[derive(Clone, Copy, Debug)]
pub struct RingSettings {
    /// Operations that one system call can take; a power of two.
    pub submissions: u32,
    /// Completions that the kernel can leave at once; a power of two.
    pub completions: u32,
    /// Receive buffers of the shard; a power of two up to 32,768.
    pub buffers: u16,
    /// Bytes of one receive buffer.
    pub buffer_bytes: u32,
    /// Messages taken from the mailbox in one wake-up; the rest waits for the next.
    pub messages_per_wakeup_max: usize,
    /// How long the ring waits without traffic before it sleeps in the executor.
    pub quiet: Duration,
    /// How often the executor's other tasks have a turn while there is traffic,
    /// apart from the turns for their own events: how late their timers may be.
    pub turn_every: Duration,
    /// Connections whose descriptor is this or higher are refused; see
    /// [`RingSettings::with_descriptors`].
    pub descriptors_max: u64,
}

impl Default for RingSettings {
    fn default() -> Self {
        Self {
            submissions: 4096,
            completions: 16_384,
            buffers: 512,
            buffer_bytes: 4096,
            messages_per_wakeup_max: 1024,
            quiet: Duration::from_micros(500),
            turn_every: Duration::from_millis(5),
            descriptors_max: u64::MAX,
        }
    }
}

impl RingSettings {
    /// Refuses connections when fewer than 64 descriptors are left of what
    /// [`prepare`](super::prepare) returned.
    #[must_use]
    pub fn with_descriptors(mut self, limit: u64) -> Self {
        self.descriptors_max = limit.saturating_sub(DESCRIPTORS_RESERVED);
        self
    }
}

/// What is beside a shard's engine on its thread: where its posts go.
///
/// A closure `FnMut(Outbox, Instant)` is one, for a shard without a neighbour
/// that has timers or a mailbox of its own.
pub trait Outside<Outbox> {
    /// Takes what the engine posted. Answers for this shard go to its
    /// [`LocalMailbox`], and reach the engine before its next action is asked for.
    fn post(&mut self, message: Outbox, now: Instant);

    /// Called once in every wake-up, before the engine's actions: for a
    /// mailbox and timers of its own.
    fn turn(&mut self, now: Instant) {
        let _ = now;
    }

    /// When it wants [`Outside::turn`] to be called at the latest.
    fn next_timeout(&self) -> Option<Instant> {
        None
    }
}

impl<Outbox, Post: FnMut(Outbox, Instant)> Outside<Outbox> for Post {
    fn post(&mut self, message: Outbox, now: Instant) {
        self(message, now);
    }
}

/// A shard's ring, made on the shard's own thread.
pub struct TabRing<Message> {
    // The queue goes first: its operations end before the sockets are closed.
    queue: Queue,
    links: Links,
    listeners: Vec<Listener>,
    batch: Batch,
    completions: Vec<Completion>,
    /// Connections whose receive ended for want of a buffer.
    starved: Vec<u32>,
    sweep: Sweep,
    park: Park,
    waker: RingWaker,
    inbox: Inbox<Message>,
    local: LocalMailbox<Message>,
    port: port::Control,
    counters: Arc<RingCounters>,
    settings: RingSettings,
    clock: Clock,
    seat: Seat,
    refused_log: RateLimited,
    failed_log: RateLimited,
    /// The multishot poll of the shard's event descriptor is in the kernel.
    watching: bool,
    /// Bit by bit: the polls of the executor's rings that are in the kernel.
    executor_polls: u8,
    /// The executor has events.
    executor_due: bool,
    /// Something happened in this wake-up.
    traffic: bool,
    last_traffic: Instant,
    last_turn: Instant,
}

impl<Message> TabRing<Message> {
    /// A ring on the calling shard's thread.
    pub fn new(seat: &Seat, settings: RingSettings, port: ShardPort<Message>) -> io::Result<Self> {
        let sizes = QueueSizes {
            submissions: settings.submissions,
            completions: settings.completions,
            buffers: settings.buffers,
            buffer_bytes: settings.buffer_bytes,
        };
        let queue = Queue::new(sizes, port.waker.park_event())?;
        let park = Park::new(port.waker.park_event())?;
        let clock = seat.clock();
        Ok(Self {
            queue,
            links: Links::default(),
            listeners: port.listeners.into_iter().map(Listener::new).collect(),
            batch: Batch::default(),
            completions: Vec::new(),
            starved: Vec::new(),
            sweep: Sweep::new(clock.instant()),
            park,
            local: LocalMailbox::new(&port.waker),
            waker: port.waker,
            inbox: port.inbox,
            port: port.control,
            counters: port.counters,
            settings,
            clock,
            seat: seat.clone(),
            refused_log: RateLimited::new(LOG_PAUSE),
            failed_log: RateLimited::new(LOG_PAUSE),
            watching: false,
            executor_polls: 0,
            executor_due: false,
            traffic: true,
            last_traffic: clock.instant(),
            last_turn: clock.instant(),
        })
    }

    /// The mailbox for neighbours on the shard's own thread.
    pub fn local_mailbox(&self) -> LocalMailbox<Message> {
        self.local.clone()
    }

    /// Serves until [`ShardHandle::stop`], then closes everything and hands
    /// the engine back.
    pub async fn run<E, X>(mut self, mut engine: E, mut outside: X) -> io::Result<E>
    where
        E: Engine<Inbox = Message>,
        X: Outside<E::Outbox>,
    {
        let thread = system::thread_id();
        self.counters.thread.store(thread, Ordering::Relaxed);
        while self.wake_up(&mut engine, &mut outside)? {
            self.rest(&engine, &outside).await?;
        }
        self.stop_accepting()?;
        self.queue.submit(None)?;
        self.counters.ended.store(true, Ordering::Relaxed);
        Ok(engine)
    }
}

/// Descriptors that are kept for listeners, files, the CRM and the admin interface.
const DESCRIPTORS_RESERVED: u64 = 64;
