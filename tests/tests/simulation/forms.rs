//! Forms that scenarios open at users, and what the CRM must see of them.

use std::time::Duration;

use okgate_core::hub::{AdminReply, AdminRequest, FormOpening};

use crate::line::Mode;
use crate::office::Office;
use crate::people::PEOPLE;

impl Office {
    /// A scenario opens a form at a user, or closes one.
    pub(crate) fn act_with_forms(&mut self, person: usize) {
        if !self.forms.is_empty() && self.chance(30) {
            let place = self.pick(self.forms.len());
            let (window, _) = self.forms[place];
            let ticket = self.ask(AdminRequest::CloseForm(window));
            let reply = self.reply_to(ticket).expect("it is answered at once");
            if let Err(fault) = reply {
                // It has ended before.
                assert_eq!(fault.code, "not_found");
            }
            return;
        }
        if self.forms.len() >= FORMS_MAX {
            return;
        }
        let opening = FormOpening {
            key: "card".into(),
            input: "{}".into(),
            user_login: PEOPLE[person].into(),
            chain: None,
        };
        let ticket = self.ask(AdminRequest::OpenForm(opening));
        match self.reply_to(ticket).expect("it is answered at once") {
            Ok(AdminReply::FormOpened(opened)) => {
                let known = self
                    .forms
                    .iter()
                    .any(|(window, _)| *window == opened.window);
                assert!(!known, "a window of its own");
                self.forms.push((opened.window, person));
            }
            Ok(other) => panic!("a form was to be opened: {other:?}"),
            Err(fault) => assert_eq!(fault.code, "unavailable"),
        }
    }

    // protocol 8-p and 8-r: the CRM shows what is open at its users, also after losses of the link.
    pub(crate) fn check_forms(&mut self) {
        for (window, person) in std::mem::take(&mut self.forms) {
            let wait = Duration::ZERO;
            let ticket = self.ask(AdminRequest::FormWindow { window, wait });
            let reply = self.reply_to(ticket).expect("it is answered at once");
            let is_open = match reply {
                Ok(AdminReply::FormWindow(state, login)) => {
                    assert_eq!(&*login, PEOPLE[person]);
                    state.end.is_none()
                }
                Ok(other) => panic!("a form was asked for: {other:?}"),
                Err(fault) => {
                    assert_eq!(fault.code, "not_found");
                    false
                }
            };
            let mode = self.crm.as_ref().map(|crm| crm.line.mode);
            if let Some(watch) = self.watch.as_ref().filter(|_| is_open)
                && mode != Some(Mode::Http)
                && watch.is_active(person)
            {
                assert!(
                    watch.has_shown(&window.to_string()),
                    "{window} is not shown"
                );
            }
        }
    }
}

/// More at a time are too much for the short queues of some days: all are shown again when the link is back.
const FORMS_MAX: usize = 3;
