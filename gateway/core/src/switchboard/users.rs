//! The users: presence, phones, what they set, and the state that follows
//! from it (protocol 6.3).
//!
//! Owns every user's record. Calls change a record only through the
//! switchboard's steps.

use std::collections::HashMap;
use std::sync::Arc;

use super::directory::{Group, User};
use super::hunts::GroupRecord;
use super::limits::Limits;
use super::picture::Picture;
use crate::base::{ChainId, DepartmentId, Instant, NumberId, UserId};
use crate::protocol::{
    BreakReason, ErrorNumber, Fault, Party, RedirectRule, SetUserState, StateId, UserRef, UserState,
};

/// All users, by index; the directory is fixed while the gateway runs.
#[derive(Debug)]
pub(super) struct Users {
    records: Vec<UserRecord>,
    by_id: HashMap<UserId, usize>,
    /// By the login in lower case.
    by_login: HashMap<String, usize>,
}

/// One user.
#[derive(Debug)]
pub(super) struct UserRecord {
    pub(super) reference: UserRef,
    pub(super) name: Arc<str>,
    pub(super) is_operator: bool,
    pub(super) supervises: Vec<UserId>,
    pub(super) department: Option<DepartmentId>,
    /// The groups for which the user's phone rings, the own line included.
    pub(super) groups: Vec<usize>,
    /// Where callers wait for the end of the user's call.
    pub(super) own_line: Option<usize>,
    /// The user's numbers, the main one first.
    pub(super) phones: Vec<Phone>,
    /// Logged in somewhere.
    pub(super) is_present: bool,
    pub(super) choice: Choice,
    /// The call that the user takes part in, from the first command on.
    pub(super) call: Option<ChainId>,
    /// Since when the user has been without a call.
    pub(super) idle_since: Instant,
    /// In the order in which they are tried.
    pub(super) redirect_rules: Arc<[RedirectRule]>,
    /// Outside callers who arrived for the user and do not ring yet.
    pub(super) waiting: Vec<ChainId>,
    pub(super) picture: Picture,
    /// Rises with every change of the picture.
    pub(super) line_version: u64,
    /// The state that was told last.
    pub(super) shown: UserState,
}

/// One number of a user and the phone behind it.
#[derive(Debug)]
pub(super) struct Phone {
    pub(super) id: NumberId,
    pub(super) number: Arc<str>,
    pub(super) is_registered: bool,
}

/// What a user set, kept through calls and absences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) state: StateId,
    on_call_center: bool,
    on_cc_manual: bool,
    on_redirect: bool,
    lunch_reason: Option<i64>,
    lunch_message: Option<Arc<str>>,
}

impl Users {
    pub(super) fn new(users: &[User]) -> Self {
        let records: Vec<_> = users.iter().map(UserRecord::new).collect();
        let ids = records.iter().enumerate();
        let by_id = ids
            .map(|(index, user)| (user.reference.id, index))
            .collect();
        let logins = records.iter().enumerate();
        let by_login = logins
            .map(|(index, user)| (user.reference.login.to_lowercase(), index))
            .collect();
        Self {
            records,
            by_id,
            by_login,
        }
    }

    /// The index of this user.
    pub(super) fn index(&self, id: UserId) -> Result<usize, Fault> {
        let unknown = || Fault::new(ErrorNumber::NotFound, format!("there is no user {id}"));
        self.by_id.get(&id).copied().ok_or_else(unknown)
    }

    /// Notes for whom of them each group's calls ring.
    pub(super) fn join_groups(&mut self, people: &[User], groups: &[Group]) -> Vec<GroupRecord> {
        let mut records = Vec::new();
        for (place, group) in groups.iter().enumerate() {
            let users = group
                .users
                .iter()
                .filter_map(|id| self.by_id.get(id).copied());
            let users: Vec<_> = users.collect();
            for user in &users {
                self.records[*user].groups.push(place);
            }
            records.push(GroupRecord::new(group, users));
        }
        let waiting = people.iter().map(|user| user.waiting).enumerate();
        for (user, wait) in waiting.filter(|(_, wait)| !wait.is_zero()) {
            self.records[user].own_line = Some(records.len());
            self.records[user].groups.push(records.len());
            records.push(GroupRecord::own(user, wait));
        }
        records
    }

    /// The user of this login, in whatever case.
    pub(super) fn by_login(&self, login: &str) -> Option<usize> {
        self.by_login.get(&login.to_lowercase()).copied()
    }

