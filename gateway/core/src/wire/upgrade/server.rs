//! The handshake of a link that a peer opens to us.

use tungstenite::handshake::derive_accept_key;

use super::{Format, Version};
use crate::wire::answer::{Answer, append};
use crate::wire::head::RequestHead;
use crate::wire::hixie::handshake::{REQUEST_BODY_BYTES, number_in, response};

/// What a listener asks of those who connect.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy<'a> {
    /// The origins whose pages may connect; empty: any, and also programs that name none.
    pub origins: &'a [String],
    /// Whether version 0 is spoken (protocol 2.2-b).
    pub allow_hixie: bool,
    /// Whether the listener speaks TLS: the answer of version 0 says so.
    pub is_tls: bool,
}

/// A handshake that can be granted: send what [`Upgrade::write_response`] writes, and the link
/// speaks frames from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade<'a> {
    /// The path of the request, without query.
    pub path: &'a str,
    /// What stands behind the path's `?`.
    pub query: Option<&'a str>,
    /// The version that the peer speaks.
    pub version: Version,
    /// The format of the link's messages; without one every message is refused (protocol 2.2).
    pub format: Option<Format>,
    /// The offered token that named the format; it is echoed.
    pub subprotocol: Option<&'a str>,
    /// The page that opened the link, if named.
    pub origin: Option<&'a str>,
    proof: Proof<'a>,
}

/// What the answer is made of that proves that the request was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof<'a> {
    Key(&'a str),
    Challenge(Challenge<'a>),
}

/// The handshake of version 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Challenge<'a> {
    numbers: [u32; 2],
    /// `None` while it has not come.
    body: Option<[u8; REQUEST_BODY_BYTES]>,
    scheme: &'static str,
    host: &'a str,
}

/// Why a request does not become a WebSocket. Send what [`Refusal::write_response`] writes, then
/// close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal<'a> {
    /// A plain `GET` or `HEAD`. Answered with a short page (200) at `/` and 404 elsewhere.
    #[error("this address speaks WebSocket: the Oktell Web-Socket integration protocol")]
    NotUpgrade {
        /// The path that was asked for.
        path: &'a str,
        /// Whether only the head of the answer is wanted.
        is_head: bool,
    },
    /// Another method. Answered with 405.
    #[error("only GET is understood here")]
    Method,
    /// An upgrade needs HTTP/1.1. Answered with 400.
    #[error("an upgrade to WebSocket needs HTTP/1.1")]
    HttpVersion,
    /// `Host` is missing or repeated. Answered with 400.
    #[error("the header Host must be there, once")]
    Host,
    /// The request has a body, whose bytes could not be told from frames. Answered with 400.
    #[error("a request to upgrade must not have a body")]
    Body,
    /// `Upgrade: websocket` came without `Connection: Upgrade`, as behind a proxy that removed it.
    /// Answered with 400.
    #[error("the header Connection must contain Upgrade")]
    Connection,
    /// A version that is not spoken, or none. Answered with 426, which lists ours.
    #[error("the header Sec-WebSocket-Version must be one of 13, 8, 7")]
    Version,
    /// `Sec-WebSocket-Key` is missing, repeated, or not 16 bytes in base64. Answered with 400.
    #[error("the header Sec-WebSocket-Key must be 16 bytes in base64, once")]
    Key,
    /// The two keys of version 0 do not hide numbers. Answered with 400.
    #[error("the headers Sec-WebSocket-Key1 and Sec-WebSocket-Key2 must hide numbers, each once")]
    HixieKeys,
    /// The page's origin is not in the allow-list, or not named though there is one. Answered with
    /// 403.
    #[error("this origin is not allowed to connect")]
    Origin,
}

/// Decides on a request.
pub fn accept<'a>(head: &RequestHead<'a>, policy: &Policy<'_>) -> Result<Upgrade<'a>, Refusal<'a>> {
    let headers = &head.headers;
    let is_head = head.method == "HEAD";
    if head.method != "GET" && !is_head {
        return Err(Refusal::Method);
    }
    if is_head || !headers.has_token("upgrade", "websocket") {
        let path = head.path();
        return Err(Refusal::NotUpgrade { path, is_head });
    }
    if head.minor_version == 0 {
        return Err(Refusal::HttpVersion);
    }
    let Ok(Some(host)) = headers.single("host") else {
        return Err(Refusal::Host);
    };
    if has_body(head) {
        return Err(Refusal::Body);
    }
    if !headers.has_token("connection", "upgrade") {
        return Err(Refusal::Connection);
    }
    let version = match headers.single("sec-websocket-version") {
        Ok(Some(value)) => Version::from_header(value).ok_or(Refusal::Version)?,
        Ok(None) if policy.allow_hixie && headers.contains("sec-websocket-key1") => Version::V0,
        _ => return Err(Refusal::Version),
    };
    let proof = match headers.single("sec-websocket-key") {
        _ if version == Version::V0 => Proof::Challenge(challenge(head, host, policy)?),
        Ok(Some(key)) if is_key(key) => Proof::Key(key),
        _ => return Err(Refusal::Key),
    };
    let origin = headers.single(version.origin_header());
    let origin = origin.map_err(|_| Refusal::Origin)?;
    if !policy.allows(origin) {
        return Err(Refusal::Origin);
    }
    let chosen = headers
        .tokens("sec-websocket-protocol")
        .find_map(|token| Format::from_token(token).map(|format| (token, format)));
    Ok(Upgrade {
        path: head.path(),
        query: head.query(),
        version,
        format: chosen.map(|(_, format)| format),
        subprotocol: chosen.map(|(token, _)| token),
        origin,
        proof,
    })
}

