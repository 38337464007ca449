//! Owns the proof that a server does a peer's job, so that servers which are measured side by side do the same.
//!
//! An address comes in; what the server does otherwise goes out as an error.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as RawFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::error::{Error, Result};
use crate::message::{Message, shortened};
use crate::tab::connect::{ConnectOptions, connect};
use crate::tab::{DEADLINE, Frame};

/// Everything that a peer does.
pub async fn check(address: SocketAddr) -> Result<()> {
    answers_pings(address).await?;
    takes_fragments(address).await?;
    answers_many_in_order(address).await?;
    tells_all_others(address).await
}

/// A ping is answered with its `qid`, whatever else stands in it and in whatever order.
pub async fn answers_pings(address: SocketAddr) -> Result<()> {
    let mut client = Client::connect(address).await?;
    for (request, qid) in [
        (r#"["ping",{"qid":"0.4711"}]"#, "0.4711"),
        (
            r#" [ "p\u0069ng" , { "a" : [{"qid":"no"}], "qid" : "\u0041\"" } ]"#,
            "A\"",
        ),
    ] {
        client.send(Frame::text(request)).await?;
        client.gets_pong(qid).await?;
    }
    client
        .send(Frame::text(r#"["nothing",{"qid":"1"}]"#))
        .await?;
    let answer = client.next_text().await?;
    if answer.starts_with("[\"pong\"") {
        return Err(wrong("a method that is not there", &answer));
    }
    Ok(())
}

/// A ping in three fragments, with control frames between them, is one ping.
pub async fn takes_fragments(address: SocketAddr) -> Result<()> {
    let mut client = Client::connect(address).await?;
    let pieces = [
        (r#"["ping",{"qid":"in "#, Data::Text, false),
        ("three pie", Data::Continue, false),
        (r#"ces"}]"#, Data::Continue, true),
    ];
    for (piece, kind, is_last) in pieces {
        let frame = RawFrame::message(piece, OpCode::Data(kind), is_last);
        client.send(Frame::Frame(frame)).await?;
        client.send(Frame::Ping(piece.into())).await?;
    }
    client.gets_pong("in three pieces").await?;
    client.send(Frame::text(r#"["ping",{"qid":"1"}]"#)).await?;
    client.gets_pong("1").await?;
    if client.pongs != pieces.len() {
        return Err(wrong("PING", &format!("{} PONG", client.pongs)));
    }
    Ok(())
}

/// Requests that come at once, also ones that are longer than any buffer, are answered one by one and in order.
pub async fn answers_many_in_order(address: SocketAddr) -> Result<()> {
    let mut client = Client::connect(address).await?;
    for number in 0..MANY {
        let padding = if number % 100 == 99 { LONG_BYTES } else { 0 };
        let fields = json!({"padding": "x".repeat(padding), "qid": number.to_string()});
        let request = Message::new("ping", fields).to_text();
        let fed = client.socket.feed(Frame::text(request)).await;
        fed.map_err(|error| Error::web_socket("sending many requests", error))?;
    }
    let flushed = client.socket.flush().await;
    flushed.map_err(|error| Error::web_socket("sending many requests", error))?;
    for number in 0..MANY {
        client.gets_pong(&number.to_string()).await?;
    }
    Ok(())
}

/// A text for all goes to all others, once, and everybody is answered afterwards.
pub async fn tells_all_others(address: SocketAddr) -> Result<()> {
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut client = Client::connect(address).await?;
        // With the answer it is sure that the server knows this connection.
        client.ping(number).await?;
        clients.push(client);
    }
    for number in 0..2 {
        let event = Message::new("event", json!({"text": "\"for all\"", "number": number}));
        let event = event.to_text();
        let request = Message::new("broadcast", json!({"text": event}));
        clients[0].send(Frame::text(request.to_text())).await?;
        for client in &mut clients[1..] {
            let heard = client.next_text().await?;
            if heard != event {
                return Err(wrong("broadcast", &heard));
            }
        }
    }
    for client in &mut clients {
        client.ping(CLIENTS).await?;
    }
    Ok(())
}

/// A connection that remembers nothing but the pongs.
struct Client {
    socket: WebSocketStream<TcpStream>,
    pongs: usize,
}

impl Client {
    async fn connect(address: SocketAddr) -> Result<Self> {
        let connected = connect(address, &ConnectOptions::subprotocol(Some("json"))).await?;
        if connected.subprotocol.as_deref() != Some("json") {
            let chosen = format!("the subprotocol {:?}", connected.subprotocol);
            return Err(wrong("the handshake", &chosen));
        }
        Ok(Self {
            socket: connected.into_web_socket(READ_BUFFER_BYTES).await,
            pongs: 0,
        })
    }

    async fn send(&mut self, frame: Frame) -> Result<()> {
        let sent = self.socket.send(frame).await;
        sent.map_err(|error| Error::web_socket("sending", error))
    }

    async fn next_text(&mut self) -> Result<String> {
        loop {
            let waiting = timeout(ANSWER_MAX, self.socket.next());
            let received = waiting.await.map_err(|_| Error::Deadline {
                awaited: "a text".into(),
                after: ANSWER_MAX,
                instead: format!("{} PONG", self.pongs),
            })?;
            match received {
                Some(Ok(Frame::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Frame::Pong(_))) => self.pongs += 1,
                Some(Ok(frame)) => return Err(wrong("a request", &format!("{frame:?}"))),
                Some(Err(error)) => return Err(Error::web_socket("waiting for a text", error)),
                None => return Err(wrong("a request", "the end of the link")),
            }
        }
    }

    /// The next text is the answer to the ping with this `qid`.
    async fn gets_pong(&mut self, qid: &str) -> Result<()> {
        let text = self.next_text().await?;
        let is_it = Message::parse(&text)
            .is_ok_and(|message| message.name == "pong" && message.qid() == Some(qid));
        if is_it {
            return Ok(());
        }
        Err(wrong(&format!("ping {qid:?}"), &text))
    }

    async fn ping(&mut self, number: usize) -> Result<()> {
        let qid = number.to_string();
        let request = Message::new("ping", json!({"qid": qid}));
        self.send(Frame::text(request.to_text())).await?;
        self.gets_pong(&qid).await
    }
}

fn wrong(method: &str, answer: &str) -> Error {
    Error::WrongAnswer {
        method: method.to_owned(),
        answer: shortened(answer),
    }
}

/// How many requests are many.
const MANY: usize = 1000;
/// How long a long one is.
const LONG_BYTES: usize = 70_000;
/// How many connections there are for what goes to all.
const CLIENTS: usize = 5;
/// How long an answer may take.
const ANSWER_MAX: Duration = DEADLINE;
const READ_BUFFER_BYTES: usize = 16 << 10;
