//! Owns one link of the simulated CRM: the handshake, the answers to the gateway's requests, the runs that take time.
//!
//! Frames come in; answers and what the handle wants sent go out, one message at a time, long ones in packets.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::catalogue::{self, Outcome};
use super::{CrmSeen, Introduce, Shared, SubprotocolAnswer};
use crate::error::{Error, Result};
use crate::message::{Message, guid};
use crate::multipart::{self, Assembler};

/// What a link is asked to send.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// A message, in packets if it is long.
    Message(Message),
    /// A catalogue, in packets also if it is short and the options say so.
    Catalogue(Message),
    /// A text as it is.
    Text(String),
    /// A close frame with this code.
    Close(u16),
}

/// Serves one link until it ends; says how it ended.
pub(super) async fn serve(number: u64, stream: TcpStream, shared: Arc<Shared>) -> Result<String> {
    let (socket, asked) = shake_hands(stream, &shared.options.subprotocol).await?;
    let (sender, receiver) = mpsc::channel(OUTGOING_MAX);
    shared.links().insert(number, sender.clone());
    shared.record(number, CrmSeen::LinkUp(asked));
    let link = Link {
        number,
        shared,
        socket,
        sender,
        assembler: Assembler::default(),
        runs: HashMap::new(),
    };
    link.run(receiver).await
}

struct Link {
    number: u64,
    shared: Arc<Shared>,
    socket: WebSocketStream<TcpStream>,
    /// For runs that answer later.
    sender: mpsc::Sender<Outgoing>,
    assembler: Assembler,
    /// Runs under way by `executionid`.
    runs: HashMap<String, AbortHandle>,
}

impl Drop for Link {
    fn drop(&mut self) {
        for run in self.runs.values() {
            run.abort();
        }
    }
}

impl Link {
    async fn run(mut self, mut receiver: mpsc::Receiver<Outgoing>) -> Result<String> {
        if self.shared.options.introduce == Introduce::First {
            let question = self.about_itself("whoareyou", Some(&guid()));
            self.send(Outgoing::Message(question)).await?;
        }
        loop {
            tokio::select! {
                frame = self.socket.next() => match frame {
                    Some(Ok(Frame::Text(text))) => self.handle_text(&text).await?,
                    Some(Ok(Frame::Close(frame))) => {
                        let code = frame.map_or(1005, |frame| u16::from(frame.code));
                        return Ok(format!("closed by the gateway with {code}"));
                    }
                    Some(Ok(Frame::Binary(_))) => {
                        self.record(CrmSeen::Malformed("a binary frame".into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(Error::web_socket("reading", error)),
                    None => return Ok("ended".into()),
                },
                Some(outgoing) = receiver.recv() => self.send(outgoing).await?,
            }
        }
    }

    async fn handle_text(&mut self, text: &str) -> Result<()> {
        let message = match Message::parse(text) {
            Ok(message) if message.name == "multipart" => match self.assembler.accept(&message) {
                Ok(Some(whole)) => whole,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.record(CrmSeen::Malformed(error.to_string()));
                    return Ok(());
                }
            },
            Ok(message) => message,
            Err(_) => {
                self.record(CrmSeen::Malformed(text.to_owned()));
                return Ok(());
            }
        };
        self.record(CrmSeen::Received(message.clone()));
        match self.answer(&message) {
            Some(answer) => self.send(answer).await,
            None => Ok(()),
        }
    }

    /// The answer that goes out at once, if there is one.
    fn answer(&mut self, message: &Message) -> Option<Outgoing> {
        let qid = message.qid();
        let introduce = self.shared.options.introduce;
        match message.name.as_str() {
            "ping" => {
                let pong = Message {
                    name: "pong".into(),
                    fields: message.fields.clone(),
                };
                Some(Outgoing::Message(pong))
            }
            "whoareyou" if introduce != Introduce::Never => {
                Some(Outgoing::Message(self.about_itself("iam", qid)))
            }
            // Protocol 4: some CRMs ask for the numbers after each introduction.
            "iam" if introduce == Introduce::First => Some(Outgoing::Message(Message::new(
                "getpbxnumbers",
                json!({"qid": guid(), "mode": "full", "userlogin": "", "userid": ""}),
            ))),
            "getavailablemethods" => Some(Outgoing::Catalogue(Message::new(
                "availablemethods",
                json!({"qid": qid, "methods": catalogue::methods()}),
            ))),
            "getavailableforms" => Some(Outgoing::Catalogue(Message::new(
                "availableforms",
                json!({"qid": qid, "forms": catalogue::forms()}),
            ))),
            "getactiveusers" => Some(Outgoing::Message(self.active_users(qid))),
            "executemethod" => self.run_method(message),
            "cancelmethod" => {
                let id = message.text("executionid").unwrap_or_default();
                if let Some(run) = self.runs.remove(id) {
                    run.abort();
                }
                None
            }
            _ => None,
        }
    }

    fn about_itself(&self, name: &str, qid: Option<&str>) -> Message {
        Message::new(
            name,
            json!({
                "qid": qid,
                "type": "ws-server",
                "name": "okgate-harness simulated CRM",
                "version": env!("CARGO_PKG_VERSION"),
                "build": self.number.to_string(),
            }),
        )
    }

    fn active_users(&self, qid: Option<&str>) -> Message {
        let users: Vec<Value> = self
            .shared
            .options
            .active_users
            .iter()
            .map(|user| json!({"userlogin": user.login, "userid": user.id, "type": "ws-server"}))
            .collect();
        Message::new("activeusers", json!({"qid": qid, "users": users}))
    }

    fn run_method(&mut self, request: &Message) -> Option<Outgoing> {
        let key = request.text("methodkey").unwrap_or_default();
        let outcome = catalogue::run(
            key,
            request.field("inputparameters"),
            &self.shared.options.callers,
        );
        let mut fields = json!({
            "qid": request.field("qid"),
            "executionid": request.field("executionid"),
        });
        match outcome {
            Outcome::Now(outputs) => fields["outputparameters"] = outputs,
            Outcome::Failed(error, text) => {
                fields["result"] = json!(0);
                fields["error"] = json!(error);
                fields["errormsg"] = json!(text);
            }
            Outcome::Later(outputs) => {
                fields["outputparameters"] = outputs;
                self.answer_later(request, Message::new("methodresult", fields));
                return None;
            }
        }
        Some(Outgoing::Message(Message::new("methodresult", fields)))
    }

    fn answer_later(&mut self, request: &Message, answer: Message) {
        self.runs.retain(|_, run| !run.is_finished());
        if self.runs.len() >= RUNS_MAX {
            tracing::warn!(RUNS_MAX, "a slow run was dropped: too many are under way");
            return;
        }
        let delay = self.shared.options.method_delay;
        let sender = self.sender.clone();
        let run = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            // The link may be gone by now; then nobody waits for the answer.
            let _ = sender.send(Outgoing::Message(answer)).await;
        });
        let id = request.text("executionid").unwrap_or_default().to_owned();
        self.runs.insert(id, run.abort_handle());
    }

