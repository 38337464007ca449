//! The gateway's protocol, sessions, switchboard and hub as state machines without IO.
#![forbid(unsafe_code)]

pub mod wire;
