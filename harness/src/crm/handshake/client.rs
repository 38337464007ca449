//! Owns the client's side of the handshake: the CRM asks a gateway that listens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::head::{Head, Kind};
use crate::crm::options::WebSocketVersion;
use crate::crm::socket::Socket;
use crate::crm::stream::BoxedStream;
use crate::error::{Error, Result};
use crate::hixie::Challenge;

/// What the CRM asks for.
#[derive(Debug, Clone)]
pub(in crate::crm) struct Offer<'a> {
    pub(in crate::crm) host: String,
    pub(in crate::crm) path: &'a str,
    pub(in crate::crm) version: WebSocketVersion,
    /// The subprotocols, divided by commas.
    pub(in crate::crm) subprotocols: String,
    pub(in crate::crm) authorization: Option<String>,
}

/// Asks; gives the socket and the subprotocol that was chosen. A refusal is [`Error::Refused`] with the answer's headers.
pub(in crate::crm) async fn ask(
    mut stream: BoxedStream,
    offer: &Offer<'_>,
) -> Result<(Socket, Option<String>)> {
    let key = STANDARD.encode(rand::random::<[u8; 16]>());
    let challenge = Challenge::random();
    let request = offer.request(&key, &challenge);
    let failed = |error| Error::io("asking for a handshake", error);
    stream.write_all(&request).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let mut head = Head::read(&mut stream, Kind::Answer).await?;
    if head.start.0 != "101" {
        return Err(Error::Refused {
            status: head.start.0.parse().unwrap_or_default(),
            headers: head
                .all("www-authenticate")
                .map(|value| ("www-authenticate".to_owned(), value.to_owned()))
                .collect(),
            body: head.start.1.clone(),
        });
    }
    let mut rest = std::mem::take(&mut head.rest);
    if offer.version == WebSocketVersion::V0 {
        while rest.len() < PROOF_BYTES {
            if stream.read_buf(&mut rest).await.map_err(failed)? == 0 {
                return Err(Error::Malformed("the connection ended in a proof".into()));
            }
        }
        let after = rest.split_off(PROOF_BYTES);
        if rest != challenge.answer()? {
            return Err(Error::Malformed("the proof is wrong".into()));
        }
        rest = after;
    } else if head.first("sec-websocket-accept") != Some(&derive_accept_key(key.as_bytes())) {
        return Err(Error::Malformed("Sec-WebSocket-Accept is wrong".into()));
    }
    let chosen = head.first("sec-websocket-protocol").map(str::to_owned);
    let socket = Socket::new(stream, rest, offer.version, Role::Client).await;
    Ok((socket, chosen))
}

impl Offer<'_> {
    fn request(&self, key: &str, challenge: &Challenge) -> Vec<u8> {
        let (path, host) = (self.path, &self.host);
        let number = self.version.number();
        let upgrade = if self.version == WebSocketVersion::V0 {
            "WebSocket"
        } else {
            "websocket"
        };
        let mut lines = vec![
            format!("GET {path} HTTP/1.1"),
            format!("Host: {host}"),
            format!("Upgrade: {upgrade}"),
            "Connection: Upgrade".into(),
        ];
        match self.version {
            WebSocketVersion::V0 => lines.extend([
                format!("Origin: http://{host}"),
                format!("Sec-WebSocket-Key1: {}", challenge.key1),
                format!("Sec-WebSocket-Key2: {}", challenge.key2),
            ]),
            version => {
                lines.extend([
                    format!("Sec-WebSocket-Key: {key}"),
                    format!("Sec-WebSocket-Version: {number}"),
                ]);
                if version != WebSocketVersion::V13 {
                    // The drafts' name of the origin.
                    lines.push(format!("Sec-WebSocket-Origin: http://{host}"));
                }
            }
        }
        if !self.subprotocols.is_empty() {
            lines.push(format!("Sec-WebSocket-Protocol: {}", self.subprotocols));
        }
        if let Some(authorization) = &self.authorization {
            lines.push(format!("Authorization: {authorization}"));
        }
        let mut request = lines.join("\r\n").into_bytes();
        request.extend_from_slice(b"\r\n\r\n");
        if self.version == WebSocketVersion::V0 {
            request.extend_from_slice(&challenge.body);
        }
        request
    }
}

/// How long a server's proof is.
const PROOF_BYTES: usize = 16;
