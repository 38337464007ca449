//! Owns the simulated calls of a soak, and the proof that every step's events reach every held tab of the called user, in
//! their order, once, and in time.
//!
//! A step's events are expected before the step is made; the held tabs report their user's events as they come.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::World;
use super::phase::{pass, until_lively};
use super::watch::{Gate, Kind};
use crate::error::Result;

/// The events that are expected, by user.
#[derive(Debug, Default)]
pub(super) struct CallBook {
    expected: RefCell<HashMap<usize, Expected>>,
    changed: Notify,
}

/// One step of a user's call.
#[derive(Debug)]
struct Expected {
    /// The call's events, in order.
    events: &'static [&'static str],
    /// When the step was made.
    since: Instant,
    /// How many of them each tab has seen.
    seen: HashMap<usize, usize>,
    /// The chain that the first event named.
    chain: Option<String>,
}

impl Expected {
    fn missing(&self) -> usize {
        let seen: usize = self.seen.values().sum();
        self.seen.len() * self.events.len() - seen
    }

    /// Takes an event of a tab; says what is wrong with it.
    fn take(
        &mut self,
        tab: usize,
        event: &str,
        chain: Option<&str>,
    ) -> std::result::Result<(), String> {
        let seen = self.seen.entry(tab).or_default();
        let wanted = self.events.get(*seen);
        if wanted != Some(&event) {
            return Err(format!("{event} instead of {wanted:?}"));
        }
        *seen += 1;
        let Some(chain) = chain else {
            return Ok(());
        };
        let known = self.chain.get_or_insert_with(|| chain.to_owned());
        if known != chain {
            return Err(format!("{event} of the call {chain} instead of {known}"));
        }
        Ok(())
    }
}

impl CallBook {
    pub(super) fn expect(&self, user: usize, tabs: &[usize], events: &'static [&'static str]) {
        let expected = Expected {
            events,
            since: Instant::now(),
            seen: tabs.iter().map(|tab| (*tab, 0)).collect(),
            chain: None,
        };
        self.expected.borrow_mut().insert(user, expected);
    }

    fn missing(&self, user: usize) -> usize {
        let expected = self.expected.borrow();
        expected.get(&user).map_or(0, Expected::missing)
    }

    fn chain(&self, user: usize) -> Option<String> {
        self.expected.borrow().get(&user)?.chain.clone()
    }

    /// Waits until no event is missing, so long from the step on at most; how many are missing then.
    pub(super) async fn complete(&self, user: usize, within: Duration) -> usize {
        let since = self.expected.borrow().get(&user).map(|step| step.since);
        let all = async {
            while self.missing(user) > 0 {
                self.changed.notified().await;
            }
        };
        if let Some(since) = since {
            // A missed time is seen by what is missing.
            let _missed = timeout_at(since + within, all).await;
        }
        self.missing(user)
    }
}

/// A held tab got an event of its user; those of the phone name the call.
pub(super) fn seen(world: &World, user: usize, tab: usize, event: &str, chain: Option<&str>) {
    let mut expected = world.calls.expected.borrow_mut();
    let outcome = match expected.get_mut(&user) {
        Some(step) => {
            let time = step.since.elapsed();
            let outcome = step.take(tab, event, chain);
            if outcome.is_ok() {
                world.watch.time(Kind::CallEvent, time);
                world.calls.changed.notify_waiters();
            }
            if time > world.options.stall {
                let late = format_args!("tab {tab} got {event} {time:?} after its step");
                world.watch.fail(Gate::CallEvents, late);
            }
            outcome
        }
        None => Err(format!("{event} without a call")),
    };
    drop(expected);
    if let Err(wrong) = outcome {
        let who = format_args!("tab {tab} of user {user} got {wrong}");
        world.watch.fail(Gate::Events, who);
    }
}

/// Calls one user after the other, of those whose number leaves `rest` when divided by `parallel`, until the traffic ends.
pub(super) async fn call(world: Rc<World>, mut random: ChaCha8Rng, parallel: usize, rest: usize) {
    let users: Vec<usize> = (rest..world.options.users).step_by(parallel).collect();
    let mut phases = world.phases.subscribe();
    let between = |random: &mut ChaCha8Rng| Duration::from_millis(random.random_range(PAUSE_MS));
    while pass(&mut phases, between(&mut random)).await {
        let user = users[random.random_range(0..users.len())];
        match one_call(&world, &mut random, user).await {
            Ok(()) => world.watch.count(|counts| counts.calls += 1),
            Err(error) => world.watch.fail(Gate::Scenario, error),
        }
    }
}

