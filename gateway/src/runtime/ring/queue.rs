//! The private `io_uring`: entries go in, completions come out.
//!
//! Owns the ring and the buffer pool, in the order in which they must be torn
//! down. Knows nothing of engines or connections.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use super::buffers::{self, BufferPool};
use super::token::{Kind, Token};
use crate::runtime::system;

/// What the kernel says about an operation.
#[derive(Debug)]
pub(super) struct Completion {
    pub(super) token: Token,
    pub(super) result: i32,
    flags: u32,
}

impl Completion {
    /// Whether a multishot operation goes on.
    pub(super) fn more(&self) -> bool {
        cqueue::more(self.flags)
    }

    /// The buffer that holds the received bytes.
    pub(super) fn buffer(&self) -> Option<u16> {
        cqueue::buffer_select(self.flags)
    }

    /// The socket that an accept brought; the error number if it failed.
    pub(super) fn into_socket(self) -> Result<OwnedFd, i32> {
        if self.token.kind == Kind::Accept && self.result >= 0 {
            // SAFETY: the result of an accept is a new descriptor that nobody
            // else owns; the completion is used up by this.
            Ok(unsafe { OwnedFd::from_raw_fd(self.result) })
        } else {
            Err(-self.result)
        }
    }
}

/// One send of a batch.
pub(super) struct Sending<'bytes> {
    pub(super) socket: BorrowedFd<'bytes>,
    pub(super) bytes: &'bytes [u8],
    pub(super) token: Token,
}

/// The ring and what the kernel shares with it.
pub(super) struct Queue {
    ring: IoUring,
    pub(super) buffers: BufferPool,
    collected: Vec<Completion>,
    overflows: u64,
    broken: bool,
}

/// The sizes of a ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueSizes {
    pub(super) submissions: u32,
    pub(super) completions: u32,
    pub(super) buffers: u16,
    pub(super) buffer_bytes: u32,
}

impl Queue {
    /// A ring that only the calling thread may use. It writes to `event` when
    /// it has completions, while [`Queue::notify`] is in force.
    pub(super) fn new(sizes: QueueSizes, event: BorrowedFd<'_>) -> io::Result<Self> {
        let making = system::making_rings();
        let ring = build(sizes.submissions, sizes.completions)?;
        drop(making);
        ring.submitter().register_eventfd(event.as_raw_fd())?;
        let buffers = BufferPool::new(&ring.submitter(), sizes.buffers, sizes.buffer_bytes)?;
        let mut queue = Self {
            ring,
            buffers,
            collected: Vec::new(),
            overflows: 0,
            broken: false,
        };
        queue.silence();
        Ok(queue)
    }

