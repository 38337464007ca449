//! Owns who plays what: which behaviour each tab has, in which order tabs come, and how users are divided among workers.
//!
//! Tabs come one for each user first, then the second ones, and go in the opposite order. All tabs of a user are in one worker,
//! so that what they got can be compared there.

use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom as _;
use serde::{Deserialize, Serialize};

use super::{Behaviour, Play};
use crate::error::{Error, Result};
use crate::swarm::CONNECTIONS_PER_WORKER_MAX;

/// The behaviour of each tab, in the order of their coming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cast {
    users: usize,
    /// The place of each tab's behaviour.
    behaviours: Vec<u8>,
}

/// One worker's users: every so-manyth, so that each worker has its part of those who come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The worker's place among the workers.
    pub number: usize,
    /// How many workers there are.
    pub workers: usize,
    /// How many users it has.
    pub users: usize,
}

impl Share {
    /// Where this user, counted from 0 over all, stands among the worker's own; `None`: it is another's.
    pub fn place_of(&self, user: usize) -> Option<usize> {
        (user % self.workers == self.number).then(|| user / self.workers)
    }
}

impl Cast {
    /// Shares the behaviours out as their weights say; who has which comes from the seed.
    pub fn new(play: &Play, seed: u64) -> Self {
        let tabs = play.users.tabs();
        let mut behaviours = Vec::with_capacity(tabs);
        for (place, count) in (0..).zip(counts(&play.behaviours, tabs)) {
            behaviours.extend(std::iter::repeat_n(place, count));
        }
        behaviours.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        Self {
            users: play.users.count,
            behaviours,
        }
    }

    /// The tab of this place in the order of coming: its user, and which of the user's tabs it is.
    pub fn tab(&self, place: usize) -> (usize, usize) {
        (place % self.users, place / self.users)
    }

    /// The place of the behaviour of the tab at this place.
    pub fn behaviour(&self, place: usize) -> usize {
        usize::from(self.behaviours[place])
    }

    /// The users who have a tab that stays among the first so many tabs, and so can be called.
    pub fn called(&self, behaviours: &[Behaviour], tabs: usize) -> Vec<usize> {
        let mut can_be = vec![false; self.users];
        for place in 0..tabs.min(self.behaviours.len()) {
            let stays = behaviours[self.behaviour(place)].kind.stays();
            can_be[place % self.users] |= stays;
        }
        let users = can_be.iter().enumerate().filter(|(_, can_be)| **can_be);
        users.map(|(user, _)| user).collect()
    }

    /// The places of a worker's tabs in the order of their coming.
    pub fn places(&self, share: &Share) -> Vec<usize> {
        let all = 0..self.behaviours.len();
        all.filter(|place| share.place_of(self.tab(*place).0).is_some())
            .collect()
    }

    /// Divides the users among workers.
    pub fn divide(play: &Play) -> Result<Vec<Share>> {
        let (users, each) = (play.users.count, play.users.tabs_per_user);
        let per_worker_max = (CONNECTIONS_PER_WORKER_MAX / each).max(1);
        let needed = users.div_ceil(per_worker_max);
        let workers = play.bounds.workers.unwrap_or(needed).min(users);
        if workers < needed {
            return Err(Error::Usage(format!(
                "{} tabs need at least {needed} workers: one holds {CONNECTIONS_PER_WORKER_MAX} at most",
                play.users.tabs()
            )));
        }
        let share = |number| Share {
            number,
            workers,
            users: users / workers + usize::from(number < users % workers),
        };
        Ok((0..workers).map(share).collect())
    }
}

/// How many tabs have which behaviour: their shares, rounded so that they add up.
fn counts(behaviours: &[Behaviour], tabs: usize) -> Vec<usize> {
    let total: f64 = behaviours.iter().map(|behaviour| behaviour.weight).sum();
    let mut sum = 0.0;
    let mut given = 0;
    behaviours
        .iter()
        .map(|behaviour| {
            sum += behaviour.weight;
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss
            )] // numbers of tabs
            let until = (tabs as f64 * sum / total).round() as usize;
            let count = until.min(tabs) - given;
            given += count;
            count
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::{Overrides, Scenario};

    fn play(users: usize, each: usize, weights: &[(&str, f64)]) -> Play {
        let mut text = format!(
            "name = \"x\"\n[users]\ncount = {users}\ntabs_per_user = {each}\n[[phases]]\nkind = \"hold\"\nseconds = 1\n"
        );
        for (kind, weight) in weights {
            let behaviour = format!("[[behaviours]]\nkind = {kind:?}\nweight = {weight}\n");
            text.push_str(&behaviour);
        }
        let scenario = Scenario::parse(&text, Path::new(""), &Overrides::default());
        scenario.unwrap().play
    }

    #[test]
    fn behaviours_are_shared_out_exactly_and_by_the_seed() {
        let play = play(
            50,
            2,
            &[("idle", 8.0), ("reloading", 1.0), ("flapping", 1.0)],
        );
        let cast = Cast::new(&play, 3);
        let count = |wanted| {
            (0..100)
                .filter(|place| cast.behaviour(*place) == wanted)
                .count()
        };
        assert_eq!([count(0), count(1), count(2)], [80, 10, 10]);
        assert_eq!(cast, Cast::new(&play, 3));
        assert_ne!(cast, Cast::new(&play, 4));
        assert_eq!((cast.tab(49), cast.tab(50)), ((49, 0), (0, 1)));
    }

    #[test]
    fn only_who_has_a_tab_that_stays_is_called() {
        let play = play(4, 1, &[("idle", 1.0), ("flapping", 1.0)]);
        let cast = Cast::new(&play, 1);
        let called = cast.called(&play.behaviours, 4);
        assert_eq!(called.len(), 2);
        assert!(called.iter().all(|user| cast.behaviour(*user) == 0));
        assert!(cast.called(&play.behaviours, 0).is_empty());
    }

    #[test]
    fn a_users_tabs_stay_in_one_worker_and_each_has_its_part_of_the_first() {
        let mut users = play(10_001, 4, &[]);
        let cast = Cast::new(&users, 1);
        let shares = Cast::divide(&users).unwrap();
        assert_eq!(shares.len(), 3);
        let mut all = Vec::new();
        for share in &shares {
            let places = cast.places(share);
            assert_eq!(places.len(), share.users * 4);
            assert!(places.len() <= CONNECTIONS_PER_WORKER_MAX);
            let first = places.partition_point(|place| *place < 300);
            assert_eq!(first, 100);
            let users = places
                .iter()
                .map(|place| share.place_of(cast.tab(*place).0));
            assert!(users.flatten().max() < Some(share.users));
            all.extend(places);
        }
        all.sort_unstable();
        assert!(all.into_iter().eq(0..40_004));
        users.bounds.workers = Some(2);
        assert!(matches!(Cast::divide(&users), Err(Error::Usage(_))));
    }
}
