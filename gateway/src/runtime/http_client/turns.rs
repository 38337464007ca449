//! Whose turn it is: so many at a time, so many that wait.

use std::cell::Cell;
use std::time::Duration;

use async_channel::{Receiver, Sender};

use crate::runtime::task;

/// Turns for tasks of one shard: a token each.
pub(super) struct Turns {
    give: Sender<()>,
    take: Receiver<()>,
    waiting: Cell<usize>,
    waiting_max: usize,
}

/// A turn, until it is dropped.
pub(super) struct Turn<'a>(&'a Sender<()>);

impl Turns {
    /// So many turns at a time (at least one), and so many that may wait for one.
    pub(super) fn new(at_a_time: usize, waiting_max: usize) -> Self {
        let count = at_a_time.max(1);
        let (give, take) = async_channel::bounded(count);
        for _ in 0..count {
            // There is room for exactly these.
            let _token = give.try_send(());
        }
        Self {
            give,
            take,
            waiting: Cell::new(0),
            waiting_max,
        }
    }

    /// A turn, now or within this time; `None` if too many wait or none comes.
    pub(super) async fn take(&self, within: Duration) -> Option<Turn<'_>> {
        if self.take.try_recv().is_err() {
            let _waiting = Waiting::begin(&self.waiting, self.waiting_max)?;
            task::timeout(within, self.take.recv()).await?.ok()?;
        }
        Some(Turn(&self.give))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Its token came out of the channel, so there is room.
        let _token = self.0.try_send(());
    }
}

struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn begin(count: &'a Cell<usize>, max: usize) -> Option<Self> {
        let now = count.get();
        (now < max).then(|| {
            count.set(now + 1);
            Self(count)
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
