//! Owns the measurement of idle tabs: memory by tab between few and many, CPU time by tab for what an idle tab asks.

use std::time::Duration;

use tokio::time::sleep;

use super::servers::{Reference, Server, start_gateway};
use super::table::{Table, Target};
use super::{
    MeasureOptions, OPENING_TIME_MAX, TABS_FEW, TABS_PER_USER, number, quiet_tabs, reference_tabs,
    us,
};
use crate::error::Result;
use crate::swarm::{Swarm, SwarmOptions};

pub(super) async fn measure(options: &MeasureOptions, progress: &impl Fn(&str)) -> Result<Table> {
    let mut table = Table::new(format!(
        "Idle tabs: logged in, subscribed, a ping every {} s and getcurrentqueue every {} s; {} of them, one shard",
        PING_INTERVAL.as_secs(),
        QUEUE_INTERVAL.as_secs(),
        options.users() * TABS_PER_USER,
    ));
    let mut gateway = Costs::default();
    let mut reference = Costs::default();
    for round in 0..options.rounds_or(3) {
        let server = start_gateway(options, options.users(), 1).await?;
        let tabs = SwarmOptions {
            ping_interval: PING_INTERVAL,
            queue_interval: QUEUE_INTERVAL,
            ..quiet_tabs(server.address(), 1..options.users() + 1)
        };
        gateway.measure(&server, options, tabs).await?;
        server.stop().await?;
        let server = Reference::start(options, None).await?;
        let tabs = SwarmOptions {
            ping_interval: PING_INTERVAL,
            ..reference_tabs(server.address(), 1..options.users() + 1)
        };
        reference.measure(&server, options, tabs).await?;
        progress(&format!(
            "round {round}: gateway {gateway}, reference {reference}"
        ));
    }
    table
        .row("memory per tab", "bytes", &gateway.bytes, &reference.bytes)
        .wanted(Target::AtMost(1.2 * 1024.0));
    table
        .row("CPU time per tab", "µs/s", &gateway.cpu_us, &[])
        .wanted(Target::AtMost(20.0));
    table.row(
        "memory in all",
        "MiB",
        &gateway.mebibytes,
        &reference.mebibytes,
    );
    table.note(format!(
        "memory per tab: (resident memory with all tabs − with {}) by the tabs between",
        USERS_FEW * TABS_PER_USER
    ));
    Ok(table)
}

/// What the tabs of one server cost, round by round.
#[derive(Default)]
struct Costs {
    bytes: Vec<f64>,
    cpu_us: Vec<f64>,
    mebibytes: Vec<f64>,
}

impl Costs {
    /// Opens the tabs of the first users, then those of the others, then lets them be.
    async fn measure(
        &mut self,
        server: &impl Server,
        options: &MeasureOptions,
        tabs: SwarmOptions,
    ) -> Result<()> {
        let tabs = WeighedTabs::open(server, options, tabs, USERS_FEW, SETTLING).await?;
        let cpu_before = server.cpu()?;
        sleep(IDLE).await;
        let cpu = server.cpu()?.saturating_sub(cpu_before);
        let all = options.users() * TABS_PER_USER;
        self.bytes.push(tabs.bytes_per_tab);
        self.mebibytes.push(tabs.mebibytes);
        self.cpu_us
            .push(us(cpu) / IDLE.as_secs_f64() / number(all as u64));
        tabs.stop().await;
        Ok(())
    }
}

/// Tabs that are open, and what they cost the server.
pub(super) struct WeighedTabs {
    few: Swarm,
    more: Swarm,
    /// What each tab beyond the few added to the server's resident memory.
    pub(super) bytes_per_tab: f64,
    /// The server's resident memory with all of them.
    pub(super) mebibytes: f64,
}

impl WeighedTabs {
    /// Opens the tabs of the first users, then those of the others. The server is let be before each look at its memory.
    pub(super) async fn open(
        server: &impl Server,
        options: &MeasureOptions,
        tabs: SwarmOptions,
        users_few: usize,
        settling: Duration,
    ) -> Result<Self> {
        let few = SwarmOptions {
            users: users_few,
            ..tabs.clone()
        };
        let more = SwarmOptions {
            users: tabs.users - users_few,
            first_user: tabs.first_user + users_few,
            ..tabs
        };
        let added = more.users * more.tabs_per_user;
        let mut few = Swarm::start(few, &options.harness).await?;
        few.opened(OPENING_TIME_MAX).await?;
        sleep(settling).await;
        let before = server.rss_bytes()?;
        let mut more = Swarm::start(more, &options.harness).await?;
        more.opened(OPENING_TIME_MAX).await?;
        sleep(settling).await;
        let after = server.rss_bytes()?;
        Ok(Self {
            few,
            more,
            bytes_per_tab: number(after.saturating_sub(before)) / number(added as u64),
            mebibytes: number(after) / f64::from(1 << 20),
        })
    }

    /// Closes them.
    pub(super) async fn stop(self) {
        self.more.stop().await;
        self.few.stop().await;
    }
}

impl std::fmt::Display for Costs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let last = |figures: &[f64]| figures.last().copied().unwrap_or_default();
        write!(
            formatter,
            "{:.0} bytes and {:.1} µs/s per tab",
            last(&self.bytes),
            last(&self.cpu_us)
        )
    }
}

/// How many users have the few tabs.
const USERS_FEW: usize = TABS_FEW / TABS_PER_USER;
/// How often a tab sends a ping.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// How often a tab asks for its queue.
const QUEUE_INTERVAL: Duration = Duration::from_secs(5);
/// How long a server is let be before its memory is looked at: what is measured is the rest, not the rush.
const SETTLING: Duration = Duration::from_secs(3);
/// How long the CPU time of idle tabs is measured: every tab sends all its requests at least once.
const IDLE: Duration = Duration::from_secs(20);
