//! Owns the end of a load: until calls are over, and which states of numbers are true then.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::admin::Admin;
use crate::error::{Error, Result};
use crate::message::shortened;
use crate::scenario::Users;
use crate::tab::Tab;

/// Waits until no call goes on.
pub(crate) async fn until_quiet(admin: &Admin) -> Result<()> {
    let deadline = Instant::now() + QUIET_WITHIN;
    let mut ticks = interval(QUIET_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let calls = admin.calls().await?;
        let count = calls.as_array().map(Vec::len);
        if count == Some(0) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Error::Deadline {
                awaited: "the gateway to have no calls".into(),
                after: QUIET_WITHIN,
                instead: shortened(&calls.to_string()),
            });
        }
    }
}

/// The state of each user's number as a new tab of the first user reads it: its digit, or `-` if it is not in the list.
pub(crate) async fn number_states(address: SocketAddr, users: &Users) -> Result<String> {
    let mut tab = Tab::logged_in(address, &users.login(0), &users.password).await?;
    let asked = tab.request_ok("getpbxnumbers", json!({"mode": "full"}));
    let answer = asked.await?;
    let mut states = vec![b'-'; users.count];
    let numbers = answer.field("numbers").as_array().into_iter().flatten();
    for entry in numbers {
        let place = entry["number"].as_str().and_then(|text| text.parse().ok());
        let place = place.and_then(|number: usize| number.checked_sub(users.first_number));
        let state = entry["state"]
            .as_u64()
            .and_then(|state| u8::try_from(state).ok());
        if let (Some(place), Some(state @ 0..=9)) = (place, state)
            && let Some(known) = states.get_mut(place)
        {
            *known = b'0' + state;
        }
    }
    String::from_utf8(states).map_err(|error| Error::Malformed(error.to_string()))
}

/// How long the last calls may take to end.
const QUIET_WITHIN: Duration = Duration::from_secs(60);
/// How often it is asked whether they have.
const QUIET_INTERVAL: Duration = Duration::from_millis(100);
