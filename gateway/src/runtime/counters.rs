//! What a tab ring counts: written by its own thread alone, read by anyone.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// A number that one thread raises and any thread reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Raises it. Only the owning thread may call this: a second writer's
    /// additions could be lost.
    pub fn add(&self, amount: u64) {
        let value = self.0.load(Ordering::Relaxed).wrapping_add(amount);
        self.0.store(value, Ordering::Relaxed);
    }

    /// Its value.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one shard's tab ring.
#[derive(Debug, Default)]
pub struct RingCounters {
    /// Connections accepted.
    pub accepts: Counter,
    /// Failed accepts (no descriptors left, mostly).
    pub accept_errors: Counter,
    /// Connections refused because the process is near its descriptor limit.
    pub refused_descriptors: Counter,
    /// Connections closed, by either side.
    pub closes: Counter,
    /// Pieces received.
    pub receives: Counter,
    /// Bytes received.
    pub received_bytes: Counter,
    /// Sends handed to the kernel.
    pub sends: Counter,
    /// Bytes handed to the kernel for sending.
    pub sent_bytes: Counter,
    /// Sends that a socket did not take whole.
    pub unsent: Counter,
    /// Sends that failed because the connection was gone.
    pub send_errors: Counter,
    /// Second sends on a link within one batch, which cost a system call each.
    pub repeated_sends: Counter,
    /// Receives that ended because no buffer was free.
    pub buffers_exhausted: Counter,
    /// Receives started anew because the socket had something that the kernel
    /// did not tell; most of them are ends of connections.
    pub receives_renewed: Counter,
    /// Times that the kernel had more completions than the queue holds.
    pub overflows: Counter,
    /// Waits in the tab ring.
    pub waits: Counter,
    /// Turns given to the other tasks of the executor while there was traffic.
    pub turns: Counter,
    /// Times that the ring went to sleep because there was no traffic.
    pub parks: Counter,
    /// Completions found after a sleep that no wake-up had announced.
    pub lost_wakeups: Counter,
    /// Messages taken from the mailboxes.
    pub messages: Counter,
    /// Rises with every wake-up: at least every half second, also without traffic.
    pub progress: Counter,
    /// What the shard's thread does: a [`Place`].
    place: AtomicU8,
    /// The thread's id, once it runs.
    pub(super) thread: AtomicU32,
    /// The ring has ended.
    pub(super) ended: AtomicBool,
    /// How often the watchdog found the shard stuck.
    pub(super) stalls: AtomicU64,
}

/// What a shard's thread does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Place {
    /// It handles what came and hands sends to the kernel.
    Working = 0,
    /// It sends, and waits in the ring.
    Waiting = 1,
    /// It lets the executor's other tasks run.
    Turn = 2,
    /// It sleeps in the executor.
    Parked = 3,
}

impl RingCounters {
    /// Notes what the shard's thread does from now on.
    pub(super) fn enter(&self, place: Place) {
        self.place.store(place as u8, Ordering::Relaxed);
    }

    /// What the shard's thread does now.
    pub(super) fn place(&self) -> Place {
        match self.place.load(Ordering::Relaxed) {
            1 => Place::Waiting,
            2 => Place::Turn,
            3 => Place::Parked,
            _ => Place::Working,
        }
    }

    /// Everything that only rises, by the names that metrics use.
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        let counters = [
            ("accepts", &self.accepts),
            ("accept_errors", &self.accept_errors),
            ("refused_descriptors", &self.refused_descriptors),
            ("closes", &self.closes),
            ("receives", &self.receives),
            ("received_bytes", &self.received_bytes),
            ("sends", &self.sends),
            ("sent_bytes", &self.sent_bytes),
            ("unsent", &self.unsent),
            ("send_errors", &self.send_errors),
            ("repeated_sends", &self.repeated_sends),
            ("buffers_exhausted", &self.buffers_exhausted),
            ("receives_renewed", &self.receives_renewed),
            ("overflows", &self.overflows),
            ("waits", &self.waits),
            ("turns", &self.turns),
            ("parks", &self.parks),
            ("lost_wakeups", &self.lost_wakeups),
            ("messages", &self.messages),
        ];
        let counters = counters.map(|(name, counter)| (name, counter.value()));
        let stalls = [("stalls", self.stalls())];
        counters.into_iter().chain(stalls).collect()
    }

    /// How often the watchdog found this shard without progress.
    pub fn stalls(&self) -> u64 {
        self.stalls.load(Ordering::Relaxed)
    }

    /// Connections that are open now.
    pub fn open(&self) -> u64 {
        self.accepts.value().saturating_sub(self.closes.value())
    }
}
