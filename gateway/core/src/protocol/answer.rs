//! What the hub answers, typed (protocol 6).

use std::sync::Arc;

use super::conference::{CompetitorEntry, ConferenceInfo};
use super::desk::DeskAnswer;
use super::directory::{BreakReason, NumberEntry, PhotoLink, UserEntry, UserRef};
use super::fault::Fault;
use super::history::{ChainContent, JournalEntry};
use super::line::{Flashed, LineInfo, QueuedCaller};
use super::redirect::RedirectRule;
use super::state::UserState;
use super::write::{FieldWriter, Fields};
use crate::base::{ConferenceId, Guid, SessionId};

/// The end of a request: an answer with `result: 1`, or a fault with `result: 0`.
pub type Reply = Result<Answer, Fault>;

/// The fields of an answer beyond `qid` and `result`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing beyond `result`.
    Done,
    /// `loginresult`.
    Login(LoginAnswer),
    /// `getversionresult`.
    Version(Arc<VersionInfo>),
    /// `getmyuserinforesult`.
    MyUserInfo(Box<MyUserInfo>),
    /// `cc_getlunchtypesresult`.
    LunchTypes(Arc<[BreakReason]>),
    /// `getuserstateresult`, `setuserstateresult`.
    UserState(UserRef, UserState),
    /// `getredirectrulesresult`.
    RedirectRules(Arc<[RedirectRule]>),
    /// `getpbxnumbersresult`.
    PbxNumbers {
        /// Rises with every change of a number's state; not on the wire.
        version: u64,
        /// All numbers.
        numbers: Arc<[NumberEntry]>,
    },
    /// `getallusernumbersresult`.
    AllUserNumbers {
        /// All users, as the asker may see them.
        users: Arc<[UserEntry]>,
        /// It is the same list for everybody who supervises nobody; not on the wire.
        is_common: bool,
    },
    /// `getalluserphotolinkresult`.
    PhotoLinks(Vec<PhotoLink>),
    /// `getextendedlineinforesult`.
    LineInfo(Box<LineInfo>),
    /// `getcurrentqueueresult`: the callers waiting for this user, the first first.
    CurrentQueue(Vec<QueuedCaller>),
    /// `getflashedabonentinforesult`: who waits on hold.
    FlashedAbonent(Option<Box<Flashed>>),
    /// `getchaincontentresult`.
    ChainContent(Box<ChainContent>),
    /// `getpbxcalljournalresult`: the newest first.
    CallJournal(Vec<JournalEntry>),
    /// `checkcanconnecttogathertoconferenceresult`.
    CanConnect(bool),
    /// The methods that make a conference: its id.
    ConferenceId(ConferenceId),
    /// `getconferenceinforesult`.
    Conference(Box<ConferenceInfo>),
    /// `getconferencecompetitorsresult`.
    Competitors(Vec<CompetitorEntry>),
    /// The answer to a method that is not about calls.
    Desk(Box<DeskAnswer>),
}

/// `loginresult` of a login that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginAnswer {
    /// Who is logged in; the login as it was typed.
    pub user: UserRef,
    /// The session that the link belongs to now.
    pub session: SessionId,
}

/// `getversionresult` (protocol 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// `dated`, as yymmdd: libraries switch features on it.
    pub dated: i64,
    /// `build`, such as `2.13.0.160101`.
    pub build: Arc<str>,
    /// The port of the HTTP interface for the scheme of the asking link.
    pub web_server_port: u16,
    /// Names of the procedures that may be run, in lower case.
    pub procedures: Vec<Arc<str>>,
}

impl Default for VersionInfo {
    /// What protocol 6.2 says, without an HTTP interface and procedures.
    fn default() -> Self {
        Self {
            dated: 160_101,
            build: "2.13.0.160101".into(),
            web_server_port: 0,
            procedures: Vec::new(),
        }
    }
}

/// `getmyuserinforesult`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MyUserInfo {
    /// The asker.
    pub user: UserRef,
    /// The asker's name.
    pub name: Arc<str>,
    /// The asker's main number.
    pub main_number: Option<Arc<str>>,
    /// The line, if the asker has a phone.
    pub line: Option<Guid>,
    /// The line's number.
    pub line_number: Option<Arc<str>>,
    /// Serves the call centre.
    pub is_operator: bool,
}

impl Answer {
    /// The user whose `userid` and `userlogin` belong to the answer.
    pub(super) const fn user(&self) -> Option<&UserRef> {
        match self {
            Self::Login(LoginAnswer { user, .. }) | Self::UserState(user, _) => Some(user),
            Self::MyUserInfo(info) => Some(&info.user),
            _ => None,
        }
    }
}

/// All fields but those of [`Answer::user`].
impl Fields for Answer {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        match self {
            Self::Done => {}
            Self::Login(login) => {
                writer.guid("sessionid", login.session.reveal());
            }
            Self::Version(version) => version.write(writer),
            Self::MyUserInfo(info) => info.write(writer),
            Self::LunchTypes(reasons) => {
                writer.objects("items", reasons.iter(), |writer, it| it.write(writer));
            }
            Self::UserState(_, state) => state.write(writer),
            Self::RedirectRules(rules) => {
                writer.objects("redirectrules", rules.iter(), |writer, it| it.write(writer));
            }
            Self::PbxNumbers { numbers, .. } => {
                writer.objects("numbers", numbers.iter(), |writer, it| it.write(writer));
            }
            Self::AllUserNumbers { users, .. } => {
                writer.objects("users", users.iter(), |writer, it| it.write(writer));
            }
            Self::PhotoLinks(links) => {
                writer.objects("links", links, |writer, it| it.write(writer));
            }
            Self::LineInfo(line) => line.write(writer),
            Self::CurrentQueue(waiting) => {
                writer.objects("queue", waiting, |writer, it| it.write(writer));
            }
            Self::FlashedAbonent(flashed) => {
                writer.boolean("containsflashed", flashed.is_some());
                if let Some(flashed) = flashed {
                    writer.object("abonent", |writer| flashed.write(writer));
                }
            }
            Self::ChainContent(content) => {
                writer.object("content", |writer| content.write(writer));
            }
            Self::CallJournal(calls) => {
                writer.objects("calls", calls, |writer, it| it.write(writer));
            }
            Self::CanConnect(can) => writer.boolean("canconnecttogather", *can),
            Self::ConferenceId(id) => writer.guid("conferenceid", id.0),
            Self::Conference(info) => info.write(writer),
            Self::Competitors(list) => {
                writer.objects("competitorlist", list, |writer, it| it.write(writer));
            }
            Self::Desk(answer) => answer.write(writer),
        }
    }
}

impl Fields for VersionInfo {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.object("version", |writer| {
            writer.number("dated", self.dated);
            writer.string("build", &self.build);
            writer.number("webserverport", i64::from(self.web_server_port));
        });
        let procedures = self.procedures.iter().map(AsRef::as_ref);
        writer.flags("alloweddbstoredprocs", procedures);
    }
}

impl Fields for MyUserInfo {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.string("username", &self.name);
        writer.string("mainpbxnumber", self.main_number.as_deref().unwrap_or(""));
        writer.boolean("hasline", self.line.is_some());
        writer.guid("lineid", self.line.unwrap_or(Guid::ZERO));
        writer.string("linenumber", self.line_number.as_deref().unwrap_or(""));
        writer.boolean("isoperator", self.is_operator);
    }
}
