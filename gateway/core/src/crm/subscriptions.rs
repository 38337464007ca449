//! Events that the CRM asked for, of users who are not active there (protocol 5-g).

use std::collections::HashMap;

use super::messages::Outline;
use super::requests::named_login;
use super::{ActiveUsers, CrmLink};
use crate::protocol::{Answer, ErrorNumber, EventKind, EventSet, Fault, Reply, parse_subscription};

/// What the CRM asked for, over this link; users by login, in lower case.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    all: EventSet,
    by_user: HashMap<Box<str>, EventSet>,
}

impl Subscriptions {
    /// Whether this user's events of this kind are asked for.
    pub(super) fn wants(&self, login: &str, kind: EventKind) -> bool {
        if self.all.contains(kind) {
            return true;
        }
        let own = |login: &str| self.by_user.get(login).copied().unwrap_or_default();
        !self.by_user.is_empty() && own(&login.to_lowercase()).contains(kind)
    }

    /// Asks for these kinds of one user or of all; `false` if there are too many users.
    fn add(&mut self, login: Option<&str>, events: EventSet, users_max: usize) -> bool {
        let Some(login) = login else {
            self.all = self.all.union(events);
            return true;
        };
        let key = login.to_lowercase().into_boxed_str();
        if self.by_user.len() >= users_max && !self.by_user.contains_key(&key) {
            return false;
        }
        let known = self.by_user.entry(key).or_default();
        *known = known.union(events);
        true
    }

    /// Takes back what was asked for of one user, or of all and of each (protocol 5-n).
    fn remove(&mut self, login: Option<&str>, events: EventSet) {
        let keep = |known: &mut EventSet| {
            *known = known.without(events);
            !known.is_empty()
        };
        match login {
            None => {
                self.all = self.all.without(events);
                self.by_user.retain(|_, known| keep(known));
            }
            Some(login) => {
                let key = login.to_lowercase();
                if self
                    .by_user
                    .get_mut(&*key)
                    .is_some_and(|known| !keep(known))
                {
                    self.by_user.remove(&*key);
                }
            }
        }
    }
}

impl CrmLink {
    /// `subscribeevent` and `unsubscribeevent`: for the named user, else for all.
    pub(super) fn subscribe(&mut self, outline: &Outline, fields: &mut [u8]) -> Reply {
        let login = subscribed_user(outline, &self.users)?;
        let read = self.body.read(fields, |body| parse_subscription(&body));
        let events = read.and_then(|events| events)?;
        if outline.name == "unsubscribeevent" {
            self.subscriptions.remove(login.as_deref(), events);
            return Ok(Answer::Done);
        }
        let users_max = self.config.limits.users_max;
        if self.subscriptions.add(login.as_deref(), events, users_max) {
            return Ok(Answer::Done);
        }
        self.counters.too_many += 1;
        let text = "events of too many users are asked for: subscribe without a user for all";
        Err(Fault::new(ErrorNumber::TooMany, text))
    }
}

/// The user whose events are meant: by login, else by the CRM's own id (protocol 5-h, 5-i).
fn subscribed_user(outline: &Outline, users: &ActiveUsers) -> Result<Option<String>, Fault> {
    if let Some(login) = named_login(outline) {
        return Ok(Some(login));
    }
    let id = outline
        .user_id
        .as_deref()
        .and_then(crate::protocol::json_text);
    let Some(id) = id.filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    let login = users.login_of(&id).map(str::to_owned);
    let unknown = || {
        Fault::parameter(
            "userlogin",
            "the user's login: no active user has this `userid`",
        )
    };
    login.map(Some).ok_or_else(unknown)
}
