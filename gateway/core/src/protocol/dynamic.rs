//! Dynamic methods and forms at users' pages, typed (protocol 8).
//!
//! In come the fields of `methodresult` and `closeform`, out go requests; in come the
//! hub's typed events, out go their fields. It decides nothing and keeps nothing.

use std::sync::Arc;

use super::body::Body;
use super::event::EventKind;
use super::fault::Fault;
use super::request::UserRequest;
use super::write::{FieldWriter, Fields};
use crate::base::{ChainId, ExecutionId, Guid, WindowId};

/// What a user's page is told of forms and dynamic methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DynamicEvent {
    /// `showuserform`.
    ShowForm(ShownForm),
    /// `closeform`.
    CloseForm {
        /// The window that is to be closed.
        window: WindowId,
    },
    /// `executemethod`.
    Execute(MethodCall),
    /// `cancelmethod`.
    Cancel {
        /// The run that nobody wants any more.
        execution: ExecutionId,
    },
    /// `executemethodwaitaborted`.
    WaitAborted {
        /// The run that took too long.
        execution: ExecutionId,
        /// `waitresponsems`: how long its result is still accepted.
        wait_ms: i64,
    },
}

/// A form that is open at a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownForm {
    /// The window, one for all places where it is shown.
    pub window: WindowId,
    /// The form's key.
    pub key: Arc<str>,
    /// `inputparameters`, as the text of a JSON object.
    pub input: Arc<str>,
    /// The call that it belongs to, if any.
    pub chain: Option<ChainId>,
    /// What the CRM declares of the form; `None` if that is too long for an event.
    pub declared: Option<FormWords>,
}

/// What a page needs to show a form without asking for its declaration (protocol 8-s).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormWords {
    /// `formname`.
    pub name: Arc<str>,
    /// `inputparams`, as the text of a JSON array.
    pub inputs: Arc<str>,
    /// `outputparams`, as the text of a JSON array.
    pub outputs: Arc<str>,
}

/// A dynamic method that a page is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodCall {
    /// The method's key.
    pub key: Arc<str>,
    /// The run.
    pub execution: ExecutionId,
    /// `sessionid`: the same for all runs of one gateway's life.
    pub session: Guid,
    /// `inputparameters`, as the text of a JSON object.
    pub input: Arc<str>,
}

/// What a user's page says of forms and dynamic methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DynamicRequest {
    /// `methodresult`.
    Result(MethodResult),
    /// `closeform`: a window is to be closed without values.
    CloseForm(WindowId),
}

/// `methodresult`: the end of a run or of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodResult {
    /// The form's window; without one the end of a run is meant.
    pub window: Option<WindowId>,
    /// The run: by `executionid`, else by `qid` (protocol 8-e).
    pub execution: Option<ExecutionId>,
    /// `outputparameters` as the text of a JSON object, or, where `result` is 0, why there
    /// are none.
    pub end: Result<Arc<str>, Arc<str>>,
}

impl DynamicEvent {
    /// Its kind.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::ShowForm(_) => EventKind::ShowUserForm,
            Self::CloseForm { .. } => EventKind::CloseForm,
            Self::Execute(_) => EventKind::ExecuteMethod,
            Self::Cancel { .. } => EventKind::CancelMethod,
            Self::WaitAborted { .. } => EventKind::ExecuteMethodWaitAborted,
        }
    }
}

impl Fields for DynamicEvent {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        match self {
            Self::ShowForm(form) => form.write(writer),
            Self::CloseForm { window } => writer.guid("windowid", window.0),
            Self::Execute(call) => {
                writer.string("methodkey", &call.key);
                writer.guid("executionid", call.execution.0);
                writer.guid("sessionid", call.session);
                writer.json("inputparameters", &call.input);
            }
            Self::Cancel { execution } => writer.guid("executionid", execution.0),
            Self::WaitAborted { execution, wait_ms } => {
                writer.guid("executionid", execution.0);
                writer.number("waitresponsems", *wait_ms);
            }
        }
    }
}

impl Fields for ShownForm {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.string("formkey", &self.key);
        writer.guid("windowid", self.window.0);
        writer.json("inputparameters", &self.input);
        if let Some(chain) = self.chain {
            writer.guid("chainid", chain.0);
        }
        if let Some(declared) = &self.declared {
            writer.string("formname", &declared.name);
            writer.json("inputparams", &declared.inputs);
            writer.json("outputparams", &declared.outputs);
        }
    }
}

