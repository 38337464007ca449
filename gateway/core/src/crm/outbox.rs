//! What the CRM is still to be told, as frames.

use super::Limits;
use crate::base::Random;
use crate::protocol::split;
use crate::wire::frame::{CloseCode, append_close, append_ping, append_pong, append_text_with};

/// Frames in their order, bounded in bytes.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pending: Vec<u8>,
    in_flight: usize,
}

impl Outbox {
    /// Bytes that wait: those of the last send that is not confirmed, too.
    pub(super) fn bytes(&self) -> usize {
        self.pending.len() + self.in_flight
    }

    /// Bytes that are no frame: the request of the handshake.
    pub(super) fn plain(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.pending);
    }

    /// An event: always one message.
    pub(super) fn event(&mut self, message: &[u8], random: &mut Random) {
        append_text_with(
            &mut self.pending,
            Some(mask(random)),
            message.len(),
            |out| {
                out.extend_from_slice(message);
            },
        );
    }

    /// An answer or a request: packets, if it is long (protocol 3.3).
    pub(super) fn message(&mut self, message: &[u8], limits: &Limits, random: &mut Random) {
        if message.len() <= limits.plain_bytes_max {
            return self.event(message, random);
        }
        let id = random.guid();
        for packet in split(message, id, limits.packet_chars) {
            self.event(&packet, random);
            // What is over the bound is about to be dropped with the link.
            if self.bytes() > limits.queue_bytes_max {
                return;
            }
        }
    }

    pub(super) fn ping(&mut self, random: &mut Random) {
        append_ping(&mut self.pending, &[], Some(mask(random)));
    }

    pub(super) fn pong(&mut self, payload: &[u8], random: &mut Random) {
        append_pong(&mut self.pending, payload, Some(mask(random)));
    }

    /// What can be sent now: nothing while the last send is not confirmed.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        if self.in_flight > 0 || self.pending.is_empty() {
            return None;
        }
        self.in_flight = self.pending.len();
        Some(std::mem::take(&mut self.pending))
    }

    /// The last send went out.
    pub(super) fn sent(&mut self) {
        self.in_flight = 0;
    }

    /// The link ends: what waits is dropped. Gives the last bytes, which hold a
    /// close frame if there is a code; nothing if a send is under way, in the
    /// middle of whose frame they could land.
    pub(super) fn end(
        &mut self,
        close: Option<(CloseCode, &str)>,
        limits: &Limits,
        random: &mut Random,
    ) -> Vec<u8> {
        let mut last = std::mem::take(&mut self.pending);
        if std::mem::take(&mut self.in_flight) > 0 || last.len() > limits.queue_bytes_max {
            return Vec::new();
        }
        if let Some((code, reason)) = close {
            append_close(&mut last, Some(code), reason, Some(mask(random)));
        }
        last
    }
}

/// A client's frames are masked, each anew (RFC 6455, 5.3).
fn mask(random: &mut Random) -> [u8; 4] {
    let [a, b, c, d, ..] = random.number().to_le_bytes();
    [a, b, c, d]
}