/// A call with all its steps; once it rings it is ended, also when the traffic ends meanwhile.
async fn one_call(world: &World, random: &mut ChaCha8Rng, user: usize) -> Result<()> {
    let mut phases = world.phases.subscribe();
    let from = format!("8927{:07}", random.random_range(0..10_000_000));
    let to = super::number_of(user);
    let tabs = world.tabs_of(user);
    let expect = |events| world.calls.expect(user, &tabs, events);
    expect(RINGS);
    let chain = world.admin.start_call(&from, &to, json!({})).await?;
    arrived(world, user, &chain).await;
    pass(
        &mut phases,
        Duration::from_millis(random.random_range(STEP_MS)),
    )
    .await;
    if random.random_ratio(1, 5) {
        expect(GONE);
    } else {
        expect(ANSWERED);
        world.admin.answer_call(&chain).await?;
        arrived(world, user, &chain).await;
        pass(
            &mut phases,
            Duration::from_millis(random.random_range(STEP_MS)),
        )
        .await;
        expect(ENDED);
    }
    world.admin.hang_up_call(&chain).await?;
    arrived(world, user, &chain).await;
    until_lively(&mut phases).await;
    Ok(())
}

/// Waits for the events of a step, in time or not, and checks that they named this call.
async fn arrived(world: &World, user: usize, chain: &str) {
    let stall = world.options.stall;
    let late = world.calls.complete(user, stall).await;
    if late > 0 {
        let within = stall + LATE_MAX;
        let lost = world.calls.complete(user, within).await;
        let what = format_args!(
            "{late} events of the call {chain} to user {user} had not come within {stall:?}, {lost} not within {within:?}"
        );
        world.watch.fail(Gate::CallEvents, what);
    }
    let known = world.calls.chain(user);
    if let Some(known) = known.filter(|known| known != chain) {
        let what = format_args!("events named the call {known} instead of {chain}");
        world.watch.fail(Gate::Events, what);
    }
}

// protocol 6.6: the user's events of an incoming call's steps, in their order.
pub(super) const RINGS: &[&str] = &[STATE, "phoneevent_ringstarted", LINE];
pub(super) const ANSWERED: &[&str] = &["phoneevent_ringstopped", "phoneevent_commstarted", LINE];
pub(super) const ENDED: &[&str] = &[STATE, "phoneevent_commstopped", LINE];
const GONE: &[&str] = &[STATE, "phoneevent_ringstopped", LINE];
const STATE: &str = "userstatechanged";
const LINE: &str = "linestatechanged";
/// How long a caller waits between calls.
const PAUSE_MS: std::ops::Range<u64> = 100..1_000;
/// How long a step lasts.
const STEP_MS: std::ops::Range<u64> = 50..2_500;
/// How long late events are waited for, so that one fault does not bring on others.
const LATE_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_count_once_in_order_and_only_of_one_call() {
        let book = CallBook::default();
        book.expect(3, &[1, 2], ANSWERED);
        let take = |tab, event, chain| {
            let mut expected = book.expected.borrow_mut();
            expected.get_mut(&3).unwrap().take(tab, event, chain)
        };
        let (stopped, started) = ("phoneevent_ringstopped", "phoneevent_commstarted");
        assert_eq!(book.missing(3), 6);
        assert!(take(1, started, Some("c")).is_err());
        assert!(take(1, stopped, Some("c")).is_ok());
        assert!(take(1, stopped, Some("c")).is_err());
        assert!(take(1, started, Some("d")).is_err());
        assert!(take(1, LINE, None).is_ok());
        assert_eq!(book.chain(3).as_deref(), Some("c"));
        assert!(take(2, stopped, Some("c")).is_ok());
        assert!(take(2, started, Some("c")).is_ok());
        assert!(take(2, LINE, None).is_ok());
        assert_eq!(book.missing(3), 0);
        assert!(take(2, LINE, None).is_err());
    }

    #[tokio::test]
    async fn what_does_not_come_is_missing_when_the_time_is_over() {
        let book = CallBook::default();
        book.expect(0, &[0, 4], RINGS);
        assert_eq!(book.complete(0, Duration::ZERO).await, 6);
        assert_eq!(book.complete(1, Duration::ZERO).await, 0);
    }
}
