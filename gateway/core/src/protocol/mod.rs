//! Messages of the integration protocol: from bytes to typed values and back.
//!
//! In come the text of one message or the typed value that answers it; out go
//! requests, answers and events as Rust types, or their text. This module keeps
//! no state of any link and decides nothing: sessions, the switchboard and the
//! hub do.

mod answer;
mod body;
mod conference;
mod desk;
mod directory;
mod dynamic;
mod event;
mod fault;
mod history;
mod json;
mod line;
mod mapper;
mod multipart;
mod parse;
mod password;
mod peek;
mod redirect;
mod reply;
mod request;
mod state;
mod write;
mod xml;

pub use answer::{Answer, LoginAnswer, MyUserInfo, Reply, VersionInfo};
pub use body::{Body, BodyReader};
pub use conference::{
    CompetitorEntry, CompetitorState, ConferenceInfo, ConferenceRequest, GhostMode, NewConference,
};
pub use desk::{
    ChatInfo, ChatMember, ChatMessage, ChatRequest, ChatSummary, CustomEvent, DeskAnswer,
    DeskEvent, DeskRequest, Notification, PasswordChange, Person, ProcedureKind, RunProcedure,
    Stamp, TextMessage,
};
pub use directory::{BreakReason, NumberEntry, NumberKind, PhotoLink, UserEntry, UserRef};
pub use dynamic::{DynamicEvent, DynamicRequest, FormWords, MethodCall, MethodResult, ShownForm};
pub use event::{
    CompetitorChange, Composition, Event, EventKind, EventSet, Ivr, NUMBERS_PER_EVENT,
    NumberChange, Occurrence, RingStarted,
};
pub use fault::{ErrorNumber, Fault};
pub use history::{CallResult, ChainContent, JournalEntry, TalkEntry};
pub use json::{JsonWriter, write_message};
pub use line::{
    Abonent, Direction, Flashed, LineInfo, LineState, Party, Phase, QueueEntry, QueuedCaller,
};
pub use mapper::{MapperWriter, mapper_escaped};
pub use multipart::{Assembler, MultipartError, MultipartLimits, PACKET_CHARS, SharedRest, split};
pub use parse::{
    Method, parse_login, parse_subscription, parse_user_request, read_user_request, unknown_method,
};
pub use password::{
    PasswordError, PasswordHashes, check_new_password, hashes_of_bytes, parse_md5_hex,
    password_hashes,
};
pub use peek::{
    MESSAGES_MAX, NAME_BYTES_MAX, NESTING_MAX, Peek, PeekError, PeekProblem, QID_BYTES_MAX,
    is_answer_name, json_field, json_text, messages_in_json, peek,
};
pub use redirect::RedirectRule;
pub use reply::{
    Echo, write_answer_rest, write_answer_start, write_error, write_reply, write_reply_with,
};
pub use request::{
    CallDirection, CallRequest, FlashMode, JournalFilter, LoginRequest, Secret, Sequence,
    SetUserState, UserRequest,
};
pub use state::{StateId, UserState};
pub use write::{FieldWriter, Fields};
pub use xml::{
    JSON_GROWTH_MAX, XML_GROWTH_MAX, XmlError, XmlProblem, json_from_xml, messages_from_xml,
    xml_from_json,
};

pub use crate::wire::upgrade::Format;
