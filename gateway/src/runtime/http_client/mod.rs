//! An HTTP/1.1 client for one host: the CRM in the HTTP modes.
//!
//! In come posts; out goes the answer as it is, whatever its status, or an [`HttpFailure`]. A
//! post is sent at once or waits for its turn; connections are kept open between exchanges and
//! used again. Redirects are not followed. What a message means, and who the gateway is there,
//! is the caller's business.

mod failure;
mod link;
mod turns;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{CONTENT_LENGTH, HOST};
use okgate_core::wire::host::address;
use rustls::pki_types::ServerName;

use super::connection::Connection;
use super::dial::dial;
use super::tls::TlsConnector;
use link::Link;
use turns::Turns;

pub use failure::HttpFailure;

/// What is asked.
#[derive(Clone, Debug)]
pub struct HttpTarget {
    /// With TLS.
    pub https: Option<TlsConnector>,
    /// By name or number, an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// From the first slash on.
    pub path_and_query: String,
    /// The `Host` header.
    pub host_header: String,
}

/// The bounds of the client.
#[derive(Clone, Copy, Debug)]
pub struct HttpClientLimits {
    /// For the name's resolution, the connection and TLS, together.
    pub connect: Duration,
    /// From sending a request to the last byte of its answer; also how long a post waits for
    /// its turn.
    pub answer: Duration,
    /// How long a connection is kept open for the next exchange.
    pub idle: Duration,
    /// Bytes of an answer's head; less than 8 KiB is taken as 8 KiB.
    pub head_bytes: usize,
    /// Bytes of an answer's body.
    pub body_bytes: usize,
    /// Exchanges, and so connections, at a time; at least one.
    pub exchanges_max: usize,
    /// Posts that may wait for their turn; a further one fails at once.
    pub waiting_max: usize,
}

impl Default for HttpClientLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            head_bytes: 64 << 10,
            body_bytes: 16 << 20,
            exchanges_max: 16,
            waiting_max: 1000,
        }
    }
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// Each `WWW-Authenticate` header.
    pub www_authenticate: Vec<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Location`, where the status is a redirect.
    pub location: Option<String>,
    /// The content.
    pub body: Vec<u8>,
}

/// The client. Any number of tasks of one shard may post at once.
pub struct HttpClient {
    target: HttpTarget,
    limits: HttpClientLimits,
    /// Connections between exchanges, the latest used last.
    resting: RefCell<Vec<Link>>,
    turns: Turns,
}

impl HttpClient {
    /// A client that has no connection yet.
    pub fn new(target: HttpTarget, limits: HttpClientLimits) -> Self {
        Self {
            target,
            limits,
            resting: RefCell::default(),
            turns: Turns::new(limits.exchanges_max, limits.waiting_max),
        }
    }

    /// Posts a body and waits for the whole answer. `Host` and `Content-Length` are set here.
    ///
    /// A connection that was open from before may have been closed by the server meanwhile. If
    /// that shows before a byte of the answer came, the post is sent once more, on a new one.
    pub async fn post(
        &self,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<HttpAnswer, HttpFailure> {
        let request = self.request(headers, body)?;
        let turn = self.turns.take(self.limits.answer).await;
        let _turn = turn.ok_or(HttpFailure::Busy)?;
        if let Some(mut link) = self.rested() {
            match link.ask(request.clone()).await {
                // protocol 2.1-m: nothing of an answer came
                Err(HttpFailure::Closed) => {}
                answer => {
                    self.rest(link, &answer);
                    return answer;
                }
            }
        }
        let mut link = Link::new(self.connect().await?, self.limits).await?;
        let answer = link.ask(request).await;
        self.rest(link, &answer);
        answer
    }

    fn request(
        &self,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Request<Full<Bytes>>, HttpFailure> {
        let mut request = Request::post(&self.target.path_and_query);
        request = request.header(HOST, &self.target.host_header);
        // hyper leaves it out of a post without content, where RFC 9110, 8.6 wants it.
        request = request.header(CONTENT_LENGTH, body.len());
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body)));
        request.map_err(|error| HttpFailure::Request(error.to_string()))
    }

    /// A connection that rests and that the server, as far as is known, has not closed.
    fn rested(&self) -> Option<Link> {
        let mut resting = self.resting.borrow_mut();
        resting.retain(|link| !link.is_closed());
        resting.pop()
    }

    /// Keeps a connection for the next exchange, if it is good for one.
    fn rest(&self, link: Link, answer: &Result<HttpAnswer, HttpFailure>) {
        if answer.is_ok() && !link.is_closed() {
            self.resting.borrow_mut().push(link);
        }
    }

    async fn connect(&self) -> Result<Connection, HttpFailure> {
        let HttpTarget { host, port, .. } = &self.target;
        let (started, within) = (Instant::now(), self.limits.connect);
        let stream = dial(&address(host, *port), within).await?;
        let Some(connector) = &self.target.https else {
            return Ok(stream.into());
        };
        let name = ServerName::try_from(host.clone()).map_err(|_| {
            HttpFailure::Request(format!(
                "{host:?} is no name that a certificate could be for"
            ))
        })?;
        let left = within.saturating_sub(started.elapsed());
        Ok(connector.connect(stream, &name, left).await?)
    }
}
