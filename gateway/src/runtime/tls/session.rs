//! TLS over a stream: rustls turns bytes into bytes, this moves them.
//!
//! Reading never writes and writing never reads once the handshake is over, so that two tasks
//! may each do one of them. Whoever polls a write keeps the records that do not go out at once:
//! at most the 64 KiB that rustls takes.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::{AsyncRead, AsyncWrite};
use rustls::Connection as Session;

use super::error::{TlsError, Whose};
use crate::runtime::stream::Stream;

/// A stream with TLS over it, its handshake done.
pub(in crate::runtime) struct TlsStream {
    stream: Stream,
    session: Session,
    /// Whether our `close_notify` is said.
    is_closing: bool,
}

impl TlsStream {
    /// Makes the handshake.
    pub(super) async fn handshake(stream: Stream, session: Session) -> Result<Self, TlsError> {
        let mut connection = Self {
            stream,
            session,
            is_closing: false,
        };
        poll_fn(|context| connection.poll_handshake(context)).await?;
        Ok(connection)
    }

    /// The stream under it.
    pub(in crate::runtime) fn stream(&self) -> &Stream {
        &self.stream
    }

    fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<Result<(), TlsError>> {
        loop {
            let sent = self.poll_send(context).map_err(TlsError::io)?;
            if !self.session.is_handshaking() {
                return sent.map(Ok);
            }
            if ready!(self.poll_receive(context))? == 0 {
                return Poll::Ready(Err(TlsError::Closed));
            }
        }
    }

    /// Reads records once, and hands them to the session. 0 is the end of the stream.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<usize, TlsError>> {
        let mut adapter = Adapter {
            stream: &mut self.stream,
            context,
        };
        let count = match self.session.read_tls(&mut adapter) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) if self.session.is_handshaking() => {
                return Poll::Ready(Err(TlsError::io(error)));
            }
            count => count.map_err(TlsError::Io)?,
        };
        if let Err(error) = self.session.process_new_packets() {
            // The alert that tells the other side, as far as it can be sent.
            let _sent = self.poll_send(context);
            let whose = self.whose();
            return Poll::Ready(Err(TlsError::new(error, whose)));
        }
        Poll::Ready(Ok(count))
    }

    /// Sends all records that there are.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let mut adapter = Adapter {
                stream: &mut self.stream,
                context,
            };
            match self.session.write_tls(&mut adapter) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whose certificates are checked here.
    fn whose(&self) -> Whose {
        match self.session {
            Session::Client(_) => Whose::Server,
            Session::Server(_) => Whose::Client,
        }
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            match this.session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Err(cut_off()));
                }
                done => return Poll::Ready(done),
            }
            ready!(this.poll_receive(context)).map_err(TlsError::into_io)?;
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        let count = this.session.writer().write(bytes)?;
        // What does not go out now goes with the next write or flush.
        if let Poll::Ready(sent) = this.poll_send(context) {
            sent?;
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_closing {
            this.is_closing = true;
            this.session.send_close_notify();
        }
        ready!(this.poll_send(context))?;
        Pin::new(&mut this.stream).poll_close(context)
    }
}

/// The stream as rustls reads and writes it: what is not ready would block.
struct Adapter<'a, 'b> {
    stream: &'a mut Stream,
    context: &'a mut Context<'b>,
}

impl Adapter<'_, '_> {
    fn now<T>(done: Poll<io::Result<T>>) -> io::Result<T> {
        match done {
            Poll::Ready(done) => done,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Read for Adapter<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Self::now(Pin::new(&mut *self.stream).poll_read(self.context, buffer))
    }
}

impl Write for Adapter<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::now(Pin::new(&mut *self.stream).poll_write(self.context, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::now(Pin::new(&mut *self.stream).poll_flush(self.context))
    }
}

fn cut_off() -> io::Error {
    let words = "the other side ended the connection without the end that TLS has (close_notify): what came may not be all";
    io::Error::new(io::ErrorKind::UnexpectedEof, words)
}
