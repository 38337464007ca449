//! What a user may ask for beside calls.

use std::time::Duration;

use crate::base::Guid;
use crate::protocol::request::Secret;

/// A request in a user's name that is not about calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskRequest {
    /// `triggercustomevent`.
    CustomEvent(CustomEvent),
    /// `sendusertextmessage`.
    SendText {
        /// What is said.
        text: Box<str>,
        /// To whom: ids or logins.
        recipients: Vec<Box<str>>,
    },
    /// A method on group chats.
    Chat(ChatRequest),
    /// `execpredefineddbstoredproc` or `execsvcscript`.
    Run(RunProcedure),
    /// `gettemphttppass`.
    TempPassword {
        /// `responsetowebsock`: the upload's answer is told to the link, too.
        respond: bool,
    },
    /// `getuserphoto`.
    Photo {
        /// Whose, by id or login; without it the asker's.
        user: Option<Box<str>>,
    },
    /// `setmyuserphoto`.
    SetPhoto {
        /// The path that an upload was answered with.
        path: Box<str>,
    },
    /// `changepassword`.
    ChangePassword(PasswordChange),
}

/// `triggercustomevent` (protocol 6.7-a).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomEvent {
    /// `eventname`.
    pub name: Box<str>,
    /// `eventparam`, any value, as JSON text.
    pub param: Box<str>,
    /// Whom to tell; empty for all who subscribed.
    pub recipients: Vec<Box<str>>,
    /// The sender's own tabs are told, too.
    pub send_back: bool,
}

/// A method on group chats (protocol 6.7-i).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatRequest {
    /// `createchat`.
    Create {
        /// What it is called.
        name: Box<str>,
        /// Who is in it beside the creator: ids or logins.
        members: Vec<Box<str>>,
    },
    /// `renamechat`.
    Rename {
        /// Which chat.
        chat: Guid,
        /// What it is called from now on.
        name: Box<str>,
    },
    /// `addchatmembers`.
    AddMembers {
        /// Which chat.
        chat: Guid,
        /// Who is in it, too, from now on.
        members: Vec<Box<str>>,
    },
    /// `removechatmembers`.
    RemoveMembers {
        /// Which chat.
        chat: Guid,
        /// Who is no longer in it.
        members: Vec<Box<str>>,
    },
    /// `leavechat`.
    Leave {
        /// Which chat.
        chat: Guid,
    },
    /// `sendchatmessage`.
    Send {
        /// Which chat.
        chat: Guid,
        /// What is said.
        text: Box<str>,
    },
    /// `viewchatmessage`: it and all before it were seen.
    View {
        /// Which chat.
        chat: Guid,
        /// Which message.
        message: Guid,
    },
    /// `getchats`.
    List,
    /// `getchatmessages`: the newest ones, the oldest of them first.
    Messages {
        /// Which chat.
        chat: Guid,
        /// How many at most.
        count: usize,
        /// Only those before this one.
        before: Option<Guid>,
    },
}

/// What of `[[procedures]]` a method runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProcedureKind {
    /// `execpredefineddbstoredproc`: answers with tables.
    Procedure,
    /// `execsvcscript`: answers with one value.
    Script,
}

/// `execpredefineddbstoredproc` or `execsvcscript` (protocol 6.7-b, 6.7-c).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunProcedure {
    /// Which of the two.
    pub kind: ProcedureKind,
    /// Its name, in any case.
    pub name: Box<str>,
    /// The input parameters, as the text of a JSON object whose keys have no `@`.
    pub input: Box<str>,
    /// The asker waits for no longer.
    pub timeout: Option<Duration>,
}

/// `changepassword` (protocol 6.3-e).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordChange {
    /// `oldpwdmd5`, of the password as typed.
    pub old_md5: Secret,
    /// `newpwdmd5`, of the password as typed.
    pub new_md5: Secret,
    /// `newpwd`: the new password's bytes, each as the character with its number.
    pub new: Option<Secret>,
}
