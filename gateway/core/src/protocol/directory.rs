//! The directory: numbers, users, break reasons and photos (protocol 6.3, 6.4).

use std::sync::Arc;

use super::state::StateId;
use super::write::{FieldWriter, Fields};
use crate::base::{DepartmentId, NumberId, UserId};

/// A user as messages name one: `userid` and `userlogin`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserRef {
    /// The user.
    pub id: UserId,
    /// The login as the settings spell it.
    pub login: Arc<str>,
}

impl UserRef {
    /// Whether this is the user's login, in whatever case.
    pub fn is_called(&self, login: &str) -> bool {
        login == &*self.login || login.to_lowercase() == self.login.to_lowercase()
    }
}

/// A reason for a break, as `cc_getlunchtypes` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakReason {
    /// An integer of at least 1.
    pub id: i64,
    /// What operators see.
    pub name: Arc<str>,
}

impl Fields for BreakReason {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.number("id", self.id);
        writer.string("name", &self.name);
    }
}

/// What a number leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NumberKind {
    /// A user's number.
    User,
    /// A group of users.
    Group,
    /// A queue.
    Queue,
    /// An interactive voice menu.
    Ivr,
    /// An outside line.
    OutsideLine,
}

impl NumberKind {
    /// `type` and `typestr` (protocol 6.4).
    pub const fn wire(self) -> (i64, &'static str) {
        match self {
            Self::User => (0, "intRule"),
            Self::Group => (1, "intGroup"),
            Self::Queue => (2, "intQueue"),
            Self::Ivr => (3, "intIVR"),
            Self::OutsideLine => (4, "extLine"),
        }
    }
}

/// One row of `getpbxnumbers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberEntry {
    /// The number's id.
    pub id: NumberId,
    /// What is dialled.
    pub number: Arc<str>,
    /// Whom or what it reaches.
    pub caption: Arc<str>,
    /// What kind of number it is.
    pub kind: NumberKind,
    /// Its state now.
    pub state: StateId,
    /// The department's name; empty for none.
    pub department: Arc<str>,
    /// The department; zero for none.
    pub department_id: DepartmentId,
}

impl Fields for NumberEntry {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        let (kind, kind_text) = self.kind.wire();
        writer.guid("id", self.id.0);
        writer.string("number", &self.number);
        writer.string("caption", &self.caption);
        writer.number("type", kind);
        writer.string("typestr", kind_text);
        writer.number("state", self.state.number());
        writer.string("statestr", self.state.text());
        writer.boolean("isgroup", self.kind == NumberKind::Group);
        writer.string("department", &self.department);
        writer.guid("departmentid", self.department_id.0);
    }
}

/// One row of `getallusernumbers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEntry {
    /// The user.
    pub id: UserId,
    /// The user's name.
    pub name: Arc<str>,
    /// The user's main number; empty for none.
    pub main: Arc<str>,
    /// All numbers of the user.
    pub numbers: Vec<Arc<str>>,
    /// Whether the asker may supervise this user.
    pub subordinate: bool,
}

impl Fields for UserEntry {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.guid("id", self.id.0);
        writer.string("name", &self.name);
        writer.string("main", &self.main);
        writer.strings("nums", self.numbers.iter().map(AsRef::as_ref));
        writer.boolean("sub", self.subordinate);
    }
}

/// One row of `getalluserphotolink`; links start with `/` (protocol 6.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhotoLink {
    /// The user.
    pub id: UserId,
    /// The photo as it was uploaded.
    pub link: Arc<str>,
    /// 32 by 32 pixels.
    pub link_32: Arc<str>,
    /// 96 by 96 pixels.
    pub link_96: Arc<str>,
}

impl Fields for PhotoLink {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.guid("id", self.id.0);
        writer.string("link", &self.link);
        writer.string("link32x32", &self.link_32);
        writer.string("link96x96", &self.link_96);
    }
}
