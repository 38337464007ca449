//! Owns the bytes of one direction of a connection between their arrival and their leaving.
//!
//! [`Pipe::step`] does one thing at a time: it reads, or writes what is due. What waits is bounded in bytes and in pieces; when
//! it is full nothing more is read, so that whoever sends meets the same wall as behind a slow network.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::Shutdown;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::fate::Shape;

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Pipe {
    random: ChaCha8Rng,
    waiting: VecDeque<Piece>,
    waiting_bytes: usize,
    /// When the newest piece is due: none overtakes another.
    last_due: Instant,
    /// When the next bytes may go out.
    next_write: Instant,
    /// Nothing more will come.
    is_ended: bool,
    /// The end was passed on.
    is_finished: bool,
    /// How many bytes went through.
    pub(super) forwarded: u64,
}

/// What one read brought.
#[derive(Debug)]
struct Piece {
    due: Instant,
    bytes: Bytes,
}

/// What a pipe may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowance {
    /// Neither read nor write.
    Nothing,
    /// Write so many bytes at most.
    Bytes(u64),
    /// Write so many thousandths of what is next, which is never all of it, and no more.
    PartOfNext(u16),
}

/// What a pipe has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It read, or there was nothing to do after all.
    Read,
    /// It wrote so many bytes.
    Wrote(u64),
    /// It wrote the part of what was next.
    Parted,
    /// It passed the end on, behind everything else.
    Finished,
}

impl Pipe {
    pub(super) fn new(random: ChaCha8Rng) -> Self {
        let now = Instant::now();
        Self {
            random,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            last_due: now,
            next_write: now,
            is_ended: false,
            is_finished: false,
            forwarded: 0,
        }
    }

    /// Whether the end was passed on, or nothing can be.
    pub(super) fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Nothing goes through any more.
    pub(super) fn give_up(&mut self) {
        self.waiting = VecDeque::new();
        self.waiting_bytes = 0;
        self.is_finished = true;
    }

    /// Does the next thing; nothing is lost when the wait is given up. It waits for ever if there is nothing to do.
    pub(super) async fn step(
        &mut self,
        from: &TcpStream,
        to: &TcpStream,
        allowance: Allowance,
        shape: Shape,
    ) -> std::io::Result<Step> {
        if self.is_finished || allowance == Allowance::Nothing {
            return std::future::pending().await;
        }
        if self.is_ended && self.waiting.is_empty() {
            self.is_finished = true;
            SockRef::from(to).shutdown(Shutdown::Write)?;
            return Ok(Step::Finished);
        }
        let is_read = !self.is_ended && self.has_room();
        let first = self.waiting.front();
        let write_at = first.map(|piece| piece.due.max(self.next_write));
        let writable = async {
            match write_at {
                Some(at) => {
                    // Even a time that has come takes the timer a millisecond.
                    if at > Instant::now() {
                        sleep_until(at).await;
                    }
                    to.writable().await
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            readable = from.readable(), if is_read => {
                readable?;
                self.read(from, shape)
            }
            writable = writable => {
                writable?;
                self.write(to, allowance, shape)
            }
        }
    }

    fn has_room(&self) -> bool {
        self.waiting_bytes < WAITING_BYTES_MAX && self.waiting.len() < PIECES_MAX
    }

    fn read(&mut self, from: &TcpStream, shape: Shape) -> std::io::Result<Step> {
        let mut buffer = [0; READ_BYTES];
        let room = (WAITING_BYTES_MAX - self.waiting_bytes).min(READ_BYTES);
        match from.try_read(&mut buffer[..room]) {
            Ok(0) => self.is_ended = true,
            Ok(read) => self.put(&buffer[..read], shape),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(Step::Read)
    }

    fn put(&mut self, bytes: &[u8], shape: Shape) {
        let jitter = shape.jitter.mul_f64(self.random.random_range(0.0..=1.0));
        let due = Instant::now() + shape.delay + jitter;
        self.last_due = self.last_due.max(due);
        self.waiting_bytes += bytes.len();
        self.waiting.push_back(Piece {
            due: self.last_due,
            bytes: Bytes::copy_from_slice(bytes),
        });
    }

    fn write(
        &mut self,
        to: &TcpStream,
        allowance: Allowance,
        shape: Shape,
    ) -> std::io::Result<Step> {
        let Some(piece) = self.waiting.front_mut() else {
            return Ok(Step::Read);
        };
        let length = piece.bytes.len();
        let (allowed, is_part) = match allowance {
            Allowance::Nothing => (0, false),
            Allowance::Bytes(most) => (usize::try_from(most).unwrap_or(usize::MAX), false),
            Allowance::PartOfNext(part) => (length * usize::from(part) / 1000, true),
        };
        if is_part && allowed == 0 {
            return Ok(Step::Parted);
        }
        let wanted = length.min(allowed).min(at_once(shape));
        let written = match to.try_write(&piece.bytes[..wanted]) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Step::Read),
            Err(error) => return Err(error),
        };
        piece.bytes.advance(written);
        if piece.bytes.is_empty() {
            self.waiting.pop_front();
        }
        self.waiting_bytes -= written;
        self.forwarded += written as u64;
        self.next_write = Instant::now() + rest_after(written, shape);
        Ok(if is_part {
            Step::Parted
        } else {
            Step::Wrote(written as u64)
        })
    }
}

/// How many bytes go out in one write.
fn at_once(shape: Shape) -> usize {
    match (shape.pause, shape.bytes_per_s) {
        (Some(_), _) => 1,
        (None, Some(rate)) => {
            let most = rate / WRITES_PER_S;
            usize::try_from(most).unwrap_or(usize::MAX).max(1)
        }
        (None, None) => usize::MAX,
    }
}

/// How long nothing goes out after so many bytes.
fn rest_after(written: usize, shape: Shape) -> Duration {
    let by_rate = shape.bytes_per_s.map_or(Duration::ZERO, |rate| {
        let nanoseconds = (written as u64).saturating_mul(1_000_000_000);
        Duration::from_nanos(nanoseconds / rate.max(1))
    });
    by_rate.max(shape.pause.unwrap_or_default())
}

/// How many bytes of one direction wait in the proxy at most.
pub(super) const WAITING_BYTES_MAX: usize = 64 << 10;
/// In how many pieces.
const PIECES_MAX: usize = 1024;
/// How much one read takes.
const READ_BYTES: usize = 16 << 10;
/// In how many writes a second's bytes go out where they are bounded.
const WRITES_PER_S: u64 = 50;
