//! Owns the comparison of what the tabs' ledger says with the calls that were made and with the gateway's states.

use crate::ledger::LedgerReport;

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
    /// Rings too many or too few for the calls.
    pub(super) miscounted: u64,
    /// Tabs whose last told states of numbers are not the numbers' states.
    pub(super) stale: u64,
    /// What tabs could not read.
    pub(super) unread: u64,
    /// The first of each in words.
    pub(super) faults: Vec<String>,
}

/// Compares what the tabs got with what was to come.
pub(super) fn judge(found: &LedgerReport, expected: &Expected<'_>) -> Verdict {
    let calls = |user: usize| expected.rings.get(user).copied().unwrap_or_default();
    let miscounted = found.miscounted(calls);
    let stale = found.stale(expected.states, |user| calls(user) > 0);
    let mut tabs = vec![0; expected.rings.len()];
    for (user, _, count) in &found.users {
        if let Some(tabs) = tabs.get_mut(*user) {
            *tabs += count;
        }
    }
    let wrong = tabs.iter().enumerate();
    let mut wrong = wrong.filter(|(_, count)| **count != expected.tabs_per_user);
    let missing = wrong.next().map(|(user, count)| {
        format!(
            "user{} has {count} tabs instead of {}",
            user + 1,
            expected.tabs_per_user
        )
    });
    let incomplete = u64::from(missing.is_some()) + wrong.count() as u64;
    let kinds = [
        &found.lost,
        &found.out_of_order,
        &found.doubled,
        &found.wrong_user,
        &found.broken,
        &miscounted,
        &stale,
        &found.unread,
    ];
    let faults = kinds.into_iter().filter_map(|kind| kind.first.clone());
    Verdict {
        events: found.events,
        uneven: found.uneven_users + incomplete,
        repeated: found.doubled.count + found.wrong_user.count,
        broken: found.broken_tabs,
        miscounted: miscounted.count,
        stale: stale.count,
        unread: found.unread.count,
        faults: missing.into_iter().chain(faults).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::ledger::{Joining, Ledger, TabKey};

    /// An event's name, its fields, and the `qid` that it has in every tab.
    type Event = (&'static str, &'static str, u32);

    const STEPS: [[(&str, &str); 3]; 5] = [
        [
            ("userstatechanged", r#""userstateid":5"#),
            ("phoneevent_ringstarted", r#""chainid":"c""#),
            ("linestatechanged", ""),
        ],
        [
            ("phoneevent_ringstopped", r#""chainid":"c""#),
            ("phoneevent_commstarted", r#""commutationid":"t""#),
            ("linestatechanged", ""),
        ],
        [
            ("userstatechanged", r#""userstateid":1"#),
            ("phoneevent_commstopped", r#""commutationid":"t""#),
            ("linestatechanged", ""),
        ],
        [
            ("userstatechanged", r#""userstateid":5"#),
            ("phoneevent_ringstarted", r#""chainid":"d""#),
            ("linestatechanged", ""),
        ],
        [
            ("userstatechanged", r#""userstateid":1"#),
            ("phoneevent_ringstopped", r#""chainid":"d""#),
            ("linestatechanged", ""),
        ],
    ];

    /// Three tabs of two users: the first was called twice, the second never.
    struct World {
        /// What each tab of the first user gets.
        tabs: [Vec<Event>; 3],
        /// What each of the second's does.
        others: Vec<Event>,
        told: &'static str,
    }

    impl World {
        fn new() -> Self {
            let events = (0..).zip(STEPS.concat());
            let events: Vec<Event> = events
                .map(|(qid, (name, fields))| (name, fields, qid))
                .collect();
            Self {
                tabs: [events.clone(), events.clone(), events],
                others: Vec::new(),
                told: r#"{"num":"101","numstateid":1}"#,
            }
        }

        fn judged(&self) -> Verdict {
            let mut ledger = Ledger::new(101);
            let joined = Instant::now();
            // Whoever is there is there for long.
            let now = joined + Duration::from_secs(60);
            let mut keys = Vec::new();
            for (user, login) in [(0, "user1"), (1, "user2")] {
                for is_told_numbers in [true, false, false] {
                    let joining = Joining {
                        is_told_numbers,
                        is_from_start: true,
                        sets_states: false,
                    };
                    keys.push(ledger.join(user, login, joined, joining));
                }
            }
            let mut take = |key: TabKey, (name, fields, qid): &Event, login: &str| {
                let comma = if fields.is_empty() { "" } else { "," };
                let text =
                    format!(r#"["{name}",{{"qid":"{qid}"{comma}{fields},"userlogin":"{login}"}}]"#);
                ledger.take(key, name, text.as_bytes(), now);
            };
            let longest = self.tabs.iter().map(Vec::len).max().unwrap();
            for place in 0..longest {
                for (key, events) in keys.iter().zip(&self.tabs) {
                    if let Some(event) = events.get(place) {
                        take(*key, event, "user1");
                    }
                }
            }
            for (key, event) in keys[3..]
                .iter()
                .flat_map(|key| self.others.iter().map(move |it| (key, it)))
            {
                take(*key, event, "user1");
            }
            let told = format!(r#"["pbxnumberstatechanged",{{"numbers":[{}]}}]"#, self.told);
            for key in [keys[0], keys[3]] {
                ledger.take(key, "pbxnumberstatechanged", told.as_bytes(), now);
            }
            let expected = Expected {
                tabs_per_user: 3,
                rings: &[2, 0],
                states: "11",
            };
            judge(&ledger.finish(), &expected)
        }

        /// The same is done to all tabs of the first user.
        fn in_all_tabs(mut self, change: impl Fn(&mut Vec<Event>)) -> Verdict {
            self.tabs.iter_mut().for_each(change);
            self.judged()
        }

        /// Something is done to one of them.
        fn in_one_tab(mut self, change: impl Fn(&mut Vec<Event>)) -> Verdict {
            change(&mut self.tabs[1]);
            self.judged()
        }
    }

    fn faults(verdict: &Verdict) -> (u64, u64, u64) {
        (verdict.uneven, verdict.broken, verdict.repeated)
    }

    fn lose(events: &mut Vec<Event>, place: usize) {
        events.remove(place);
    }

    #[test]
    fn what_came_once_and_in_order_is_good() {
        let expected = Verdict {
            events: 45,
            ..Verdict::default()
        };
        assert_eq!(World::new().judged(), expected);
    }

    #[test]
    fn a_lost_event_is_found_in_one_tab_and_in_all() {
        let verdict = World::new().in_one_tab(|events| lose(events, 4));
        assert_eq!(faults(&verdict), (1, 1, 0), "{verdict:?}");
        for place in [0, 8, 14] {
            let verdict = World::new().in_all_tabs(|events| lose(events, place));
            assert_eq!(faults(&verdict), (0, 3, 0), "{place}: {verdict:?}");
        }
        let verdict = World::new().in_all_tabs(|events| events.truncate(12));
        assert_eq!(verdict.broken, 3);
        assert!(
            verdict.faults[0].contains("ringing at the end"),
            "{verdict:?}"
        );
    }

    #[test]
    fn a_whole_call_that_is_lost_is_found_by_the_number_of_calls() {
        let verdict = World::new().in_all_tabs(|events| events.truncate(9));
        assert_eq!(faults(&verdict), (0, 0, 0));
        assert_eq!(verdict.miscounted, 1);
    }

    #[test]
    fn a_doubled_event_is_found_in_one_tab_and_in_all() {
        let double = |events: &mut Vec<Event>| events.insert(3, events[2]);
        let verdict = World::new().in_one_tab(double);
        assert_eq!(faults(&verdict), (0, 1, 1), "{verdict:?}");
        let verdict = World::new().in_all_tabs(double);
        assert_eq!(faults(&verdict), (0, 3, 3), "{verdict:?}");
    }

    #[test]
    fn two_swapped_events_are_found_in_one_tab_and_in_all() {
        let verdict = World::new().in_one_tab(|events| events.swap(3, 4));
        assert_eq!(faults(&verdict), (1, 1, 0), "{verdict:?}");
        let verdict = World::new().in_all_tabs(|events| events.swap(3, 4));
        assert_eq!(faults(&verdict), (0, 3, 0), "{verdict:?}");
    }

    #[test]
    fn another_calls_or_another_users_event_is_found() {
        let verdict = World::new().in_all_tabs(|events| events[7].1 = r#""commutationid":"u""#);
        assert_eq!(verdict.broken, 3);
        let mut world = World::new();
        world.others.clone_from(&world.tabs[0]);
        let verdict = world.judged();
        assert_eq!((verdict.repeated, verdict.miscounted), (45, 2));
    }

    #[test]
    fn a_missing_tab_is_found() {
        let expected = Expected {
            tabs_per_user: 3,
            rings: &[0, 0],
            states: "",
        };
        let found = LedgerReport {
            users: vec![(0, 0, 3), (1, 0, 2)],
            ..LedgerReport::default()
        };
        let verdict = judge(&found, &expected);
        assert_eq!(
            (verdict.uneven, verdict.faults),
            (1, vec!["user2 has 2 tabs instead of 3".to_owned()])
        );
    }

    #[test]
    fn wrong_and_untold_states_of_numbers_are_found() {
        for told in [
            r#"{"num":"101","numstateid":5}"#,
            r#"{"num":"102","numstateid":1}"#,
            r#"{"num":"101","numstateid":1},{"num":"102","numstateid":5}"#,
        ] {
            let world = World {
                told,
                ..World::new()
            };
            assert_eq!(world.judged().stale, 2, "{told}");
        }
    }
}
