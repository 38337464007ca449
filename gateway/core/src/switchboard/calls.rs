//! All calls, found by chain and by leg, with their deadlines and the commands
//! that the switch has not settled yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use smallvec::SmallVec;

use super::call::{Call, Leg, LegState, Role};
use crate::base::{ChainId, CommandId, Instant, LegId};

/// The calls that go on.
#[derive(Debug, Default)]
pub(super) struct Calls {
    by_chain: BTreeMap<ChainId, Call>,
    by_leg: HashMap<LegId, LegRecord>,
    deadlines: BTreeSet<(Instant, ChainId)>,
    /// The leg that each unsettled command is about.
    commands: HashMap<CommandId, LegId>,
}

/// What belongs to a leg that exists.
#[derive(Debug)]
struct LegRecord {
    chain: ChainId,
    /// Unsettled commands, at most one for each purpose.
    commands: SmallVec<[(CommandId, Purpose); 2]>,
}

/// A command that the switch has neither accepted nor refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) chain: ChainId,
    pub(super) leg: LegId,
    pub(super) purpose: Purpose,
}

/// What a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Dial,
    /// Let the caller's leg, which waits, through to who has answered.
    AnswerCaller,
    /// Pick up a phone for its user.
    PickUp,
    Join,
    Hold,
    HangUp,
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.by_chain.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Call> {
        self.by_chain.values()
    }

    pub(super) fn chains(&self) -> Vec<ChainId> {
        self.by_chain.keys().copied().collect()
    }

    pub(super) fn get(&self, chain: ChainId) -> Option<&Call> {
        self.by_chain.get(&chain)
    }

    pub(super) fn get_mut(&mut self, chain: ChainId) -> Option<&mut Call> {
        self.by_chain.get_mut(&chain)
    }

    pub(super) fn insert(&mut self, call: Call) {
        self.by_chain.insert(call.chain, call);
    }

    /// Gives a side of a call its leg.
    pub(super) fn add_leg(&mut self, chain: ChainId, role: Role, leg: LegId, state: LegState) {
        if let Some(call) = self.by_chain.get_mut(&chain) {
            call.side_mut(role).leg = Some(Leg::new(leg, state));
            let record = LegRecord {
                chain,
                commands: SmallVec::new(),
            };
            self.by_leg.insert(leg, record);
        }
    }

    /// The call and the side that a live leg belongs to.
    pub(super) fn of_leg(&mut self, leg: LegId) -> Option<(&mut Call, Role)> {
        let call = self.by_chain.get_mut(&self.by_leg.get(&leg)?.chain)?;
        let role = call.role_of_leg(leg)?;
        Some((call, role))
    }

    /// The call that a live leg belongs to.
    pub(super) fn chain_of(&self, leg: LegId) -> Option<ChainId> {
        self.by_leg.get(&leg).map(|record| record.chain)
    }

    /// Forgets a leg that has ended, and the commands that were about it.
    pub(super) fn end_leg(&mut self, leg: LegId) {
        let Some(record) = self.by_leg.remove(&leg) else {
            return;
        };
        for (command, _) in record.commands {
            self.commands.remove(&command);
        }
        if let Some(call) = self.by_chain.get_mut(&record.chain)
            && let Some(role) = call.role_of_leg(leg)
        {
            call.raise(role, LegState::Ended, Instant::default());
        }
    }

    /// Forgets a call whose legs have ended.
    pub(super) fn remove(&mut self, chain: ChainId) {
        self.set_deadline(chain, None);
        self.by_chain.remove(&chain);
    }

    pub(super) fn set_deadline(&mut self, chain: ChainId, deadline: Option<Instant>) {
        let Some(call) = self.by_chain.get_mut(&chain) else {
            return;
        };
        let before = std::mem::replace(&mut call.deadline, deadline);
        if let Some(before) = before {
            self.deadlines.remove(&(before, chain));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, chain));
        }
    }

    pub(super) fn next_deadline(&self) -> Option<(Instant, ChainId)> {
        self.deadlines.first().copied()
    }

    /// Remembers a command in place of an older one for the same leg and purpose.
    pub(super) fn expect(&mut self, command: CommandId, leg: LegId, purpose: Purpose) {
        let Some(record) = self.by_leg.get_mut(&leg) else {
            return;
        };
        let older = record.commands.iter_mut().find(|known| known.1 == purpose);
        if let Some(older) = older {
            self.commands.remove(&older.0);
            older.0 = command;
        } else {
            record.commands.push((command, purpose));
        }
        self.commands.insert(command, leg);
    }

    /// Whether the switch has not settled a command yet.
    pub(super) fn is_expected(&self, leg: LegId, purpose: Purpose) -> bool {
        let is_it = |record: &LegRecord| record.commands.iter().any(|it| it.1 == purpose);
        self.by_leg.get(&leg).is_some_and(is_it)
    }

    /// The switch settled a command; what it was about, if that still exists.
    pub(super) fn settle(&mut self, command: CommandId) -> Option<Pending> {
        let leg = self.commands.remove(&command)?;
        let record = self.by_leg.get_mut(&leg)?;
        let index = record.commands.iter().position(|it| it.0 == command)?;
        let (_, purpose) = record.commands.swap_remove(index);
        Some(Pending {
            chain: record.chain,
            leg,
            purpose,
        })
    }

    pub(super) fn forget_commands(&mut self) {
        self.commands.clear();
        for record in self.by_leg.values_mut() {
            record.commands.clear();
        }
    }

    #[cfg(test)]
    pub(super) fn assert_empty(&self) {
        assert!(
            self.by_chain.is_empty(),
            "calls are left: {:?}",
            self.by_chain
        );
        assert!(self.by_leg.is_empty() && self.deadlines.is_empty() && self.commands.is_empty());
    }
}
