//! Owns the server's side of the handshake: a gateway asks, the CRM grants or refuses.

use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::head::{Head, Kind};
use crate::auth::Guard;
use crate::crm::options::{SubprotocolAnswer, WebSocketVersion};
use crate::crm::socket::Socket;
use crate::crm::stream::BoxedStream;
use crate::error::{Error, Result};
use crate::hixie::Challenge;

/// What a request must fit.
pub(in crate::crm) struct Terms<'a> {
    pub(in crate::crm) version: WebSocketVersion,
    pub(in crate::crm) subprotocol: &'a SubprotocolAnswer,
    pub(in crate::crm) guard: &'a Mutex<Guard>,
    /// Whether the connection is over TLS, which version 0 says in its answer.
    pub(in crate::crm) is_tls: bool,
}

/// A link that was granted.
pub(in crate::crm) struct Upgraded {
    pub(in crate::crm) socket: Socket,
    /// The subprotocols that were asked for, as they were written.
    pub(in crate::crm) asked: Option<String>,
}

/// Reads a request and grants or refuses it; a refusal is an error that tells what was answered.
pub(in crate::crm) async fn answer(mut stream: BoxedStream, terms: &Terms<'_>) -> Result<Upgraded> {
    let head = Head::read(&mut stream, Kind::Request).await?;
    let asked = head.first("sec-websocket-protocol").map(str::to_owned);
    let refusal = refusal(&head, terms);
    if let Some((status, headers)) = refusal {
        let answer =
            format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n");
        write(&mut stream, answer.as_bytes()).await?;
        let _ = stream.shutdown().await;
        return Err(Error::Malformed(format!(
            "a handshake that was answered with {status}"
        )));
    }
    if terms.version == WebSocketVersion::V0 {
        return grant_hixie(stream, &head, terms, asked).await;
    }
    let key = head.first("sec-websocket-key").unwrap_or_default();
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n",
        derive_accept_key(key.as_bytes())
    );
    append_subprotocol(&mut answer, asked.as_deref(), terms.subprotocol);
    answer.push_str("\r\n");
    write(&mut stream, answer.as_bytes()).await?;
    let socket = Socket::new(stream, head.rest, terms.version, Role::Server).await;
    Ok(Upgraded { socket, asked })
}

/// The status and more headers of a refusal, if there is a reason for one.
fn refusal(head: &Head, terms: &Terms<'_>) -> Option<(&'static str, String)> {
    let (method, target) = &head.start;
    let has = |name: &str, word: &str| {
        head.all(name)
            .any(|value| value.to_ascii_lowercase().contains(word))
    };
    if method != "GET" || !has("upgrade", "websocket") || !has("connection", "upgrade") {
        return Some(("400 Bad Request", String::new()));
    }
    // A panic while the lock is held cannot leave the guard half-changed.
    let mut guard = terms.guard.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(denial) = guard.check(method, target, head.first("authorization")) {
        let challenges = guard.challenges(denial);
        let headers = challenges
            .iter()
            .map(|value| format!("WWW-Authenticate: {value}\r\n"));
        return Some(("401 Unauthorized", headers.collect()));
    }
    let wanted = terms.version.number();
    let is_right = match terms.version {
        WebSocketVersion::V0 => {
            head.first("sec-websocket-version").is_none()
                && head.first("sec-websocket-key1").is_some()
                && head.first("sec-websocket-key2").is_some()
        }
        _ => {
            head.first("sec-websocket-version") == Some(wanted.to_string().as_str())
                && head.first("sec-websocket-key").is_some()
        }
    };
    (!is_right).then(|| {
        (
            "426 Upgrade Required",
            format!("Sec-WebSocket-Version: {wanted}\r\n"),
        )
    })
}

/// Version 0 puts eight bytes behind the request's head and sixteen behind the answer's.
async fn grant_hixie(
    mut stream: BoxedStream,
    head: &Head,
    terms: &Terms<'_>,
    asked: Option<String>,
) -> Result<Upgraded> {
    let mut rest = head.rest.clone();
    while rest.len() < BODY_BYTES {
        let read = stream.read_buf(&mut rest).await;
        if read.map_err(|error| Error::io("reading a challenge", error))? == 0 {
            return Err(Error::Malformed(
                "the connection ended in a challenge".into(),
            ));
        }
    }
    let after = rest.split_off(BODY_BYTES);
    let key = |name: &str| head.first(name).unwrap_or_default().to_owned();
    let challenge = Challenge {
        key1: key("sec-websocket-key1"),
        key2: key("sec-websocket-key2"),
        body: rest.try_into().expect("it was cut to this length"),
    };
    let proof = challenge.answer()?;
    let scheme = if terms.is_tls { "wss" } else { "ws" };
    let host = head.first("host").unwrap_or("localhost");
    let origin = head.first("origin").unwrap_or("null");
    let mut answer = format!(
        "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Origin: {origin}\r\nSec-WebSocket-Location: {scheme}://{host}{}\r\n",
        head.start.1
    );
    append_subprotocol(&mut answer, asked.as_deref(), terms.subprotocol);
    answer.push_str("\r\n");
    let answer = [answer.as_bytes(), &proof].concat();
    write(&mut stream, &answer).await?;
    let socket = Socket::new(stream, after, WebSocketVersion::V0, Role::Server).await;
    Ok(Upgraded { socket, asked })
}

fn append_subprotocol(answer: &mut String, asked: Option<&str>, subprotocol: &SubprotocolAnswer) {
    let first_asked = asked.and_then(|tokens| tokens.split(',').next());
    let chosen = match subprotocol {
        SubprotocolAnswer::Echo => first_asked.map(str::trim),
        SubprotocolAnswer::Nothing => None,
        SubprotocolAnswer::Token(token) => Some(token.as_str()),
    };
    if let Some(token) = chosen {
        answer.push_str("Sec-WebSocket-Protocol: ");
        answer.push_str(token);
        answer.push_str("\r\n");
    }
}

async fn write(stream: &mut BoxedStream, bytes: &[u8]) -> Result<()> {
    let failed = |error| Error::io("answering a handshake", error);
    stream.write_all(bytes).await.map_err(failed)?;
    stream.flush().await.map_err(failed)
}

/// How long the body of a challenge is.
const BODY_BYTES: usize = 8;
