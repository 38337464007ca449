//! What users are told beside calls (protocol 7-n to 7-q, 7-s).

use std::sync::Arc;

use super::stamp::Stamp;
use crate::base::Guid;
use crate::protocol::directory::UserRef;
use crate::protocol::event::EventKind;
use crate::protocol::request::Secret;
use crate::protocol::write::{FieldWriter, Fields};

/// Something that is not about calls happened. One value is shared by the events of
/// all whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskEvent {
    /// `customevent`.
    Custom {
        /// `eventname`.
        name: Box<str>,
        /// `eventparam`, as JSON text.
        param: Box<str>,
    },
    /// `httpresponsecopy`.
    HttpResponse {
        /// The temporary password of the upload.
        password: Secret,
        /// Status and its words, such as `200 OK`.
        response: Box<str>,
        /// The answer's content.
        content: Arc<str>,
    },
    /// `shownotifymessage`.
    Notification(Notification),
    /// `usertextmessagereceived`.
    Text(TextMessage),
    /// `chatcreated`.
    ChatCreated(ChatInfo),
    /// `chatnamechanged`.
    ChatRenamed {
        /// Which chat.
        chat: Guid,
        /// What it is called now.
        name: Arc<str>,
        /// Who did it.
        by: UserRef,
    },
    /// `chatmemberadded`.
    ChatMemberAdded(ChatMember),
    /// `chatmemberremoved`.
    ChatMemberRemoved(ChatMember),
    /// `chatmessage`.
    ChatMessage(Arc<ChatMessage>),
    /// `chatmessageviewed`.
    ChatViewed {
        /// Which chat.
        chat: Guid,
        /// It and all before it were seen.
        message: Guid,
        /// By whom.
        viewer: UserRef,
    },
}

/// A user and the name that colleagues see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The user.
    pub user: UserRef,
    /// The name.
    pub name: Arc<str>,
}

/// `usertextmessagereceived` (protocol 5-e).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextMessage {
    /// Unique for each message, the same for all of its recipients.
    pub id: Guid,
    /// What is said.
    pub text: Box<str>,
    /// Who says it.
    pub sender: Person,
    /// When it was said.
    pub at: Stamp,
}

/// `shownotifymessage` (protocol 7-p).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Unique for each notification.
    pub id: Guid,
    /// Who says it, in words.
    pub sender: Box<str>,
    /// What is said.
    pub text: Box<str>,
    /// `type`: what a page makes of it is its own business.
    pub kind: i64,
    /// When it was said.
    pub at: Stamp,
    /// It goes away by itself.
    pub auto_hide: bool,
    /// Eight hexadecimal digits.
    pub back_color: Box<str>,
    /// The page is asked to keep it.
    pub save: bool,
}

/// A group chat, as its members see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatInfo {
    /// Which chat.
    pub id: Guid,
    /// What it is called.
    pub name: Arc<str>,
    /// Its members; the first one owns it.
    pub members: Vec<Person>,
}

/// Somebody who came into a chat or went out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMember {
    /// Which chat.
    pub chat: Guid,
    /// Who.
    pub member: Person,
    /// Who did it.
    pub by: UserRef,
}

/// One message of a group chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Which chat.
    pub chat: Guid,
    /// Unique for each message.
    pub id: Guid,
    /// What is said.
    pub text: Box<str>,
    /// Who says it.
    pub sender: Person,
    /// When it was said.
    pub at: Stamp,
}

impl DeskEvent {
    /// Its kind.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Custom { .. } => EventKind::CustomEvent,
            Self::HttpResponse { .. } => EventKind::HttpResponseCopy,
            Self::Notification(_) => EventKind::ShowNotifyMessage,
            Self::Text(_) => EventKind::UserTextMessageReceived,
            Self::ChatCreated(_) => EventKind::ChatCreated,
            Self::ChatRenamed { .. } => EventKind::ChatNameChanged,
            Self::ChatMemberAdded(_) => EventKind::ChatMemberAdded,
            Self::ChatMemberRemoved(_) => EventKind::ChatMemberRemoved,
            Self::ChatMessage(_) => EventKind::ChatMessage,
            Self::ChatViewed { .. } => EventKind::ChatMessageViewed,
        }
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        let said = match self {
            Self::Text(message) => message.text.len(),
            Self::Notification(it) => it.text.len() + it.sender.len(),
            Self::ChatMessage(message) => message.text.len(),
            _ => 0,
        };
        said + size_of::<Self>()
    }
}

impl Fields for DeskEvent {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        match self {
            Self::Custom { name, param } => {
                writer.string("eventname", name);
                writer.json("eventparam", param);
            }
            Self::HttpResponse {
                password,
                response,
                content,
            } => {
                writer.string("password", password.reveal());
                writer.string("response", response);
                writer.string("content", content);
            }
            Self::Notification(notification) => notification.write(writer),
            Self::Text(message) => message.write(writer),
            Self::ChatCreated(chat) => chat.write(writer),
            Self::ChatRenamed { chat, name, by } => {
                writer.guid("chatid", *chat);
                writer.string("name", name);
                write_by(writer, by);
            }
            Self::ChatMemberAdded(change) | Self::ChatMemberRemoved(change) => {
                change.write(writer);
            }
            Self::ChatMessage(message) => {
                writer.guid("chatid", message.chat);
                message.write(writer);
            }
            Self::ChatViewed {
                chat,
                message,
                viewer,
            } => {
                writer.guid("chatid", *chat);
                writer.guid("messageid", *message);
                writer.guid("vieweruserid", viewer.id.0);
                writer.string("vieweruserlogin", &viewer.login);
            }
        }
    }
}

impl Fields for TextMessage {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.guid("id", self.id);
        writer.string("text", &self.text);
        write_sender(writer, &self.sender);
        self.at.write(writer);
    }
}

impl Fields for Notification {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.guid("id", self.id);
        writer.string("sender", &self.sender);
        writer.string("text", &self.text);
        writer.number("type", self.kind);
        self.at.write(writer);
        writer.boolean("autohide", self.auto_hide);
        writer.string("backcolor", &self.back_color);
        writer.boolean("savedb", self.save);
    }
}

impl Fields for ChatInfo {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.guid("chatid", self.id);
        writer.string("name", &self.name);
        if let Some(owner) = self.members.first() {
            writer.guid("ownerid", owner.user.id.0);
            writer.string("ownerlogin", &owner.user.login);
        }
        writer.objects("members", &self.members, |writer, member| {
            writer.guid("userid", member.user.id.0);
            writer.string("userlogin", &member.user.login);
            writer.string("username", &member.name);
        });
    }
}

impl Fields for ChatMember {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.guid("chatid", self.chat);
        writer.guid("memberid", self.member.user.id.0);
        writer.string("memberlogin", &self.member.user.login);
        writer.string("membername", &self.member.name);
        write_by(writer, &self.by);
    }
}

/// All fields but `chatid`.
impl Fields for ChatMessage {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.guid("messageid", self.id);
        writer.string("text", &self.text);
        write_sender(writer, &self.sender);
        self.at.write(writer);
    }
}

fn write_sender<W: FieldWriter>(writer: &mut W, sender: &Person) {
    writer.string("sender", &sender.name);
    writer.guid("senderuserid", sender.user.id.0);
    writer.string("senderuserlogin", &sender.user.login);
}

fn write_by<W: FieldWriter>(writer: &mut W, by: &UserRef) {
    writer.guid("byuserid", by.id.0);
    writer.string("byuserlogin", &by.login);
}
