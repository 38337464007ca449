//! The calls of the API, from the request to the hub and back.

use hyper::body::Body;
use hyper::{Method, Request, StatusCode};
use okgate_core::base::{ChainId, ExecutionId, Guid, WindowId};
use okgate_core::hub::{AdminFault, AdminReply, AdminRequest, DeskQuestion, DeskTold};
use serde_json::value::RawValue;

use super::body::json;
use super::route::Call;
use super::{AdminGate, body, fault, forms, status, unexpected};
use crate::http::{Answer, JSON, answer};

/// Runs one call. The resource has the request's method.
pub(super) async fn run<B>(
    call: Call,
    request: Request<B>,
    gate: &AdminGate,
) -> Result<Answer, AdminFault>
where
    B: Body,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let is_post = request.method() == Method::POST;
    let question = match call {
        Call::Status => return status::answer(gate).await,
        Call::Methods => AdminRequest::Methods,
        Call::Forms => AdminRequest::Forms,
        Call::Form(key) => {
            let bytes = body::read(request).await?;
            AdminRequest::OpenForm(forms::opening(key, &bytes)?)
        }
        Call::FormWindow(id) => {
            let window = WindowId(guid(&id, "a form's windowid")?);
            if request.method() == Method::DELETE {
                AdminRequest::CloseForm(window)
            } else {
                let wait = forms::wait(request.uri().query())?;
                AdminRequest::FormWindow { window, wait }
            }
        }
        Call::Method(key) => {
            let bytes = body::read(request).await?;
            AdminRequest::RunMethod(body::method_run(key, &bytes)?)
        }
        Call::Execution(id) => {
            let id = guid(&id, "an execution's id")?;
            AdminRequest::CancelRun(ExecutionId(id))
        }
        Call::Notify => {
            let bytes = body::read(request).await?;
            AdminRequest::Desk(DeskQuestion::Notify(body::notify(&bytes)?))
        }
        Call::SimCalls if is_post => {
            let bytes = body::read(request).await?;
            AdminRequest::SimCall(body::sim_call(&bytes)?)
        }
        Call::SimCalls => AdminRequest::SimCalls,
        Call::SimAnswer(id) => AdminRequest::SimAnswer(ChainId(guid(&id, "a call's id")?)),
        Call::SimHangUp(id) => AdminRequest::SimHangUp(ChainId(guid(&id, "a call's id")?)),
    };
    told(gate.ask(question).await?)
}

/// What the hub said, as an answer.
fn told(reply: AdminReply) -> Result<Answer, AdminFault> {
    match reply {
        AdminReply::Done => Ok(answer(StatusCode::NO_CONTENT, JSON, "")),
        AdminReply::Catalogue(text) => Ok(answer(StatusCode::OK, JSON, text.to_string())),
        AdminReply::Run { execution, output } => {
            let output: &RawValue = serde_json::from_str(&output).map_err(|_| {
                let message = "the method's result is not JSON";
                fault(502, "bad_result", message)
            })?;
            let execution = execution.to_string();
            json(
                StatusCode::OK,
                &RunResult {
                    executionid: &execution,
                    outputparameters: output,
                },
            )
        }
        AdminReply::FormOpened(opened) => json(StatusCode::CREATED, &forms::opened(&opened)),
        AdminReply::FormWindow(state, login) => forms::state(&state, &login),
        AdminReply::SimCallStarted(chain) => {
            let body = serde_json::json!({"chainid": chain.to_string()});
            json(StatusCode::CREATED, &body)
        }
        AdminReply::SimCalls(calls) => json(StatusCode::OK, &calls),
        AdminReply::Desk(DeskTold::Notified { id, is_kept }) => {
            let body = serde_json::json!({"id": id, "kept": is_kept});
            json(StatusCode::OK, &body)
        }
        other @ (AdminReply::Status(_) | AdminReply::Desk(_) | AdminReply::Interface(_)) => {
            Err(unexpected(&other))
        }
    }
}

#[derive(serde::Serialize)]
struct RunResult<'r> {
    executionid: &'r str,
    outputparameters: &'r RawValue,
}

fn guid(text: &str, what: &str) -> Result<Guid, AdminFault> {
    text.parse()
        .map_err(|error| fault(400, "malformed", format!("{text:?} is not {what}: {error}")))
}
