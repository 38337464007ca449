//! One connection of the client: one exchange at a time, and its rest between them.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_lite::AsyncRead;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, LOCATION, WWW_AUTHENTICATE};
use hyper::{Request, Response, rt};

use super::failure::HttpFailure;
use super::{HttpAnswer, HttpClientLimits};
use crate::runtime::connection::{Connection, read_into};
use crate::runtime::task::{self, Task};

/// A connection to the server; it closes when it is dropped.
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    watch: Rc<Watch>,
    limits: HttpClientLimits,
    _driver: Task,
}

/// What is known of a connection beside hyper.
#[derive(Default)]
struct Watch {
    /// Whether a byte came since the last request.
    came: Cell<bool>,
    /// Since when it rests; nothing during an exchange.
    resting_since: Cell<Option<Instant>>,
}

impl Link {
    /// HTTP over this connection.
    pub(super) async fn new(
        connection: Connection,
        limits: HttpClientLimits,
    ) -> Result<Self, HttpFailure> {
        let watch = Rc::new(Watch::default());
        let watched = Watched {
            connection,
            watch: Rc::clone(&watch),
        };
        let made = http1::Builder::new()
            .max_buf_size(limits.head_bytes.max(HYPER_BUFFER_MIN))
            .handshake(watched)
            .await;
        let (sender, connection) =
            made.map_err(|error| HttpFailure::new(&error, false, limits.head_bytes))?;
        let resting = Rc::clone(&watch);
        let driver = task::spawn(async move {
            let rested = async {
                while let Some(rest) = resting.left(limits.idle) {
                    task::sleep(rest).await;
                }
                Ok(())
            };
            // The exchange under way gets the error, too.
            if let Err(error) = futures_lite::future::or(connection, rested).await {
                tracing::debug!(%error, "an HTTP connection to the CRM ended");
            }
        });
        Ok(Self {
            sender,
            watch,
            limits,
            _driver: driver,
        })
    }

    /// Whether it can be used no more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<HttpAnswer, HttpFailure> {
        self.watch.came.set(false);
        self.watch.resting_since.set(None);
        let within = self.limits.answer;
        let asked = task::timeout(within, self.exchange(request)).await;
        let answer = asked.ok_or(HttpFailure::TimedOut(within))?;
        self.watch.resting_since.set(Some(Instant::now()));
        answer
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<HttpAnswer, HttpFailure> {
        let ready = self.sender.ready().await;
        ready.map_err(|error| self.failure(&error))?;
        let response = self.sender.send_request(request).await;
        let (head, content) = response
            .map(Response::into_parts)
            .map_err(|error| self.failure(&error))?;
        let body = self.read(content).await?;
        Ok(HttpAnswer {
            status: head.status.as_u16(),
            www_authenticate: all(&head.headers, &WWW_AUTHENTICATE),
            content_type: first(&head.headers, &CONTENT_TYPE),
            location: first(&head.headers, &LOCATION),
            body,
        })
    }

    async fn read(&self, mut content: Incoming) -> Result<Vec<u8>, HttpFailure> {
        let max = self.limits.body_bytes;
        let told = content.size_hint().exact();
        let told = told.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        if told > max {
            return Err(HttpFailure::BodyTooLong(max));
        }
        // What is told is not yet there: only so much is believed at once.
        let mut body = Vec::with_capacity(told.min(BELIEVED_BYTES));
        while let Some(frame) = content.frame().await {
            let frame = frame.map_err(|error| self.failure(&error))?;
            if let Some(data) = frame.data_ref() {
                if data.len() > max - body.len() {
                    return Err(HttpFailure::BodyTooLong(max));
                }
                body.extend_from_slice(data);
            }
        }
        Ok(body)
    }

    fn failure(&self, error: &hyper::Error) -> HttpFailure {
        HttpFailure::new(error, self.watch.came.get(), self.limits.head_bytes)
    }
}

impl Watch {
    /// How long the connection may go on as it is; `None` when it has rested long enough.
    fn left(&self, idle: Duration) -> Option<Duration> {
        let since = self.resting_since.get();
        let left = since.map_or(idle, |since| idle.saturating_sub(since.elapsed()));
        (!left.is_zero()).then_some(left)
    }
}

/// A connection that notes whether anything comes.
struct Watched {
    connection: Connection,
    watch: Rc<Watch>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(AsyncRead::poll_read(
            Pin::new(&mut self.connection),
            context,
            buffer
        ))?;
        self.watch.came.set(self.watch.came.get() || count > 0);
        Poll::Ready(Ok(count))
    }
}

impl rt::Read for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        cursor: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        read_into(self, context, cursor)
    }
}

impl rt::Write for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        rt::Write::poll_write(Pin::new(&mut self.connection), context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        rt::Write::poll_flush(Pin::new(&mut self.connection), context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        rt::Write::poll_shutdown(Pin::new(&mut self.connection), context)
    }
}

fn all(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter();
    values
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect()
}

fn first(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    all(headers, name).into_iter().next()
}

/// hyper takes no smaller buffer.
const HYPER_BUFFER_MIN: usize = 8 << 10;

/// What a told length makes room for before anything of it has come.
const BELIEVED_BYTES: usize = 1 << 20;