    async fn send(&mut self, outgoing: Outgoing) -> Result<()> {
        let frames = match outgoing {
            Outgoing::Message(message) => self.frames_of(message, false),
            Outgoing::Catalogue(message) => {
                let is_forced = self.shared.options.multipart_catalogue;
                self.frames_of(message, is_forced)
            }
            Outgoing::Text(text) => vec![Frame::text(text)],
            Outgoing::Close(code) => vec![Frame::Close(Some(CloseFrame {
                code: code.into(),
                reason: "".into(),
            }))],
        };
        for frame in frames {
            self.socket
                .send(frame)
                .await
                .map_err(|error| Error::web_socket("sending", error))?;
        }
        Ok(())
    }

    fn frames_of(&self, message: Message, is_packed: bool) -> Vec<Frame> {
        let text = message.to_text();
        let frames = if is_packed || text.len() > UNPACKED_BYTES_MAX {
            multipart::split(&message)
                .iter()
                .map(|packet| Frame::text(packet.to_text()))
                .collect()
        } else {
            vec![Frame::text(text)]
        };
        self.record(CrmSeen::Sent(message));
        frames
    }

    fn record(&self, what: CrmSeen) {
        self.shared.record(self.number, what);
    }
}

/// Accepts the handshake; gives the link and the subprotocol that was asked for.
async fn shake_hands(
    stream: TcpStream,
    subprotocol: &SubprotocolAnswer,
) -> Result<(WebSocketStream<TcpStream>, Option<String>)> {
    stream
        .set_nodelay(true)
        .map_err(|error| Error::io("setting TCP_NODELAY", error))?;
    let mut asked = None;
    #[allow(clippy::result_large_err)] // the type is the library's
    let choose = |request: &Request, mut response: Response| {
        asked = request
            .headers()
            .get(SEC_WEBSOCKET_PROTOCOL)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let first_asked = asked.as_deref().and_then(|tokens| tokens.split(',').next());
        let chosen = match subprotocol {
            SubprotocolAnswer::Echo => first_asked.map(str::trim),
            SubprotocolAnswer::Nothing => None,
            SubprotocolAnswer::Token(token) => Some(token.as_str()),
        };
        if let Some(value) = chosen.and_then(|token| HeaderValue::from_str(token).ok()) {
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
        }
        Ok(response)
    };
    let handshake = tokio_tungstenite::accept_hdr_async(stream, choose);
    let socket = tokio::time::timeout(HANDSHAKE_MAX, handshake)
        .await
        .map_err(|_| Error::Deadline {
            awaited: "the gateway's handshake".into(),
            after: HANDSHAKE_MAX,
            instead: "nothing".into(),
        })?
        .map_err(|error| Error::web_socket("shaking hands", error))?;
    Ok((socket, asked))
}

/// How many messages wait to be sent on a link.
const OUTGOING_MAX: usize = 1024;
/// How many runs of `slow` are under way on a link.
const RUNS_MAX: usize = 10_000;
/// Protocol 3.3: longer texts go in packets on server links.
const UNPACKED_BYTES_MAX: usize = 2048;
/// How long a handshake may take.
const HANDSHAKE_MAX: std::time::Duration = std::time::Duration::from_secs(10);
