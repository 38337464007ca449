//! What the CRM is still to be told over a WebSocket, as frames.

use super::Limits;
use crate::base::Random;
use crate::protocol::split;
use crate::wire::frame::{
    CloseCode, Role, append_close, append_ping, append_pong, append_text_with,
};
use crate::wire::hixie;
use crate::wire::upgrade::{Format, Version};

/// Frames in their order, bounded in bytes.
#[derive(Debug)]
pub(super) struct Outbox {
    framing: Framing,
    pending: Vec<u8>,
    /// So many of these, at their start, are no frames.
    plain: usize,
    in_flight: usize,
}

/// What frames look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Of who opened the connection: masked.
    Client,
    /// Of who accepted it.
    Server,
    /// Version 0, of either.
    Hixie,
}

impl Framing {
    /// Of a connection of this version.
    pub(super) const fn new(role: Role, version: Version) -> Self {
        match (version, role) {
            (Version::V0, _) => Self::Hixie,
            (_, Role::Client) => Self::Client,
            (_, Role::Server) => Self::Server,
        }
    }
}

impl Outbox {
    /// An empty one.
    pub(super) fn new(framing: Framing) -> Self {
        Self {
            framing,
            pending: Vec::new(),
            plain: 0,
            in_flight: 0,
        }
    }

    /// Bytes that wait: those of the last send that is not confirmed, too.
    pub(super) fn bytes(&self) -> usize {
        self.pending.len() + self.in_flight
    }

    /// Bytes that are no frame and come before all frames: the request of the handshake, or the answer
    /// to it.
    pub(super) fn plain(&mut self, bytes: &mut Vec<u8>) {
        self.pending.append(bytes);
        self.plain = self.pending.len();
    }

    /// Frames that are written already.
    pub(super) fn frames(&mut self, bytes: &mut Vec<u8>) {
        self.pending.append(bytes);
    }

    /// An event: always one message.
    pub(super) fn event(&mut self, message: &[u8], random: &mut Random) {
        if self.framing == Framing::Hixie {
            return hixie::append_own_text(&mut self.pending, message);
        }
        let mask = self.mask(random);
        append_text_with(&mut self.pending, mask, message.len(), |out| {
            out.extend_from_slice(message);
        });
    }

    /// An answer or a request: packets, if it is long (protocol 3.3); `false`, and nothing, if it could
    /// never be sent, since it alone is more than may wait.
    pub(super) fn message(
        &mut self,
        message: &[u8],
        format: Format,
        limits: &Limits,
        random: &mut Random,
    ) -> bool {
        if message.len() <= limits.plain_bytes_max {
            self.event(message, random);
            return true;
        }
        let (id, before) = (random.guid(), self.pending.len());
        for packet in split(message, id, limits.packet_chars, format) {
            self.event(&packet, random);
            if self.pending.len() - before > limits.queue_bytes_max {
                self.pending.truncate(before);
                return false;
            }
        }
        true
    }

    /// Whether there are pings: version 0 has none.
    pub(super) fn has_pings(&self) -> bool {
        self.framing != Framing::Hixie
    }

    pub(super) fn ping(&mut self, payload: &[u8], random: &mut Random) {
        let mask = self.mask(random);
        append_ping(&mut self.pending, payload, mask);
    }

    pub(super) fn pong(&mut self, payload: &[u8], random: &mut Random) {
        let mask = self.mask(random);
        append_pong(&mut self.pending, payload, mask);
    }

    /// What can be sent now: nothing while the last send is not confirmed.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        if self.in_flight > 0 || self.pending.is_empty() {
            return None;
        }
        self.in_flight = self.pending.len();
        self.plain = 0;
        Some(std::mem::take(&mut self.pending))
    }

    /// The last send went out.
    pub(super) fn sent(&mut self) {
        self.in_flight = 0;
    }

    /// The link ends. Gives the last bytes, which go out behind the send that is under way: what
    /// waits, unless that is too much, and a close frame if there is a code.
    pub(super) fn end(
        &mut self,
        close: Option<(CloseCode, &str)>,
        limits: &Limits,
        random: &mut Random,
    ) -> Vec<u8> {
        let mut last = std::mem::take(&mut self.pending);
        let in_flight = std::mem::take(&mut self.in_flight);
        if last.len() + in_flight > limits.queue_bytes_max {
            // Frames mean nothing without the handshake's answer.
            last.truncate(self.plain);
        }
        match close {
            Some(_) if self.framing == Framing::Hixie => hixie::append_close(&mut last),
            Some((code, reason)) => {
                let mask = self.mask(random);
                append_close(&mut last, Some(code), reason, mask);
            }
            None => {}
        }
        last
    }

    /// A client's frames are masked, each anew (RFC 6455, 5.3).
    fn mask(&self, random: &mut Random) -> Option<[u8; 4]> {
        if self.framing != Framing::Client {
            return None;
        }
        let [a, b, c, d, ..] = random.number().to_le_bytes();
        Some([a, b, c, d])
    }
}
