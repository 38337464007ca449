//! Owns the course of a soak: start, held tabs, warm-up, rest, traffic, rest, the end of the tabs, the end of the gateway.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet, LocalSet, spawn_local};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::crm::Crm;
use super::held::HeldTab;
use super::leak::{Leak, LeakVerdict};
use super::phase::{Phase, conduct};
use super::proxies::Proxies;
use super::report::{Row, SoakReport};
use super::rest::{self, Usages, come_to_rest};
use super::returning::ReturningTab;
use super::watch::{Gate, Kind};
use super::{SoakOptions, World, calls, churn};
use crate::error::Result;
use crate::format::Format;
use crate::gateway::Gateway;
use crate::pairing::Pairing;
use crate::process::{Log, ProcessorWaits, Usage, error_lines};

/// Runs the soak; `stop` ends the traffic early, `progress` gets a line for every row. An error means that it could not
/// start; everything later is in the report.
pub async fn run(
    options: SoakOptions,
    stop: impl Future<Output = ()>,
    progress: impl Fn(&str),
) -> Result<SoakReport> {
    options.check()?;
    crate::report::raise_descriptor_limit();
    let stop: Pin<Box<dyn Future<Output = ()> + '_>> = Box::pin(stop);
    let soak = async {
        let (crm, gateway, world) = start(options).await?;
        let Some(process) = gateway.process_id() else {
            return Err(gateway.failure("it has ended already"));
        };
        let soak = Soak {
            world: Rc::new(world),
            log: Log::of(process)?,
            process,
            crm: Some(crm),
            stop: Some(stop),
            progress: &progress,
            rows: Vec::new(),
            warm_rows: 0,
            begun: Instant::now(),
        };
        Ok(soak.run(gateway).await)
    };
    LocalSet::new().run_until(soak).await
}

/// Starts the CRM and the gateway, with proxies before both if there are to be faults.
async fn start(options: SoakOptions) -> Result<(Crm, Gateway, World)> {
    let mut pairing = Pairing::new(options.crm_mode, Format::Json)?;
    let (plan, seed) = (&options.faults, options.seed);
    let mut crm_proxy = None;
    if options.has_faults() {
        let proxy = Proxies::for_crm(plan, seed, pairing.address())?;
        pairing = pairing.reached_at(proxy.address());
        crm_proxy = Some(proxy);
    }
    let crm = Crm::start(pairing.crm()).await?;
    let settings = pairing.settings(options.settings());
    let gateway = Gateway::start_program(options.gateway.clone(), settings).await?;
    let proxies = match crm_proxy {
        Some(proxy) => Some(Proxies::new(plan, seed, proxy, gateway.clients())?),
        None => None,
    };
    let world = World::new(options, gateway.clients(), gateway.admin(), proxies);
    Ok((crm, gateway, world))
}

struct Soak<'s> {
    world: Rc<World>,
    log: Log,
    /// The gateway's process.
    process: u32,
    crm: Option<Crm>,
    /// Gone once it has resolved.
    stop: Option<Pin<Box<dyn Future<Output = ()> + 's>>>,
    progress: &'s dyn Fn(&str),
    rows: Vec<Row>,
    /// How many rows the warm-up made.
    warm_rows: usize,
    begun: Instant,
}

/// The figures of a soak's course.
#[derive(Default)]
struct Course {
    traffic: Duration,
    usages: Option<Usages>,
    refusals: BTreeMap<String, f64>,
    ring: BTreeMap<String, f64>,
}

