//! A second look at links that fell silent, for ends that the kernel did not tell.
//!
//! Under churn on Linux 6.18, about one receive in 100,000 connections waited
//! for ever on a socket that the peer had reset. All those seen went along with
//! a send that failed, and such a send renews the receive at once (`batch`);
//! this look is for whatever else may lose an end. Every link that was heard is
//! looked at once more after it has been silent for a while: if its socket has
//! something to read all the same, its receive is started anew and counted.

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use okgate_core::base::Instant;
use socket2::SockRef;

use super::TabRing;
use super::links::Connection;
use super::token::{Kind, Token};

/// The links that were heard, by period.
pub(super) struct Sweep {
    /// The current period, never zero.
    period: u32,
    ends: Instant,
    /// Links heard in this period.
    heard: Vec<Token>,
    /// Links heard in the last period, to be looked at if they are silent in this one.
    suspects: VecDeque<Token>,
}

impl Sweep {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            period: 1,
            ends: now + PERIOD,
            heard: Vec::new(),
            suspects: VecDeque::new(),
        }
    }

    /// Notes that a link was heard.
    pub(super) fn hear(&mut self, connection: &mut Connection, index: u32) {
        if connection.heard != self.period {
            connection.heard = self.period;
            let token = Token::new(Kind::Receive, connection.generation, index);
            self.heard.push(token);
        }
    }

    /// When there is something to look at.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        (!self.suspects.is_empty() || !self.heard.is_empty()).then_some(self.ends)
    }
}

impl<Message> TabRing<Message> {
    /// Looks at the links whose time has come.
    pub(super) fn sweep(&mut self, now: Instant) -> io::Result<()> {
        if now < self.sweep.ends {
            return Ok(());
        }
        for _ in 0..LOOKS_MAX {
            let Some(suspect) = self.sweep.suspects.pop_front() else {
                self.sweep.suspects.extend(self.sweep.heard.drain(..));
                self.sweep.period = self.sweep.period.wrapping_add(1).max(1);
                self.sweep.ends = now + PERIOD;
                return Ok(());
            };
            self.look(suspect)?;
        }
        Ok(())
    }

    fn look(&mut self, suspect: Token) -> io::Result<()> {
        let period = self.sweep.period;
        let silent = self.links.of(suspect).filter(|connection| {
            connection.receiving && !connection.closing && connection.heard != period
        });
        let Some(connection) = silent else {
            return Ok(());
        };
        let mut byte = [MaybeUninit::uninit()];
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        let socket = SockRef::from(&connection.socket);
        let nothing = socket
            .recv_with_flags(&mut byte, flags)
            .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        if !nothing {
            // It ends as cancelled, which starts it anew.
            self.counters.receives_renewed.add(1);
            self.queue.cancel(suspect)?;
        }
        Ok(())
    }
}

/// How long a link is silent before it is looked at: at least this, at most twice.
const PERIOD: Duration = Duration::from_secs(1);
/// Looks in one wake-up; each is a system call.
const LOOKS_MAX: usize = 256;
