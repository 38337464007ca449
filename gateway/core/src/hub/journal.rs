//! The call journal (protocol 6.5), in memory: each user's calls that are over.
//!
//! In come the switchboard's facts; out go pages of entries. The oldest are forgotten
//! for new ones.

use std::collections::{HashMap, VecDeque};

use crate::base::{Instant, Now, UserId, WallTime};
use crate::protocol::{CallDirection, JournalEntry, JournalFilter, UserRef};
use crate::switchboard::{CallFact, FactSide};

/// Calls of every user.
#[derive(Debug, Default)]
pub(super) struct Journal {
    by_user: HashMap<UserId, VecDeque<JournalEntry>>,
}

/// Calls of one user that are kept.
const ENTRIES_PER_USER_MAX: usize = 200;

/// Entries of one answer.
const ENTRIES_PER_PAGE: usize = 50;

impl Journal {
    /// Notes a call for each user who took part in it.
    pub(super) fn note(&mut self, fact: &CallFact, now: Now) {
        let is_internal = fact.caller.user.is_some() && fact.called.user.is_some();
        let sides = [
            (&fact.caller, CallDirection::Out),
            (&fact.called, CallDirection::In),
        ];
        for (FactSide { user, .. }, direction) in sides {
            let Some(user) = user else {
                continue;
            };
            let direction = if is_internal {
                CallDirection::Internal
            } else {
                direction
            };
            let entries = self.by_user.entry(user.id).or_default();
            if entries.len() >= ENTRIES_PER_USER_MAX {
                entries.pop_back();
            }
            entries.push_front(entry(fact, user, direction, now));
        }
    }

    /// One page of a user's calls that fit the filter, the newest first.
    pub(super) fn page(&self, user: &UserRef, filter: &JournalFilter) -> Vec<JournalEntry> {
        let entries = self.by_user.get(&user.id).into_iter().flatten();
        let start = (filter.page as usize).saturating_mul(ENTRIES_PER_PAGE);
        let fitting = entries.filter(|entry| fits(entry, filter));
        fitting
            .skip(start)
            .take(ENTRIES_PER_PAGE)
            .cloned()
            .collect()
    }
}

fn fits(entry: &JournalEntry, filter: &JournalFilter) -> bool {
    let talk_s = entry.answered.map_or(0, |answered| {
        entry
            .ended
            .unix_seconds()
            .saturating_sub(answered.unix_seconds())
    });
    filter.from.is_none_or(|from| entry.started >= from)
        && filter.to.is_none_or(|to| entry.started < to)
        && filter
            .direction
            .is_none_or(|direction| entry.direction == direction)
        && talk_s >= filter.duration_min_s
}

fn entry(fact: &CallFact, user: &UserRef, direction: CallDirection, now: Now) -> JournalEntry {
    let wall = |instant: Instant| -> WallTime { now.wall.before(now.instant.since(instant)) };
    JournalEntry {
        chain: fact.chain,
        commutation: fact.commutation,
        direction,
        caller: fact.caller.number.clone(),
        called: fact.called.number.clone(),
        user: user.clone(),
        started: wall(fact.started),
        answered: fact.answered.map(wall),
        ended: wall(fact.ended),
        result: fact.result,
    }
}
