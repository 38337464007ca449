//! The switchboard: users, numbers, lines and calls; the single writer of all
//! of them.
//!
//! In come what users ask for ([`Switchboard::handle_call`],
//! [`Switchboard::set_user_state`]), who is there ([`Switchboard::user_present`],
//! [`Switchboard::user_absent`]), what the telephone switch reports
//! ([`Switchboard::handle_pbx`]) and the time. Out come commands to the switch,
//! events and changes of numbers' states, through [`Switchboard::poll_output`].
//!
//! The switch is the truth: a call moves on the switch's events, never on a
//! command. Each move is one step (protocol 6.6): first every picture and state
//! changes, then the events of the step go out. A line's events follow from the
//! difference between its pictures before and after, so that they cannot tell
//! what `getextendedlineinfo` does not show.
//!
//! It never waits, sends, or looks at a clock, and it knows of no links.

mod arrivals;
mod call;
mod calls;
mod commands;
mod directory;
mod limits;
mod numbers;
mod picture;
mod progress;
mod queries;
mod requests;
mod resync;
mod steps;
mod users;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};

use self::call::{Call, LegState, Role, Stage};
use self::calls::Calls;
pub use self::directory::{Department, Directory, User};
pub use self::limits::{Counters, Limits};
use self::numbers::Numbers;
use self::users::Users;
use crate::base::{ChainId, CommandId, Guid, Instant, LegId, NumberId, UserId};
use crate::pbx::Command;
use crate::protocol::{
    Abonent, BreakReason, Event, Fault, LineInfo, MyUserInfo, NumberChange, NumberEntry, Phase,
    SetUserState, UserEntry, UserRef, UserState,
};

/// Users, numbers, lines and calls.
///
/// After every `handle_*`, `user_*`, `set_*` or [`Switchboard::route`] call, poll
/// [`Switchboard::poll_output`] until it is empty, then
/// [`Switchboard::next_timeout`].
#[derive(Debug)]
pub struct Switchboard {
    users: Users,
    numbers: Numbers,
    break_reasons: Arc<[BreakReason]>,
    calls: Calls,
    limits: Limits,
    counters: Counters,
    random: ChaCha12Rng,
    outputs: VecDeque<Output>,
    last_command: u64,
    /// The driver is connected to the switch.
    is_connected: bool,
}

/// What the switchboard wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Tell the switch.
    Pbx(CommandId, Command),
    /// Tell whoever subscribed.
    Event(Event),
    /// Numbers' states changed (`pbxnumberstatechanged`, on its own pace).
    Numbers(Vec<(NumberId, NumberChange)>),
    /// An outside caller arrived. Nothing rings until [`Switchboard::route`].
    Arrived(Arrival),
}

/// An outside caller who waits to be routed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The call.
    pub chain: ChainId,
    /// The caller's number, if it is shown.
    pub caller: Option<Arc<str>>,
    /// The caller's name, if the switch knows it.
    pub caller_name: Option<Arc<str>>,
    /// The number that was called.
    pub called: Arc<str>,
    /// The user behind that number.
    pub user: UserRef,
}

/// A call that goes on, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSummary {
    /// The call.
    pub chain: ChainId,
    /// Who calls.
    pub from: Arc<str>,
    /// Who is called.
    pub to: Arc<str>,
    /// How far it is.
    pub state: ChainState,
}

/// How far a call is, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainState {
    /// An outside caller waits to be routed.
    Arrived,
    /// Phones ring, or the legs are about to be joined.
    Ringing,
    /// The sides hear each other.
    Talking,
    /// One side is on hold.
    Held,
    /// The legs are being hung up.
    Ending,
}

impl ChainState {
    /// The word for it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Arrived => "arrived",
            Self::Ringing => "ringing",
            Self::Talking => "talking",
            Self::Held => "held",
            Self::Ending => "ending",
        }
    }
}

