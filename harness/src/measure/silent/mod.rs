//! Owns the measurement of a CRM that falls silent (protocol 3.5, 2-f and 8-h): what tabs notice of it, and what memory does.
//!
//! There are two gateways under the same load in turns: one whose CRM answers, and one whose CRM has fallen silent.

mod gate;

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use self::gate::{Gate, Silence};
use super::healthy::HealthyTabs;
use super::runs::{Runs, RunsOptions, RunsReport};
use super::servers::{Server, start_gateway, until_linked};
use super::table::{Table, Target};
use super::{MeasureOptions, number, us};
use crate::crm::{CrmHandle, CrmOptions, SimulatedCrm};
use crate::error::{Error, Result};
use crate::gateway::Gateway;
use crate::report::Latency;

/// Under what a CRM falls silent.
#[derive(Debug, Clone, Copy)]
pub struct SilentOptions {
    /// How many runs begin in a second.
    pub rate: f64,
    /// How long a turn is.
    pub turn: Duration,
}

impl SilentOptions {
    fn check(&self) -> Result<()> {
        if self.rate > 0.0 && self.rate <= RATE_MAX && !self.turn.is_zero() {
            return Ok(());
        }
        let wanted = format!("at most {RATE_MAX} runs a second, and some time for a turn");
        Err(Error::Usage(format!("silent-crm needs {wanted}")))
    }
}

pub(super) async fn measure(options: &MeasureOptions, progress: &impl Fn(&str)) -> Result<Table> {
    let wanted = options.silent;
    wanted.check()?;
    let pairs = options.rounds_or(10);
    let mut table = Table::new(format!(
        "Silent CRM: the pings of 100 tabs under {} runs of a method a second with {INPUT} characters each, and 10 calls a second; in {pairs} pairs of turns, the reference being a gateway whose CRM answers",
        wanted.rate
    ));
    for silence in Silence::ALL {
        let calm = Seat::start(options).await?;
        let silent = Seat::start(options).await?;
        silent.gate.fall_silent(silence);
        let seats = [&silent, &calm];
        for seat in seats {
            // The first connections and runs cost more than those behind them.
            seat.take_turn(wanted, &mut Turns::default()).await?;
        }
        let mut turns = [Turns::default(), Turns::default()];
        for pair in 0..pairs {
            // Every other pair in the opposite order.
            for turn in 0..2 {
                let which = (pair + turn) % 2;
                seats[which].take_turn(wanted, &mut turns[which]).await?;
            }
            let [silent, calm] = &turns;
            let p99 = |turns: &Turns| turns.p99_us.last().copied().unwrap_or_default();
            progress(&format!(
                "{silence}, pair {}: p99 {} µs, calm {} µs",
                pair + 1,
                p99(silent),
                p99(calm)
            ));
        }
        let crm = silent.gateway.admin().status().await?["crm"].clone();
        put_into(&mut table, silence, &turns);
        table.note(format!(
            "{silence}: {}; in the end the link is {}, {} bytes wait, {} overflows; {}",
            turns[0].runs,
            crm["state"],
            crm["queue_bytes"],
            crm["queue_overflows"],
            crm["last_error"]
        ));
        silent.stop().await?;
        calm.stop().await?;
    }
    Ok(table)
}

fn put_into(table: &mut Table, silence: Silence, [silent, calm]: &[Turns; 2]) {
    let name = |what: &str| format!("{silence}: {what}");
    table
        .row(name("pings' p99"), "µs", &silent.p99_us, &calm.p99_us)
        .wanted(Target::RatioAtMost(P99_RATIO_MAX));
    table.row(name("pings' median"), "µs", &silent.p50_us, &calm.p50_us);
    table.row(
        name("CPU time a second"),
        "ms",
        &silent.cpu_ms,
        &calm.cpu_ms,
    );
    let most = silent.rss_mib.iter().copied().fold(0.0, f64::max);
    let most_calm = calm.rss_mib.iter().copied().fold(0.0, f64::max);
    table
        .row(name("most memory"), "MiB", &[most], &[most_calm])
        .wanted(Target::AtMost(RSS_MIB_MAX));
    let bad = number(silent.bad + calm.bad);
    table
        .row(name("runs wrong or lost"), "", &[bad], &[])
        .wanted(Target::AtMost(0.0));
}

