//! The settings as typed values. What each means, its default and its range is
//! in [`super::schema`]; a limit that is `None` is no limit.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use okgate_core::hub::{DeskConfig, FormsConfig, InterfaceConfig, TokenAlgorithm};
use okgate_core::switchboard::Directory;
use okgate_core::wire::forwarded::ForwardedHeader;

use super::Secret;
use super::link::{CrmAuth, CrmMode, CrmSettings};

/// A whole settings file, every value known to be good.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `[gateway]`.
    pub gateway: GatewaySettings,
    /// `[clients]`.
    pub clients: ClientSettings,
    /// `[crm]`.
    pub crm: CrmSettings,
    /// `[web]`.
    pub web: WebSettings,
    /// `[admin]`.
    pub admin: AdminSettings,
    /// `[pbx]`.
    pub pbx: PbxSettings,
    /// `[[users]]`, `[[departments]]` and `[[break_reasons]]`.
    pub directory: Directory,
    /// `[forms]` and `[[form_rules]]`.
    pub forms: FormsConfig,
    /// `[desk]` and `[[procedures]]`; whether there is an HTTP interface is not in it.
    pub desk: DeskConfig,
}

impl Settings {
    /// What is allowed and should not be overlooked, each as `KEY: words`.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        // protocol 2.2-n
        if let CrmMode::WebSocketIn(link) = &self.crm.mode
            && link.auth == CrmAuth::None
            && !link.listen.ip().is_loopback()
            && !link.wants_certificate()
        {
            warnings.push(format!(
                "crm.auth: \"none\" on {}: whoever reaches this address can be the CRM; set auth, or let only the CRM reach it",
                link.listen
            ));
        }
        warnings
    }
}

/// `[gateway]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewaySettings {
    /// Cores to use; `None` means all.
    pub cores: Option<usize>,
    /// What is logged, as directives of `tracing-subscriber`.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Where what outlives the gateway is kept.
    pub data_dir: Option<PathBuf>,
    /// Over which time a drain spreads its closes.
    pub drain: Duration,
    /// How long numbers' states are collected.
    pub number_states_interval: Duration,
}

/// How the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[clients]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// Where tabs connect; never empty.
    pub listen: Vec<SocketAddr>,
    /// Pages that may connect, in lower case without a default port; empty
    /// means all.
    pub origins: Vec<String>,
    /// The proxies that are believed whom they speak for.
    pub trusted_proxies: Vec<IpNet>,
    /// Where they say it.
    pub forwarded_header: ForwardedHeader,
    /// Connections that wait to be accepted.
    pub backlog: u16,
    /// The limits of protocol 9.
    pub limits: ClientLimits,
    /// `[clients.token]`.
    pub token: Option<TokenSettings>,
}

/// The limits of protocol 9 on client links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Connections at a time.
    pub connections: Option<usize>,
    /// Connections at a time from one address.
    pub connections_per_address: Option<u32>,
    /// Handshakes a second from one address, sustained.
    pub handshakes_per_address_per_second: Option<u32>,
    /// Handshakes at once from one address.
    pub handshakes_per_address_burst: Option<u32>,
    /// Users logged in at a time.
    pub users: Option<usize>,
    /// Tabs of one user at a time.
    pub tabs_per_user: Option<usize>,
    /// Bytes of a request head.
    pub handshake_bytes: Option<usize>,
    /// Time for the handshake.
    pub handshake: Option<Duration>,
    /// Time until the login.
    pub unauthenticated: Option<Duration>,
    /// Bytes of messages that wait for the end of a login.
    pub login_held_bytes: Option<usize>,
    /// Time for a tab without a format.
    pub formatless: Option<Duration>,
    /// Messages of a tab without a format.
    pub formatless_messages: Option<u32>,
    /// Bytes of a frame.
    pub frame_bytes: Option<usize>,
    /// Bytes of a message.
    pub message_bytes: Option<usize>,
    /// Messages a second, sustained.
    pub messages_per_second: Option<u32>,
    /// Messages at once.
    pub messages_burst: Option<u32>,
    /// Messages in a row that were too fast.
    pub messages_refused: Option<u32>,
    /// Bytes that wait to be sent to one tab.
    pub queue_bytes: Option<usize>,
    /// Bytes of answers in pieces that wait to be sent to one tab.
    pub long_answer_bytes: Option<usize>,
    /// Bytes above which an answer is sent in pieces.
    pub multipart_over_bytes: Option<usize>,
    /// Sessions without a tab that are kept for one user.
    pub idle_sessions_per_user: Option<usize>,
    /// The longest life of a session that a login may ask for.
    pub session_life: Option<Duration>,
    /// Silence after which a PING is sent.
    pub silence_ping: Option<Duration>,
    /// Silence after which the link is closed.
    pub silence_close: Option<Duration>,
    /// Time for a peer to end a connection that was closed.
    pub closing: Option<Duration>,
}

/// `[clients.token]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// How tokens are signed.
    pub algorithm: TokenAlgorithm,
    /// The shared secret (HS256) or the public key as PEM.
    pub key: Secret,
    /// What `iss` must be, if anything.
    pub issuer: Option<String>,
    /// How far in the future `exp` may be.
    pub lifetime_max: Option<Duration>,
}

/// `[web]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSettings {
    /// Where the operator page and the HTTP interface are served; may be empty.
    pub listen: Vec<SocketAddr>,
    /// Who may use the HTTP interface, and how often its credentials may be wrong.
    pub interface: InterfaceConfig,
    /// Bytes of a form that is posted to it.
    pub form_bytes: usize,
}

/// `[admin]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSettings {
    /// Where it is served; loopback if there is no token.
    pub listen: SocketAddr,
    /// What requests under `/api/v1` must carry.
    pub token: Option<Secret>,
}

/// `[pbx]`.
#[derive(Clone, Debug, PartialEq)]
pub enum PbxSettings {
    /// The simulated switch.
    Sim(SimSettings),
}

/// `[pbx.sim]`.
#[derive(Clone, Debug, PartialEq)]
pub struct SimSettings {
    /// When an outside party picks up.
    pub answer_after: Duration,
    /// When an unanswered phone stops ringing.
    pub ring_timeout: Duration,
    /// Numbers that are busy.
    pub busy_numbers: Vec<String>,
    /// Numbers that never pick up.
    pub no_answer_numbers: Vec<String>,
    /// Where accidents start from.
    pub seed: u64,
    /// The share of refused commands, 0 to 1.
    pub reject_share: f64,
    /// The greatest delay of a command's answer.
    pub delay: Duration,
}
