//! Owns the course of a run in the supervisor: from the workers' start through the phases to the last report.

use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use super::calls::Calls;
use super::collect::{Collected, Figures, WorkerState, cpu_share};
use super::figures::{Course, Found, Tick};
use super::job::{Job, Order, Report};
use super::outcome::{self, Ended};
use super::server::Loaded;
use super::tally::{Counted, LAG, RING_TO_POPUP, ROUND_TRIP};
use super::{WORKER_COMMAND, end, verdict};
use crate::admin::Admin;
use crate::error::{Error, Result};
use crate::ledger::LedgerReport;
use crate::report::units::as_number;
use crate::report::{self, monotonic};
use crate::results::{Machine, Progress, Results, Series};
use crate::scenario::{Cast, FailureKind, Scenario, Schedule};
use crate::swarm::WorkerProcess;

/// A run that goes on.
struct Run<'s> {
    scenario: &'s Scenario,
    schedule: Schedule,
    server: Loaded,
    workers: Vec<WorkerProcess>,
    collected: Arc<Mutex<Collected>>,
    calls: Option<Calls>,
    course: Course,
    series: Series,
    begun: Instant,
}

/// Why the phases ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// They are all over.
    Time,
    /// A threshold ended them: its place.
    Aborted(usize),
    /// A person ended them.
    Stopped,
    /// The server or a worker is gone.
    Broken,
}

pub(super) async fn run(
    scenario: &Scenario,
    program: &Path,
    stop: impl Future<Output = ()>,
    mut progress: impl FnMut(&Progress),
) -> Result<Results> {
    report::raise_descriptor_limit();
    let (wall, machine) = (SystemTime::now(), Machine::look());
    let server = Loaded::find(scenario, program).await?;
    let mut run = Run::prepare(scenario, server, program).await?;
    let (over, is_over) = watch::channel(false);
    let calling = run.begin(is_over).await?;
    let cause = run.follow(stop, &mut progress).await;
    over.send_replace(true);
    let states = run.come_to_rest(cause, calling).await;
    let lost = run.stop_workers().await;
    let ended = Ended {
        wall,
        machine,
        took: run.begun.elapsed(),
        target: run.server.address,
        cause,
    };
    let mut results = run.results(lost, states.as_deref(), &ended);
    if let Err(error) = run.server.stop().await {
        outcome::add_failure(&mut results, FailureKind::Server, &error.to_string());
    }
    Ok(results)
}

impl<'s> Run<'s> {
    /// Starts the workers and waits until each has its job.
    async fn prepare(scenario: &'s Scenario, server: Loaded, program: &Path) -> Result<Self> {
        let play = &scenario.play;
        let shares = Cast::divide(play)?;
        let cast = Cast::new(play, scenario.seed);
        // The first tab of a user comes at the user's own place.
        let answers = |user: usize| play.behaviours[cast.behaviour(user)].kind.answers();
        let operators = (0..play.users.count).map(answers).collect();
        let admin = server.admin.clone().map(Admin::keep_connections);
        let calls = admin.map(|admin| Calls::new(scenario, admin, operators));
        let collected = Arc::new(Mutex::new(Collected::new(&play.phases, shares.len())));
        let (sender, mut reported) = watch::channel(());
        let mut workers = Vec::new();
        for (number, share) in shares.iter().enumerate() {
            let job = Job {
                address: server.address,
                play: play.clone(),
                seed: scenario.seed,
                share: *share,
            };
            let (collected, calls, sender) =
                (Arc::clone(&collected), calls.clone(), sender.clone());
            let take = move |report: Report| {
                let changes = lock(&collected).take(number, report);
                if let Some(calls) = &calls {
                    let mut book = calls.book();
                    for (user, is_there) in changes {
                        book.callees.set_there(user, is_there);
                    }
                }
                sender.send_replace(());
            };
            workers.push(WorkerProcess::start(program, WORKER_COMMAND, &job, take).await?);
        }
        drop(sender);
        let all_begun = || lock(&collected).workers.iter().all(WorkerState::has_begun);
        let ready = async { while !all_begun() && reported.changed().await.is_ok() {} };
        if timeout(READY_MAX, ready).await.is_err() || !all_begun() {
            return Err(Error::Usage("a worker process did not begin".into()));
        }
        Ok(Self {
            scenario,
            schedule: Schedule::new(&play.phases),
            server,
            workers,
            collected,
            calls,
            course: Course::default(),
            series: Series::default(),
            begun: Instant::now(),
        })
    }

    /// Lets the scenario begin a moment from now.
    async fn begin(&mut self, is_over: watch::Receiver<bool>) -> Result<Option<JoinHandle<()>>> {
        self.begun = Instant::now() + BEGIN_AFTER;
        self.course.begun = monotonic() + BEGIN_AFTER;
        self.course.before = self.server.usage()?;
        for worker in &mut self.workers {
            worker.tell(&Order::Begin(self.course.begun)).await?;
        }
        Ok(self.calls.clone().map(|calls| {
            tokio::spawn(calls.make(self.scenario.clone(), self.course.begun, is_over))
        }))
    }

