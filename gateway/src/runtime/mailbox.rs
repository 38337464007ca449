//! Messages between threads: bounded queues that wake a shard at once.
//!
//! A [`RingWaker`] ends the wait of one shard, wherever that shard waits; a
//! write to an event descriptor happens only when the shard really sleeps, so
//! a stream of messages costs one wake-up. A [`mailbox`] feeds a shard's engine
//! or the hub beside it, a [`task_mailbox`] an async task that runs beside the
//! ring, and a [`LocalMailbox`] a shard's engine within the shard's own thread.
//! Nothing here ever blocks the thread that sends.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use async_channel::{Receiver, Sender, TrySendError};

use super::system;
use super::task::sleep;

/// Ends the wait of one shard. Clones wake the same shard.
#[derive(Clone, Debug)]
pub struct RingWaker {
    state: Arc<WakeState>,
}

#[derive(Debug)]
struct WakeState {
    /// One of `AWAKE`, `WAITING`, `PARKED`, `NOTIFIED`.
    rest: AtomicU8,
    tasks: AtomicBool,
    /// Ends a wait in the ring, which polls it.
    ring: File,
    /// Ends a sleep in the executor, which reads it; the kernel writes it too
    /// when the ring has completions. A write to `ring` would not do: the
    /// kernel does not pass a wake-up on from one event descriptor to another.
    park: File,
}

/// Where a shard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Rest {
    /// It waits in its ring.
    Waiting = WAITING,
    /// It sleeps in its executor.
    Parked = PARKED,
}

impl RingWaker {
    /// A waker for a shard that is yet to be started.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            state: Arc::new(WakeState {
                rest: AtomicU8::new(AWAKE),
                tasks: AtomicBool::new(false),
                ring: File::from(system::event_descriptor(libc::EFD_NONBLOCK)?),
                // The executor's read of a non-blocking descriptor would fail.
                park: File::from(system::event_descriptor(0)?),
            }),
        })
    }

    /// Wakes the shard if it sleeps, and keeps it from falling asleep before it
    /// has looked through its mailboxes.
    pub fn wake(&self) {
        // The exchange publishes what was queued before it: the shard either
        // reads it in `awake`, or its `fall_asleep` fails.
        let mut event = match self.state.rest.swap(NOTIFIED, Ordering::AcqRel) {
            WAITING => &self.state.ring,
            PARKED => &self.state.park,
            _ => return,
        };
        // It can only fail when 2^64 wake-ups were never read: the shard is awake then.
        let _ = event.write(&1_u64.to_ne_bytes());
    }

    /// Wakes the shard and has it run its other tasks, which the message is for.
    pub fn wake_tasks(&self) {
        self.state.tasks.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether a task beside the ring was woken since the last call.
    pub(super) fn take_tasks(&self) -> bool {
        self.state.tasks.load(Ordering::Relaxed) && self.state.tasks.swap(false, Ordering::Acquire)
    }

    /// Whether a wake-up for a task beside the ring is outstanding.
    pub(super) fn tasks_pending(&self) -> bool {
        self.state.tasks.load(Ordering::Relaxed)
    }

    /// The shard is about to look through its mailboxes.
    pub(super) fn awake(&self) {
        self.state.rest.swap(AWAKE, Ordering::AcqRel);
    }

    /// Announces that the shard is about to rest; `false` if something was
    /// queued since [`RingWaker::awake`].
    pub(super) fn fall_asleep(&self, rest: Rest) -> bool {
        self.pass(AWAKE, rest as u8)
    }

    /// The shard rests no longer; what was queued meanwhile is not forgotten.
    pub(super) fn get_up(&self, rest: Rest) {
        self.pass(rest as u8, AWAKE);
    }

    fn pass(&self, from: u8, to: u8) -> bool {
        let rest = &self.state.rest;
        rest.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// The event descriptor that the ring polls.
    pub(super) fn ring_event(&self) -> BorrowedFd<'_> {
        self.state.ring.as_fd()
    }

    /// The event descriptor that the executor reads.
    pub(super) fn park_event(&self) -> BorrowedFd<'_> {
        self.state.park.as_fd()
    }
}

const AWAKE: u8 = 0;
const WAITING: u8 = 1;
const PARKED: u8 = 2;
/// Awake, or about to be, with something new in a mailbox.
const NOTIFIED: u8 = 3;

/// Why a message was not taken; it is handed back.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailboxError<T> {
    /// The mailbox holds as many messages as it may.
    #[error("the mailbox is full")]
    Full(T),
    /// The receiving shard has ended.
    #[error("the receiver has ended")]
    Closed(T),
}

impl<T> From<TrySendError<T>> for MailboxError<T> {
    fn from(error: TrySendError<T>) -> Self {
        match error {
            TrySendError::Full(message) => Self::Full(message),
            TrySendError::Closed(message) => Self::Closed(message),
        }
    }
}

/// The sending end of a mailbox; any thread may hold it.
#[derive(Debug)]
pub struct Mailbox<T> {
    sender: Sender<T>,
    waker: RingWaker,
    wake: fn(&RingWaker),
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            waker: self.waker.clone(),
            wake: self.wake,
        }
    }
}

