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
mod calls;
mod chain;
mod commands;
mod conferences;
mod directory;
mod hunts;
mod journal;
mod limits;
mod numbers;
mod picture;
mod progress;
mod queries;
mod queues;
mod redirect;
mod requests;
mod resync;
mod settle;
mod steps;
mod supervision;
mod users;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};

use self::calls::Calls;
pub use self::directory::{Department, Directory, Group, HuntRule, IvrMenu, User};
use self::hunts::GroupRecord;
pub use self::limits::{Counters, Limits};
use self::numbers::Numbers;
use self::users::Users;
use crate::base::{ChainId, CommandId, CommutationId, Guid, Instant, NumberId, UserId};
use crate::pbx::Command;
use crate::protocol::{
    BreakReason, CallResult, Event, Fault, NumberChange, SetUserState, UserEntry, UserRef,
    UserState,
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
    groups: Vec<GroupRecord>,
    /// What [`Switchboard::user_entries`] says to those who supervise nobody: as long
    /// as the directory does not change.
    common_entries: Option<Arc<[UserEntry]>>,
    break_reasons: Arc<[BreakReason]>,
    calls: Calls,
    /// Users who may be free now, and for whom callers may wait.
    freed: Vec<usize>,
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
    /// What became of a call between two parties, for the journal.
    Fact(Box<CallFact>),
}

/// A call between two parties that is over, with or without a talk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFact {
    /// The call.
    pub chain: ChainId,
    /// The talk.
    pub commutation: CommutationId,
    /// Who called.
    pub caller: FactSide,
    /// Who was called, with the number that was.
    pub called: FactSide,
    /// When it began.
    pub started: Instant,
    /// When the talk began.
    pub answered: Option<Instant>,
    /// When it was over.
    pub ended: Instant,
    /// What became of it.
    pub result: CallResult,
}

/// One side of a call that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactSide {
    /// The number.
    pub number: Arc<str>,
    /// The user, if it is one of the exchange's.
    pub user: Option<UserRef>,
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
    /// The user behind that number, if it is a user's.
    pub user: Option<UserRef>,
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
    /// The caller waits in a group's line.
    Waiting,
    /// The sides hear each other.
    Talking,
    /// It is a conference.
    Conference,
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
            Self::Waiting => "waiting",
            Self::Talking => "talking",
            Self::Conference => "conference",
            Self::Held => "held",
            Self::Ending => "ending",
        }
    }
}

impl Switchboard {
    /// A switchboard for these people, whose ids and qids follow from `seed`.
    /// The switch counts as not connected until it reports that it is.
    pub fn new(directory: &Directory, limits: Limits, seed: u64) -> Self {
        let mut users = Users::new(&directory.users);
        let groups = users.join_groups(&directory.users, &directory.groups);
        Self {
            numbers: Numbers::new(directory, &users),
            users,
            groups,
            freed: Vec::new(),
            common_entries: None,
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
    pub fn user_present(&mut self, user: UserId, now: Instant) -> Result<(), Fault> {
        self.set_presence(user, true, now)
    }

    /// The user has been without links for long enough (protocol 6.1).
    pub fn user_absent(&mut self, user: UserId, now: Instant) -> Result<(), Fault> {
        self.set_presence(user, false, now)
    }

    fn set_presence(&mut self, user: UserId, is_present: bool, now: Instant) -> Result<(), Fault> {
        let index = self.users.index(user)?;
        self.users[index].is_present = is_present;
        self.refresh_users(&[index], now);
        Ok(())
    }

    /// `setuserstate`: what is absent stays. During a call the state takes
    /// effect after it (protocol 6.3).
    pub fn set_user_state(
        &mut self,
        user: UserId,
        wanted: SetUserState,
        now: Instant,
    ) -> Result<UserState, Fault> {
        let index = self.users.index(user)?;
        let choice = &self.users[index].choice;
        self.users[index].choice = choice.changed(wanted, &self.break_reasons, &self.limits)?;
        self.refresh_users(&[index], now);
        Ok(self.users[index].shown.clone())
    }

    /// What happened since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether the driver is connected to the switch.
    pub fn is_connected(&self) -> bool {
        self.is_connected
    }

    fn fresh_guid(&mut self) -> Guid {
        Guid::random(self.random.random())
    }
}
