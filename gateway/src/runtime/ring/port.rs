//! The two ends of a shard, made before its thread starts: the handle that
//! others hold, and the port that the ring takes over.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::runtime::counters::RingCounters;
use crate::runtime::mailbox::{Inbox, Mailbox, MailboxError, RingWaker, mailbox};

/// What other threads hold of a shard.
#[derive(Debug)]
pub struct ShardHandle<Message> {
    mailbox: Mailbox<Message>,
    waker: RingWaker,
    control: Control,
    counters: Arc<RingCounters>,
}

impl<Message> Clone for ShardHandle<Message> {
    fn clone(&self) -> Self {
        Self {
            mailbox: self.mailbox.clone(),
            waker: self.waker.clone(),
            control: self.control.clone(),
            counters: Arc::clone(&self.counters),
        }
    }
}

impl<Message> ShardHandle<Message> {
    /// Queues a message for the shard's engine and wakes the shard.
    pub fn send(&self, message: Message) -> Result<(), MailboxError<Message>> {
        self.mailbox.send(message)
    }

    /// How many messages wait for the shard.
    pub fn pending(&self) -> usize {
        self.mailbox.len()
    }

    /// Has the shard close its listening sockets; connections stay.
    pub fn stop_accepting(&self) {
        self.control.raise(DRAINING);
        self.waker.wake();
    }

    /// Has the shard close everything and end.
    pub fn stop(&self) {
        self.control.raise(STOPPING);
        self.waker.wake();
    }

    /// The shard's counters.
    pub fn counters(&self) -> &Arc<RingCounters> {
        &self.counters
    }

    /// What wakes the shard, for further mailboxes.
    pub fn waker(&self) -> &RingWaker {
        &self.waker
    }
}

/// What a shard's ring takes over.
#[derive(Debug)]
pub struct ShardPort<Message> {
    /// The shard's listening sockets; [`Peer::listener`](okgate_core::base::Peer)
    /// is the place in this list.
    pub listeners: Vec<TcpListener>,
    pub(super) inbox: Inbox<Message>,
    pub(super) waker: RingWaker,
    pub(super) control: Control,
    pub(super) counters: Arc<RingCounters>,
}

/// Both ends of a shard that is yet to be started; its mailbox holds up to
/// `capacity` messages.
pub fn shard_port<Message: Send>(
    capacity: usize,
) -> io::Result<(ShardHandle<Message>, ShardPort<Message>)> {
    let waker = RingWaker::new()?;
    let (mailbox, inbox) = mailbox(capacity, &waker);
    let control = Control::default();
    let counters = Arc::new(RingCounters::default());
    let handle = ShardHandle {
        mailbox,
        waker: waker.clone(),
        control: control.clone(),
        counters: Arc::clone(&counters),
    };
    let port = ShardPort {
        listeners: Vec::new(),
        inbox,
        waker,
        control,
        counters,
    };
    Ok((handle, port))
}

/// What a shard is told to do about its life.
#[derive(Clone, Debug, Default)]
pub(super) struct Control(Arc<AtomicU8>);

impl Control {
    fn raise(&self, level: u8) {
        self.0.fetch_max(level, Ordering::Relaxed);
    }

    /// Whether the shard accepts no connections any more.
    pub(super) fn draining(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= DRAINING
    }

    /// Whether the shard is to end.
    pub(super) fn stopping(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= STOPPING
    }
}

const DRAINING: u8 = 1;
const STOPPING: u8 = 2;
