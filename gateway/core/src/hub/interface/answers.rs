//! The interface's answers as they go out (protocol 10-b, 10-c, 10-e, 10-q).

use std::sync::Arc;

use super::{InterfaceMethod, Told};
use crate::protocol::{ErrorNumber, Fault, FieldWriter as _, Fields as _, MapperWriter};
use crate::wire::answer::reason_phrase;

/// One whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAnswer {
    /// The HTTP status; 401 needs a challenge beside it.
    pub status: u16,
    /// XML, or a plain text.
    pub is_xml: bool,
    /// The body.
    pub content: Arc<str>,
}

impl InterfaceAnswer {
    /// The answer to a call that failed, in that call's form.
    pub fn failure(method: InterfaceMethod, fault: &Fault) -> Self {
        Self {
            status: status_of(fault.number),
            is_xml: method != InterfaceMethod::ScriptPlain,
            content: match method {
                InterfaceMethod::ScriptPlain => format!("{}\n", fault.text).into(),
                _ => failure_document(method, fault).into(),
            },
        }
    }

    pub(super) fn of(method: InterfaceMethod, outcome: &Result<Told, Fault>) -> Self {
        match outcome {
            Err(fault) => Self::failure(method, fault),
            Ok(told) => Self {
                status: 200,
                is_xml: method != InterfaceMethod::ScriptPlain,
                content: match (method, told) {
                    (InterfaceMethod::ScriptPlain, told) => value_of(told),
                    _ => document(method, told).into(),
                },
            },
        }
    }

    /// Such as `200 OK`.
    pub(super) fn status_line(&self) -> String {
        format!("{} {}", self.status, reason_phrase(self.status))
    }
}

fn value_of(told: &Told) -> Arc<str> {
    match told {
        Told::Value(value) => Arc::clone(value),
        _ => "".into(),
    }
}

fn document(method: InterfaceMethod, told: &Told) -> String {
    MapperWriter::document(method.name(), |writer| match told {
        Told::Done => success(writer),
        Told::Started | Told::Value(_) => {
            writer.named("started", "1", SUCCESS);
            writer.named("startresult", "0", SUCCESS);
            writer.cdata("returnvalue", &value_of(told));
        }
        Told::Answer(answer) => {
            success(writer);
            answer.write(writer);
        }
        Told::State(state) => {
            let number = state.id.number().to_string();
            writer.named("state", &number, state.id.text());
        }
        Told::Queues(queues) => {
            success(writer);
            writer.objects("queues", queues, |writer, it| it.write(writer));
        }
    })
}

fn failure_document(method: InterfaceMethod, fault: &Fault) -> String {
    let number = fault.number.code().to_string();
    MapperWriter::document(method.name(), |writer| {
        if method == InterfaceMethod::Script {
            writer.named("started", "0", ERROR);
            writer.named("startresult", &number, ERROR);
        }
        writer.named("success", "0", ERROR);
        writer.named("error", &number, ERROR);
        writer.cdata("errormsg", &fault.text);
    })
}

fn success(writer: &mut MapperWriter) {
    writer.named("success", "1", SUCCESS);
}

/// The HTTP status that fits; numbers of the protocol's own are conflicts.
const fn status_of(number: ErrorNumber) -> u16 {
    match number {
        ErrorNumber::Malformed => 400,
        ErrorNumber::NotLoggedIn => 401,
        ErrorNumber::NotAllowed | ErrorNumber::NoSupervision => 403,
        ErrorNumber::NotFound => 404,
        ErrorNumber::WrongState | ErrorNumber::InByAnotherClient | ErrorNumber::LicenceReached => {
            409
        }
        ErrorNumber::TooBig => 413,
        ErrorNumber::WrongParameters => 422,
        ErrorNumber::TooMany => 429,
        ErrorNumber::NotAvailable => 503,
        ErrorNumber::TimedOut => 504,
    }
}

const SUCCESS: &str = "success";

const ERROR: &str = "error";
