//! The handshake of a link that we open.

use base64_simd::STANDARD;
use tungstenite::handshake::derive_accept_key;

use super::{Format, Version};
use crate::wire::answer::append;
use crate::wire::head::ResponseHead;
use crate::wire::hixie::handshake::{ANSWER_BODY_BYTES, Question};

/// What an outgoing link asks for. Send what [`UpgradeRequest::write`] writes, and give the head of
/// the answer to [`UpgradeRequest::check`] as soon as so many bytes have come as
/// [`UpgradeRequest::handshake_bytes`] says.
#[derive(Clone, Copy, Debug)]
pub struct UpgradeRequest<'a> {
    /// The `Host` header: name or address, with the port if it is not the scheme's own.
    pub host: &'a str,
    /// The request's target: path and query, starting with `/`.
    pub path: &'a str,
    /// The version of the WebSocket protocol.
    pub version: Version,
    /// The format that is asked for as subprotocol.
    pub format: Format,
    /// Fresh random bytes.
    pub nonce: [u8; 16],
    /// More headers, such as `Authorization`.
    pub headers: &'a [(&'a str, &'a str)],
}

/// A request cannot be written: a setting is wrong, and another try would fail too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// The host is empty or has a character that a header must not have.
    #[error("the host is not fit for a Host header")]
    Host,
    /// The path does not start with `/`, or has a space, control or non-ASCII character.
    #[error("the path must start with / and be percent-encoded ASCII")]
    Path,
    /// The name or the value of one of the further headers cannot be sent.
    #[error("a header with an unfit name or value")]
    Header,
}

/// The answer does not open the link: close it, and try again by the back-off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// Credentials are missing or wrong (401).
    #[error("the CRM wants other credentials (401)")]
    Unauthorized {
        /// The values of `WWW-Authenticate`, which say what is wanted: what
        /// [`crate::wire::credentials::ClientCredentials::answer`] takes.
        challenges: Vec<String>,
    },
    /// The CRM sends us elsewhere (3xx).
    #[error(
        "redirects are not followed: the CRM answered {status}, to {location}; set crm.address and crm.path to that"
    )]
    Redirect {
        /// The status of the answer.
        status: u16,
        /// The `Location` of the answer.
        location: String,
    },
    /// The version is not spoken (426, or 400 with a list).
    #[error("the CRM does not speak this WebSocket version ({status}); it names: {spoken}")]
    Version {
        /// The status of the answer.
        status: u16,
        /// The `Sec-WebSocket-Version` of the answer.
        spoken: String,
    },
    /// Another status than 101, and none of the above.
    #[error("the CRM answered with status {status} instead of 101")]
    Status {
        /// The status of the answer.
        status: u16,
    },
    /// A 101 without `Upgrade: websocket` and `Connection: Upgrade`.
    #[error("the answer's Upgrade or Connection header is wrong")]
    Upgrade,
    /// `Sec-WebSocket-Accept` does not prove that our request was read: the peer may be no
    /// WebSocket server, or a cache answered.
    #[error("the answer's Sec-WebSocket-Accept is wrong")]
    AcceptKey,
    /// The same for version 0: the 16 bytes behind the head.
    #[error("the answer to the challenge of version 0 is wrong")]
    Challenge,
    /// A subprotocol that was not asked for.
    #[error("the CRM chose the subprotocol {chosen:?}, which was not asked for")]
    Subprotocol {
        /// What it chose.
        chosen: String,
    },
    /// An extension, though none was offered.
    #[error("the CRM chose an extension, though none was offered")]
    Extension,
}

