//! Plain TCP streams on the executor, for the CRM's link and the HTTP servers.
//!
//! They are not for tabs: those are on the ring. A stream owns its socket,
//! buffers nothing, and closes when it is dropped.
#![allow(unsafe_code)]

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{FromRawFd, IntoRawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncWrite};
use glommio::GlommioError;
use glommio::net;
use socket2::SockRef;

use super::connection::{Connection, ReadHalf, WriteHalf};
use super::task;

/// A connection without TLS; [`Connection`] has what reads and writes it.
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

    /// Two halves that two tasks of the same shard can use; the connection
    /// closes when both are dropped.
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        Connection::from(self).split()
    }
}

/// The addresses of `host:port`, asked for on a thread of its own, since the
/// system's resolver blocks.
pub async fn resolve(name: &str) -> io::Result<Vec<SocketAddr>> {
    let name = name.to_owned();
    let asking = move || name.to_socket_addrs().map(Iterator::collect);
    task::on_thread("resolve", asking).await?
}

/// A listening socket on the executor.
#[derive(Debug)]
pub struct Listener {
    socket: net::TcpListener,
    /// The same socket, which the executor does not give back.
    duplicate: TcpListener,
}

impl Listener {
    /// Takes over a socket that listens.
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        let duplicate = listener.try_clone()?;
        // SAFETY: the descriptor of a listening socket, given up by its owner here.
        let socket = unsafe { net::TcpListener::from_raw_fd(listener.into_raw_fd()) };
        Ok(Self { socket, duplicate })
    }

    /// Waits for the next connection.
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

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
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

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(context)
    }
}

fn plain_error(error: GlommioError<()>) -> io::Error {
    match error {
        GlommioError::IoError(error) => error,
        GlommioError::EnhancedIoError { source, .. } => source,
        GlommioError::TimedOut(_) => io::ErrorKind::TimedOut.into(),
        other => io::Error::other(other.to_string()),
    }
}
