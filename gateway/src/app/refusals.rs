//! What the log says of refusals, whichever shard met them.

use std::time::Duration;

use okgate_core::base::{Instant, Refusal, Refused};

use crate::config;
use crate::log::RateLimited;

/// Logs a refusal, unless one for the same reason was logged within [`PERIOD`]; then
/// the next line says how many there were.
pub(super) fn log(refusal: &Refusal, now: Instant) {
    let brake = &BRAKES[refusal.reason as usize];
    let Some(not_logged) = brake.admit(refusal.count, now) else {
        return;
    };
    let reason = refusal.reason.label();
    let address = refusal.address.map(tracing::field::display);
    let user = refusal.user.as_deref();
    if let Some(setting) = config::setting_of(refusal.reason) {
        tracing::warn!(reason, setting, address, user, not_logged, "a limit is met");
    } else {
        tracing::info!(reason, address, user, not_logged, "refused");
    }
}

/// One for each reason, for the whole process.
static BRAKES: [RateLimited; Refused::ALL.len()] =
    [const { RateLimited::new(PERIOD) }; Refused::ALL.len()];

/// At most one line a reason comes within this time.
const PERIOD: Duration = Duration::from_secs(10);
