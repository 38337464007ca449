//! Owns what a soak sees: round trips, counts, and failures by gate. Whoever makes traffic puts in what it saw; rows and the
//! final figures go out.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::report::{self, Latency};

/// What a soak fails on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// A request or handshake was not answered in time.
    Stall,
    /// A call's events did not come to all tabs in time.
    CallEvents,
    /// A held tab was closed.
    HeldTabs,
    /// An answer was lost, or a message came that nobody should get.
    Messages,
    /// A user's events did not come to a tab once and in order.
    Events,
    /// A tab that had lost its link was shown another picture than others, or lost it in a way that no network does.
    Returns,
    /// A passing connection was refused or got something wrong.
    Churn,
    /// The CRM was not linked again, or a call's steps were refused.
    Scenario,
    /// The gateway's list of the users who are active in the CRM is not the CRM's.
    CrmUsers,
    /// The gateway did not come to rest after the traffic.
    Rest,
    /// Descriptors are left over.
    Descriptors,
    /// Threads are left over.
    Threads,
    /// The memory grew.
    Memory,
    /// The memory grew all the time.
    Leak,
    /// The metrics tell of something lost.
    Metrics,
    /// The log has a line of an error.
    Log,
    /// The process died, or did not end in order.
    Process,
}

impl Gate {
    /// All gates.
    pub const ALL: [Self; 17] = [
        Self::Stall,
        Self::CallEvents,
        Self::HeldTabs,
        Self::Messages,
        Self::Events,
        Self::Returns,
        Self::Churn,
        Self::Scenario,
        Self::CrmUsers,
        Self::Rest,
        Self::Descriptors,
        Self::Threads,
        Self::Memory,
        Self::Leak,
        Self::Metrics,
        Self::Log,
        Self::Process,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stall => "stall",
            Self::CallEvents => "call-events",
            Self::HeldTabs => "held-tabs",
            Self::Messages => "messages",
            Self::Events => "events",
            Self::Returns => "returns",
            Self::Churn => "churn",
            Self::Scenario => "scenario",
            Self::CrmUsers => "crm-users",
            Self::Rest => "rest",
            Self::Descriptors => "descriptors",
            Self::Threads => "threads",
            Self::Memory => "memory",
            Self::Leak => "leak",
            Self::Metrics => "metrics",
            Self::Log => "log",
            Self::Process => "process",
        }
    }
}

/// The failures at one gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// Which gate.
    pub gate: Gate,
    /// How often.
    pub count: u64,
    /// When the first one was seen, in milliseconds from the start on.
    pub first_at_ms: u64,
    /// The first one in words.
    pub first: String,
}

/// Everything that is counted, from the start on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests of held tabs that were answered.
    pub answers: u64,
    /// Events that held tabs got.
    pub events: u64,
    /// Calls that went through all their steps.
    pub calls: u64,
    /// Times that the CRM was stopped.
    pub crm_stops: u64,
    /// Pauses that ended.
    pub pauses: u64,
    /// Passing connections, by the way they went.
    pub churn: BTreeMap<&'static str, u64>,
    /// Links that tabs behind the fault proxy lost, by how.
    pub losses: BTreeMap<&'static str, u64>,
    /// Times that such a tab came back.
    pub returns: u64,
    /// Openings of such tabs that came to nothing.
    pub failed_openings: u64,
    /// Their logins by session.
    pub by_session: u64,
    /// Their logins by password.
    pub by_password: u64,
    /// Pictures of such tabs that were held against that of their user's witness.
    pub pictures: u64,
    /// Times that the CRM's list of active users and the gateway's were found to agree.
    pub crm_lists: u64,
}

impl Counts {
    /// All passing connections.
    pub fn churn_total(&self) -> u64 {
        self.churn.values().sum()
    }
}

/// The round trips of one time.
#[derive(Debug)]
pub(super) struct Times {
    /// Of the held tabs' requests.
    pub(super) requests: Histogram<u64>,
    /// Of those among them that were the first after a pause.
    pub(super) after_pause: Histogram<u64>,
    /// From a call's step to its event in a tab.
    pub(super) call_events: Histogram<u64>,
    /// Of the passing connections' handshakes.
    pub(super) handshakes: Histogram<u64>,
    /// Of requests through the fault proxy.
    pub(super) through_faults: Histogram<u64>,
    /// How late this program's own timer was.
    pub(super) driver_lag: Histogram<u64>,
    /// How long a thread of the gateway waited for a processor.
    pub(super) processor_waits: Histogram<u64>,
}

impl Times {
    fn new() -> Self {
        Self {
            requests: report::histogram(),
            after_pause: report::histogram(),
            call_events: report::histogram(),
            handshakes: report::histogram(),
            through_faults: report::histogram(),
            driver_lag: report::histogram(),
            processor_waits: report::histogram(),
        }
    }

    fn all(&mut self) -> [&mut Histogram<u64>; 7] {
        [
            &mut self.requests,
            &mut self.after_pause,
            &mut self.call_events,
            &mut self.handshakes,
            &mut self.through_faults,
            &mut self.driver_lag,
            &mut self.processor_waits,
        ]
    }
}

/// The final round trips.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latencies {
    /// Of the held tabs' requests.
    pub requests: Latency,
    /// Of those among them that were the first after a pause.
    pub after_pause: Latency,
    /// From a call's step to its event in a tab.
    pub call_events: Latency,
    /// Of the passing connections' handshakes.
    pub handshakes: Latency,
    /// Of requests through the fault proxy.
    pub through_faults: Latency,
    /// How late this program's own timer was: what the driver adds to all others at most.
    pub driver_lag: Latency,
    /// How long a thread of the gateway waited for a processor, the longest wait in each tenth of a second: what other
    /// programs on the machine add.
    pub processor_waits: Latency,
}

