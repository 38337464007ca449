//! The whole core in memory: the very same hub and shards as in the gateway, with seeded delays between them, and random
//! people with random tabs, calls and networks; on most days also a CRM with moods of its own, linked in any of the modes and
//! formats, which change in the middle of some days.
//!
//! A day that fails prints its seed; `OKGATE_SEED=<seed>` lives it again alone, `OKGATE_SIMULATION_DAYS` asks for more
//! of them.
#![forbid(unsafe_code)]

mod acts;
mod callers;
mod crm;
mod crm_acts;
mod crm_talk;
mod exchange;
mod forms;
mod ledger;
mod line;
mod linked;
mod mail;
mod methods;
mod office;
mod people;
mod runs;
mod sockets;
mod tab;
mod tap;
mod watch;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Days of a usual run.
const DAYS: u64 = 400;
/// Threads that live them.
const THREADS: usize = 2;

/// What happened on some days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    answers: usize,
    refusals: usize,
    events: usize,
    lines: usize,
    dropped: usize,
    /// At the CRM.
    crm: linked::Counts,
    /// Outside callers whose names the CRM gave in time, and rings of outside callers.
    named: usize,
    rings: usize,
    /// Dynamic methods by their ends.
    runs: BTreeMap<&'static str, usize>,
    fingerprint: u64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.answers += other.answers;
        self.refusals += other.refusals;
        self.events += other.events;
        self.lines += other.lines;
        self.dropped += other.dropped;
        self.crm += other.crm;
        self.named += other.named;
        self.rings += other.rings;
        for (end, count) in other.runs {
            *self.runs.entry(end).or_default() += count;
        }
        self.fingerprint ^= other.fingerprint;
    }
}

impl Totals {
    /// An average day has enough of everything to mean something.
    fn assert_eventful(&self, days: usize) {
        let crm = self.crm;
        let enough = [
            ("events of tabs", self.events, 100 * days),
            ("lines", self.lines, 50 * days),
            ("refusals", self.refusals, 5 * days),
            ("slow tabs", self.dropped, days / 20),
            ("links", crm.links, days),
            ("links that failed", crm.failures, days / 3),
            ("losses", crm.losses, days),
            ("events at the CRM", crm.events, 5 * days),
            ("numbers at the CRM", crm.number_events, 5 * days),
            ("answers to the CRM", crm.answers, 5 * days),
            ("refusals of the CRM", crm.refusals, days / 2),
            ("errors at the CRM", crm.errors, days / 20),
            ("late results", crm.late_results, days / 2),
            ("late results accepted", crm.late_accepted, days / 10),
            ("goodbyes", crm.goodbyes, days / 3),
            ("exchanges", crm.exchanges, days),
            ("forms at the CRM", crm.forms, days / 4),
            ("links that lost their place", crm.contests, days / 40),
            ("CRMs that were turned away", crm.turned_away, days / 10),
            ("new settings", crm.relinks, days / 10),
            ("rings of outside callers", self.rings, days),
            ("callers named in time", self.named, days / 5),
        ];
        for (what, count, least) in enough {
            assert!(count > least, "too few {what}: {self:?}");
        }
        let ends = [
            ("done", 2),
            ("failed", 2),
            ("timeout", 2),
            ("unavailable", 2),
            ("not_found", 4),
            ("wrong_parameters", 10),
            ("too_many", 10),
            ("cancelled", 50),
        ];
        for (end, share) in ends {
            let count = self.runs.get(end).copied().unwrap_or_default();
            assert!(count > days / share, "too few runs end so: {end} {self:?}");
        }
    }
}

// protocol 2-g, 2-h, 2-i, 2-j, 2.1-a, 2.1-d, 2.1-i, 3.1-c, 3.2-b, 4-d, 4-e, 4-f, 5-a, 5-b, 5-c, 5-f, 5-g, 5-i, 5-j, 5-k, 6-b, 6.6-b, 6.6-c, 6.6-d,
// 6.6-e, 7-c, 7-v, 8-d, 8-e, 8-h, 8-i, 8-j, 8-k and 9-l
#[test]
fn whatever_happens_each_request_is_answered_once_and_all_tabs_see_one_truth() {
    if let Some(seed) = number_of_environment("OKGATE_SEED") {
        println!("seed {seed}: {:?}", acts::day(seed));
        return;
    }
    let days = number_of_environment("OKGATE_SIMULATION_DAYS").unwrap_or(DAYS);
    let next = AtomicU64::new(0);
    let live = || {
        let mut totals = Totals::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= days {
                return totals;
            }
            let Ok(day) = std::panic::catch_unwind(|| acts::day(seed)) else {
                panic!("the day of seed {seed} failed: OKGATE_SEED={seed} lives it alone");
            };
            totals += day;
        }
    };
    let totals = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(live)).collect();
        let mut totals = Totals::default();
        for thread in threads {
            match thread.join() {
                Ok(part) => totals += part,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        totals
    });
    println!("{days} days: {totals:?}");
    let days = usize::try_from(days).expect("few days");
    totals.assert_eventful(days);
}

#[test]
fn a_day_can_be_lived_again_by_its_seed() {
    for seed in 0..10 {
        assert_eq!(acts::day(seed), acts::day(seed), "seed {seed}");
    }
}

fn number_of_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}
