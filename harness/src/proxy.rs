//! Owns the reference proxy: a bare tokio program between posts or tabs and one CRM, the yardstick for what the CRM's link
//! costs a gateway. It moves the bytes that have to be moved and checks nothing.
//!
//! A post of `{"inputparameters": …}` to `/api/v1/methods/KEY` becomes an `executemethod` on the one WebSocket to the CRM, and
//! what comes back with its `qid` is the answer. A tab's message goes the same way and comes back to the tab. What the CRM asks
//! by itself is answered with a message of a set length.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message as Frame, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::error::{Error, Result};
use crate::listening;
use crate::message::peek_qid;

/// Where the proxy stands.
#[derive(Debug, Clone, Copy)]
pub struct ProxyOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where the CRM listens for WebSockets.
    pub connect: SocketAddr,
    /// How long the answer to what the CRM asks is; none: there is no answer.
    pub answer_bytes: Option<usize>,
}

/// A proxy that listens and is linked.
#[derive(Debug)]
pub struct Proxy {
    listener: TcpListener,
    address: SocketAddr,
    link: WebSocketStream<TcpStream>,
    answer_bytes: Option<usize>,
}

impl Proxy {
    /// Listens, and links itself to the CRM.
    pub async fn start(options: ProxyOptions) -> Result<Self> {
        let (listener, address) = listening::listen(options.listen).await?;
        Ok(Self {
            listener,
            address,
            link: link(options.connect).await?,
            answer_bytes: options.answer_bytes,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the CRM's link ends, which is an error.
    pub async fn run(self) -> Result<Infallible> {
        let (outgoing, queue) = mpsc::channel(QUEUE_MAX);
        let desk = Arc::new(Desk {
            waiting: Mutex::new(HashMap::new()),
            outgoing,
            last: AtomicU64::new(0),
        });
        let accepting = accept(self.listener, Arc::clone(&desk));
        tokio::select! {
            outcome = accepting => outcome,
            outcome = serve_link(self.link, queue, &desk, self.answer_bytes) => outcome,
        }
    }
}

/// What links, posts and tabs share.
struct Desk {
    waiting: Mutex<HashMap<Vec<u8>, Waiting>>,
    outgoing: mpsc::Sender<Utf8Bytes>,
    last: AtomicU64,
}

/// Who waits for an answer.
enum Waiting {
    Post(oneshot::Sender<Utf8Bytes>),
    Tab(mpsc::Sender<Utf8Bytes>),
}

impl Desk {
    fn wait(&self, qid: &[u8], waiting: Waiting) {
        // A panic while the lock is held cannot leave the map half-written.
        let mut map = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        map.insert(qid.to_vec(), waiting);
    }

    fn take(&self, qid: &[u8]) -> Option<Waiting> {
        let mut map = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        map.remove(qid)
    }
}

async fn link(address: SocketAddr) -> Result<WebSocketStream<TcpStream>> {
    let connected = TcpStream::connect(address).await;
    let stream = connected.map_err(|source| Error::Connect {
        address: address.to_string(),
        source,
    })?;
    let set = stream.set_nodelay(true);
    set.map_err(|error| Error::io("setting TCP_NODELAY", error))?;
    let failed = |error| Error::web_socket("linking the CRM", error);
    let request = format!("ws://{address}/").into_client_request();
    let mut request = request.map_err(failed)?;
    let json = HeaderValue::from_static("json");
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, json);
    Ok(client_async(request, stream).await.map_err(failed)?.0)
}

/// Moves messages between the CRM's link and whoever waits.
async fn serve_link(
    link: WebSocketStream<TcpStream>,
    mut queue: mpsc::Receiver<Utf8Bytes>,
    desk: &Desk,
    answer_bytes: Option<usize>,
) -> Result<Infallible> {
    let (mut sink, mut stream) = link.split();
    let failed = |error| Error::web_socket("serving the CRM's link", error);
    let padding = "x".repeat(answer_bytes.unwrap_or_default());
    loop {
        tokio::select! {
            Some(text) = queue.recv() => {
                sink.feed(Frame::Text(text)).await.map_err(failed)?;
                while let Ok(text) = queue.try_recv() {
                    sink.feed(Frame::Text(text)).await.map_err(failed)?;
                }
                sink.flush().await.map_err(failed)?;
            }
            frame = stream.next() => {
                let text = match frame {
                    Some(Ok(Frame::Text(text))) => text,
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return Err(failed(error)),
                    None => return Err(Error::Malformed("the CRM's link ended".into())),
                };
                let Some(qid) = peek_qid(text.as_bytes()) else {
                    continue;
                };
                match desk.take(qid) {
                    // Who does not wait any more gets nothing.
                    Some(Waiting::Post(post)) => drop(post.send(text)),
                    Some(Waiting::Tab(tab)) => drop(tab.send(text).await),
                    None if answer_bytes.is_some() => {
                        let answer = canned(qid, &padding);
                        sink.send(Frame::text(answer)).await.map_err(failed)?;
                    }
                    None => {}
                }
            }
        }
    }
}

/// A message with this `qid`, as long as the padding, if it is long enough to hold it.
fn canned(qid: &[u8], padding: &str) -> String {
    let qid = String::from_utf8_lossy(qid);
    let frame = CANNED_START.len() + qid.len() + CANNED_MIDDLE.len() + CANNED_END.len();
    let rest = &padding[..padding.len().saturating_sub(frame)];
    format!("{CANNED_START}{qid}{CANNED_MIDDLE}{rest}{CANNED_END}")
}

async fn accept(listener: TcpListener, desk: Arc<Desk>) -> Result<Infallible> {
    loop {
        let accepted = listener.accept().await;
        let (stream, _) = accepted.map_err(|error| Error::io("accepting", error))?;
        let set = stream.set_nodelay(true);
        set.map_err(|error| Error::io("setting TCP_NODELAY", error))?;
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&desk)));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(
    request: Request<Incoming>,
    desk: Arc<Desk>,
) -> std::result::Result<Answer, hyper::Error> {
    if request.method() == Method::POST {
        return post(request, &desk).await;
    }
    let key = request.headers().get(SEC_WEBSOCKET_KEY);
    let Some(accept) = key.map(|key| derive_accept_key(key.as_bytes())) else {
        return Ok(empty(StatusCode::BAD_REQUEST));
    };
    let mut answer = empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = answer.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if request.headers().contains_key(SEC_WEBSOCKET_PROTOCOL) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("json"));
    }
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            let socket =
                WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            serve_tab(socket, &desk).await;
        }
    });
    Ok(answer)
}

