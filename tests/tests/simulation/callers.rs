//! Owns what is known of outside callers, each of whom has a number of its own: since when they wait to be let
//! through, and which name they must ring with.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use okgate_core::base::Instant;
use okgate_core::protocol::RingStarted;

use crate::linked::Subject;
use crate::methods::name_for;

pub(crate) struct Callers {
    /// How long they wait for their names; `None` if nobody is asked.
    wait: Option<Duration>,
    by_number: HashMap<Arc<str>, Caller>,
    pub(crate) named: usize,
    pub(crate) rings: usize,
}

struct Caller {
    /// As the switch shows it, later as the CRM gave it.
    name: Option<Arc<str>>,
    since: Option<Instant>,
    /// The CRM has spoken, or said that it cannot.
    is_let_through: bool,
}

impl Callers {
    pub(crate) fn new(wait: Option<Duration>) -> Self {
        Self {
            wait,
            by_number: HashMap::new(),
            named: 0,
            rings: 0,
        }
    }

    /// Somebody new is about to call.
    pub(crate) fn add(&mut self, name: Option<Arc<str>>) -> Arc<str> {
        let number: Arc<str> = format!("8927{:06}", self.by_number.len()).into();
        let caller = Caller {
            name,
            since: None,
            is_let_through: false,
        };
        self.by_number.insert(Arc::clone(&number), caller);
        number
    }

    /// The switchboard has heard of the call.
    pub(crate) fn arrived(&mut self, number: &str, now: Instant) {
        let caller = self.by_number.get_mut(number).expect("a known caller");
        caller.since = Some(now);
    }

    /// The hub is about to hear the end of a run that asked for a name.
    pub(crate) fn hear(&mut self, results: &[(Subject, bool)], now: Instant) {
        for (subject, is_good) in results {
            let Subject::Number(number) = subject else {
                continue;
            };
            let wait = self.wait.expect("names are asked for");
            let caller = self.by_number.get_mut(number.as_str());
            let caller = caller.expect("a known caller");
            let in_time = caller.since.is_some_and(|since| now < since + wait);
            if in_time && !std::mem::replace(&mut caller.is_let_through, true) && *is_good {
                caller.name = Some(name_for(number).into());
                self.named += 1;
            }
        }
    }

    /// A run is cancelled: if it asked for a name, the call goes on without one.
    pub(crate) fn cancelled(&mut self, subject: &Subject) {
        if let Subject::Number(number) = subject {
            let caller = self.by_number.get_mut(number.as_str());
            caller.expect("a known caller").is_let_through = true;
        }
    }

    /// The phone rings with the name that the CRM gave in time, else with the one that the switch shows.
    pub(crate) fn rings(&mut self, ring: &RingStarted) {
        let caller = ring.caller.as_ref().and_then(|it| self.by_number.get(it));
        if let Some(caller) = caller {
            assert_eq!(ring.caller_name, caller.name, "{ring:?}");
            self.rings += 1;
        }
    }

    /// A call waits to be let through.
    pub(crate) fn assert_may_wait(&self, number: &str, now: Instant) {
        let wait = self
            .wait
            .expect("nobody waits for a name that is not asked for");
        let caller = &self.by_number[number];
        let since = caller.since.expect("the call has arrived");
        assert!(!caller.is_let_through, "{number} has its name");
        assert!(now < since + wait, "{number} waits since {since:?}");
    }
}