#[cold]
fn challenge<'a>(
    head: &RequestHead<'a>,
    host: &'a str,
    policy: &Policy<'_>,
) -> Result<Challenge<'a>, Refusal<'a>> {
    let number = |name| match head.headers.single(name) {
        Ok(Some(key)) => number_in(key).ok_or(Refusal::HixieKeys),
        _ => Err(Refusal::HixieKeys),
    };
    Ok(Challenge {
        numbers: [number("sec-websocket-key1")?, number("sec-websocket-key2")?],
        body: head.behind().first_chunk().copied(),
        scheme: if policy.is_tls { "wss://" } else { "ws://" },
        host,
    })
}

impl Policy<'_> {
    fn allows(&self, origin: Option<&str>) -> bool {
        let mut allowed = self.origins.iter();
        self.origins.is_empty()
            || origin.is_some_and(|origin| allowed.any(|one| one.eq_ignore_ascii_case(origin)))
    }
}

impl Upgrade<'_> {
    /// Bytes behind the head that belong to the handshake; those behind them are the peer's first frames. None but in
    /// version 0.
    pub const fn body_bytes(&self) -> usize {
        match self.proof {
            Proof::Key(_) => 0,
            Proof::Challenge(_) => REQUEST_BODY_BYTES,
        }
    }

    /// Whether those bytes have come. If not, read more and decide again: there is no answer yet.
    pub const fn is_complete(&self) -> bool {
        !matches!(self.proof, Proof::Challenge(Challenge { body: None, .. }))
    }

    /// Appends the 101 that grants the upgrade.
    pub fn write_response(&self, output: &mut Vec<u8>) {
        match &self.proof {
            Proof::Key(key) => append(
                output,
                &[
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
                    "Sec-WebSocket-Accept: ",
                    &derive_accept_key(key.as_bytes()),
                    "\r\n",
                ],
            ),
            Proof::Challenge(challenge) => self.append_location(output, challenge),
        }
        if let Some(token) = self.subprotocol {
            append(output, &["Sec-WebSocket-Protocol: ", token, "\r\n"]);
        }
        append(output, &["\r\n"]);
        if let Proof::Challenge(Challenge {
            numbers,
            body: Some(body),
            ..
        }) = self.proof
        {
            output.extend_from_slice(&response(numbers, body));
        }
    }

    /// Appends the beginning of version 0's answer: where the link leads, and who asked for it.
    #[cold]
    fn append_location(&self, output: &mut Vec<u8>, challenge: &Challenge<'_>) {
        let Challenge { scheme, host, .. } = challenge;
        append(
            output,
            &[
                "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n",
                "Sec-WebSocket-Origin: ",
                self.origin.unwrap_or("null"),
                "\r\nSec-WebSocket-Location: ",
                scheme,
                host,
                self.path,
            ],
        );
        if let Some(query) = self.query {
            append(output, &["?", query]);
        }
        append(output, &["\r\n"]);
    }
}

impl Refusal<'_> {
    /// The status of the answer.
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotUpgrade { path, .. } if is_root(path) => 200,
            Self::NotUpgrade { .. } => 404,
            Self::Method => 405,
            Self::HttpVersion
            | Self::Host
            | Self::Body
            | Self::Connection
            | Self::Key
            | Self::HixieKeys => 400,
            Self::Version => 426,
            Self::Origin => 403,
        }
    }

    /// Appends the complete answer: status, headers, and a line that says what is wrong.
    pub fn write_response(&self, output: &mut Vec<u8>) {
        let status = self.status();
        let headers: &[(&str, &str)] = match self {
            Self::Version => &[
                ("Sec-WebSocket-Version", Version::LIST),
                ("Upgrade", "websocket"),
            ],
            Self::Method => &[("Allow", "GET, HEAD")],
            _ => &[],
        };
        let text = if status == 404 {
            "there is nothing here\n".to_owned()
        } else {
            format!("{self}\n")
        };
        let answer = Answer {
            status,
            headers,
            body: &text,
            without_body: matches!(self, Self::NotUpgrade { is_head: true, .. }),
        };
        answer.write(output);
    }
}

const fn is_root(path: &str) -> bool {
    matches!(path.as_bytes(), b"/" | b"")
}

fn has_body(head: &RequestHead<'_>) -> bool {
    let is_empty = |value: &[u8]| value.trim_ascii() == b"0";
    head.headers.contains("transfer-encoding")
        || !head.headers.values("content-length").all(is_empty)
}

/// Whether it is the base64 of 16 bytes. The four bits beyond the last byte are not looked at:
/// programs that make their key of random letters set them.
fn is_key(key: &str) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    match key.as_bytes().split_last_chunk::<2>() {
        Some((digits, b"==")) => digits.len() == 22 && digits.iter().all(is_digit),
        _ => false,
    }
}
