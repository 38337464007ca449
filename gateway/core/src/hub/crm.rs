//! The CRM's side of the hub: what its link receives, what it is told, and who
//! waits for its dynamic methods.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::desk::Asker;
use super::{CrmSetup, Hub, Output};
use crate::base::{Now, NumberId, UserId};
use crate::crm::{ActiveUser, CrmEvent, CrmLink, CrmReport, CrmRequest, CrmStatus};
use crate::protocol::{
    ErrorNumber, Event, Fault, NUMBERS_PER_EVENT, NumberChange, Occurrence, Reply, UserRequest,
};

impl Hub {
    /// Takes a report of the CRM's connection.
    pub fn handle_crm(&mut self, report: CrmReport, now: Now) {
        self.now = now;
        if let Some(crm) = &mut self.crm {
            crm.handle_report(report, now.instant);
        }
        self.pump();
    }

    /// Ends the CRM's link, and makes one as these settings say. What is to be done with the old
    /// one's connections comes out before anything of the new one. No tab notices; methods that
    /// run fail.
    pub fn relink(&mut self, link: CrmSetup, now: Now) {
        self.now = now;
        if let Some(crm) = &mut self.crm {
            crm.shut_down("the settings of the CRM's link have changed", now.instant);
        }
        self.pump();
        self.outputs.push_back(Output::Relinked);
        let random = &mut self.random;
        let next = link.crm;
        let next = next.map(|crm| CrmLink::new(crm, random.split(), now.instant));
        let before = std::mem::replace(&mut self.crm, next);
        // Over HTTP, and without a CRM, nobody says who is active there.
        let active = before.zip(self.crm.as_mut());
        let active = active.map(|(before, crm)| crm.inherit_users(&before));
        self.keep_active(&active.unwrap_or_default());
        self.caller_name = link.caller_name;
        self.pump();
    }

    /// Moves one thing from the link; whether there was any.
    pub(super) fn pump_crm(&mut self) -> bool {
        let Some(crm) = &mut self.crm else {
            return false;
        };
        if let Some(event) = crm.poll_event() {
            self.take_crm(event);
        } else if let Some(action) = crm.poll_action() {
            self.outputs.push_back(Output::Crm(action));
        } else {
            return false;
        }
        true
    }

    fn take_crm(&mut self, event: CrmEvent) {
        match event {
            CrmEvent::MethodDone { execution, end } => self.end_run(execution, end),
            CrmEvent::Request(request) => self.answer_crm(request),
            CrmEvent::Ready { .. } | CrmEvent::Lost { .. } => {
                self.crm_shows_no_forms(None);
                self.outputs.push_back(Output::CrmNews(event));
            }
            CrmEvent::TurnedAway { .. } | CrmEvent::ExchangeFailed { .. } => {
                self.outputs.push_back(Output::CrmNews(event));
            }
            CrmEvent::UserAppeared(user) => self.crm_user_appeared(&user),
            CrmEvent::UserLeft(user) => {
                if let Some(user) = self.user_of(&user.login) {
                    self.crm_user_left(user);
                }
            }
            CrmEvent::ActiveUsers(users) => self.reconcile(&users),
            // It is read when somebody asks for it.
            CrmEvent::CatalogueChanged => {}
        }
    }

    /// A user who is active in the CRM is present (protocol 5). The CRM may have users
    /// of its own, who are nobody here.
    fn crm_user_appeared(&mut self, active: &ActiveUser) {
        let Some(user) = self.user_of(&active.login) else {
            return;
        };
        if self.crm_users.insert(user) {
            // The user was just found in the directory.
            let _known = self.switchboard.user_present(user, self.now.instant);
        }
        self.deliver_kept(user);
        self.show_forms_at_crm(user);
    }

    fn crm_user_left(&mut self, user: UserId) {
        self.crm_shows_no_forms(Some(user));
        if self.crm_users.remove(&user) {
            self.user_left(user);
        }
    }

    /// protocol 5: while the link is lost its users stay as they are; when it is back,
    /// its list counts.
    fn reconcile(&mut self, active: &[ActiveUser]) {
        self.keep_active(active);
        for user in active {
            self.crm_user_appeared(user);
        }
    }

    /// Everybody else is active there no more.
    fn keep_active(&mut self, active: &[ActiveUser]) {
        let listed = active.iter().filter_map(|user| self.user_of(&user.login));
        let listed: BTreeSet<UserId> = listed.collect();
        let left: Vec<UserId> = self.crm_users.difference(&listed).copied().collect();
        for user in left {
            self.crm_user_left(user);
        }
    }

    fn user_of(&self, login: &str) -> Option<UserId> {
        self.accounts.by_login(login).map(|user| user.id)
    }

    fn answer_crm(&mut self, request: CrmRequest) {
        let reply = match (&request.user_login, request.what) {
            (login, UserRequest::Dynamic(what)) => {
                let user = login.as_deref().map(|login| self.known_user(login));
                match user.transpose() {
                    Ok(user) => return self.serve_dynamic(Asker::Crm(request.token), user, *what),
                    Err(fault) => Err(fault),
                }
            }
            (None, UserRequest::PbxNumbers) => Ok(self.number_entries()),
            (None, _) => Err(Fault::parameter("userlogin", "the user's login")),
            (Some(login), UserRequest::Desk(what)) => match self.known_user(login) {
                Ok(user) => return self.serve_desk(Asker::Crm(request.token), user, *what),
                Err(fault) => Err(fault),
            },
            (Some(login), what) => self.serve_named(login, what),
        };
        if let Some(crm) = &mut self.crm {
            crm.answer(request.token, &reply, self.now.instant);
        }
    }

    /// protocol 5: done in that user's name.
    fn serve_named(&mut self, login: &str, what: UserRequest) -> Reply {
        let user = self.known_user(login)?;
        self.serve(user, what)
    }

    fn known_user(&self, login: &str) -> Result<UserId, Fault> {
        self.user_of(login).ok_or_else(|| {
            Fault::new(
                ErrorNumber::NotFound,
                format!("no user has the login {login:?}"),
            )
        })
    }

    /// Tells the CRM of numbers' states, once per change (protocol 5); a long event
    /// is divided by content (protocol 3.3).
    pub(super) fn tell_crm_numbers(&mut self, changes: &[(NumberId, NumberChange)]) {
        let Some(crm) = &mut self.crm else {
            return;
        };
        for part in changes.chunks(NUMBERS_PER_EVENT) {
            let changes = part.iter().map(|(_, change)| change.clone()).collect();
            let event = Event {
                qid: self.random.guid(),
                user: None,
                what: Occurrence::NumberStateChanged(changes),
            };
            crm.send_event(&Arc::new(event), self.now.instant);
        }
    }

    pub(super) fn crm_status(&self) -> CrmStatus {
        self.crm
            .as_ref()
            .map_or_else(CrmStatus::default, crate::crm::CrmLink::status)
    }
}
