//! What the system tests share: raw connections to the gateway, its program, and tabs that watch a user's line.
//!
//! The tests start the real program by `okgate_harness::gateway::Gateway`, which reads its path from `OKGATE_BIN`.
//! Nothing here uses the gateway's codecs.
#![forbid(unsafe_code)]

pub mod ladder;
pub mod program;
pub mod raw;

/// The tests' result: an error is printed with what came instead of what was awaited.
pub type TestResult = anyhow::Result<()>;
