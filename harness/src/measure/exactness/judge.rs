//! Owns the judgement of what tabs got: the same events in all tabs of a user, none twice, each call's ladder whole
//! (protocol 6.6), as many rings as calls, and the numbers' last states.
//!
//! Records come in, a [`Verdict`] goes out; it knows nothing of gateways and sockets.

use std::collections::{BTreeMap, HashSet};

use crate::swarm::{Happened, SeenEvent, TabRecord};

/// What was to come.
pub(super) struct Expected<'a> {
    pub(super) tabs_per_user: usize,
    /// How often each user was called.
    pub(super) rings: &'a [u64],
    /// The digit of each user's number's state at the end.
    pub(super) states: &'a str,
}

/// What did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Events of users, in all tabs.
    pub(super) events: u64,
    /// Users whose tabs got different events, or of whom tabs are missing.
    pub(super) uneven: u64,
    /// Events that a tab got twice, or that two users got.
    pub(super) repeated: u64,
    /// Tabs where an event is not what the ladder says, or a call has no end.
    pub(super) broken: u64,
    /// Users who were rung more often or less often than they were called.
    pub(super) miscounted: u64,
    /// Tabs whose last told states of numbers are not the numbers' states.
    pub(super) stale: u64,
    /// What tabs could not read.
    pub(super) unread: u64,
    /// All that in words.
    pub(super) faults: Vec<String>,
}

/// Compares the records with each other and with what was to come.
pub(super) fn judge(records: &[TabRecord], expected: &Expected<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let mut by_user: BTreeMap<usize, Vec<&TabRecord>> = BTreeMap::new();
    for user in 1..=expected.rings.len() {
        by_user.insert(user, Vec::new());
    }
    for record in records {
        by_user.entry(record.user).or_default().push(record);
    }
    let mut qids = HashSet::new();
    for (user, tabs) in &by_user {
        verdict.compare(*user, tabs, expected.tabs_per_user);
        verdict.find_repeated(*user, tabs, &mut qids);
        for (place, tab) in tabs.iter().enumerate() {
            verdict.events += tab.seen.len() as u64;
            verdict.unread += tab.unread;
            if let Err(wrong) = follow_ladders(&tab.seen) {
                verdict.broken += 1;
                verdict.fault(format!("user{user}, tab {place}: {wrong}"));
            }
            if let Err(wrong) = check_numbers(tab, expected) {
                verdict.stale += 1;
                verdict.fault(format!("user{user}, tab {place}: {wrong}"));
            }
        }
        verdict.count_rings(*user, tabs, expected);
    }
    verdict
}

