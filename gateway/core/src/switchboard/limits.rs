//! What the switchboard allows itself, and what it counts.

use std::time::Duration;

use crate::base::Instant;

/// Bounds and waiting times of a [`super::Switchboard`]. A time of zero means no end
/// of waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls at one time; default 4096. One more is refused: to a user with a
    /// fault, to an outside caller with *busy*. A call has at most two legs and
    /// one open command for each leg and purpose, so that this bounds both too.
    pub calls_max: usize,
    /// Characters of a number that is dialled; default 64.
    pub number_characters_max: usize,
    /// Characters of a user's own words for a break; default 500. Longer ones
    /// are refused.
    pub message_characters_max: usize,
    /// Members of one call, those who are being hung up included; default 128.
    pub members_max: usize,
    /// Redirect rules of one user, and sources of one rule; default 50.
    pub redirect_rules_max: usize,
    /// How long an outside caller waits for [`super::Switchboard::route`] before
    /// the call goes on without a name; default 5 s.
    pub route_timeout: Duration,
    /// How long a phone rings; default 60 s. The switch may give up earlier.
    pub ring_timeout: Duration,
    /// How long the switch may take to join two answered legs, or to hold and
    /// take back a party; default 10 s.
    pub operation_timeout: Duration,
    /// How often a leg that should have ended is hung up again, if the switch
    /// refused or has done nothing about it; default 1 s. A leg is given up only
    /// when the switch says that it is gone.
    pub hang_up_retry: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_max: 4096,
            number_characters_max: 64,
            message_characters_max: 500,
            members_max: 128,
            redirect_rules_max: 50,
            route_timeout: Duration::from_secs(5),
            ring_timeout: Duration::from_secs(60),
            operation_timeout: Duration::from_secs(10),
            hang_up_retry: Duration::from_secs(1),
        }
    }
}

/// What happened since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counters {
    /// Calls that began.
    pub calls_started: u64,
    /// Calls that reached a talk.
    pub calls_connected: u64,
    /// Calls that are over and have left nothing behind.
    pub calls_ended: u64,
    /// Calls refused because [`Limits::calls_max`] was reached.
    pub calls_over_limit: u64,
    /// Callers refused because the line of their group was full.
    pub callers_over_limit: u64,
    /// Commands that the switch refused.
    pub commands_failed: u64,
    /// Commands about whose fate the switch knew nothing.
    pub commands_timed_out: u64,
    /// Reports of the switch about legs, commands or numbers that the
    /// switchboard does not know (any more), and repeated reports.
    pub reports_ignored: u64,
    /// Events given out.
    pub events: u64,
}

/// When a waiting time that starts now is over; never, if it is zero.
pub(super) fn after(now: Instant, waiting_time: Duration) -> Option<Instant> {
    (!waiting_time.is_zero()).then(|| now + waiting_time)
}
