//! The WebSocket handshake (RFC 6455, 4; protocol 2.2), from the side that is asked ([`accept`])
//! and from the side that asks ([`UpgradeRequest`]).
//!
//! In come heads, out go decisions and the complete bytes of the request or the answer. It never
//! checks credentials: the caller may refuse before it writes the 101.

mod request;
mod server;

pub use request::{RequestFault, UpgradeError, UpgradeRequest};
pub use server::{Policy, Refusal, Upgrade, accept};

/// A version of the WebSocket protocol. All but version 0 have the same frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// RFC 6455.
    #[default]
    V13,
    /// A hybi draft; its origin header is `Sec-WebSocket-Origin`.
    V8,
    /// A hybi draft, as version 8.
    V7,
    /// draft-hixie-thewebsocketprotocol-76, which has no number on the wire; its frames are [`super::hixie`]'s.
    V0,
}

impl Version {
    /// All versions that `Sec-WebSocket-Version` can name.
    pub const LIST: &str = "13, 8, 7";

    /// The version that a header names.
    pub fn from_header(value: &str) -> Option<Self> {
        match value {
            "13" => Some(Self::V13),
            "8" => Some(Self::V8),
            "7" => Some(Self::V7),
            _ => None,
        }
    }

    /// Its number: as `Sec-WebSocket-Version` names it, but for version 0.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V13 => "13",
            Self::V8 => "8",
            Self::V7 => "7",
            Self::V0 => "0",
        }
    }

    /// The header that names the page that opened the link.
    pub const fn origin_header(self) -> &'static str {
        match self {
            Self::V13 | Self::V0 => "Origin",
            Self::V8 | Self::V7 => "Sec-WebSocket-Origin",
        }
    }
}

/// The format of a link's messages, chosen by its subprotocol (protocol 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Protocol 3.1.
    Json,
    /// Protocol 3.2.
    Xml,
}

impl Format {
    /// The format whose word the subprotocol `token` contains: in any case, anywhere. If it contains
    /// both words, the one that stands first.
    pub fn from_token(token: &str) -> Option<Self> {
        (0..token.len()).find_map(|start| {
            let rest = &token.as_bytes()[start..];
            [Self::Json, Self::Xml].into_iter().find(|format| {
                let word = format.as_str().as_bytes();
                rest.get(..word.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(word))
            })
        })
    }

    /// The word for it: the subprotocol that an outgoing link asks for.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Xml => "xml",
        }
    }
}

#[cfg(test)]
mod tests;