impl Verdict {
    fn fault(&mut self, fault: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    fn compare(&mut self, user: usize, tabs: &[&TabRecord], tabs_per_user: usize) {
        let mut wrong = (tabs.len() != tabs_per_user)
            .then(|| format!("{} tabs instead of {tabs_per_user}", tabs.len()));
        let Some((first, others)) = tabs.split_first() else {
            self.uneven += 1;
            return self.fault(format!("user{user} has no tab"));
        };
        for (place, other) in (1..).zip(others) {
            if first.seen == other.seen {
                continue;
            }
            let both = first.seen.iter().zip(&other.seen);
            let same = both.take_while(|(one, two)| one == two).count();
            let what = |seen: &[SeenEvent]| seen.get(same).map(|event| event.what);
            wrong.get_or_insert(format!(
                "of {} and {} events number {same} is {:?} in tab 0 and {:?} in tab {place}, not the same one",
                first.seen.len(),
                other.seen.len(),
                what(&first.seen),
                what(&other.seen),
            ));
        }
        if let Some(wrong) = wrong {
            self.uneven += 1;
            self.fault(format!("user{user}: {wrong}"));
        }
    }

    /// A `qid` comes once in a tab, and is one user's.
    fn find_repeated(&mut self, user: usize, tabs: &[&TabRecord], qids: &mut HashSet<u64>) {
        let mut of_user = HashSet::new();
        for tab in tabs {
            let mut of_tab = HashSet::new();
            for event in &tab.seen {
                let is_news = of_tab.insert(event.qid);
                let is_others = of_user.insert(event.qid) && !qids.insert(event.qid);
                if !is_news || is_others {
                    self.repeated += 1;
                    self.fault(format!("user{user} got a {:?} twice", event.what));
                }
            }
        }
    }

    fn count_rings(&mut self, user: usize, tabs: &[&TabRecord], expected: &Expected<'_>) {
        let called = user.checked_sub(1).and_then(|it| expected.rings.get(it));
        let called = called.copied().unwrap_or_default();
        let rings = |tab: &TabRecord| {
            let rings = tab.seen.iter().map(|event| event.what);
            rings.filter(|what| *what == Happened::RingStarted).count() as u64
        };
        if let Some(wrong) = tabs.iter().map(|tab| rings(tab)).find(|it| *it != called) {
            self.miscounted += 1;
            self.fault(format!(
                "user{user} was called {called} times and rung {wrong} times"
            ));
        }
    }
}

/// How far a call is, with what its events are to name.
enum Stage {
    Idle,
    Ringing(u64),
    Talking(u64),
}

/// protocol 6.6-e and 6.6-g to 6.6-j: the steps of incoming calls, one after the other, and nothing else.
fn follow_ladders(seen: &[SeenEvent]) -> Result<(), String> {
    use Happened::{CommStarted, CommStopped, LineState, RingStarted, RingStopped, UserState};
    let (mut stage, mut rest) = (Stage::Idle, seen);
    while !rest.is_empty() {
        let step: Vec<_> = rest.iter().take(3).map(|it| (it.what, it.about)).collect();
        stage = match (stage, &step[..]) {
            (Stage::Idle, [(UserState, BUSY), (RingStarted, chain), (LineState, _)]) => {
                Stage::Ringing(*chain)
            }
            (
                Stage::Ringing(chain),
                [(RingStopped, stopped), (CommStarted, talk), (LineState, _)],
            ) if chain == *stopped => Stage::Talking(*talk),
            (Stage::Ringing(id), [(UserState, READY), (RingStopped, stopped), (LineState, _)])
            | (Stage::Talking(id), [(UserState, READY), (CommStopped, stopped), (LineState, _)])
                if id == *stopped =>
            {
                Stage::Idle
            }
            (stage, step) => {
                let place = seen.len() - rest.len();
                let names: Vec<_> = step.iter().map(|(what, _)| what).collect();
                let now = stage.name();
                return Err(format!(
                    "events {place} and on, {names:?}, are no step of a line that is {now}"
                ));
            }
        };
        rest = &rest[3..];
    }
    match stage {
        Stage::Idle => Ok(()),
        stage => Err(format!("the line is {} at the end", stage.name())),
    }
}

impl Stage {
    fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Ringing(_) => "ringing",
            Self::Talking(_) => "talking",
        }
    }
}

/// What a tab was told last is so, and it was told of everybody who was called.
fn check_numbers(tab: &TabRecord, expected: &Expected<'_>) -> Result<(), String> {
    let Some(told) = &tab.numbers else {
        return Ok(());
    };
    let mut told = told.bytes();
    for ((user, called), state) in (1..).zip(expected.rings).zip(expected.states.bytes()) {
        let told = told.next().unwrap_or(UNTOLD);
        let is_right = told == state || told == UNTOLD && *called == 0;
        if !is_right {
            let (told, state) = (char::from(told), char::from(state));
            return Err(format!(
                "the last told state of user{user}'s number is {told} instead of {state}"
            ));
        }
    }
    Ok(())
}

