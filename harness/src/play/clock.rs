//! Owns when the steps of each user's call are planned, as the ring's event says it, so that the events of all its steps can be
//! timed.

use std::time::{Duration, Instant};

use crate::report::monotonic;
use crate::swarm::CallTimes;

/// A moment, and when it ought to have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) at: Instant,
    pub(super) due: Instant,
}

/// The last call of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UserCall {
    /// A digest of its chain.
    pub(super) chain: u64,
    pub(super) begun: Planned,
    /// When it is answered; `None`: nobody answers.
    pub(super) answered: Option<Planned>,
    pub(super) over: Planned,
    /// How long the talk is.
    pub(super) talk: Duration,
}

/// Turns moments since the machine's start into this process's own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    here: Instant,
    since_start: Duration,
}

impl Planned {
    fn later(self, by: Duration) -> Self {
        Self {
            at: self.at + by,
            due: self.due + by,
        }
    }

    /// How long ago that is, and how long ago it ought to have been.
    pub(super) fn since(self, now: Instant) -> (Duration, Duration) {
        let service = now.saturating_duration_since(self.at);
        (
            service,
            now.saturating_duration_since(self.due).max(service),
        )
    }
}

impl UserCall {
    /// The call of a ring.
    pub(super) fn new(chain: u64, times: CallTimes, clock: &Clock) -> Self {
        let begun = Planned {
            at: clock.instant(times.begun),
            due: clock.instant(times.due),
        };
        let answered = (!times.talk.is_zero()).then(|| begun.later(times.ring));
        Self {
            chain,
            begun,
            answered,
            over: begun.later(times.ring + times.talk),
            talk: times.talk,
        }
    }

    /// Somebody answered it just now, which had been due then.
    pub(super) fn is_answered(&mut self, by: Planned) {
        self.answered = Some(by);
        self.over = by.later(self.talk);
    }

    /// Whether it goes on at this moment, or has just ended.
    pub(super) fn goes_on(&self, now: Instant) -> bool {
        now < self.over.at + LATE
    }
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            here: Instant::now(),
            since_start: monotonic(),
        }
    }

    /// This process's moment of one since the machine's start.
    pub(super) fn instant(&self, since_start: Duration) -> Instant {
        if let Some(later) = since_start.checked_sub(self.since_start) {
            return self.here + later;
        }
        let earlier = self.since_start.saturating_sub(since_start);
        self.here.checked_sub(earlier).unwrap_or(self.here)
    }
}

/// How much later than planned a call may be over.
const LATE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calls_steps_follow_from_its_beginning() {
        let clock = Clock::new();
        let now = monotonic();
        let times = CallTimes {
            begun: now,
            due: now.checked_sub(Duration::from_millis(30)).unwrap(),
            ring: Duration::from_millis(500),
            talk: Duration::from_millis(200),
        };
        let mut call = UserCall::new(1, times, &clock);
        let later = call.begun.at + Duration::from_millis(800);
        let millis = |planned: Planned| {
            let (service, response) = planned.since(later);
            (service.as_millis(), response.as_millis())
        };
        assert_eq!(millis(call.begun), (800, 830));
        assert_eq!(call.answered.map(millis), Some((300, 330)));
        assert_eq!(millis(call.over), (100, 130));
        call.is_answered(Planned {
            at: later,
            due: later,
        });
        assert_eq!(call.over.at, later + Duration::from_millis(200));
        assert!(call.goes_on(later));
    }

    #[test]
    fn moments_before_this_process_are_found() {
        let clock = Clock::new();
        let before = monotonic().checked_sub(Duration::from_millis(50)).unwrap();
        let age = clock.instant(before).elapsed();
        assert!(
            age >= Duration::from_millis(50) && age < Duration::from_secs(5),
            "{age:?}"
        );
    }
}
