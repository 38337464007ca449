//! What the hub wants of the link: events told, methods run, forms shown.

use std::sync::Arc;
use std::time::Duration;

use okgate_core::base::{ExecutionId, Guid, UserId, WindowId};
use okgate_core::crm::MethodRun;
use okgate_core::protocol::{Event, NumberChange, Occurrence, ShownForm, StateId, UserRef};

use super::world::World;
use crate::records::text;

impl World {
    pub(super) fn event(&mut self, digit: usize) {
        let user = (digit > 0).then(|| user(digit));
        let what = match &user {
            Some(_) => Occurrence::AcmCallStarted {
                number: "101".into(),
            },
            None => Occurrence::NumberStateChanged(vec![NumberChange {
                number: "101".into(),
                state: StateId::FullBusy,
            }]),
        };
        let event = Event {
            qid: Guid::from_bits(1),
            user,
            what,
        };
        self.link.send_event(&Arc::new(event), self.now);
    }

    /// Shows a form, or closes it.
    pub(super) fn form(&mut self, digit: usize) {
        let window = WindowId(Guid::from_bits(digit as u128));
        let user = user(digit);
        if digit & 4 != 0 {
            return self.link.close_form(window, &user, self.now);
        }
        let form = ShownForm {
            window,
            key: "card".into(),
            input: r#"{"callerid":"101"}"#.into(),
            chain: None,
            declared: None,
        };
        let is_shown = self.link.show_form(&form, &user, self.now);
        assert!(self.link.is_ready() || !is_shown || self.link.status().counters.losses > 0);
    }

    /// A run: a digit of bits (waits for the link, has a user, the second method) and its input.
    pub(super) fn run(&mut self, digit: u8, input: &[u8]) {
        self.runs += 1;
        let execution = ExecutionId(Guid::from_bits(self.runs));
        self.open_runs.insert(execution);
        let run = MethodRun {
            key: if digit & 4 == 0 { "m" } else { "другой" }.into(),
            input: text(input).unwrap_or("{}").into(),
            user_login: (digit & 2 != 0).then(|| "anna".into()),
            timeout: Duration::from_secs(10),
            wait_for_link: digit & 1 != 0,
        };
        self.link.run_method(run, execution, self.now);
    }
}

fn user(digit: usize) -> UserRef {
    UserRef {
        id: UserId(Guid::from_bits(digit as u128)),
        login: ["anna", "Вера"][digit % 2].into(),
    }
}
