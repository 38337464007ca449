//! Users by id and by login, as messages name them.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Asker, Refusal};
use crate::base::{Refused, UserId};
use crate::hub::Hub;
use crate::protocol::{ErrorNumber, Fault, Person, UserRef};
use crate::switchboard::Directory;

/// All users of the settings.
#[derive(Debug)]
pub(super) struct People {
    by_id: HashMap<UserId, Person>,
    by_login: HashMap<String, UserId>,
}

/// The users that a message names.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Those who exist, each once, in the message's order.
    pub(super) known: Vec<UserId>,
    /// Names that nobody has.
    pub(super) unknown: Vec<Box<str>>,
}

impl People {
    pub(super) fn new(directory: &Directory) -> Self {
        let person = |user: &crate::switchboard::User| Person {
            user: UserRef {
                id: user.id,
                login: Arc::clone(&user.login),
            },
            name: Arc::clone(&user.name),
        };
        let users = directory.users.iter();
        Self {
            by_login: users
                .clone()
                .map(|user| (user.login.to_lowercase(), user.id))
                .collect(),
            by_id: users.map(|user| (user.id, person(user))).collect(),
        }
    }

    pub(super) fn of(&self, user: UserId) -> Result<&Person, Fault> {
        let unknown = || Fault::new(ErrorNumber::NotFound, "there is no such user");
        self.by_id.get(&user).ok_or_else(unknown)
    }

    pub(super) fn reference(&self, user: UserId) -> Option<&UserRef> {
        self.by_id.get(&user).map(|person| &person.user)
    }

    /// The user of this id or login.
    pub(super) fn find(&self, name: &str) -> Option<UserId> {
        let name = name.trim();
        if name.len() > NAME_BYTES_MAX {
            return None;
        }
        let by_id = name.parse().map(UserId).ok();
        by_id
            .filter(|id| self.by_id.contains_key(id))
            .or_else(|| self.by_login.get(&name.to_lowercase()).copied())
    }
}

impl Hub {
    /// The users that a message names, by id or login; the CRM may use its own ids
    /// (protocol 5-i).
    pub(super) fn users_named(
        &self,
        asker: Asker,
        field: &str,
        names: &[Box<str>],
    ) -> Result<Named, Refusal> {
        let max = self.desk.config.limits.recipients_max;
        if names.len() > max {
            let text = format!("field `{field}`: more than the {max} users of desk.recipients_max");
            return Err(Refusal::limit(
                Refused::RecipientsMax,
                ErrorNumber::TooBig,
                text,
            ));
        }
        let mut found = Named::default();
        for name in names {
            match self.user_named(asker, name) {
                Some(user) if found.known.contains(&user) => {}
                Some(user) => found.known.push(user),
                None => found.unknown.push(name.clone()),
            }
        }
        Ok(found)
    }

    /// The same, where every one must exist.
    pub(super) fn all_users_named(
        &self,
        asker: Asker,
        field: &str,
        names: &[Box<str>],
    ) -> Result<Vec<UserId>, Refusal> {
        let found = self.users_named(asker, field, names)?;
        match found.unknown.first() {
            None => Ok(found.known),
            Some(unknown) => Err(no_user(field, unknown).into()),
        }
    }

    pub(super) fn user_named(&self, asker: Asker, name: &str) -> Option<UserId> {
        let found = self.desk.people.find(name);
        match (found, asker) {
            (None, Asker::Crm(_)) => {
                let login = self.crm.as_ref()?.login_of(name)?;
                self.desk.people.find(login)
            }
            _ => found,
        }
    }
}

/// Nobody has this id or login.
pub(super) fn no_user(field: &str, name: &str) -> Fault {
    let shown: String = name.chars().take(NAME_SHOWN_MAX).collect();
    let text = format!("field `{field}`: no user has the id or login {shown:?}; nothing was done");
    Fault::new(ErrorNumber::NotFound, text)
}

/// A longer text is nobody's id or login.
const NAME_BYTES_MAX: usize = 256;

/// How much of a wrong name is said back.
const NAME_SHOWN_MAX: usize = 64;
