//! Why the gateway refuses things: one word for the counters and the log, whichever
//! module says it.

use std::net::IpAddr;
use std::sync::Arc;

macro_rules! refused {
    ($($(#[$doc:meta])* $name:ident = $label:literal;)*) => {
        /// Why a connection, a link or a message was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Refused { $($(#[$doc])* $name,)* }

        impl Refused {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The reason's word in metrics and logs.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

refused! {
    /// There are as many links as allowed (503).
    LinksMax = "links_max";
    /// There are as many links from this address as allowed (503).
    LinksOfAddress = "links_of_address";
    /// Handshakes came too fast from this address (429).
    HandshakesOfAddress = "handshakes_of_address";
    /// The handshake was not one (400, 405, a plain GET).
    Handshake = "handshake";
    /// The handshake's head was too big (431).
    HeadTooBig = "head_too_big";
    /// A trusted proxy does not say clearly for whom it speaks (400).
    Forwarded = "forwarded";
    /// The WebSocket version is not spoken (426).
    Version = "version";
    /// The page's origin may not connect (403).
    Origin = "origin";
    /// The handshake took too long.
    HandshakeTimeout = "handshake_timeout";
    /// Frames against the protocol (1002).
    Protocol = "protocol";
    /// A binary message (1003).
    Binary = "binary";
    /// A text that is not UTF-8 (1007).
    NotUtf8 = "not_utf8";
    /// XML cannot say a message: an answer became an error (503), or an event was left out.
    NotXml = "not_xml";
    /// A frame over the bound (1009).
    FrameTooBig = "frame_too_big";
    /// A message over the bound (1009).
    MessageTooBig = "message_too_big";
    /// Too many messages of a link without a format (1008).
    Formatless = "formatless";
    /// A link that was without a format for too long (1008).
    FormatlessTimeout = "formatless_timeout";
    /// A message of a link that has not logged in (401).
    NotLoggedIn = "not_logged_in";
    /// Too much was sent before the login was answered (429).
    HeldTooMuch = "held_too_much";
    /// Nobody logged in in time (1008).
    Unauthenticated = "unauthenticated";
    /// As many users are logged in as allowed (50025).
    UsersMax = "users_max";
    /// The user has as many tabs as allowed (50025).
    TabsOfUser = "tabs_of_user";
    /// A login asked for a longer life of its session than allowed; it got less.
    SessionLife = "session_life";
    /// The user has more sessions without a tab than allowed: the oldest was forgotten.
    IdleSessions = "idle_sessions";
    /// A message that came too fast (429).
    Throttled = "throttled";
    /// Messages came too fast for too long (1008).
    TooFast = "too_fast";
    /// A text, notification or event parameter is too long (413).
    TextTooLong = "text_too_long";
    /// A message names too many users (413).
    RecipientsMax = "recipients_max";
    /// Events to everybody came too fast (429).
    Broadcasts = "broadcasts";
    /// An event to everybody found too many before it and was dropped.
    BroadcastsWaiting = "broadcasts_waiting";
    /// Too much is kept for users who are not there (429).
    KeptMax = "kept_max";
    /// Too much is kept for one user who is not there: the oldest was forgotten.
    KeptPerUser = "kept_per_user";
    /// There are as many group chats as allowed (429).
    ChatsMax = "chats_max";
    /// A user is in as many group chats as allowed (429).
    ChatsPerUser = "chats_per_user";
    /// A group chat has as many members as allowed (429).
    ChatMembers = "chat_members";
    /// The group chats' messages take as much memory as allowed (429).
    ChatBytes = "chat_bytes";
    /// Too many procedures wait for their turn (429).
    ProgramsMax = "programs_max";
    /// A procedure's program, or its URL, took too long (504).
    ProgramTimeout = "program_timeout";
    /// A procedure's program, or its URL, gave too much (413).
    ProgramOutput = "program_output";
    /// An upload was too big or not a form with files.
    Upload = "upload";
    /// Uploads and photos take as much memory as allowed (507).
    FilesMax = "files_max";
    /// The HTTP interface was asked with missing or wrong credentials (401).
    InterfaceLogin = "interface_login";
    /// The HTTP interface was asked by a user without the right to it (403).
    InterfaceRight = "interface_right";
    /// Credentials for the HTTP interface were wrong too often from this address (429).
    InterfaceFailures = "interface_failures";
    /// The peer was silent for too long (1001).
    Silence = "silence";
    /// The peer read too slowly (1013).
    Slow = "slow";
    /// The peer did not end a connection that was closed.
    CloseTimeout = "close_timeout";
    /// The handling of what it sent failed by a fault of the gateway.
    Panicked = "panicked";
    /// The gateway is going down (1001).
    GoingDown = "going_down";
}

/// What the log is told of refusals for one reason: the first since it asked last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Refused,
    /// The client's address; `None` for a link that is gone.
    pub address: Option<IpAddr>,
    /// The login of the user, if known.
    pub user: Option<Arc<str>>,
    /// How many there were, this one included.
    pub count: u64,
}
