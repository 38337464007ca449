//! Owns posts to a scenario API over connections that stay open: one run of a dynamic method a post (protocol 8-d).

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::error::{Error, Result};

/// One connection.
#[derive(Debug)]
pub(super) struct Poster {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Poster {
    pub(super) async fn connect(address: SocketAddr) -> Result<Self> {
        let connected = TcpStream::connect(address).await;
        let stream = connected.map_err(|source| Error::Connect {
            address: address.to_string(),
            source,
        })?;
        let set = stream.set_nodelay(true);
        set.map_err(|error| Error::io("setting TCP_NODELAY", error))?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tokio::spawn(connection);
        Ok(Self { address, sender })
    }

    /// Whether the server has closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Posts a run of the method `echo`; gives the answer.
    pub(super) async fn run(&mut self, body: impl Into<Bytes>) -> Result<(StatusCode, Bytes)> {
        let request = Request::post(PATH)
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.into()));
        let request = request.map_err(|error| Error::Usage(format!("the post: {error}")))?;
        self.sender.ready().await.map_err(failed)?;
        let answer = self.sender.send_request(request).await.map_err(failed)?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(failed)?;
        Ok((status, body.to_bytes()))
    }
}

#[allow(clippy::needless_pass_by_value)] // the form that `map_err` asks for
fn failed(error: hyper::Error) -> Error {
    Error::Http {
        call: format!("POST {PATH}"),
        problem: error.to_string(),
    }
}

/// What is run.
pub(super) const PATH: &str = "/api/v1/methods/echo";
