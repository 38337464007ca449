//! From parameters to calls (protocol 10-b to 10-g).

use std::time::Duration;

use okgate_core::base::{ChainId, Guid};
use okgate_core::hub::{Caller, InterfaceCall, InterfaceMethod};
use okgate_core::protocol::{
    CallRequest, Fault, FlashMode, ProcedureKind, RunProcedure, Secret, Sequence,
};

use super::parameters::Parameters;

/// The call that these parameters describe.
pub(super) fn call(
    called: InterfaceMethod,
    parameters: &Parameters,
) -> Result<InterfaceCall, Fault> {
    let who = || caller(parameters);
    Ok(match called {
        InterfaceMethod::Script | InterfaceMethod::ScriptPlain => script(parameters)?,
        InterfaceMethod::CallTo => InterfaceCall::Phone(who(), call_to(parameters)?),
        InterfaceMethod::AutoCallStop => InterfaceCall::Phone(who(), CallRequest::AutoCallAbort),
        InterfaceMethod::SwitchCall => {
            let number = parameters.required("number", NUMBER)?;
            InterfaceCall::Phone(who(), CallRequest::Transfer(number.into()))
        }
        InterfaceMethod::Flash => {
            InterfaceCall::Phone(who(), CallRequest::Flash(flash_mode(parameters)?))
        }
        InterfaceMethod::AbonentInfo => InterfaceCall::AbonentInfo(who()),
        InterfaceMethod::ChainContent => InterfaceCall::ChainContent(who(), chain(parameters)?),
        InterfaceMethod::UserState => InterfaceCall::UserState(state_of(parameters)),
        InterfaceMethod::Queues => InterfaceCall::Queues {
            of: who(),
            number: parameters.text("queue").map(Box::from),
        },
        InterfaceMethod::Record => {
            let link = parameters.required("recordlink", "a link of the journal")?;
            InterfaceCall::Record(Secret::new(link))
        }
    })
}

/// protocol 10-n.
fn caller(parameters: &Parameters) -> Caller {
    let name = |key| parameters.text(key).map(Box::from);
    Caller {
        user: name("user"),
        line: name("line"),
        workplace: name("wp"),
    }
}

fn state_of(parameters: &Parameters) -> Caller {
    let caller = caller(parameters);
    let named = parameters.text("iduser").map(Box::from);
    Caller {
        user: named.or_else(|| caller.user.clone()),
        ..caller
    }
}

/// protocol 10-b.
fn script(parameters: &Parameters) -> Result<InterfaceCall, Fault> {
    let given = SCRIPT_PARAMETERS.iter();
    let given = given.filter_map(|key| Some(((*key).to_owned(), parameters.text(key)?.into())));
    let input: serde_json::Map<String, serde_json::Value> = given.collect();
    let timeout = match parameters.text("timeout") {
        None | Some("0") => None,
        Some(text) => {
            let seconds = text.trim().parse().ok();
            let seconds = seconds.ok_or_else(|| Fault::parameter("timeout", "seconds"))?;
            Some(Duration::from_secs(seconds))
        }
    };
    let is_async = match parameters.text("async").unwrap_or("0") {
        "0" | "false" => false,
        "1" | "true" => true,
        _ => return Err(Fault::parameter("async", "0 or 1")),
    };
    let run = RunProcedure {
        kind: ProcedureKind::Script,
        name: parameters.required("name", "the script's name")?.into(),
        input: serde_json::Value::Object(input).to_string().into(),
        timeout,
    };
    Ok(InterfaceCall::Script { run, is_async })
}

fn call_to(parameters: &Parameters) -> Result<CallRequest, Fault> {
    let sequence = match parameters.text("sequence").unwrap_or("user") {
        "user" => Sequence::User,
        "abonent" => Sequence::Abonent,
        _ => return Err(Fault::parameter("sequence", "user or abonent")),
    };
    Ok(CallRequest::AutoCallStart {
        number: parameters.required("number", NUMBER)?.into(),
        sequence,
        intercom: false,
    })
}

fn flash_mode(parameters: &Parameters) -> Result<FlashMode, Fault> {
    match parameters.text("mode").unwrap_or("switch") {
        "switch" | "next" => Ok(FlashMode::Switch),
        "abort" => Ok(FlashMode::Abort),
        _ => Err(Fault::parameter("mode", "switch, next or abort")),
    }
}

fn chain(parameters: &Parameters) -> Result<Option<ChainId>, Fault> {
    let read = |text: &str| text.parse::<Guid>();
    let chain = parameters.text("chainid").map(read).transpose();
    let chain = chain.map_err(|_| Fault::parameter("chainid", "a call's id"))?;
    Ok(chain.map(ChainId))
}

const SCRIPT_PARAMETERS: [&str; 5] = [
    "startparam1",
    "startparam2",
    "startparam3",
    "startparam4",
    "startparam5",
];

const NUMBER: &str = "a number, a user id or a number id";
