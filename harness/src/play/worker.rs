//! Owns one worker process of a run: its job and orders from the standard input, its tabs on one thread, its reports to the
//! standard output.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;
use tokio::io::{AsyncBufRead, BufReader};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, interval};

use super::clock::{Clock, Planned, UserCall};
use super::job::{Job, Order, Report};
use super::present::{Asked, Handle, Present};
use super::tally::{Tally, Timing};
use super::{crowd, pace};
use crate::error::Result;
use crate::ledger::Ledger;
use crate::load::{CONNECTIONS_PER_SOURCE, source_address};
use crate::raw_link::INPUT_BYTES;
use crate::report::{self, monotonic};
use crate::scenario::{Arrival, Behaviour, BehaviourKind, Cast, FailureKind, Method, Schedule};
use crate::swarm::{CallTimes, process};

/// What everything in a worker shares.
pub(super) struct Shared {
    pub(super) job: Job,
    pub(super) schedule: Schedule,
    pub(super) cast: Cast,
    /// The places of the worker's tabs in the order of their coming.
    places: Vec<usize>,
    pub(super) tally: RefCell<Tally>,
    pub(super) ledger: RefCell<Ledger>,
    pub(super) present: RefCell<Present>,
    pub(super) random: RefCell<ChaCha8Rng>,
    /// The buffer that all links read into.
    pub(super) input: RefCell<Vec<u8>>,
    /// The last call of each of the worker's users.
    calls: RefCell<Vec<Option<UserCall>>>,
    clock: Clock,
    /// When the scenario began.
    begun: Cell<Instant>,
    /// The phase that goes on.
    phase: Cell<usize>,
    over: watch::Sender<bool>,
    /// How many tabs are coming in for the first time.
    opening: Rc<Cell<usize>>,
    /// How many requests were due and have no answer yet.
    outstanding: Cell<usize>,
    /// Requests that are due while there is no tab.
    orphans: RefCell<Vec<Asked>>,
    /// How many loopback addresses have no more ports.
    sources: Cell<usize>,
}

/// A tab that is coming in for the first time; dropped when it is in, or has failed to.
pub(super) struct Opening {
    count: Rc<Cell<usize>>,
    _permit: Option<OwnedSemaphorePermit>,
}

/// Does the job that stands on the first line of the standard input, until that input ends.
pub fn run_worker() -> Result<()> {
    process::work(work())
}