impl Soak<'_> {
    async fn run(mut self, gateway: Gateway) -> SoakReport {
        let lag = spawn_local(watch_machine(Rc::clone(&self.world), self.process));
        let mut course = Course::default();
        if let Err(error) = self.go(&mut course).await {
            self.world.watch.fail(Gate::Process, error);
        }
        let end_s = self.end(gateway).await;
        lag.abort();
        let leak = self.judge_memory();
        let log = self.log.text().unwrap_or_default();
        for line in error_lines(&log) {
            self.world.watch.fail(Gate::Log, line);
        }
        let watch = &self.world.watch;
        SoakReport {
            seed: self.world.options.seed,
            traffic_s: course.traffic.as_secs_f64(),
            tabs: self.world.options.tabs,
            returning_tabs: self.world.options.returning_tabs(),
            plan: self.world.options.faults.clone(),
            faults: faults(&self.world),
            rows: self.rows,
            counts: watch.counts(),
            times: watch.all_times(),
            usages: course.usages,
            leak,
            refusals: course.refusals,
            ring: course.ring,
            log_warnings: log.lines().filter(|line| line.contains(" WARN ")).count(),
            end_s,
            failures: watch.failures(),
        }
    }

    /// All but the end; an error means that the gateway is not there any more, or does not answer.
    async fn go(&mut self, course: &mut Course) -> Result<()> {
        let world = Rc::clone(&self.world);
        let (process, count) = (self.process, world.options.tabs);
        let idle = come_to_rest(&world, process, 0, None).await?;
        let tabs = open_tabs(&world).await?;
        self.begun = Instant::now();
        let warm_up_end = self.begun + world.options.warm_up();
        course.traffic = self.traffic(warm_up_end, WARM_UP_STREAM).await?;
        self.warm_rows = self.rows.len();
        let warm = come_to_rest(&world, process, count, None).await?;
        let left = world.options.duration.saturating_sub(course.traffic);
        let until = Instant::now() + left;
        course.traffic += self.traffic(until, TRAFFIC_STREAM).await?;
        let end = come_to_rest(&world, process, count, Some(warm.descriptors)).await?;
        let metrics = world.admin.metrics().await?;
        course.refusals = rest::refusals(&metrics);
        course.ring = rest::judge_counters(&world, &metrics);
        let found_out = world.options.silence() + FOUND_OUT_SLACK;
        let proxies = world.proxies.as_ref();
        if let Some(what) = proxies.and_then(|it| it.judge(&world.options.faults, found_out)) {
            world.watch.fail(Gate::Returns, what);
        }
        world.phases.send_replace(Phase::Over);
        self.join(tabs, "the held tabs").await;
        let wanted = warm.descriptors.saturating_sub(count);
        let none = come_to_rest(&world, process, 0, Some(wanted)).await?;
        let usages = Usages {
            idle,
            warm,
            end,
            none,
        };
        for (gate, what) in rest::judge(&usages, count) {
            world.watch.fail(gate, what);
        }
        course.usages = Some(usages);
        Ok(())
    }

    /// Keeps up the traffic until this time, then waits until its makers have ended; says how long it was kept up.
    async fn traffic(&mut self, until: Instant, stream: u64) -> Result<Duration> {
        let started = Instant::now();
        let world = Rc::clone(&self.world);
        let parallel = world.options.calls;
        world.agreed.borrow_mut().clear();
        if let Some(proxies) = &world.proxies {
            proxies.arm();
        }
        let conductor = spawn_local({
            let (world, random) = (Rc::clone(&world), world.random(stream));
            async move { conduct(&world.phases, random, world.options.held_tabs()).await }
        });
        let mut makers = JoinSet::new();
        makers.spawn_local(churn::come_and_go(
            Rc::clone(&world),
            world.random(stream + 1),
        ));
        for rest in 0..parallel {
            let random = world.random(stream + 3 + rest as u64);
            makers.spawn_local(calls::call(Rc::clone(&world), random, parallel, rest));
        }
        let crm = self.crm.take().map(|crm| {
            let random = world.random(stream + 2);
            spawn_local(crm.come_and_go(Rc::clone(&world), random))
        });
        let watched = self.watch_until(until).await;
        let lasted = started.elapsed();
        conductor.abort();
        world.phases.send_replace(Phase::Calm);
        if let Some(proxies) = &world.proxies {
            proxies.heal();
        }
        self.join(makers, "the traffic").await;
        if let Some(crm) = crm {
            self.crm = self.crm_back(crm).await;
        }
        watched.map(|()| lasted)
    }

    async fn crm_back(&self, crm: JoinHandle<Option<Crm>>) -> Option<Crm> {
        match timeout(CRM_JOIN_MAX, crm).await {
            Ok(Ok(crm)) => crm,
            other => {
                let what = format_args!("the CRM's task ended as {:?}", other.err());
                self.world.watch.fail(Gate::Scenario, what);
                None
            }
        }
    }

    /// Makes rows until this time, or until told to stop; an error once the gateway has died.
    async fn watch_until(&mut self, until: Instant) -> Result<()> {
        // Who was told to stop in the warm-up makes no more traffic.
        let until = if self.stop.is_some() {
            until
        } else {
            Instant::now()
        };
        let every = self.world.options.row_interval();
        let mut next_row = Instant::now() + every;
        loop {
            // The last row may take a little longer than the others, but is not a stump.
            let is_last = next_row + every / 2 > until;
            let wait = sleep_until(if is_last { until } else { next_row });
            let is_told = match &mut self.stop {
                Some(stop) => tokio::select! {
                    () = stop => true,
                    () = wait => false,
                },
                None => true,
            };
            let row = row(&self.world, self.begun, self.process)?;
            (self.progress)(&row.to_string());
            self.rows.push(row);
            next_row += every;
            if is_told {
                self.stop = None;
            }
            if is_told || is_last {
                return Ok(());
            }
        }
    }

    /// Waits for tasks to end by themselves.
    async fn join(&self, mut tasks: JoinSet<()>, who: &str) {
        let deadline = Instant::now() + JOIN_MAX;
        while !tasks.is_empty() {
            let problem = match tokio::time::timeout_at(deadline, tasks.join_next()).await {
                Ok(Some(Err(error))) => error.to_string(),
                Ok(_) => continue,
                Err(_) => format!("{} tasks had not ended after {JOIN_MAX:?}", tasks.len()),
            };
            self.world
                .watch
                .fail(Gate::Rest, format_args!("{who}: {problem}"));
            if Instant::now() >= deadline {
                return;
            }
        }
    }

    /// What the memory did behind the warm-up.
    fn judge_memory(&self) -> Leak {
        let rows = self.rows[self.warm_rows..].iter();
        let rows = rows.map(|row| (Duration::from_secs_f64(row.at_s), row.usage.rss_bytes));
        let leak = Leak::judge(&rows.collect::<Vec<_>>());
        if leak.verdict == LeakVerdict::Suspected {
            self.world.watch.fail(Gate::Leak, leak);
        }
        leak
    }

    /// Ends the gateway in order; how long that took.
    async fn end(&self, gateway: Gateway) -> Option<f64> {
        let started = Instant::now();
        if let Err(error) = gateway.stop().await {
            self.world.watch.fail(Gate::Process, error);
            return None;
        }
        let took = started.elapsed();
        if took > DRAIN + END_SLACK {
            let what = format_args!("it took {took:?} to end; its drain time is {DRAIN:?}");
            self.world.watch.fail(Gate::Process, what);
        }
        Some(took.as_secs_f64())
    }
}

