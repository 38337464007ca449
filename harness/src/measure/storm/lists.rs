//! Owns the comparison of the users' lists at the two ends of a CRM's link: who is active in the CRM, and who is present in the
//! gateway.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, interval};

use crate::error::{Error, Result};
use crate::gateway::Gateway;
use crate::tab::Tab;

/// Waits until the gateway counts these users, `user<number>`, as active in the CRM and shows them and nobody else as present;
/// gives the time when it did. The observer is a tab of a user who is in no list.
pub(super) async fn agree(
    gateway: &Gateway,
    observer: &mut Tab,
    users: &Range<usize>,
    within: Duration,
) -> Result<Instant> {
    let deadline = Instant::now() + within;
    let wanted: BTreeSet<usize> = users.clone().collect();
    let mut ticks = interval(INTERVAL);
    loop {
        ticks.tick().await;
        let crm = gateway.admin().status().await?["crm"].clone();
        let present = present(observer).await?;
        if crm["active_users"] == users.len() && present == wanted {
            return Ok(Instant::now());
        }
        if Instant::now() > deadline {
            let missing = wanted.difference(&present).count();
            let strangers = present.difference(&wanted).count();
            return Err(Error::Deadline {
                awaited: format!("the lists of {} users to agree", users.len()),
                after: within,
                instead: format!(
                    "{missing} of them are not present and {strangers} others are; the link: {crm}"
                ),
            });
        }
    }
}

/// The users who are present, without the observer, whose number is the last.
async fn present(observer: &mut Tab) -> Result<BTreeSet<usize>> {
    let numbers = observer.request_ok("getpbxnumbers", json!({"mode": "full"}));
    let numbers = numbers.await?;
    let rows = numbers.field("numbers").as_array();
    let rows = rows.map(Vec::as_slice).unwrap_or_default();
    let places = rows.iter().filter(|row| row["state"] != 0);
    let places = places.filter_map(|row| row["number"].as_str()?.parse::<usize>().ok());
    let mut present: BTreeSet<usize> = places
        .filter_map(|number| number.checked_sub(NUMBER_BEFORE_FIRST))
        .collect();
    present.remove(&rows.len());
    Ok(present)
}

/// The number of `user1` is one more.
const NUMBER_BEFORE_FIRST: usize = 100;
/// How often the gateway is asked.
const INTERVAL: Duration = Duration::from_millis(250);
