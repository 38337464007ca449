//! Owns the measurement of tabs that all come at once, each through handshake, login and the opening sequence of a browser
//! library, beside a server that only shakes hands.

use std::time::Duration;

use super::servers::{Reference, Server, start_gateway, until_empty};
use super::table::{Table, Target};
use super::{
    MeasureOptions, OPENING_TIME_MAX, TABS_PER_USER, number, quiet_tabs, reference_tabs, us,
};
use crate::error::Result;
use crate::swarm::{Swarm, SwarmOptions};

pub(super) async fn measure(options: &MeasureOptions, progress: &impl Fn(&str)) -> Result<Table> {
    let users = options.users();
    let gateway = start_gateway(options, users, 1).await?;
    let reference = Reference::start(options, None).await?;
    let mut full = Costs::default();
    let mut login = Costs::default();
    let mut handshake = Costs::default();
    for round in 0..options.rounds_or(5) {
        let quiet = quiet_tabs(gateway.address(), 1..users + 1);
        let tabs = SwarmOptions {
            full_opening: true,
            ..quiet.clone()
        };
        full.measure(&gateway, options, tabs).await?;
        until_empty(&gateway.admin()).await?;
        login.measure(&gateway, options, quiet).await?;
        until_empty(&gateway.admin()).await?;
        let tabs = reference_tabs(reference.address(), 1..users + 1);
        handshake.measure(&reference, options, tabs).await?;
        progress(&format!(
            "round {round}: all in after {:.1} s",
            full.last_s.last().copied().unwrap_or_default()
        ));
    }
    let mut table = Table::new(format!(
        "Arrivals: {} tabs at once, one shard; the reference only shakes hands",
        users * TABS_PER_USER
    ));
    let mut refused = full.refused.clone();
    refused.extend_from_slice(&login.refused);
    table
        .row("tabs refused", "tabs", &refused, &[])
        .wanted(Target::AtMost(0.0));
    table.row(
        "full opening, CPU time per tab",
        "µs",
        &full.cpu_us,
        &handshake.cpu_us,
    );
    table.row(
        "full opening, tabs per second of one core",
        "1/s",
        &full.per_core_s(),
        &handshake.per_core_s(),
    );
    table.row("full opening, all in", "s", &full.last_s, &handshake.last_s);
    table.row(
        "login and subscriptions, CPU time per tab",
        "µs",
        &login.cpu_us,
        &handshake.cpu_us,
    );
    table.row(
        "login and subscriptions, all in",
        "s",
        &login.last_s,
        &handshake.last_s,
    );
    table.note("the tabs share the machine's cores with the gateway");
    gateway.stop().await?;
    Ok(table)
}

/// What arrivals cost, round by round.
#[derive(Default)]
struct Costs {
    cpu_us: Vec<f64>,
    last_s: Vec<f64>,
    refused: Vec<f64>,
}

impl Costs {
    /// Lets the tabs come, all at once, and go.
    async fn measure(
        &mut self,
        server: &impl Server,
        options: &MeasureOptions,
        tabs: SwarmOptions,
    ) -> Result<()> {
        let count = tabs.users * tabs.tabs_per_user;
        let tabs = SwarmOptions {
            opening_max: count,
            ..tabs
        };
        let before = server.cpu()?;
        let mut swarm = Swarm::start(tabs, &options.harness).await?;
        let settled = swarm.settled(OPENING_TIME_MAX).await?;
        let cpu: Duration = server.cpu()?.saturating_sub(before);
        self.cpu_us.push(us(cpu) / number(count as u64));
        let last = Duration::from_micros(settled.settled_after_us);
        self.last_s.push(last.as_secs_f64());
        self.refused.push(number(count as u64 - settled.opened));
        swarm.stop().await;
        Ok(())
    }

    /// How many tabs a second a core lets in that does nothing else.
    fn per_core_s(&self) -> Vec<f64> {
        self.cpu_us.iter().map(|us| 1e6 / us).collect()
    }
}
