//! The calls about forms: their bodies and answers.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use okgate_core::base::{ChainId, Guid};
use okgate_core::hub::{AdminFault, FormEnd, FormOpened, FormOpening, FormState};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::body::{json, parse, wrong_parameters};
use super::fault;
use crate::http::Answer;

/// What a scenario wants opened: the body of `POST /forms/{key}`.
pub(super) fn opening(key: String, bytes: &[u8]) -> Result<FormOpening, AdminFault> {
    let body: OpenBody<'_> = parse(bytes)?;
    if body.userlogin.is_empty() {
        return Err(wrong_parameters("userlogin must not be empty"));
    }
    let input = body.inputparameters.map_or("{}", RawValue::get);
    if !input.starts_with('{') {
        return Err(wrong_parameters("inputparameters must be an object"));
    }
    let chain = body.chainid.as_deref().filter(|chain| !chain.is_empty());
    let chain = chain.map(|chain| {
        let parsed = chain.parse::<Guid>();
        parsed.map_err(|error| wrong_parameters(format!("chainid is no GUID: {error}")))
    });
    Ok(FormOpening {
        key: key.into(),
        input: input.into(),
        user_login: body.userlogin.into(),
        chain: chain.transpose()?.map(ChainId),
    })
}

/// How long the end of a form is waited for: `wait_ms` of the query.
pub(super) fn wait(query: Option<&str>) -> Result<Duration, AdminFault> {
    let mut wait_ms = 0;
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let value = pair.strip_prefix("wait_ms=").ok_or_else(|| {
            wrong_parameters(format!("{pair:?} is unknown; the query may have wait_ms=…"))
        })?;
        let parsed = value.parse::<u64>().ok();
        wait_ms = parsed.filter(|wait| *wait <= WAIT_MS_MAX).ok_or_else(|| {
            wrong_parameters(format!("wait_ms must be within 0 to {WAIT_MS_MAX}"))
        })?;
    }
    Ok(Duration::from_millis(wait_ms))
}

/// The answer to a form that is open.
pub(super) fn opened(opened: &FormOpened) -> impl Serialize + use<> {
    serde_json::json!({
        "windowid": opened.window.to_string(),
        "shown": {"crm": opened.at_crm, "tabs": opened.tabs},
    })
}

/// How a form is.
pub(super) fn state(state: &FormState, login: &Arc<str>) -> Result<Answer, AdminFault> {
    let (word, reason, values) = match &state.end {
        None => ("open", None, None),
        Some(FormEnd::Answered(values)) => ("answered", None, Some(values)),
        Some(FormEnd::Failed(reason)) => ("failed", Some(&**reason), None),
        Some(FormEnd::Closed(closed)) => ("closed", Some(closed.text()), None),
    };
    let values = values.map(|values| serde_json::from_str::<&RawValue>(values));
    let values = values.transpose().map_err(|_| {
        let message = "the form's values are not JSON";
        fault(502, "bad_result", message)
    })?;
    let window = state.window.to_string();
    let told = WindowState {
        windowid: &window,
        formkey: &state.key,
        userlogin: login,
        state: word,
        reason,
        outputparameters: values,
    };
    json(StatusCode::OK, &told)
}

#[derive(Serialize)]
struct WindowState<'s> {
    windowid: &'s str,
    formkey: &'s str,
    userlogin: &'s str,
    state: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outputparameters: Option<&'s RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenBody<'b> {
    userlogin: String,
    #[serde(borrow, default)]
    inputparameters: Option<&'b RawValue>,
    #[serde(default)]
    chainid: Option<String>,
}

/// How long one request may wait for the end of a form.
const WAIT_MS_MAX: u64 = 600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_opened_by_a_login_and_parameters_and_may_name_a_call() {
        let whole = opening(
            "card".into(),
            br#"{"userlogin":"anna","inputparameters":{"a":1},"chainid":"7B1D3A52-4c1e-4f6a-9d20-000000000001"}"#,
        );
        let whole = whole.expect("right");
        assert_eq!((&*whole.user_login, &*whole.input), ("anna", r#"{"a":1}"#));
        assert!(whole.chain.is_some());
        let least = opening("card".into(), br#"{"userlogin":"anna"}"#).expect("right");
        assert_eq!((&*least.input, least.chain), ("{}", None));
        for wrong in [
            r#"{"userlogin":""}"#,
            r#"{"inputparameters":{}}"#,
            r#"{"userlogin":"anna","inputparameters":[]}"#,
            r#"{"userlogin":"anna","chainid":"x"}"#,
            r#"{"userlogin":"anna","form":"x"}"#,
        ] {
            assert_eq!(
                opening("card".into(), wrong.as_bytes())
                    .expect_err(wrong)
                    .status,
                422
            );
        }
    }

    #[test]
    fn only_a_wait_within_bounds_is_taken() {
        assert_eq!(wait(None), Ok(Duration::ZERO));
        assert_eq!(wait(Some("wait_ms=1500")), Ok(Duration::from_millis(1500)));
        for wrong in ["wait_ms=600001", "wait_ms=", "wait_ms=-1", "wait=1"] {
            assert_eq!(wait(Some(wrong)).expect_err(wrong).status, 422);
        }
    }
}
