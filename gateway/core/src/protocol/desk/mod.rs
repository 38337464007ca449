//! What users say and ask beside calls, typed (protocol 5-e, 6.7, 7-n to 7-s): custom
//! events, texts, group chats, notifications, procedures, files, photos, passwords.
//!
//! In come the fields of these methods, out go requests; in come the hub's typed
//! answers and events, out go their fields. It decides nothing and keeps nothing.

mod answer;
mod event;
mod parse;
mod request;
mod stamp;

pub use answer::{ChatSummary, DeskAnswer};
pub use event::{ChatInfo, ChatMember, ChatMessage, DeskEvent, Notification, Person, TextMessage};
pub(super) use parse::*;
pub use request::{
    ChatRequest, CustomEvent, DeskRequest, PasswordChange, ProcedureKind, RunProcedure,
};
pub use stamp::Stamp;

#[cfg(test)]
mod tests;