impl Switchboard {
    /// A switchboard for these people, whose ids and qids follow from `seed`.
    /// The switch counts as not connected until it reports that it is.
    pub fn new(directory: &Directory, limits: Limits, seed: u64) -> Self {
        let users = Users::new(&directory.users);
        Self {
            numbers: Numbers::new(directory, &users),
            users,
            break_reasons: directory.break_reasons.as_slice().into(),
            calls: Calls::default(),
            limits,
            counters: Counters::default(),
            random: ChaCha12Rng::seed_from_u64(seed),
            outputs: VecDeque::new(),
            last_command: 0,
            is_connected: false,
        }
    }

    /// The next thing to do, in order. One `handle_*` call leaves a few outputs
    /// for each user whose line it changed; the queue is bounded by being
    /// emptied in between.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Switchboard::handle_timeout`] wants to be called. Nothing times
    /// out while the switch is not connected: calls are in doubt then.
    pub fn next_timeout(&self) -> Option<Instant> {
        let deadline = self.calls.next_deadline().map(|(deadline, _)| deadline);
        deadline.filter(|_| self.is_connected)
    }

    /// The user's first link has logged in.
    pub fn user_present(&mut self, user: UserId) -> Result<(), Fault> {
        self.set_presence(user, true)
    }

    /// The user has been without links for long enough (protocol 6.1).
    pub fn user_absent(&mut self, user: UserId) -> Result<(), Fault> {
        self.set_presence(user, false)
    }

    fn set_presence(&mut self, user: UserId, is_present: bool) -> Result<(), Fault> {
        let index = self.users.index(user)?;
        self.users[index].is_present = is_present;
        self.refresh_users(&[index]);
        Ok(())
    }

    /// `setuserstate`: what is absent stays. During a call the state takes
    /// effect after it (protocol 6.3).
    pub fn set_user_state(
        &mut self,
        user: UserId,
        wanted: SetUserState,
    ) -> Result<UserState, Fault> {
        let index = self.users.index(user)?;
        let choice = &self.users[index].choice;
        self.users[index].choice = choice.changed(wanted, &self.break_reasons, &self.limits)?;
        self.refresh_users(&[index]);
        Ok(self.users[index].shown.clone())
    }

    /// `getuserstate`.
    pub fn user_state(&self, user: UserId) -> Result<UserState, Fault> {
        Ok(self.users.of(user)?.shown.clone())
    }

    /// `getextendedlineinfo`: a copy of a picture that is kept ready.
    pub fn line_info(&self, user: UserId, now: Instant) -> Result<LineInfo, Fault> {
        let user = self.users.of(user)?;
        let mut line = user.picture.line.clone();
        line.version = user.line_version;
        if let Some(start) = user.picture.talk_since {
            line.talk = now.since(start);
        }
        Ok(line)
    }

    /// `getcurrentqueue`: the outside callers who wait for this user and do not
    /// ring yet.
    pub fn current_queue(&self, user: UserId) -> Result<Vec<Abonent>, Fault> {
        let waiting = &self.users.of(user)?.waiting;
        let abonent = |chain: &ChainId| {
            let call = self.calls.get(*chain)?;
            Some(Abonent {
                party: Some(call.side(Role::Caller).party.clone()),
                phase: Phase::Idle,
                direction: None,
            })
        };
        Ok(waiting.iter().filter_map(abonent).collect())
    }

    /// `getpbxnumbers`: a version that rises with each change of a number's
    /// state, and all numbers.
    pub fn number_entries(&mut self) -> (u64, Arc<[NumberEntry]>) {
        self.numbers.entries(&self.users)
    }

    /// `getallusernumbers` as this user may see it.
    pub fn user_entries(&self, asker: UserId) -> Result<Vec<UserEntry>, Fault> {
        let supervises = &self.users.of(asker)?.supervises;
        let entries = self.users.iter().map(|user| UserEntry {
            id: user.reference.id,
            name: Arc::clone(&user.name),
            main: user.main_number().map_or_else(|| "".into(), Arc::clone),
            numbers: user
                .phones
                .iter()
                .map(|it| Arc::clone(&it.number))
                .collect(),
            subordinate: supervises.contains(&user.reference.id),
        });
        Ok(entries.collect())
    }

