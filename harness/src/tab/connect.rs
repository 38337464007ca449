//! Owns a tab's handshake: the request with every detail that a test may choose, the TCP connection under it.
//!
//! The request is written and its answer checked here, since the library would refuse what tests want to see:
//! an answer without the subprotocol that was asked for, and versions other than 13.

use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::time::Duration;

use base64::Engine as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::error::{Error, Result};
use crate::raw_link::NO_CODE;

/// The details of a handshake's request.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// The header `Sec-WebSocket-Protocol`.
    pub subprotocol: Option<String>,
    /// The header `Sec-WebSocket-Version`.
    pub version: u8,
    /// The request's path.
    pub path: String,
    /// More headers, e.g. `Origin`.
    pub headers: Vec<(String, String)>,
    /// The address to connect from.
    pub source: Option<SocketAddr>,
    /// The size of the socket's receive buffer; `None` leaves it to the system.
    pub receive_buffer_bytes: Option<u32>,
    /// The size of the link's read buffer, which it keeps all the time.
    pub read_buffer_bytes: usize,
}

impl ConnectOptions {
    /// The path `/`, version 13, this subprotocol, nothing else.
    pub fn subprotocol(subprotocol: Option<&str>) -> Self {
        Self {
            subprotocol: subprotocol.map(str::to_owned),
            version: 13,
            path: "/".to_owned(),
            headers: Vec::new(),
            source: None,
            receive_buffer_bytes: None,
            read_buffer_bytes: 16 << 10,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Asks for this version of the WebSocket protocol.
    #[must_use]
    pub fn version(mut self, version: u8) -> Self {
        self.version = version;
        self
    }
}

/// A connection after its handshake.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) stream: TcpStream,
    /// What came after the head of the answer.
    pub(crate) already_read: Vec<u8>,
    /// The subprotocol in the answer.
    pub(crate) subprotocol: Option<String>,
}

impl Connected {
    /// A second handle on the connection, to end it with.
    pub(crate) fn second_handle(&self) -> Result<std::net::TcpStream> {
        let second = self.stream.as_fd().try_clone_to_owned();
        let second = second.map_err(|error| Error::io("duplicating a connection", error))?;
        Ok(second.into())
    }

    /// The link on this connection.
    pub(crate) async fn into_web_socket(self, read_buffer: usize) -> WebSocketStream<TcpStream> {
        let config = WebSocketConfig::default()
            .read_buffer_size(read_buffer)
            .write_buffer_size(0);
        let part = self.already_read;
        WebSocketStream::from_partially_read(self.stream, part, Role::Client, Some(config)).await
    }
}

/// Connects and shakes hands.
pub(crate) async fn connect(address: SocketAddr, options: &ConnectOptions) -> Result<Connected> {
    let connecting = async {
        let stream = open(address, options).await?;
        shake_hands(stream, address, options).await
    };
    tokio::time::timeout(CONNECT_MAX, connecting)
        .await
        .map_err(|_| Error::Deadline {
            awaited: format!("the handshake with {address}"),
            after: CONNECT_MAX,
            instead: "nothing, or only a part of an answer".into(),
        })?
}

/// Opens the TCP connection, from a chosen source if there is one.
async fn open(address: SocketAddr, options: &ConnectOptions) -> Result<TcpStream> {
    let connect_error = |error| Error::Connect {
        address: address.to_string(),
        source: error,
    };
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }
    .map_err(connect_error)?;
    if let Some(source) = options.source {
        socket.bind(source).map_err(connect_error)?;
    }
    if let Some(bytes) = options.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes).map_err(connect_error)?;
    }
    socket.set_nodelay(true).map_err(connect_error)?;
    socket.connect(address).await.map_err(connect_error)
}

