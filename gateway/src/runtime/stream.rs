//! Plain TCP streams on the executor, for the CRM's link and the HTTP servers.
//!
//! They are not for tabs: those are on the ring. A stream owns its socket,
//! buffers nothing, and closes when it is dropped.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{FromRawFd, IntoRawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncWrite};
use glommio::GlommioError;
use glommio::net;
use hyper::rt;
use socket2::SockRef;

/// A connection.
#[derive(Debug)]
pub struct Stream {
    socket: net::TcpStream,
    peer: SocketAddr,
}

impl Stream {
    /// Connects, within this time.
    pub async fn connect(address: SocketAddr, within: Duration) -> io::Result<Self> {
        let within = within.max(Duration::from_millis(1));
        let socket = net::TcpStream::connect_timeout(address, within)
            .await
            .map_err(plain_error)?;
        socket.set_nodelay(true).map_err(plain_error)?;
        Ok(Self {
            socket,
            peer: address,
        })
    }

    /// The other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Reads what there is, at least one byte; zero bytes are the end of the stream.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| Pin::new(&mut self.socket).poll_read(context, buffer)).await
    }

    /// Writes all of it.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        write_all(bytes, |context, rest| {
            Pin::new(&mut self.socket).poll_write(context, rest)
        })
        .await
    }

    /// Two halves that two tasks of the same shard can use; the connection
    /// closes when both are dropped.
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        let socket = Rc::new(RefCell::new(self.socket));
        (ReadHalf(Rc::clone(&socket)), WriteHalf(socket))
    }
}

/// The reading half of a [`Stream`].
#[derive(Debug)]
pub struct ReadHalf(Rc<RefCell<net::TcpStream>>);

impl ReadHalf {
    /// Reads what there is, at least one byte; zero bytes are the end of the stream.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| Pin::new(&mut *self.0.borrow_mut()).poll_read(context, buffer)).await
    }
}

/// The writing half of a [`Stream`].
#[derive(Debug)]
pub struct WriteHalf(Rc<RefCell<net::TcpStream>>);

impl WriteHalf {
    /// Writes what fits, at least one byte; says how many.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written =
            poll_fn(|context| Pin::new(&mut *self.0.borrow_mut()).poll_write(context, bytes))
                .await?;
        if written == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(written)
    }

    /// Writes all of it.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        write_all(bytes, |context, rest| {
            Pin::new(&mut *self.0.borrow_mut()).poll_write(context, rest)
        })
        .await
    }

    /// Half-closes: the other end reads the end of the stream.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|context| Pin::new(&mut *self.0.borrow_mut()).poll_close(context)).await
    }
}

/// The addresses of `host:port`, asked for on a thread of its own, since the
/// system's resolver blocks.
pub async fn resolve(name: &str) -> io::Result<Vec<SocketAddr>> {
    let (sender, receiver) = async_channel::bounded(1);
    let name = name.to_owned();
    thread::Builder::new()
        .name("resolve".to_owned())
        .spawn(move || {
            let addresses = name.to_socket_addrs().map(Iterator::collect);
            // Nobody waits any more if this fails.
            let _ = sender.try_send(addresses);
        })?;
    receiver.recv().await.map_err(io::Error::other)?
}

/// A listening socket on the executor.
#[derive(Debug)]
pub struct Listener {
    socket: net::TcpListener,
    /// The same socket, which the executor does not give back.
    duplicate: TcpListener,
}

impl Listener {
    /// Takes the socket over.
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        let duplicate = listener.try_clone()?;
        // SAFETY: the descriptor of a listening socket, given up by its owner here.
        let socket = unsafe { net::TcpListener::from_raw_fd(listener.into_raw_fd()) };
        Ok(Self { socket, duplicate })
    }

    /// The next connection.
    pub async fn accept(&self) -> io::Result<Stream> {
        let socket = self.socket.accept().await.map_err(plain_error)?;
        let peer = socket.peer_addr().map_err(plain_error)?;
        Ok(Stream { socket, peer })
    }
}

/// The kernel closes a socket of a ring some time after the process that had it has
/// ended: the address is given up here, so that a restarted gateway finds it free.
impl Drop for Listener {
    fn drop(&mut self) {
        // A socket that does not listen any more needs no end.
        let _ended = SockRef::from(&self.duplicate).shutdown(Shutdown::Both);
    }
}

impl rt::Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut cursor: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // Read through a small buffer: the cursor's memory may be uninitialised.
        let mut buffer = [0; READ_BYTES];
        let room = cursor.remaining().min(READ_BYTES);
        let read = Pin::new(&mut self.socket).poll_read(context, &mut buffer[..room]);
        read.map_ok(|count| cursor.put_slice(&buffer[..count]))
    }
}

impl rt::Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(context)
    }
}

async fn write_all(
    mut bytes: &[u8],
    mut poll_write: impl FnMut(&mut Context<'_>, &[u8]) -> Poll<io::Result<usize>>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = poll_fn(|context| poll_write(context, bytes)).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
    }
    Ok(())
}

fn plain_error(error: GlommioError<()>) -> io::Error {
    match error {
        GlommioError::IoError(error) => error,
        GlommioError::EnhancedIoError { source, .. } => source,
        GlommioError::TimedOut(_) => io::ErrorKind::TimedOut.into(),
        other => io::Error::other(other.to_string()),
    }
}

/// What one read for HTTP takes at most.
const READ_BYTES: usize = 8 << 10;
