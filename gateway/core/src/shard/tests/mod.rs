//! A shard between clients in memory and a hub that the test plays.

mod closing;
mod desk;
mod events;
mod limits;
mod lists;
mod messages;
mod world;
mod xml;

/// A message whose handling panics.
pub(super) const PANIC: &[u8] = br#"["panic",{}]"#;
