//! Owns what a process says of the events of its tabs in the end, and how that is compared with what was to come.

use serde::{Deserialize, Serialize};

use super::numbers::UNTOLD;
use crate::message::shortened;

/// The judgement of one process, or of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LedgerReport {
    /// Events of users, in all tabs.
    pub(crate) events: u64,
    /// Events that one tab of a user did not get and another did.
    pub(crate) lost: Faults,
    /// Events that a tab got twice.
    pub(crate) doubled: Faults,
    /// Events that a tab got behind later ones.
    pub(crate) out_of_order: Faults,
    /// Events that are no next step of a call, and calls without an end.
    pub(crate) broken: Faults,
    /// Events of another user.
    pub(crate) wrong_user: Faults,
    /// Events that could not be read, or that nobody had asked for.
    pub(crate) unread: Faults,
    /// Tabs with broken ladders.
    pub(crate) broken_tabs: u64,
    /// Users whose tabs got different events.
    pub(crate) uneven_users: u64,
    /// Each user, how often it was rung, and how many tabs it had in the end.
    pub(crate) users: Vec<(usize, u64, usize)>,
    /// What the tabs were told of numbers that were there in the end.
    pub(crate) numbers: Vec<Told>,
}

/// Faults of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Faults {
    /// How many.
    pub(crate) count: u64,
    /// The first in words.
    pub(crate) first: Option<String>,
}

/// What some tabs were told of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The last state of each number, from the first user's on: its digit, or `-`.
    pub(crate) states: String,
    /// They were there before anything happened.
    pub(crate) is_from_start: bool,
    /// How many tabs.
    pub(crate) tabs: u64,
}

impl Faults {
    /// Counts one.
    pub(super) fn note(&mut self, words: String) {
        self.count += 1;
        self.first(words);
    }

    /// Says the first in words, whoever counts it.
    pub(super) fn first(&mut self, words: String) {
        self.first.get_or_insert(words);
    }

    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.take().or(other.first);
    }
}

impl LedgerReport {
    pub(super) fn unread(&mut self, text: &[u8]) {
        self.unread.note(shortened(&String::from_utf8_lossy(text)));
    }

    pub(super) fn wrong_user(&mut self, words: String) {
        self.wrong_user.note(words);
    }

    pub(super) fn told(&mut self, states: String, is_from_start: bool) {
        let mut known = self.numbers.iter_mut();
        match known.find(|told| told.states == states && told.is_from_start == is_from_start) {
            Some(told) => told.tabs += 1,
            None => self.numbers.push(Told {
                states,
                is_from_start,
                tabs: 1,
            }),
        }
    }

    /// Adds another process's.
    pub(crate) fn add(&mut self, other: Self) {
        self.events += other.events;
        self.lost.add(other.lost);
        self.doubled.add(other.doubled);
        self.out_of_order.add(other.out_of_order);
        self.broken.add(other.broken);
        self.wrong_user.add(other.wrong_user);
        self.unread.add(other.unread);
        self.broken_tabs += other.broken_tabs;
        self.uneven_users += other.uneven_users;
        self.users.extend(other.users);
        self.numbers.extend(other.numbers);
    }

    /// Users who were rung more often or less often than they were called; `calls` says how often each was.
    pub(crate) fn miscounted(&self, calls: impl Fn(usize) -> u64) -> Faults {
        let mut faults = Faults::default();
        for (user, rings, _) in &self.users {
            let called = calls(*user);
            let difference = called.abs_diff(*rings);
            if difference > 0 {
                faults.count += difference;
                faults.first(format!(
                    "the user at place {user} was called {called} times and rung {rings} times"
                ));
            }
        }
        faults
    }

    /// Tabs whose last told states are not those of the end: `states` has a digit for each number. Who was there all the
    /// time must have been told of everybody who was called.
    pub(crate) fn stale(&self, states: &str, was_called: impl Fn(usize) -> bool) -> Faults {
        let mut faults = Faults::default();
        for told in &self.numbers {
            let mut last = told.states.bytes();
            let wrong = states.bytes().enumerate().find_map(|(place, state)| {
                let said = last.next().unwrap_or(UNTOLD);
                let may_be_untold = !(told.is_from_start && was_called(place));
                let is_right = said == state || said == UNTOLD && may_be_untold;
                (!is_right).then_some((place, said, state))
            });
            if let Some((place, said, state)) = wrong {
                faults.count += told.tabs;
                let (said, state) = (char::from(said), char::from(state));
                faults.first(format!("the last told state of the number at place {place} is {said} instead of {state}"));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_and_untold_states_of_numbers_are_found() {
        for (told, is_from_start, stale) in [
            ("1-", true, 0),
            ("11", true, 0),
            ("5-", true, 2),
            ("", true, 2),
            ("", false, 0),
            ("15", false, 2),
        ] {
            let mut report = LedgerReport::default();
            report.told(told.into(), is_from_start);
            report.told(told.into(), is_from_start);
            let faults = report.stale("11", |place| place == 0);
            assert_eq!(faults.count, stale, "{told} {is_from_start}: {faults:?}");
        }
    }

    #[test]
    fn a_whole_call_that_is_lost_is_found_by_the_number_of_calls() {
        let report = LedgerReport {
            users: vec![(0, 2, 3), (1, 1, 3)],
            ..LedgerReport::default()
        };
        assert_eq!(report.miscounted(|user| [2, 1][user]).count, 0);
        let faults = report.miscounted(|user| [2, 3][user]);
        assert_eq!(faults.count, 2);
        assert!(
            faults
                .first
                .unwrap()
                .contains("place 1 was called 3 times and rung 1 times")
        );
    }
}
