//! Owns the dynamic methods that the admin interface asked for: each must end once, in time, and for a reason.

use std::collections::BTreeMap;
use std::time::Duration;

use okgate_core::base::Instant;
use okgate_core::hub::{AdminFault, AdminReply};
use serde_json::Value;

use crate::linked::Subject;
use crate::watch::Watch;

#[derive(Default)]
pub(crate) struct Runs {
    open: BTreeMap<u64, Run>,
    /// How they ended, by the machine-readable word; good ones are `done`.
    pub(crate) ends: BTreeMap<&'static str, usize>,
    /// A run is being cancelled.
    pub(crate) is_cancelling: bool,
}

pub(crate) struct Run {
    pub(crate) key: &'static str,
    pub(crate) deadline: Instant,
    pub(crate) waits_for_link: bool,
    pub(crate) is_fit: bool,
}

impl Runs {
    pub(crate) fn begin(&mut self, ticket: u64, run: Run) {
        self.open.insert(ticket, run);
    }

    pub(crate) fn is_open(&self, ticket: u64) -> bool {
        self.open.contains_key(&ticket)
    }

    // protocol 8-h, 8-i, 8-j and 8-k
    pub(crate) fn end(
        &mut self,
        ticket: u64,
        reply: &Result<AdminReply, AdminFault>,
        watch: Option<&Watch>,
        now: Instant,
    ) {
        let run = self.open.remove(&ticket).expect("an open run");
        assert!(now <= run.deadline, "{ticket} ends at {now:?}: {reply:?}");
        let can_run = watch.is_some_and(|watch| watch.is_ready() && watch.is_declared);
        let could_run = watch.is_some_and(|it| (it.is_ready() || it.was_ready) && it.is_declared);
        let hears = |good| {
            let result = (Subject::Ticket(ticket), good);
            watch.is_some_and(|watch| watch.results.contains(&result))
        };
        let has_failed = watch.is_some_and(|watch| watch.exchange_failed);
        let (word, is_right) = match reply {
            Ok(AdminReply::Run { output, .. }) => {
                let output: Value = serde_json::from_str(output).expect("an object");
                ("done", output["ticket"] == ticket && hears(true))
            }
            Ok(other) => panic!("a run ends otherwise: {other:?}"),
            Err(fault) => {
                let is_right = match fault.code {
                    "unavailable" => {
                        !can_run
                            && (!run.waits_for_link
                                || now == run.deadline
                                || watch.is_none_or(|it| it.is_over || it.is_relinking))
                    }
                    "timeout" => now == run.deadline || has_failed,
                    "not_found" => run.key == "nosuch" && could_run,
                    "wrong_parameters" => !run.is_fit && could_run,
                    "cancelled" => self.is_cancelling,
                    "failed" => hears(false) || run.key == "posted" || has_failed,
                    "too_many" => true,
                    _ => false,
                };
                (fault.code, is_right)
            }
        };
        assert!(is_right, "{} {ticket} ends with {reply:?}", run.key);
        *self.ends.entry(word).or_default() += 1;
    }

    /// Results that the hub heard end their runs at once; no run outlives its time.
    pub(crate) fn settled(&self, watch: Option<&Watch>, now: Instant) {
        for (ticket, run) in &self.open {
            assert!(now <= run.deadline, "{ticket} should have ended");
        }
        for (subject, _) in watch.into_iter().flat_map(|watch| &watch.results) {
            if let Subject::Ticket(ticket) = subject {
                assert!(!self.is_open(*ticket), "{ticket} has its result");
            }
        }
    }
}

/// How long runs may take.
pub(crate) const TIMEOUTS: [Duration; 4] = [
    Duration::from_millis(0),
    Duration::from_millis(300),
    Duration::from_secs(3),
    Duration::from_secs(10),
];
