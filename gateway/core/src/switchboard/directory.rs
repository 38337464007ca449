//! Who works here: the users, numbers and departments of the settings.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{DepartmentId, NumberId, UserId};
use crate::protocol::BreakReason;

/// Everything that the settings say about the people behind the exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// All users; logins are unique without regard to case, numbers are unique.
    pub users: Vec<User>,
    /// All departments.
    pub departments: Vec<Department>,
    /// The reasons that a break can have.
    pub break_reasons: Vec<BreakReason>,
    /// Numbers that ring one or all of several users.
    pub groups: Vec<Group>,
    /// Numbers that a voice menu answers.
    pub ivrs: Vec<IvrMenu>,
}

/// A number that rings its users by a rule; callers wait in its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The number that is dialled.
    pub number: (NumberId, Arc<str>),
    /// What colleagues see.
    pub name: Arc<str>,
    /// Who is rung.
    pub users: Vec<UserId>,
    /// Whom of them.
    pub rule: HuntRule,
    /// How long one of them is rung.
    pub ring: Duration,
    /// How long a caller waits in all; zero means no end.
    pub wait: Duration,
    /// Callers that may wait at a time; one more finds it busy.
    pub line_max: usize,
    /// Whether it is shown as a queue of the call centre or as a group.
    pub is_queue: bool,
}

/// Whom of a group a call rings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HuntRule {
    /// All who are free at once.
    #[default]
    All,
    /// Who has been without a call for longest.
    LongestIdle,
    /// One after the other.
    RoundRobin,
}

/// A voice menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IvrMenu {
    /// The number that is dialled.
    pub number: (NumberId, Arc<str>),
    /// What users see of it.
    pub name: Arc<str>,
    /// After this time the caller is passed on to this number.
    pub then: Option<(Duration, Arc<str>)>,
}

/// One user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// The login as the settings spell it.
    pub login: Arc<str>,
    /// The name that colleagues see.
    pub name: Arc<str>,
    /// The numbers, the main one first; empty for a user without a phone.
    pub numbers: Vec<(NumberId, Arc<str>)>,
    /// MD5 of the password as typed, over the bytes of protocol 6.1.
    pub password_md5: Option<[u8; 16]>,
    /// MD5 of the lower-cased password, over the bytes of protocol 6.1.
    pub password_lower_md5: Option<[u8; 16]>,
    /// Serves the call centre.
    pub is_operator: bool,
    /// Whom this user may listen to, help and join.
    pub supervises: Vec<UserId>,
    /// The user's department, if any.
    pub department: Option<DepartmentId>,
    /// So long an outside caller waits who finds the user in a call; zero means that
    /// such a caller finds it busy.
    pub waiting: Duration,
}

/// One department.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Department {
    /// Its id; never zero.
    pub id: DepartmentId,
    /// Its name.
    pub name: Arc<str>,
}
