//! Which users have a link that is subscribed to what is kept for absent ones
//! (protocol 6.7-g).

use super::Sessions;
use crate::base::{Instant, LinkRef, UserId};
use crate::protocol::{EventKind, EventSet};

/// How many of a user's links are subscribed to each kind that is kept.
#[derive(Debug, Default)]
pub(super) struct Heard {
    texts: u32,
    notifications: u32,
}

impl Heard {
    /// A link hears something else from now on.
    pub(super) fn change(&mut self, before: EventSet, now: EventSet) {
        for kind in [
            EventKind::UserTextMessageReceived,
            EventKind::ShowNotifyMessage,
        ] {
            let count = match kind {
                EventKind::UserTextMessageReceived => &mut self.texts,
                _ => &mut self.notifications,
            };
            *count -= u32::from(before.contains(kind));
            *count += u32::from(now.contains(kind));
        }
    }

    const fn count(&self, kind: EventKind) -> u32 {
        match kind {
            EventKind::UserTextMessageReceived => self.texts,
            EventKind::ShowNotifyMessage => self.notifications,
            _ => 0,
        }
    }
}

impl Sessions {
    /// Notes what of the kinds that are kept a link is subscribed to now, if it is the
    /// user's.
    pub fn hears_now(&mut self, link: LinkRef, user: UserId, events: EventSet) {
        let Some(joined) = self.links.get_mut(&link) else {
            return;
        };
        let owner = self
            .by_name
            .get(&joined.session)
            .map(|session| session.user);
        if owner == Some(user)
            && let Some(presence) = self.users.get_mut(&user)
        {
            presence.heard.change(joined.hears, events);
            joined.hears = events;
        }
    }

    /// Whether a link of the user is subscribed to this kind.
    pub fn is_heard(&self, user: UserId, kind: EventKind) -> bool {
        let presence = self.users.get(&user);
        presence.is_some_and(|presence| presence.heard.count(kind) > 0)
    }

    /// A link that logs in leaves its session; what it is subscribed to stays, if it
    /// was the same user's.
    pub(super) fn leave_for(&mut self, link: LinkRef, user: UserId, now: Instant) -> EventSet {
        let joined = self.links.get(&link).copied();
        let owner = joined.and_then(|joined| self.by_name.get(&joined.session));
        let is_same = owner.is_some_and(|session| session.user == user);
        self.leave(link, now);
        let hears = joined.filter(|_| is_same).map(|joined| joined.hears);
        hears.unwrap_or(EventSet::EMPTY)
    }
}
