//! One link's other end: what it takes from its socket, and what it must read there.

use std::collections::HashSet;
use std::time::Duration;

use okgate_core::base::{Instant, LinkId};

use crate::frames::{AnswerHead, Frames, Packets, Said, field};

/// A peer of the shard.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) link: LinkId,
    /// Bytes that the socket still takes.
    pub(super) room: usize,
    /// The socket was full: all is handed back until it is writable.
    pub(super) is_blocked: bool,
    /// The largest send that was handed back, in bytes.
    pub(super) unsent_max: usize,
    pub(super) life: Life,
    /// It sent bytes that may be anything, so what it is answered may be, too.
    pub(super) is_wild: bool,
    reading: Reading,
    has_format: bool,
    ping_after: Duration,
    pinged: Option<Instant>,
    /// `qid`s of requests that have no answer yet.
    unanswered: HashSet<String>,
    packets: Packets,
}

/// What the gateway did with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Open,
    /// It half-closed it.
    ShutDown,
    /// The id is dead.
    Gone,
}

#[derive(Debug)]
enum Reading {
    Head(Vec<u8>),
    /// The body of a refusal; so many bytes are still to come.
    Body(usize),
    Frames(Frames),
}

impl Peer {
    /// A peer that is to be pinged after so much silence.
    pub(super) fn new(link: LinkId, ping_after: Duration) -> Self {
        Self {
            link,
            room: usize::MAX,
            is_blocked: false,
            unsent_max: 0,
            life: Life::Open,
            is_wild: false,
            reading: Reading::Head(Vec::new()),
            has_format: false,
            ping_after,
            pinged: None,
            unanswered: HashSet::new(),
            packets: Packets::default(),
        }
    }

    /// Whether it speaks frames and was told no end.
    pub(super) fn is_open(&self) -> bool {
        let is_speaking = matches!(&self.reading, Reading::Frames(frames) if !frames.has_ended());
        is_speaking && self.life == Life::Open
    }

    /// It is about to send a request with this `qid`, which is answered once.
    pub(super) fn asks(&mut self, qid: &str) {
        self.unanswered.insert(qid.to_owned());
    }

    /// It has read all that the gateway had to say: every request that could be read was answered.
    pub(super) fn check_answered(&self) {
        if self.is_open() && self.has_format && !self.is_wild && !self.is_blocked {
            assert!(
                self.unanswered.is_empty(),
                "unanswered: {:?}",
                self.unanswered
            );
            assert!(self.packets.is_between(), "an unfinished multipart");
        }
    }

    /// Bytes come out of the socket.
    pub(super) fn read(&mut self, bytes: &[u8], now: Instant) {
        let said = match &mut self.reading {
            Reading::Head(head) => {
                head.extend_from_slice(bytes);
                let Some(answer) = AnswerHead::read(head) else {
                    return;
                };
                let rest = head.split_off(answer.bytes);
                self.has_format = answer.header("sec-websocket-protocol") == Some("json");
                self.reading = if answer.status == 101 {
                    Reading::Frames(Frames::new(false))
                } else {
                    Reading::Body(answer.content_length())
                };
                return self.read(&rest, now);
            }
            Reading::Body(missing) => {
                // The answer to HEAD says a length and has no body.
                *missing = missing
                    .checked_sub(bytes.len())
                    .expect("a body as long as said");
                return;
            }
            Reading::Frames(frames) => frames.take(bytes),
        };
        for said in said {
            self.hear(said, now);
        }
    }

    fn hear(&mut self, said: Said, now: Instant) {
        match self.packets.take(said) {
            Some(Said::Close(code)) => self.check_close(code),
            Some(Said::Message { name, fields, .. }) => self.hear_message(&name, &fields),
            Some(Said::Ping(_)) => {
                // protocol 3.5-b; what waited in a queue comes when it comes.
                let is_early = self.pinged.is_some_and(|at| now - at < self.ping_after);
                assert!(!is_early || self.unsent_max > 0, "pinged again too early");
                self.pinged = Some(now);
            }
            Some(Said::Pong(_)) | None => {}
        }
    }

    fn hear_message(&mut self, name: &str, fields: &str) {
        let qid = field(fields, "qid");
        if let Some(qid) = qid.filter(|qid| qid.starts_with('#'))
            && !self.is_wild
        {
            assert!(
                self.unanswered.remove(&*qid),
                "a second answer: {name} {fields}"
            );
        }
    }

    /// protocol 9: the codes that the gateway closes with of itself.
    fn check_close(&self, code: Option<u16>) {
        let ours = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1013];
        assert!(
            self.is_wild || code.is_some_and(|code| ours.contains(&code)),
            "closed with {code:?}"
        );
    }
}
