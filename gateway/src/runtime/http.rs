//! HTTP servers for the web and admin addresses, beside the ring.
//!
//! Connections and requests come in; a handler answers each request. The
//! server bounds how many connections there are, how long one may take to send
//! a request's head, and how long it may refuse to take an answer; what a
//! request means is the handler's business.

use std::cell::Cell;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::rt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

use super::connection::Connection;
use super::stream::Listener;
use super::task;

/// The bounds of an HTTP server.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Connections at a time; further ones are closed at once.
    pub connections_max: usize,
    /// From the connection's start or the last answer to the end of the next
    /// request's head.
    pub head_timeout: Duration,
    /// How long the peer may take none of an answer's bytes.
    pub write_timeout: Duration,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            head_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            head_bytes_max: 64 << 10,
        }
    }
}

/// Serves HTTP/1.1 on this listener until the future is dropped.
///
/// The handler gets each request with the peer's address. Its connections live
/// on as tasks of the shard until they end or time out.
pub async fn serve_http<Handler, Answer, Content>(
    listener: TcpListener,
    limits: HttpLimits,
    handler: Handler,
) where
    Handler: Fn(Request<Incoming>, SocketAddr) -> Answer + Clone + 'static,
    Answer: Future<Output = Response<Content>> + 'static,
    Content: Body + 'static,
    Content::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let listener = match Listener::new(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "an HTTP address cannot be served"),
    };
    let connections = Rc::new(());
    loop {
        match listener.accept().await {
            Ok(stream) => {
                // The strong references are this function's and one per connection.
                if Rc::strong_count(&connections) > limits.connections_max {
                    tracing::warn!(
                        max = limits.connections_max,
                        "an HTTP connection is refused"
                    );
                    continue;
                }
                let (counted, handler) = (Rc::clone(&connections), handler.clone());
                task::spawn(async move {
                    serve(stream.into(), limits, handler).await;
                    drop(counted);
                })
                .detach();
            }
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection cannot be accepted");
                task::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve<Handler, Answer, Content>(stream: Connection, limits: HttpLimits, handler: Handler)
where
    Handler: Fn(Request<Incoming>, SocketAddr) -> Answer + 'static,
    Answer: Future<Output = Response<Content>> + 'static,
    Content: Body + 'static,
    Content::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let peer = stream.peer();
    let phase = Rc::new(Phase::default());
    let service = service_fn(|request| {
        let serving = Serving::begin(&phase);
        let answer = handler(request, peer);
        async move {
            let answer = answer.await;
            Ok::<_, std::convert::Infallible>(answer.map(|content| Tracked {
                content: Box::pin(content),
                _serving: serving,
            }))
        }
    });
    let watched = Watched {
        stream,
        phase: Rc::clone(&phase),
    };
    let connection = http1::Builder::new()
        .max_buf_size(limits.head_bytes_max.max(8 << 10))
        .header_read_timeout(None)
        .serve_connection(watched, service);
    let over = async {
        while let Some(rest) = phase.time_left(limits) {
            task::sleep(rest).await;
        }
        Ok(())
    };
    if let Err(error) = futures_lite::future::or(connection, over).await {
        tracing::debug!(%error, %peer, "an HTTP connection ended early");
    }
}

/// Where a connection is between requests, for its time-outs.
struct Phase {
    /// Requests that are being answered.
    serving: Cell<u32>,
    /// Since when no request has been answered.
    idle_since: Cell<Instant>,
    /// Since when the peer has taken nothing.
    blocked_since: Cell<Option<Instant>>,
}

impl Default for Phase {
    fn default() -> Self {
        Self {
            serving: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            blocked_since: Cell::new(None),
        }
    }
}

impl Phase {
    /// How long the connection may go on as it is; `None` when its time is over.
    fn time_left(&self, limits: HttpLimits) -> Option<Duration> {
        let (since, limit) = match self.blocked_since.get() {
            Some(since) => (since, limits.write_timeout),
            None if self.serving.get() == 0 => (self.idle_since.get(), limits.head_timeout),
            None => return Some(limits.head_timeout.min(limits.write_timeout)),
        };
        let left = limit.saturating_sub(since.elapsed());
        (!left.is_zero()).then_some(left)
    }
}

/// One request that is being answered.
struct Serving(Rc<Phase>);

impl Serving {
    fn begin(phase: &Rc<Phase>) -> Self {
        phase.serving.set(phase.serving.get() + 1);
        Self(Rc::clone(phase))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.serving.set(self.0.serving.get() - 1);
        self.0.idle_since.set(Instant::now());
    }
}

/// An answer's content; the request is over when it is dropped.
struct Tracked<Content> {
    content: Pin<Box<Content>>,
    _serving: Serving,
}

impl<Content: Body> Body for Tracked<Content> {
    type Data = Content::Data;
    type Error = Content::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.content.as_mut().poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

/// A stream that notes whether the peer takes what is written.
struct Watched {
    stream: Connection,
    phase: Rc<Phase>,
}

impl rt::Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        cursor: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, cursor)
    }
}

impl rt::Write for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.phase.blocked_since.get().is_none() {
            self.phase.blocked_since.set(Some(Instant::now()));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        self.phase.blocked_since.set(None);
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// How long accepting rests after a failure.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
