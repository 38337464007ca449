//! One wake-up of the ring: completions, messages and timers to the engine,
//! its actions to the kernel.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use okgate_core::base::{Action, Engine, Instant};
use socket2::SockRef;

use super::batch::End;
use super::queue::Completion;
use super::token::{Kind, Token};
use super::{Outside, TabRing};
use crate::runtime::counters::Place;
use crate::runtime::mailbox::Rest;

impl<Message> TabRing<Message> {
    /// Handles what there is, sends, and waits in the ring for what comes
    /// next. Returns whether the shard goes on.
    pub(super) fn wake_up<E, X>(&mut self, engine: &mut E, outside: &mut X) -> io::Result<bool>
    where
        E: Engine<Inbox = Message>,
        X: Outside<E::Outbox>,
    {
        self.counters.progress.add(1);
        self.counters.enter(Place::Working);
        self.waker.awake();
        let now = self.clock.instant();
        self.dispatch(engine, now)?;
        if self.port.draining() {
            self.stop_accepting()?;
        } else {
            self.accept_all(now)?;
        }
        self.sweep(now)?;
        self.deliver(engine, outside, now);
        self.perform(engine, outside, now);
        if self.port.stopping() {
            self.flush(engine, None)?;
            return Ok(false);
        }
        if std::mem::take(&mut self.traffic) {
            self.last_traffic = now;
        }
        self.watch_executor(now)?;
        let asleep = self.waker.fall_asleep(Rest::Waiting);
        let wait = if asleep {
            self.wait(engine, outside, now)
        } else {
            Duration::ZERO
        };
        self.counters.waits.add(1);
        self.counters.enter(Place::Waiting);
        self.flush(engine, Some(wait))?;
        self.waker.get_up(Rest::Waiting);
        self.queue.take_completions(&mut self.completions);
        self.counters.overflows.add(self.queue.take_overflows());
        Ok(true)
    }

    /// Gives every completion to whom it concerns.
    fn dispatch<E: Engine>(&mut self, engine: &mut E, now: Instant) -> io::Result<()> {
        let mut completions = std::mem::take(&mut self.completions);
        for completion in completions.drain(..) {
            self.traffic |= matches!(
                completion.token.kind,
                Kind::Receive | Kind::Accept | Kind::Writable
            );
            match completion.token.kind {
                Kind::Receive => self.received(engine, &completion, now)?,
                Kind::Accept => self.accepted(engine, completion, now)?,
                Kind::Writable => self.writable(engine, completion.token, now),
                Kind::Wake => self.watching &= completion.more(),
                Kind::Executor => self.executor_event(&completion),
                Kind::Send | Kind::Cancel => {}
            }
        }
        self.completions = completions;
        self.queue.buffers.publish();
        // All buffers of this wake-up are back now.
        let mut starved = std::mem::take(&mut self.starved);
        for index in starved.drain(..) {
            self.start_receiving(index)?;
        }
        self.starved = starved;
        if !self.watching {
            let token = Token::new(Kind::Wake, 0, 0);
            self.queue.watch(self.waker.ring_event(), token)?;
            self.watching = true;
        }
        Ok(())
    }

    /// Starts the receive of a connection, unless it has ended.
    pub(super) fn start_receiving(&mut self, index: u32) -> io::Result<()> {
        let Some(token) = self.links.token(Kind::Receive, index) else {
            return Ok(());
        };
        let Some(connection) = self.links.at(index) else {
            return Ok(());
        };
        if connection.closing || connection.receiving {
            return Ok(());
        }
        connection.receiving = true;
        self.queue.receive(connection.socket.as_fd(), token)
    }

    fn received<E: Engine>(
        &mut self,
        engine: &mut E,
        completion: &Completion,
        now: Instant,
    ) -> io::Result<()> {
        let index = completion.token.index;
        let link = self.links.of(completion.token).and_then(|connection| {
            connection.receiving &= completion.more();
            self.sweep.hear(connection, index);
            (!connection.closing).then_some(connection.link)
        });
        let buffer = completion.buffer();
        if let (Some(link), Some(buffer), Ok(length @ 1..)) =
            (link, buffer, usize::try_from(completion.result))
        {
            self.counters.receives.add(1);
            self.counters.received_bytes.add(length as u64);
            engine.receive(link, self.queue.buffers.bytes(buffer, length), now);
        }
        if let Some(buffer) = buffer {
            self.queue.buffers.give_back(buffer);
        }
        if link.is_none() {
            self.links.release(index);
        } else if matches!(-completion.result, libc::ENOBUFS | libc::ECANCELED) {
            let exhausted = completion.result == -libc::ENOBUFS;
            self.counters.buffers_exhausted.add(u64::from(exhausted));
            self.starved.push(index);
        } else if completion.result <= 0 {
            self.ended(engine, index, now)?;
        } else if !completion.more() {
            self.start_receiving(index)?;
        }
        Ok(())
    }

