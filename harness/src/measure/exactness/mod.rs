//! Owns the measurement of exactness under load: outside calls to random users at a steady rate, and the proof that each event
//! reached every tab of its user once and in order, that numbers' states ended right, and what memory did meanwhile.

mod calls;
mod judge;

use std::time::Duration;

use tokio::time::sleep;

use self::calls::Calls;
use self::judge::{Expected, Verdict, judge};
use super::servers::{Server, start_gateway};
use super::table::{Table, Target};
use super::{MeasureOptions, OPENING_TIME_MAX, number, quiet_tabs};
use crate::error::{Error, Result};
use crate::gateway::DEFAULT_PASSWORD;
use crate::play::{number_states, until_quiet};
use crate::scenario::Users;
use crate::swarm::{NUMBER_FIRST, Swarm, SwarmOptions, SwarmReport};

/// How many users get how many calls.
#[derive(Debug, Clone, Copy)]
pub struct ExactnessOptions {
    /// How many users.
    pub users: usize,
    /// How many tabs each of them has.
    pub tabs_per_user: usize,
    /// How many calls begin in a second.
    pub rate: f64,
    /// For how long.
    pub duration: Duration,
}

impl ExactnessOptions {
    fn check(&self) -> Result<()> {
        let is_sound = self.users > 0
            && self.tabs_per_user > 0
            && self.rate > 0.0
            && self.rate <= RATE_MAX
            && !self.duration.is_zero();
        if is_sound {
            return Ok(());
        }
        let wanted = format!("users, tabs, at most {RATE_MAX} calls a second, and some time");
        Err(Error::Usage(format!("exactness needs {wanted}")))
    }

    /// How long the gateway is let be after the calls.
    fn rest(&self) -> Duration {
        self.duration.clamp(REST_MIN, REST_MAX)
    }
}

pub(super) async fn measure(options: &MeasureOptions, progress: &impl Fn(&str)) -> Result<Table> {
    let wanted = options.exactness;
    wanted.check()?;
    let mut table = Table::new(format!(
        "Exactness: {} outside calls a second for {} s among {} users with {} tabs each, a tenth of them told of numbers' states",
        wanted.rate,
        wanted.duration.as_secs(),
        wanted.users,
        wanted.tabs_per_user,
    ));
    for cores in [1, 2] {
        let turn = Turn::take(options, cores).await?;
        progress(&format!("{cores} shards: {}", turn.summary()));
        turn.add_to(&mut table, cores, wanted.rate);
    }
    table.note("rest: a minute after the last call, or as long as the calls lasted; the tabs share the machine's cores with the gateway");
    Ok(table)
}

/// What one load brought to light.
struct Turn {
    calls: Calls,
    verdict: Verdict,
    report: SwarmReport,
    /// The gateway's CPU time during the calls.
    cpu: Duration,
    /// Before, half-way, at the end of the calls, after the rest.
    rss: [u64; 4],
}

impl Turn {
    async fn take(options: &MeasureOptions, cores: i64) -> Result<Self> {
        let wanted = options.exactness;
        let gateway = start_gateway(options, wanted.users, cores).await?;
        let tabs = SwarmOptions {
            tabs_per_user: wanted.tabs_per_user,
            number_states_every: TABS_PER_SUBSCRIBER,
            is_judged: true,
            ..quiet_tabs(gateway.address(), 1..wanted.users + 1)
        };
        let mut swarm = Swarm::start(tabs, &options.harness).await?;
        // Those that have failed to are among the lost ones in the end.
        swarm.settled(OPENING_TIME_MAX).await?;
        sleep(SETTLING).await;
        let before = gateway.rss_bytes()?;
        let cpu_before = gateway.cpu()?;
        let half = wanted.duration / 2;
        let mut calls = Calls::new(gateway.admin(), wanted.users, wanted.rate);
        calls.make(half).await;
        let half_way = gateway.rss_bytes()?;
        calls.make(half).await;
        calls.finish().await?;
        let cpu = gateway.cpu()?.saturating_sub(cpu_before);
        until_quiet(&gateway.admin()).await?;
        let end = gateway.rss_bytes()?;
        sleep(wanted.rest()).await;
        let rss = [before, half_way, end, gateway.rss_bytes()?];
        let users = Users {
            count: wanted.users,
            tabs_per_user: wanted.tabs_per_user,
            prefix: "user".into(),
            first: 1,
            password: DEFAULT_PASSWORD.into(),
            first_number: NUMBER_FIRST,
        };
        let states = number_states(gateway.address(), &users).await?;
        let mut report = swarm.stop().await;
        gateway.stop().await?;
        let expected = Expected {
            tabs_per_user: wanted.tabs_per_user,
            rings: &calls.rings,
            states: &states,
        };
        let verdict = judge(&std::mem::take(&mut report.ledger), &expected);
        Ok(Self {
            calls,
            verdict,
            report,
            cpu,
            rss,
        })
    }

