//! Owns the measurement of a fan-out: one event to all tabs, beside a bare loop of sends to as many sockets.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::servers::{Reference, Server, start_gateway};
use super::table::{Table, Target};
use super::{
    MeasureOptions, OPENING_TIME_MAX, TABS_PER_USER, number, quiet_tabs, reference_tabs, us,
};
use crate::error::Result;
use crate::gateway::Gateway;
use crate::swarm::{Swarm, SwarmOptions};
use crate::tab::{Frame, Tab};

pub(super) async fn measure(options: &MeasureOptions, progress: &impl Fn(&str)) -> Result<Table> {
    let users = options.users();
    let gateway = start_gateway(options, users + CALLED, 1).await?;
    let reference = Reference::start(options, None).await?;
    let tabs = quiet_tabs(gateway.address(), 1..users + 1);
    let mut told = Audience::open(options, tabs).await?;
    let tabs = reference_tabs(reference.address(), 1..users + 1);
    let mut also_told = Audience::open(options, tabs).await?;
    let mut stage = Stage::open(&gateway, users).await?;
    sleep(SETTLING).await;
    told.forget().await?;
    let mut speaker = Tab::connect(reference.address(), Some("json")).await?;
    let mut event_bytes = Vec::new();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..options.rounds_or(15) {
        let before = gateway.cpu()?;
        let events = stage.act().await?;
        told.has_heard(events.len()).await?;
        ours.push(told.cost(gateway.cpu()?.saturating_sub(before), events.len()));
        let before = reference.cpu()?;
        for event in &events {
            event_bytes.push(number(event.len() as u64));
            speaker
                .send_frame(Frame::binary(event.clone().into_bytes()))
                .await?;
            // One by one, as the gateway tells them: together they would go out in one send to each.
            also_told.has_heard(1).await?;
        }
        theirs.push(also_told.cost(reference.cpu()?.saturating_sub(before), events.len()));
        progress(&format!("round {round}: {} events", events.len()));
    }
    let mut table = Table::new(format!(
        "Fan-out: pbxnumberstatechanged to {} tabs, one shard; the reference sends the same bytes one by one",
        users * TABS_PER_USER
    ));
    table
        .row("CPU time per tab told", "µs", &ours, &theirs)
        .wanted(Target::RatioAtMost(1.10));
    table.row("length of an event", "bytes", &event_bytes, &[]);
    told.stop().await;
    also_told.stop().await;
    gateway.stop().await?;
    Ok(table)
}

/// All tabs of one server.
pub(super) struct Audience {
    tabs: Swarm,
    size: u64,
    heard: u64,
}

impl Audience {
    pub(super) async fn open(options: &MeasureOptions, tabs: SwarmOptions) -> Result<Self> {
        let size = (tabs.users * tabs.tabs_per_user) as u64;
        let mut tabs = Swarm::start(tabs, &options.harness).await?;
        tabs.opened(OPENING_TIME_MAX).await?;
        Ok(Self {
            tabs,
            size,
            heard: 0,
        })
    }

    /// Lets what was heard so far not count.
    pub(super) async fn forget(&mut self) -> Result<()> {
        let counts = self.tabs.until(HEARD_WITHIN, |_| true).await?;
        self.heard = counts.events.get(EVENT).copied().unwrap_or_default();
        Ok(())
    }

    /// Waits until every tab has got so many events more.
    pub(super) async fn has_heard(&mut self, events: usize) -> Result<()> {
        self.heard += self.size * events as u64;
        let all = self.heard;
        let heard = |counts: &crate::swarm::Counts| counts.events.get(EVENT) >= Some(&all);
        self.tabs.until(HEARD_WITHIN, heard).await.map(drop)
    }

    /// Closes the tabs.
    pub(super) async fn stop(self) {
        self.tabs.stop().await;
    }

    /// Microseconds for each tab and event.
    pub(super) fn cost(&self, cpu: Duration, events: usize) -> f64 {
        us(cpu) / number(self.size * events as u64)
    }
}

/// What makes events at the gateway: calls to users whose numbers everybody sees.
pub(super) struct Stage<'g> {
    gateway: &'g Gateway,
    /// The called, who see the event like everybody.
    called: Vec<Tab>,
    first_number: usize,
    chains: Vec<String>,
}

impl<'g> Stage<'g> {
    /// The users after the first so many are called.
    pub(super) async fn open(gateway: &'g Gateway, after: usize) -> Result<Self> {
        let mut called = Vec::new();
        for user in after + 1..=after + CALLED {
            called.push(gateway.logged_in(&format!("user{user}")).await?);
        }
        called[0].subscribe(&[EVENT]).await?;
        let mut stage = Self {
            gateway,
            called,
            first_number: 101 + after,
            chains: Vec::new(),
        };
        // The logins were events too: with these calls all of them are out.
        for _ in 0..2 {
            stage.act().await?;
        }
        Ok(stage)
    }

    /// Lets all phones ring, or all callers hang up; the events that this made, as texts.
    pub(super) async fn act(&mut self) -> Result<Vec<String>> {
        let admin = self.gateway.admin();
        if self.chains.is_empty() {
            for number in self.first_number..self.first_number + CALLED {
                let number = number.to_string();
                let chain = admin.start_call("89270000000", &number, json!({}));
                self.chains.push(chain.await?);
            }
        } else {
            for chain in std::mem::take(&mut self.chains) {
                admin.hang_up_call(&chain).await?;
            }
        }
        self.heard().await
    }

    /// The events until each called number has changed once.
    async fn heard(&mut self) -> Result<Vec<String>> {
        let mut changed = BTreeSet::new();
        let mut events = Vec::new();
        let called = self.first_number..self.first_number + CALLED;
        while changed.len() < CALLED {
            let event = self.called[0].event(EVENT).await?;
            let numbers = event.fields.get("numbers").and_then(Value::as_array);
            let numbers = numbers
                .into_iter()
                .flatten()
                .filter_map(|entry| entry["num"].as_str());
            let numbers = numbers.filter_map(|number| number.parse::<usize>().ok());
            changed.extend(numbers.filter(|number| called.contains(number)));
            events.push(event.to_text());
        }
        Ok(events)
    }
}

/// The event that every tab gets.
const EVENT: &str = "pbxnumberstatechanged";
/// How many numbers change at once: the event is then about 300 bytes long.
pub(super) const CALLED: usize = 8;
/// How long it may take until all tabs have counted an event.
const HEARD_WITHIN: Duration = Duration::from_secs(60);
/// How long the servers are let be before the first turn.
const SETTLING: Duration = Duration::from_secs(3);
