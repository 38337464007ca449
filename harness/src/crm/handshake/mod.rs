//! Owns the WebSocket handshake of the simulated CRM, both sides and all four versions (protocol 2.2): heads read and written,
//! keys, challenges and subprotocols checked. What it refuses, it says why.

mod client;
mod head;
mod server;

pub(super) use self::client::{Offer, ask};
#[cfg(test)]
pub(super) use self::server::Upgraded;
pub(super) use self::server::{Terms, answer};

#[cfg(test)]
mod tests;
