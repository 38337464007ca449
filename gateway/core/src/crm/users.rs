//! Who is active in the CRM (protocol 5).

use std::collections::HashMap;
use std::sync::Arc;

use super::CrmLink;
use crate::protocol::{Body, Fault, json_text};

/// A user who is active in the CRM: gets events over the server link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveUser {
    /// The login, as the CRM types it.
    pub login: Arc<str>,
    /// The CRM's own id of the user as JSON text, echoed in messages about the
    /// user; `None` if the CRM said none.
    pub crm_user_id: Option<Arc<str>>,
    /// `type`: how the user came in.
    pub kind: Option<Arc<str>>,
}

impl ActiveUser {
    /// The user with this id, unless the id says nothing or is too long to be kept.
    pub(super) fn new(login: &str, crm_user_id: Option<&[u8]>, kind: Option<&str>) -> Self {
        let id = crm_user_id.and_then(|id| std::str::from_utf8(id).ok());
        let says_nothing = |id: &str| matches!(id, "" | "null" | "\"\"");
        let id = id.filter(|id| !says_nothing(id) && id.len() <= TEXT_BYTES_MAX);
        Self {
            login: login.into(),
            crm_user_id: id.map(Arc::from),
            kind: kind.map(Arc::from),
        }
    }
}

/// The users by login, without regard to case.
#[derive(Debug, Default)]
pub(super) struct ActiveUsers {
    users: HashMap<Box<str>, ActiveUser>,
}

/// Bytes of a login and of an id.
pub(super) const TEXT_BYTES_MAX: usize = 256;

impl ActiveUsers {
    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    pub(super) fn named(&self, login: &str) -> Option<&ActiveUser> {
        // Most logins are in lower case already.
        if login
            .bytes()
            .any(|byte| !byte.is_ascii() || byte.is_ascii_uppercase())
        {
            return self.users.get(login.to_lowercase().as_str());
        }
        self.users.get(login)
    }

    pub(super) fn login_of(&self, crm_user_id: &str) -> Option<&str> {
        let has_id = |user: &&ActiveUser| {
            let id = user.crm_user_id.as_deref().map(str::as_bytes);
            id.and_then(json_text).is_some_and(|id| id == crm_user_id)
        };
        self.users.values().find(has_id).map(|user| &*user.login)
    }

    /// Adds the user or replaces what was known of it; `false` if there are too
    /// many or the login is too long.
    pub(super) fn add(&mut self, user: ActiveUser, users_max: usize) -> bool {
        let key = user.login.to_lowercase().into_boxed_str();
        if key.is_empty() || key.len() > TEXT_BYTES_MAX {
            return false;
        }
        if self.users.len() >= users_max && !self.users.contains_key(&key) {
            return false;
        }
        self.users.insert(key, user);
        true
    }

    pub(super) fn remove(&mut self, login: &str) -> Option<ActiveUser> {
        self.users.remove(login.to_lowercase().as_str())
    }

    /// Takes the list of `activeusers` for the one that counts; gives all users in
    /// the order of their logins, so that the same list has the same effects always.
    /// Entries that say no login are left out. Gives too how many were too many.
    pub(super) fn replace(
        &mut self,
        answer: &Body<'_>,
        users_max: usize,
    ) -> Result<(Vec<ActiveUser>, u64), Fault> {
        let listed = answer.objects("users")?;
        self.users.clear();
        let mut ignored = 0;
        for user in listed {
            let Ok(Some(login)) = user.text("userlogin") else {
                continue;
            };
            let id = user.raw("userid");
            let kind = user.text("type").ok().flatten();
            let id = id.as_deref().map(str::as_bytes);
            if !self.add(ActiveUser::new(&login, id, kind.as_deref()), users_max) {
                ignored += 1;
            }
        }
        Ok((self.sorted(), ignored))
    }

    /// All of them, in the order of their logins.
    fn sorted(&self) -> Vec<ActiveUser> {
        let mut users: Vec<ActiveUser> = self.users.values().cloned().collect();
        users.sort_unstable_by(|one, other| one.login.cmp(&other.login));
        users
    }
}

impl CrmLink {
    /// Takes over who is active in the CRM from the link before: that stays as it was until the CRM says otherwise
    /// (protocol 5-l). Gives them: over HTTP nobody, and no more than this link's settings allow.
    pub fn inherit_users(&mut self, before: &Self) -> Vec<ActiveUser> {
        if !self.is_http() {
            for user in before.users.sorted() {
                self.users.add(user, self.config.limits.users_max);
            }
        }
        self.users.sorted()
    }
}
