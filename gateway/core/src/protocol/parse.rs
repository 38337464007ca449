//! Methods by name, and their fields as typed requests (protocol 6).
//!
//! In come a message's name and [`Body`]; out go requests, or the fault that
//! answers them. It decides nothing: whether the asker may do that is for the
//! session and the hub to say.

use std::time::Duration;

use super::body::{Body, BodyReader};
use super::event::EventSet;
use super::fault::{ErrorNumber, Fault};
use super::request::{
    CallRequest, FlashMode, LoginRequest, Secret, Sequence, SetUserState, UserRequest,
};
use super::state::StateId;
use crate::base::SessionId;

/// How a method's request for the hub comes about.
enum Parser {
    /// A link deals with it alone, or it is no request.
    None,
    /// The name says it all.
    Bare(UserRequest),
    /// The fields say more.
    Fields(fn(&Body<'_>) -> Result<UserRequest, Fault>),
}

macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident = $name:literal => $parser:expr;)*) => {
        /// The names of messages that the gateway knows what to do with.
        ///
        /// Their numbers are dense, so that counters by method are an array.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Method {
            $($(#[$doc])* $method,)*
            /// Any other name.
            Unknown,
        }

        impl Method {
            /// Every method, in the order of [`Method::index`].
            pub const ALL: &[Self] = &[$(Self::$method,)* Self::Unknown];

            /// The method of this name.
            pub fn named(name: &str) -> Self {
                match name { $($name => Self::$method,)* _ => Self::Unknown }
            }

            /// The name on the wire; `unknown` for any other.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$method => $name,)* Self::Unknown => "unknown" }
            }

            fn parser(self) -> Parser {
                match self { $(Self::$method => $parser,)* Self::Unknown => Parser::None }
            }
        }
    };
}

methods! {
    /// Answered with everything it carries.
    Ping = "ping" => Parser::None;
    /// Makes a link a user's.
    Login = "login" => Parser::None;
    /// Ends the session.
    Logout = "logout" => Parser::None;
    /// From now on the link gets these events.
    SubscribeEvent = "subscribeevent" => Parser::None;
    /// From now on it does not.
    UnsubscribeEvent = "unsubscribeevent" => Parser::None;
    /// Asks who the gateway is.
    WhoAreYou = "whoareyou" => Parser::None;
    /// Says who the peer is.
    Iam = "iam" => Parser::None;
    /// The end of a dynamic method's run.
    MethodResult = "methodresult" => Parser::None;
    /// A piece of a long message.
    Multipart = "multipart" => Parser::None;
    /// A message to which no answer could be given.
    Error = "error" => Parser::None;
    /// The gateway's version.
    Version = "getversion" => Parser::Fields(version);
    /// Who the asker is.
    MyUserInfo = "getmyuserinfo" => Parser::Bare(UserRequest::MyUserInfo);
    /// The reasons for breaks.
    LunchTypes = "cc_getlunchtypes" => Parser::Bare(UserRequest::LunchTypes);
    /// The asker's state.
    UserState = "getuserstate" => Parser::Bare(UserRequest::UserState);
    /// Changes it.
    SetUserState = "setuserstate" => Parser::Fields(set_user_state);
    /// The asker's redirect rules.
    RedirectRules = "getredirectrules" => Parser::Bare(UserRequest::RedirectRules);
    /// All numbers and their states.
    PbxNumbers = "getpbxnumbers" => Parser::Bare(UserRequest::PbxNumbers);
    /// All users and their numbers.
    AllUserNumbers = "getallusernumbers" => Parser::Bare(UserRequest::AllUserNumbers);
    /// Links to all users' photos.
    AllUserPhotoLinks = "getalluserphotolink" => Parser::Bare(UserRequest::AllUserPhotoLinks);
    /// The whole picture of the asker's line.
    ExtendedLineInfo = "getextendedlineinfo" => Parser::Bare(UserRequest::ExtendedLineInfo);
    /// The callers that wait for the asker.
    CurrentQueue = "getcurrentqueue" => Parser::Bare(UserRequest::CurrentQueue);
    /// Calls a number.
    AutoCallStart = "pbxautocallstart" => Parser::Fields(auto_call_start);
    /// Stops the dialling.
    AutoCallAbort = "pbxautocallabort" => call(CallRequest::AutoCallAbort);
    /// Answers the ringing call.
    AnswerCall = "pbxanswercall" => call(CallRequest::Answer);
    /// Hangs up.
    AbortCall = "pbxabortcall" => call(CallRequest::Abort);
    /// Refuses the ringing call.
    DeclineCall = "pbxdeclinecall" => call(CallRequest::Decline);
    /// Holds, takes back or swaps.
    MakeFlash = "pbxmakeflash" => Parser::Fields(make_flash);
}

