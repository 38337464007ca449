//! Forms at the CRM, and what the CRM declares of forms and methods (protocol 8).

use super::catalogue::Declared;
use super::{CrmLink, MethodFailure, MethodRun, Purpose, write_user};
use crate::base::{Instant, WindowId};
use crate::protocol::{FieldWriter as _, FormWords, ShownForm, UserRef};

/// Why a form cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormFailure {
    /// The CRM has not yet said which forms it has.
    #[error("the CRM has not declared its forms: try again when it is linked")]
    Unavailable,
    /// The CRM declares no such form.
    #[error("the CRM declares no form `{0}`")]
    UnknownForm(String),
    /// The input is not what the CRM declares.
    #[error("{0}")]
    WrongParameters(String),
}

/// What the hub must know of a declared method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclaredMethod {
    /// `defineuser`: it needs a user, and may be answered by that user's page.
    pub define_user: bool,
    /// `allowcancel`.
    pub allow_cancel: bool,
}

impl CrmLink {
    /// Checks a form's key and input (the text of a JSON object) against what the CRM
    /// declares; gives what a page must know to show it, unless that is longer than
    /// `words_bytes_max`.
    pub fn check_form(
        &mut self,
        key: &str,
        input: &str,
        words_bytes_max: usize,
    ) -> Result<Option<FormWords>, FormFailure> {
        if !self.forms.is_known {
            return Err(FormFailure::Unavailable);
        }
        let declared = self.forms.named(key);
        let declared = declared.ok_or_else(|| FormFailure::UnknownForm(key.to_owned()))?;
        let fits = declared.check(input, &mut self.body);
        fits.map_err(FormFailure::WrongParameters)?;
        Ok(words(declared, words_bytes_max))
    }

    /// What the CRM declares of a method; `None` if it declares no such method, or has
    /// declared nothing yet.
    pub fn declared_method(&self, key: &str) -> Option<DeclaredMethod> {
        let declared = self.methods.named(key)?;
        Some(DeclaredMethod {
            define_user: declared.define_user,
            allow_cancel: declared.allow_cancel,
        })
    }

    /// Checks the input of a run that somebody else than the CRM is to answer.
    pub fn check_input(&mut self, run: &MethodRun) -> Result<(), MethodFailure> {
        let declared = self.methods.named(&run.key);
        let declared = declared.ok_or(MethodFailure::UnknownMethod)?;
        let fits = declared.check(&run.input, &mut self.body);
        fits.map_err(MethodFailure::WrongParameters)
    }

    /// Shows a form at the CRM, if the user is active there (protocol 8-l) or the CRM is asked
    /// over HTTP, where nobody says who is; whether it is shown.
    pub fn show_form(&mut self, form: &ShownForm, user: &UserRef, now: Instant) -> bool {
        let active = self.users.named(&user.login).cloned();
        if !self.is_ready() || (active.is_none() && !self.is_http()) {
            return false;
        }
        self.request(Purpose::Other, "showform", |writer| {
            write_user(writer, active.as_ref(), user);
            writer.string("formkey", &form.key);
            writer.guid("windowid", form.window.0);
            writer.json("inputparameters", &form.input);
            if let Some(chain) = form.chain {
                writer.guid("chainid", chain.0);
            }
        });
        self.settle(now);
        true
    }

    /// Closes a form that the CRM shows (protocol 8-m).
    pub fn close_form(&mut self, window: WindowId, user: &UserRef, now: Instant) {
        if !self.is_ready() {
            return;
        }
        let active = self.users.named(&user.login).cloned();
        self.request(Purpose::Other, "closeform", |writer| {
            writer.guid("windowid", window.0);
            write_user(writer, active.as_ref(), user);
        });
        self.settle(now);
    }
}

fn words(declared: &Declared, bytes_max: usize) -> Option<FormWords> {
    let lists = declared.input_text.len() + declared.output_text.len();
    (lists + declared.name.len() <= bytes_max).then(|| FormWords {
        name: declared.name.clone(),
        inputs: declared.input_text.clone(),
        outputs: declared.output_text.clone(),
    })
}
