//! The CRM's link, in each of its three transports: what its connections and exchanges report, what CRMs say, the time, and
//! methods and forms that are wanted (`okgate_core::crm`).
//!
//! The first byte chooses limits, transport, format, version and credentials ([`settings`]); the rest is records of an
//! operation and its operand ([`world`]). CRMs of WebSockets are in [`peer`], exchanges in [`posts`].

mod peer;
mod posts;
mod settings;
mod settle;
mod wants;
mod world;

use crate::records::{records, split};
use world::World;

/// A program for the CRM's link.
///
/// Nothing panics. On each connection there is one send at a time, only while it is there, and nothing behind a close;
/// what goes out is a request or an answer of HTTP, and then frames in the connection's format. Requests get one answer,
/// runs one end; at most one connection is the link, and who asks to be is answered within the time of the contest;
/// exchanges are bounded, and none is under way for a run that has ended. Queues keep their bounds, time goes on, no
/// secret shows, late news of what is over change nothing, and after the end nothing is left.
pub fn crm(input: &[u8]) {
    let (choice, program) = split(input);
    let mut world = World::new(choice);
    for (operation, operand) in records(program, 300) {
        world.step(operation, operand);
        world.check();
    }
    world.end();
}
