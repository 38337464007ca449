//! Sessions and presence (protocol 6.1): which links belong to whom.
//!
//! In come logins, logouts, links that are gone and the time; out go the users
//! who came and who left. A session lives on after its last link, and a user is
//! present until some seconds after the last link left, so that a page reload is
//! not an absence.

mod heard;

use std::collections::HashMap;
use std::time::Duration;

use smallvec::SmallVec;

use self::heard::Heard;
use crate::base::{Instant, LinkRef, Refused, SessionId, ShardId, UserId};
use crate::protocol::EventSet;

/// Bounds on sessions and links; 0 means none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Users that may be present at once.
    pub users_max: usize,
    /// Links that one user may have at once.
    pub tabs_per_user: usize,
    /// Sessions without a link that are kept for one user; the oldest goes first.
    pub idle_sessions_per_user: usize,
    /// The longest life that a login may ask for with `expires`.
    pub session_life_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            users_max: 0,
            tabs_per_user: 20,
            idle_sessions_per_user: 40,
            session_life_max: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// All sessions and the links that are logged in.
#[derive(Debug)]
pub struct Sessions {
    limits: Limits,
    by_name: HashMap<SessionId, Session>,
    links: HashMap<LinkRef, Joined>,
    users: HashMap<UserId, Presence>,
    present: usize,
    met: Vec<MetLimit>,
}

/// A limit that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetLimit {
    /// The link that met it.
    pub link: LinkRef,
    /// Its user.
    pub user: UserId,
    /// Which limit.
    pub limit: Refused,
}

/// A link that is logged in.
#[derive(Clone, Copy, Debug)]
struct Joined {
    session: SessionId,
    /// What it is subscribed to of [`EventSet::WATCHED`].
    hears: EventSet,
}

#[derive(Debug)]
struct Session {
    user: UserId,
    life: Duration,
    links: SmallVec<[LinkRef; 2]>,
    /// When its last link left; it ends `life` later.
    idle_since: Instant,
}

#[derive(Debug, Default)]
struct Presence {
    /// How many links the user has in which shard.
    shards: Vec<(ShardId, usize)>,
    is_present: bool,
    /// When the last link left.
    leaving_since: Option<Instant>,
    /// Sessions that have no link now, the oldest first.
    idle: Vec<SessionId>,
    heard: Heard,
}

/// Why a link cannot join: error 50025 (protocol 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// No more users may be present.
    #[error("the maximum of users is reached")]
    Users,
    /// The user has as many links as allowed.
    #[error("the maximum of tabs per user is reached")]
    Tabs,
}

/// A user is absent this long after the last link left.
const ABSENCE_DELAY: Duration = Duration::from_secs(10);

/// How long a session outlives its last link if the login does not say.
const SESSION_LIFE: Duration = Duration::from_secs(8 * 3600);

