//! Owns the peer on tokio-tungstenite: a task for each connection, which reads messages and hears events in turns.
//!
//! The answers to what was read at once go out in one write, and the library's read buffer, 128 KiB as it comes, is made small.

use std::convert::Infallible;

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Sender};
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::reply::{Reply, reply};
use super::{EVENTS_MAX, Event, MESSAGE_BYTES_MAX, accept, first_subprotocol};

pub(super) async fn serve(listener: &TcpListener) -> Infallible {
    let (events, _) = broadcast::channel(EVENTS_MAX);
    let mut number = 0;
    loop {
        let stream = accept(listener).await;
        let events = events.clone();
        tokio::spawn(async move {
            if let Err(error) = talk(stream, number, events).await {
                tracing::debug!(%error, "a connection has failed");
            }
        });
        number += 1;
    }
}

/// Serves one connection to its end.
async fn talk(
    stream: TcpStream,
    number: u64,
    events: Sender<Event<Utf8Bytes>>,
) -> Result<(), Error> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(MESSAGE_BYTES_MAX));
    let mut socket = accept_hdr_async_with_config(stream, choose_subprotocol, Some(config)).await?;
    let mut heard = events.subscribe();
    loop {
        // Answers wait while there is more to read.
        let received = if let Some(received) = socket.next().now_or_never() {
            received
        } else {
            socket.flush().await?;
            tokio::select! {
                received = socket.next() => received,
                event = heard.recv() => {
                    match event {
                        Ok(event) if event.speaker == number => {}
                        Ok(event) => socket.feed(Message::Text(event.text)).await?,
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return Ok(()),
                    }
                    continue;
                }
            }
        };
        let Some(message) = received.transpose()? else {
            return Ok(());
        };
        // The library answers pings and closes itself.
        let Message::Text(text) = message else {
            continue;
        };
        match reply(text.as_bytes()) {
            Reply::Answer(answer) => socket.feed(Message::text(answer)).await?,
            Reply::Broadcast(text) => {
                let (speaker, text) = (number, text.into());
                // There may be nobody else.
                let _ = events.send(Event { speaker, text });
            }
        }
    }
}

#[allow(clippy::result_large_err, clippy::unnecessary_wraps)] // the form that the library asks for
fn choose_subprotocol(
    request: &Request,
    mut response: Response,
) -> Result<Response, ErrorResponse> {
    let offered = request.headers().get(SUBPROTOCOL);
    let chosen = first_subprotocol(offered.and_then(|offered| offered.to_str().ok()));
    if let Some(chosen) = chosen.and_then(|chosen| chosen.parse().ok()) {
        response.headers_mut().insert(SUBPROTOCOL, chosen);
    }
    Ok(response)
}

const SUBPROTOCOL: &str = "sec-websocket-protocol";
/// A hundred requests at once, and no more memory than that for each connection.
const READ_BUFFER_BYTES: usize = 4 << 10;
