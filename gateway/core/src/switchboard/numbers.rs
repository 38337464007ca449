//! The numbering plan: whom a number, a user id or a number id means, and the
//! directory as clients list it (protocol 6.4, 6.5).

use std::collections::HashMap;
use std::sync::Arc;

use super::chain::{Hunt, Service};
use super::directory::{Directory, IvrMenu};
use super::users::Users;
use crate::base::{DepartmentId, Guid, NumberId};
use crate::protocol::{ErrorNumber, Fault, NumberEntry, NumberKind, Party, StateId};

/// Whom a call goes to.
#[derive(Debug)]
pub(super) struct Target {
    /// The index of the user, if it is one of the exchange's.
    pub(super) user: Option<usize>,
    pub(super) party: Party,
    /// What stands behind the number.
    pub(super) service: Service,
}

/// Which number belongs to whom.
#[derive(Debug)]
pub(super) struct Numbers {
    by_text: HashMap<Arc<str>, usize>,
    /// Groups and voice menus.
    services: HashMap<Arc<str>, Owner>,
    ivrs: Vec<IvrMenu>,
    /// How the list shows groups and voice menus.
    service_entries: Vec<NumberEntry>,
    by_id: HashMap<NumberId, (usize, Arc<str>)>,
    departments: HashMap<DepartmentId, Arc<str>>,
    /// Rises with every change of a number's state.
    version: u64,
    entries: Option<Arc<[NumberEntry]>>,
}

/// What a number leads to that is no user's.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Group(usize),
    Ivr(usize),
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
        let groups = directory.groups.iter().enumerate();
        let groups = groups.map(|(index, it)| (Arc::clone(&it.number.1), Owner::Group(index)));
        let ivrs = directory.ivrs.iter().enumerate();
        let ivrs = ivrs.map(|(index, it)| (Arc::clone(&it.number.1), Owner::Ivr(index)));
        Self {
            by_text,
            services: groups.chain(ivrs).collect(),
            ivrs: directory.ivrs.clone(),
            service_entries: service_entries(directory),
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

    /// How the list shows the group or voice menu of this number.
    pub(super) fn service_entry(&self, number: &str) -> Option<&NumberEntry> {
        self.service_entries.iter().find(|it| *it.number == *number)
    }

    /// The user of this number, which may be named by its id.
    pub(super) fn owner(&self, text: &str) -> Option<usize> {
        let by_id = || {
            let id = text.parse().ok().map(NumberId)?;
            self.by_id.get(&id).map(|(user, _)| *user)
        };
        self.user_of(text).or_else(by_id)
    }

    /// The voice menu behind this number.
    pub(super) fn ivr(&self, number: &str) -> Option<&IvrMenu> {
        match self.services.get(number)? {
            Owner::Ivr(index) => self.ivrs.get(*index),
            Owner::Group(_) => None,
        }
    }

    /// Whom a number of the exchange means.
    pub(super) fn called(&self, number: &str, users: &Users) -> Option<Target> {
        if let Some((number, user)) = self.by_text.get_key_value(number) {
            return Some(internal(*user, Arc::clone(number), users));
        }
        let (number, owner) = self.services.get_key_value(number)?;
        let entry = self.service_entry(number)?;
        let party = Party {
            number: Some(Arc::clone(number)),
            name: Some(Arc::clone(&entry.caption)),
            ..Party::default()
        };
        let service = match *owner {
            Owner::Group(group) => Service::Hunt(Box::new(Hunt::of(group))),
            Owner::Ivr(index) => Service::Ivr {
                is_routing: self.ivrs.get(index).is_some_and(|it| it.then.is_some()),
                next: None,
            },
        };
        Some(Target {
            user: None,
            party,
            service,
        })
    }

    /// Whom a text means: a number of the exchange, a user id, a number id, or
    /// else a number outside (protocol 6.5).
    pub(super) fn target(
        &self,
        field: &str,
        text: &str,
        characters_max: usize,
        users: &Users,
    ) -> Result<Target, Fault> {
        let text = text.trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            let expected = "a number, a user id or a number id";
            return Err(Fault::parameter(field, expected));
        }
        if text.chars().count() > characters_max {
            let expected = format!("at most {characters_max} characters");
            return Err(Fault::parameter(field, &expected));
        }
        if let Some(target) = self.called(text, users) {
            return Ok(target);
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

    pub(super) const fn version(&self) -> u64 {
        self.version
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
            let services = self.service_entries.iter().cloned();
            self.entries = Some(list.chain(services).collect());
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
    Target {
        user: None,
        party,
        service: Service::Phone,
    }
}

fn internal(user: usize, number: Arc<str>, users: &Users) -> Target {
    Target {
        party: users[user].party(number),
        user: Some(user),
        service: Service::Phone,
    }
}

/// protocol 6.4: numbers of groups and voice menus are ready.
fn service_entries(directory: &Directory) -> Vec<NumberEntry> {
    let entry = |(id, number): &(NumberId, Arc<str>), caption: &Arc<str>, kind| NumberEntry {
        id: *id,
        number: Arc::clone(number),
        caption: Arc::clone(caption),
        kind,
        state: StateId::Ready,
        department: "".into(),
        department_id: DepartmentId::default(),
    };
    let groups = directory.groups.iter().map(|group| {
        let kind = if group.is_queue {
            NumberKind::Queue
        } else {
            NumberKind::Group
        };
        entry(&group.number, &group.name, kind)
    });
    let ivrs = directory.ivrs.iter();
    let ivrs = ivrs.map(|ivr| entry(&ivr.number, &ivr.name, NumberKind::Ivr));
    groups.chain(ivrs).collect()
}