async fn shake_hands(
    mut stream: TcpStream,
    address: SocketAddr,
    options: &ConnectOptions,
) -> Result<Connected> {
    let io_error = |error| Error::io("shaking hands", error);
    let nonce: [u8; 16] = rand::random();
    let key = base64::engine::general_purpose::STANDARD.encode(nonce);
    let head = request_head(address, options, &key);
    stream.write_all(head.as_bytes()).await.map_err(io_error)?;
    let mut read = Vec::with_capacity(512);
    let (answer, head_bytes) = loop {
        if let Some(complete) = parse_head(&read)? {
            break complete;
        }
        if stream.read_buf(&mut read).await.map_err(io_error)? == 0 {
            return Err(Error::Closed {
                awaited: "the handshake's answer".into(),
                close: NO_CODE.into(),
                instead: format!("{} bytes", read.len()),
            });
        }
    };
    let already_read = read.split_off(head_bytes);
    if answer.status != 101 {
        return Err(refused(stream, answer, already_read).await);
    }
    answer.check(&key)?;
    Ok(Connected {
        subprotocol: answer.header("sec-websocket-protocol").map(str::to_owned),
        stream,
        already_read,
    })
}

fn request_head(address: SocketAddr, options: &ConnectOptions, key: &str) -> String {
    let mut lines = vec![
        format!("GET {} HTTP/1.1", options.path),
        format!("Host: {address}"),
        "Connection: Upgrade".to_owned(),
        "Upgrade: websocket".to_owned(),
        format!("Sec-WebSocket-Version: {}", options.version),
        format!("Sec-WebSocket-Key: {key}"),
    ];
    if let Some(subprotocol) = &options.subprotocol {
        lines.push(format!("Sec-WebSocket-Protocol: {subprotocol}"));
    }
    for (name, value) in &options.headers {
        lines.push(format!("{name}: {value}"));
    }
    lines.join("\r\n") + "\r\n\r\n"
}

/// The head of the answer, header names in lower case.
struct Head {
    status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// What RFC 6455 section 4.1 demands of an accepting answer.
    fn check(&self, key: &str) -> Result<()> {
        let is = |name: &str, value: &str| {
            self.header(name)
                .is_some_and(|known| known.eq_ignore_ascii_case(value))
        };
        if is("upgrade", "websocket")
            && is("connection", "upgrade")
            && self.header("sec-websocket-accept") == Some(&derive_accept_key(key.as_bytes()))
        {
            return Ok(());
        }
        Err(Error::Malformed(format!(
            "the handshake's answer has wrong headers: {:?}",
            self.headers
        )))
    }
}

/// The head and its length, once it is complete.
fn parse_head(read: &[u8]) -> Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let malformed = |what: &dyn std::fmt::Display| {
        Error::Malformed(format!(
            "the handshake's answer ({what}): {}",
            crate::message::shortened(&String::from_utf8_lossy(read))
        ))
    };
    match response.parse(read) {
        Ok(httparse::Status::Complete(length)) => {
            let headers = response
                .headers
                .iter()
                .map(|header| {
                    (
                        header.name.to_ascii_lowercase(),
                        String::from_utf8_lossy(header.value).into_owned(),
                    )
                })
                .collect();
            let status = response.code.unwrap_or_default();
            Ok(Some((Head { status, headers }, length)))
        }
        Ok(httparse::Status::Partial) if read.len() > HEAD_BYTES_MAX => {
            Err(malformed(&"head too long"))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(malformed(&error)),
    }
}

/// The refusal with the body that `Content-Length` announces, as far as it comes.
async fn refused(mut stream: TcpStream, answer: Head, mut body: Vec<u8>) -> Error {
    let length = answer
        .header("content-length")
        .and_then(|length| length.parse::<usize>().ok())
        .unwrap_or(0)
        .min(BODY_BYTES_MAX);
    while body.len() < length {
        match stream.read_buf(&mut body).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    Error::Refused {
        status: answer.status,
        headers: answer.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// How long connecting and the handshake may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long the answer's head may be.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// How much of a refusal's body is read.
const BODY_BYTES_MAX: usize = 64 << 10;
