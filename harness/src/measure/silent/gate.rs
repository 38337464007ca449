//! Owns a gate between a gateway and a simulated CRM that can fall silent: what goes through it stops, and connections that
//! come later are accepted and go nowhere.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{SockFilter, SockRef};
use tokio::io::{AsyncReadExt as _, copy_bidirectional, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::error::Result;
use crate::listening;

/// How the CRM behind a gate is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// Everything is read, and nothing is answered.
    NeverAnswers,
    /// Nothing comes back, no acknowledgement either, as from a machine that was switched off.
    HalfOpen,
    /// What comes is acknowledged until the socket is full, and never read.
    ReadsNothing,
}

impl Silence {
    pub(super) const ALL: [Self; 3] = [Self::NeverAnswers, Self::HalfOpen, Self::ReadsNothing];
}

impl fmt::Display for Silence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NeverAnswers => "never answers",
            Self::HalfOpen => "half-open",
            Self::ReadsNothing => "reads nothing",
        })
    }
}

/// A gate that is open until it is told to be silent.
#[derive(Debug)]
pub(super) struct Gate {
    address: SocketAddr,
    silence: watch::Sender<Option<Silence>>,
    serving: JoinHandle<()>,
}

impl Gate {
    /// Leads to this address.
    pub(super) async fn start(to: SocketAddr) -> Result<Self> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (listener, address) = listening::listen(wanted).await?;
        let (silence, told) = watch::channel(None);
        Ok(Self {
            address,
            silence,
            serving: tokio::spawn(serve(listener, to, told)),
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets nothing through from now on.
    pub(super) fn fall_silent(&self, silence: Silence) {
        self.silence.send_replace(Some(silence));
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, to: SocketAddr, told: watch::Receiver<Option<Silence>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (stream, _) = listening::accept(&listener) => {
                connections.spawn(pass(stream, to, told.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Passes a connection on until silence falls, and is silent then until the other side ends it.
async fn pass(mut near: TcpStream, to: SocketAddr, mut told: watch::Receiver<Option<Silence>>) {
    // Kept while there is silence, so that the CRM does not notice.
    let mut far = None;
    if told.borrow().is_none() {
        let Ok(connected) = TcpStream::connect(to).await else {
            return;
        };
        let far = far.insert(connected);
        tokio::select! {
            _ended = copy_bidirectional(&mut near, far) => return,
            _told = told.changed() => {}
        }
    }
    let silence = *told.borrow();
    match silence {
        None => {}
        Some(Silence::NeverAnswers) => {
            // Ends with the connection.
            let _bytes = tokio::io::copy(&mut near, &mut sink()).await;
        }
        Some(Silence::ReadsNothing) => std::future::pending().await,
        Some(Silence::HalfOpen) => {
            if let Err(error) = SockRef::from(&near).attach_filter(&[NOTHING]) {
                tracing::error!(%error, "a connection could not be made half-open");
                return;
            }
            // What had come before the filter is read; the end never comes.
            let mut rest = Vec::new();
            let _bytes = near.read_to_end(&mut rest).await;
        }
    }
}

/// The program for the kernel's filter that lets none of a packet through: `return 0`.
const NOTHING: SockFilter = SockFilter::new(0x06, 0, 0, 0);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;
    use tokio::time::timeout;

    use super::*;

    /// A server that sends everything back.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    let _ = tokio::io::copy(&mut reader, &mut writer).await;
                });
            }
        });
        address
    }

    async fn is_answered(stream: &mut TcpStream) -> bool {
        let mut byte = [0];
        stream.write_all(b"x").await.unwrap();
        let answer = timeout(Duration::from_millis(300), stream.read_exact(&mut byte));
        answer.await.is_ok_and(|read| read.is_ok())
    }

    /// What was under way when silence fell may still be answered.
    async fn until_silent(stream: &mut TcpStream) {
        let silent = async { while is_answered(stream).await {} };
        timeout(Duration::from_secs(20), silent).await.unwrap();
    }

    /// Bytes that this end has sent and that were not acknowledged.
    fn unacknowledged(stream: &TcpStream) -> u64 {
        // One port may be at both ends of several connections, also of some that are long over.
        let ends = [stream.local_addr(), stream.peer_addr()];
        let ends = ends.map(|end| format!(":{:04X}", end.unwrap().port()));
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let row = table.lines().find(|row| {
            let columns = row.split_whitespace().skip(1).zip(&ends);
            columns.filter(|(end, port)| end.ends_with(*port)).count() == 2
        });
        let queues = row.unwrap().split_whitespace().nth(4).unwrap();
        u64::from_str_radix(queues.split(':').next().unwrap(), 16).unwrap()
    }

    #[tokio::test]
    async fn a_gate_is_open_until_it_falls_silent_for_old_connections_and_new_ones() {
        for silence in Silence::ALL {
            let gate = Gate::start(echo().await).await.unwrap();
            let mut old = TcpStream::connect(gate.address()).await.unwrap();
            assert!(is_answered(&mut old).await, "{silence}");
            gate.fall_silent(silence);
            until_silent(&mut old).await;
            let mut new = TcpStream::connect(gate.address()).await.unwrap();
            assert!(!is_answered(&mut new).await, "{silence}");
        }
    }

    #[tokio::test]
    async fn who_is_half_open_acknowledges_nothing() {
        for (silence, is_heard) in [(Silence::NeverAnswers, true), (Silence::HalfOpen, false)] {
            let gate = Gate::start(echo().await).await.unwrap();
            let mut stream = TcpStream::connect(gate.address()).await.unwrap();
            assert!(is_answered(&mut stream).await);
            gate.fall_silent(silence);
            until_silent(&mut stream).await;
            assert!(!is_answered(&mut stream).await);
            assert_eq!(unacknowledged(&stream) == 0, is_heard, "{silence}");
        }
    }
}
