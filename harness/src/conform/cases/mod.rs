//! Owns the list of all cases, by the sections of the protocol.
#![allow(clippy::similar_names)] // a story has a stage, and users on it have states

mod calls;
mod messages;
mod tunnel;

use super::Case;

/// Every case, in the order of the sections.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [messages::CASES, tunnel::CASES, calls::CASES]
        .into_iter()
        .flatten()
}
