//! Owns the proof that all tabs of a user are told the same events, each once and in order.
//!
//! One tab of each user, its witness, tells the user's story; every other tab follows it. A tab on a clean link follows from the
//! story's beginning to its end; one that comes and goes follows from the first event of its link on, without a gap. Events come
//! in as digests, what is wrong goes out in words.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// The stories of all users, and how far each tab has followed.
#[derive(Debug, Default)]
pub(super) struct Stories {
    users: RefCell<BTreeMap<usize, Story>>,
    /// By tab.
    followers: RefCell<BTreeMap<usize, Follower>>,
}

/// One event, in as few words as tell it from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// A digest of its text.
    pub(super) digest: u64,
    /// Its name.
    pub(super) name: String,
}

#[derive(Debug, Default)]
struct Story {
    /// How many events were forgotten before the first one here.
    forgotten: u64,
    told: VecDeque<(Told, Instant)>,
}

#[derive(Debug)]
struct Follower {
    user: usize,
    /// Which event of the story comes next; `None` until the first one has been found in it.
    next: Option<u64>,
    /// Events that the witness has not told yet.
    ahead: VecDeque<Told>,
    since: Instant,
}

impl Stories {
    /// How many events the witness of a user has told.
    pub(super) fn length(&self, user: usize) -> u64 {
        self.users.borrow().get(&user).map_or(0, Story::end)
    }

    /// The witness of a user was told an event; gives what is wrong with it.
    pub(super) fn witness(&self, user: usize, told: Told) -> Option<String> {
        let mut users = self.users.borrow_mut();
        let story = users.entry(user).or_default();
        if story.find(&told).is_some() {
            return Some(format!("{} again", told.name));
        }
        story.told.push_back((told, Instant::now()));
        if story.told.len() > KEPT_MAX {
            story.told.pop_front();
            story.forgotten += 1;
        }
        None
    }

    /// From now on a tab of this user follows: from the story's beginning, or from wherever its next event is.
    pub(super) fn follow(&self, tab: usize, user: usize, is_from_start: bool) {
        let follower = Follower {
            user,
            next: is_from_start.then_some(0),
            ahead: VecDeque::new(),
            since: Instant::now(),
        };
        self.followers.borrow_mut().insert(tab, follower);
    }

    /// A tab follows no more.
    pub(super) fn leave(&self, tab: usize) {
        self.followers.borrow_mut().remove(&tab);
    }

    /// A tab that follows was told an event; gives what is wrong with it and with those before it.
    pub(super) fn told(&self, tab: usize, told: Told) -> Vec<String> {
        let mut followers = self.followers.borrow_mut();
        let Some(follower) = followers.get_mut(&tab) else {
            return Vec::new();
        };
        follower.ahead.push_back(told);
        let users = self.users.borrow();
        let mut wrong = follower.catch_up(users.get(&follower.user));
        if follower.ahead.len() > AHEAD_MAX {
            follower.ahead.clear();
            wrong.push(format!(
                "{AHEAD_MAX} events that the user's witness has not got"
            ));
        }
        wrong
    }

    /// Once all is quiet: what tabs got wrong, and what they lack to the end of their story. `patience` is how long after the
    /// beginning of a link an event may be that the link need not have got.
    pub(super) fn unsettled(&self, patience: Duration) -> (Vec<String>, Vec<String>) {
        let users = self.users.borrow();
        let (mut wrong, mut lacking) = (Vec::new(), Vec::new());
        for (tab, follower) in &mut *self.followers.borrow_mut() {
            let user = follower.user;
            let story = users.get(&user);
            let found = follower.catch_up(story).into_iter();
            wrong.extend(found.map(|what| format!("tab {tab} of user {user} got {what}")));
            let lacks = follower.lacks(story, patience);
            lacking.extend(lacks.map(|what| format!("tab {tab} of user {user} got {what}")));
        }
        (wrong, lacking)
    }

    /// Puts every tab at the end of its story, so that one fault does not bring on others.
    pub(super) fn settle(&self) {
        let users = self.users.borrow();
        for follower in self.followers.borrow_mut().values_mut() {
            follower.ahead.clear();
            follower.next = Some(users.get(&follower.user).map_or(0, Story::end));
        }
    }
}

impl Story {
    fn end(&self) -> u64 {
        self.forgotten + self.told.len() as u64
    }

    fn at(&self, place: u64) -> Option<&(Told, Instant)> {
        let place = place.checked_sub(self.forgotten)?;
        self.told.get(usize::try_from(place).ok()?)
    }

    /// The newest place of an event, if it was told lately.
    fn find(&self, told: &Told) -> Option<u64> {
        let mut newest = self.told.iter().rev().take(SEARCHED_MAX);
        let back = newest.position(|(known, _)| known == told)?;
        Some(self.end() - 1 - back as u64)
    }
}