    fn summary(&self) -> String {
        format!(
            "{} calls, {} events, {} faults; ring {}",
            self.calls.started(),
            self.verdict.events,
            self.verdict.faults.len(),
            self.report.ring
        )
    }

    fn add_to(&self, table: &mut Table, cores: i64, rate: f64) {
        let mut row = |figure: &str, unit, value: f64, target: Option<Target>| {
            let name = format!("{cores} shards, {figure}");
            table.row(name, unit, &[value], &[]).target = target;
        };
        let fast_enough = Target::AtLeast(rate * RATE_SHARE_MIN);
        row("calls begun", "1/s", self.calls.rate(), Some(fast_enough));
        for (figure, unit, count) in self.faults() {
            row(figure, unit, number(count), Some(Target::AtMost(0.0)));
        }
        for (figure, unit, value) in self.costs() {
            row(figure, unit, value, None);
        }
        let [.., end, rested] = self.rss;
        let growth = number(rested) / number(end);
        let flat = Target::AtMost(MEMORY_GROWTH_MAX);
        row(
            "memory, after the rest by at the end",
            "",
            growth,
            Some(flat),
        );
        let faults = self.calls.faults.iter().chain(&self.verdict.faults);
        let faults = faults.chain(&self.report.counts.first_failure);
        for fault in faults.take(FAULTS_SHOWN_MAX) {
            table.note(format!("{cores} shards: {fault}"));
        }
    }

    /// What there is to be none of.
    fn faults(&self) -> [(&'static str, &'static str, u64); 8] {
        let (verdict, counts) = (&self.verdict, &self.report.counts);
        let ended = counts.closes.values().chain(counts.failures.values());
        let lost = ended.sum::<u64>() + self.report.lost_workers as u64;
        [
            ("calls refused", "calls", self.calls.refused),
            ("different tabs", "users", verdict.uneven),
            ("events twice", "events", verdict.repeated),
            ("broken ladders", "tabs", verdict.broken),
            ("rings that are not the calls", "rings", verdict.miscounted),
            ("wrong states of numbers", "tabs", verdict.stale),
            ("not to be read", "texts", verdict.unread),
            ("lost tabs", "tabs", lost),
        ]
    }

    /// What it took.
    fn costs(&self) -> [(&'static str, &'static str, f64); 8] {
        let mebibytes = |bytes: u64| number(bytes) / f64::from(1 << 20);
        let cpu_share = self.cpu.as_secs_f64() / self.calls.lasted().as_secs_f64();
        let [before, half_way, end, rested] = self.rss.map(mebibytes);
        let ring = &self.report.ring;
        [
            ("events read", "events", number(self.verdict.events)),
            ("ring to pop-up, p50", "ms", number(ring.p50_us) / 1e3),
            ("ring to pop-up, p99", "ms", number(ring.p99_us) / 1e3),
            ("CPU time", "% of a core", cpu_share * 100.0),
            ("memory before", "MiB", before),
            ("memory half-way", "MiB", half_way),
            ("memory at the end", "MiB", end),
            ("memory after the rest", "MiB", rested),
        ]
    }
}

/// Of so many tabs one is told of numbers' states.
const TABS_PER_SUBSCRIBER: usize = 10;
/// More calls a second make no sense here.
const RATE_MAX: f64 = 10_000.0;
/// What share of the wanted rate is to be reached.
const RATE_SHARE_MIN: f64 = 0.95;
/// How long the gateway is let be before the calls.
const SETTLING: Duration = Duration::from_secs(3);
/// How long the gateway is let be after them: what has not come by then will not come.
const REST_MAX: Duration = Duration::from_secs(60);
/// The same in a short measurement.
const REST_MIN: Duration = Duration::from_secs(3);
/// How much more memory may be in use after the rest than at the end of the calls.
const MEMORY_GROWTH_MAX: f64 = 1.01;
/// How many faults are shown.
const FAULTS_SHOWN_MAX: usize = 20;
