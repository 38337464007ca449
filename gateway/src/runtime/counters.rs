//! What a tab ring counts: written by its own thread alone, read by anyone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
    /// The ring has ended.
    pub(super) ended: AtomicBool,
    /// How often the watchdog found the shard stuck.
    pub(super) stalls: AtomicU64,
}

impl RingCounters {
    /// How often the watchdog found this shard without progress.
    pub fn stalls(&self) -> u64 {
        self.stalls.load(Ordering::Relaxed)
    }

    /// Connections that are open now.
    pub fn open(&self) -> u64 {
        self.accepts.value().saturating_sub(self.closes.value())
    }
}
