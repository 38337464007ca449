//! `[[users]]`, `[[departments]]` and `[[break_reasons]]` into the directory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use okgate_core::base::{DepartmentId, NumberId, UserId};
use okgate_core::protocol::BreakReason;
use okgate_core::switchboard::{Department, Directory, User};

use super::file::File;
use super::view::{Located, View, did_you_mean};
use super::{groups, guids};

/// Reads all people; faults are noted, faulty entries are left out.
pub(super) fn directory(file: &File<'_>) -> Directory {
    let users_views = file.views("users");
    if users_views.is_empty() {
        let reason = "at least one user is needed; `okgate passwd LOGIN` prints an entry";
        file.document.fault_at(0, "users", reason);
    }
    let mut people = People::default();
    for view in &users_views {
        people.user(view);
    }
    for view in &users_views {
        people.supervises(view);
    }
    let departments = departments(file, &mut people);
    let groups = groups::groups(file, &mut people);
    let ivrs = groups::voice_menus(file, &mut people);
    Directory {
        users: people.users,
        departments,
        groups,
        ivrs,
        break_reasons: break_reasons(file),
    }
}

/// The users so far and what of them must be unique.
#[derive(Default)]
pub(super) struct People {
    users: Vec<User>,
    by_login: HashMap<String, usize>,
    ids: Seen<UserId>,
    numbers: Seen<String>,
}

impl People {
    fn user(&mut self, view: &View<'_>) {
        let (id, name) = (view.guid("id"), view.text("name"));
        let numbers = self.numbers(view);
        let password_md5 = view.md5("password_md5");
        let password_lower_md5 = view.md5("password_lower_md5");
        let is_operator = view.boolean("operator");
        let waiting = view.limit_seconds("waiting_s").unwrap_or_default();
        let Some(login) = view.text("login") else {
            return;
        };
        let id = id.map_or_else(|| guids::user_id(&login), UserId);
        self.ids.check(view, "id", id, &login);
        let folded = login.to_lowercase();
        if let Some(&other) = self.by_login.get(&folded) {
            let reason = format!("{login:?} is there twice: {:?}", self.users[other].login);
            view.fault("login", reason);
            return;
        }
        self.by_login.insert(folded, self.users.len());
        self.users.push(User {
            id,
            name: name.map_or_else(|| Arc::from(&*login), Arc::from),
            login: login.into(),
            numbers,
            password_md5,
            password_lower_md5,
            is_operator,
            supervises: Vec::new(),
            department: None,
            waiting,
        });
    }

    fn numbers(&mut self, view: &View<'_>) -> Vec<(NumberId, Arc<str>)> {
        let main = view.text("number").map(|value| Located {
            at: view.position("number"),
            value,
        });
        let more = view.texts("numbers");
        if main.is_none() && !view.has("number") && !more.is_empty() {
            view.fault("numbers", "needs a main number: number");
        }
        let mut numbers = Vec::new();
        let keyed = main.into_iter().map(|number| ("number", number));
        for (key, number) in keyed.chain(more.into_iter().map(|n| ("numbers", n))) {
            numbers.extend(self.number(view, key, number));
        }
        numbers
    }

    /// A number that nobody else has.
    pub(super) fn number(
        &mut self,
        view: &View<'_>,
        key: &str,
        Located { value, at }: Located<String>,
    ) -> Option<(NumberId, Arc<str>)> {
        if !value.chars().all(is_dialled) || value.chars().count() > NUMBER_CHARACTERS_MAX {
            let reason = format!(
                "{value:?} is no number: up to {NUMBER_CHARACTERS_MAX} digits, letters, +, *, #, . and -"
            );
            view.fault_at(at, key, reason);
        } else if self.numbers.insert(value.clone()) {
            return Some((guids::number_id(&value), value.into()));
        } else {
            view.fault_at(at, key, format!("number {value:?} is there twice"));
        }
        None
    }

