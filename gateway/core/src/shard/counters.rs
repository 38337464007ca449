//! What a shard counts; plain numbers that only it writes.

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

macro_rules! refused {
    ($($(#[$doc:meta])* $name:ident = $label:literal;)*) => {
        /// Why a link was refused or closed by the gateway.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Refused { $($(#[$doc])* $name,)* }

        impl Refused {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The reason's word in metrics and logs.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

refused! {
    /// There are as many links as allowed.
    LinksMax = "links_max";
    /// The handshake was not one (400, 405, a plain GET).
    Handshake = "handshake";
    /// The handshake's head was too big (431).
    HeadTooBig = "head_too_big";
    /// The WebSocket version is not spoken (426).
    Version = "version";
    /// The page's origin may not connect (403).
    Origin = "origin";
    /// The handshake took too long.
    HandshakeTimeout = "handshake_timeout";
    /// Frames against the protocol (1002, 1003, 1007).
    Protocol = "protocol";
    /// A frame or message over the bound (1009).
    TooBig = "too_big";
    /// A link without a format (1008).
    Formatless = "formatless";
    /// Nobody logged in in time (1008).
    Unauthenticated = "unauthenticated";
    /// Messages came too fast (1008).
    TooFast = "too_fast";
    /// The peer was silent for too long.
    Silence = "silence";
    /// The peer read too slowly (1013).
    Slow = "slow";
    /// The handling of what it sent failed by a fault of the gateway.
    Panicked = "panicked";
    /// The gateway is going down (1001).
    GoingDown = "going_down";
}

impl Counters {
    /// Counts a refusal.
    pub(super) fn refuse(&mut self, reason: Refused) {
        self.refused[reason as usize] += 1;
    }
}
