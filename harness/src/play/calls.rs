//! Owns the simulated outside calls of a run: when one is due, whom it goes to, and what became of it.
//!
//! A call begins when it is due, whether those before it have begun or not. A user is called again only some time after the last
//! call must have ended, so that each call that is begun rings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::callees::Callees;
use super::tally::{Counted, Tally};
use crate::admin::Admin;
use crate::report::monotonic;
use crate::scenario::{Arrival, Arrivals, FailureKind, Scenario, Schedule};
use crate::swarm::CallTimes;

/// The calls of a run, for whoever makes them and whoever looks at them.
#[derive(Debug, Clone)]
pub(super) struct Calls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    admin: Admin,
    plan: crate::scenario::Calls,
    /// Whether somebody at a tab of each user answers and ends its calls.
    operators: Vec<bool>,
    first_number: usize,
    book: Mutex<Book>,
}

/// What there is of calls now.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) callees: Callees,
    /// How often each user was called.
    pub(super) begun: Vec<u64>,
    /// Figures since they were last taken.
    pub(super) tally: Tally,
    random: ChaCha8Rng,
    /// How many calls are being begun.
    beginning: usize,
}

/// A call that is to be made.
#[derive(Debug, Clone, Copy)]
struct Planned {
    user: usize,
    phase: usize,
    ring: Duration,
    /// Zero: nobody answers.
    talk: Duration,
    /// When it is due, since the machine's start; `None`: as soon as it can be made.
    due: Option<Duration>,
}

impl Calls {
    /// None yet.
    pub(super) fn new(scenario: &Scenario, admin: Admin, operators: Vec<bool>) -> Self {
        let users = &scenario.play.users;
        let mut random = ChaCha8Rng::seed_from_u64(scenario.seed);
        random.set_stream(CALLS_STREAM);
        Self(Arc::new(Shared {
            admin,
            plan: scenario.calls.clone(),
            operators,
            first_number: users.first_number,
            book: Mutex::new(Book {
                callees: Callees::new(users.count),
                begun: vec![0; users.count],
                tally: Tally::new(),
                random,
                beginning: 0,
            }),
        }))
    }

