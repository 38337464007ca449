//! What the system tests share: raw connections to the gateway, its program, and tabs that watch users' lines.
//!
//! The tests start the real program by `okgate_harness::gateway::Gateway`, which reads its path from `OKGATE_BIN`.
//! Nothing here uses the gateway's codecs.
#![forbid(unsafe_code)]

pub mod ladder;
pub mod link;
pub mod program;
pub mod raw;
pub mod shape;
pub mod story;

use anyhow::Context as _;
use okgate_harness::tab::Tab;
use serde_json::json;

/// The tests' result: an error is printed with what came instead of what was awaited.
pub type TestResult = anyhow::Result<()>;

/// Waits until the tab is told that a number has this state.
pub async fn number_state(tab: &mut Tab, number: &str, state: i64) -> TestResult {
    loop {
        let event = tab.event("pbxnumberstatechanged").await;
        let event = event.with_context(|| format!("state {state} of {number}"))?;
        let numbers = event.field("numbers").as_array().context("numbers")?;
        if numbers.contains(&json!({"num": number, "numstateid": state})) {
            return Ok(());
        }
    }
}
