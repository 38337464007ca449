//! Owns the judgement of what tabs got: the same events in all tabs of a user, none twice, each call's ladder whole
//! (protocol 6.6), as many rings as calls, and the numbers' last states.
//!
//! The tabs of a process put in every event as it comes; counts and the first faults in words go out, and with each event what
//! is to be measured of it. It keeps no events beyond a few a user, and knows nothing of gateways and sockets.

mod ladder;
mod numbers;
mod report;
mod seen;
mod user;

use std::collections::HashMap;
use std::time::{Duration, Instant};

pub(crate) use self::ladder::Step;
use self::numbers::Numbers;
pub(crate) use self::report::LedgerReport;
use self::seen::is_of;
pub(crate) use self::seen::{Happened, SeenEvent, digest};
pub(crate) use self::user::Joining;
use self::user::{TabEntry, Taken, UserLedger, Wrong};
use crate::message::shortened;

/// What the tabs of one process got.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    users: HashMap<usize, User>,
    numbers: Numbers,
    report: LedgerReport,
}

#[derive(Debug)]
struct User {
    login: Box<str>,
    ledger: UserLedger,
}

/// Which tab of which user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TabKey {
    user: usize,
    tab: u32,
}

/// What is to be measured of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Noticed {
    /// The event of a user that it is.
    pub(crate) seen: Option<SeenEvent>,
    /// The step that it completes in this tab.
    pub(crate) step: Option<Step>,
    /// From the same event in the user's first tab to this, the last.
    pub(crate) fan_out: Option<Duration>,
    /// It tells of numbers' states, which [`Ledger::numbers`] has now.
    pub(crate) is_of_numbers: bool,
}

impl Ledger {
    /// Nothing yet; the first user has this telephone number.
    pub(crate) fn new(first_number: usize) -> Self {
        Self {
            numbers: Numbers::new(first_number),
            ..Self::default()
        }
    }

    /// A tab of a user is subscribed from now on.
    pub(crate) fn join(&mut self, user: usize, login: &str, now: Instant, tab: Joining) -> TabKey {
        let entry = self.users.entry(user).or_insert_with(|| User {
            login: login.into(),
            ledger: UserLedger::default(),
        });
        let tab = entry.ledger.join(now, tab);
        TabKey { user, tab }
    }

    /// Takes any message of a tab; `name` is the one that stands in it.
    pub(crate) fn take(&mut self, key: TabKey, name: &str, text: &[u8], now: Instant) -> Noticed {
        if name == "pong" || name == "multipart" || name.ends_with("result") {
            return Noticed::default();
        }
        let Some(user) = self.users.get_mut(&key.user) else {
            return Noticed::default();
        };
        if name == "pbxnumberstatechanged" {
            let is_read = self.numbers.read(text);
            let told = user
                .ledger
                .tab(key.tab)
                .and_then(|tab| tab.numbers.as_mut());
            let is_told = told.map(|told| self.numbers.note(told)).is_some();
            if !is_read || !is_told {
                self.report.unread(text);
            }
            return Noticed {
                is_of_numbers: true,
                ..Noticed::default()
            };
        }
        let what = Happened::named(name);
        let Some(seen) = SeenEvent::read(what, text) else {
            self.report.unread(text);
            return Noticed::default();
        };
        self.report.events += 1;
        if !is_of(what, text, &user.login) {
            let (login, text) = (&user.login, shortened(&String::from_utf8_lossy(text)));
            self.report.wrong_user(format!("{login} got {text}"));
        }
        let Taken {
            fan_out,
            step,
            wrong,
        } = user.ledger.take(key.tab, seen, now);
        if let Some((wrong, words)) = wrong {
            let words = format!("{}, tab {}: {words}", user.login, key.tab);
            match wrong {
                Wrong::Different => self.report.lost.first(words),
                Wrong::Doubled => self.report.doubled.first(words),
                Wrong::OutOfOrder => self.report.out_of_order.first(words),
                Wrong::Ladder => self.report.broken.note(words),
            }
        }
        Noticed {
            seen: Some(seen),
            step,
            fan_out,
            is_of_numbers: false,
        }
    }

    /// A tab has read the states of all numbers: of what it has read the server tells it nothing more.
    pub(crate) fn has_read_numbers(&mut self, key: TabKey) {
        let user = self.users.get_mut(&key.user);
        let Some(tab) = user.and_then(|user| user.ledger.tab(key.tab)) else {
            return;
        };
        if let Some(numbers) = &mut tab.numbers {
            numbers.clear();
            tab.is_from_start = false;
        }
    }

    /// A tab's link has ended, or it is not to be judged any more.
    pub(crate) fn leave(&mut self, key: TabKey) {
        let Some(user) = self.users.get_mut(&key.user) else {
            return;
        };
        if let Some(tab) = user.ledger.leave(key.tab) {
            self.report.broken_tabs += u64::from(tab.has_broken);
        }
    }

    /// The states that the last message about numbers told.
    pub(crate) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// The judgement, when nothing comes any more.
    pub(crate) fn finish(mut self) -> LedgerReport {
        let mut users: Vec<(usize, User)> = self.users.drain().collect();
        users.sort_unstable_by_key(|(number, _)| *number);
        for (number, mut user) in users {
            user.ledger.finish();
            let tabs = user.ledger.tabs();
            for tab in tabs {
                self.report.close(&user.login, tab);
            }
            self.report.add_user(number, &user.login, &user.ledger);
        }
        self.report
    }
}

impl LedgerReport {
    /// What a tab that was there to the end shows.
    fn close(&mut self, login: &str, tab: &TabEntry) {
        let ended = tab.ladder.end();
        self.broken_tabs += u64::from(tab.has_broken || ended.is_err());
        if let Err(wrong) = ended {
            self.broken
                .note(format!("{login}, tab {}: {wrong}", tab.id));
        }
        if let Some(numbers) = &tab.numbers {
            let states = String::from_utf8_lossy(numbers).into_owned();
            self.told(states, tab.is_from_start);
        }
    }

    /// What the tabs of a user show together.
    fn add_user(&mut self, number: usize, login: &str, ledger: &UserLedger) {
        let found = ledger.found;
        self.doubled.count += found.doubled;
        self.out_of_order.count += found.out_of_order;
        self.lost.count += found.lost;
        if found.lost > 0 {
            let words = format!(
                "{login}: {} events that other tabs of this user got",
                found.lost
            );
            self.lost.first(words);
        }
        self.uneven_users += u64::from(found.lost + found.out_of_order > 0);
        self.users.push((number, ledger.rings, ledger.tabs().len()));
    }
}
