//! Owns what the tabs of one user got, compared with each other as it comes: protocol 6.6-d, the same events in the same order.
//!
//! The events of the user stand in one sequence, in which each tab has its place; what all have is forgotten, but a few, by which
//! a second coming is known. So memory is bounded however long a run is.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::ladder::{Ladder, Step};
use super::seen::{Happened, SeenEvent};

/// One user's tabs.
#[derive(Debug, Default)]
pub(super) struct UserLedger {
    /// The latest events.
    events: VecDeque<Event>,
    /// How many came before these.
    forgotten: u64,
    tabs: Vec<TabEntry>,
    next_tab: u32,
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

#[derive(Debug, Clone, Copy)]
struct Event {
    seen: SeenEvent,
    /// When the first tab got it.
    first_at: Instant,
}

/// One tab.
#[derive(Debug)]
pub(super) struct TabEntry {
    pub(super) id: u32,
    /// The place in the sequence that it comes to next.
    next: u64,
    /// The place of the first event that it got; `None` as long as its place is a guess.
    first: Option<u64>,
    joined_at: Instant,
    /// Events of others that it has passed without getting them.
    missing: Vec<u64>,
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

impl UserLedger {
    /// A tab is subscribed from now on.
    pub(super) fn join(&mut self, now: Instant, ladder: Ladder, tab: Joining) -> u32 {
        let id = self.next_tab;
        self.next_tab += 1;
        self.tabs.push(TabEntry {
            id,
            next: self.end(),
            first: None,
            joined_at: now,
            missing: Vec::new(),
            ladder,
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
        let mut taken = self.compare(place, seen, now);
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
        self.forget();
        taken
    }

    /// A tab's link has ended: what it had passed over is lost, what it would have got is not known.
    pub(super) fn leave(&mut self, id: u32) -> Option<TabEntry> {
        let place = self.tabs.iter().position(|tab| tab.id == id)?;
        let tab = self.tabs.remove(place);
        self.found.lost += tab.missing.len() as u64;
        Some(tab)
    }

    /// Nothing comes any more: what a tab has not got is lost.
    pub(super) fn finish(&mut self) {
        let end = self.end();
        for tab in &mut self.tabs {
            let late = tab.next..end;
            let late = late.filter(|place| {
                let event = event_at(&self.events, self.forgotten, *place);
                event.is_none_or(|event| !tab.may_lack(event))
            });
            self.found.lost += tab.missing.len() as u64 + late.count() as u64;
            tab.missing.clear();
            tab.next = end;
        }
    }

    fn end(&self) -> u64 {
        self.forgotten + self.events.len() as u64
    }

    /// Finds the tab's place in the sequence behind this event.
    fn compare(&mut self, tab: usize, seen: SeenEvent, now: Instant) -> Taken {
        let next = self.tabs[tab].next;
        let expected = event_at(&self.events, self.forgotten, next);
        if expected.is_some_and(|event| event.seen == seen) {
            self.advance(tab, next);
            return self.taken(tab, next, now);
        }
        if let Some(missing) = self.tabs[tab]
            .missing
            .iter()
            .position(|text| *text == seen.text)
        {
            self.tabs[tab].missing.remove(missing);
            return self.late(tab, seen);
        }
        let found = self
            .events
            .iter()
            .position(|event| event.seen.qid == seen.qid);
        match found.map(|place| self.forgotten + place as u64) {
            Some(place) if place >= next || self.tabs[tab].first.is_none() => {
                let known = event_at(&self.events, self.forgotten, place);
                let is_same = known.is_some_and(|event| event.seen == seen);
                self.advance(tab, place);
                if is_same {
                    return self.taken(tab, place, now);
                }
                self.found.lost += 1;
                let words = format!("another {} than in another tab", seen.what.name());
                Taken {
                    wrong: Some((Wrong::Different, words)),
                    ..Taken::default()
                }
            }
            Some(_) => {
                self.found.doubled += 1;
                Taken {
                    wrong: Some((Wrong::Doubled, format!("{} twice", seen.what.name()))),
                    ..Taken::default()
                }
            }
            None => {
                if seen.what == Happened::RingStarted {
                    self.rings += 1;
                }
                self.add(tab, seen, now);
                Taken::default()
            }
        }
    }

    /// An event that nobody got before comes where the tab is; who is further has missed it so far.
    fn add(&mut self, tab: usize, seen: SeenEvent, now: Instant) {
        let entry = &self.tabs[tab];
        let place = entry.first.map_or(self.end(), |_| entry.next);
        let event = Event {
            seen,
            first_at: now,
        };
        self.events.insert(self.index(place), event);
        for (other, entry) in self.tabs.iter_mut().enumerate() {
            if other == tab || entry.next <= place {
                continue;
            }
            entry.next += 1;
            match &mut entry.first {
                // It came later than this event.
                Some(first) if *first > place => *first += 1,
                _ => self.found.lost += entry.miss(seen.text),
            }
        }
        self.advance(tab, place);
    }

    /// The tab passes to behind this place; what it has not got on the way is missing.
    fn advance(&mut self, tab: usize, place: u64) {
        let tab = &mut self.tabs[tab];
        for passed in tab.next..place {
            let Some(event) = event_at(&self.events, self.forgotten, passed) else {
                continue;
            };
            if tab.may_lack(event) {
                continue;
            }
            self.found.lost += tab.miss(event.seen.text);
        }
        tab.next = place + 1;
        tab.first.get_or_insert(place);
    }

    /// Whether this tab was the last to get the event at this place, and how long after the first.
    fn taken(&self, tab: usize, place: u64, now: Instant) -> Taken {
        let is_last = self
            .tabs
            .iter()
            .enumerate()
            .all(|(other, entry)| other == tab || entry.first.is_none() || entry.next > place);
        let event = event_at(&self.events, self.forgotten, place);
        let fan_out = event.map(|event| now.saturating_duration_since(event.first_at));
        Taken {
            fan_out: fan_out.filter(|_| is_last && self.tabs.len() > 1),
            ..Taken::default()
        }
    }

    /// A tab gets what it seemed to have missed. If all who have got it got it after the same events, it stands in the wrong
    /// place; else the tab has it too late.
    fn late(&mut self, tab: usize, seen: SeenEvent) -> Taken {
        let until = self.tabs[tab].next;
        let found = self
            .events
            .iter()
            .position(|event| event.seen.text == seen.text);
        let place = found.map(|place| self.forgotten + place as u64);
        let is_misplaced = place.is_some_and(|place| {
            let mut others = self
                .tabs
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != tab);
            let has_not_passed =
                |entry: &TabEntry| entry.next <= place + 1 || entry.misses(seen.text);
            place < until && others.all(|(_, entry)| has_not_passed(entry))
        });
        let (Some(place), true) = (place, is_misplaced) else {
            self.found.out_of_order += 1;
            return Taken {
                wrong: Some((Wrong::OutOfOrder, format!("{} too late", seen.what.name()))),
                ..Taken::default()
            };
        };
        self.move_behind(tab, place, until - 1, seen.text);
        Taken::default()
    }

    /// Moves the event at this place back to another, which the tab has just passed.
    fn move_behind(&mut self, tab: usize, place: u64, to: u64, text: u64) {
        let (from, until) = (self.index(place), self.index(to));
        let between = self.events.range(from + 1..=until);
        let between: Vec<u64> = between.map(|event| event.seen.text).collect();
        if let Some(event) = self.events.remove(from) {
            self.events.insert(until, event);
        }
        for (other, entry) in self.tabs.iter_mut().enumerate() {
            if other == tab || entry.next <= place || entry.next > to + 1 {
                continue;
            }
            if let Some(missing) = entry.missing.iter().position(|known| *known == text) {
                // It comes to the event yet.
                entry.missing.remove(missing);
                entry.next -= 1;
            } else {
                entry.next = to + 1;
                for text in &between {
                    self.found.lost += entry.miss(*text);
                }
            }
        }
    }

    fn index(&self, place: u64) -> usize {
        usize::try_from(place - self.forgotten).unwrap_or(usize::MAX)
    }

    /// Forgets what all tabs have got, but the last few, and what is too much.
    fn forget(&mut self) {
        let all_have = self.tabs.iter().map(|tab| tab.next).min();
        while self.events.len() > EVENTS_KEPT {
            let is_done = all_have.is_none_or(|next| self.forgotten < next);
            if !is_done && self.events.len() <= EVENTS_MAX {
                return;
            }
            let event = self.events.pop_front();
            for tab in &mut self.tabs {
                if tab.next == self.forgotten {
                    tab.next += 1;
                    let is_lost = event.is_some_and(|event| !tab.may_lack(&event));
                    self.found.lost += u64::from(is_lost);
                }
            }
            self.forgotten += 1;
        }
    }
}

impl TabEntry {
    /// Notes an event that it has not got; gives how many of those are given up for it.
    fn miss(&mut self, text: u64) -> u64 {
        let is_full = self.missing.len() == MISSING_MAX;
        if is_full {
            self.missing.remove(0);
        }
        self.missing.push(text);
        u64::from(is_full)
    }

