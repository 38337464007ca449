//! What a user may ask for, parsed (protocol 6).

use std::fmt;
use std::time::Duration;

use super::conference::ConferenceRequest;
use super::desk::DeskRequest;
use super::dynamic::DynamicRequest;
use super::redirect::RedirectRule;
use super::state::StateId;
use crate::base::{ChainId, SessionId, WallTime};

/// A request in a user's name that the hub answers.
///
/// What a link answers alone (`ping`, subscriptions) is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserRequest {
    /// `getversion`.
    Version {
        /// `showalloweddbstoredprocs`.
        with_procedures: bool,
    },
    /// `getmyuserinfo`.
    MyUserInfo,
    /// `cc_getlunchtypes`.
    LunchTypes,
    /// `getuserstate`.
    UserState,
    /// `setuserstate`.
    SetUserState(SetUserState),
    /// `getredirectrules`.
    RedirectRules,
    /// `saveredirectrules`.
    SaveRedirectRule(Box<RedirectRule>),
    /// `deleteredirectrules`.
    DeleteRedirectRules(Vec<Box<str>>),
    /// `getpbxnumbers`.
    PbxNumbers,
    /// `getallusernumbers`.
    AllUserNumbers,
    /// `getalluserphotolink`.
    AllUserPhotoLinks,
    /// `getextendedlineinfo`.
    ExtendedLineInfo,
    /// `getcurrentqueue`.
    CurrentQueue,
    /// `getflashedabonentinfo`.
    FlashedAbonent,
    /// `getchaincontent`; without a chain, of the user's own call.
    ChainContent(Option<ChainId>),
    /// `getpbxcalljournal`.
    CallJournal(Box<JournalFilter>),
    /// A method that acts on the user's phone.
    Call(CallRequest),
    /// A method of conferences or of supervision.
    Conference(Box<ConferenceRequest>),
    /// A method that is not about calls (protocol 5-e, 6.7).
    Desk(Box<DeskRequest>),
    /// What a page says of forms and dynamic methods (protocol 8).
    Dynamic(Box<DynamicRequest>),
}

/// `login` (protocol 6.1).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct LoginRequest {
    /// `userlogin`; may be absent with a session or a token.
    pub login: Option<Box<str>>,
    /// `password`: MD5 of the lower-cased password, in hexadecimal.
    pub password_lower: Option<Secret>,
    /// `Password`: MD5 of the password as typed, in hexadecimal.
    pub password: Option<Secret>,
    /// `sessionid`: tried before a password.
    pub session: Option<SessionId>,
    /// `token`: a signed token whose subject is the login.
    pub token: Option<Secret>,
    /// `usewebrtc`.
    pub use_webrtc: bool,
    /// `expires`: how long the session outlives its last tab.
    pub expires: Option<Duration>,
}

/// A text that must not appear in logs: its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Hides this text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for comparing only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// `setuserstate`: what is absent stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SetUserState {
    /// `userstateid`, one that may be set.
    pub state: Option<StateId>,
    /// `oncallcenter`.
    pub on_call_center: Option<bool>,
    /// `onccmanual`.
    pub on_cc_manual: Option<bool>,
    /// `onredirect`.
    pub on_redirect: Option<bool>,
    /// `lunchreasonid`.
    pub lunch_reason: Option<i64>,
    /// `lunchreasonmsg`.
    pub lunch_message: Option<Box<str>>,
}

/// A method that acts on the user's phone (protocol 6.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallRequest {
    /// `pbxautocallstart`.
    AutoCallStart {
        /// A number, a user id or a number id.
        number: Box<str>,
        /// Whose phone rings first.
        sequence: Sequence,
        /// The other phone answers by itself where it can.
        intercom: bool,
    },
    /// `pbxautocallabort`.
    AutoCallAbort,
    /// `pbxanswercall`.
    Answer,
    /// `pbxabortcall`.
    Abort,
    /// `pbxdeclinecall`.
    Decline,
    /// `pbxmakeflash`.
    Flash(FlashMode),
    /// `pbxmaketransfer`, `pbxtransfercall`: to a number, a user id or a number id.
    Transfer(Box<str>),
}

/// `sequence` of `pbxautocallstart`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Sequence {
    /// The user's own phone first.
    #[default]
    User,
    /// The other party first.
    Abonent,
}

/// `mode` of `pbxmakeflash`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum FlashMode {
    /// `switch`, `next` or none: swap, hold or take back.
    #[default]
    Switch,
    /// `abort`: drop the current party and return to the held one.
    Abort,
}

/// `filter` of `getpbxcalljournal`; what is absent does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct JournalFilter {
    /// `datestart`: calls that began at this time or later.
    pub from: Option<WallTime>,
    /// `dateend`: calls that began before this time.
    pub to: Option<WallTime>,
    /// `connectiontype`.
    pub direction: Option<CallDirection>,
    /// `minduration`: talks of at least so many seconds.
    pub duration_min_s: u64,
    /// `page`, from 0.
    pub page: u32,
}

/// `direction` of a call in the journal, as its user sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallDirection {
    /// From outside.
    In,
    /// To outside.
    Out,
    /// Between two users.
    Internal,
}

impl CallDirection {
    /// The text on the wire.
    pub const fn text(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Internal => "internal",
        }
    }
}
