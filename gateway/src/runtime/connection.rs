//! A connection that is plain or has TLS: whoever reads and writes it need not know which.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};
use hyper::rt;

use super::stream::Stream;
use super::tls::TlsStream;

/// A [`Stream`], with or without TLS over it. It closes when it is dropped.
#[derive(Debug)]
pub struct Connection(Transport);

enum Transport {
    Plain(Stream),
    Tls(Box<TlsStream>),
}

impl Connection {
    /// The other end.
    pub fn peer(&self) -> SocketAddr {
        match &self.0 {
            Transport::Plain(stream) => stream.peer(),
            Transport::Tls(stream) => stream.stream().peer(),
        }
    }

    /// Whether there is TLS over it.
    pub fn is_tls(&self) -> bool {
        matches!(self.0, Transport::Tls(_))
    }

    /// Reads what there is, at least one byte; zero bytes are the end of the stream. With TLS, an
    /// end that does not say that it is one is an error.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| Pin::new(&mut *self).poll_read(context, buffer)).await
    }

    /// Writes all of it.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        write_rest(bytes, &mut 0, |context, step| self.poll_step(context, step)).await
    }

    /// Half-closes: the other end reads the end of the stream. With TLS that is said first.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|context| Pin::new(&mut *self).poll_close(context)).await
    }

    /// Two halves that two tasks of the same shard can use; the connection closes when both are
    /// dropped.
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        let connection = Rc::new(RefCell::new(self));
        (ReadHalf(Rc::clone(&connection)), WriteHalf(connection))
    }

    fn poll_step(&mut self, context: &mut Context<'_>, step: Step<'_>) -> Poll<io::Result<usize>> {
        let this = Pin::new(self);
        match step {
            Step::Write(bytes) => this.poll_write(context, bytes),
            Step::Flush => this.poll_flush(context).map_ok(|()| 0),
        }
    }
}

impl From<Stream> for Connection {
    fn from(stream: Stream) -> Self {
        Self(Transport::Plain(stream))
    }
}

impl From<TlsStream> for Connection {
    fn from(stream: TlsStream) -> Self {
        Self(Transport::Tls(Box::new(stream)))
    }
}

/// The reading half of a [`Connection`].
#[derive(Debug)]
pub struct ReadHalf(Rc<RefCell<Connection>>);

impl ReadHalf {
    /// Reads what there is, at least one byte; zero bytes are the end of the stream.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| Pin::new(&mut *self.0.borrow_mut()).poll_read(context, buffer)).await
    }
}

/// The writing half of a [`Connection`].
#[derive(Debug)]
pub struct WriteHalf(Rc<RefCell<Connection>>);

impl WriteHalf {
    /// Writes all of it.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_rest(bytes, &mut 0).await
    }

    /// Writes what stands behind the first `written` bytes, and counts along: if the future is
    /// dropped, the count says where to go on.
    pub async fn write_rest(&mut self, bytes: &[u8], written: &mut usize) -> io::Result<()> {
        write_rest(bytes, written, |context, step| {
            self.0.borrow_mut().poll_step(context, step)
        })
        .await
    }

    /// Half-closes: the other end reads the end of the stream.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|context| Pin::new(&mut *self.0.borrow_mut()).poll_close(context)).await
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Transport::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Transport::Plain(stream) => Pin::new(stream).poll_close(context),
            Transport::Tls(stream) => Pin::new(&mut **stream).poll_close(context),
        }
    }
}

impl rt::Read for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        cursor: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        read_into(self, context, cursor)
    }
}

impl rt::Write for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(self, context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(self, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_close(context)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(stream) => stream.fmt(formatter),
            Self::Tls(stream) => write!(formatter, "Tls({:?})", stream.stream()),
        }
    }
}

/// Reads what there is into hyper's memory.
pub(super) fn read_into(
    reader: Pin<&mut impl AsyncRead>,
    context: &mut Context<'_>,
    mut cursor: rt::ReadBufCursor<'_>,
) -> Poll<io::Result<()>> {
    // Read through a small buffer: the cursor's memory may be uninitialised.
    let mut buffer = [0; READ_BYTES];
    let room = cursor.remaining().min(READ_BYTES);
    let read = reader.poll_read(context, &mut buffer[..room]);
    read.map_ok(|count| cursor.put_slice(&buffer[..count]))
}

/// What writing all of something is made of.
#[derive(Clone, Copy)]
enum Step<'a> {
    Write(&'a [u8]),
    Flush,
}

async fn write_rest(
    bytes: &[u8],
    written: &mut usize,
    mut poll_step: impl FnMut(&mut Context<'_>, Step<'_>) -> Poll<io::Result<usize>>,
) -> io::Result<()> {
    while let rest @ [_, ..] = &bytes[*written..] {
        let step = poll_fn(|context| poll_step(context, Step::Write(rest))).await?;
        if step == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        *written += step;
    }
    poll_fn(|context| poll_step(context, Step::Flush)).await?;
    Ok(())
}

/// What one read for HTTP takes at most.
const READ_BYTES: usize = 8 << 10;
