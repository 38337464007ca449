//! All calls, found by chain and by leg, with their deadlines and the commands
//! that the switch has not settled yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use smallvec::SmallVec;

use super::chain::Chain;
use crate::base::{ChainId, CommandId, Instant, LegId};

/// The calls that go on.
#[derive(Debug, Default)]
pub(super) struct Calls {
    by_chain: BTreeMap<ChainId, Box<Chain>>,
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
    /// Let a leg that came by itself through.
    AnswerCaller,
    /// Pick up a phone for its user.
    PickUp,
    /// Let it hear what it ought to.
    Place,
    HangUp,
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.by_chain.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Chain> {
        self.by_chain.values().map(AsRef::as_ref)
    }

    pub(super) fn chains(&self) -> Vec<ChainId> {
        self.by_chain.keys().copied().collect()
    }

    pub(super) fn get(&self, chain: ChainId) -> Option<&Chain> {
        self.by_chain.get(&chain).map(AsRef::as_ref)
    }

    /// Takes a call out to be changed; [`Calls::put`] or [`Calls::forget`] follows.
    pub(super) fn take(&mut self, chain: ChainId) -> Option<Box<Chain>> {
        self.by_chain.remove(&chain)
    }

    /// Puts a call where it is found, with the next moment at which something is to
    /// be done about it.
    pub(super) fn put(&mut self, mut chain: Box<Chain>, deadline: Option<Instant>) {
        self.plan(&mut chain, deadline);
        self.by_chain.insert(chain.id, chain);
    }

    /// Forgets a call that was taken out.
    pub(super) fn forget(&mut self, mut chain: Box<Chain>) {
        self.plan(&mut chain, None);
    }

    fn plan(&mut self, chain: &mut Chain, deadline: Option<Instant>) {
        let before = std::mem::replace(&mut chain.deadline, deadline);
        if before == deadline {
            return;
        }
        if let Some(before) = before {
            self.deadlines.remove(&(before, chain.id));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, chain.id));
        }
    }

    pub(super) fn next_deadline(&self) -> Option<(Instant, ChainId)> {
        self.deadlines.first().copied()
    }

    /// Notes that a leg is a call's.
    pub(super) fn add_leg(&mut self, chain: ChainId, leg: LegId) {
        let record = LegRecord {
            chain,
            commands: SmallVec::new(),
        };
        self.by_leg.insert(leg, record);
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
