//! Owns what the tabs of one user got, compared with each other as it comes: protocol 6.6-d, the same events in the same order.
//!
//! Each tab has a queue of events; what stands in front of all queues is taken out of all, so that queues of tabs that get
//! the same are short. Where they differ, they are left until the user has been quiet for a while, and then compared as a whole. So
//! memory is bounded however long a run is, and it does not matter in which order the tabs are read.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::ladder::{Ladder, Step};
use super::seen::{Happened, SeenEvent};

/// One user's tabs.
#[derive(Debug, Default)]
pub(super) struct UserLedger {
    tabs: Vec<TabEntry>,
    next_tab: u32,
    /// The events in the queues.
    events: VecDeque<Event>,
    /// The last ones that were taken out of all queues: a second coming is known by them.
    settled: VecDeque<u64>,
    /// When any tab got an event.
    last_at: Option<Instant>,
    /// How often the user was rung.
    pub(super) rings: u64,
    pub(super) found: Found,
}

/// What was found at a user.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) out_of_order: u64,
}

/// An event that stands in a queue.
#[derive(Debug, Clone, Copy)]
struct Event {
    seen: SeenEvent,
    /// When the first tab got it.
    first_at: Instant,
    /// The last tab has got it.
    is_everywhere: bool,
}

/// One tab.
#[derive(Debug)]
pub(super) struct TabEntry {
    pub(super) id: u32,
    joined_at: Instant,
    /// The events that it got and that are not settled, by their `qid`, in the order of their coming.
    queue: VecDeque<u64>,
    /// Events of others that it has not got, of a time that is settled.
    missing: Vec<u64>,
    /// The last events that were settled when it came, and that it may get all the same: others were read before it.
    before: Vec<u64>,
    pub(super) ladder: Ladder,
    pub(super) has_broken: bool,
    /// The last told states of numbers, if it is told of them.
    pub(super) numbers: Option<Vec<u8>>,
    /// It was there before anything happened.
    pub(super) is_from_start: bool,
}

/// What an event of a tab led to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Taken {
    /// From the first of the user's tabs to this, the last.
    pub(super) fan_out: Option<Duration>,
    pub(super) step: Option<Step>,
    /// What is wrong with it, in words.
    pub(super) wrong: Option<(Wrong, String)>,
}

/// In which way an event is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is not the same as in another tab.
    Different,
    Doubled,
    OutOfOrder,
    Ladder,
}

/// What is known of a tab that joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Joining {
    /// It is told of numbers' states.
    pub(crate) is_told_numbers: bool,
    /// Nothing has happened yet: its user's line is idle.
    pub(crate) is_from_start: bool,
    /// The user's state may change beside calls.
    pub(crate) sets_states: bool,
}

impl UserLedger {
    /// A tab is subscribed from now on.
    pub(super) fn join(&mut self, now: Instant, tab: Joining) -> u32 {
        let id = self.next_tab;
        self.next_tab += 1;
        self.tabs.push(TabEntry {
            id,
            joined_at: now,
            queue: VecDeque::new(),
            missing: Vec::new(),
            before: self.settled.iter().copied().collect(),
            ladder: Ladder::new(tab.is_from_start, tab.sets_states),
            has_broken: false,
            numbers: tab.is_told_numbers.then(Vec::new),
            is_from_start: tab.is_from_start,
        });
        id
    }

    pub(super) fn tab(&mut self, id: u32) -> Option<&mut TabEntry> {
        self.tabs.iter_mut().find(|tab| tab.id == id)
    }

    pub(super) fn tabs(&self) -> &[TabEntry] {
        &self.tabs
    }

    /// A tab got an event.
    pub(super) fn take(&mut self, id: u32, seen: SeenEvent, now: Instant) -> Taken {
        let Some(place) = self.tabs.iter().position(|tab| tab.id == id) else {
            return Taken::default();
        };
        let was_quiet = self.last_at.is_some_and(|last| now > last + QUIET);
        if was_quiet || self.tabs[place].queue.len() >= QUEUE_MAX {
            self.settle();
        }
        self.last_at = Some(now);
        let mut taken = self.put(place, seen, now);
        let tab = &mut self.tabs[place];
        if seen.what != Happened::Other {
            match tab.ladder.take(seen.what, seen.about) {
                Ok(step) => taken.step = step,
                Err(wrong) => {
                    tab.has_broken = true;
                    taken.wrong.get_or_insert((Wrong::Ladder, wrong));
                }
            }
        }
        self.take_out_common();
        taken
    }

