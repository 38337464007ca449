//! Who works here: the users, numbers and departments of the settings.

use std::sync::Arc;

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
}

/// One department.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Department {
    /// Its id; never zero.
    pub id: DepartmentId,
    /// Its name.
    pub name: Arc<str>,
}