fn row(world: &World, begun: Instant, process: u32) -> Result<Row> {
    Ok(Row {
        at_s: begun.elapsed().as_secs_f64(),
        times: world.watch.take_times(),
        counts: world.watch.counts(),
        faults: faults(world),
        usage: Usage::of(process)?,
    })
}

/// The faults that came so far, by kind.
fn faults(world: &World) -> BTreeMap<crate::faults::Kind, u64> {
    let proxies = world.proxies.as_ref();
    proxies.map(Proxies::counts).unwrap_or_default()
}

/// Opens all held tabs, one after the other; those behind the fault proxy open by themselves.
async fn open_tabs(world: &Rc<World>) -> Result<JoinSet<()>> {
    let mut tabs = JoinSet::new();
    let held = world.options.held_tabs();
    for index in 0..held {
        tabs.spawn_local(HeldTab::open(world, index).await?.hold());
    }
    if let Some(proxies) = &world.proxies {
        for index in held..world.options.tabs {
            let address = proxies.tabs.address();
            tabs.spawn_local(ReturningTab::new(world, index, address).hold());
        }
    }
    Ok(tabs)
}

/// Notes how late a timer of this program is, and how long the gateway waits for a processor: what neither of the two can
/// help is in these.
async fn watch_machine(world: Rc<World>, process: u32) {
    let mut waits = ProcessorWaits::default();
    let mut ticks = interval(LAG_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in 0_u64.. {
        let due = ticks.tick().await;
        world.watch.time(Kind::DriverLag, due.elapsed());
        if tick.is_multiple_of(TICKS_PER_WAIT) {
            let wait = waits.longest(process);
            world.watch.time(Kind::ProcessorWait, wait);
        }
    }
}

/// Where the streams of random numbers begin.
const WARM_UP_STREAM: u64 = 0;
/// Likewise, after the warm-up.
const TRAFFIC_STREAM: u64 = 1 << 16;
/// How long the makers of traffic may take to end.
const JOIN_MAX: Duration = Duration::from_secs(60);
/// How long the CRM's may: both ends may have to agree twice, and each time it is linked again after half a minute at the latest.
const CRM_JOIN_MAX: Duration = Duration::from_secs(150);
/// What the gateway may take to close a silent link beyond the silence: the time for the close, and something for its clock.
const FOUND_OUT_SLACK: Duration = Duration::from_secs(10);
/// The gateway's time for draining, as the harness's settings have it.
const DRAIN: Duration = Duration::from_secs(1);
/// What its end may take beyond that.
const END_SLACK: Duration = Duration::from_secs(5);
/// How often the own timer is watched.
const LAG_INTERVAL: Duration = Duration::from_millis(20);
/// After how many of these the gateway's waits are looked at.
const TICKS_PER_WAIT: u64 = 5;
