//! Where the ring rests: giving the executor's other tasks their turn while
//! there is traffic, and sleeping in the executor while there is none.
//!
//! Completions of the private ring are seen from the executor through an event
//! descriptor only: polling the ring's own descriptor never wakes with deferred
//! task running.
#![allow(unsafe_code)]

use std::future::Future;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use glommio::io::BufferedFile;
use okgate_core::base::Engine;

use super::{Outside, TabRing};
use crate::runtime::mailbox::Rest;
use crate::runtime::task;

/// The executor's read of the ring's event descriptor.
pub(super) struct Park {
    event: Rc<BufferedFile>,
    read: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Park {
    pub(super) fn new(event: BorrowedFd<'_>) -> io::Result<Self> {
        let event = event.try_clone_to_owned()?;
        // SAFETY: the descriptor is a duplicate that the file owns from here on.
        let event = unsafe { BufferedFile::from_raw_fd(event.into_raw_fd()) };
        Ok(Self {
            event: Rc::new(event),
            read: None,
        })
    }

    /// Sleeps until the event descriptor is written, at most this long.
    /// Returns whether it was written.
    async fn sleep(&mut self, longest: Duration) -> bool {
        let event = Rc::clone(&self.event);
        let read = self.read.get_or_insert_with(|| {
            Box::pin(async move {
                // A failed read is a wake-up too: the ring looks for itself.
                let _ = event.read_at(0, 8).await;
            })
        });
        let announced = async {
            read.await;
            true
        };
        let over = async {
            task::sleep(longest).await;
            false
        };
        let announced = futures_lite::future::or(announced, over).await;
        if announced {
            self.read = None;
        }
        announced
    }
}

impl<Message> TabRing<Message> {
    /// Lets the executor's other tasks run when their time has come, and
    /// sleeps if a whole period brought no traffic.
    pub(super) async fn rest<E, X>(&mut self, engine: &E, outside: &X) -> io::Result<()>
    where
        E: Engine<Inbox = Message>,
        X: Outside<E::Outbox>,
    {
        let now = self.clock.instant();
        let woken = self.waker.take_tasks();
        if !woken && now.since(self.last_turn) < self.seat.preempt() {
            return Ok(());
        }
        if woken || self.traffic || !self.completions.is_empty() {
            self.traffic = false;
            self.counters.turns.add(1);
            task::run_others().await;
        } else {
            let longest = self
                .next_timeout(engine, outside)
                .map_or(PARK_MAX, |timeout| timeout.since(now).min(PARK_MAX));
            self.park(longest).await?;
        }
        self.last_turn = self.clock.instant();
        Ok(())
    }

    async fn park(&mut self, longest: Duration) -> io::Result<()> {
        self.queue.submit(None)?;
        self.queue.notify();
        self.waker.fall_asleep(Rest::Parked);
        if !self.queue.pending() && !self.has_messages() && !self.waker.tasks_pending() {
            self.counters.parks.add(1);
            self.counters.waiting.store(true, Ordering::Relaxed);
            let announced = self.park.sleep(longest).await;
            self.counters.waiting.store(false, Ordering::Relaxed);
            if !announced && self.queue.pending() {
                self.counters.lost_wakeups.add(1);
            }
        }
        self.waker.awake();
        self.queue.silence();
        self.queue.submit(None)?;
        self.queue.take_completions(&mut self.completions);
        Ok(())
    }
}

/// The longest sleep: a wake-up that was lost for whatever reason costs no
/// more than this, and is counted; so does a task that the executor forgot
/// (see `task::run_others`).
const PARK_MAX: Duration = Duration::from_millis(500);