async fn work() -> Result<()> {
    let mut orders = BufReader::new(tokio::io::stdin());
    let job: Job = process::job(&mut orders).await?;
    let shared = Rc::new(Shared::new(job));
    let mut report = Report {
        rss_bytes_before: process::own_rss_bytes(),
        ..Report::default()
    };
    // The supervisor waits for this one.
    shared.print(&mut report)?;
    let mut ticks = interval(REPORT_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut lines = Box::pin(read_orders(orders, Rc::clone(&shared)));
    loop {
        tokio::select! {
            ended = &mut lines => {
                ended?;
                break;
            }
            _ = ticks.tick() => shared.print(&mut report)?,
        }
    }
    shared.over.send_replace(true);
    shared.give_up_open();
    report.ledger = Some(shared.ledger.take().finish());
    shared.print(&mut report)
}

/// Follows the supervisor's orders until there will be no more.
async fn read_orders(mut orders: impl AsyncBufRead + Unpin, shared: Rc<Shared>) -> Result<()> {
    while let Some(order) = process::next_order(&mut orders).await? {
        match order {
            Order::Begin(at) => {
                shared.begun.set(shared.clock.instant(at));
                spawn_local(crowd::conduct(Rc::clone(&shared)));
                spawn_local(pace::ask(Rc::clone(&shared)));
                spawn_local(pace::watch_lag(Rc::clone(&shared)));
            }
            Order::Over => shared.end(),
        }
    }
    Ok(())
}

impl Shared {
    fn new(job: Job) -> Self {
        let stream = job.share.number as u64 + 1;
        let mut random = ChaCha8Rng::seed_from_u64(job.seed);
        random.set_stream(stream);
        let cast = Cast::new(&job.play, job.seed);
        Self {
            schedule: Schedule::new(&job.play.phases),
            places: cast.places(&job.share),
            cast,
            tally: RefCell::new(Tally::new()),
            ledger: RefCell::new(Ledger::new(job.play.users.first_number)),
            present: RefCell::new(Present::new(job.share)),
            random: RefCell::new(random),
            input: RefCell::new(vec![0; INPUT_BYTES]),
            calls: RefCell::new(vec![None; job.share.users]),
            clock: Clock::new(),
            begun: Cell::new(Instant::now()),
            phase: Cell::new(0),
            over: watch::Sender::new(false),
            opening: Rc::default(),
            outstanding: Cell::new(0),
            orphans: RefCell::default(),
            sources: Cell::new(0),
            job,
        }
    }

    /// The place of the worker's tab of this number, in the order of all tabs' coming.
    pub(super) fn place(&self, number: usize) -> usize {
        self.places[number]
    }

    /// Of the first so many tabs, how many are this worker's.
    pub(super) fn own(&self, tabs: usize) -> usize {
        self.places.partition_point(|place| *place < tabs)
    }

    /// The moment so many seconds after the scenario's beginning.
    pub(super) fn instant(&self, at_s: f64) -> tokio::time::Instant {
        (self.begun.get() + Duration::from_secs_f64(at_s.max(0.0))).into()
    }

    /// The phase of a moment.
    pub(super) fn phase_of(&self, at: Instant) -> usize {
        let passed = at.saturating_duration_since(self.begun.get());
        self.schedule.phase_at(passed.as_secs_f64())
    }

    /// The phase that goes on.
    pub(super) fn phase(&self) -> usize {
        self.phase.get()
    }

    pub(super) fn set_phase(&self, phase: usize) {
        self.phase.set(phase);
    }

    /// How things arrive now; nothing does any more after the end.
    pub(super) fn arrival(&self) -> &Arrival {
        if self.is_over() {
            return &Arrival::NOTHING;
        }
        &self.job.play.phases[self.phase()].arrival
    }

    /// Whether no call has begun at this moment.
    pub(super) fn is_before_calls(&self, at: Instant) -> bool {
        let legs = self.schedule.legs.iter().zip(&self.job.play.phases);
        let first = legs.into_iter().find(|(leg, phase)| {
            let at_once = matches!(
                phase.arrival,
                Arrival::Closed {
                    calls_at_once: 1..,
                    ..
                }
            );
            at_once || leg.from.calls_per_s > 0.0 || leg.to.calls_per_s > 0.0
        });
        first.is_none_or(|(leg, _)| at < self.instant(leg.begin_s).into_std())
    }

    /// Whether the scenario is over.
    pub(super) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// The scenario is over: nothing new is begun.
    pub(super) fn end(&self) {
        self.over.send_replace(true);
        for handle in self.present.borrow().all() {
            handle.wake.notify_one();
        }
    }

    /// Resolves when the scenario is over.
    pub(super) async fn until_over(&self) {
        let mut over = self.over.subscribe();
        // It cannot fail: the sender is in this very place.
        drop(over.wait_for(|is_over| *is_over).await);
    }

    pub(super) fn behaviour(&self, handle: &Handle) -> &Behaviour {
        &self.job.play.behaviours[handle.behaviour]
    }

    /// Whether a tab reads more slowly than it is told.
    pub(super) fn is_slow(&self, handle: &Handle) -> bool {
        matches!(
            self.behaviour(handle).kind,
            BehaviourKind::SlowReader { .. }
        )
    }

    pub(super) fn login_of(&self, user: usize) -> String {
        self.job.play.users.login(user)
    }

    pub(super) fn fail(&self, kind: FailureKind, words: impl std::fmt::Display) {
        self.tally.borrow_mut().fail(kind, words);
    }

    /// Counts a tab that is coming in for the first time, until what is given back is dropped.
    pub(super) fn opening(&self, permit: Option<OwnedSemaphorePermit>) -> Opening {
        self.opening.set(self.opening.get() + 1);
        Opening {
            count: Rc::clone(&self.opening),
            _permit: permit,
        }
    }

    pub(super) fn count_opening(&self) -> usize {
        self.opening.get()
    }

    /// How much of what the scenario allows in all this worker may have outstanding.
    pub(super) fn outstanding_max(&self) -> usize {
        match self.arrival() {
            Arrival::Open {
                outstanding_max, ..
            } => outstanding_max.div_ceil(self.job.share.workers),
            Arrival::Closed { .. } => usize::MAX,
        }
    }

    /// A random tab is to make a request that is due; one too many is an error.
    pub(super) fn ask_due(&self, asked: Asked) {
        let max = self.outstanding_max();
        if self.outstanding.get() >= max {
            let words =
                format!("a request, with {max} that were due before it and are not answered");
            return self.fail(FailureKind::NotSent, words);
        }
        self.outstanding.set(self.outstanding.get() + 1);
        self.ask_somebody(asked);
    }

    /// The same for one that was counted already; without a tab it waits for the next that comes.
    pub(super) fn ask_somebody(&self, asked: Asked) {
        let share = self.random.borrow_mut().random();
        match self.present.borrow().pick(share) {
            Some(handle) => handle.ask(asked),
            None => self.orphans.borrow_mut().push(asked),
        }
    }

    /// A tab is usable from now on.
    pub(super) fn enter(&self, handle: &Rc<Handle>) {
        self.present.borrow_mut().enter(Rc::clone(handle));
        for asked in self.orphans.take() {
            handle.ask(asked);
        }
    }

    /// A request that was due has an answer, or will have none.
    pub(super) fn one_done(&self) {
        self.outstanding
            .set(self.outstanding.get().saturating_sub(1));
    }

    /// One of the methods, as often as its weight says.
    pub(super) fn choose_method(&self) -> Method {
        let requests = &self.job.play.requests;
        let total: f64 = requests.iter().map(|(_, weight)| weight).sum();
        let mut left = self.random.borrow_mut().random::<f64>() * total;
        for (method, weight) in requests {
            left -= weight;
            if left < 0.0 {
                return *method;
            }
        }
        requests.last().map_or(Method::PING, |(method, _)| *method)
    }

    /// Whether the person at this tab answers calls.
    pub(super) fn answers(&self, handle: &Handle) -> bool {
        handle.is_first && self.behaviour(handle).kind.answers()
    }

    /// Whether this user's state changes beside calls.
    pub(super) fn sets_states(&self, user: usize) -> bool {
        // The first tab of a user comes at the user's own place.
        let behaviour = &self.job.play.behaviours[self.cast.behaviour(user)];
        matches!(behaviour.kind, BehaviourKind::BusyOperator { break_every, .. } if !break_every.is_zero())
    }

    /// Where the tab of this place connects from.
    pub(super) fn source(&self, place: usize) -> Option<SocketAddr> {
        let spread = self.sources.get() * CONNECTIONS_PER_SOURCE;
        source_address(place + spread, self.job.address)
    }

    /// The present loopback address has no more ports: from now on another one.
    pub(super) fn next_source(&self) {
        self.sources.set(self.sources.get() + 1);
    }

    /// The last call of a user.
    pub(super) fn call_of(&self, user: usize) -> Option<UserCall> {
        *self.calls.borrow().get(self.job.share.place_of(user)?)?
    }

    pub(super) fn change_call(&self, user: usize, change: impl FnOnce(&mut UserCall)) {
        let mut calls = self.calls.borrow_mut();
        let place = self.job.share.place_of(user);
        if let Some(Some(call)) = place.and_then(|place| calls.get_mut(place)) {
            change(call);
        }
    }

    /// A tab of this user rings; gives the call as it is known by now.
    pub(super) fn call_begun(&self, user: usize, chain: u64, times: CallTimes) -> UserCall {
        let call = UserCall::new(chain, times, &self.clock);
        let mut calls = self.calls.borrow_mut();
        let place = self.job.share.place_of(user);
        match place.and_then(|place| calls.get_mut(place)) {
            Some(Some(known)) if known.chain == chain => *known,
            Some(place) => *place.insert(call),
            None => call,
        }
    }

    /// Times an event by the planned moment of its step.
    pub(super) fn time_event(&self, name: &'static str, planned: Planned, now: Instant) {
        self.time(Timing::Event(name), planned, now);
    }

    pub(super) fn time_ring(&self, begun: Planned, now: Instant) {
        self.time(Timing::RingToPopup, begun, now);
    }

    /// Times the news of numbers that ring: as far as their users are in this worker.
    pub(super) fn time_numbers(&self, now: Instant) {
        let (ledger, calls) = (self.ledger.borrow(), self.calls.borrow());
        let ringing = ledger
            .numbers()
            .states()
            .iter()
            .filter(|(_, state)| *state == BUSY);
        let call_of = |user: usize| calls.get(self.job.share.place_of(user)?).copied().flatten();
        let ringing = ringing.filter_map(|(user, _)| call_of(*user));
        let times = ringing
            .filter(|call| call.goes_on(now))
            .map(|call| call.begun.since(now));
        let timing = Timing::Event("pbxnumberstatechanged");
        self.tally
            .borrow_mut()
            .time_all(self.phase(), timing, times);
    }

    fn time(&self, timing: Timing, planned: Planned, now: Instant) {
        let (service, response) = planned.since(now);
        let phase = self.phase_of(planned.due);
        let mut tally = self.tally.borrow_mut();
        tally.time(phase, timing, service, Some(response));
    }

    /// Requests that have no answer when everything is over, or were never made.
    fn give_up_open(&self) {
        for asked in self.orphans.take() {
            let method = asked.method.name();
            self.fail(
                FailureKind::NotSent,
                format!("{method}, without a tab until the end"),
            );
        }
        for handle in self.present.borrow().all() {
            let login = self.login_of(handle.user);
            for open in handle.requests.borrow_mut().take() {
                let method = open.method.name();
                self.fail(
                    FailureKind::NoAnswer,
                    format!("{login}, {method}: until the end"),
                );
            }
        }
    }

    fn print(&self, report: &mut Report) -> Result<()> {
        (report.tallies, report.failures) = self.tally.borrow_mut().take();
        let mut present = self.present.borrow_mut();
        report.held = present.count_held();
        report.called = present.take_changed();
        report.rss_bytes = process::own_rss_bytes();
        report.cpu = report::process_cpu_time(std::process::id())?;
        report.at = monotonic();
        process::tell(report)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
    }
}

/// How often a worker reports.
const REPORT_INTERVAL: Duration = Duration::from_millis(250);
/// The state of a number in a call.
const BUSY: u8 = 5;
