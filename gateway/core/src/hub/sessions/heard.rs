//! Which of a user's links are subscribed to what the hub keeps for absent users
//! (protocol 6.7-g), and to what it tells links one by one (protocol 8).

use smallvec::SmallVec;

use super::Sessions;
use crate::base::{Instant, LinkRef, UserId};
use crate::protocol::{EventKind, EventSet};

/// How many of a user's links are subscribed to each kind that is kept, and which are
/// subscribed to forms and dynamic methods, in the order in which they came to it.
#[derive(Debug, Default)]
pub(super) struct Heard {
    texts: u32,
    notifications: u32,
    dynamic: SmallVec<[LinkRef; 2]>,
}

impl Heard {
    /// A link hears something else from now on.
    pub(super) fn change(&mut self, link: LinkRef, before: EventSet, now: EventSet) {
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
        let is_dynamic = |events: EventSet| !events.intersection(EventSet::DYNAMIC).is_empty();
        match (is_dynamic(before), is_dynamic(now)) {
            (false, true) => self.dynamic.push(link),
            (true, false) => self.dynamic.retain(|other| *other != link),
            _ => {}
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
    /// Notes what of [`EventSet::WATCHED`] a link is subscribed to now, if it is the
    /// user's. Gives what it was subscribed to before; nothing if it is not the user's.
    pub fn hears_now(&mut self, link: LinkRef, user: UserId, events: EventSet) -> Option<EventSet> {
        let joined = self.links.get_mut(&link)?;
        let owner = self.by_name.get(&joined.session)?.user;
        let presence = self.users.get_mut(&user).filter(|_| owner == user)?;
        presence.heard.change(link, joined.hears, events);
        Some(std::mem::replace(&mut joined.hears, events))
    }

    /// Whether a link of the user is subscribed to this kind, which is one that is kept.
    pub fn is_heard(&self, user: UserId, kind: EventKind) -> bool {
        let presence = self.users.get(&user);
        presence.is_some_and(|presence| presence.heard.count(kind) > 0)
    }

    /// The user's links that are subscribed to this kind, which is one of
    /// [`EventSet::DYNAMIC`]; the one that listens for longest comes first.
    pub fn listeners(&self, user: UserId, kind: EventKind) -> impl Iterator<Item = LinkRef> + '_ {
        let presence = self.users.get(&user);
        let links = presence.map(|presence| presence.heard.dynamic.as_slice());
        let links = links.unwrap_or_default().iter().copied();
        links.filter(move |link| self.listens(*link, kind))
    }

    /// Whether this link is subscribed to this kind of [`EventSet::WATCHED`].
    pub fn listens(&self, link: LinkRef, kind: EventKind) -> bool {
        let joined = self.links.get(&link);
        joined.is_some_and(|joined| joined.hears.contains(kind))
    }

    /// The user of a link that is logged in.
    pub fn user_of_link(&self, link: LinkRef) -> Option<UserId> {
        let joined = self.links.get(&link)?;
        Some(self.by_name.get(&joined.session)?.user)
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