/// `methodresult`. A missing `result` is a 1 (protocol 3.1-e).
pub(super) fn method_result(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let window = body.guid("windowid")?.map(WindowId);
    let named = body.guid("executionid")?;
    let execution = named.or_else(|| body.guid("qid").ok().flatten());
    if window.is_none() && execution.is_none() {
        return Err(Fault::parameter("executionid", "the run's GUID"));
    }
    let end = if body.boolean("result")? == Some(false) {
        Err(reason(body))
    } else {
        Ok(output(body)?)
    };
    Ok(dynamic(DynamicRequest::Result(MethodResult {
        window,
        execution: execution.map(ExecutionId),
        end,
    })))
}

/// `closeform`.
pub(super) fn close_form(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let window = body.guid("windowid")?;
    let window = window.ok_or_else(|| Fault::parameter("windowid", "the form's GUID"))?;
    Ok(dynamic(DynamicRequest::CloseForm(WindowId(window))))
}

fn dynamic(request: DynamicRequest) -> UserRequest {
    UserRequest::Dynamic(Box::new(request))
}

fn output(body: &Body<'_>) -> Result<Arc<str>, Fault> {
    match body.raw("outputparameters").as_deref() {
        // Some languages write an empty object as a list.
        None | Some("[]") => Ok("{}".into()),
        Some(object) if object.starts_with('{') => Ok(object.into()),
        Some(_) => Err(Fault::parameter("outputparameters", "an object")),
    }
}

fn reason(body: &Body<'_>) -> Arc<str> {
    let said = body.text("errormsg").ok().flatten();
    let said = said.filter(|said| !said.trim().is_empty());
    let said = said.as_deref().unwrap_or("the page says that it failed");
    said.chars()
        .take(REASON_CHARS_MAX)
        .collect::<String>()
        .into()
}

/// Characters of a page's words that are handed on.
const REASON_CHARS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{BodyReader, JsonWriter, write_message};

    const ID: &str = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

    fn parse(fields: &str) -> Result<MethodResult, Fault> {
        let mut text = fields.as_bytes().to_vec();
        let parsed = BodyReader::new().read(&mut text, |body| method_result(&body));
        match parsed.expect("an object")? {
            UserRequest::Dynamic(request) => match *request {
                DynamicRequest::Result(result) => Ok(result),
                other @ DynamicRequest::CloseForm(_) => panic!("no result: {other:?}"),
            },
            other => panic!("no result: {other:?}"),
        }
    }

    // protocol 8-d, 8-e and 8-n
    #[test]
    fn a_result_names_its_run_by_either_id_and_its_form_by_the_window() {
        let id: Guid = ID.parse().expect("a GUID");
        let named = parse(&format!(
            r#"{{"qid":"7","executionid":"{ID}","outputparameters":{{"a":1}}}}"#
        ));
        let named = named.expect("a result");
        assert_eq!(named.execution, Some(ExecutionId(id)));
        assert_eq!(named.end, Ok(r#"{"a":1}"#.into()));
        let without_id =
            parse(&format!(r#"{{"qid":"{ID}","outputparameters":[]}}"#)).expect("a result");
        assert_eq!(without_id.execution, Some(ExecutionId(id)));
        assert_eq!(without_id.end, Ok("{}".into()));
        let of_form = parse(&format!(r#"{{"qid":"7","windowid":"{ID}"}}"#)).expect("a result");
        assert_eq!(
            (of_form.window, of_form.execution),
            (Some(WindowId(id)), None)
        );
        let failed = parse(&format!(
            r#"{{"executionid":"{ID}","result":0,"errormsg":"no"}}"#
        ));
        assert_eq!(failed.expect("a result").end, Err("no".into()));
        for wrong in [
            r#"{"qid":"7"}"#.to_owned(),
            format!(r#"{{"executionid":"{ID}","outputparameters":7}}"#),
        ] {
            assert!(parse(&wrong).is_err(), "{wrong}");
        }
    }

    // protocol 8-l and 8-s
    #[test]
    fn a_form_goes_out_with_its_declaration_as_the_crm_wrote_it() {
        let window = WindowId(ID.parse().expect("a GUID"));
        let form = DynamicEvent::ShowForm(ShownForm {
            window,
            key: "card".into(),
            input: r#"{"callerid":"8927"}"#.into(),
            chain: None,
            declared: Some(FormWords {
                name: "Карточка".into(),
                inputs: "[]".into(),
                outputs: r#"[{"key":"comment"}]"#.into(),
            }),
        });
        let mut text = Vec::new();
        write_message(
            &mut text,
            form.kind().name(),
            |writer: &mut JsonWriter<'_>| {
                form.write(writer);
            },
        );
        assert_eq!(
            String::from_utf8(text).expect("UTF-8"),
            format!(
                r#"["showuserform",{{"formkey":"card","windowid":"{ID}","inputparameters":{{"callerid":"8927"}},"formname":"Карточка","inputparams":[],"outputparams":[{{"key":"comment"}}]}}]"#
            )
        );
    }
}
