//! What the settings and the protocol say about the CRM's link.

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::{MultipartLimits, PACKET_CHARS, VersionInfo};
use crate::wire::credentials::{Login, NONCE_LIFETIME, Scheme};
use crate::wire::head;
use crate::wire::upgrade::{Format, Version};

/// How the CRM is linked, and who asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrmConfig {
    /// `mode` of the settings.
    pub mode: &'static str,
    /// Who connects to whom, and how.
    pub transport: Transport,
    /// The format of messages; of an incoming link the CRM chooses its own.
    pub format: Format,
    /// The login at the CRM, of links that the gateway opens and of what it posts.
    pub credentials: Option<Login>,
    /// Where messages are posted to: all of them in an HTTP mode, and in any other those that
    /// run methods which the CRM declares for HTTP (protocol 8-f).
    pub posting: Option<Posting>,
    /// `version` of the introduction: the compatible protocol date (protocol 6.2).
    pub dated: i64,
    /// `build` of the introduction.
    pub build: Arc<str>,
    /// The bounds.
    pub limits: Limits,
}

impl CrmConfig {
    /// A link with JSON, without a login, which posts nothing and introduces the gateway with
    /// the version of protocol 6.2.
    #[must_use]
    pub fn new(mode: &'static str, transport: Transport) -> Self {
        let VersionInfo { dated, build, .. } = VersionInfo::default();
        Self {
            mode,
            transport,
            format: Format::Json,
            credentials: None,
            posting: None,
            dated,
            build,
            limits: Limits::default(),
        }
    }
}

/// Who connects to whom, and how (protocol 2). TLS lies below and is not seen here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `ws-out`, `wss-out`: the gateway opens a WebSocket and restores it.
    WebSocketOut(WebSocketOut),
    /// `ws-in`, `wss-in`: the CRM opens a WebSocket and restores it.
    WebSocketIn(WebSocketIn),
    /// `http-out`, `https-out`: each message is an exchange of its own.
    Http,
}

/// The WebSocket that the gateway asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketOut {
    /// The `Host` header: name or address, and the port if it is not the scheme's own.
    pub host: String,
    /// The path of the request.
    pub path: String,
    /// The WebSocket version to ask for.
    pub version: Version,
}

/// What is asked of a CRM that connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketIn {
    /// Whether version 0 is spoken, too.
    pub allow_hixie: bool,
    /// Whether TLS lies below.
    pub is_tls: bool,
    /// How it has to prove who it is.
    pub scheme: Scheme,
    /// The login that it has to know.
    pub login: Login,
    /// How long a nonce of a Digest challenge is good for.
    pub nonce_lifetime: Duration,
}

impl Default for WebSocketIn {
    /// Anybody is let in.
    fn default() -> Self {
        Self {
            allow_hixie: false,
            is_tls: false,
            scheme: Scheme::None,
            login: Login::new("", ""),
            nonce_lifetime: NONCE_LIFETIME,
        }
    }
}

/// Where messages are posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Path and query of the URL.
    pub target: String,
    /// Messages that may be posted at a time; more wait.
    pub exchanges_max: usize,
}

/// The bounds and times of the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a message from the CRM; more closes the link with 1009.
    pub message_bytes_max: u32,
    /// Bytes that may wait to be sent; more closes the link with 1013, and it is
    /// made again.
    pub queue_bytes_max: usize,
    /// Over HTTP: how often the CRM is asked again who it is and what it can do (protocol 2.1-j).
    pub refresh: Duration,
    /// Connections of CRMs that may ask to be let in at a time.
    pub candidates_max: usize,
    /// How long a link may take to show that it lives, when another CRM wants its place (protocol
    /// 2-j).
    pub contest: Duration,
    /// Messages that are refused on a link without a format before it is closed (protocol 2.2-h).
    pub formatless_refusals_max: u32,
    /// How long a link without a format may stay.
    pub formatless: Duration,
    /// Bytes of an answer or a request that still goes out in one message; longer
    /// ones go out in packets (protocol 3.3).
    pub plain_bytes_max: usize,
    /// Characters of base64 in a packet.
    pub packet_chars: usize,
    /// What the CRM may leave unfinished in packets.
    pub multipart: MultipartLimits,
    /// Bounds of the head that answers the handshake.
    pub head: head::Limits,
    /// Dynamic methods that may run or wait for the link at a time.
    pub method_runs_max: usize,
    /// Methods, and forms, that the CRM may declare; more are ignored.
    pub declared_max: usize,
    /// Users that may be active in the CRM; more are ignored.
    pub users_max: usize,
    /// Requests of the CRM that may wait for the hub; more are refused.
    pub requests_max: usize,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long the handshake may take (protocol 9).
    pub handshake_timeout: Duration,
    /// How long the CRM's introduction is waited for (protocol 4).
    pub introduction_wait: Duration,
    /// After so much silence the CRM is pinged (protocol 3.5).
    pub ping_after: Duration,
    /// After so much silence the link is closed (protocol 3.5).
    pub silence_max: Duration,
    /// The bound of the first pause before another try; it doubles with each
    /// failure (protocol 2).
    pub pause_min: Duration,
    /// The greatest bound of a pause.
    pub pause_max: Duration,
    /// A link that was healthy for so long starts with the shortest pause again.
    pub health: Duration,
    /// `waitresponsems`: how long a result is still accepted after its time-out
    /// (protocol 8).
    pub late_result: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 16 << 20,
            queue_bytes_max: 16 << 20,
            refresh: Duration::from_secs(600),
            candidates_max: 16,
            contest: Duration::from_secs(2),
            formatless_refusals_max: 10,
            formatless: Duration::from_secs(10),
            plain_bytes_max: 2048,
            packet_chars: PACKET_CHARS,
            multipart: MultipartLimits::default(),
            head: head::Limits::default(),
            method_runs_max: 10_000,
            declared_max: 10_000,
            users_max: 100_000,
            requests_max: 1000,
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            introduction_wait: Duration::from_secs(5),
            ping_after: Duration::from_secs(20),
            silence_max: Duration::from_secs(60),
            pause_min: Duration::from_millis(500),
            pause_max: Duration::from_secs(30),
            health: Duration::from_secs(60),
            late_result: Duration::from_secs(30),
        }
    }
}