    /// A tab's link has ended: what it had passed over is lost, what it would have got is not known.
    pub(super) fn leave(&mut self, id: u32) -> Option<TabEntry> {
        let place = self.tabs.iter().position(|tab| tab.id == id)?;
        let tab = self.tabs.remove(place);
        let longest = self.tabs.iter().max_by_key(|other| other.queue.len());
        if let (Some(other), Some(last)) = (longest, tab.queue.back()) {
            let until = other.queue.iter().position(|qid| qid == last).unwrap_or(0);
            let passed = other.queue.iter().take(until);
            let lost = passed.filter(|qid| !tab.queue.contains(qid) && !self.may_lack(&tab, **qid));
            self.found.lost += lost.count() as u64;
        }
        self.found.lost += tab.missing.len() as u64;
        self.take_out_common();
        Some(tab)
    }

    /// Nothing comes any more: what a tab has not got is lost.
    pub(super) fn finish(&mut self) {
        self.settle();
        for tab in &mut self.tabs {
            self.found.lost += std::mem::take(&mut tab.missing).len() as u64;
        }
    }

    /// Puts an event in the tab's queue.
    fn put(&mut self, tab: usize, seen: SeenEvent, now: Instant) -> Taken {
        let qid = seen.qid;
        let wrong = |wrong, words: String| Taken {
            wrong: Some((wrong, words)),
            ..Taken::default()
        };
        if let Some(missing) = self.tabs[tab].missing.iter().position(|it| *it == qid) {
            self.tabs[tab].missing.remove(missing);
            self.found.out_of_order += 1;
            return wrong(Wrong::OutOfOrder, format!("{} too late", seen.what.name()));
        }
        if let Some(before) = self.tabs[tab].before.iter().position(|it| *it == qid) {
            self.tabs[tab].before.remove(before);
            return Taken::default();
        }
        if self.settled.contains(&qid) || self.tabs[tab].queue.contains(&qid) {
            self.found.doubled += 1;
            return wrong(Wrong::Doubled, format!("{} twice", seen.what.name()));
        }
        self.tabs[tab].queue.push_back(qid);
        let Some(known) = self.events.iter().position(|event| event.seen.qid == qid) else {
            self.rings += u64::from(seen.what == Happened::RingStarted);
            self.events.push_back(Event {
                seen,
                first_at: now,
                is_everywhere: false,
            });
            return Taken::default();
        };
        if self.events[known].seen != seen {
            self.found.lost += 1;
            let words = format!("another {} than in another tab", seen.what.name());
            return wrong(Wrong::Different, words);
        }
        let mut others = self.tabs.iter();
        let is_last = others.all(|other| other.queue.contains(&qid) || self.may_lack(other, qid));
        let event = &mut self.events[known];
        let is_news = is_last && !std::mem::replace(&mut event.is_everywhere, is_last);
        Taken {
            fan_out: is_news.then(|| now.saturating_duration_since(event.first_at)),
            ..Taken::default()
        }
    }

    /// Events that others read about when a tab came may have been sent before it was subscribed.
    fn may_lack(&self, tab: &TabEntry, qid: u64) -> bool {
        let event = self.events.iter().find(|event| event.seen.qid == qid);
        event.is_some_and(|event| event.first_at < tab.joined_at + JOINING)
    }

    /// Takes out what stands in front of all queues.
    fn take_out_common(&mut self) {
        while let Some(first) = self.tabs.first().and_then(|tab| tab.queue.front().copied()) {
            if self
                .tabs
                .iter()
                .any(|tab| tab.queue.front() != Some(&first))
            {
                return;
            }
            for tab in &mut self.tabs {
                tab.queue.pop_front();
            }
            self.forget(first);
        }
        if self.tabs.is_empty() {
            self.events.clear();
        }
    }

