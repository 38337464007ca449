//! What a shard counts; plain numbers that only it writes.

use crate::base::Refused;
use crate::protocol::{EventKind, Method};

/// A shard's counters since its start, and a few gauges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Gauge: links, in whatever stage.
    pub links: u64,
    /// Gauge: links that are logged in.
    pub tabs: u64,
    /// Gauge: bytes that wait for full sockets.
    pub queue_bytes: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Handshakes that became links.
    pub upgraded: u64,
    /// Messages by [`Method::index`].
    pub messages: [u64; Method::COUNT],
    /// Events given to links, by kind.
    pub events: [u64; EventKind::ALL.len()],
    /// Refusals by [`Refused`].
    pub refused: [u64; Refused::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            links: 0,
            tabs: 0,
            queue_bytes: 0,
            accepted: 0,
            upgraded: 0,
            messages: [0; Method::COUNT],
            events: [0; EventKind::ALL.len()],
            refused: [0; Refused::ALL.len()],
        }
    }
}
