//! The gateway's core: protocol, sessions, switchboard, CRM link and hub as
//! state machines without IO.
//!
//! Bytes, messages and the time come in through `handle_*` methods; what has
//! to be done in the world comes out of `poll_*` methods as typed actions.
//! Nothing here opens a socket, reads a clock or starts a thread. ARCHITECTURE.md
//! at the top of the repository draws the map and says which module may import
//! which.
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