impl<T> Mailbox<T> {
    /// Queues a message, wakes the receiver's shard if it sleeps, and has it run
    /// the receiving task if there is one.
    pub fn send(&self, message: T) -> Result<(), MailboxError<T>> {
        self.sender.try_send(message)?;
        (self.wake)(&self.waker);
        Ok(())
    }

    /// Queues a message as soon as there is room, and lets the shard's other tasks run
    /// until then. A receiver that has ended gets nothing.
    pub async fn send_when_room(&self, mut message: T) {
        while let Err(MailboxError::Full(refused)) = self.send(message) {
            message = refused;
            sleep(RETRY).await;
        }
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.sender.len()
    }

    /// Whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.sender.is_empty()
    }
}

/// The receiving end of a mailbox: of a shard's ring, of what runs beside its
/// engine, or of an async task.
#[derive(Debug)]
pub struct Inbox<T> {
    receiver: Receiver<T>,
}

impl<T> Inbox<T> {
    /// The next message, if there is one.
    pub fn take(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    /// Waits for the next message; `None` when every sender is gone. Only a
    /// [`task_mailbox`] has the shard run the task that waits.
    pub async fn receive(&self) -> Option<T> {
        self.receiver.recv().await.ok()
    }

    /// Whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.receiver.len()
    }
}

/// A mailbox for what the shard looks through by itself; it holds up to `capacity`
/// messages.
pub fn mailbox<T: Send>(capacity: usize, waker: &RingWaker) -> (Mailbox<T>, Inbox<T>) {
    both_ends(capacity, waker, RingWaker::wake)
}

/// A mailbox for a task beside the shard's ring; it holds up to `capacity` messages.
pub fn task_mailbox<T: Send>(capacity: usize, waker: &RingWaker) -> (Mailbox<T>, Inbox<T>) {
    both_ends(capacity, waker, RingWaker::wake_tasks)
}

fn both_ends<T>(
    capacity: usize,
    waker: &RingWaker,
    wake: fn(&RingWaker),
) -> (Mailbox<T>, Inbox<T>) {
    let (sender, receiver) = async_channel::bounded(capacity.max(1));
    let waker = waker.clone();
    let mailbox = Mailbox {
        sender,
        waker,
        wake,
    };
    (mailbox, Inbox { receiver })
}

/// A mailbox within one thread: for what a shard's own neighbours tell it.
///
/// Its bound is that of its senders: they answer what the shard posted.
#[derive(Debug)]
pub struct LocalMailbox<T> {
    queue: Rc<RefCell<VecDeque<T>>>,
    waker: RingWaker,
}

impl<T> Clone for LocalMailbox<T> {
    fn clone(&self) -> Self {
        Self {
            queue: Rc::clone(&self.queue),
            waker: self.waker.clone(),
        }
    }
}

impl<T> LocalMailbox<T> {
    /// An empty mailbox of the shard that this waker wakes.
    pub fn new(waker: &RingWaker) -> Self {
        Self {
            queue: Rc::default(),
            waker: waker.clone(),
        }
    }

    /// Queues a message; handled in the same wake-up if the shard's own
    /// [`Outside`](super::Outside) sends it.
    pub fn send(&self, message: T) {
        self.queue.borrow_mut().push_back(message);
        self.waker.wake();
    }

    /// The next message, if there is one.
    pub fn take(&self) -> Option<T> {
        self.queue.borrow_mut().pop_front()
    }

    /// Whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.queue.borrow().len()
    }
}

/// When a full mailbox is tried again.
const RETRY: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn wakeups(waker: &RingWaker) -> u64 {
        waker.state.ring.try_clone().map_or(0, |mut event| {
            let mut count = [0; 8];
            event
                .read_exact(&mut count)
                .map_or(0, |()| u64::from_ne_bytes(count))
        })
    }

    #[test]
    fn many_messages_to_a_sleeper_cost_one_wake_up() {
        let waker = RingWaker::new().expect("an event descriptor");
        let (mailbox, inbox) = mailbox(8, &waker);
        assert!(waker.fall_asleep(Rest::Waiting));
        for number in 0..5 {
            mailbox.send(number).expect("room");
        }
        assert_eq!(wakeups(&waker), 1);
        let received: Vec<i32> = std::iter::from_fn(|| inbox.take()).collect();
        assert_eq!(received, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_shard_that_was_told_something_does_not_fall_asleep_before_it_has_looked() {
        let waker = RingWaker::new().expect("an event descriptor");
        let (mailbox, _inbox) = mailbox(8, &waker);
        waker.awake();
        mailbox.send(1).expect("room");
        assert!(!waker.fall_asleep(Rest::Waiting));
        assert!(!waker.fall_asleep(Rest::Parked));
        waker.awake();
        assert!(waker.fall_asleep(Rest::Parked));
        mailbox.send(2).expect("room");
        waker.get_up(Rest::Parked);
        assert!(!waker.fall_asleep(Rest::Waiting));
    }

    #[test]
    fn a_full_mailbox_hands_the_message_back() {
        let waker = RingWaker::new().expect("an event descriptor");
        let (mailbox, inbox) = mailbox(2, &waker);
        assert_eq!(mailbox.send(1), Ok(()));
        assert_eq!(mailbox.send(2), Ok(()));
        assert_eq!(mailbox.send(3), Err(MailboxError::Full(3)));
        drop(inbox);
        assert_eq!(mailbox.send(4), Err(MailboxError::Closed(4)));
    }
}
