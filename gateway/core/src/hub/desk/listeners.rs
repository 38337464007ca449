//! Which links are subscribed to what is kept for absent users.

use std::collections::HashMap;

use crate::base::{LinkRef, UserId};
use crate::protocol::{EventKind, EventSet};

/// Links by their users, and back.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    by_user: HashMap<UserId, Vec<(LinkRef, EventSet)>>,
    by_link: HashMap<LinkRef, UserId>,
}

impl Listeners {
    /// Notes what of these kinds a link is subscribed to now.
    pub(super) fn set(&mut self, link: LinkRef, user: UserId, events: EventSet) {
        self.forget(link);
        if !events.is_empty() {
            self.by_link.insert(link, user);
            self.by_user.entry(user).or_default().push((link, events));
        }
    }

    pub(super) fn forget(&mut self, link: LinkRef) {
        let Some(user) = self.by_link.remove(&link) else {
            return;
        };
        if let Some(links) = self.by_user.get_mut(&user) {
            links.retain(|(other, _)| *other != link);
            if links.is_empty() {
                self.by_user.remove(&user);
            }
        }
    }

    /// Whether the link listens for somebody else than this user.
    pub(super) fn is_of_another(&self, link: LinkRef, user: UserId) -> bool {
        self.by_link.get(&link).is_some_and(|owner| *owner != user)
    }

    /// Whether a link of the user is subscribed to this.
    pub(super) fn hears(&self, user: UserId, kind: EventKind) -> bool {
        let links = self.by_user.get(&user);
        links.is_some_and(|links| links.iter().any(|(_, events)| events.contains(kind)))
    }
}
