//! The signals that a service is steered with, as messages to a shard.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::mailbox::{Inbox, RingWaker, task_mailbox};

/// What somebody wants of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: drain and end.
    Terminate,
    /// SIGINT: the same, from a terminal.
    Interrupt,
    /// SIGHUP: read the settings again.
    Reload,
}

/// The process's signals; they are delivered as long as this lives.
#[derive(Debug)]
pub struct SignalSource {
    handle: Handle,
}

/// Delivers SIGTERM, SIGINT and SIGHUP to a task on the shard that this waker wakes.
pub fn signals(waker: &RingWaker) -> io::Result<(SignalSource, Inbox<Signal>)> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let handle = signals.handle();
    let (mailbox, inbox) = task_mailbox(PENDING_MAX, waker);
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for number in signals.forever() {
                let signal = match number {
                    SIGTERM => Signal::Terminate,
                    SIGHUP => Signal::Reload,
                    _ => Signal::Interrupt,
                };
                // When so many wait already, one more says nothing new.
                let _ = mailbox.send(signal);
            }
        })?;
    Ok((SignalSource { handle }, inbox))
}

impl Drop for SignalSource {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// Signals that may wait to be handled.
const PENDING_MAX: usize = 16;
