//! `[crm]` and `[tls]` as typed values: one variant for each way to link the CRM, with what that
//! way needs and nothing else.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use okgate_core::hub::CallerName;
use okgate_core::wire::host;
use okgate_core::wire::upgrade::{Format, Version};
use rustls::pki_types::ServerName;

use super::fault::Fault;
use super::secret::Secret;

/// `[crm]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrmSettings {
    /// How the CRM is linked.
    pub mode: CrmMode,
    /// `[crm.caller_name]`; only with a link.
    pub caller_name: Option<CallerName>,
}

/// How the CRM is linked (protocol 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrmMode {
    /// Not at all.
    Off,
    /// By HTTP requests of the gateway: `http-out`, or `https-out` with TLS.
    Http(HttpLink),
    /// By a WebSocket that the gateway opens: `ws-out`, or `wss-out` with TLS.
    WebSocketOut(OutLink),
    /// By a WebSocket that the CRM opens: `ws-in`, or `wss-in` with TLS.
    WebSocketIn(InLink),
}

impl CrmMode {
    /// `mode` as the settings spell it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Http(link) if link.url.tls.is_none() => "http-out",
            Self::Http(_) => "https-out",
            Self::WebSocketOut(OutLink { tls: None, .. }) => "ws-out",
            Self::WebSocketOut(_) => "wss-out",
            Self::WebSocketIn(InLink { tls: None, .. }) => "ws-in",
            Self::WebSocketIn(_) => "wss-in",
        }
    }
}

/// HTTP requests to the CRM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLink {
    /// Where they go.
    pub url: PostUrl,
    /// The format of messages.
    pub format: Format,
    /// Who the gateway is there.
    pub credentials: Option<Credentials>,
    /// How often the introduction and the catalogues are asked for.
    pub refresh: Duration,
    /// Bytes of an answer.
    pub message_bytes: Option<usize>,
    /// Dynamic methods that wait for a result at a time.
    pub method_runs: Option<usize>,
}

/// A URL that messages are posted to, and the bounds on that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostUrl {
    /// The CRM's host, by name or number (an IPv6 one without brackets).
    pub host: String,
    /// The CRM's port.
    pub port: u16,
    /// What to ask for, from the first slash on.
    pub path_and_query: String,
    /// With TLS, and whom it trusts.
    pub tls: Option<ClientTls>,
    /// How long an answer may take, to its last byte.
    pub answer_timeout: Duration,
    /// Requests at a time.
    pub exchanges: usize,
}

impl PostUrl {
    /// The `Host` header: the port is left out if it is the scheme's own (RFC 9110, 7.2).
    #[must_use]
    pub fn host_header(&self) -> String {
        host::header(&self.host, self.port, self.tls.is_some())
    }
}

/// A WebSocket that the gateway opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutLink {
    /// The CRM's host, by name or number (an IPv6 one without brackets).
    pub host: String,
    /// The CRM's port.
    pub port: u16,
    /// The path to ask for.
    pub path: String,
    /// The version to ask for.
    pub version: Version,
    /// With TLS, and whom it trusts.
    pub tls: Option<ClientTls>,
    /// The format of messages.
    pub format: Format,
    /// Who the gateway is there.
    pub credentials: Option<Credentials>,
    /// Where methods are posted to that the CRM declares for HTTP.
    pub method_url: Option<PostUrl>,
    /// Bytes of a message from the CRM.
    pub message_bytes: Option<usize>,
    /// Bytes that wait to be sent to the CRM.
    pub queue_bytes: Option<usize>,
    /// Dynamic methods that wait for a result at a time.
    pub method_runs: Option<usize>,
}

impl OutLink {
    /// `host:port`, an IPv6 address in brackets.
    #[must_use]
    pub fn address(&self) -> String {
        host::address(&self.host, self.port)
    }

    /// The `Host` header: the port is left out if it is the scheme's own (RFC 6455, 4.1).
    #[must_use]
    pub fn host_header(&self) -> String {
        host::header(&self.host, self.port, self.tls.is_some())
    }
}

/// A WebSocket that the CRM opens. The CRM chooses the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InLink {
    /// Where the CRM connects.
    pub listen: SocketAddr,
    /// With TLS, and with which certificate.
    pub tls: Option<ServerTls>,
    /// What the CRM must show.
    pub auth: CrmAuth,
    /// Whether version 0 is accepted; never with TLS.
    pub allow_hixie: bool,
    /// Where methods are posted to that the CRM declares for HTTP.
    pub method_url: Option<PostUrl>,
    /// Bytes of a message from the CRM.
    pub message_bytes: Option<usize>,
    /// Bytes that wait to be sent to the CRM.
    pub queue_bytes: Option<usize>,
    /// Dynamic methods that wait for a result at a time.
    pub method_runs: Option<usize>,
}

impl InLink {
    /// Whether the CRM must show a certificate of its own.
    #[must_use]
    pub fn wants_certificate(&self) -> bool {
        let tls = self.tls.as_ref();
        tls.is_some_and(|tls| tls.client_roots.is_some())
    }
}

/// What a CRM that connects must show (protocol 2.2-l).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrmAuth {
    /// Nothing.
    None,
    /// These credentials, as RFC 7617 has it.
    Basic(Credentials),
    /// That it knows these credentials, as RFC 7616 has it.
    Digest {
        /// What it must know.
        credentials: Credentials,
        /// How long a nonce may be used.
        nonce_lifetime: Duration,
    },
}

/// A login and its password. The `Debug` form shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The login; it has no colon.
    pub login: String,
    /// The password; it may be empty.
    pub password: Secret,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credentials(…)")
    }
}

/// TLS of a link that the gateway opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// Whom the CRM's certificate must be for: the host.
    pub name: ServerName<'static>,
    /// Where that certificate must come from.
    pub roots: TrustRoots,
    /// Our own certificate and its key.
    pub client_certificate: Option<(NamedFile, NamedFile)>,
}

/// Which authorities are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustRoots {
    /// Those of the system.
    System,
    /// Those in this file.
    File(NamedFile),
}

/// TLS of a link that the CRM opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// Our certificate with its chain.
    pub certificate: NamedFile,
    /// Its key.
    pub private_key: NamedFile,
    /// The authorities that the CRM's certificate must come from; without them it needs none.
    pub client_roots: Option<NamedFile>,
}

/// A file that the settings name, and where they do: what is in it shows only when it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// Where it is.
    pub path: PathBuf,
    /// The key that names it, with its section.
    pub key: &'static str,
    /// The line of the settings file.
    pub line: usize,
}

impl NamedFile {
    /// What is wrong with it, as a fault of the settings.
    pub fn fault(&self, reason: impl fmt::Display) -> Fault {
        Fault {
            line: self.line,
            key: self.key.to_owned(),
            reason: reason.to_string(),
        }
    }
}
