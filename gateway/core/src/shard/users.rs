//! Which links of the shard belong to which user.

use std::collections::HashMap;

use crate::base::{LinkId, UserId};
use crate::protocol::{LineState, UserRef};

/// The users who have links in this shard.
#[derive(Debug, Default)]
pub(super) struct Users {
    by_id: HashMap<UserId, UserLinks>,
    tabs: usize,
}

/// One user's links.
#[derive(Debug)]
pub(super) struct UserLinks {
    /// As the settings spell the login.
    pub(super) user: UserRef,
    pub(super) links: Vec<LinkId>,
    /// The newest version of the user's line that the shard has heard of.
    pub(super) line_version: u64,
    /// The line's state then.
    pub(super) line_state: LineState,
}

impl Users {
    /// Links that are logged in.
    pub(super) const fn tabs(&self) -> usize {
        self.tabs
    }

    pub(super) fn join(&mut self, user: &UserRef, link: LinkId) {
        let entry = self.by_id.entry(user.id).or_insert_with(|| UserLinks {
            user: user.clone(),
            links: Vec::new(),
            line_version: 0,
            line_state: LineState::default(),
        });
        entry.links.push(link);
        self.tabs += 1;
    }

    pub(super) fn leave(&mut self, user: UserId, link: LinkId) {
        let Some(entry) = self.by_id.get_mut(&user) else {
            return;
        };
        let before = entry.links.len();
        entry.links.retain(|other| *other != link);
        self.tabs -= before - entry.links.len();
        if entry.links.is_empty() {
            self.by_id.remove(&user);
        }
    }

    pub(super) fn get_mut(&mut self, user: UserId) -> Option<&mut UserLinks> {
        self.by_id.get_mut(&user)
    }
}
