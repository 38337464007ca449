//! The fields of the methods that are not about calls.

use std::borrow::Cow;
use std::time::Duration;

use super::request::{
    ChatRequest, CustomEvent, DeskRequest, PasswordChange, ProcedureKind, RunProcedure,
};
use crate::base::Guid;
use crate::protocol::body::Body;
use crate::protocol::fault::Fault;
use crate::protocol::request::{Secret, UserRequest};

/// A request, or the fault that answers it.
type Parsed = Result<UserRequest, Fault>;

#[expect(clippy::unnecessary_wraps, reason = "the end of a parser")]
fn desk(request: DeskRequest) -> Parsed {
    Ok(UserRequest::Desk(Box::new(request)))
}

fn chat(request: ChatRequest) -> Parsed {
    desk(DeskRequest::Chat(request))
}

/// `triggercustomevent`.
pub(in crate::protocol) fn custom_event(body: &Body<'_>) -> Parsed {
    desk(DeskRequest::CustomEvent(CustomEvent {
        name: filled(body, "eventname", "the event's name")?,
        param: body.raw("eventparam").unwrap_or_else(null).into(),
        recipients: people(body, "recipients")?,
        send_back: body.boolean("sendback")?.unwrap_or(false),
    }))
}

/// `sendusertextmessage`.
pub(in crate::protocol) fn send_text(body: &Body<'_>) -> Parsed {
    desk(DeskRequest::SendText {
        text: filled(body, "text", "a text")?,
        recipients: some_people(body, "recipients")?,
    })
}

/// `createchat`.
pub(in crate::protocol) fn create_chat(body: &Body<'_>) -> Parsed {
    chat(ChatRequest::Create {
        name: filled(body, "name", "the chat's name")?,
        members: people(body, "members")?,
    })
}

/// `renamechat`.
pub(in crate::protocol) fn rename_chat(body: &Body<'_>) -> Parsed {
    chat(ChatRequest::Rename {
        chat: id(body, "chatid")?,
        name: filled(body, "name", "the chat's name")?,
    })
}

/// `addchatmembers`.
pub(in crate::protocol) fn add_chat_members(body: &Body<'_>) -> Parsed {
    chat(ChatRequest::AddMembers {
        chat: id(body, "chatid")?,
        members: some_people(body, "members")?,
    })
}

/// `removechatmembers`.
pub(in crate::protocol) fn remove_chat_members(body: &Body<'_>) -> Parsed {
    chat(ChatRequest::RemoveMembers {
        chat: id(body, "chatid")?,
        members: some_people(body, "members")?,
    })
}

/// `leavechat`.
pub(in crate::protocol) fn leave_chat(body: &Body<'_>) -> Parsed {
    let id = id(body, "chatid")?;
    chat(ChatRequest::Leave { chat: id })
}

/// `sendchatmessage`.
pub(in crate::protocol) fn send_chat_message(body: &Body<'_>) -> Parsed {
    chat(ChatRequest::Send {
        chat: id(body, "chatid")?,
        text: filled(body, "text", "a text")?,
    })
}

/// `viewchatmessage`.
pub(in crate::protocol) fn view_chat_message(body: &Body<'_>) -> Parsed {
    chat(ChatRequest::View {
        chat: id(body, "chatid")?,
        message: id(body, "messageid")?,
    })
}

/// `getchats`.
pub(in crate::protocol) fn chats(_body: &Body<'_>) -> Parsed {
    chat(ChatRequest::List)
}

/// `getchatmessages`.
pub(in crate::protocol) fn chat_messages(body: &Body<'_>) -> Parsed {
    let count = match body.number("count")? {
        None => MESSAGES_DEFAULT,
        Some(count) => usize::try_from(count)
            .ok()
            .filter(|count| *count > 0)
            .ok_or_else(|| Fault::parameter("count", "a number of at least 1"))?,
    };
    chat(ChatRequest::Messages {
        chat: id(body, "chatid")?,
        count,
        before: body.guid("beforeid")?,
    })
}

/// `execpredefineddbstoredproc`.
pub(in crate::protocol) fn run_procedure(body: &Body<'_>) -> Parsed {
    // What PHP writes for a set of parameters without any.
    let is_empty_list = body.raw("inputparams").as_deref() == Some("[]");
    let input = if is_empty_list {
        None
    } else {
        body.object("inputparams")?
    };
    desk(DeskRequest::Run(RunProcedure {
        kind: ProcedureKind::Procedure,
        name: filled(body, "procedure", "the procedure's name")?,
        input: match input {
            Some(input) => without_at(&input)?,
            None => "{}".into(),
        },
        timeout: None,
    }))
}

