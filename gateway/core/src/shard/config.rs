//! What a shard is told by the settings.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::base::RateLimit;
use crate::wire::forwarded::ForwardedHeader;
use crate::{session, wire};

/// A shard's settings; the same for every shard.
#[derive(Clone, Debug)]
pub struct Config {
    /// The origins whose pages may connect; empty for any (protocol 9).
    pub origins: Vec<String>,
    /// The proxies that are believed whom they speak for (protocol 9-o).
    pub trusted_proxies: Vec<IpNet>,
    /// Where they say it.
    pub forwarded_header: ForwardedHeader,
    /// The bounds.
    pub limits: Limits,
    /// `pbxnumberstatechanged` is sent at most this often (protocol 7).
    pub number_states_interval: Duration,
}

/// A shard's bounds (protocol 9). For counts and bytes the settings turn 0 into
/// the type's maximum, for times into [`FOREVER`].
#[derive(Clone, Debug)]
pub struct Limits {
    /// Links at once, of all shards together.
    pub links_max: usize,
    /// Links at once from one address, of all shards together; [`u32::MAX`] is no limit.
    pub links_per_address: u32,
    /// Handshakes a second from one address, and a burst of them, of all shards
    /// together; `None` is no limit.
    pub handshakes_per_address: Option<RateLimit>,
    /// The handshake's head.
    pub head: wire::head::Limits,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// Frames and messages.
    pub frames: wire::frame::Limits,
    /// What a session allows.
    pub session: session::Limits,
    /// How long a link may stay without a user.
    pub unauthenticated: Duration,
    /// How long a link may stay without a format.
    pub formatless: Duration,
    /// Bytes that may wait for one link, those of answers in pieces apart.
    pub queue_bytes_max: usize,
    /// Bytes that may wait for one link of answers in pieces, which it asked for.
    pub long_answer_bytes_max: usize,
    /// A link that was silent for this long gets a PING (protocol 3.5).
    pub ping_after: Duration,
    /// A link that was silent for this long is closed (protocol 3.5).
    pub close_after: Duration,
    /// How long a peer may take to answer a close frame.
    pub closing: Duration,
    /// An answer longer than this is sent in pieces (protocol 3.3).
    pub multipart_over_bytes: usize,
}

/// As good as no limit on a time: a hundred years.
pub const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl Config {
    /// Whether this is the address of a trusted proxy.
    pub(super) fn is_trusted(&self, address: IpAddr) -> bool {
        let mut proxies = self.trusted_proxies.iter();
        proxies.any(|network| network.contains(&address))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
            limits: Limits::default(),
            number_states_interval: Duration::from_millis(300),
        }
    }
}

impl Default for Limits {
    /// The defaults of protocol 9.
    fn default() -> Self {
        Self {
            links_max: usize::MAX,
            links_per_address: u32::MAX,
            handshakes_per_address: None,
            head: wire::head::Limits::default(),
            handshake: Duration::from_secs(10),
            frames: wire::frame::Limits::default(),
            session: session::Limits::default(),
            unauthenticated: Duration::from_secs(30),
            formatless: Duration::from_secs(10),
            queue_bytes_max: 256 << 10,
            long_answer_bytes_max: 16 << 20,
            ping_after: Duration::from_secs(20),
            close_after: Duration::from_secs(60),
            closing: Duration::from_secs(5),
            multipart_over_bytes: 64 << 10,
        }
    }
}
