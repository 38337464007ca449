//! Owns what an open tab does: it reads, asks what is due, and leaves as its behaviour has it.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::agenda::{Habit, around, by_chance};
use super::requests::Origin;
use super::{End, Tab};
use crate::error::Result;
use crate::play::clock::Planned;
use crate::play::present::Asked;
use crate::play::worker::Shared;
use crate::raw_link::{LinkState, append_close};
use crate::scenario::{Arrival, BehaviourKind, FailureKind, Method};

impl Tab {
    /// Stays until its link ends or it goes.
    pub(super) async fn stay(mut self, shared: &Shared) -> End {
        let handle = Rc::clone(&self.desk.handle);
        shared.enter(&handle);
        if let Arrival::Closed {
            requests_at_once, ..
        } = shared.arrival()
        {
            handle.loops.set(*requests_at_once);
            for _ in 0..*requests_at_once {
                self.desk.ask_again(shared);
            }
            handle.wake.notify_one();
        }
        let end = self.hold(shared).await.unwrap_or_else(End::Failed);
        shared.present.borrow_mut().leave(&handle);
        self.forget(shared);
        if matches!(end, End::Left | End::Away(_)) {
            self.close().await;
        }
        end
    }

    /// What it gets from now on is not judged, and what it has asked has no answer.
    pub(super) fn forget(&mut self, shared: &Shared) {
        if let Some(key) = self.desk.key.take() {
            shared.ledger.borrow_mut().leave(key);
        }
        for open in self.desk.handle.requests.borrow_mut().take() {
            self.desk.give_up(open.origin, shared);
        }
        self.desk.handle.loops.set(0);
        // What it was still to ask others can ask.
        let waiting = std::mem::take(&mut *self.desk.handle.waiting.borrow_mut());
        for asked in waiting.into_iter().filter(|asked| asked.due.is_some()) {
            shared.ask_somebody(asked);
        }
    }

    async fn hold(&mut self, shared: &Shared) -> Result<End> {
        loop {
            let next = self.next(shared);
            let reads_at_once = !shared.is_slow(&self.desk.handle);
            tokio::select! {
                readable = self.link.readable(), if reads_at_once => {
                    readable?;
                    if let Some(end) = self.read(READ_BYTES, shared)? {
                        return Ok(end);
                    }
                }
                () = self.desk.handle.wake.notified() => {}
                () = sleep_until(next) => {}
            }
            if let Some(end) = self.act(shared)? {
                return Ok(end);
            }
            self.link.flush().await?;
            self.link.shrink();
        }
    }

    /// When there is something to do, if nothing comes meanwhile.
    fn next(&self, shared: &Shared) -> Instant {
        let answer_max = shared.job.play.bounds.answer_max;
        let oldest = self.desk.handle.requests.borrow().oldest();
        let given_up = oldest.map(|sent| sent + answer_max);
        let again = self.desk.again.front().copied();
        let own = self.desk.agenda.next();
        let next = own.into_iter().chain(again).chain(given_up).min();
        next.unwrap_or_else(|| Instant::now() + LOOK_INTERVAL)
    }

    fn read(&mut self, bytes_max: usize, shared: &Shared) -> Result<Option<End>> {
        let mut input = shared.input.borrow_mut();
        let desk = &mut self.desk;
        let now = std::time::Instant::now();
        let state = self
            .link
            .read_some(&mut input, bytes_max, |text| desk.take(text, now, shared))?;
        Ok(match state {
            LinkState::Open => None,
            LinkState::Ended(code) => Some(End::Closed(code)),
        })
    }