/// `execsvcscript`.
pub(in crate::protocol) fn run_script(body: &Body<'_>) -> Parsed {
    let timeout = match body.number("timeout")? {
        None | Some(0) => None,
        Some(seconds) => Some(
            u64::try_from(seconds)
                .map_err(|_| Fault::parameter("timeout", "a number of seconds"))?,
        ),
    };
    let given = SCRIPT_PARAMETERS.map(|key| (key, body.raw(key)));
    let fields = given
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    desk(DeskRequest::Run(RunProcedure {
        kind: ProcedureKind::Script,
        name: filled(body, "name", "the script's name")?,
        input: object(fields),
        timeout: timeout.map(Duration::from_secs),
    }))
}

/// `gettemphttppass`.
pub(in crate::protocol) fn temp_password(body: &Body<'_>) -> Parsed {
    let respond = body.boolean("responsetowebsock")?.unwrap_or(false);
    desk(DeskRequest::TempPassword { respond })
}

/// `getuserphoto`.
pub(in crate::protocol) fn user_photo(body: &Body<'_>) -> Parsed {
    let named = body.text("id")?.filter(|user| !user.is_empty());
    let user = named.map(boxed);
    desk(DeskRequest::Photo { user })
}

/// `setmyuserphoto`.
pub(in crate::protocol) fn set_photo(body: &Body<'_>) -> Parsed {
    let path = filled(body, "filepath", "the path of an upload")?;
    desk(DeskRequest::SetPhoto { path })
}

/// `changepassword`.
pub(in crate::protocol) fn change_password(body: &Body<'_>) -> Parsed {
    let hash = |field| -> Result<Secret, Fault> {
        let text = body.text(field)?.unwrap_or_default();
        Ok(Secret::new(boxed(text)))
    };
    let new = body.text("newpwd")?.filter(|text| !text.is_empty());
    desk(DeskRequest::ChangePassword(PasswordChange {
        old_md5: hash("oldpwdmd5")?,
        new_md5: hash("newpwdmd5")?,
        new: new.map(|text| Secret::new(boxed(text))),
    }))
}

/// A text that says something.
fn filled(body: &Body<'_>, field: &str, expected: &str) -> Result<Box<str>, Fault> {
    let text = body.text(field)?;
    let text = text.filter(|text| !text.trim().is_empty());
    text.map(boxed)
        .ok_or_else(|| Fault::parameter(field, expected))
}

fn boxed(text: Cow<'_, str>) -> Box<str> {
    text.into_owned().into_boxed_str()
}

/// Users, by id or login; texts that say nothing are left out.
fn people(body: &Body<'_>, field: &str) -> Result<Vec<Box<str>>, Fault> {
    let named = body.texts(field)?.into_iter();
    let named = named.filter(|name| !name.trim().is_empty());
    Ok(named.map(boxed).collect())
}

fn some_people(body: &Body<'_>, field: &str) -> Result<Vec<Box<str>>, Fault> {
    let named = people(body, field)?;
    if named.is_empty() {
        return Err(Fault::parameter(field, "a list of users' ids or logins"));
    }
    Ok(named)
}

fn id(body: &Body<'_>, field: &str) -> Result<Guid, Fault> {
    body.guid(field)?
        .ok_or_else(|| Fault::parameter(field, "a GUID"))
}

fn null() -> String {
    "null".to_owned()
}

/// An object's text with its keys without the `@` that some programs put before
/// them. Of a key that is there with and without it the later one counts.
fn without_at(input: &Body<'_>) -> Result<Box<str>, Fault> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (count, key) in input.all_keys().enumerate() {
        // Looking a field up costs as much as there are fields.
        if count >= INPUT_FIELDS_MAX {
            let expected = format!("at most {INPUT_FIELDS_MAX} parameters");
            return Err(Fault::parameter("inputparams", &expected));
        }
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let value = input.raw(key).unwrap_or_else(null);
        let bare = key.strip_prefix('@').unwrap_or(key);
        match fields.iter_mut().find(|(known, _)| *known == bare) {
            Some(known) => known.1 = value,
            None => fields.push((bare, value)),
        }
    }
    Ok(object(fields))
}

fn object<'k>(fields: impl IntoIterator<Item = (&'k str, String)>) -> Box<str> {
    let mut text = String::from("{");
    for (place, (key, value)) in fields.into_iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&serde_json::Value::from(key).to_string());
        text.push(':');
        text.push_str(&value);
    }
    text.push('}');
    text.into_boxed_str()
}

const SCRIPT_PARAMETERS: [&str; 5] = [
    "startparam1",
    "startparam2",
    "startparam3",
    "startparam4",
    "startparam5",
];

/// Input parameters of one procedure; what is beyond them is refused.
const INPUT_FIELDS_MAX: usize = 1000;

/// How many messages `getchatmessages` gives if it does not say.
const MESSAGES_DEFAULT: usize = 50;