    /// An event is settled.
    fn forget(&mut self, qid: u64) {
        self.events.retain(|event| event.seen.qid != qid);
        if self.settled.len() == SETTLED_KEPT {
            self.settled.pop_front();
        }
        self.settled.push_back(qid);
    }

    /// Compares the queues as a whole and empties them.
    fn settle(&mut self) {
        let all: Vec<u64> = self.events.iter().map(|event| event.seen.qid).collect();
        for tab in 0..self.tabs.len() {
            let lacks = |qid: &u64| !self.tabs[tab].queue.contains(qid);
            let lacks = all.iter().copied().filter(lacks);
            let lost: Vec<u64> = lacks
                .filter(|qid| !self.may_lack(&self.tabs[tab], *qid))
                .collect();
            for qid in lost {
                self.found.lost += self.tabs[tab].miss(qid);
            }
        }
        self.found.out_of_order += out_of_order(&self.tabs);
        for tab in &mut self.tabs {
            tab.queue.clear();
        }
        for qid in all {
            self.forget(qid);
        }
    }
}

impl TabEntry {
    /// Notes an event that it has not got; gives how many of those are given up for it.
    fn miss(&mut self, qid: u64) -> u64 {
        let is_full = self.missing.len() == MISSING_MAX;
        if is_full {
            self.missing.remove(0);
        }
        self.missing.push(qid);
        u64::from(is_full)
    }
}

/// How many events stand in another order than in most tabs.
fn out_of_order(tabs: &[TabEntry]) -> u64 {
    let mut votes: HashMap<&VecDeque<u64>, usize> = HashMap::new();
    for tab in tabs {
        *votes.entry(&tab.queue).or_default() += 1;
    }
    if votes.len() < 2 {
        return 0;
    }
    // Of equally many the longest; of equally long ones the first tab's, so that it is always the same.
    let order = tabs
        .iter()
        .rev()
        .max_by_key(|tab| (votes[&tab.queue], tab.queue.len()));
    let Some(order) = order else {
        return 0;
    };
    let places: HashMap<u64, usize> = order.queue.iter().copied().zip(0..).collect();
    let others = tabs.iter().map(|tab| {
        let places: Vec<usize> = tab
            .queue
            .iter()
            .filter_map(|qid| places.get(qid).copied())
            .collect();
        (places.len() - longest_rise(&places)) as u64
    });
    others.sum()
}

/// How long the longest part of these numbers is, not necessarily together, that only rises.
fn longest_rise(numbers: &[usize]) -> usize {
    // The smallest number that a rise of each length ends with.
    let mut ends: Vec<usize> = Vec::new();
    for number in numbers {
        let place = ends.partition_point(|end| end < number);
        if place == ends.len() {
            ends.push(*number);
        } else {
            ends[place] = *number;
        }
    }
    ends.len()
}

