//! What the hub answers to what is not about calls.

use std::sync::Arc;

use super::event::{ChatInfo, ChatMessage};
use super::stamp::Stamp;
use crate::base::Guid;
use crate::protocol::directory::PhotoLink;
use crate::protocol::request::Secret;
use crate::protocol::write::{FieldWriter, Fields};

/// The fields of an answer that is not about calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskAnswer {
    /// `execpredefineddbstoredprocresult`: tables with their header rows, as JSON text.
    Dataset(Arc<str>),
    /// `execsvcscriptresult`.
    ReturnValue(Arc<str>),
    /// `gettemphttppassresult`.
    TempPassword(Secret),
    /// `getuserphotoresult`, `setmyuserphotoresult`.
    Photo(PhotoLink),
    /// `createchatresult`.
    Chat(ChatInfo),
    /// `sendchatmessageresult`.
    ChatMessageSent {
        /// The message's id.
        message: Guid,
        /// When it was said.
        at: Stamp,
    },
    /// `getchatsresult`.
    Chats(Vec<ChatSummary>),
    /// `getchatmessagesresult`: the oldest first.
    ChatMessages(Vec<Arc<ChatMessage>>),
}

/// A chat in the list of a member's chats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatSummary {
    /// The chat.
    pub chat: ChatInfo,
    /// Messages that the asker has not seen.
    pub unviewed: usize,
    /// The newest message.
    pub last: Option<Arc<ChatMessage>>,
}

impl Fields for DeskAnswer {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        match self {
            Self::Dataset(tables) => {
                writer.number("errorcode", 0);
                writer.json("dataset", tables);
            }
            Self::ReturnValue(value) => {
                writer.number("errorcode", 0);
                writer.string("returnvalue", value);
            }
            Self::TempPassword(password) => writer.string("password", password.reveal()),
            Self::Photo(photo) => photo.write(writer),
            Self::Chat(chat) => chat.write(writer),
            Self::ChatMessageSent { message, at } => {
                writer.guid("messageid", *message);
                at.write(writer);
            }
            Self::Chats(chats) => {
                writer.objects("chats", chats, |writer, it| it.write(writer));
            }
            Self::ChatMessages(messages) => {
                writer.objects("messages", messages, |writer, it| it.write(writer));
            }
        }
    }
}

impl Fields for ChatSummary {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        self.chat.write(writer);
        let count = i64::try_from(self.unviewed).unwrap_or(i64::MAX);
        writer.number("unviewed", count);
        if let Some(last) = &self.last {
            writer.guid("lastmessageid", last.id);
            last.at.write(writer);
        }
    }
}