impl Method {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Its place in an array of [`Method::COUNT`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The request for the hub, if the method has one and its name says it all:
    /// then the fields need not be parsed.
    fn bare_request(self) -> Option<UserRequest> {
        match self.parser() {
            Parser::Bare(request) => Some(request),
            Parser::None | Parser::Fields(_) => None,
        }
    }
}

/// The request for the hub that a message makes; `None` if the method is unknown
/// or one that a link deals with alone.
pub fn parse_user_request(method: Method, body: &Body<'_>) -> Option<Result<UserRequest, Fault>> {
    match method.parser() {
        Parser::None => None,
        Parser::Bare(request) => Some(Ok(request)),
        Parser::Fields(parse) => Some(parse(body)),
    }
}

/// The request for the hub that a message makes, from the text of its fields, which
/// is changed in place. It is not read at all where the name says everything.
pub fn read_user_request(
    method: Method,
    fields: &mut [u8],
    reader: &mut BodyReader,
) -> Result<UserRequest, Fault> {
    if let Some(request) = method.bare_request() {
        return Ok(request);
    }
    reader
        .read(fields, |body| parse_user_request(method, &body))?
        .unwrap_or_else(|| Err(unknown_method(method.name())))
}

/// `login` (protocol 6.1).
pub fn parse_login(body: &Body<'_>) -> Result<LoginRequest, Fault> {
    let filled = |field| -> Result<Option<Box<str>>, Fault> {
        let text = body.text(field)?.filter(|text| !text.is_empty());
        Ok(text.map(|text| text.into_owned().into_boxed_str()))
    };
    let expires = match body.number("expires")? {
        None => None,
        Some(seconds) => {
            let seconds = u64::try_from(seconds)
                .map_err(|_| Fault::parameter("expires", "a number of seconds"))?;
            Some(Duration::from_secs(seconds))
        }
    };
    Ok(LoginRequest {
        login: filled("userlogin")?,
        password_lower: filled("password")?.map(Secret::new),
        password: filled("Password")?.map(Secret::new),
        session: filled("sessionid")?.map(|text| SessionId::named(&text)),
        token: filled("token")?.map(Secret::new),
        use_webrtc: body.boolean("usewebrtc")?.unwrap_or(false),
        expires,
    })
}

/// The events that `subscribeevent` or `unsubscribeevent` names: a list in
/// `eventmethod`, or a single name there or in `event`. Unknown names are
/// accepted and stand for nothing; naming none at all is a fault.
pub fn parse_subscription(body: &Body<'_>) -> Result<EventSet, Fault> {
    let mut names = body.texts("eventmethod")?;
    names.extend(body.texts("event")?);
    // A list of nulls subscribes to nothing, and is no fault (protocol 6.1).
    let is_named = body
        .keys()
        .any(|key| matches!(key, "eventmethod" | "event"));
    if names.is_empty() && !is_named {
        return Err(Fault::parameter("eventmethod", "a list of event names"));
    }
    let sets = names.iter().map(|name| EventSet::named(name));
    Ok(sets.fold(EventSet::EMPTY, EventSet::union))
}

fn call(request: CallRequest) -> Parser {
    Parser::Bare(UserRequest::Call(request))
}

fn version(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let with_procedures = body.boolean("showalloweddbstoredprocs")?.unwrap_or(false);
    Ok(UserRequest::Version { with_procedures })
}

fn set_user_state(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let state = match body.number("userstateid")? {
        None => None,
        Some(number) => {
            let state = StateId::settable(number);
            Some(state.ok_or_else(|| Fault::parameter("userstateid", "1, 2, 3 or 5"))?)
        }
    };
    let message = body.text("lunchreasonmsg")?;
    Ok(UserRequest::SetUserState(SetUserState {
        state,
        on_call_center: body.boolean("oncallcenter")?,
        on_cc_manual: body.boolean("onccmanual")?,
        on_redirect: body.boolean("onredirect")?,
        lunch_reason: body.number("lunchreasonid")?,
        lunch_message: message.map(|text| text.into_owned().into_boxed_str()),
    }))
}

fn auto_call_start(body: &Body<'_>) -> Result<UserRequest, Fault> {
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

fn make_flash(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let mode = match body.text("mode")?.as_deref() {
        None | Some("" | "next" | "switch") => FlashMode::Switch,
        Some("abort") => FlashMode::Abort,
        Some(_) => return Err(Fault::parameter("mode", "abort, switch or next")),
    };
    Ok(UserRequest::Call(CallRequest::Flash(mode)))
}

/// The fault that answers a method which is unknown.
pub fn unknown_method(name: &str) -> Fault {
    Fault::new(ErrorNumber::NotFound, format!("unknown method `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{BodyReader, EventKind};

    fn with<T>(fields: &str, read: impl FnOnce(&Body<'_>) -> T) -> T {
        let mut fields = fields.as_bytes().to_vec();
        BodyReader::new()
            .read(&mut fields, |body| read(&body))
            .expect("a JSON object")
    }

    fn parsed(name: &str, fields: &str) -> Option<Result<UserRequest, Fault>> {
        with(fields, |body| parse_user_request(Method::named(name), body))
    }

    #[test]
    fn every_method_is_found_by_its_name_and_counted_at_its_own_place() {
        for (index, &method) in Method::ALL.iter().enumerate() {
            assert_eq!(method.index(), index);
            assert_eq!(Method::named(method.name()), method);
        }
        assert_eq!(Method::named("no such method"), Method::Unknown);
    }

    #[test]
    fn methods_without_fields_need_no_body() {
        for (name, request) in [
            ("getmyuserinfo", UserRequest::MyUserInfo),
            ("cc_getlunchtypes", UserRequest::LunchTypes),
            ("getuserstate", UserRequest::UserState),
            ("getredirectrules", UserRequest::RedirectRules),
            ("getpbxnumbers", UserRequest::PbxNumbers),
            ("getallusernumbers", UserRequest::AllUserNumbers),
            ("getalluserphotolink", UserRequest::AllUserPhotoLinks),
            ("getextendedlineinfo", UserRequest::ExtendedLineInfo),
            ("getcurrentqueue", UserRequest::CurrentQueue),
            (
                "pbxautocallabort",
                UserRequest::Call(CallRequest::AutoCallAbort),
            ),
            ("pbxanswercall", UserRequest::Call(CallRequest::Answer)),
            ("pbxabortcall", UserRequest::Call(CallRequest::Abort)),
            ("pbxdeclinecall", UserRequest::Call(CallRequest::Decline)),
        ] {
            assert_eq!(Method::named(name).bare_request(), Some(request.clone()));
            assert_eq!(
                parsed(name, r#"{"mode":"full"}"#),
                Some(Ok(request)),
                "{name}"
            );
        }
    }

    #[test]
    fn methods_of_the_link_itself_and_unknown_ones_are_no_requests_for_the_hub() {
        for name in ["ping", "login", "subscribeevent", "whoami"] {
            assert_eq!(parsed(name, "{}"), None, "{name}");
        }
    }

    #[test]
    fn a_version_may_be_asked_for_with_the_procedures() {
        for (fields, with_procedures) in [
            ("{}", false),
            (r#"{"showalloweddbstoredprocs":1}"#, true),
            (r#"{"showalloweddbstoredprocs":true}"#, true),
        ] {
            let request = UserRequest::Version { with_procedures };
            assert_eq!(parsed("getversion", fields), Some(Ok(request)));
        }
    }

    #[test]
    fn a_state_change_holds_only_what_is_there() {
        let request = parsed(
            "setuserstate",
            r#"{"userstateid":"2","onredirect":"0","lunchreasonid":3,"lunchreasonmsg":"чай"}"#,
        );
        let wanted = SetUserState {
            state: Some(StateId::Lunch),
            on_redirect: Some(false),
            lunch_reason: Some(3),
            lunch_message: Some("чай".into()),
            ..SetUserState::default()
        };
        assert_eq!(request, Some(Ok(UserRequest::SetUserState(wanted))));
    }

    #[test]
    fn a_state_that_may_not_be_set_is_a_wrong_parameter() {
        for number in ["0", "4", "6", "7", r#""x""#] {
            let fields = format!(r#"{{"userstateid":{number}}}"#);
            let fault = parsed("setuserstate", &fields)
                .expect("a known method")
                .expect_err(number);
            assert_eq!(fault.number, ErrorNumber::WrongParameters);
        }
    }

    #[test]
    fn a_call_is_started_with_its_number_and_order() {
        let start = |number: &str, sequence, intercom| {
            let number = number.into();
            Some(Ok(UserRequest::Call(CallRequest::AutoCallStart {
                number,
                sequence,
                intercom,
            })))
        };
        let parsed = |fields| parsed("pbxautocallstart", fields);
        assert_eq!(
            parsed(r#"{"number":101}"#),
            start("101", Sequence::User, false)
        );
        assert_eq!(
            parsed(r#"{"number":" 89274513158 ","sequence":"abonent","intercom":"1"}"#),
            start("89274513158", Sequence::Abonent, true)
        );
        for fields in [
            "{}",
            r#"{"number":" "}"#,
            r#"{"number":"1","sequence":"x"}"#,
        ] {
            let fault = parsed(fields).expect("a known method").expect_err(fields);
            assert_eq!(fault.number, ErrorNumber::WrongParameters);
        }
    }

    #[test]
    fn a_flash_without_a_mode_or_with_next_switches() {
        for (fields, mode) in [
            ("{}", FlashMode::Switch),
            (r#"{"mode":""}"#, FlashMode::Switch),
            (r#"{"mode":"next"}"#, FlashMode::Switch),
            (r#"{"mode":"switch"}"#, FlashMode::Switch),
            (r#"{"mode":"abort"}"#, FlashMode::Abort),
        ] {
            let request = UserRequest::Call(CallRequest::Flash(mode));
            assert_eq!(parsed("pbxmakeflash", fields), Some(Ok(request)));
        }
        assert!(matches!(
            parsed("pbxmakeflash", r#"{"mode":"x"}"#),
            Some(Err(_))
        ));
    }

    #[test]
    fn a_login_takes_both_kinds_of_hashes_a_session_or_a_token() {
        let login = with(
            r#"{"userlogin":"Anna","password":"a","Password":"b","sessionid":"s","token":"t","usewebrtc":1,"expires":"60","showid":1}"#,
            parse_login,
        );
        let wanted = LoginRequest {
            login: Some("Anna".into()),
            password_lower: Some(Secret::new("a")),
            password: Some(Secret::new("b")),
            session: Some(SessionId::named("s")),
            token: Some(Secret::new("t")),
            use_webrtc: true,
            expires: Some(Duration::from_secs(60)),
        };
        assert_eq!(login, Ok(wanted));
    }

    #[test]
    fn empty_texts_in_a_login_are_absent_and_a_negative_life_is_refused() {
        let login = with(
            r#"{"userlogin":"","password":null,"sessionid":""}"#,
            parse_login,
        );
        assert_eq!(login, Ok(LoginRequest::default()));
        assert!(with(r#"{"expires":-1}"#, parse_login).is_err());
    }

    #[test]
    fn subscriptions_name_events_in_a_list_or_singly() {
        let ring = [EventKind::RingStarted].into_iter().collect();
        for (fields, events) in [
            (
                r#"{"eventmethod":["phoneevent_ringstarted",null,"unheard_of"]}"#,
                ring,
            ),
            (r#"{"eventmethod":"phoneevent_ringstarted"}"#, ring),
            (r#"{"event":"phoneevent"}"#, EventSet::named("phoneevent")),
            (r#"{"eventmethod":["unheard_of"]}"#, EventSet::EMPTY),
            (r#"{"eventmethod":[null]}"#, EventSet::EMPTY),
        ] {
            assert_eq!(with(fields, parse_subscription), Ok(events), "{fields}");
        }
        assert!(with("{}", parse_subscription).is_err());
    }
}
