//! The fields of methods about calls, the line and its rules (protocol 6.3, 6.5).

use crate::base::{ChainId, WallTime};
use crate::protocol::body::Body;
use crate::protocol::fault::Fault;
use crate::protocol::redirect::RedirectRule;
use crate::protocol::request::{
    CallDirection, CallRequest, FlashMode, JournalFilter, Sequence, UserRequest,
};

pub(super) fn auto_call_start(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let number = body.required_text("number")?;
    if number.trim().is_empty() {
        return Err(Fault::parameter(
            "number",
            "a number, a user id or a number id",
        ));
    }
    let sequence = match body.text("sequence")?.as_deref() {
        None | Some("" | "user") => Sequence::User,
        Some("abonent") => Sequence::Abonent,
        Some(_) => return Err(Fault::parameter("sequence", "user or abonent")),
    };
    Ok(UserRequest::Call(CallRequest::AutoCallStart {
        number: number.trim().into(),
        sequence,
        intercom: body.boolean("intercom")?.unwrap_or(false),
    }))
}

pub(super) fn make_flash(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let mode = match body.text("mode")?.as_deref() {
        None | Some("" | "next" | "switch") => FlashMode::Switch,
        Some("abort") => FlashMode::Abort,
        Some(_) => return Err(Fault::parameter("mode", "abort, switch or next")),
    };
    Ok(UserRequest::Call(CallRequest::Flash(mode)))
}

pub(super) fn transfer(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let to = body.text("transferto")?.unwrap_or_default();
    let to = to.trim();
    // protocol 6.5: without a target it hangs up.
    let call = if to.is_empty() {
        CallRequest::Abort
    } else {
        CallRequest::Transfer(to.into())
    };
    Ok(UserRequest::Call(call))
}

pub(super) fn chain_content(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let chain = body.guid("chainid")?.filter(|chain| !chain.is_zero());
    Ok(UserRequest::ChainContent(chain.map(ChainId)))
}

pub(super) fn call_journal(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let Some(filter) = body.object("filter")? else {
        return Ok(UserRequest::CallJournal(Box::default()));
    };
    let time = |field| {
        let text = filter.text(field)?.filter(|text| !text.trim().is_empty());
        let time = text.map(|text| WallTime::parse(text.trim()));
        time.map(|time| time.ok_or_else(|| Fault::parameter(field, "a date and time of RFC 3339")))
            .transpose()
    };
    let whole = |field| {
        let number = filter.number(field)?.unwrap_or(0);
        u32::try_from(number).map_err(|_| Fault::parameter(field, "a number from 0"))
    };
    let direction = match filter.text("connectiontype")?.as_deref() {
        None | Some("" | "all") => None,
        Some("in") => Some(CallDirection::In),
        Some("out") => Some(CallDirection::Out),
        Some("internal") => Some(CallDirection::Internal),
        Some(_) => {
            let expected = "in, out, internal or all";
            return Err(Fault::parameter("connectiontype", expected));
        }
    };
    Ok(UserRequest::CallJournal(Box::new(JournalFilter {
        from: time("datestart")?,
        to: time("dateend")?,
        direction,
        duration_min_s: u64::from(whole("minduration")?),
        page: whole("page")?,
    })))
}

pub(super) fn save_redirect_rule(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let rule = body.object("redirectrule")?;
    let rule = rule.ok_or_else(|| Fault::parameter("redirectrule", "an object"))?;
    Ok(UserRequest::SaveRedirectRule(Box::new(RedirectRule::read(
        &rule,
    )?)))
}

pub(super) fn delete_redirect_rules(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let ids = body.texts("ids")?;
    let ids = ids.into_iter().map(|id| id.into_owned().into_boxed_str());
    Ok(UserRequest::DeleteRedirectRules(ids.collect()))
}