    /// Looks at everything once a second until the phases are over.
    async fn follow(
        &mut self,
        stop: impl Future<Output = ()>,
        progress: &mut impl FnMut(&Progress),
    ) -> Cause {
        let mut ticks = interval_at(self.begun + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = self.begun + Duration::from_secs_f64(self.schedule.seconds());
        let mut stop = pin!(stop);
        loop {
            let cause = tokio::select! {
                () = &mut stop => Some(Cause::Stopped),
                () = tokio::time::sleep_until(end) => Some(Cause::Time),
                _ = ticks.tick() => None,
            };
            let found = self.tick(progress);
            if let Some(cause) = cause.or(found) {
                return cause;
            }
        }
    }

    /// Notes how everything is; a reason to end the run, if there is one.
    fn tick(&mut self, progress: &mut impl FnMut(&Progress)) -> Option<Cause> {
        let at_s = (Instant::now().saturating_duration_since(self.begun)).as_secs_f64();
        let collected = Arc::clone(&self.collected);
        let mut collected = lock(&collected);
        let mut cause = None;
        let server = self.server.usage().unwrap_or_else(|error| {
            collected.fail(FailureKind::Server, 1, error.to_string());
            cause = Some(Cause::Broken);
            None
        });
        if let Some(calls) = &self.calls {
            collected.take_tally(&mut calls.book().tally);
        }
        if self.workers.iter_mut().any(WorkerProcess::has_ended) {
            cause = Some(Cause::Broken);
        }
        if let Ok(cpu) = report::process_cpu_time(std::process::id()) {
            self.course.cpu.push((monotonic(), cpu));
        }
        let grown = collected
            .workers
            .iter()
            .map(|worker| worker.rss_bytes.saturating_sub(worker.rss_bytes_before));
        let tick = Tick {
            at_s,
            tabs: collected.held(),
            server,
            harness_rss_bytes: grown.sum(),
        };
        let recent = collected.take_recent();
        let now = self.progress(&tick, &recent, &collected);
        self.course.ticks.push(tick);
        self.note(&now, &recent, &tick);
        progress(&now);
        let found = Found {
            collected: &collected,
            course: &self.course,
            phases: &self.scenario.play.phases,
            schedule: &self.schedule,
        };
        let aborting = verdict::aborting(self.scenario, &found, at_s);
        cause.or(aborting.map(Cause::Aborted))
    }

    fn progress(&self, tick: &Tick, recent: &Figures, collected: &Collected) -> Progress {
        let last = self.course.ticks.last();
        let seconds = (tick.at_s - last.map_or(0.0, |last| last.at_s)).max(1e-3);
        let phase = self.schedule.phase_at(tick.at_s);
        let phases = &self.scenario.play.phases;
        let quantile = |name: &str, share: f64| {
            let times = recent.histogram(name).filter(|times| !times.is_empty());
            times.map(|times| times.value_at_quantile(share))
        };
        let per_s = |counted| as_number(recent.count(counted)) / seconds;
        let used = last.and_then(|last| last.server).zip(tick.server);
        let lately = monotonic().saturating_sub(TICK + TICK / 2);
        let workers = collected.workers.iter();
        let shares = workers.filter_map(|worker| cpu_share(&worker.cpu, lately, monotonic()));
        Progress {
            at_s: tick.at_s,
            of_s: self.schedule.seconds(),
            phase: phases[phase].name.clone(),
            is_measured: phases[phase].is_measured,
            tabs: tick.tabs,
            tabs_wanted: self.schedule.tabs_at(tick.at_s),
            rate_per_s: per_s(Counted::Requests),
            events_per_s: per_s(Counted::Events),
            calls_per_s: per_s(Counted::Calls),
            p50_us: quantile(ROUND_TRIP, 0.5),
            p99_us: quantile(ROUND_TRIP, 0.99),
            ring_p99_us: quantile(RING_TO_POPUP, 0.99),
            errors: collected.errors(),
            server_rss_bytes: tick.server.map(|usage| usage.rss_bytes),
            server_cpu_share: used
                .map(|(before, now)| now.cpu.saturating_sub(before.cpu).as_secs_f64() / seconds),
            harness_cpu_share: shares.reduce(f64::max).unwrap_or_default(),
            harness_lag_p99_us: quantile(LAG, 0.99),
        }
    }

    /// Adds a row to the course that is written down.
    fn note(&mut self, now: &Progress, recent: &Figures, tick: &Tick) {
        let mut row = vec![
            ("tabs", as_number(now.tabs as u64)),
            ("tabs_wanted", as_number(now.tabs_wanted as u64)),
            ("requests_per_s", now.rate_per_s),
            ("events_per_s", now.events_per_s),
            ("calls_per_s", now.calls_per_s),
            ("errors", as_number(now.errors)),
            ("harness.cpu_share", now.harness_cpu_share),
            ("harness.rss_bytes", as_number(tick.harness_rss_bytes)),
        ];
        let lag = now.harness_lag_p99_us;
        row.extend(lag.map(|lag| ("harness.lag_p99_us", as_number(lag))));
        let times = recent.columns().flat_map(|(stem, times)| {
            [(0.5, "p50_us"), (0.99, "p99_us")].map(|(share, figure)| {
                let figure = format!("{stem}.{figure}");
                (figure, as_number(times.value_at_quantile(share)))
            })
        });
        let times: Vec<(String, f64)> = times.collect();
        row.extend(times.iter().map(|(column, figure)| (&**column, *figure)));
        if let Some(usage) = tick.server {
            row.push(("server.rss_bytes", as_number(usage.rss_bytes)));
            row.push(("server.descriptors", as_number(usage.descriptors as u64)));
            row.push(("server.threads", as_number(usage.threads as u64)));
        }
        row.extend(
            now.server_cpu_share
                .map(|share| ("server.cpu_share", share)),
        );
        self.series.push(tick.at_s, row);
    }

    /// Lets what was begun come to its end; gives the numbers' states then, if there were calls.
    async fn come_to_rest(
        &mut self,
        cause: Cause,
        calling: Option<JoinHandle<()>>,
    ) -> Option<String> {
        if cause != Cause::Time {
            for worker in &mut self.workers {
                if let Err(error) = worker.tell(&Order::Over).await {
                    tracing::warn!(%error, "a worker could not be told that the run is over");
                }
            }
        }
        if matches!(cause, Cause::Aborted(_) | Cause::Broken) {
            if let Some(calling) = calling {
                calling.abort();
            }
            return None;
        }
        if let Some(calling) = calling
            && let Err(error) = calling.await
        {
            lock(&self.collected).fail(FailureKind::Worker, 1, format!("the caller: {error}"));
        }
        let mut has_called = false;
        if let Some(calls) = &self.calls {
            has_called = calls.book().begun.iter().any(|begun| *begun > 0);
            lock(&self.collected).take_tally(&mut calls.book().tally);
        }
        let at_end = async {
            if let (true, Some(admin)) = (has_called, &self.server.admin) {
                end::until_quiet(admin).await?;
            }
            // What has not come by then will not come.
            sleep(SETTLING).await;
            let is_told = self
                .scenario
                .play
                .behaviours
                .iter()
                .any(|it| it.number_states);
            if !has_called || !is_told {
                return Ok(None);
            }
            end::number_states(self.server.address, &self.scenario.play.users)
                .await
                .map(Some)
        };
        let states: Result<Option<String>> = at_end.await;
        states.unwrap_or_else(|error| {
            lock(&self.collected).fail(FailureKind::Server, 1, format!("at the end: {error}"));
            None
        })
    }

    /// Ends the workers; how many did not end well.
    async fn stop_workers(&mut self) -> u64 {
        for worker in &mut self.workers {
            worker.tell_to_stop();
        }
        let mut lost = 0;
        for worker in &mut self.workers {
            lost += u64::from(!worker.has_ended_well().await);
        }
        lost
    }

    /// Everything that was found; `lost` worker processes did not end well.
    fn results(&mut self, lost: u64, states: Option<&str>, ended: &Ended) -> Results {
        let collected = Arc::clone(&self.collected);
        let mut collected = lock(&collected);
        let words = "a worker process ended badly or too late";
        collected.fail(FailureKind::Worker, lost, words);
        if !matches!(ended.cause, Cause::Aborted(_)) {
            self.judge(&mut collected, states);
        }
        let found = Found {
            collected: &collected,
            course: &self.course,
            phases: &self.scenario.play.phases,
            schedule: &self.schedule,
        };
        let series = std::mem::take(&mut self.series);
        outcome::results(self.scenario, &found, series, ended)
    }

    /// Counts what the ledger says of events as failures.
    fn judge(&self, collected: &mut Collected, states: Option<&str>) {
        let ledger: LedgerReport = std::mem::take(&mut collected.ledger);
        let begun = self.calls.as_ref().map(|calls| calls.book().begun.clone());
        let begun = begun.unwrap_or_default();
        let called = |user: usize| begun.get(user).copied().unwrap_or_default();
        let miscounted = ledger.miscounted(called);
        let stale = states.map(|states| ledger.stale(states, |user| called(user) > 0));
        for (kind, faults) in [
            (FailureKind::EventLost, &ledger.lost),
            (FailureKind::EventDoubled, &ledger.doubled),
            (FailureKind::EventOutOfOrder, &ledger.out_of_order),
            (FailureKind::BrokenLadder, &ledger.broken),
            (FailureKind::WrongUser, &ledger.wrong_user),
            (FailureKind::Protocol, &ledger.unread),
            (FailureKind::CallNotRung, &miscounted),
            (FailureKind::NumberState, &stale.unwrap_or_default()),
        ] {
            let words = faults.first.clone().unwrap_or_default();
            collected.fail(kind, faults.count, words);
        }
    }
}

fn lock(collected: &Mutex<Collected>) -> MutexGuard<'_, Collected> {
    collected.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often everything is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long workers may take to begin.
const READY_MAX: Duration = Duration::from_secs(60);
/// When the scenario begins after the workers were told of it.
const BEGIN_AFTER: Duration = Duration::from_millis(200);
/// How long is waited for the last events.
const SETTLING: Duration = Duration::from_secs(3);