/// How many settled events are remembered: more than a call has steps.
const SETTLED_KEPT: usize = 12;
/// How long a queue is at most.
const QUEUE_MAX: usize = 256;
/// How many events a tab may miss that could come still.
const MISSING_MAX: usize = 64;
/// How long a user must be quiet until what has not come will not come any more.
const QUIET: Duration = Duration::from_secs(10);
/// For how long others' events may be older than a tab that joins.
const JOINING: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct World {
        user: UserLedger,
        tabs: Vec<u32>,
        now: Instant,
    }

    impl World {
        fn new(tabs: usize) -> Self {
            let mut world = Self {
                user: UserLedger::default(),
                tabs: Vec::new(),
                now: Instant::now(),
            };
            for _ in 0..tabs {
                world.join();
            }
            // Whoever is there is there for long.
            world.now += Duration::from_secs(10);
            world
        }

        fn join(&mut self) {
            let joining = Joining {
                is_told_numbers: false,
                is_from_start: false,
                sets_states: false,
            };
            self.tabs.push(self.user.join(self.now, joining));
        }

        /// A tab gets these events, a millisecond after what came before.
        fn get(&mut self, tab: usize, events: &[u64]) -> Option<Duration> {
            let mut fan_out = None;
            for id in events {
                self.now += Duration::from_millis(1);
                let seen = SeenEvent {
                    what: Happened::Other,
                    qid: *id,
                    text: *id,
                    about: 0,
                };
                fan_out = self.user.take(self.tabs[tab], seen, self.now).fan_out;
            }
            fan_out
        }

        /// Lost, doubled, out of order.
        fn found(mut self) -> [u64; 3] {
            self.user.finish();
            let found = self.user.found;
            [found.lost, found.doubled, found.out_of_order]
        }
    }

    #[test]
    fn the_same_events_in_the_same_order_are_good_however_they_interleave() {
        let mut world = World::new(3);
        world.get(0, &[1, 2, 3]);
        world.get(1, &[1]);
        world.get(2, &[1, 2, 3, 4]);
        world.get(1, &[2, 3, 4]);
        world.get(0, &[4]);
        assert_eq!(world.found(), [0, 0, 0]);
    }

    #[test]
    fn a_lost_event_is_found_whoever_lost_it() {
        for loser in 0..3 {
            for is_batched in [false, true] {
                let mut world = World::new(3);
                let events: Vec<u64> = (1..=9).collect();
                let got = |tab| -> Vec<u64> {
                    let all = events.iter().copied();
                    all.filter(|id| tab != loser || *id != 5).collect()
                };
                if is_batched {
                    for tab in 0..3 {
                        world.get(tab, &got(tab));
                    }
                } else {
                    for id in &events {
                        for tab in 0..3 {
                            if got(tab).contains(id) {
                                world.get(tab, &[*id]);
                            }
                        }
                    }
                }
                assert_eq!(world.found(), [1, 0, 0], "{loser} {is_batched}");
            }
        }
    }

    #[test]
    fn the_last_events_are_lost_if_a_tab_never_gets_them() {
        let mut world = World::new(2);
        world.get(0, &[1, 2, 3]);
        world.get(1, &[1]);
        assert_eq!(world.found(), [2, 0, 0]);
        let mut world = World::new(2);
        world.get(0, &[1, 2, 3]);
        assert_eq!(world.found(), [3, 0, 0]);
    }

    #[test]
    fn a_doubled_event_is_found_in_any_tab() {
        for (first, second) in [
            (&[1, 2, 2, 3][..], &[1, 2, 3][..]),
            (&[1, 2, 3], &[1, 2, 3, 1]),
        ] {
            let mut world = World::new(2);
            world.get(0, first);
            world.get(1, second);
            assert_eq!(world.found(), [0, 1, 0]);
        }
    }

    #[test]
    fn swapped_events_are_out_of_order_once() {
        for (first, second) in [
            (&[1, 2, 3, 4][..], &[1, 3, 2, 4][..]),
            (&[1, 3, 2, 4], &[1, 2, 3, 4]),
        ] {
            let mut world = World::new(2);
            world.get(0, first);
            world.get(1, second);
            assert_eq!(world.found(), [0, 0, 1], "{first:?} {second:?}");
        }
    }

    #[test]
    fn a_tab_that_comes_later_lacks_nothing_that_was_told_before() {
        let mut world = World::new(2);
        world.get(0, &[1, 2]);
        world.join();
        // The second tab reads more slowly: the third gets the next event before the second gets the last ones.
        world.get(2, &[3]);
        world.get(1, &[1, 2, 3]);
        world.get(0, &[3, 4]);
        world.get(1, &[4]);
        world.get(2, &[4]);
        assert_eq!(world.found(), [0, 0, 0]);
    }

    #[test]
    fn a_tab_that_comes_later_may_get_what_others_were_told_in_that_moment_but_once() {
        for (twice, found) in [(&[][..], [0, 0, 0]), (&[2], [0, 1, 0])] {
            let mut world = World::new(1);
            world.get(0, &[1, 2]);
            world.join();
            world.get(1, &[2, 3]);
            world.get(1, twice);
            world.get(0, &[3]);
            assert_eq!(world.found(), found);
        }
    }

    #[test]
    fn what_a_tab_that_left_has_not_read_is_not_lost() {
        let mut world = World::new(2);
        world.get(0, &[1, 2, 3]);
        world.get(1, &[1]);
        assert!(world.user.leave(world.tabs[1]).is_some());
        assert_eq!(world.found(), [0, 0, 0]);
        let mut world = World::new(2);
        world.get(0, &[1, 2, 3]);
        world.get(1, &[1, 3]);
        world.user.leave(world.tabs[1]);
        assert_eq!(world.found(), [1, 0, 0]);
    }

    #[test]
    fn the_fan_out_lasts_from_the_first_tab_to_the_last() {
        let mut world = World::new(3);
        for tab in 0..3 {
            world.get(tab, &[1]);
        }
        assert_eq!(world.get(1, &[2]), None);
        assert_eq!(world.get(0, &[2]), None);
        assert_eq!(world.get(2, &[2]), Some(Duration::from_millis(2)));
        let mut alone = World::new(1);
        assert_eq!(alone.get(0, &[1, 2]), None);
    }

    #[test]
    fn memory_is_bounded_even_if_a_tab_gets_nothing() {
        let mut world = World::new(2);
        world.get(1, &[1]);
        world.get(0, &(1..=5000).collect::<Vec<u64>>());
        assert!(world.user.events.len() <= QUEUE_MAX);
        assert_eq!(world.found(), [4999, 0, 0]);
    }

    /// Deals the events of several tabs out in an order that these numbers choose, a batch of a tab at a time.
    fn interleaved(tabs: &[Vec<u64>], order: &[(usize, usize)]) -> [u64; 3] {
        let mut world = World::new(tabs.len());
        let mut got = vec![0_usize; tabs.len()];
        let all = order
            .iter()
            .copied()
            .chain((0..tabs.len()).map(|tab| (tab, usize::MAX)));
        for (tab, count) in all {
            let tab = tab % tabs.len();
            let until = got[tab].saturating_add(count).min(tabs[tab].len());
            world.get(tab, &tabs[tab][got[tab]..until]);
            got[tab] = until;
        }
        world.found()
    }

    proptest! {
        #[test]
        fn however_tabs_are_read_good_ones_are_good(
            events in 0..60_u64,
            tabs in 1..5_usize,
            order in proptest::collection::vec((0..5_usize, 0..12_usize), 0..40),
        ) {
            let all: Vec<u64> = (1..=events).collect();
            prop_assert_eq!(interleaved(&vec![all; tabs], &order), [0, 0, 0]);
        }

        #[test]
        fn however_tabs_are_read_a_loss_and_a_double_are_counted_once(
            events in 2..60_u64,
            tabs in 2..5_usize,
            bad in 0..5_usize,
            place in 0..60_usize,
            order in proptest::collection::vec((0..5_usize, 0..6_usize), 0..40),
        ) {
            let all: Vec<u64> = (1..=events).collect();
            let (bad, place) = (bad % tabs, place % all.len());
            let mut lossy = vec![all.clone(); tabs];
            lossy[bad].remove(place);
            prop_assert_eq!(interleaved(&lossy, &order), [1, 0, 0]);
            let mut doubled = vec![all.clone(); tabs];
            doubled[bad].insert(place, all[place]);
            prop_assert_eq!(interleaved(&doubled, &order), [0, 1, 0]);
        }

        #[test]
        fn however_tabs_are_read_a_swap_is_counted_once(
            events in 2..60_u64,
            tabs in 2..5_usize,
            bad in 0..5_usize,
            place in 0..60_usize,
            order in proptest::collection::vec((0..5_usize, 0..6_usize), 0..40),
        ) {
            let all: Vec<u64> = (1..=events).collect();
            let (bad, place) = (bad % tabs, place % (all.len() - 1));
            let mut swapped = vec![all; tabs];
            swapped[bad].swap(place, place + 1);
            prop_assert_eq!(interleaved(&swapped, &order), [0, 0, 1]);
        }
    }
}