/// The figures of one gateway, turn by turn.
#[derive(Default)]
struct Turns {
    p99_us: Vec<f64>,
    p50_us: Vec<f64>,
    cpu_ms: Vec<f64>,
    rss_mib: Vec<f64>,
    bad: u64,
    /// Those of the last turn.
    runs: RunsReport,
}

/// A gateway with a CRM behind a gate, and tabs that ping.
struct Seat {
    gateway: Gateway,
    gate: Gate,
    tabs: HealthyTabs,
    crm: CrmHandle,
}

impl Seat {
    async fn start(options: &MeasureOptions) -> Result<Self> {
        let mut crm = CrmOptions::on_loopback().active_user("user1", "crm-1");
        crm.keeps_record = false;
        let crm = SimulatedCrm::start(crm).await?;
        let gate = Gate::start(crm.address()).await?;
        let mut linked = options.clone();
        linked.settings = linked.settings.crm_ws_out(gate.address());
        let gateway = start_gateway(&linked, USERS, 1).await?;
        until_linked(&gateway).await?;
        let tabs = HealthyTabs::start(gateway.address());
        Ok(Self {
            gateway,
            gate,
            tabs,
            crm,
        })
    }

    /// Runs methods and makes calls for a while.
    async fn take_turn(&self, wanted: SilentOptions, turns: &mut Turns) -> Result<()> {
        let runs = RunsOptions {
            rate: wanted.rate,
            timeout: RUN_MAX,
            input: INPUT,
            // As from scripts that start a program for each run; kept ones would be more where runs take longer.
            keeps_connections: false,
            waits_every: 0,
            seed: turns.p99_us.len() as u64,
        };
        let runs = Runs::start(self.gateway.addresses().admin, runs);
        drop(self.tabs.take());
        let cpu = self.gateway.cpu()?;
        let end = Instant::now() + wanted.turn;
        while Instant::now() < end {
            // The CRM is told of what befalls the user who is active in it.
            let call = json!({"answer_after_ms": 0, "talk_ms": 50});
            let admin = self.gateway.admin();
            admin.start_call(CALLER, NUMBER, call).await?;
            sleep(CALL_EVERY).await;
        }
        let pings = Latency::from(&self.tabs.take());
        let cpu = self.gateway.cpu()?.saturating_sub(cpu);
        let cpu = us(cpu) / 1e3 / wanted.turn.as_secs_f64();
        turns.cpu_ms.push(cpu);
        turns.p99_us.push(number(pings.p99_us));
        turns.p50_us.push(number(pings.p50_us));
        turns
            .rss_mib
            .push(number(self.gateway.rss_bytes()?) / 1_048_576.0);
        turns.runs = runs.stop().await?;
        turns.bad += turns.runs.bad();
        if let Some(bad) = &turns.runs.first_bad {
            tracing::warn!(bad, "a run ended badly");
        }
        Ok(())
    }

    async fn stop(self) -> Result<()> {
        self.tabs.stop()?;
        self.gateway.stop().await?;
        self.crm.stop().await;
        Ok(())
    }
}

/// `user1` is active in the CRM, and `user2` has the tabs.
const USERS: usize = 2;
/// Who calls.
const CALLER: &str = "89274513158";
/// The number of `user1`.
const NUMBER: &str = "101";
/// How often there is a call.
const CALL_EVERY: Duration = Duration::from_millis(100);
/// How long a run waits for its result.
const RUN_MAX: Duration = Duration::from_secs(2);
/// Characters of a run's input.
const INPUT: usize = 4000;
/// How many runs begin in a second at most: each has a connection while it waits.
const RATE_MAX: f64 = 400.0;
/// How many times longer than in the calm pings may take.
const P99_RATIO_MAX: f64 = 1.2;
/// What a gateway has without a load, and three times what may wait for the CRM by the default settings: its queue grows by copies.
const RSS_MIB_MAX: f64 = 80.0;