impl UpgradeRequest<'_> {
    /// Appends the request.
    pub fn write(&self, output: &mut Vec<u8>) -> Result<(), RequestFault> {
        if self.host.is_empty() || !self.host.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(RequestFault::Host);
        }
        if !self.path.starts_with('/') || !self.path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(RequestFault::Path);
        }
        if !self
            .headers
            .iter()
            .all(|&(name, value)| is_fit(name, value))
        {
            return Err(RequestFault::Header);
        }
        append(output, &["GET ", self.path, " HTTP/1.1\r\n"]);
        append(output, &["Host: ", self.host, "\r\n"]);
        let question = (self.version == Version::V0).then(|| Question::new(self.nonce));
        match &question {
            None => {
                append(output, &["Upgrade: websocket\r\nConnection: Upgrade\r\n"]);
                append(output, &["Sec-WebSocket-Key: ", &self.key(), "\r\n"]);
                let version = self.version.as_str();
                append(output, &["Sec-WebSocket-Version: ", version, "\r\n"]);
            }
            Some(question) => {
                append(output, &["Upgrade: WebSocket\r\nConnection: Upgrade\r\n"]);
                append(output, &["Origin: http://", self.host, "\r\n"]);
                let [one, two] = &question.keys;
                append(output, &["Sec-WebSocket-Key1: ", one, "\r\n"]);
                append(output, &["Sec-WebSocket-Key2: ", two, "\r\n"]);
            }
        }
        let format = self.format.as_str();
        append(output, &["Sec-WebSocket-Protocol: ", format, "\r\n"]);
        for (name, value) in self.headers {
            append(output, &[name, ": ", value, "\r\n"]);
        }
        append(output, &["\r\n"]);
        if let Some(question) = question {
            output.extend_from_slice(&question.body);
        }
        Ok(())
    }

    /// Bytes of the answer that belong to the handshake: its head and, in version 0, what proves that the request was
    /// read. Those behind them are the peer's first frames.
    pub fn handshake_bytes(&self, head: &ResponseHead<'_>) -> usize {
        let has_body = self.version == Version::V0 && head.status == 101;
        head.consumed() + if has_body { ANSWER_BODY_BYTES } else { 0 }
    }

    /// Whether the answer opens the link. An answer without subprotocol does (protocol 2.2).
    pub fn check(&self, head: &ResponseHead<'_>) -> Result<(), UpgradeError> {
        let headers = &head.headers;
        if head.status != 101 {
            return Err(refused(head));
        }
        let is_upgrade =
            headers.has_token("upgrade", "websocket") && headers.has_token("connection", "upgrade");
        if !is_upgrade {
            return Err(UpgradeError::Upgrade);
        }
        self.check_proof(head)?;
        if headers.tokens("sec-websocket-extensions").next().is_some() {
            return Err(UpgradeError::Extension);
        }
        let mut chosen = headers.values("sec-websocket-protocol");
        let asked = self.format.as_str().as_bytes();
        let other = chosen.find(|value| {
            let value = value.trim_ascii();
            !value.is_empty() && !value.eq_ignore_ascii_case(asked)
        });
        match other {
            None => Ok(()),
            Some(value) => Err(UpgradeError::Subprotocol {
                chosen: String::from_utf8_lossy(value).into_owned(),
            }),
        }
    }

    /// Where version 0's answer says that the link leads is not looked at: behind a proxy it is rarely the address that
    /// was asked.
    fn check_proof(&self, head: &ResponseHead<'_>) -> Result<(), UpgradeError> {
        if self.version == Version::V0 {
            let expected = Question::new(self.nonce).response;
            if head.behind().first_chunk() != Some(&expected) {
                return Err(UpgradeError::Challenge);
            }
            return Ok(());
        }
        let accept_key = derive_accept_key(self.key().as_bytes());
        if head.headers.single("sec-websocket-accept") != Ok(Some(&accept_key)) {
            return Err(UpgradeError::AcceptKey);
        }
        Ok(())
    }

    fn key(&self) -> String {
        STANDARD.encode_to_string(self.nonce)
    }
}

/// The error for an answer with another status than 101.
fn refused(head: &ResponseHead<'_>) -> UpgradeError {
    let status = head.status;
    let spoken = head.headers.text("sec-websocket-version");
    match (status, spoken) {
        (401, _) => {
            let values = head.headers.values("www-authenticate").take(CHALLENGES_MAX);
            let text = |value| String::from_utf8_lossy(value).into_owned();
            UpgradeError::Unauthorized {
                challenges: values.map(text).collect(),
            }
        }
        (300..=399, _) => UpgradeError::Redirect {
            status,
            location: location(head),
        },
        (426, _) | (400, Some(_)) => UpgradeError::Version {
            status,
            spoken: spoken.unwrap_or("none").to_owned(),
        },
        _ => UpgradeError::Status { status },
    }
}

/// Where the answer sends us, for the log.
fn location(head: &ResponseHead<'_>) -> String {
    let location = head.headers.text("location").unwrap_or("nowhere");
    location.chars().take(LOCATION_CHARS_MAX).collect()
}

/// So much of a location is told.
const LOCATION_CHARS_MAX: usize = 200;

/// So many headers with challenges are looked at.
const CHALLENGES_MAX: usize = 8;

/// Whether the header can be sent: a token, and a value without line breaks (RFC 9110, 5).
fn is_fit(name: &str, value: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte);
    let is_text = |byte: u8| byte == b'\t' || !byte.is_ascii_control();
    !name.is_empty() && name.bytes().all(is_token) && value.bytes().all(is_text)
}
