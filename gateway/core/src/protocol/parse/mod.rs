//! Methods by name, and their fields as typed requests (protocol 6).
//!
//! In come a message's name and [`Body`]; out go requests, or the fault that
//! answers them. It decides nothing: whether the asker may do that is for the
//! session and the hub to say.

mod calls;
mod conferences;

use std::time::Duration;

use super::body::{Body, BodyReader};
use super::conference::ConferenceRequest;
use super::desk;
use super::dynamic;
use super::event::EventSet;
use super::fault::{ErrorNumber, Fault};
use super::request::{CallRequest, LoginRequest, Secret, SetUserState, UserRequest};
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
    (
        @seldom $($(#[$rare_doc:meta])* $rare:ident = $rare_name:literal => $rare_parser:expr;)*
        @often $($(#[$doc:meta])* $method:ident = $name:literal => $parser:expr;)*
    ) => {
        /// The names of messages that the gateway knows what to do with.
        ///
        /// Their numbers are dense, so that counters by method are an array.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Method {
            $($(#[$rare_doc])* $rare,)*
            $($(#[$doc])* $method,)*
            /// Any other name.
            Unknown,
        }

        impl Method {
            /// Every method, in the order of [`Method::index`].
            pub const ALL: &[Self] = &[$(Self::$rare,)* $(Self::$method,)* Self::Unknown];

            /// The method of this name. What tabs ask often is compared first.
            pub fn named(name: &str) -> Self {
                match name { $($name => Self::$method,)* _ => Self::named_seldom(name) }
            }

            fn named_seldom(name: &str) -> Self {
                match name { $($rare_name => Self::$rare,)* _ => Self::Unknown }
            }

            /// The name on the wire; `unknown` for any other.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$rare => $rare_name,)*
                    $(Self::$method => $name,)*
                    Self::Unknown => "unknown",
                }
            }

            fn parser(self) -> Parser {
                match self {
                    $(Self::$rare => $rare_parser,)*
                    $(Self::$method => $parser,)*
                    Self::Unknown => Parser::None,
                }
            }
        }
    };
}

methods! {
    @seldom
    /// Tells colleagues' pages something.
    TriggerCustomEvent = "triggercustomevent" => Parser::Fields(desk::custom_event);
    /// Says something to colleagues.
    SendUserTextMessage = "sendusertextmessage" => Parser::Fields(desk::send_text);
    /// Opens a group chat.
    CreateChat = "createchat" => Parser::Fields(desk::create_chat);
    /// Calls a group chat otherwise.
    RenameChat = "renamechat" => Parser::Fields(desk::rename_chat);
    /// Takes colleagues into a group chat.
    AddChatMembers = "addchatmembers" => Parser::Fields(desk::add_chat_members);
    /// Puts members out of a group chat.
    RemoveChatMembers = "removechatmembers" => Parser::Fields(desk::remove_chat_members);
    /// Goes out of a group chat.
    LeaveChat = "leavechat" => Parser::Fields(desk::leave_chat);
    /// Says something in a group chat.
    SendChatMessage = "sendchatmessage" => Parser::Fields(desk::send_chat_message);
    /// Has seen what was said in a group chat.
    ViewChatMessage = "viewchatmessage" => Parser::Fields(desk::view_chat_message);
    /// The asker's group chats.
    Chats = "getchats" => Parser::Fields(desk::chats);
    /// What was said in a group chat.
    ChatMessages = "getchatmessages" => Parser::Fields(desk::chat_messages);
    /// Runs a procedure of the settings.
    RunProcedure = "execpredefineddbstoredproc" => Parser::Fields(desk::run_procedure);
    /// Runs a script of the settings.
    RunScript = "execsvcscript" => Parser::Fields(desk::run_script);
    /// A password for one upload.
    TempHttpPassword = "gettemphttppass" => Parser::Fields(desk::temp_password);
    /// Links to one user's photo.
    UserPhoto = "getuserphoto" => Parser::Fields(desk::user_photo);
    /// Makes an upload the asker's photo.
    SetMyUserPhoto = "setmyuserphoto" => Parser::Fields(desk::set_photo);
    /// Changes the asker's password.
    ChangePassword = "changepassword" => Parser::Fields(desk::change_password);
    /// Makes a conference of the talk.
    BuildConference = "buildconferencefromcommutation" => conference(ConferenceRequest::Build);
    /// Makes a conference of these parties.
    CreateConference = "createnewconference" => Parser::Fields(conferences::create);
    /// Asks others into a conference.
    InviteToConference = "invitetoconference" => Parser::Fields(conferences::invite);
    /// Whether the held party can be brought into the conference.
    CanConnectConference = "checkcanconnecttogathertoconference" => conference(ConferenceRequest::CanConnect);
    /// Brings the held party in.
    ConnectConference = "connecttogathertoconference" => conference(ConferenceRequest::Connect);
    /// A conference and who is in it.
    ConferenceInfo = "getconferenceinfo" => Parser::Fields(conferences::info);
    /// Who is in a conference.
    ConferenceCompetitors = "getconferencecompetitors" => Parser::Fields(conferences::competitors);
    /// Sends somebody out of a conference.
    DisconnectCompetitor = "confdisconnectcompetitor" => Parser::Fields(conferences::disconnect);
    /// Leaves the conference.
    ExitConference = "exitconference" => conference(ConferenceRequest::Exit);
    /// Wants to be told of a conference's changes, or no longer.
    ConferenceHandleEvent = "confhandleevent" => Parser::Fields(conferences::handle_events);
    /// Listens to another user's talk.
    AttachAsGhost = "attachasghost" => Parser::Fields(conferences::attach_as_ghost);
    /// How the supervisor takes part.
    ConferenceGhostMode = "confsetghostmode" => Parser::Fields(conferences::ghost_mode);
    /// Whether the supervised hears the supervisor.
    ConferenceVoiceParams = "confsetvoiceparams" => Parser::Fields(conferences::voice_params);
    /// Adds or replaces one.
    SaveRedirectRules = "saveredirectrules" => Parser::Fields(calls::save_redirect_rule);
    /// Takes some away.
    DeleteRedirectRules = "deleteredirectrules" => Parser::Fields(calls::delete_redirect_rules);
    /// The talks of a call.
    ChainContent = "getchaincontent" => Parser::Fields(calls::chain_content);
    /// The asker's calls that are over.
    CallJournal = "getpbxcalljournal" => Parser::Fields(calls::call_journal);
    /// The old name of it.
    TransferCall = "pbxtransfercall" => Parser::Fields(calls::transfer);
    /// A form is no longer to be shown.
    CloseForm = "closeform" => Parser::Fields(dynamic::close_form);
    /// The user serves the call centre from now on.
    EnterCallCenter = "entercallcenter" => call_center(true);
    /// The user no longer does.
    ExitCallCenter = "exitcallcenter" => call_center(false);
    @often
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
    /// The end of a dynamic method's run, or of a form.
    MethodResult = "methodresult" => Parser::Fields(dynamic::method_result);
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
    /// Who waits on hold.
    FlashedAbonent = "getflashedabonentinfo" => Parser::Bare(UserRequest::FlashedAbonent);
    /// Calls a number.
    AutoCallStart = "pbxautocallstart" => Parser::Fields(calls::auto_call_start);
    /// Stops the dialling.
    AutoCallAbort = "pbxautocallabort" => call(CallRequest::AutoCallAbort);
    /// Answers the ringing call.
    AnswerCall = "pbxanswercall" => call(CallRequest::Answer);
    /// Hangs up.
    AbortCall = "pbxabortcall" => call(CallRequest::Abort);
    /// Refuses the ringing call.
    DeclineCall = "pbxdeclinecall" => call(CallRequest::Decline);
    /// Holds, takes back or swaps.
    MakeFlash = "pbxmakeflash" => Parser::Fields(calls::make_flash);
    /// Passes the other party on.
    MakeTransfer = "pbxmaketransfer" => Parser::Fields(calls::transfer);
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

/// protocol 5-d: shorthand for `setuserstate`.
fn call_center(on: bool) -> Parser {
    Parser::Bare(UserRequest::SetUserState(SetUserState {
        on_call_center: Some(on),
        ..SetUserState::default()
    }))
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

fn conference(request: ConferenceRequest) -> Parser {
    Parser::Bare(UserRequest::Conference(Box::new(request)))
}

/// The fault that answers a method which is unknown.
pub fn unknown_method(name: &str) -> Fault {
    Fault::new(ErrorNumber::NotFound, format!("unknown method `{name}`"))
}

#[cfg(test)]
mod tests;
