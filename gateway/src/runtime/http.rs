//! HTTP/1.1 on the executor: hyper over this shard's streams, with bounds on
//! connections and on silence.
//!
//! In come requests for a handler; out go its answers. What they mean is the
//! handler's business.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_lite::io::{AsyncRead, AsyncWrite};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::rt::ReadBufCursor;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

use super::stream::{Listener, Stream};
use super::task::{sleep, spawn};

/// Bounds of one HTTP address.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Connections at once; one more waits to be accepted.
    pub connections: u32,
    /// A connection on which no request arrives whole for this long is closed.
    pub silence: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 256,
            silence: Duration::from_secs(30),
        }
    }
}

/// Serves an address until the executor ends.
pub async fn serve_http<Handler, Answer>(
    socket: std::net::TcpListener,
    limits: HttpLimits,
    handler: Rc<Handler>,
) where
    Handler: Fn(Request<Incoming>) -> Answer + 'static,
    Answer: Future<Output = Response<Full<Bytes>>> + 'static,
{
    let listener = Listener::new(socket);
    let open = Rc::new(Cell::new(0_u32));
    loop {
        while open.get() >= limits.connections {
            sleep(RETRY).await;
        }
        match listener.accept().await {
            Ok(stream) => {
                let held = Counted::new(&open);
                let handler = Rc::clone(&handler);
                spawn(async move {
                    serve_connection(stream, limits, handler).await;
                    drop(held);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                sleep(RETRY).await;
            }
        }
    }
}

async fn serve_connection<Handler, Answer>(stream: Stream, limits: HttpLimits, handler: Rc<Handler>)
where
    Handler: Fn(Request<Incoming>) -> Answer + 'static,
    Answer: Future<Output = Response<Full<Bytes>>> + 'static,
{
    let activity = Rc::new(Activity::default());
    let service = service_fn(|request| {
        let (handler, activity) = (Rc::clone(&handler), Rc::clone(&activity));
        async move {
            activity.begin();
            let answer = handler(request).await;
            activity.end();
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(HyperIo(stream), service);
    let served = async {
        // A peer that breaks off has nobody left to be told.
        let _broken = connection.await;
    };
    futures_lite::future::or(served, silence(&activity, limits.silence)).await;
}

/// Ends when no request has been in hand for this long.
async fn silence(activity: &Activity, limit: Duration) {
    loop {
        let before = activity.requests.get();
        sleep(limit).await;
        if !activity.is_busy.get() && activity.requests.get() == before {
            return;
        }
    }
}

/// What happens on one connection.
#[derive(Default)]
struct Activity {
    requests: Cell<u64>,
    is_busy: Cell<bool>,
}

impl Activity {
    fn begin(&self) {
        self.is_busy.set(true);
    }

    fn end(&self) {
        self.is_busy.set(false);
        self.requests.set(self.requests.get() + 1);
    }
}

/// Counts one more until it is dropped.
struct Counted(Rc<Cell<u32>>);

impl Counted {
    fn new(count: &Rc<Cell<u32>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A stream as hyper wants it.
struct HyperIo(Stream);

impl hyper::rt::Read for HyperIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // The cursor's memory is not initialised: bytes go through the stack.
        let mut buffer = [0; READ_BYTES];
        let wanted = cursor.remaining().min(READ_BYTES);
        let stream = Pin::new(&mut self.0);
        let read = ready!(stream.poll_read(context, &mut buffer[..wanted]))?;
        cursor.put_slice(&buffer[..read]);
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for HyperIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(context)
    }
}

/// A request's head, and what hyper buffers of its body.
const HEAD_BYTES_MAX: usize = 16 << 10;

const READ_BYTES: usize = 8 << 10;

/// When accepting is tried again after it failed, or while the address is full.
const RETRY: Duration = Duration::from_millis(50);