    /// The peer closed, or the socket failed.
    fn ended<E: Engine>(&mut self, engine: &mut E, index: u32, now: Instant) -> io::Result<()> {
        let Some(link) = self.links.at(index).map(|connection| connection.link) else {
            return Ok(());
        };
        self.close(index)?;
        engine.closed(link, now);
        Ok(())
    }

    fn writable<E: Engine>(&mut self, engine: &mut E, token: Token, now: Instant) {
        let Some(connection) = self.links.of(token) else {
            return;
        };
        connection.full = false;
        if connection.closing {
            self.links.release(token.index);
        } else {
            let link = connection.link;
            engine.writable(link, now);
        }
    }

    /// Messages and timers.
    fn deliver<E, X>(&mut self, engine: &mut E, outside: &mut X, now: Instant)
    where
        E: Engine<Inbox = Message>,
        X: Outside<E::Outbox>,
    {
        for _ in 0..self.settings.messages_per_wakeup_max {
            let Some(message) = self.inbox.take() else {
                break;
            };
            self.traffic = true;
            self.counters.messages.add(1);
            engine.message(message, now);
        }
        outside.turn(now);
        if engine.next_timeout().is_some_and(|timeout| timeout <= now) {
            engine.timeout(now);
        }
    }

    /// The engine's actions, and what its posts bring back.
    fn perform<E, X>(&mut self, engine: &mut E, outside: &mut X, now: Instant)
    where
        E: Engine<Inbox = Message>,
        X: Outside<E::Outbox>,
    {
        for _ in 0..ROUNDS_MAX {
            self.deliver_local(engine, now);
            while let Some(action) = engine.poll_action() {
                match action {
                    Action::Send { link, payload } => self.add_send(engine, link, payload),
                    Action::Shutdown { link } => self.batch.end(End { link, half: true }),
                    Action::Close { link } => self.batch.end(End { link, half: false }),
                    Action::Post(message) => {
                        outside.post(message, now);
                        self.deliver_local(engine, now);
                    }
                }
            }
            if self.local.is_empty() {
                break;
            }
        }
    }

    fn deliver_local<E: Engine<Inbox = Message>>(&mut self, engine: &mut E, now: Instant) {
        while let Some(message) = self.local.take() {
            self.traffic = true;
            self.counters.messages.add(1);
            engine.message(message, now);
        }
    }

    /// How long the ring may wait: not at all if something is left to do.
    fn wait<E, X>(&self, engine: &E, outside: &X, now: Instant) -> Duration
    where
        E: Engine<Inbox = Message>,
        X: Outside<E::Outbox>,
    {
        if self.has_messages() || self.waker.tasks_pending() || self.executor_due {
            return Duration::ZERO;
        }
        let turn = self.last_turn + self.settings.turn_every;
        let rest = turn.min(self.last_traffic + self.settings.quiet);
        self.next_timeout(engine, outside)
            .map_or(rest, |timeout| timeout.min(rest))
            .since(now)
    }

    /// The next moment at which something must be done.
    pub(super) fn next_timeout<E, X>(&self, engine: &E, outside: &X) -> Option<Instant>
    where
        E: Engine<Inbox = Message>,
        X: Outside<E::Outbox>,
    {
        let timeouts = [
            engine.next_timeout(),
            outside.next_timeout(),
            self.accept_resumes(),
            self.sweep.next_timeout(),
        ];
        timeouts.into_iter().flatten().min()
    }

    /// Whether a mailbox holds something, or the shard's life is to change.
    pub(super) fn has_messages(&self) -> bool {
        !self.inbox.is_empty() || !self.local.is_empty() || self.port.stopping()
    }

    /// Ends a link as its engine wants.
    pub(super) fn end_link(&mut self, end: &End) -> io::Result<()> {
        let Some(index) = self.links.index_of(end.link) else {
            return Ok(());
        };
        if !end.half {
            self.close(index)?;
        } else if let Some(connection) = self.links.at(index)
            && !connection.full
        {
            // It fails only when the peer has gone, which the receive tells.
            let _ = SockRef::from(&connection.socket).shutdown(std::net::Shutdown::Write);
        }
        Ok(())
    }

    /// Closes a connection as soon as the kernel lets go of it.
    fn close(&mut self, index: u32) -> io::Result<()> {
        self.counters.closes.add(1);
        self.links.detach(index);
        if self.links.release(index) {
            return Ok(());
        }
        let Some(connection) = self.links.at(index) else {
            return Ok(());
        };
        // The peer sees the end at once; the socket is closed with the last of
        // its operations, each of which is cancelled.
        let _ = SockRef::from(&connection.socket).shutdown(std::net::Shutdown::Both);
        let generation = connection.generation;
        let kinds = [
            (connection.receiving, Kind::Receive),
            (connection.full, Kind::Writable),
        ];
        for (_, kind) in kinds.into_iter().filter(|(held, _)| *held) {
            self.queue.cancel(Token::new(kind, generation, index))?;
        }
        Ok(())
    }
}

/// Rounds of actions and answers to posts within one wake-up; what is left
/// then is done in the next one.
const ROUNDS_MAX: usize = 64;
