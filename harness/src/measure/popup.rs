//! Owns the measurement of what an operator waits for: from an outside call to its event in each tab of the called user.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::servers::{Server, start_gateway};
use super::table::Table;
use super::{MeasureOptions, OPENING_TIME_MAX, TABS_PER_USER, number, quiet_tabs};
use crate::admin::Admin;
use crate::error::{Error, Result};
use crate::report::{Latency, histogram, record};
use crate::swarm::{Swarm, timed_caller};

pub(super) async fn measure(options: &MeasureOptions, progress: &impl Fn(&str)) -> Result<Table> {
    let users = options.users();
    let mut table = Table::new(format!(
        "Ring to pop-up: {CALLS_PER_S} calls a second for {} s among {} quiet tabs of {users} users",
        DURATION.as_secs(),
        users * TABS_PER_USER,
    ));
    for cores in [1, 2] {
        let mut turns = Turns::default();
        for round in 0..options.rounds_or(3) {
            turns.take(options, cores).await?;
            progress(&format!("{cores} shards, round {round}: {}", turns.last));
        }
        let name = |figure: &str| format!("{cores} shards, {figure}");
        table.row(name("p50"), "ms", &turns.p50_ms, &[]);
        table.row(name("p99"), "ms", &turns.p99_ms, &[]);
        table.row(name("longest"), "ms", &turns.max_ms, &[]);
        table.row(
            name("the call's request alone, p99"),
            "ms",
            &turns.request_p99_ms,
            &[],
        );
        table
            .row(name("events that came"), "%", &turns.came_percent, &[])
            .wanted(super::Target::AtLeast(100.0));
    }
    table.note("from before the call's request to the admin address to the event's reading in the tab's process; all share the machine's cores");
    Ok(table)
}

/// The figures of one number of shards, turn by turn.
#[derive(Default)]
struct Turns {
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    max_ms: Vec<f64>,
    request_p99_ms: Vec<f64>,
    came_percent: Vec<f64>,
    last: String,
}

impl Turns {
    async fn take(&mut self, options: &MeasureOptions, cores: i64) -> Result<()> {
        let users = options.users();
        let gateway = start_gateway(options, users, cores).await?;
        let called = CALLED.min(users / 2);
        let tabs = quiet_tabs(gateway.address(), called + 1..users + 1);
        let mut others = Swarm::start(tabs, &options.harness).await?;
        others.opened(OPENING_TIME_MAX).await?;
        let tabs = quiet_tabs(gateway.address(), 1..called + 1);
        let mut swarm = Swarm::start(tabs, &options.harness).await?;
        swarm.opened(OPENING_TIME_MAX).await?;
        sleep(SETTLING).await;
        let requests = call(&gateway.admin(), called).await?;
        // What has not come by then will not come.
        sleep(SETTLING).await;
        let report = swarm.stop().await;
        others.stop().await;
        gateway.stop().await?;
        let Latency {
            p50_us,
            p99_us,
            max_us,
            count,
            ..
        } = report.ring;
        let ms = |us: u64| number(us) / 1000.0;
        self.p50_ms.push(ms(p50_us));
        self.p99_ms.push(ms(p99_us));
        self.max_ms.push(ms(max_us));
        let request_p99_us = Latency::from(&requests).p99_us;
        self.request_p99_ms.push(ms(request_p99_us));
        let expected = number(requests.len() * TABS_PER_USER as u64);
        self.came_percent.push(number(count) * 100.0 / expected);
        self.last = report.ring.to_string();
        Ok(())
    }
}

/// Makes the calls, user by user; how long each request took.
async fn call(admin: &Admin, users: usize) -> Result<Histogram<u64>> {
    let mut calls = JoinSet::new();
    let mut ticks = interval(Duration::from_secs(1) / CALLS_PER_S);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let count = u64::from(CALLS_PER_S) * DURATION.as_secs();
    for number in 0..count {
        ticks.tick().await;
        let admin = admin.clone();
        let called = 101 + usize::try_from(number).unwrap_or_default() % users;
        calls.spawn(async move {
            let talk = json!({"answer_after_ms": RING_MS, "talk_ms": TALK_MS});
            let (from, begun) = (timed_caller(), Instant::now());
            let started = admin.start_call(&from, &called.to_string(), talk).await;
            started.map(|_| begun.elapsed())
        });
    }
    let mut requests = histogram();
    while let Some(called) = calls.join_next().await {
        let took = called.map_err(|error| Error::Usage(format!("a call panicked: {error}")))?;
        record(&mut requests, took?);
    }
    Ok(requests)
}

/// How many users are called: their tabs are those of a process of its own, so that a ring does not wait there until
/// thousands of others have read what everybody is told.
const CALLED: usize = 200;
/// How many calls begin in a second.
const CALLS_PER_S: u32 = 50;
/// For how long.
const DURATION: Duration = Duration::from_secs(20);
/// How long a phone rings.
const RING_MS: u64 = 500;
/// How long a talk is.
const TALK_MS: u64 = 500;
/// How long the gateway is let be before the calls, and after them.
const SETTLING: Duration = Duration::from_secs(4);