    /// Does everything that is due.
    fn act(&mut self, shared: &Shared) -> Result<Option<End>> {
        let now = Instant::now();
        if shared.is_over() {
            self.desk.agenda.rest();
            self.desk.again.clear();
        }
        if self.desk.handle.leaves.get() {
            self.desk
                .agenda
                .set_earlier(Habit::Go, now + self.leave_after());
        }
        while let Some((habit, due)) = self.desk.agenda.take_due(now) {
            if let Some(end) = self.do_habit(habit, due, shared)? {
                return Ok(Some(end));
            }
        }
        while self.desk.again.front().is_some_and(|at| *at <= now) {
            self.desk.again.pop_front();
            let method = shared.choose_method();
            let asked = Asked { method, due: None };
            self.desk.handle.waiting.borrow_mut().push_back(asked);
        }
        self.ask_waiting(shared)?;
        let answer_max = shared.job.play.bounds.answer_max;
        let given_up = self
            .desk
            .handle
            .requests
            .borrow_mut()
            .give_up(now, answer_max);
        for open in given_up {
            let (login, method) = (shared.login_of(self.desk.handle.user), open.method.name());
            shared.fail(
                FailureKind::NoAnswer,
                format!("{login}, {method}: within {answer_max:?}"),
            );
            self.desk.settle(open, shared);
        }
        Ok(None)
    }

    fn do_habit(&mut self, habit: Habit, due: Instant, shared: &Shared) -> Result<Option<End>> {
        let behaviour = shared.behaviour(&self.desk.handle);
        match habit {
            Habit::Ping => {
                self.desk.agenda.set(Habit::Ping, due + behaviour.ping);
                self.ask(Method::PING, "", Some(due), shared)?;
            }
            Habit::Queue => {
                self.desk.agenda.set(Habit::Queue, due + behaviour.queue);
                self.ask(Method::QUEUE, "", Some(due), shared)?;
            }
            Habit::Follow => self.ask(Method::LINE_INFO, "", None, shared)?,
            Habit::Think | Habit::Break | Habit::Call => self.work(habit, due, shared)?,
            Habit::Refresh => {
                if let BehaviourKind::Supervisor { refresh } = behaviour.kind {
                    self.desk.agenda.set(Habit::Refresh, due + refresh);
                }
                self.ask(Method::NUMBERS, "", Some(due), shared)?;
                self.ask(Method::USER_NUMBERS, "", Some(due), shared)?;
            }
            Habit::Read => {
                if let BehaviourKind::SlowReader {
                    read_bytes,
                    read_every,
                    ..
                } = behaviour.kind
                {
                    self.desk
                        .agenda
                        .set(Habit::Read, Instant::now() + read_every);
                    return self.read(read_bytes, shared);
                }
            }
            Habit::Go => return Ok(self.go(shared)),
        }
        Ok(None)
    }

    /// What a person at a busy operator's tab does.
    fn work(&mut self, habit: Habit, due: Instant, shared: &Shared) -> Result<()> {
        let BehaviourKind::BusyOperator {
            think, break_every, ..
        } = shared.behaviour(&self.desk.handle).kind
        else {
            return Ok(());
        };
        match habit {
            Habit::Think => {
                let next = due + by_chance(think, &mut shared.random.borrow_mut());
                self.desk.agenda.set(Habit::Think, next);
                self.ask(shared.choose_method(), "", Some(due), shared)
            }
            Habit::Break => {
                let next = due + around(break_every, &mut shared.random.borrow_mut());
                self.desk.agenda.set(Habit::Break, next);
                self.desk.is_on_break = !self.desk.is_on_break;
                let state = if self.desk.is_on_break {
                    ON_BREAK
                } else {
                    BACK
                };
                self.ask(Method::SET_STATE, state, Some(due), shared)
            }
            _ => self.handle_call(due, shared),
        }
    }

    /// Answers the call that rings, or ends the one that goes on.
    fn handle_call(&mut self, due: Instant, shared: &Shared) -> Result<()> {
        if !self.desk.is_in_call && !self.desk.is_talking {
            return Ok(());
        }
        let now = Planned {
            at: std::time::Instant::now(),
            due: due.into_std(),
        };
        let method = if self.desk.is_talking {
            shared.change_call(self.desk.handle.user, |call| call.over = now);
            Method::HANG_UP
        } else {
            shared.change_call(self.desk.handle.user, |call| call.is_answered(now));
            Method::ANSWER
        };
        self.ask(method, "", Some(due), shared)
    }