impl Follower {
    /// Goes on as far as the story goes.
    fn catch_up(&mut self, story: Option<&Story>) -> Vec<String> {
        let mut wrong = Vec::new();
        let Some(story) = story else {
            return wrong;
        };
        while let Some(told) = self.ahead.front() {
            let found = match self.next {
                Some(next) if next >= story.end() => break,
                Some(next) if story.at(next).is_some_and(|(known, _)| known == told) => Some(next),
                _ => story.find(told),
            };
            let name = &told.name;
            match (self.next, found) {
                (None, None) => break,
                (Some(next), Some(place)) if place > next => {
                    let lost = place - next;
                    wrong.push(format!("{name} without the {lost} events before it"));
                }
                (Some(next), Some(place)) if place < next => {
                    wrong.push(format!("{name} again, or too late"));
                }
                (Some(_), None) => {
                    wrong.push(format!("{name}, which the user's witness has not got here"));
                }
                _ => {}
            }
            if let Some(place) = found {
                self.next = self.next.max(Some(place + 1));
            }
            self.ahead.pop_front();
        }
        wrong
    }

    /// What is missing, if nothing is under way any more.
    fn lacks(&self, story: Option<&Story>, patience: Duration) -> Option<String> {
        if let Some(told) = self.ahead.front() {
            let (count, name) = (self.ahead.len(), &told.name);
            return Some(format!(
                "{count} events that the user's witness has not got, from {name} on"
            ));
        }
        let story = story?;
        let missed = if let Some(next) = self.next {
            (story.end() - next, story.at(next).map(|(told, _)| told))
        } else {
            let sure = self.since + patience;
            let mut missed = story.told.iter().filter(|(_, at)| *at > sure);
            let first = missed.next().map(|(told, _)| told);
            (u64::from(first.is_some()) + missed.count() as u64, first)
        };
        match missed {
            (0, _) => None,
            (count, first) => {
                let from = first.map_or("?", |told| told.name.as_str());
                Some(format!(
                    "{count} events fewer than the user's witness, from {from} on"
                ))
            }
        }
    }
}

/// How many events of a user are remembered.
const KEPT_MAX: usize = 50_000;
/// How far back an event is looked for.
const SEARCHED_MAX: usize = 5_000;
/// How far a tab may be ahead of the witness.
const AHEAD_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(digest: u64) -> Told {
        Told {
            digest,
            name: format!("event{digest}"),
        }
    }

    /// A story of so many events, and what a tab finds wrong that gets these.
    fn followed(events: u64, is_from_start: bool, got: &[u64]) -> Vec<String> {
        let stories = Stories::default();
        stories.follow(9, 1, is_from_start);
        for event in 1..=events {
            assert_eq!(stories.witness(1, told(event)), None);
        }
        let mut wrong = Vec::new();
        for event in got {
            wrong.extend(stories.told(9, told(*event)));
        }
        let (late, lacking) = stories.unsettled(Duration::ZERO);
        wrong.extend(late.into_iter().chain(lacking));
        wrong
    }

    #[test]
    fn who_gets_the_whole_story_in_order_is_fine_and_anything_else_is_told() {
        assert_eq!(followed(4, true, &[1, 2, 3, 4]), [""; 0]);
        let lost = "event3 without the 1 events before it";
        assert_eq!(followed(4, true, &[1, 3, 4]), [lost]);
        assert_eq!(
            followed(4, true, &[1, 2, 2, 3, 4]),
            ["event2 again, or too late"]
        );
        let swapped = [lost, "event2 again, or too late"];
        assert_eq!(followed(4, true, &[1, 3, 2, 4]), swapped);
        let strange = "event9, which the user's witness has not got here";
        assert_eq!(followed(4, true, &[1, 2, 9, 3, 4]), [strange]);
        let short = "tab 9 of user 1 got 2 events fewer than the user's witness, from event3 on";
        assert_eq!(followed(4, true, &[1, 2]), [short]);
        let long =
            "tab 9 of user 1 got 1 events that the user's witness has not got, from event5 on";
        assert_eq!(followed(4, true, &[1, 2, 3, 4, 5]), [long]);
    }

    #[test]
    fn a_link_may_begin_anywhere_and_then_goes_on_without_a_gap() {
        assert_eq!(followed(5, false, &[3, 4, 5]), [""; 0]);
        let lost = "event5 without the 1 events before it";
        assert_eq!(followed(5, false, &[3, 5]), [lost]);
        let short = "tab 9 of user 1 got 1 events fewer than the user's witness, from event5 on";
        assert_eq!(followed(5, false, &[3, 4]), [short]);
        // All five came after it was there.
        let none = "tab 9 of user 1 got 5 events fewer than the user's witness, from event1 on";
        assert_eq!(followed(5, false, &[]), [none]);
    }

    #[test]
    fn a_tab_may_be_ahead_of_the_witness() {
        let stories = Stories::default();
        stories.follow(9, 1, false);
        for event in [1, 2] {
            assert_eq!(stories.told(9, told(event)), [""; 0]);
        }
        assert_eq!(stories.unsettled(Duration::ZERO).1.len(), 1);
        for event in [1, 2] {
            stories.witness(1, told(event));
        }
        assert_eq!(stories.unsettled(Duration::ZERO), (vec![], vec![]));
        assert_eq!(stories.length(1), 2);
    }

    #[test]
    fn a_witness_that_is_told_something_twice_says_so() {
        let stories = Stories::default();
        assert_eq!(stories.witness(1, told(1)), None);
        let again = stories.witness(1, told(1));
        assert_eq!(again.as_deref(), Some("event1 again"));
        // Another user's story is another one.
        assert_eq!(stories.witness(2, told(1)), None);
        stories.follow(9, 1, true);
        stories.settle();
        assert_eq!(stories.unsettled(Duration::ZERO), (vec![], vec![]));
    }
}