impl Sessions {
    /// No session yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            by_name: HashMap::new(),
            links: HashMap::new(),
            users: HashMap::new(),
            present: 0,
            met: Vec::new(),
        }
    }

    /// A limit that was met since the last call; ask until there is none.
    pub fn poll_met(&mut self) -> Option<MetLimit> {
        self.met.pop()
    }

    /// The user of a session that is alive.
    pub fn user_of(&self, session: SessionId, now: Instant) -> Option<UserId> {
        let session = self.by_name.get(&session)?;
        (!session.is_over(now)).then_some(session.user)
    }

    /// Adds a link to a session of the user, which is made if it is new. Says
    /// whether the user was absent until now.
    pub fn join(
        &mut self,
        link: LinkRef,
        user: UserId,
        session: SessionId,
        life: Option<Duration>,
        now: Instant,
    ) -> Result<bool, Full> {
        let hears = self.leave_for(link, user, now);
        let presence = self.users.entry(user).or_default();
        let mut meets = |limit| self.met.push(MetLimit { link, user, limit });
        if reaches(presence.links(), self.limits.tabs_per_user) {
            meets(Refused::TabsOfUser);
            return Err(Full::Tabs);
        }
        if !presence.is_present && reaches(self.present, self.limits.users_max) {
            meets(Refused::UsersMax);
            return Err(Full::Users);
        }
        if life.is_some_and(|life| life > self.limits.session_life_max) {
            meets(Refused::SessionLife);
        }
        let was_absent = !std::mem::replace(&mut presence.is_present, true);
        self.present += usize::from(was_absent);
        presence.leaving_since = None;
        presence.idle.retain(|idle| *idle != session);
        match presence
            .shards
            .iter_mut()
            .find(|(shard, _)| *shard == link.shard)
        {
            Some((_, links)) => *links += 1,
            None => presence.shards.push((link.shard, 1)),
        }
        let life = life.map(|life| life.min(self.limits.session_life_max));
        let entry = self.by_name.entry(session).or_insert(Session {
            user,
            life: life.unwrap_or(SESSION_LIFE),
            links: SmallVec::new(),
            idle_since: now,
        });
        entry.links.push(link);
        entry.life = life.unwrap_or(entry.life);
        presence.heard.change(link, EventSet::EMPTY, hears);
        self.links.insert(link, Joined { session, hears });
        Ok(was_absent)
    }

    /// A link is gone; nothing happens if it was not logged in.
    pub fn leave(&mut self, link: LinkRef, now: Instant) {
        let Some(joined) = self.links.remove(&link) else {
            return;
        };
        let name = joined.session;
        let Some(session) = self.by_name.get_mut(&name) else {
            return;
        };
        session.links.retain(|other| *other != link);
        session.idle_since = now;
        let is_idle = session.links.is_empty();
        let user = session.user;
        let Some(presence) = self.users.get_mut(&user) else {
            return;
        };
        presence.heard.change(link, joined.hears, EventSet::EMPTY);
        if let Some(place) = presence
            .shards
            .iter()
            .position(|(shard, _)| *shard == link.shard)
        {
            presence.shards[place].1 -= 1;
            if presence.shards[place].1 == 0 {
                presence.shards.swap_remove(place);
            }
        }
        if presence.shards.is_empty() {
            presence.leaving_since = Some(now);
        }
        if is_idle {
            presence.idle.push(name);
            let kept_max = match self.limits.idle_sessions_per_user {
                0 => usize::MAX,
                max => max,
            };
            if presence.idle.len() > kept_max {
                let oldest = presence.idle.remove(0);
                self.by_name.remove(&oldest);
                let limit = Refused::IdleSessions;
                self.met.push(MetLimit { link, user, limit });
            }
        }
    }

    /// Ends the session of a link (`logout`) and returns its other links.
    pub fn end(&mut self, link: LinkRef, now: Instant) -> Vec<LinkRef> {
        let Some(name) = self.links.get(&link).map(|joined| joined.session) else {
            return Vec::new();
        };
        let session = self.by_name.get(&name);
        let mut links = session.map_or_else(SmallVec::new, |session| session.links.clone());
        links.sort_unstable();
        for link in &links {
            self.leave(*link, now);
        }
        if let Some(session) = self.by_name.remove(&name)
            && let Some(presence) = self.users.get_mut(&session.user)
        {
            presence.idle.retain(|idle| *idle != name);
        }
        links.into_iter().filter(|other| *other != link).collect()
    }

    /// Takes out the users whose absence has become real, and ends what has
    /// expired.
    pub fn expire(&mut self, now: Instant) -> Vec<UserId> {
        let mut left = Vec::new();
        for (user, presence) in &mut self.users {
            if presence
                .leaving_since
                .is_some_and(|since| now - since >= ABSENCE_DELAY)
            {
                presence.leaving_since = None;
                presence.is_present = false;
                self.present -= 1;
                left.push(*user);
            }
            let sessions = &mut self.by_name;
            presence.idle.retain(|name| {
                let is_over = sessions
                    .get(name)
                    .is_none_or(|session| session.is_over(now));
                if is_over {
                    sessions.remove(name);
                }
                !is_over
            });
        }
        self.users
            .retain(|_, presence| presence.is_present || !presence.idle.is_empty());
        left.sort_unstable();
        left
    }

    /// The shards in which the user has links.
    pub fn shards_of(&self, user: UserId) -> impl Iterator<Item = ShardId> + '_ {
        let shards = self
            .users
            .get(&user)
            .map(|presence| presence.shards.as_slice());
        shards.unwrap_or_default().iter().map(|(shard, _)| *shard)
    }

    /// Whether the user has a link, or had one a moment ago.
    pub fn is_present(&self, user: UserId) -> bool {
        self.users.get(&user).is_some_and(|it| it.is_present)
    }

    /// Users that are present.
    pub const fn users_present(&self) -> usize {
        self.present
    }

    /// Links that are logged in.
    pub fn links(&self) -> usize {
        self.links.len()
    }

    /// Sessions, with and without links.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is no session, and nobody whose absence is still to be noticed.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.users.is_empty()
    }
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        self.links.is_empty() && now - self.idle_since >= self.life
    }
}

impl Presence {
    fn links(&self) -> usize {
        self.shards.iter().map(|(_, links)| links).sum()
    }
}

