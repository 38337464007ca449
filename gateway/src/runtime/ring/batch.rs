//! The sends of one wake-up: gathered, handed to the kernel in one system
//! call, and settled before the engine's buffers are used again.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use okgate_core::base::{Engine, LinkId, Payload};

use super::TabRing;
use super::queue::{Completion, Sending};
use super::token::{Kind, Token};

/// What is to go out.
#[derive(Default)]
pub(super) struct Batch {
    /// The number of this batch, never zero.
    number: u32,
    sends: Vec<Send>,
    /// Further sends on links that are in `sends` already.
    repeats: Vec<Send>,
    ends: Vec<End>,
}

struct Send {
    index: u32,
    link: LinkId,
    payload: Payload,
}

/// How a link ends.
pub(super) struct End {
    pub(super) link: LinkId,
    /// Whether only our side of the stream ends.
    pub(super) half: bool,
}

impl Batch {
    /// A link ends after what was sent.
    pub(super) fn end(&mut self, end: End) {
        self.ends.push(end);
    }
}

impl<Message> TabRing<Message> {
    /// Takes a send into the batch.
    pub(super) fn add_send<E: Engine>(&mut self, engine: &mut E, link: LinkId, payload: Payload) {
        let Some(index) = self.links.index_of(link) else {
            return;
        };
        let number = self.batch.number;
        let Some(connection) = self.links.at(index) else {
            return;
        };
        if connection.full {
            self.counters.unsent.add(1);
            engine.unsent(link, &payload, 0);
            return;
        }
        let send = Send {
            index,
            link,
            payload,
        };
        self.traffic = true;
        if connection.batch == number {
            self.counters.repeated_sends.add(1);
            self.batch.repeats.push(send);
        } else {
            connection.batch = number;
            self.batch.sends.push(send);
        }
    }

    /// Sends the batch, settles it, ends links, and waits up to `wait` for
    /// something new if the batch leaves nothing to do.
    pub(super) fn flush<E: Engine>(
        &mut self,
        engine: &mut E,
        wait: Option<Duration>,
    ) -> io::Result<()> {
        let more = !self.batch.ends.is_empty() || !self.batch.repeats.is_empty();
        let wait = if more { None } else { wait };
        self.send_all(engine, wait)?;
        while !self.batch.repeats.is_empty() {
            self.next_repeats(engine);
            self.send_all(engine, None)?;
        }
        let mut ends = std::mem::take(&mut self.batch.ends);
        for end in ends.drain(..) {
            self.end_link(&end);
        }
        self.batch.ends = ends;
        self.batch.number = self.batch.number.wrapping_add(1).max(1);
        engine.end_batch();
        Ok(())
    }

    fn send_all<E: Engine>(&mut self, engine: &mut E, wait: Option<Duration>) -> io::Result<()> {
        if self.batch.sends.is_empty() {
            return self.queue.submit(wait);
        }
        let (links, counters, number) = (&self.links, &self.counters, self.batch.number);
        let sends = self.batch.sends.iter().enumerate();
        let sends = sends.filter_map(|(place, send)| {
            let bytes = engine.payload(&send.payload);
            counters.sends.add(1);
            counters.sent_bytes.add(bytes.len() as u64);
            let place = u32::try_from(place).ok()?;
            Some(Sending {
                socket: links.socket(send.index)?,
                bytes,
                token: Token::new(Kind::Send, number, place),
            })
        });
        self.queue.send(sends, wait)?;
        self.settle(engine)
    }

    /// Hands what the sockets did not take back to the engine.
    fn settle<E: Engine>(&mut self, engine: &mut E) -> io::Result<()> {
        let mut completions = std::mem::take(&mut self.completions);
        self.queue.take_completions(&mut completions);
        let mut result = Ok(());
        completions.retain(|completion| {
            let sending = completion.token.kind == Kind::Send;
            if sending && result.is_ok() {
                result = self.settle_one(engine, completion);
            }
            !sending
        });
        self.completions = completions;
        self.batch.sends.clear();
        result
    }

    fn settle_one<E: Engine>(&mut self, engine: &mut E, completion: &Completion) -> io::Result<()> {
        debug_assert_eq!(
            completion.token,
            Token::new(Kind::Send, self.batch.number, completion.token.index),
            "no send outlives its batch"
        );
        let Some(send) = self.batch.sends.get(completion.token.index as usize) else {
            return Ok(());
        };
        let count = match completion.result {
            sent @ 0.. => sent.unsigned_abs() as usize,
            error if matches!(-error, libc::EAGAIN | libc::EINTR) => 0,
            _ => {
                // The connection is gone; its receive ends and says so.
                self.counters.send_errors.add(1);
                return Ok(());
            }
        };
        let Some(token) = self.links.token(Kind::Writable, send.index) else {
            return Ok(());
        };
        if let Some(connection) = self.links.at(send.index) {
            connection.full = true;
            self.queue.wait_writable(connection.socket.as_fd(), token)?;
        }
        self.counters.unsent.add(1);
        engine.unsent(send.link, &send.payload, count);
        Ok(())
    }

    /// Moves the next send of each link from the repeats to the sends.
    fn next_repeats<E: Engine>(&mut self, engine: &mut E) {
        self.batch.number = self.batch.number.wrapping_add(1).max(1);
        for send in std::mem::take(&mut self.batch.repeats) {
            let Some(connection) = self.links.at(send.index) else {
                continue;
            };
            if connection.full {
                self.counters.unsent.add(1);
                engine.unsent(send.link, &send.payload, 0);
            } else if connection.batch == self.batch.number {
                self.batch.repeats.push(send);
            } else {
                connection.batch = self.batch.number;
                self.batch.sends.push(send);
            }
        }
    }
}
