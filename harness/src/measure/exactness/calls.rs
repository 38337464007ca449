//! Owns the calls of the measurement: who is called when, and how often each user was.
//!
//! A user is called again only some time after the last call must have ended, so that each call that is begun rings.

use std::time::Duration;

use rand::RngExt as _;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::admin::Admin;
use crate::error::{Error, Result};
use crate::play::Callees;
use crate::swarm::{NUMBER_FIRST, timed_caller};

/// The calls so far.
pub(super) struct Calls {
    admin: Admin,
    /// The time between the beginnings of two calls.
    gap: Duration,
    callees: Callees,
    under_way: JoinSet<(usize, Result<()>)>,
    begun: Option<Instant>,
    next: Instant,
    /// How many calls were begun for each user.
    pub(super) rings: Vec<u64>,
    /// How many could not be begun, or ended by who called.
    pub(super) refused: u64,
    /// The first of their reasons.
    pub(super) faults: Vec<String>,
}

impl Calls {
    pub(super) fn new(admin: Admin, users: usize, rate: f64) -> Self {
        let mut callees = Callees::new(users);
        for user in 0..users {
            callees.set_there(user, true);
        }
        Self {
            admin,
            gap: Duration::from_secs_f64(1.0 / rate),
            callees,
            under_way: JoinSet::new(),
            begun: None,
            next: Instant::now(),
            rings: vec![0; users],
            refused: 0,
            faults: Vec::new(),
        }
    }

    /// Begins calls for so long, each when it is due, or as soon as there is somebody to be called.
    pub(super) async fn make(&mut self, duration: Duration) {
        if self.begun.is_none() {
            self.next = Instant::now();
            self.begun = Some(self.next);
        }
        let end = Instant::now() + duration;
        while self.next < end {
            sleep_until(self.next).await;
            self.next += self.gap;
            let Some(user) = self.free_user(end).await else {
                return;
            };
            self.begin(user);
            while let Some(ended) = self.under_way.try_join_next() {
                self.note(ended);
            }
        }
    }

    /// Waits for the ends of all requests.
    pub(super) async fn finish(&mut self) -> Result<()> {
        while let Some(ended) = self.under_way.join_next().await {
            self.note(ended);
        }
        if self.started() == 0 {
            let first = self.faults.first().map_or("nobody was free", |it| it);
            return Err(Error::Usage(format!("no call was begun: {first}")));
        }
        Ok(())
    }

    pub(super) fn started(&self) -> u64 {
        self.rings.iter().sum()
    }

    /// How long calls were begun.
    pub(super) fn lasted(&self) -> Duration {
        self.begun.map_or(Duration::ZERO, |begun| self.next - begun)
    }

    /// How many were begun in a second.
    pub(super) fn rate(&self) -> f64 {
        super::number(self.started()) / self.lasted().as_secs_f64()
    }

    /// Somebody who is in no call, by chance; `None` if there is nobody until `end`.
    async fn free_user(&mut self, end: Instant) -> Option<usize> {
        loop {
            if let Some(user) = self.callees.take(&mut rand::rng(), Instant::now()) {
                return Some(user);
            }
            let free_at = self.callees.next_free()?;
            if free_at > end {
                return None;
            }
            sleep_until(free_at).await;
            self.next = self.next.max(free_at);
        }
    }

    fn begin(&mut self, user: usize) {
        let mut random = rand::rng();
        let ring = Duration::from_millis(random.random_range(RING_MS));
        let talk = Duration::from_millis(random.random_range(TALK_MS));
        let is_answered = !random.random_ratio(1, CALLS_PER_UNANSWERED);
        let lasts = if is_answered { ring + talk } else { ring };
        let free_at = Instant::now() + lasts + MARGIN;
        self.callees.is_free_at(user, free_at);
        let admin = self.admin.clone();
        self.under_way.spawn(async move {
            let to = (NUMBER_FIRST + user).to_string();
            let plan = if is_answered {
                json!({"answer_after_ms": millis(ring), "talk_ms": millis(talk)})
            } else {
                json!({})
            };
            let chain = match admin.start_call(&timed_caller(), &to, plan).await {
                Ok(chain) => chain,
                Err(error) => return (user, Err(error)),
            };
            if is_answered {
                return (user, Ok(()));
            }
            sleep(ring).await;
            (user, admin.hang_up_call(&chain).await.map(drop))
        });
    }

    fn note(&mut self, ended: std::result::Result<(usize, Result<()>), tokio::task::JoinError>) {
        let fault = match ended {
            Ok((user, Ok(()))) => {
                self.rings[user] += 1;
                return;
            }
            Ok((user, Err(error))) => format!("the call to user{}: {error}", user + 1),
            Err(error) => format!("a call panicked: {error}"),
        };
        self.refused += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How long a phone rings.
const RING_MS: std::ops::Range<u64> = 100..700;
/// How long a talk is.
const TALK_MS: std::ops::Range<u64> = 100..900;
/// Of so many calls one is not answered: the caller hangs up.
const CALLS_PER_UNANSWERED: u32 = 5;
/// How long after a call's planned end its user is left alone.
const MARGIN: Duration = Duration::from_secs(3);
/// How many faults are kept.
const FAULTS_MAX: usize = 5;