/// Whether a count has come to its limit; 0 is no limit.
const fn reaches(count: usize, limit: usize) -> bool {
    limit > 0 && count >= limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Guid, LinkId};

    const ANNA: UserId = UserId(Guid::from_bits(1));

    fn link(slot: u32) -> LinkRef {
        let link = LinkId {
            slot,
            generation: 0,
        };
        LinkRef {
            shard: ShardId(u16::try_from(slot % 2).expect("0 or 1")),
            link,
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn session(name: &str) -> SessionId {
        let bits = name
            .bytes()
            .fold(0, |bits, byte| bits << 8 | u128::from(byte));
        SessionId::new(Guid::from_bits(bits))
    }

    fn sessions() -> Sessions {
        Sessions::new(Limits {
            users_max: 1,
            tabs_per_user: 2,
            idle_sessions_per_user: 2,
            ..Limits::default()
        })
    }

    #[test]
    fn a_page_reload_is_not_an_absence() {
        let mut sessions = sessions();
        assert_eq!(
            sessions.join(link(0), ANNA, session("a"), None, at(0)),
            Ok(true)
        );
        sessions.leave(link(0), at(5));
        assert!(sessions.expire(at(14)).is_empty());
        assert_eq!(
            sessions.join(link(1), ANNA, session("a"), None, at(14)),
            Ok(false)
        );
        assert!(sessions.expire(at(60)).is_empty());
        sessions.leave(link(1), at(60));
        assert_eq!(sessions.expire(at(70)), [ANNA]);
        assert_eq!(sessions.users_present(), 0);
    }

    #[test]
    fn a_session_outlives_its_last_link_by_its_life() {
        let mut sessions = sessions();
        let life = Some(Duration::from_secs(100));
        sessions
            .join(link(0), ANNA, session("a"), life, at(0))
            .expect("room");
        sessions.expire(at(1000));
        assert_eq!(sessions.user_of(session("a"), at(1000)), Some(ANNA));
        sessions.leave(link(0), at(1000));
        assert_eq!(sessions.user_of(session("a"), at(1099)), Some(ANNA));
        assert_eq!(sessions.user_of(session("a"), at(1100)), None);
        sessions.expire(at(1100));
        assert!(sessions.is_empty());
    }

    #[test]
    fn logout_ends_the_session_on_all_its_links_and_no_other() {
        let mut sessions = sessions();
        sessions
            .join(link(0), ANNA, session("a"), None, at(0))
            .expect("room");
        sessions
            .join(link(1), ANNA, session("a"), None, at(0))
            .expect("room");
        assert_eq!(sessions.end(link(0), at(1)), [link(1)]);
        assert_eq!(sessions.user_of(session("a"), at(1)), None);
        assert_eq!(sessions.links(), 0);
        assert_eq!(sessions.expire(at(11)), [ANNA]);
    }

    #[test]
    fn the_bounds_on_users_and_tabs_are_held() {
        let mut sessions = sessions();
        let other = UserId(Guid::from_bits(2));
        sessions
            .join(link(0), ANNA, session("a"), None, at(0))
            .expect("room");
        sessions
            .join(link(1), ANNA, session("b"), None, at(0))
            .expect("room");
        assert_eq!(
            sessions.join(link(2), ANNA, session("c"), None, at(0)),
            Err(Full::Tabs)
        );
        assert_eq!(
            sessions.join(link(3), other, session("d"), None, at(0)),
            Err(Full::Users)
        );
        assert_eq!(sessions.links(), 2);
        let met = std::iter::from_fn(|| sessions.poll_met()).map(|met| (met.user, met.limit));
        let expected = [(other, Refused::UsersMax), (ANNA, Refused::TabsOfUser)];
        assert_eq!(met.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn sessions_without_links_are_bounded_and_the_oldest_goes_first() {
        let mut sessions = sessions();
        for name in ["a", "b", "c"] {
            sessions
                .join(link(0), ANNA, session(name), None, at(0))
                .expect("room");
            sessions.leave(link(0), at(1));
        }
        assert_eq!(sessions.user_of(session("a"), at(1)), None);
        assert_eq!(sessions.user_of(session("c"), at(1)), Some(ANNA));
        assert_eq!(sessions.len(), 2);
        let (link, user, limit) = (link(0), ANNA, Refused::IdleSessions);
        assert_eq!(sessions.poll_met(), Some(MetLimit { link, user, limit }));
        assert_eq!(sessions.poll_met(), None);
    }

    #[test]
    fn a_life_over_the_limit_is_shortened_to_it() {
        let mut sessions = Sessions::new(Limits {
            session_life_max: Duration::from_secs(100),
            ..Limits::default()
        });
        let (name, life) = (session("a"), Some(Duration::from_secs(101)));
        let joined = sessions.join(link(0), ANNA, name, life, at(0));
        joined.expect("room");
        let met = sessions.poll_met().expect("a limit");
        assert_eq!(met.limit, Refused::SessionLife);
        sessions.leave(link(0), at(0));
        assert_eq!(sessions.user_of(name, at(99)), Some(ANNA));
        assert_eq!(sessions.user_of(name, at(100)), None);
    }

    #[test]
    fn a_link_that_logs_in_again_counts_once() {
        let mut sessions = sessions();
        for _ in 0..5 {
            sessions
                .join(link(0), ANNA, session("a"), None, at(0))
                .expect("room");
        }
        assert_eq!((sessions.links(), sessions.shards_of(ANNA).count()), (1, 1));
    }
}
