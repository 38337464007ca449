//! Owns hostile peers: what a gateway may be sent by mistake or by intent, and what it answers.
//!
//! A case and an address come in; what the peer got goes out, in a few words that [`Case::expected`] holds too (protocol 3.4
//! and 9). Nothing here repairs what it sends: every byte is the case's own.

mod cases;
mod meet;

pub use self::cases::{Case, Start, all};
pub use self::meet::{PATIENCE, meet, meet_and_hold, starve};
