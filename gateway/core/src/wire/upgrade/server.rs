//! The handshake of a link that a peer opens to us.

use tungstenite::handshake::derive_accept_key;

use super::{Format, Version};
use crate::wire::answer::{Answer, append};
use crate::wire::head::RequestHead;

/// What a listener asks of those who connect.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy<'a> {
    /// The origins whose pages may connect; empty: any, and also programs that name none.
    pub origins: &'a [String],
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
    key: &'a str,
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
    if !matches!(headers.single("host"), Ok(Some(_))) {
        return Err(Refusal::Host);
    }
    if has_body(head) {
        return Err(Refusal::Body);
    }
    if !headers.has_token("connection", "upgrade") {
        return Err(Refusal::Connection);
    }
    let version = match headers.single("sec-websocket-version") {
        Ok(Some(value)) => Version::from_header(value).ok_or(Refusal::Version)?,
        _ => return Err(Refusal::Version),
    };
    let key = match headers.single("sec-websocket-key") {
        Ok(Some(key)) if is_key(key) => key,
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
        key,
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
    /// Appends the 101 that grants the upgrade.
    pub fn write_response(&self, output: &mut Vec<u8>) {
        append(
            output,
            &[
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
                "Sec-WebSocket-Accept: ",
                &derive_accept_key(self.key.as_bytes()),
                "\r\n",
            ],
        );
        if let Some(token) = self.subprotocol {
            append(output, &["Sec-WebSocket-Protocol: ", token, "\r\n"]);
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
            Self::HttpVersion | Self::Host | Self::Body | Self::Connection | Self::Key => 400,
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
