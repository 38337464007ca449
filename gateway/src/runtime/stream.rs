//! Connections beside the tab ring: the CRM's outgoing link, and those of the
//! web and admin addresses. They ride on the executor's own sockets.

use std::io;
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::os::fd::{FromRawFd, IntoRawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::io::{AsyncRead, AsyncWrite};
use glommio::GlommioError;
use glommio::net::{TcpListener, TcpStream};

use super::task::timeout;

/// A connected stream of bytes, read and written through futures-io.
#[derive(Debug)]
pub struct Stream(TcpStream);

/// A listening socket of this shard.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// Takes over a listening socket.
    pub fn new(socket: std::net::TcpListener) -> Self {
        #[allow(unsafe_code)]
        // SAFETY: the descriptor is a listening socket that nobody else owns
        // from here on.
        Self(unsafe { TcpListener::from_raw_fd(socket.into_raw_fd()) })
    }

    /// Waits for the next connection.
    pub async fn accept(&self) -> io::Result<Stream> {
        let stream = self.0.accept().await.map_err(fault)?;
        stream.set_nodelay(true).map_err(fault)?;
        Ok(Stream(stream))
    }
}

impl Stream {
    /// Connects to `host` (a name or an address) within `limit`, its resolution
    /// included, which runs on a thread of its own.
    pub async fn connect(host: &str, port: u16, limit: Duration) -> io::Result<Self> {
        let connected = timeout(limit, async {
            let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            for address in resolve(host.to_owned(), port).await? {
                match TcpStream::connect(address).await.map_err(fault) {
                    Ok(stream) => {
                        stream.set_nodelay(true).map_err(fault)?;
                        return Ok(Self(stream));
                    }
                    Err(error) => last = error,
                }
            }
            Err(last)
        });
        let too_slow = || io::Error::new(io::ErrorKind::TimedOut, "the connection took too long");
        connected.await.unwrap_or_else(|| Err(too_slow()))
    }

    /// Ends both directions; pending reads and writes end.
    pub async fn shutdown(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Both).await.map_err(fault)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
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

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(context)
    }
}

/// The addresses of a host. The system's resolver blocks, so a thread asks it.
async fn resolve(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    let (answer, answered) = async_channel::bounded(1);
    std::thread::Builder::new()
        .name("resolver".to_owned())
        .spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs();
            // Nobody waits any more if the time was over.
            let _late = answer.try_send(found.map(Vec::from_iter));
        })?;
    let gone = |_| io::Error::other("the resolver's thread ended");
    answered.recv().await.map_err(gone)?
}

fn fault<T>(error: GlommioError<T>) -> io::Error {
    error.into()
}
