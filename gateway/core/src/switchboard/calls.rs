//! All calls, found by chain and by leg, with their deadlines and the commands
//! that the switch has not settled yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::call::{Call, Leg, LegState, Role};
use crate::base::{ChainId, CommandId, Instant, LegId};

/// The calls that go on.
#[derive(Debug, Default)]
pub(super) struct Calls {
    by_chain: BTreeMap<ChainId, Call>,
    by_leg: HashMap<LegId, ChainId>,
    deadlines: BTreeSet<(Instant, ChainId)>,
    commands: BTreeMap<CommandId, Pending>,
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
            self.by_leg.insert(leg, chain);
        }
    }

    /// The call and the side that a live leg belongs to.
    pub(super) fn of_leg(&mut self, leg: LegId) -> Option<(&mut Call, Role)> {
        let call = self.by_chain.get_mut(self.by_leg.get(&leg)?)?;
        let role = call.role_of_leg(leg)?;
        Some((call, role))
    }

    /// The call that a live leg belongs to.
    pub(super) fn chain_of(&self, leg: LegId) -> Option<ChainId> {
        self.by_leg.get(&leg).copied()
    }

    /// Forgets a leg that has ended; true if it was known.
    pub(super) fn end_leg(&mut self, leg: LegId) -> bool {
        let Some(chain) = self.by_leg.remove(&leg) else {
            return false;
        };
        self.commands.retain(|_, pending| pending.leg != leg);
        if let Some(call) = self.by_chain.get_mut(&chain)
            && let Some(role) = call.role_of_leg(leg)
        {
            call.raise(role, LegState::Ended, Instant::default());
        }
        true
    }

    /// Forgets a call and all that belongs to it.
    pub(super) fn remove(&mut self, chain: ChainId) {
        self.set_deadline(chain, None);
        self.commands.retain(|_, pending| pending.chain != chain);
        if let Some(call) = self.by_chain.remove(&chain) {
            for leg in call.live_legs() {
                self.by_leg.remove(&leg);
            }
        }
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
    pub(super) fn expect(&mut self, command: CommandId, pending: Pending) {
        self.commands.retain(|_, known| *known != pending);
        self.commands.insert(command, pending);
    }

    pub(super) fn is_expected(&self, pending: Pending) -> bool {
        self.commands.values().any(|known| *known == pending)
    }

    pub(super) fn settle(&mut self, command: CommandId) -> Option<Pending> {
        self.commands.remove(&command)
    }

    pub(super) fn forget_commands(&mut self) {
        self.commands.clear();
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
