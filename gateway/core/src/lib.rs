//! The gateway's core: protocol, sessions, switchboard, CRM link and hub as
//! state machines without IO.
//!
//! Bytes, messages and the time come in through `handle_*` methods; what has
//! to be done in the world comes out of `poll_*` methods as typed actions.
//! Nothing here opens a socket, reads a clock or starts a thread. ARCHITECTURE.md
//! at the top of the repository draws the map and says which module may import
//! which.
//!
//! One link of a shard, from its first bytes to the answer:
//!
//! ```
//! use std::sync::Arc;
//!
//! use okgate_core::base::{Action, Engine, Instant, Peer, Random, ShardId};
//! use okgate_core::shard::{Config, Shard};
//!
//! let now = Instant::from_micros(0);
//! let mut shard = Shard::new(ShardId(0), Arc::new(Config::default()), Random::from_number(1), now);
//! let peer = Peer { address: ([127, 0, 0, 1], 50_000).into(), listener: 0 };
//! let link = shard.open(peer, now).unwrap();
//! let mut bytes = b"GET / HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//!     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
//!     Sec-WebSocket-Protocol: json\r\n\r\n"
//!     .to_vec();
//! shard.receive(link, &mut bytes, now);
//! let Some(Action::Send { payload, .. }) = shard.poll_action() else { panic!("no answer") };
//! assert!(shard.payload(&payload).starts_with(b"HTTP/1.1 101 "));
//! ```
#![forbid(unsafe_code)]

pub mod base;
pub mod crm;
pub mod fanout;
pub mod hub;
pub mod pbx;
pub mod protocol;
pub mod session;
pub mod shard;
pub mod switchboard;
pub mod wire;
