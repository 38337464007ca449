//! What scenarios ask about forms: `/api/v1/forms` of the admin interface.

use std::sync::Arc;
use std::time::Duration;

use super::windows::Bound;
use super::{FormClosed, FormEnd, FormRefusal, FormState, Hub, Opening};
use crate::base::{AdminTicket, ChainId, WindowId};
use crate::crm::FormFailure;
use crate::hub::{AdminFault, AdminReply, Output};
use crate::protocol::EventKind;

/// `POST /api/v1/forms/{key}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormOpening {
    /// The form's key.
    pub key: Arc<str>,
    /// `inputparameters`, as the text of a JSON object.
    pub input: Arc<str>,
    /// At whom it is to be shown.
    pub user_login: Arc<str>,
    /// The call whose end closes it: when the user has been in it and is no longer, else
    /// when it is over.
    pub chain: Option<ChainId>,
}

/// The answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormOpened {
    /// The window.
    pub window: WindowId,
    /// The CRM shows it.
    pub at_crm: bool,
    /// The user's links that were told.
    pub tabs: usize,
}

impl Hub {
    pub(in crate::hub) fn open_form_for(
        &mut self,
        form: FormOpening,
    ) -> Result<AdminReply, AdminFault> {
        let user = self.accounts.by_login(&form.user_login).cloned();
        let user = user.ok_or_else(|| {
            let message = format!("no user has the login {:?}", &*form.user_login);
            fault(404, "not_found", message)
        })?;
        if let Some(chain) = form
            .chain
            .filter(|chain| !self.switchboard.has_call(*chain))
        {
            return Err(fault(404, "not_found", format!("there is no call {chain}")));
        }
        let bound = form.chain.map(|chain| Bound {
            chain,
            with_talk: false,
            was_in: self.switchboard.call_of(user.id) == Some(chain),
        });
        let id = user.id;
        let opened = self.open_form(Opening {
            user,
            key: form.key,
            input: form.input,
            chain: form.chain,
            bound,
        });
        let window = opened.map_err(|refusal| refused(&refusal))?;
        let shown = self.forms.windows.get(window);
        Ok(AdminReply::FormOpened(FormOpened {
            window,
            at_crm: shown.is_some_and(|window| window.is_at_crm),
            tabs: self.sessions.listeners(id, EventKind::ShowUserForm).count(),
        }))
    }

    pub(in crate::hub) fn close_form_of(
        &mut self,
        window: WindowId,
    ) -> Result<AdminReply, AdminFault> {
        if self.forms.windows.get(window).is_none() {
            return Err(no_form(window));
        }
        self.end_form(window, FormEnd::Closed(FormClosed::Scenario), false);
        Ok(AdminReply::Done)
    }

    /// Answers how a form is: at once, or, while it is open, when it ends or the time is
    /// over.
    pub(in crate::hub) fn form_window(
        &mut self,
        ticket: AdminTicket,
        window: WindowId,
        wait: Duration,
    ) {
        let is_open = self.forms.windows.get(window).is_some();
        let until = self.now.instant + wait;
        if is_open && !wait.is_zero() && self.forms.windows.wait(ticket, window, until) {
            return;
        }
        self.tell_form(ticket, window);
    }

    /// A form has ended: tells who waits for that.
    pub(super) fn answer_waiting(&mut self, window: WindowId) {
        for ticket in self.forms.windows.take_waiting(window) {
            self.tell_form(ticket, window);
        }
    }

    /// Answers those who have waited long enough.
    pub(super) fn answer_tired(&mut self) {
        for (ticket, window) in self.forms.windows.take_tired(self.now.instant) {
            self.tell_form(ticket, window);
        }
    }

    fn tell_form(&mut self, ticket: AdminTicket, window: WindowId) {
        let state: Option<FormState> = self.forms.windows.state(window);
        let reply = state.ok_or_else(|| no_form(window));
        let reply = reply.map(|state| {
            let user = self.switchboard.user_reference(state.user).ok();
            let login = user.map_or_else(|| "".into(), |user| user.login);
            AdminReply::FormWindow(state, login)
        });
        self.outputs.push_back(Output::Admin(ticket, reply));
    }
}

fn refused(refusal: &FormRefusal) -> AdminFault {
    let (status, code) = match refusal {
        FormRefusal::Crm(FormFailure::Unavailable) => (503, "unavailable"),
        FormRefusal::Crm(FormFailure::UnknownForm(_)) => (404, "not_found"),
        FormRefusal::Crm(FormFailure::WrongParameters(_)) => (422, "wrong_parameters"),
        FormRefusal::TooBig => (413, "too_big"),
        FormRefusal::TooMany => (429, "too_many"),
    };
    fault(status, code, refusal.to_string())
}

fn no_form(window: WindowId) -> AdminFault {
    let message = format!("no form is open with the windowid {window}, and none ended lately");
    fault(404, "not_found", message)
}

fn fault(status: u16, code: &'static str, message: String) -> AdminFault {
    AdminFault {
        status,
        code,
        message,
    }
}
