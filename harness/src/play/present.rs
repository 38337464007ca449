//! Owns which tabs of a worker are usable now, and which users can be called because of that.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::tab::Requests;
use crate::scenario::{Method, Share};

/// What others of the worker know of a tab.
#[derive(Debug)]
pub(super) struct Handle {
    /// Its user, counted from 0 over all workers.
    pub(super) user: usize,
    /// Its place in the order of coming.
    pub(super) place: usize,
    /// The place of its behaviour.
    pub(super) behaviour: usize,
    /// It is the first of its user's tabs.
    pub(super) is_first: bool,
    /// It is there all the time and gets everything.
    pub(super) stays: bool,
    /// Its requests.
    pub(super) requests: RefCell<Requests>,
    /// What it is to ask when it can.
    pub(super) waiting: RefCell<VecDeque<Asked>>,
    /// Tells it that there is something new for it here.
    pub(super) wake: Notify,
    /// How many requests of a closed phase it goes on with: open, waiting, or to be made after a pause.
    pub(super) loops: Cell<usize>,
    /// It is to go.
    pub(super) leaves: Cell<bool>,
    /// Where it stands among those that are present, if it is.
    at: Cell<Option<usize>>,
}

/// A request that a tab is to make.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// When it is due; `None`: as soon as the one before was answered.
    pub(super) due: Option<Instant>,
}

impl Handle {
    pub(super) fn new(
        user: usize,
        place: usize,
        behaviour: usize,
        is_first: bool,
        stays: bool,
    ) -> Self {
        Self {
            user,
            place,
            behaviour,
            is_first,
            stays,
            requests: RefCell::default(),
            waiting: RefCell::default(),
            wake: Notify::new(),
            loops: Cell::new(0),
            leaves: Cell::new(false),
            at: Cell::new(None),
        }
    }

    /// Gives it something to ask.
    pub(super) fn ask(&self, asked: Asked) {
        self.waiting.borrow_mut().push_back(asked);
        self.wake.notify_one();
    }
}

/// The tabs that are usable.
#[derive(Debug)]
pub(super) struct Present {
    /// The worker's users.
    share: Share,
    /// First those that stay, then the others.
    tabs: Vec<Rc<Handle>>,
    /// How many of them stay.
    staying: usize,
    /// How many tabs that stay each user has.
    staying_of: Vec<u32>,
    /// Users who can be called from now on, or cannot any more.
    changed: Vec<(usize, bool)>,
}

impl Present {
    pub(super) fn new(share: Share) -> Self {
        Self {
            staying_of: vec![0; share.users],
            share,
            tabs: Vec::new(),
            staying: 0,
            changed: Vec::new(),
        }
    }

    /// A tab is usable from now on.
    pub(super) fn enter(&mut self, handle: Rc<Handle>) {
        let at = self.tabs.len();
        handle.at.set(Some(at));
        let (user, stays, leaves) = (handle.user, handle.stays, handle.leaves.get());
        self.tabs.push(handle);
        if stays {
            self.swap(at, self.staying);
            self.staying += 1;
        }
        if stays && !leaves {
            self.count(user, 1);
        }
    }

    /// A tab is not usable any more.
    pub(super) fn leave(&mut self, handle: &Handle) {
        let Some(mut at) = handle.at.take() else {
            return;
        };
        if handle.stays {
            self.staying -= 1;
            self.swap(at, self.staying);
            at = self.staying;
        }
        let last = self.tabs.len() - 1;
        self.swap(at, last);
        self.tabs.pop();
        handle.at.set(None);
        if handle.stays && !handle.leaves.get() {
            self.count(handle.user, -1);
        }
    }

    /// A tab that is still there will go: its user is not to be called for its sake.
    pub(super) fn announce_leaving(&mut self, handle: &Handle) {
        let did_leave = handle.leaves.replace(true);
        if handle.stays && handle.at.get().is_some() && !did_leave {
            self.count(handle.user, -1);
        }
        handle.wake.notify_one();
    }

    /// How many there are.
    pub(super) fn count_held(&self) -> usize {
        self.tabs.len()
    }

    pub(super) fn all(&self) -> &[Rc<Handle>] {
        &self.tabs
    }

    /// The tab that this share (0 to 1) of all leads to; of those that stay, if there are any.
    pub(super) fn pick(&self, share: f64) -> Option<&Rc<Handle>> {
        let count = if self.staying > 0 {
            self.staying
        } else {
            self.tabs.len()
        };
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss
        )] // a share of a number of tabs
        let at = (share * count as f64) as usize;
        self.tabs.get(at.min(count.saturating_sub(1)))
    }

    /// What has changed of who can be called.
    pub(super) fn take_changed(&mut self) -> Vec<(usize, bool)> {
        std::mem::take(&mut self.changed)
    }

    fn count(&mut self, user: usize, by: i32) {
        let place = self.share.place_of(user);
        let Some(staying) = place.and_then(|place| self.staying_of.get_mut(place)) else {
            return;
        };
        let had = *staying > 0;
        *staying = staying.saturating_add_signed(by);
        let has = *staying > 0;
        if had != has {
            self.changed.push((user, has));
        }
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.tabs.swap(one, other);
        for at in [one, other] {
            self.tabs[at].at.set(Some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(user: usize, stays: bool) -> Rc<Handle> {
        Rc::new(Handle::new(user, 0, 0, true, stays))
    }

    const ALL: Share = Share {
        number: 0,
        workers: 1,
        users: 20,
    };

    #[test]
    fn who_has_a_tab_that_stays_can_be_called_until_the_last_of_them_goes() {
        let mut present = Present::new(ALL);
        let tabs = [
            handle(12, true),
            handle(12, true),
            handle(13, false),
            handle(14, true),
        ];
        for tab in &tabs {
            present.enter(Rc::clone(tab));
        }
        assert_eq!(present.take_changed(), [(12, true), (14, true)]);
        present.leave(&tabs[0]);
        present.leave(&tabs[2]);
        assert_eq!(present.take_changed(), []);
        present.announce_leaving(&tabs[1]);
        assert_eq!(present.take_changed(), [(12, false)]);
        present.leave(&tabs[1]);
        assert_eq!(present.take_changed(), []);
        assert_eq!(present.count_held(), 1);
    }

    #[test]
    fn tabs_that_stay_are_picked_before_others_and_each_by_its_share() {
        let mut present = Present::new(ALL);
        assert!(present.pick(0.5).is_none());
        present.enter(handle(0, false));
        assert_eq!(present.pick(0.9).unwrap().user, 0);
        let stays: Vec<_> = (1..=4).map(|user| handle(user, true)).collect();
        for tab in &stays {
            present.enter(Rc::clone(tab));
        }
        present.leave(&stays[1]);
        let mut picked: Vec<_> = [0.0, 0.4, 0.99]
            .map(|it| present.pick(it).unwrap().user)
            .into();
        picked.sort_unstable();
        assert_eq!(picked, [1, 3, 4]);
    }
}