    /// What there is now.
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the calls of a scenario, until its end or until it is over before; then waits until nothing is left to be done for
    /// those that were begun. It begins at this time since the machine's start.
    pub(super) async fn make(
        self,
        scenario: Scenario,
        begun_at: Duration,
        mut over: watch::Receiver<bool>,
    ) {
        let schedule = Schedule::new(&scenario.play.phases);
        let mut under_way = JoinSet::new();
        let making = self.make_all(&scenario, &schedule, begun_at, &mut under_way);
        tokio::select! {
            () = making => {}
            _ = over.wait_for(|is_over| *is_over) => {}
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn make_all(
        &self,
        scenario: &Scenario,
        schedule: &Schedule,
        begun_at: Duration,
        under_way: &mut JoinSet<()>,
    ) {
        let phases = &scenario.play.phases;
        let mut random = ChaCha8Rng::seed_from_u64(scenario.seed);
        random.set_stream(CALLS_STREAM + 1);
        let begun = Instant::now() + begun_at.saturating_sub(monotonic());
        let mut arrivals = Arrivals::new(schedule, phases, |level| level.calls_per_s, random);
        let mut next = arrivals.next_s();
        for (number, (leg, phase)) in schedule.legs.iter().zip(phases).enumerate() {
            let end = begun + Duration::from_secs_f64(leg.end_s);
            if let Arrival::Closed { calls_at_once, .. } = phase.arrival {
                sleep_until(begun + Duration::from_secs_f64(leg.begin_s)).await;
                for _ in 0..calls_at_once {
                    under_way.spawn(self.clone().one_after_another(number, end));
                }
            }
            let Arrival::Open {
                outstanding_max, ..
            } = phase.arrival
            else {
                sleep_until(end).await;
                continue;
            };
            while let Some(at_s) = next.filter(|at_s| *at_s < leg.end_s) {
                let after = Duration::from_secs_f64(at_s);
                sleep_until(begun + after).await;
                let due = Some(begun_at + after);
                if let Some(call) = self.plan(number, due, outstanding_max) {
                    under_way.spawn(self.clone().call(call));
                }
                while under_way.try_join_next().is_some() {}
                next = arrivals.next_s();
            }
            sleep_until(end).await;
        }
    }

    /// Calls as long as the phase goes on, each when the one before is over.
    async fn one_after_another(self, phase: usize, end: Instant) {
        while Instant::now() < end {
            let Some(call) = self.plan(phase, None, usize::MAX) else {
                // Somebody will be free when a call is over, or a tab has come.
                sleep(LOOK_INTERVAL).await;
                continue;
            };
            let over = Instant::now() + call.ring + call.talk;
            self.clone().call(call).await;
            sleep_until(over).await;
        }
    }

    /// Who is called, and how; `None`, and an error where the call was due, if nobody can be or too many are being begun.
    fn plan(&self, phase: usize, due: Option<Duration>, outstanding_max: usize) -> Option<Planned> {
        let mut book = self.book();
        let book = &mut *book;
        if book.beginning >= outstanding_max {
            let words = format!(
                "a call, with {outstanding_max} that were due before it and have not begun"
            );
            book.tally.fail(FailureKind::NotSent, words);
            return None;
        }
        let Some(user) = book.callees.take(&mut book.random, Instant::now()) else {
            if due.is_some() {
                book.tally
                    .fail(FailureKind::NotSent, "a call, with no user who is free: let tabs come before calls begin, or give the scenario more users");
            }
            return None;
        };
        let plan = &self.0.plan;
        let mut time = |(shortest, longest)| {
            Duration::from_millis(book.random.random_range(shortest..=longest))
        };
        let (ring, talk) = (time(plan.ring_ms), time(plan.talk_ms));
        let is_answered = !book.random.random_bool(plan.unanswered_share);
        let talk = if is_answered { talk } else { Duration::ZERO };
        book.callees
            .is_free_at(user, Instant::now() + ring + talk + plan.pause);
        book.beginning += 1;
        Some(Planned {
            user,
            phase,
            ring,
            talk,
            due,
        })
    }

    /// Makes a call; who is not answered hangs up.
    async fn call(self, call: Planned) {
        let admin = &self.0.admin;
        let begun = monotonic();
        let times = CallTimes {
            begun,
            due: call.due.unwrap_or(begun),
            ring: call.ring,
            talk: call.talk,
        };
        let is_answered = !call.talk.is_zero();
        let has_operator = self.0.operators.get(call.user).copied().unwrap_or_default();
        let more = if is_answered && !has_operator {
            json!({"answer_after_ms": millis(call.ring), "talk_ms": millis(call.talk)})
        } else {
            json!({})
        };
        let to = (self.0.first_number + call.user).to_string();
        let started = admin.start_call(&times.caller(), &to, more).await;
        let Some(chain) = self.note_begun(call, started) else {
            return;
        };
        if is_answered && !has_operator {
            return;
        }
        if is_answered {
            let admin = admin.clone();
            // The operator ends the call; nobody waits for this, which only matters if that does not happen.
            tokio::spawn(async move {
                sleep(call.ring + call.talk + PATIENCE).await;
                drop(admin.hang_up_call(&chain).await);
            });
            return;
        }
        sleep(call.ring).await;
        if let Err(error) = admin.hang_up_call(&chain).await {
            let words = format!("hanging up the call to {to}: {error}");
            self.book().tally.fail(FailureKind::CallRefused, words);
        }
    }
}

impl Calls {
    /// Counts a call that has begun, and gives its chain, or one that the gateway did not take.
    fn note_begun(&self, call: Planned, started: crate::Result<String>) -> Option<String> {
        let mut book = self.book();
        book.beginning -= 1;
        match started {
            Ok(chain) => {
                book.begun[call.user] += 1;
                book.tally.count(call.phase, Counted::Calls, 1);
                Some(chain)
            }
            Err(error) => {
                let words = format!("the call to the user at place {}: {error}", call.user);
                book.tally.fail(FailureKind::CallRefused, words);
                None
            }
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What chances of calls are drawn from, beside the seed.
const CALLS_STREAM: u64 = 1 << 32;
/// How often a caller without anybody to call looks again.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How much longer than planned a caller holds the line whom an operator is to answer.
const PATIENCE: Duration = Duration::from_secs(10);