/// The state of a user in a call.
const BUSY: u64 = 5;
/// The state of a user without one.
const READY: u64 = 1;
/// No state was told.
const UNTOLD: u8 = b'-';
/// How many faults are kept in words.
const FAULTS_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// Three tabs of two users: the first was called twice, the second never.
    struct World {
        records: Vec<TabRecord>,
        rings: Vec<u64>,
        states: String,
    }

    impl World {
        fn new() -> Self {
            use Happened::{
                CommStarted, CommStopped, LineState, RingStarted, RingStopped, UserState,
            };
            let steps = [
                [(UserState, BUSY), (RingStarted, 70), (LineState, 0)],
                [(RingStopped, 70), (CommStarted, 90), (LineState, 0)],
                [(UserState, READY), (CommStopped, 90), (LineState, 0)],
                [(UserState, BUSY), (RingStarted, 71), (LineState, 0)],
                [(UserState, READY), (RingStopped, 71), (LineState, 0)],
            ];
            let seen = (1000..)
                .zip(steps.concat())
                .map(|(id, (what, about))| SeenEvent {
                    what,
                    qid: id,
                    text: id,
                    about,
                });
            let seen: Vec<_> = seen.collect();
            let record = |user, seen: &[SeenEvent], numbers: Option<&str>| TabRecord {
                user,
                seen: seen.to_vec(),
                numbers: numbers.map(str::to_owned),
                unread: 0,
            };
            let mut records = vec![record(1, &seen, Some("1-")); 3];
            records.extend(vec![record(2, &[], None); 3]);
            Self {
                records,
                rings: vec![2, 0],
                states: "11".into(),
            }
        }

        fn judged(&self) -> Verdict {
            let expected = Expected {
                tabs_per_user: 3,
                rings: &self.rings,
                states: &self.states,
            };
            judge(&self.records, &expected)
        }

        /// The same is done to all tabs of the first user.
        fn in_all_tabs(mut self, change: impl Fn(&mut Vec<SeenEvent>)) -> Verdict {
            for record in &mut self.records[..3] {
                change(&mut record.seen);
            }
            self.judged()
        }

        /// Something is done to one of them.
        fn in_one_tab(mut self, change: impl Fn(&mut Vec<SeenEvent>)) -> Verdict {
            change(&mut self.records[1].seen);
            self.judged()
        }
    }

    fn lose(seen: &mut Vec<SeenEvent>, place: usize) {
        seen.remove(place);
    }

    #[test]
    fn what_came_once_and_in_order_is_good() {
        let verdict = World::new().judged();
        let events = 45;
        assert_eq!(
            verdict,
            Verdict {
                events,
                ..Verdict::default()
            }
        );
    }

    #[test]
    fn a_lost_event_is_found_in_one_tab_and_in_all() {
        let verdict = World::new().in_one_tab(|seen| lose(seen, 4));
        assert_eq!(
            (verdict.uneven, verdict.broken, verdict.repeated),
            (1, 1, 0)
        );
        assert!(
            verdict.faults[0].contains("of 15 and 14 events number 4 is Some(CommStarted)"),
            "{verdict:?}"
        );
        let verdict = World::new().in_all_tabs(|seen| lose(seen, 8));
        assert_eq!((verdict.uneven, verdict.broken), (0, 3));
        let verdict = World::new().in_all_tabs(|seen| lose(seen, 14));
        assert_eq!((verdict.uneven, verdict.broken), (0, 3));
        let verdict = World::new().in_all_tabs(|seen| seen.truncate(12));
        assert_eq!(verdict.broken, 3);
        assert!(
            verdict.faults[0].contains("ringing at the end"),
            "{verdict:?}"
        );
    }

    #[test]
    fn a_whole_call_that_is_lost_is_found_by_the_number_of_calls() {
        let verdict = World::new().in_all_tabs(|seen| seen.truncate(9));
        assert_eq!(
            (verdict.uneven, verdict.broken, verdict.miscounted),
            (0, 0, 1)
        );
        assert_eq!(
            verdict.faults,
            ["user1 was called 2 times and rung 1 times"]
        );
    }

    #[test]
    fn a_doubled_event_is_found_in_one_tab_and_in_all() {
        let double = |seen: &mut Vec<SeenEvent>| seen.insert(3, seen[2]);
        let verdict = World::new().in_one_tab(double);
        assert_eq!(
            (verdict.uneven, verdict.broken, verdict.repeated),
            (1, 1, 1)
        );
        let verdict = World::new().in_all_tabs(double);
        assert_eq!(
            (verdict.uneven, verdict.broken, verdict.repeated),
            (0, 3, 3)
        );
    }

    #[test]
    fn two_swapped_events_are_found_in_one_tab_and_in_all() {
        let verdict = World::new().in_one_tab(|seen| seen.swap(3, 4));
        assert_eq!(
            (verdict.uneven, verdict.broken, verdict.repeated),
            (1, 1, 0)
        );
        let verdict = World::new().in_all_tabs(|seen| seen.swap(3, 4));
        assert_eq!(
            (verdict.uneven, verdict.broken, verdict.repeated),
            (0, 3, 0)
        );
    }

    #[test]
    fn another_calls_event_is_found() {
        let verdict = World::new().in_all_tabs(|seen| seen[7].about = 91);
        assert_eq!(verdict.broken, 3);
        let mut world = World::new();
        let events = world.records[0].seen.clone();
        for record in &mut world.records[3..] {
            record.seen.clone_from(&events);
        }
        let verdict = world.judged();
        assert_eq!((verdict.repeated, verdict.miscounted), (15, 1));
    }

    #[test]
    fn a_missing_tab_is_found() {
        let mut world = World::new();
        world.records.pop();
        assert_eq!(world.judged().faults, ["user2: 2 tabs instead of 3"]);
    }

    #[test]
    fn wrong_and_untold_states_of_numbers_are_found() {
        for (told, wrong) in [
            ("5-", "user1's number is 5"),
            ("", "user1's number is -"),
            ("15", "user2's number is 5"),
        ] {
            let mut world = World::new();
            world.records[2].numbers = Some(told.into());
            let verdict = world.judged();
            assert_eq!(verdict.stale, 1);
            assert!(verdict.faults[0].contains(wrong), "{verdict:?}");
        }
    }
}
