//! Listeners on the ring: accepting, refusing near the descriptor limit, and
//! pausing while the process has no descriptors left.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use okgate_core::base::{Engine, Instant, Peer};
use socket2::SockRef;

use super::TabRing;
use super::queue::Completion;
use super::token::{Kind, Token};

/// A listening socket of this shard.
pub(super) struct Listener {
    socket: Option<TcpListener>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Accepting,
    Paused(Instant),
}

impl Listener {
    pub(super) fn new(socket: TcpListener) -> Self {
        Self {
            socket: Some(socket),
            state: State::Idle,
        }
    }
}

impl<Message> TabRing<Message> {
    /// Starts the accepts that are not running, unless their pause goes on.
    pub(super) fn accept_all(&mut self, now: Instant) -> io::Result<()> {
        for (number, listener) in (0_u32..).zip(&mut self.listeners) {
            let due = match listener.state {
                State::Idle => true,
                State::Accepting => false,
                State::Paused(until) => until <= now,
            };
            if let Some(socket) = listener.socket.as_ref().filter(|_| due) {
                listener.state = State::Accepting;
                let token = Token::new(Kind::Accept, 0, number);
                self.queue.accept(socket.as_fd(), token)?;
            }
        }
        Ok(())
    }

    /// When the next pause is over.
    pub(super) fn accept_resumes(&self) -> Option<Instant> {
        let pauses = self.listeners.iter().map(|listener| listener.state);
        pauses
            .filter_map(|state| match state {
                State::Paused(until) => Some(until),
                _ => None,
            })
            .min()
    }

    /// Closes the listening sockets; connections stay.
    pub(super) fn stop_accepting(&mut self) -> io::Result<()> {
        for (number, listener) in (0_u32..).zip(&mut self.listeners) {
            if listener.socket.take().is_some() && listener.state == State::Accepting {
                self.queue.cancel(Token::new(Kind::Accept, 0, number))?;
            }
            listener.state = State::Idle;
        }
        Ok(())
    }

    /// A connection came, or accepting it failed.
    pub(super) fn accepted<E: Engine>(
        &mut self,
        engine: &mut E,
        completion: Completion,
        now: Instant,
    ) -> io::Result<()> {
        let number = completion.token.index;
        let more = completion.more();
        let place = number as usize;
        if let Some(listener) = self.listeners.get_mut(place).filter(|_| !more) {
            listener.state = State::Idle;
        }
        match completion.into_socket() {
            Ok(socket) => self.admit(engine, socket, number, now)?,
            Err(error) => self.accept_failed(place, error, now),
        }
        if more { Ok(()) } else { self.accept_all(now) }
    }

    fn admit<E: Engine>(
        &mut self,
        engine: &mut E,
        socket: OwnedFd,
        listener: u32,
        now: Instant,
    ) -> io::Result<()> {
        self.counters.accepts.add(1);
        let descriptor = u64::from(socket.as_raw_fd().unsigned_abs());
        let peer = SockRef::from(&socket).peer_addr().ok();
        let peer = peer.and_then(|address| address.as_socket());
        // Descriptors are given out lowest first, so a high one means few are left.
        if descriptor >= self.settings.descriptors_max {
            self.counters.refused_descriptors.add(1);
            if let Some(not_logged) = self.refused_log.admit(1, now) {
                tracing::warn!(
                    limit = self.settings.descriptors_max,
                    not_logged,
                    "connections are refused: the process is near its descriptor limit"
                );
            }
            self.counters.closes.add(1);
            return Ok(());
        }
        let link = peer.and_then(|address| {
            let listener = u16::try_from(listener).unwrap_or(u16::MAX);
            engine.open(Peer { address, listener }, now)
        });
        let Some(link) = link else {
            self.counters.closes.add(1);
            return Ok(());
        };
        let index = self.links.insert(socket, link);
        self.start_receiving(index)
    }

    fn accept_failed(&mut self, place: usize, error: i32, now: Instant) {
        if error == libc::ECANCELED {
            return;
        }
        self.counters.accept_errors.add(1);
        let exhausted = matches!(
            error,
            libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS
        );
        if let Some(listener) = self.listeners.get_mut(place).filter(|_| exhausted) {
            listener.state = State::Paused(now + ACCEPT_PAUSE);
        }
        if let Some(not_logged) = self.failed_log.admit(1, now) {
            tracing::warn!(
                error = %io::Error::from_raw_os_error(error),
                not_logged,
                "connections cannot be accepted"
            );
        }
    }
}

/// How long accepting rests when the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The least time between two log lines about the same trouble.
pub(super) const LOG_PAUSE: Duration = Duration::from_secs(10);
