//! Where the ring rests: giving the executor's other tasks their turn while
//! there is traffic, and sleeping in the executor while there is none.
//!
//! Completions of the private ring are seen from the executor through an event
//! descriptor only: polling the ring's own descriptor never wakes with deferred
//! task running.
#![allow(unsafe_code)]

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use glommio::io::BufferedFile;
use okgate_core::base::{Engine, Instant};

use super::queue::Completion;
use super::token::{Kind, Token};
use super::{Outside, TabRing};
use crate::runtime::counters::Place;
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
    /// Lets the executor's other tasks run when they have something to do, and
    /// sleeps when there is no traffic.
    pub(super) async fn rest<E, X>(&mut self, engine: &E, outside: &X) -> io::Result<()>
    where
        E: Engine<Inbox = Message>,
        X: Outside<E::Outbox>,
    {
        let now = self.clock.instant();
        let due = std::mem::take(&mut self.executor_due) | self.waker.take_tasks();
        let quiet =
            self.completions.is_empty() && now.since(self.last_traffic) >= self.settings.quiet;
        if quiet && !due {
            let longest = self
                .next_timeout(engine, outside)
                .map_or(PARK_MAX, |timeout| timeout.since(now).min(PARK_MAX));
            self.park(longest).await?;
        } else if due || now.since(self.last_turn) >= self.settings.turn_every {
            self.counters.turns.add(1);
            self.counters.enter(Place::Turn);
            task::run_others().await;
        } else {
            return Ok(());
        }
        self.last_turn = self.clock.instant();
        Ok(())
    }

    /// Has events of the executor's own rings end the ring's wait.
    pub(super) fn watch_executor(&mut self, now: Instant) -> io::Result<()> {
        let parking = now.since(self.last_traffic) >= self.settings.quiet;
        if self.executor_due || parking {
            return Ok(());
        }
        for (number, ring) in (0_u32..8).zip(self.seat.rings()) {
            if self.executor_polls & (1 << number) == 0 {
                self.executor_polls |= 1 << number;
                let token = Token::new(Kind::Executor, 0, number);
                self.queue.watch_ring(ring.as_fd(), token)?;
            }
        }
        Ok(())
    }

    /// A poll of an executor's ring has ended.
    pub(super) fn executor_event(&mut self, completion: &Completion) {
        self.executor_polls &= !(1 << (completion.token.index & 7));
        self.executor_due |= completion.result >= 0;
    }

    /// Ends the polls: asleep, the executor's own doings would wake the ring.
    fn forget_executor(&mut self) -> io::Result<()> {
        for number in (0..8).filter(|number| self.executor_polls & (1 << number) != 0) {
            self.queue.cancel(Token::new(Kind::Executor, 0, number))?;
        }
        // The first submission cancels, the next ones collect the ends.
        self.queue.submit(None)?;
        while self.executor_polls != 0 && self.queue.pending() {
            self.queue.submit(None)?;
            self.queue.take_completions(&mut self.completions);
            let mut completions = std::mem::take(&mut self.completions);
            completions.retain(|completion| match completion.token.kind {
                Kind::Executor => {
                    self.executor_event(completion);
                    false
                }
                kind => kind != Kind::Cancel,
            });
            self.completions = completions;
        }
        Ok(())
    }

    async fn park(&mut self, longest: Duration) -> io::Result<()> {
        self.forget_executor()?;
        self.queue.notify();
        let asleep = self.waker.fall_asleep(Rest::Parked);
        let idle = self.completions.is_empty() && !self.executor_due && !self.queue.pending();
        if asleep && idle && !self.has_messages() && !self.waker.tasks_pending() {
            self.counters.parks.add(1);
            self.counters.enter(Place::Parked);
            let announced = self.park.sleep(longest).await;
            // A timer may end the sleep while the announcement is on its way.
            if !announced && self.queue.pending() && !self.park.sleep(ANNOUNCEMENT_MAX).await {
                self.counters.lost_wakeups.add(1);
            }
        }
        self.counters.enter(Place::Working);
        self.waker.get_up(Rest::Parked);
        self.queue.silence();
        self.queue.submit(None)?;
        self.queue.take_completions(&mut self.completions);
        Ok(())
    }
}

/// How long the announcement of a completion that is there may be on its way.
const ANNOUNCEMENT_MAX: Duration = Duration::from_millis(1);

/// The longest sleep: a wake-up that was lost for whatever reason costs no
/// more than this, and is counted; so does a task that the executor forgot
/// (see `task::run_others`). It also keeps the watchdog calm.
pub(in crate::runtime) const PARK_MAX: Duration = Duration::from_millis(500);