    /// Whether somebody has this number.
    pub(super) fn has_number(&self, number: &str) -> bool {
        self.numbers.0.contains_key(number)
    }

    /// The id of the user of this login; an unknown one is a fault.
    pub(super) fn user_id(
        &self,
        view: &View<'_>,
        key: &str,
        login: &Located<String>,
    ) -> Option<UserId> {
        self.find(view, key, login)
            .map(|index| self.users[index].id)
    }

    fn supervises(&mut self, view: &View<'_>) {
        let own = view.text("login").map(|login| login.to_lowercase());
        let mut supervised = Vec::new();
        for entry in view.texts("supervises") {
            let Some(index) = self.find(view, "supervises", &entry) else {
                continue;
            };
            let id = self.users[index].id;
            if own.as_deref() == Some(&entry.value.to_lowercase()) {
                view.fault_at(entry.at, "supervises", "a user cannot supervise themselves");
            } else if supervised.contains(&id) {
                let reason = format!("{:?} is there twice", entry.value);
                view.fault_at(entry.at, "supervises", reason);
            } else {
                supervised.push(id);
            }
        }
        if let Some(&index) = own.and_then(|login| self.by_login.get(&login)) {
            self.users[index].supervises = supervised;
        }
    }

    fn find(&self, view: &View<'_>, key: &str, login: &Located<String>) -> Option<usize> {
        let found = self.by_login.get(&login.value.to_lowercase()).copied();
        if found.is_none() {
            let logins = self.users.iter().map(|user| &*user.login);
            let hint = did_you_mean(&login.value, logins);
            let reason = format!("unknown user {:?}{hint}", login.value);
            view.fault_at(login.at, key, reason);
        }
        found
    }
}

fn departments(file: &File<'_>, people: &mut People) -> Vec<Department> {
    let (mut ids, mut names) = (Seen::default(), Seen::default());
    let mut departments = Vec::new();
    for view in file.views("departments") {
        let (id, members) = (view.guid("id"), view.texts("users"));
        let Some(name) = view.text("name") else {
            continue;
        };
        let id = id.map_or_else(|| guids::department_id(&name), DepartmentId);
        ids.check(&view, "id", id, &name);
        names.check(&view, "name", name.clone(), &name);
        for login in members {
            let Some(index) = people.find(&view, "users", &login) else {
                continue;
            };
            let user = &mut people.users[index];
            if user.department.is_some() {
                let reason = format!("{:?} is in a department already", login.value);
                view.fault_at(login.at, "users", reason);
            }
            user.department = Some(id);
        }
        departments.push(Department {
            id,
            name: name.into(),
        });
    }
    departments
}

fn break_reasons(file: &File<'_>) -> Vec<BreakReason> {
    let mut ids = Seen::default();
    let mut reasons = Vec::new();
    for view in file.views("break_reasons") {
        let id = view.integer("id");
        let Some(name) = view.text("name") else {
            continue;
        };
        // 0 stands for an id that is a fault already.
        if id != 0 {
            ids.check(&view, "id", id, &name);
        }
        reasons.push(BreakReason {
            id: i64::try_from(id).unwrap_or(i64::MAX),
            name: name.into(),
        });
    }
    reasons
}

/// Values that must be unique.
struct Seen<T>(HashMap<T, String>);

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Eq + Hash> Seen<T> {
    /// Notes a fault if another entry has this value already.
    fn check(&mut self, view: &View<'_>, key: &str, value: T, owner: &str) {
        if let Some(other) = self.0.insert(value, owner.to_owned()) {
            view.fault(key, format!("is the same as that of {other:?}"));
        }
    }
}

impl Seen<String> {
    fn insert(&mut self, value: String) -> bool {
        self.0.insert(value, String::new()).is_none()
    }
}

fn is_dialled(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '+' | '*' | '#' | '.' | '-')
}

const NUMBER_CHARACTERS_MAX: usize = 64;
