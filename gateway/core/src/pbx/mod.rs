//! The port to a telephone switch: what it is told, and what it reports.
//!
//! The switch is the truth. A command carries an id and ends in exactly one of
//! *accepted*, *failed* or *timed out*; a step of a call happens on the switch's
//! event, never on the command. The model is third-party call control as
//! Asterisk's REST interface offers it: each phone or outside line is a *leg*
//! whose id the switchboard chooses for the legs that it dials; legs are joined
//! in pairs and held one by one.

mod port;
pub mod sim;

pub use port::{Command, CommandFailure, EndCause, PbxEvent, PhoneState, SnapshotLeg, Voice};
