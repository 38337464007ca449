//! `okgate echo` against an independent WebSocket client.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_okgate"))
            .args(["echo", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program");
        let mut line = String::new();
        let output = process.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on ");
        let address = address.expect("the address").to_owned();
        Self { process, address }
    }

    fn connect(&self) -> WebSocket<TcpStream> {
        let stream = TcpStream::connect(&self.address).expect("a connection");
        let config = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        let url = format!("ws://{}/", self.address);
        let (socket, _) = tungstenite::client::client_with_config(url, stream, Some(config))
            .expect("a handshake");
        socket
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn messages_of_all_sizes_come_back() {
    let server = Server::start();
    let mut client = server.connect();
    for length in [0, 1, 125, 126, 65_535, 65_536, 4 << 20] {
        for message in [
            Message::text("ы".repeat(length / 2)),
            Message::binary(vec![7; length]),
        ] {
            client.send(message.clone()).expect("a send");
            assert_eq!(client.read().expect("an answer"), message);
        }
    }
}

#[test]
fn a_ping_is_answered_and_a_close_ends_the_link() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(Message::Ping("now".into())).expect("a send");
    assert_eq!(client.read().expect("a pong"), Message::Pong("now".into()));
    client.close(None).expect("a close");
    assert!(matches!(client.read().expect("a close"), Message::Close(_)));
    let end = client.read().expect_err("the end");
    assert!(matches!(end, tungstenite::Error::ConnectionClosed), "{end}");
}
