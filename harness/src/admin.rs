//! Owns a small client of the gateway's admin address: health, metrics and the scenario API.
//!
//! One HTTP/1.1 connection per call, or, for who calls often, some that stay open; each call has a deadline; a status other
//! than the expected one is an error that carries the body.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::error::{Error, Result};

/// A client of one admin address.
#[derive(Debug, Clone)]
pub struct Admin {
    address: SocketAddr,
    token: Option<String>,
    deadline: Duration,
    /// Connections that are open and free, if they stay open.
    kept: Option<Arc<Mutex<Vec<Sender>>>>,
}

/// One side of a connection.
type Sender = SendRequest<Full<Bytes>>;

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminAnswer {
    /// Method and path of the call.
    pub call: String,
    /// The HTTP status.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

impl AdminAnswer {
    /// The body as JSON; an empty one is null.
    pub fn json(&self) -> Result<Value> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&self.body).map_err(|error| Error::Http {
            call: self.call.clone(),
            problem: format!("the body is not JSON ({error}): {}", self.body),
        })
    }

    /// The answer itself if it has this status.
    pub fn expect_status(self, status: u16) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        Err(Error::Http {
            problem: format!("status {} instead of {status}: {}", self.status, self.body),
            call: self.call,
        })
    }
}

impl Admin {
    /// A client without a token.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            token: None,
            deadline: Duration::from_secs(15),
            kept: None,
        }
    }

    /// Sends this bearer token with every call.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Sets how long each call may take.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Leaves connections open for further calls: for who makes hundreds a second.
    #[must_use]
    pub fn keep_connections(mut self) -> Self {
        self.kept = Some(Arc::default());
        self
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Result<AdminAnswer> {
        self.call(Method::GET, path, None).await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<AdminAnswer> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// `DELETE path`.
    pub async fn delete(&self, path: &str) -> Result<AdminAnswer> {
        self.call(Method::DELETE, path, None).await
    }

    /// Whether `/healthz` says that the gateway lives.
    pub async fn is_alive(&self) -> Result<bool> {
        Ok(self.get("/healthz").await?.status == 200)
    }

    /// Whether `/readyz` says that the gateway is ready.
    pub async fn is_ready(&self) -> Result<bool> {
        Ok(self.get("/readyz").await?.status == 200)
    }

    /// The metrics page.
    pub async fn metrics(&self) -> Result<Metrics> {
        let answer = self.get("/metrics").await?.expect_status(200)?;
        Ok(Metrics(answer.body))
    }

    /// `/api/v1/status`.
    pub async fn status(&self) -> Result<Value> {
        self.get("/api/v1/status").await?.expect_status(200)?.json()
    }

    /// Runs a dynamic method: `body` as in the interface (`inputparameters`, `userlogin`, `timeout_ms`, …).
    pub async fn run_method(&self, key: &str, body: &Value) -> Result<AdminAnswer> {
        self.post(&format!("/api/v1/methods/{key}"), body).await
    }

    /// Lets an outside caller ring a number; gives the call's `chainid`. `more` adds fields (`name`, `talk_ms` …).
    pub async fn start_call(&self, from: &str, to: &str, more: Value) -> Result<String> {
        let mut body = json!({"from": from, "to": to});
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        let answer = self.post("/api/v1/sim/calls", &body).await?;
        let answer = answer.expect_status(201)?;
        match answer.json()?["chainid"].as_str() {
            Some(chain) => Ok(chain.to_owned()),
            None => Err(Error::Http {
                problem: format!("no chainid in {}", answer.body),
                call: answer.call,
            }),
        }
    }

    /// Lets the simulated phone that rings in this call be picked up.
    pub async fn answer_call(&self, chain: &str) -> Result<AdminAnswer> {
        let path = format!("/api/v1/sim/calls/{chain}/answer");
        expect_success(self.post(&path, &json!({})).await?)
    }

    /// Lets the simulated caller hang up.
    pub async fn hang_up_call(&self, chain: &str) -> Result<AdminAnswer> {
        let path = format!("/api/v1/sim/calls/{chain}/hangup");
        expect_success(self.post(&path, &json!({})).await?)
    }

    /// The calls that are going on.
    pub async fn calls(&self) -> Result<Value> {
        let answer = self.get("/api/v1/sim/calls").await?;
        answer.expect_status(200)?.json()
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<AdminAnswer> {
        let call = format!("{method} {path}");
        let exchange = self.exchange(method, path, body);
        let failed = |problem: String| Error::Http {
            call: format!("{call} at {}", self.address),
            problem,
        };
        match tokio::time::timeout(self.deadline, exchange).await {
            Ok(Ok((status, body))) => Ok(AdminAnswer { call, status, body }),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!("no answer within {:?}", self.deadline))),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(u16, String)> {
        let request = || self.request(&method, path, body);
        while let Some(mut sender) = self.take_kept() {
            match sender.send_request(request()?).await {
                Ok(answer) => return self.finish(sender, answer).await,
                // The server ended it before it got this.
                Err(error) if error.is_canceled() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        if self.kept.is_some() {
            tokio::spawn(connection);
            let answer = sender.send_request(request()?).await?;
            return self.finish(sender, answer).await;
        }
        let answering = async {
            let answer = sender.send_request(request()?).await?;
            read(answer).await
        };
        // The connection makes progress only while it is polled; the answer ends before it does.
        tokio::pin!(answering);
        tokio::select! {
            answer = &mut answering => answer,
            ended = connection => {
                ended?;
                answering.await
            }
        }
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string());
        if self.kept.is_none() {
            request = request.header(header::CONNECTION, "close");
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some(value) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(value.to_string())
            }
            None => Bytes::new(),
        };
        Ok(request.body(Full::new(body))?)
    }

    /// Reads the answer and leaves the connection to the next call.
    async fn finish(
        &self,
        sender: Sender,
        answer: Response<Incoming>,
    ) -> anyhow::Result<(u16, String)> {
        let read = read(answer).await?;
        if let Some(kept) = &self.kept {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(sender);
        }
        Ok(read)
    }

    /// A connection that is open and free.
    fn take_kept(&self) -> Option<Sender> {
        let mut kept = self
            .kept
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        kept.retain(|sender| !sender.is_closed());
        // The latest: others come to their end by themselves when they are not needed.
        let ready = kept.iter().rposition(Sender::is_ready)?;
        Some(kept.swap_remove(ready))
    }
}

async fn read(answer: Response<Incoming>) -> anyhow::Result<(u16, String)> {
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

fn expect_success(answer: AdminAnswer) -> Result<AdminAnswer> {
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    answer.expect_status(200)
}

/// A page of metrics in Prometheus' text format.
#[derive(Debug, Clone)]
pub struct Metrics(pub String);

impl Metrics {
    /// The sum of all samples of this name whose line contains every one of `labels` (e.g. `reason="slow"`);
    /// `None` if there is no such sample.
    pub fn sum(&self, name: &str, labels: &[&str]) -> Option<f64> {
        self.0
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter(|line| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with(['{', ' ']))
            })
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one call with these bytes; gives the request's text.
    async fn answering_once(answer: &'static str) -> (SocketAddr, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") && !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        (address, task)
    }

    #[tokio::test]
    async fn a_call_is_started_and_its_chain_given_back() {
        let answer = "HTTP/1.1 201 Created\r\nContent-Length: 15\r\n\r\n{\"chainid\":\"c\"}";
        let (address, request) = answering_once(answer).await;
        let admin = Admin::new(address).token("secret");
        let chain = admin
            .start_call("8927", "101", json!({"name": "A"}))
            .await
            .unwrap();
        assert_eq!(chain, "c");
        let request = request.await.unwrap().to_lowercase();
        assert!(
            request.starts_with("post /api/v1/sim/calls http/1.1\r\n"),
            "{request}"
        );
        assert!(
            request.contains("authorization: bearer secret"),
            "{request}"
        );
        assert!(
            request.ends_with(r#"{"from":"8927","to":"101","name":"a"}"#),
            "{request}"
        );
    }

    /// Answers so many calls on each connection with 204; gives how many connections there were, call by call.
    async fn answering(calls_max: usize) -> (SocketAddr, tokio::sync::watch::Receiver<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, seen) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.send_modify(|count| *count += 1);
                for _ in 0..calls_max {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        if stream.read_buf(&mut request).await.unwrap() == 0 {
                            break;
                        }
                    }
                    let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
                    stream.write_all(answer).await.unwrap();
                }
            }
        });
        (address, seen)
    }

    #[tokio::test]
    async fn connections_that_are_kept_serve_many_calls_and_are_replaced_when_they_end() {
        let (address, connections) = answering(3).await;
        let admin = Admin::new(address).keep_connections();
        for _ in 0..7 {
            assert_eq!(admin.get("/").await.unwrap().status, 204);
        }
        assert_eq!(*connections.borrow(), 3);
    }

    #[tokio::test]
    async fn an_unexpected_status_shows_the_body() {
        let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone";
        let (address, _request) = answering_once(answer).await;
        let error = Admin::new(address).status().await.unwrap_err().to_string();
        assert!(error.contains("404") && error.contains("none"), "{error}");
    }

    #[test]
    fn samples_are_summed_over_their_labels() {
        let page = "# TYPE a counter\na{x=\"1\",y=\"1\"} 2\na{x=\"2\",y=\"1\"} 3\nab 5\nb 1.5\n";
        let metrics = Metrics(page.to_owned());
        assert_eq!(metrics.sum("a", &[]), Some(5.0));
        assert_eq!(metrics.sum("a", &["x=\"2\""]), Some(3.0));
        assert_eq!(metrics.sum("b", &[]), Some(1.5));
        assert_eq!(metrics.sum("c", &[]), None);
    }
}