    fn misses(&self, text: u64) -> bool {
        self.missing.contains(&text)
    }

    /// Events that others read about when this tab came may have been sent before it was subscribed.
    fn may_lack(&self, event: &Event) -> bool {
        self.first.is_none() && event.first_at < self.joined_at + JOINING
    }
}

/// What is known of a tab that joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Joining {
    /// It is told of numbers' states.
    pub(crate) is_told_numbers: bool,
    /// Nothing has happened yet: its user's line is idle.
    pub(crate) is_from_start: bool,
}

fn event_at(events: &VecDeque<Event>, forgotten: u64, place: u64) -> Option<&Event> {
    events.get(usize::try_from(place.checked_sub(forgotten)?).ok()?)
}

/// How many events are remembered that all tabs have: more than a call has steps.
const EVENTS_KEPT: usize = 12;
/// How many are remembered of a user at most.
const EVENTS_MAX: usize = 1024;
/// How many a tab may miss that could come still.
const MISSING_MAX: usize = 64;
/// For how long others' events may be older than a tab that joins.
const JOINING: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
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
            };
            let ladder = Ladder::new(false, false);
            self.tabs.push(self.user.join(self.now, ladder, joining));
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
        assert!(world.user.events.len() <= EVENTS_MAX);
        assert_eq!(world.found(), [4999, 0, 0]);
    }
}