/// The body's one field is put into a message as it is.
async fn post(
    request: Request<Incoming>,
    desk: &Desk,
) -> std::result::Result<Answer, hyper::Error> {
    let path = request.uri().path();
    let key = path.rsplit('/').next().unwrap_or_default().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let fields = body
        .strip_prefix(b"{")
        .and_then(|rest| std::str::from_utf8(rest).ok());
    let Some(fields) = fields else {
        return Ok(empty(StatusCode::BAD_REQUEST));
    };
    let id = format!("{:036}", desk.last.fetch_add(1, Ordering::Relaxed));
    let text = format!(
        r#"["executemethod",{{"qid":"{id}","methodkey":"{key}","executionid":"{id}",{fields}]"#
    );
    let (sender, receiver) = oneshot::channel();
    desk.wait(id.as_bytes(), Waiting::Post(sender));
    // A closed queue shows in the answer that does not come.
    let _ = desk.outgoing.send(text.into()).await;
    let Ok(text) = receiver.await else {
        return Ok(empty(StatusCode::SERVICE_UNAVAILABLE));
    };
    let mut answer = Response::new(Full::new(text.into()));
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    Ok(answer)
}

async fn serve_tab<S>(mut socket: WebSocketStream<S>, desk: &Desk)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (sender, mut answers) = mpsc::channel(QUEUE_MAX);
    loop {
        let text = tokio::select! {
            Some(answer) = answers.recv() => {
                if socket.send(Frame::Text(answer)).await.is_err() {
                    return;
                }
                continue;
            }
            frame = socket.next() => match frame {
                Some(Ok(Frame::Text(text))) => text,
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return,
            },
        };
        if let Some(qid) = peek_qid(text.as_bytes()) {
            desk.wait(qid, Waiting::Tab(sender.clone()));
        }
        if desk.outgoing.send(text).await.is_err() {
            return;
        }
    }
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

/// How a canned answer begins.
const CANNED_START: &str = r#"["canned",{"qid":""#;
/// What stands behind its `qid`.
const CANNED_MIDDLE: &str = r#"","text":""#;
/// How a canned answer ends.
const CANNED_END: &str = r#""}]"#;
/// How many messages wait.
const QUEUE_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::admin::Admin;
    use crate::crm::{CrmHandle, CrmOptions, SimulatedCrm};
    use crate::tab::Tab;

    async fn proxy() -> (CrmHandle, SocketAddr) {
        let crm = SimulatedCrm::start(CrmOptions::on_loopback())
            .await
            .unwrap();
        let options = ProxyOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            connect: crm.address(),
            answer_bytes: Some(200),
        };
        let proxy = Proxy::start(options).await.unwrap();
        let address = proxy.address();
        tokio::spawn(proxy.run());
        (crm, address)
    }

    #[tokio::test]
    async fn a_post_runs_a_method_of_the_crm() {
        let (_crm, address) = proxy().await;
        let run = json!({"inputparameters": {"text": "Ё"}});
        let answer = Admin::new(address).run_method("echo", &run).await.unwrap();
        let result = answer.expect_status(200).unwrap().json().unwrap();
        assert_eq!(result[0], json!("methodresult"));
        assert_eq!(result[1]["outputparameters"], json!({"text": "Ё"}));
    }

    #[tokio::test]
    async fn a_tab_is_answered_by_the_crm_and_the_crm_by_the_proxy() {
        let (crm, address) = proxy().await;
        let mut tab = Tab::connect(address, Some("json")).await.unwrap();
        let pong = tab.request("ping", json!({"text": "Ё"})).await.unwrap();
        assert_eq!(pong.text("text"), Some("Ё"));
        let answer = crm.request("getuserstate", json!({}), Duration::from_secs(5));
        let answer = answer.await.unwrap();
        assert_eq!(
            (answer.name.as_str(), answer.to_text().len()),
            ("canned", 200)
        );
    }
}