    /// `getmyuserinfo`. The line is named by its main number's id.
    pub fn my_user_info(&self, user: UserId) -> Result<MyUserInfo, Fault> {
        let user = self.users.of(user)?;
        let line = user.phones.first().filter(|_| user.has_phone());
        Ok(MyUserInfo {
            user: user.reference.clone(),
            name: Arc::clone(&user.name),
            main_number: user.main_number().cloned(),
            line: line.map(|phone| phone.id.0),
            line_number: line.map(|phone| Arc::clone(&phone.number)),
            is_operator: user.is_operator,
        })
    }

    /// `cc_getlunchtypes`.
    pub fn break_reasons(&self) -> Arc<[BreakReason]> {
        Arc::clone(&self.break_reasons)
    }

    /// What happened since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether the driver is connected to the switch.
    pub fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// How many calls go on.
    pub fn call_count(&self) -> usize {
        self.calls.len()
    }

    /// The calls that go on, in the order of their ids.
    pub fn chains(&self) -> Vec<ChainSummary> {
        self.calls.iter().map(summary).collect()
    }

    /// The leg of a call's outside caller, or else of the phone that called.
    pub fn caller_leg(&self, chain: ChainId) -> Option<LegId> {
        self.calls.get(chain)?.side(Role::Caller).live_leg()
    }

    /// The leg of a call's outside party, whoever called.
    pub fn outside_leg(&self, chain: ChainId) -> Option<LegId> {
        let call = self.calls.get(chain)?;
        let outside = |role: &Role| call.side(*role).user.is_none();
        let role = Role::BOTH.into_iter().find(outside)?;
        call.side(role).live_leg()
    }

    /// The leg of a user's phone that rings in a call.
    pub fn ringing_leg(&self, chain: ChainId) -> Option<LegId> {
        let call = self.calls.get(chain)?;
        let rings = |role: &Role| {
            let side = call.side(*role);
            side.user.is_some() && side.state() == Some(LegState::Ringing)
        };
        let role = Role::BOTH.into_iter().find(rings)?;
        call.side(role).live_leg()
    }

    fn fresh_guid(&mut self) -> Guid {
        Guid::random(self.random.random())
    }
}

#[cfg(test)]
impl Switchboard {
    /// Every user's id.
    fn user_ids(&self) -> Vec<UserId> {
        self.users.iter().map(|user| user.reference.id).collect()
    }

    fn choice_of(&self, user: UserId) -> crate::protocol::StateId {
        self.users.of(user).expect("a known user").choice.state
    }

    fn has_legs(&self, chain: ChainId) -> bool {
        let call = self.calls.get(chain);
        call.is_some_and(|call| call.live_legs().next().is_some())
    }

    /// Whether a user's own leg in a call exists.
    fn is_on_leg(&self, user: UserId, chain: ChainId) -> bool {
        let index = self.users.index(user).expect("a known user");
        let call = self.calls.get(chain);
        call.is_some_and(|call| {
            let role = call.role_of_user(index);
            role.is_some_and(|role| call.side(role).live_leg().is_some())
        })
    }

    fn assert_nothing_left(&self) {
        self.calls.assert_empty();
        for user in self.users.iter() {
            assert_eq!(user.call, None, "{} is in a call", user.reference.login);
            assert!(user.waiting.is_empty() && !user.picture.is_in_call());
        }
        let counters = self.counters;
        assert_eq!(counters.calls_started, counters.calls_ended);
    }
}

fn summary(call: &Call) -> ChainSummary {
    let number = |role: Role| {
        let number = call.side(role).party.number.as_ref();
        number.map_or_else(|| "".into(), Arc::clone)
    };
    let state = match call.stage {
        Stage::Arrived => ChainState::Arrived,
        Stage::Setup | Stage::Connecting { .. } => ChainState::Ringing,
        Stage::Talking { held_by: None, .. } => ChainState::Talking,
        Stage::Talking { .. } => ChainState::Held,
        Stage::Ending { .. } => ChainState::Ending,
    };
    ChainSummary {
        chain: call.chain,
        from: number(Role::Caller),
        to: number(Role::Callee),
        state,
    }
}
