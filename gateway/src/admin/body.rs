//! The JSON bodies of the API.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Request, StatusCode};
use okgate_core::hub::{AdminFault, MethodRun, NotifyRequest, SimCallRequest};
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::fault;
use crate::http::{Answer, JSON, answer};

/// This value as a JSON answer.
pub(super) fn json(
    status: StatusCode,
    value: &impl serde::Serialize,
) -> Result<Answer, AdminFault> {
    let text = serde_json::to_vec(value)
        .map_err(|error| fault(500, "internal", format!("no JSON form: {error}")))?;
    Ok(answer(status, JSON, text))
}

/// The request's body, at most [`BODY_BYTES_MAX`], and JSON unless it is empty.
pub(super) async fn read<B>(request: Request<B>) -> Result<Bytes, AdminFault>
where
    B: Body,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (head, body) = request.into_parts();
    let collected = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let bytes = collected.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let message = format!("the body is longer than {BODY_BYTES_MAX} bytes");
            fault(413, "too_big", message)
        } else {
            fault(400, "malformed", "the body did not arrive whole")
        }
    })?;
    let bytes = bytes.to_bytes();
    if !bytes.is_empty() && !is_json(&head.headers) {
        let message = "the body must be application/json";
        return Err(fault(415, "unsupported_media_type", message));
    }
    Ok(bytes)
}

/// What a scenario wants run: the body of `POST /methods/{key}`.
pub(super) fn method_run(key: String, bytes: &[u8]) -> Result<MethodRun, AdminFault> {
    let body: RunBody<'_> = if bytes.is_empty() {
        RunBody::default()
    } else {
        parse(bytes)?
    };
    let input = body.inputparameters.map_or("{}", RawValue::get);
    if !input.starts_with('{') {
        return Err(wrong_parameters("inputparameters must be an object"));
    }
    let timeout = body.timeout_ms.unwrap_or(RUN_TIMEOUT_MS_DEFAULT);
    if !(1..=RUN_TIMEOUT_MS_MAX).contains(&timeout) {
        let message = format!("timeout_ms must be within 1 to {RUN_TIMEOUT_MS_MAX}");
        return Err(wrong_parameters(message));
    }
    Ok(MethodRun {
        key: key.into(),
        input: input.into(),
        user_login: body.userlogin.map(Arc::from),
        timeout: Duration::from_millis(timeout),
        wait_for_link: body.wait_for_link,
    })
}

/// A notification: the body of `POST /notify`.
pub(super) fn notify(bytes: &[u8]) -> Result<NotifyRequest, AdminFault> {
    let body: NotifyBody = parse(bytes)?;
    if body.userlogin.is_empty() || body.text.trim().is_empty() {
        return Err(wrong_parameters("userlogin and text must not be empty"));
    }
    let is_color = body.backcolor.len() == 8;
    if !is_color || !body.backcolor.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong_parameters("backcolor must be 8 hexadecimal digits"));
    }
    Ok(NotifyRequest {
        user: body.userlogin.into(),
        text: body.text.into(),
        sender: body.sender.into(),
        kind: body.kind,
        auto_hide: body.autohide,
        back_color: body.backcolor.to_ascii_uppercase().into(),
        save: body.savedb,
    })
}

/// An outside caller: the body of `POST /sim/calls`.
pub(super) fn sim_call(bytes: &[u8]) -> Result<SimCallRequest, AdminFault> {
    let body: SimCallBody = parse(bytes)?;
    if body.from.is_empty() || body.to.is_empty() {
        return Err(wrong_parameters("from and to must not be empty"));
    }
    let times = [body.answer_after_ms, body.talk_ms];
    if times.iter().flatten().any(|&time| time > SIM_TIME_MS_MAX) {
        let message = format!("answer_after_ms and talk_ms must be at most {SIM_TIME_MS_MAX}");
        return Err(wrong_parameters(message));
    }
    Ok(SimCallRequest {
        from: body.from.into(),
        to: body.to.into(),
        name: body.name.map(Arc::from),
        answer_after: body.answer_after_ms.map(Duration::from_millis),
        talk: body.talk_ms.map(Duration::from_millis),
    })
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RunBody<'b> {
    #[serde(borrow)]
    inputparameters: Option<&'b RawValue>,
    userlogin: Option<String>,
    timeout_ms: Option<u64>,
    wait_for_link: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NotifyBody {
    userlogin: String,
    text: String,
    #[serde(default)]
    sender: String,
    #[serde(default, rename = "type")]
    kind: i64,
    #[serde(default)]
    autohide: bool,
    #[serde(default = "white")]
    backcolor: String,
    #[serde(default)]
    savedb: bool,
}

fn white() -> String {
    "FFFFFFFF".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SimCallBody {
    from: String,
    to: String,
    name: Option<String>,
    answer_after_ms: Option<u64>,
    talk_ms: Option<u64>,
}

pub(super) fn parse<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, AdminFault> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        Category::Data => wrong_parameters(error.to_string()),
        _ => fault(400, "malformed", format!("the body is not JSON: {error}")),
    })
}

pub(super) fn wrong_parameters(message: impl Into<String>) -> AdminFault {
    fault(422, "parameters", message)
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let kind = value.and_then(|value| value.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(crate::http::JSON))
}

/// The longest body.
const BODY_BYTES_MAX: usize = 64 << 10;

/// How long a scenario waits if it does not say (protocol 8).
const RUN_TIMEOUT_MS_DEFAULT: u64 = 10_000;

/// How long a scenario may wait.
const RUN_TIMEOUT_MS_MAX: u64 = 600_000;

/// The longest wait or talk of a simulated call: a day.
const SIM_TIME_MS_MAX: u64 = 86_400_000;