    /// Receives into the buffer pool until the connection ends.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        let entry = opcode::RecvMulti::new(Fd(socket.as_raw_fd()), buffers::GROUP).build();
        self.push(entry, token)
    }

    /// Accepts connections until cancelled.
    pub(super) fn accept(&mut self, listener: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        let entry = opcode::AcceptMulti::new(Fd(listener.as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build();
        self.push(entry, token)
    }

    /// Waits for room in the socket, once.
    pub(super) fn wait_writable(&mut self, socket: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        let events = u32::from(libc::POLLOUT.unsigned_abs());
        self.push(
            opcode::PollAdd::new(Fd(socket.as_raw_fd()), events).build(),
            token,
        )
    }

    /// Completes each time that the event descriptor is written, without reading it.
    pub(super) fn watch(&mut self, event: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        let events = u32::from(libc::POLLIN.unsigned_abs());
        let entry = opcode::PollAdd::new(Fd(event.as_raw_fd()), events)
            .multi(true)
            .build();
        self.push(entry, token)
    }

    /// Completes once when the other ring has events.
    pub(super) fn watch_ring(&mut self, ring: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        let events = u32::from(libc::POLLIN.unsigned_abs());
        self.push(
            opcode::PollAdd::new(Fd(ring.as_raw_fd()), events).build(),
            token,
        )
    }

    /// Ends the operations with this token; each completes as cancelled.
    pub(super) fn cancel(&mut self, token: Token) -> io::Result<()> {
        let entry = opcode::AsyncCancel::new(token.pack()).build();
        self.push(entry, Token::new(Kind::Cancel, 0, 0))
    }

    /// Sends, each with its bytes, and waits like [`Queue::submit`]. All sends
    /// are settled on return: those without a completion have gone out whole.
    pub(super) fn send<'bytes>(
        &mut self,
        sends: impl Iterator<Item = Sending<'bytes>>,
        wait: Option<Duration>,
    ) -> io::Result<()> {
        for sending in sends {
            let length = u32::try_from(sending.bytes.len()).unwrap_or(u32::MAX);
            let entry = opcode::Send::new(
                Fd(sending.socket.as_raw_fd()),
                sending.bytes.as_ptr(),
                length,
            )
            .flags(libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS);
            self.push(entry, sending.token)?;
        }
        self.submit(wait)
    }

    /// Submits everything, waits up to `wait` for a completion, and collects
    /// all completions there are, so that none is left behind in the kernel.
    pub(super) fn submit(&mut self, wait: Option<Duration>) -> io::Result<()> {
        self.enter(wait)?;
        while self.unsubmitted() || self.overflown() {
            self.enter(None)?;
        }
        Ok(())
    }

    /// Moves the completions collected so far to the end of this list.
    pub(super) fn take_completions(&mut self, completions: &mut Vec<Completion>) {
        if completions.is_empty() {
            std::mem::swap(&mut self.collected, completions);
        } else {
            completions.append(&mut self.collected);
        }
    }

    /// How often the kernel had more completions than the queue holds, since
    /// the last call.
    pub(super) fn take_overflows(&mut self) -> u64 {
        std::mem::take(&mut self.overflows)
    }

    fn overflown(&mut self) -> bool {
        self.ring.submission().cq_overflow()
    }

    /// Whether there is something to submit, to run or to collect.
    pub(super) fn pending(&mut self) -> bool {
        let submission = self.ring.submission();
        let pending = !submission.is_empty() || submission.taskrun() || submission.cq_overflow();
        drop(submission);
        pending || !self.collected.is_empty() || !self.ring.completion().is_empty()
    }

    /// Has completions written to the event descriptor from now on. The caller
    /// checks [`Queue::pending`] once more before it sleeps.
    pub(super) fn notify(&mut self) {
        self.ring.completion().enable_eventfd();
        fence(Ordering::SeqCst);
    }

    /// Has completions no longer written to the event descriptor.
    pub(super) fn silence(&mut self) {
        self.ring.completion().disable_eventfd();
    }

    /// Adds an operation. The bytes that a send refers to must stay borrowed
    /// until the caller's next [`Queue::submit`] has returned.
    fn push(&mut self, entry: squeue::Entry, token: Token) -> io::Result<()> {
        let entry = entry.user_data(token.pack());
        // SAFETY: receives select buffers of the pool, which outlives the ring;
        // polls, accepts and cancels refer to no memory. A send's bytes are
        // borrowed by `Queue::send` until it returns: by then every entry has
        // been submitted, and the kernel is done with a `MSG_DONTWAIT` send
        // within its submission. After an error nothing is submitted any more.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.enter(None)?;
        }
        Ok(())
    }

    fn unsubmitted(&mut self) -> bool {
        !self.ring.submission().is_empty()
    }

    fn enter(&mut self, wait: Option<Duration>) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("the ring has failed before"));
        }
        let result = match wait {
            Some(wait) if !wait.is_zero() => {
                let wait = Timespec::from(wait);
                let arguments = SubmitArgs::new().timespec(&wait);
                self.ring.submitter().submit_with_args(1, &arguments)
            }
            _ => self.ring.submitter().submit(),
        };
        self.overflows += u64::from(self.overflown());
        self.collected
            .extend(self.ring.completion().map(|entry| Completion {
                token: Token::unpack(entry.user_data()),
                result: entry.result(),
                flags: entry.flags(),
            }));
        let Err(error) = result else {
            return Ok(());
        };
        let passing = matches!(
            error.raw_os_error(),
            // The time was over, a signal came, or completions had to be
            // collected first; what was not submitted is tried again.
            Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
        );
        if passing {
            return Ok(());
        }
        self.broken = true;
        Err(error)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let cancelled = self
            .ring
            .submitter()
            .register_sync_cancel(Some(Timespec::from(STOP_WAIT)), CancelBuilder::any());
        let done = match cancelled {
            Ok(()) => true,
            Err(error) => error.raw_os_error() == Some(libc::ENOENT),
        };
        if !done {
            self.buffers.leak();
        }
    }
}

/// Makes a small ring of the kind that shards use, to see whether it is allowed.
pub(in crate::runtime) fn probe() -> io::Result<()> {
    let _making = system::making_rings();
    build(8, 16).map(drop)
}

fn build(submissions: u32, completions: u32) -> io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .setup_cqsize(completions)
        .build(submissions)
}

/// How long a ring may take to stop.
const STOP_WAIT: Duration = Duration::from_secs(1);