/// Which round trip is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    AfterPause,
    CallEvent,
    Handshake,
    Returning,
    DriverLag,
    ProcessorWait,
}

/// What the traffic's makers share.
#[derive(Debug)]
pub(super) struct Watch {
    started: tokio::time::Instant,
    /// Since the last row.
    now: RefCell<Times>,
    /// All before it.
    past: RefCell<Times>,
    counts: RefCell<Counts>,
    failures: RefCell<BTreeMap<Gate, Failed>>,
    /// Requests of held tabs that wait for their answers.
    open_requests: Cell<usize>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self {
            started: tokio::time::Instant::now(),
            now: RefCell::new(Times::new()),
            past: RefCell::new(Times::new()),
            counts: RefCell::default(),
            failures: RefCell::default(),
            open_requests: Cell::new(0),
        }
    }

    /// Adds a round trip; the first after a pause counts among the requests too.
    pub(super) fn time(&self, kind: Kind, time: Duration) {
        let mut now = self.now.borrow_mut();
        let histogram = match kind {
            Kind::Request => &mut now.requests,
            Kind::AfterPause => {
                report::record(&mut now.requests, time);
                &mut now.after_pause
            }
            Kind::CallEvent => &mut now.call_events,
            Kind::Handshake => &mut now.handshakes,
            Kind::Returning => &mut now.through_faults,
            Kind::DriverLag => &mut now.driver_lag,
            Kind::ProcessorWait => &mut now.processor_waits,
        };
        report::record(histogram, time);
    }

    pub(super) fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.counts.borrow_mut());
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts.borrow().clone()
    }

    /// A request was sent (1) or has found its end (-1).
    pub(super) fn open_request(&self, change: isize) {
        let open = self.open_requests.get().saturating_add_signed(change);
        self.open_requests.set(open);
    }

    pub(super) fn open_requests(&self) -> usize {
        self.open_requests.get()
    }

    /// Counts a failure; the first one at a gate is told at once.
    pub(super) fn fail(&self, gate: Gate, what: impl std::fmt::Display) {
        let mut failures = self.failures.borrow_mut();
        let failed = failures.entry(gate).or_insert_with(|| {
            let at = self.started.elapsed();
            let first = match gate {
                // So that a stall of this program or the machine is not taken for one of the gateway.
                Gate::Stall | Gate::CallEvents => {
                    let now = self.now.borrow();
                    let [lag, wait] = [&now.driver_lag, &now.processor_waits]
                        .map(|histogram| Duration::from_micros(histogram.max()));
                    format!(
                        "{what} (lately this program's timer was late by up to {lag:?}, and the gateway's threads waited \
                         for a processor for up to {wait:?})"
                    )
                }
                _ => what.to_string(),
            };
            eprintln!("gate {} failed after {at:.1?}: {first}", gate.name());
            Failed {
                gate,
                count: 0,
                first_at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
                first,
            }
        });
        failed.count += 1;
    }

    pub(super) fn failures(&self) -> Vec<Failed> {
        self.failures.borrow().values().cloned().collect()
    }

    /// The round trips since the last call of this.
    pub(super) fn take_times(&self) -> Latencies {
        let mut now = self.now.replace(Times::new());
        let latencies = latencies(&now);
        let mut past = self.past.borrow_mut();
        for (past, now) in past.all().into_iter().zip(now.all()) {
            past.add(&*now)
                .expect("all histograms have the same bounds");
        }
        latencies
    }

    /// All round trips.
    pub(super) fn all_times(&self) -> Latencies {
        self.take_times();
        latencies(&self.past.borrow())
    }
}

fn latencies(times: &Times) -> Latencies {
    Latencies {
        requests: Latency::from(&times.requests),
        after_pause: Latency::from(&times.after_pause),
        call_events: Latency::from(&times.call_events),
        handshakes: Latency::from(&times.handshakes),
        through_faults: Latency::from(&times.through_faults),
        driver_lag: Latency::from(&times.driver_lag),
        processor_waits: Latency::from(&times.processor_waits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_hold_their_own_times_and_the_end_holds_all() {
        let watch = Watch::new();
        watch.time(Kind::Request, Duration::from_micros(10));
        watch.time(Kind::AfterPause, Duration::from_micros(30));
        assert_eq!(watch.take_times().requests.count, 2);
        watch.time(Kind::Request, Duration::from_micros(20));
        let row = watch.take_times();
        assert_eq!((row.requests.count, row.requests.max_us), (1, 20));
        let all = watch.all_times();
        assert_eq!((all.requests.count, all.requests.max_us), (3, 30));
        assert_eq!(all.after_pause.count, 1);
    }

    #[tokio::test]
    async fn the_first_failure_at_a_gate_is_kept_in_words() {
        let watch = Watch::new();
        watch.fail(Gate::Stall, "one");
        watch.fail(Gate::Stall, "two");
        let failures = watch.failures();
        assert_eq!((failures.len(), failures[0].count), (1, 2));
        assert!(
            failures[0]
                .first
                .starts_with("one (lately this program's timer")
        );
        watch.fail(Gate::Log, "three");
        assert_eq!(watch.failures()[1].first, "three");
    }
}
