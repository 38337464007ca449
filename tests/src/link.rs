//! Owns the waiting for what a gateway says of its CRM's link.

use std::time::Duration;

use anyhow::ensure;
use okgate_harness::gateway::Gateway;
use serde_json::Value;
use tokio::time::{Instant, interval};

use crate::TestResult;

/// How long anything is waited for.
const SOON: Duration = Duration::from_secs(20);
/// How often the log is looked at: it tells nobody by itself.
const POLL: Duration = Duration::from_millis(20);

/// The part about the CRM of `/api/v1/status`.
pub async fn crm_status(gateway: &Gateway) -> anyhow::Result<Value> {
    Ok(gateway.admin().status().await?["crm"].clone())
}

/// Waits until the CRM's link is so, and gives its status.
pub async fn until_crm(gateway: &Gateway, is_it: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    Ok(gateway.until_crm(SOON, is_it).await?)
}

/// Waits until the log says these words; it is written behind what it tells.
pub async fn until_logged(gateway: &Gateway, words: &str) -> TestResult {
    let deadline = Instant::now() + SOON;
    let mut ticks = interval(POLL);
    while !gateway.log().contains(words) {
        ticks.tick().await;
        let late = Instant::now() >= deadline;
        ensure!(!late, gateway.failure(format!("{words:?} is not logged")));
    }
    Ok(())
}
