//! Owns how a simulated CRM is linked and behaves: the mode of its link, what it asks for, who is active in it.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::behaviour::Behaviour;
use crate::auth::{Credentials, Scheme};
use crate::format::Format;
use crate::tls::Identity;

/// How a simulated CRM behaves.
#[derive(Debug, Clone)]
pub struct CrmOptions {
    /// Who connects to whom, and over what.
    pub mode: Mode,
    /// The format of its messages; where the gateway chooses, what it asks for counts.
    pub format: Format,
    /// Where it listens in the outgoing modes; port 0 takes a free port.
    pub listen: SocketAddr,
    /// Where it connects to in the incoming modes.
    pub connect: SocketAddr,
    /// The path that it asks for in the incoming modes.
    pub path: String,
    /// How it asks for credentials in the outgoing modes, and gives its own in the incoming ones: Basic up front, or
    /// what the gateway asks for.
    pub auth: Scheme,
    /// The credentials that it asks for or gives.
    pub credentials: Option<Credentials>,
    /// How long a nonce that it gave out is good for.
    pub nonce_lifetime: Duration,
    /// Certificates and roots of the modes with TLS; what is missing is made.
    pub tls: CrmTls,
    /// The one version of the protocol that it speaks.
    pub websocket_version: WebSocketVersion,
    /// The subprotocols that it offers in the incoming modes; none: that of its format.
    pub offers: Vec<String>,
    /// How long it waits before it restores its link in the incoming modes.
    pub restore_after: Duration,
    /// Names by telephone number, for methods that look callers up.
    pub callers: HashMap<String, String>,
    /// How long the method `slow` takes.
    pub method_delay: Duration,
    /// Who introduces itself first.
    pub introduce: Introduce,
    /// Sends the catalogues in packets also when they are short.
    pub multipart_catalogue: bool,
    /// What the handshake says about the subprotocol.
    pub subprotocol: SubprotocolAnswer,
    /// The users that are active in the CRM.
    pub active_users: Vec<ActiveUser>,
    /// What it can do and how it misbehaves.
    pub behaviour: Behaviour,
    /// What its chances are drawn from.
    pub seed: u64,
    /// Whether it keeps a record; under a long load that would be a lot.
    pub keeps_record: bool,
    /// Whether the record has the messages that came and went.
    pub keeps_messages: bool,
}

impl CrmOptions {
    /// A CRM with default behaviour on this address.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            mode: Mode::WsOut,
            format: Format::Json,
            listen,
            connect: SocketAddr::from(([127, 0, 0, 1], 4067)),
            path: "/".into(),
            auth: Scheme::None,
            credentials: None,
            nonce_lifetime: Duration::from_secs(300),
            tls: CrmTls::default(),
            websocket_version: WebSocketVersion::V13,
            offers: Vec::new(),
            restore_after: Duration::from_millis(200),
            callers: HashMap::new(),
            method_delay: Duration::from_secs(1),
            introduce: Introduce::Answer,
            multipart_catalogue: false,
            subprotocol: SubprotocolAnswer::Echo,
            active_users: Vec::new(),
            behaviour: Behaviour::default(),
            seed: 1,
            keeps_record: true,
            keeps_messages: true,
        }
    }

    /// A CRM with default behaviour on a free loopback port.
    pub fn on_loopback() -> Self {
        Self::new(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Sets the mode and the format.
    #[must_use]
    pub fn mode(mut self, mode: Mode, format: Format) -> Self {
        self.mode = mode;
        self.format = format;
        self
    }

    /// Asks for, or gives, these credentials in this way.
    #[must_use]
    pub fn auth(mut self, scheme: Scheme, credentials: Credentials) -> Self {
        self.auth = scheme;
        self.credentials = Some(credentials);
        self
    }

    /// Adds a caller's name.
    #[must_use]
    pub fn caller(mut self, number: &str, name: &str) -> Self {
        self.callers.insert(number.to_owned(), name.to_owned());
        self
    }

    /// Adds an active user.
    #[must_use]
    pub fn active_user(mut self, login: &str, id: &str) -> Self {
        self.active_users.push(ActiveUser {
            login: login.to_owned(),
            id: id.to_owned(),
        });
        self
    }
}

/// The six modes of the server link (protocol 2), named from the gateway's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Mode {
    /// The gateway posts each message
    HttpOut,
    /// The same over TLS
    HttpsOut,
    /// The gateway connects by WebSocket
    WsOut,
    /// The same over TLS
    WssOut,
    /// The CRM connects by WebSocket
    WsIn,
    /// The same over TLS
    WssIn,
}

impl Mode {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::HttpOut,
        Self::HttpsOut,
        Self::WsOut,
        Self::WssOut,
        Self::WsIn,
        Self::WssIn,
    ];

    /// Its name in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::HttpOut => "http-out",
            Self::HttpsOut => "https-out",
            Self::WsOut => "ws-out",
            Self::WssOut => "wss-out",
            Self::WsIn => "ws-in",
            Self::WssIn => "wss-in",
        }
    }

    /// Whether messages are posted and no link stays.
    pub fn is_http(self) -> bool {
        matches!(self, Self::HttpOut | Self::HttpsOut)
    }

    /// Whether the CRM connects.
    pub fn is_incoming(self) -> bool {
        matches!(self, Self::WsIn | Self::WssIn)
    }

    /// Whether it runs over TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::HttpsOut | Self::WssOut | Self::WssIn)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The versions of the WebSocket protocol (protocol 2.2-a).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, clap::ValueEnum)]
pub enum WebSocketVersion {
    /// RFC 6455
    #[default]
    #[value(name = "13")]
    V13,
    /// A draft whose frames are the same
    #[value(name = "8")]
    V8,
    /// A draft whose frames are the same
    #[value(name = "7")]
    V7,
    /// hixie-76
    #[value(name = "0")]
    V0,
}

impl WebSocketVersion {
    /// All four.
    pub const ALL: [Self; 4] = [Self::V13, Self::V8, Self::V7, Self::V0];

    /// Its number in the settings and in the handshake, where version 0 says nothing.
    pub fn number(self) -> u8 {
        match self {
            Self::V13 => 13,
            Self::V8 => 8,
            Self::V7 => 7,
            Self::V0 => 0,
        }
    }
}

/// The certificates of a link over TLS, as PEM texts.
#[derive(Debug, Clone, Default)]
pub struct CrmTls {
    /// The CRM's own certificate: as a server it makes one if it has none, as a client it shows none then.
    pub identity: Option<Identity>,
    /// Incoming modes: the root that the gateway's certificate must come from.
    pub root: Option<String>,
    /// Incoming modes: the name that the gateway's certificate must be for; none: `localhost`.
    pub server_name: Option<String>,
    /// Outgoing modes: the root that the gateway's own certificate must come from; none: it needs none.
    pub client_root: Option<String>,
}

/// Who introduces itself first (protocol 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Introduce {
    /// The CRM asks `whoareyou` as soon as the link is up, and `getpbxnumbers` after the answer.
    First,
    /// The CRM answers the gateway's `whoareyou`.
    Answer,
    /// The CRM says nothing about itself.
    Never,
}

/// What the handshake's answer says about the subprotocol (protocol 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubprotocolAnswer {
    /// The first token asked for.
    Echo,
    /// Nothing.
    Nothing,
    /// This token, asked for or not.
    Token(String),
}

/// A user who is active in the CRM (protocol 5).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActiveUser {
    /// The login.
    pub login: String,
    /// The CRM's own id of the user.
    pub id: String,
}
