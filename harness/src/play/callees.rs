//! Owns who can be called now: users who are there, and whose last call has been over for a while.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{Rng, RngExt as _};
use tokio::time::Instant;

/// Users by whether they can be called.
#[derive(Debug)]
pub(crate) struct Callees {
    /// Who can be called, in no order.
    free: Vec<usize>,
    /// Where each user stands among those.
    places: Vec<Option<usize>>,
    is_there: Vec<bool>,
    is_busy: Vec<bool>,
    /// Who is in a call, or was lately, and until when.
    busy: BinaryHeap<Reverse<(Instant, usize)>>,
}

impl Callees {
    /// So many users, counted from 0, of whom nobody is there yet.
    pub(crate) fn new(users: usize) -> Self {
        Self {
            free: Vec::new(),
            places: vec![None; users],
            is_there: vec![false; users],
            is_busy: vec![false; users],
            busy: BinaryHeap::new(),
        }
    }

    /// A user has come or has gone.
    pub(crate) fn set_there(&mut self, user: usize, is_there: bool) {
        if let Some(place) = self.is_there.get_mut(user) {
            *place = is_there;
            self.sort_in(user);
        }
    }

    /// Somebody who can be called now, by chance. Until it is said when the call is over, nobody calls there.
    pub(crate) fn take(&mut self, random: &mut impl Rng, now: Instant) -> Option<usize> {
        self.look_who_is_free(now);
        if self.free.is_empty() {
            return None;
        }
        let user = self.free[random.random_range(0..self.free.len())];
        self.is_busy[user] = true;
        self.sort_in(user);
        Some(user)
    }

    /// From this moment on a user can be called again.
    pub(crate) fn is_free_at(&mut self, user: usize, at: Instant) {
        self.busy.push(Reverse((at, user)));
    }

    /// When the next one can be called again, as far as it is known.
    pub(crate) fn next_free(&self) -> Option<Instant> {
        self.busy.peek().map(|Reverse((at, _))| *at)
    }

    fn look_who_is_free(&mut self, now: Instant) {
        while let Some(Reverse((at, user))) = self.busy.peek().copied() {
            if at > now {
                return;
            }
            self.busy.pop();
            self.is_busy[user] = false;
            self.sort_in(user);
        }
    }

    /// Puts a user among those who can be called, or takes it from there.
    fn sort_in(&mut self, user: usize) {
        let can_be = self.is_there[user] && !self.is_busy[user];
        match self.places[user] {
            None if can_be => {
                self.places[user] = Some(self.free.len());
                self.free.push(user);
            }
            Some(place) if !can_be => {
                self.places[user] = None;
                self.free.swap_remove(place);
                if let Some(moved) = self.free.get(place) {
                    self.places[*moved] = Some(place);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;

    #[test]
    fn everybody_is_called_once_until_they_are_free_again() {
        let mut callees = Callees::new(4);
        let now = Instant::now();
        let take = |callees: &mut Callees, at| callees.take(&mut rand::rng(), at);
        assert_eq!(take(&mut callees, now), None);
        for user in [0, 1, 3] {
            callees.set_there(user, true);
        }
        let called: HashSet<_> = (0..3).filter_map(|_| take(&mut callees, now)).collect();
        assert_eq!(called, [0, 1, 3].into());
        assert_eq!(take(&mut callees, now), None);
        let later = now + Duration::from_secs(1);
        callees.is_free_at(3, later);
        callees.is_free_at(0, later);
        assert_eq!(take(&mut callees, now), None);
        assert_eq!(callees.next_free(), Some(later));
        callees.set_there(0, false);
        assert_eq!(take(&mut callees, later), Some(3));
        callees.set_there(0, true);
        assert_eq!(take(&mut callees, later), Some(0));
    }
}
