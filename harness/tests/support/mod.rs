//! The harness's program, and a server that answers every request of a tab with success, for commands that log in.
#![allow(dead_code)] // not every test needs all of it

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use okgate_harness::message::answer_name;
use okgate_harness::{Message, multipart};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message as Frame;

/// The MD5 of `password`.
const PASSWORD_MD5: &str = "5f4dcc3b5aa765d61d8327deb882cf99";

/// A command that serves until it is dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    output: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::of(harness(arguments))
    }

    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    pub(crate) fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with these arguments.
pub(crate) fn harness(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_okgate-harness"));
    command.args(arguments);
    command
}

/// Serves on a thread of its own until the process ends.
pub(crate) fn answering_server() -> SocketAddr {
    serve_on_a_thread(None)
}

/// The same, but once, so long after its first connection, it does nothing for so long.
pub(crate) fn stalling_server(after: Duration, time: Duration) -> SocketAddr {
    serve_on_a_thread(Some((after, time)))
}

fn serve_on_a_thread(mut stall: Option<(Duration, Duration)>) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
                if let Some((after, time)) = stall.take() {
                    tokio::spawn(async move {
                        tokio::time::sleep(after).await; // check-text: allow sleep: the stall comes in the middle of the load
                        std::thread::sleep(time); // check-text: allow sleep: this is the stall
                    });
                }
            }
        });
    });
    address
}

async fn serve(stream: TcpStream) {
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, choose_json).await else {
        return;
    };
    while let Some(Ok(frame)) = socket.next().await {
        let Frame::Text(text) = frame else {
            continue;
        };
        for message in answers(&Message::parse(&text).unwrap()) {
            if socket.send(Frame::text(message.to_text())).await.is_err() {
                return;
            }
        }
    }
}

#[allow(clippy::result_large_err, clippy::unnecessary_wraps)] // the form that the library asks for
fn choose_json(
    _: &tokio_tungstenite::tungstenite::handshake::server::Request,
    mut response: tokio_tungstenite::tungstenite::handshake::server::Response,
) -> Result<
    tokio_tungstenite::tungstenite::handshake::server::Response,
    tokio_tungstenite::tungstenite::handshake::server::ErrorResponse,
> {
    let json = "json".parse().unwrap();
    response
        .headers_mut()
        .insert("sec-websocket-protocol", json);
    Ok(response)
}

/// What comes back: an event after each subscription, the numbers in packets, success for all but a wrong password.
fn answers(request: &Message) -> Vec<Message> {
    let mut answer = Message::new(
        answer_name(&request.name),
        json!({"qid": request.field("qid"), "result": 1}),
    );
    match request.name.as_str() {
        "login" if request.text("Password") != Some(PASSWORD_MD5) => {
            answer.fields.insert("result".into(), json!(0));
            let text = json!("Wrong login/pass combination");
            answer.fields.insert("errormsg".into(), text);
            vec![answer]
        }
        "subscribeevent" => vec![
            answer,
            Message::new("linestatechanged", json!({"qid": "e"})),
        ],
        "getpbxnumbers" => multipart::split(&answer),
        _ => vec![answer],
    }
}
