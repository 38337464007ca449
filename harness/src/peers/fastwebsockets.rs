//! Owns the peer on fastwebsockets, with hyper before it as the library has it: a task for each connection, which reads frames
//! and hears events in turns.
//!
//! A read that has begun is never given up, since the library would lose what it has taken from its buffer; so the two halves of
//! the connection are separate. The answers to what was read at once go out in one write, through a buffer of tokio.

use std::convert::Infallible;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;

use fastwebsockets::upgrade::{self, UpgradeFut};
use fastwebsockets::{
    FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError, WebSocketWrite,
};
use futures_util::FutureExt as _;
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWrite, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Sender};

use super::reply::{Reply, reply};
use super::{EVENTS_MAX, MESSAGE_BYTES_MAX, accept, first_subprotocol};

type Event = super::Event<Arc<str>>;

pub(super) async fn serve(listener: &TcpListener) -> Infallible {
    let (events, _) = broadcast::channel(EVENTS_MAX);
    let mut number = 0;
    loop {
        let stream = accept(listener).await;
        tokio::spawn(serve_http(stream, number, events.clone()));
        number += 1;
    }
}

/// Serves HTTP until the connection is a WebSocket.
async fn serve_http(stream: TcpStream, number: u64, events: Sender<Event>) {
    let upgrade = service_fn(move |request| {
        let outcome = shake_hands(request, number, &events);
        async { outcome }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), upgrade);
    if let Err(error) = connection.with_upgrades().await {
        tracing::debug!(%error, "a handshake has failed");
    }
}

fn shake_hands(
    mut request: Request<Incoming>,
    number: u64,
    events: &Sender<Event>,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (mut response, upgrade) = upgrade::upgrade(&mut request)?;
    let offered = request.headers().get(SUBPROTOCOL);
    let chosen = first_subprotocol(offered.and_then(|offered| offered.to_str().ok()));
    if let Some(chosen) = chosen.and_then(|chosen| chosen.parse().ok()) {
        response.headers_mut().insert(SUBPROTOCOL, chosen);
    }
    let events = events.clone();
    tokio::spawn(async move {
        if let Err(error) = talk(upgrade, number, events).await {
            tracing::debug!(%error, "a connection has failed");
        }
    });
    Ok(response)
}

/// Serves one connection to its end.
async fn talk(
    upgrade: UpgradeFut,
    number: u64,
    events: Sender<Event>,
) -> Result<(), WebSocketError> {
    let (mut reader, mut writer) = upgrade.await?.split(|stream| {
        let (reader, writer) = tokio::io::split(stream);
        (reader, BufWriter::with_capacity(WRITE_BUFFER_BYTES, writer))
    });
    // With these the read half would have to write.
    reader.set_auto_pong(false);
    reader.set_auto_close(false);
    reader.set_max_message_size(MESSAGE_BYTES_MAX);
    let mut reader = FragmentCollectorRead::new(reader);
    let mut heard = events.subscribe();
    loop {
        let mut nothing_to_send = |_: Frame<'_>| ready(Ok::<(), WebSocketError>(()));
        let mut reading = pin!(reader.read_frame(&mut nothing_to_send));
        let frame = loop {
            // Answers wait while there is more to read.
            if let Some(frame) = reading.as_mut().now_or_never() {
                break frame?;
            }
            writer.flush().await?;
            tokio::select! {
                frame = &mut reading => break frame?,
                event = heard.recv() => match event {
                    Ok(event) if event.speaker == number => {}
                    Ok(event) => write_text(&mut writer, event.text.as_bytes()).await?,
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Ok(()),
                },
            }
        };
        match frame.opcode {
            OpCode::Text => match reply(&frame.payload) {
                Reply::Answer(answer) => write_text(&mut writer, answer.as_bytes()).await?,
                Reply::Broadcast(text) => {
                    let (speaker, text) = (number, text.into());
                    // There may be nobody else.
                    let _ = events.send(Event { speaker, text });
                }
            },
            OpCode::Ping => writer.write_frame(Frame::pong(frame.payload)).await?,
            OpCode::Close => {
                writer.write_frame(Frame::close_raw(frame.payload)).await?;
                return writer.flush().await;
            }
            _ => {}
        }
    }
}

async fn write_text(
    writer: &mut WebSocketWrite<impl AsyncWrite + Unpin>,
    text: &[u8],
) -> Result<(), WebSocketError> {
    writer
        .write_frame(Frame::text(Payload::Borrowed(text)))
        .await
}

const SUBPROTOCOL: &str = "sec-websocket-protocol";
/// The answers to a hundred requests.
const WRITE_BUFFER_BYTES: usize = 4 << 10;
