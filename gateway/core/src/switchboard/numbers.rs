//! The numbering plan: whom a number, a user id or a number id means, and the
//! directory as clients list it (protocol 6.4, 6.5).

use std::collections::HashMap;
use std::sync::Arc;

use super::directory::Directory;
use super::users::Users;
use crate::base::{DepartmentId, Guid, NumberId};
use crate::protocol::{ErrorNumber, Fault, NumberEntry, NumberKind, Party};

/// Whom a call goes to.
#[derive(Debug)]
pub(super) struct Target {
    /// The index of the user, if it is one of the exchange's.
    pub(super) user: Option<usize>,
    pub(super) party: Party,
}

/// Which number belongs to whom.
#[derive(Debug)]
pub(super) struct Numbers {
    by_text: HashMap<Arc<str>, usize>,
    by_id: HashMap<NumberId, (usize, Arc<str>)>,
    departments: HashMap<DepartmentId, Arc<str>>,
    /// Rises with every change of a number's state.
    version: u64,
    entries: Option<Arc<[NumberEntry]>>,
}

impl Numbers {
    pub(super) fn new(directory: &Directory, users: &Users) -> Self {
        let (mut by_text, mut by_id) = (HashMap::new(), HashMap::new());
        for (index, user) in users.iter().enumerate() {
            for phone in &user.phones {
                by_text.insert(Arc::clone(&phone.number), index);
                by_id.insert(phone.id, (index, Arc::clone(&phone.number)));
            }
        }
        let departments = directory.departments.iter();
        Self {
            by_text,
            by_id,
            departments: departments
                .map(|it| (it.id, Arc::clone(&it.name)))
                .collect(),
            version: 1,
            entries: None,
        }
    }

    /// The user that this number rings.
    pub(super) fn user_of(&self, number: &str) -> Option<usize> {
        self.by_text.get(number).copied()
    }

    /// Whom a text means: a number of the exchange, a user id, a number id, or
    /// else a number outside (protocol 6.5).
    pub(super) fn target(
        &self,
        text: &str,
        characters_max: usize,
        users: &Users,
    ) -> Result<Target, Fault> {
        let text = text.trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            let expected = "a number, a user id or a number id";
            return Err(Fault::parameter("number", expected));
        }
        if text.chars().count() > characters_max {
            let expected = format!("at most {characters_max} characters");
            return Err(Fault::parameter("number", &expected));
        }
        if let Some((number, user)) = self.by_text.get_key_value(text) {
            return Ok(internal(*user, Arc::clone(number), users));
        }
        match text.parse::<Guid>() {
            Ok(id) => self.target_of_id(id, users),
            Err(_) => Ok(outside(text.into())),
        }
    }

    fn target_of_id(&self, id: Guid, users: &Users) -> Result<Target, Fault> {
        if let Some((user, number)) = self.by_id.get(&NumberId(id)) {
            return Ok(internal(*user, Arc::clone(number), users));
        }
        let not_found = |text: String| Fault::new(ErrorNumber::NotFound, text);
        let user = users
            .index(crate::base::UserId(id))
            .map_err(|_| not_found(format!("no user and no number has the id {id}")))?;
        match users[user].main_number() {
            Some(number) => Ok(internal(user, Arc::clone(number), users)),
            None => Err(not_found(format!("user {id} has no number"))),
        }
    }

    /// Some number's state has changed.
    pub(super) fn changed(&mut self) {
        self.version += 1;
        self.entries = None;
    }

    /// All numbers with their states, and the version that rises with each
    /// change. Built anew only after a change.
    pub(super) fn entries(&mut self, users: &Users) -> (u64, Arc<[NumberEntry]>) {
        if self.entries.is_none() {
            let list = users.iter().flat_map(|user| {
                let department = user.department.unwrap_or_default();
                let department_name = self.departments.get(&department);
                user.phones.iter().map(move |phone| NumberEntry {
                    id: phone.id,
                    number: Arc::clone(&phone.number),
                    caption: Arc::clone(&user.name),
                    kind: NumberKind::User,
                    state: user.shown.id,
                    department: department_name.map_or_else(|| "".into(), Arc::clone),
                    department_id: department,
                })
            });
            self.entries = Some(list.collect());
        }
        let entries = self.entries.as_ref().map_or_else(|| [].into(), Arc::clone);
        (self.version, entries)
    }
}

/// A party outside the exchange.
pub(super) fn outside(number: Arc<str>) -> Target {
    let party = Party {
        number: Some(number),
        is_outside: true,
        ..Party::default()
    };
    Target { user: None, party }
}

fn internal(user: usize, number: Arc<str>, users: &Users) -> Target {
    Target {
        party: users[user].party(number),
        user: Some(user),
    }
}