    /// Asks what the phase wants, as far as the tab may.
    fn ask_waiting(&mut self, shared: &Shared) -> Result<()> {
        loop {
            let in_flight = match shared.arrival() {
                Arrival::Open { in_flight, .. } => *in_flight,
                Arrival::Closed { .. } => usize::MAX,
            };
            let mut waiting = self.desk.handle.waiting.borrow_mut();
            let Some(asked) = waiting.front().copied() else {
                return Ok(());
            };
            let requests = self.desk.handle.requests.borrow();
            if asked.due.is_some() && requests.count(Origin::Due) >= in_flight {
                return Ok(());
            }
            waiting.pop_front();
            drop((waiting, requests));
            let origin = if asked.due.is_some() {
                Origin::Due
            } else {
                Origin::Loop
            };
            self.send(asked.method, "", (origin, asked.due), shared)?;
        }
    }

    fn ask(
        &mut self,
        method: Method,
        more: &str,
        due: Option<Instant>,
        shared: &Shared,
    ) -> Result<()> {
        self.send(method, more, (Origin::Habit, due), shared)
    }

    fn send(
        &mut self,
        method: Method,
        more: &str,
        why: (Origin, Option<Instant>),
        shared: &Shared,
    ) -> Result<()> {
        let is_slow = shared.is_slow(&self.desk.handle);
        let mut requests = self.desk.handle.requests.borrow_mut();
        if requests.is_full() {
            let words = format!("{} with too many open requests", method.name());
            shared.fail(FailureKind::NotSent, words);
            self.desk.give_up(why.0, shared);
            return Ok(());
        }
        let mut frame = Vec::new();
        requests.send(method, more, why, &mut frame);
        if is_slow {
            // When it reads the answer tells of itself, not of the server.
            for unawaited in requests.take() {
                self.desk.give_up(unawaited.origin, shared);
            }
        }
        self.link.write_or_queue(&frame)
    }

    /// The tab goes, to come back or not; `None`: not yet.
    fn go(&mut self, shared: &Shared) -> Option<End> {
        let handle = &self.desk.handle;
        if handle.leaves.get() {
            // A call that its user has is to come to its end before all eyes.
            let goes_on = shared.call_of(handle.user);
            let goes_on = goes_on.is_some_and(|call| call.goes_on(std::time::Instant::now()));
            if handle.stays && goes_on && !shared.is_over() {
                self.desk
                    .agenda
                    .set(Habit::Go, Instant::now() + LOOK_INTERVAL);
                return None;
            }
            return Some(End::Left);
        }
        match shared.behaviour(handle).kind {
            BehaviourKind::Reloading { away, .. } => Some(End::Away(away)),
            BehaviourKind::Flapping { .. } => Some(End::Dropped),
            _ => None,
        }
    }

    /// One that could be called stays until those are over that were begun before it was known that it goes.
    fn leave_after(&self) -> Duration {
        if self.desk.handle.stays {
            LEAVE_AFTER
        } else {
            Duration::ZERO
        }
    }

    /// Closes as a browser does that leaves the page; the server then ends the connection.
    async fn close(mut self) {
        let mut frame = Vec::new();
        append_close(&mut frame, GOING_AWAY);
        let closing = async {
            self.link.queue(&frame);
            self.link.flush().await?;
            let mut rest = vec![0; REST_BYTES];
            loop {
                self.link.readable().await?;
                let state = self.link.read(&mut rest, |_| ())?;
                if state != LinkState::Open {
                    return Ok::<(), crate::Error>(());
                }
            }
        };
        // A page does not wait for long, and does not look what became of it.
        drop(timeout(CLOSE_MAX, closing).await);
    }
}

/// How much is read at a time, so that no tab keeps others waiting.
const READ_BYTES: usize = 64 << 10;
/// What a break is asked with.
const ON_BREAK: &str = r#""userstateid":2"#;
/// And its end.
const BACK: &str = r#""userstateid":1"#;
/// How often a tab looks for news that come without a wake.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a tab that could be called stays after it is known that it goes.
const LEAVE_AFTER: Duration = Duration::from_secs(3);
/// The code of a page that is left.
const GOING_AWAY: u16 = 1001;
/// How long a page waits for the end of its link.
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// How much of what still comes is read at a time.
const REST_BYTES: usize = 64 << 10;