    pub(super) fn of(&self, id: UserId) -> Result<&UserRecord, Fault> {
        self.index(id).map(|index| &self.records[index])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &UserRecord> {
        self.records.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut UserRecord> {
        self.records.iter_mut()
    }
}

impl std::ops::Index<usize> for Users {
    type Output = UserRecord;

    fn index(&self, index: usize) -> &UserRecord {
        &self.records[index]
    }
}

impl std::ops::IndexMut<usize> for Users {
    fn index_mut(&mut self, index: usize) -> &mut UserRecord {
        &mut self.records[index]
    }
}

impl UserRecord {
    fn new(user: &User) -> Self {
        let phone = |(id, number): &(NumberId, Arc<str>)| Phone {
            id: *id,
            number: Arc::clone(number),
            is_registered: false,
        };
        let choice = Choice {
            state: StateId::Ready,
            on_call_center: user.is_operator,
            on_cc_manual: false,
            on_redirect: false,
            lunch_reason: None,
            lunch_message: None,
        };
        let mut record = Self {
            reference: UserRef {
                id: user.id,
                login: Arc::clone(&user.login),
            },
            name: Arc::clone(&user.name),
            is_operator: user.is_operator,
            supervises: user.supervises.clone(),
            department: user.department,
            groups: Vec::new(),
            own_line: None,
            phones: user.numbers.iter().map(phone).collect(),
            is_present: false,
            choice,
            call: None,
            idle_since: Instant::default(),
            redirect_rules: Arc::new([]),
            waiting: Vec::new(),
            picture: Picture::idle(false),
            line_version: 1,
            shown: UserState::default(),
        };
        record.shown = record.state();
        record
    }

    /// The main number, if the user has any.
    pub(super) fn main_number(&self) -> Option<&Arc<str>> {
        self.phones.first().map(|phone| &phone.number)
    }

    /// Whether a phone of the user can be rung.
    pub(super) fn has_phone(&self) -> bool {
        self.phones.iter().any(|phone| phone.is_registered)
    }

    /// The phone to ring for this number: its own, else the first that is there.
    pub(super) fn phone_to_ring(&self, wanted: Option<&str>) -> Option<&Arc<str>> {
        let registered = || self.phones.iter().filter(|phone| phone.is_registered);
        let its_own = registered().find(|phone| Some(&*phone.number) == wanted);
        its_own.or_else(|| registered().next()).map(|it| &it.number)
    }

    /// Whether the user wants no calls from others.
    pub(super) fn refuses_calls(&self) -> bool {
        matches!(self.choice.state, StateId::DoNotDisturb | StateId::FullBusy)
    }

    /// Who this user is to another party.
    pub(super) fn party(&self, number: Arc<str>) -> Party {
        Party {
            number: Some(number),
            user: Some(self.reference.clone()),
            name: Some(Arc::clone(&self.name)),
            comment: None,
            is_outside: false,
        }
    }

    /// The state that follows from calls, presence, phones and choice, in this
    /// order (protocol 6.3, 6.6).
    pub(super) fn state(&self) -> UserState {
        let id = if self.picture.is_in_call() {
            StateId::FullBusy
        } else if !self.is_present {
            StateId::Disconnected
        } else if !self.has_phone() {
            StateId::WithoutPhone
        } else {
            self.choice.state
        };
        UserState {
            id,
            on_call_center: self.choice.on_call_center,
            on_cc_manual: self.choice.on_cc_manual,
            on_lunch: self.choice.state == StateId::Lunch,
            on_redirect: self.choice.on_redirect,
            on_task: false,
            lunch_reason: self.choice.lunch_reason,
            lunch_message: self.choice.lunch_message.clone(),
        }
    }
}

impl Choice {
    /// This choice with what a user wants changed; what is absent stays.
    pub(super) fn changed(
        &self,
        wanted: SetUserState,
        reasons: &[BreakReason],
        limits: &Limits,
    ) -> Result<Self, Fault> {
        let state = match wanted.state {
            None => self.state,
            Some(state) if StateId::settable(state.number()) == Some(state) => state,
            Some(_) => return Err(Fault::parameter("userstateid", "1, 2, 3 or 5")),
        };
        let mut choice = Self {
            state,
            on_call_center: wanted.on_call_center.unwrap_or(self.on_call_center),
            on_cc_manual: wanted.on_cc_manual.unwrap_or(self.on_cc_manual),
            on_redirect: wanted.on_redirect.unwrap_or(self.on_redirect),
            lunch_reason: None,
            lunch_message: None,
        };
        if state != StateId::Lunch {
            return Ok(choice);
        }
        choice.lunch_reason = match wanted.lunch_reason {
            Some(id) if reasons.iter().any(|reason| reason.id == id) => Some(id),
            Some(_) => {
                let expected = "the id of a break reason, as cc_getlunchtypes lists them";
                return Err(Fault::parameter("lunchreasonid", expected));
            }
            None => self.lunch_reason.or_else(|| Some(reasons.first()?.id)),
        };
        choice.lunch_message = match wanted.lunch_message {
            Some(text) if text.chars().count() > limits.message_characters_max => {
                let expected = format!("at most {} characters", limits.message_characters_max);
                return Err(Fault::parameter("lunchreasonmsg", &expected));
            }
            Some(text) if text.is_empty() => None,
            Some(text) => Some(text.into()),
            None => self.lunch_message.clone(),
        };
        Ok(choice)
    }
}
