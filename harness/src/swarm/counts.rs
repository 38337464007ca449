//! Owns what held tabs count: added up over connections and workers, shown as progress and as the final report.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::ledger::LedgerReport;
use crate::report::{self, Latency};

/// The counts of one worker, or of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Handshakes that succeeded.
    pub connected: u64,
    /// Logins that succeeded.
    pub logged_in: u64,
    /// Tabs that came through their opening.
    pub opened: u64,
    /// Tabs held now.
    pub held: u64,
    /// Failures by kind: connect, handshake, login, opening, ping, protocol.
    pub failures: BTreeMap<String, u64>,
    /// The first failure in words.
    pub first_failure: Option<String>,
    /// Messages of any kind.
    pub messages: u64,
    /// Events by name.
    pub events: BTreeMap<String, u64>,
    /// Ends of held links by close code, or `none`.
    pub closes: BTreeMap<String, u64>,
    /// Resident memory of the worker before its first connection.
    pub rss_bytes_before: u64,
    /// Resident memory of the worker now.
    pub rss_bytes: u64,
    /// Ping round trips: microseconds and how often.
    pub round_trips: Vec<(u64, u64)>,
    /// From the beginning of calls to their rings in tabs: microseconds and how often.
    pub rings: Vec<(u64, u64)>,
    /// The judgement of what the tabs got, at the end, if there is to be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ledger: Option<LedgerReport>,
    /// When the last tab was opened, or failed to: microseconds since the workers' start.
    pub settled_after_us: u64,
}

impl Counts {
    /// Counts a failure of this kind.
    pub(super) fn fail(&mut self, kind: &str, failure: impl std::fmt::Display) {
        count(&mut self.failures, kind);
        self.first_failure
            .get_or_insert_with(|| format!("{kind}: {failure}"));
    }

    /// Counts an event; names beyond the bound are counted together.
    pub(super) fn event(&mut self, name: &str) {
        count(&mut self.events, name);
    }

    /// Counts the end of a held link.
    pub(super) fn closed(&mut self, code: Option<u16>) {
        let key = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        count(&mut self.closes, &key);
    }

    /// How many tabs were opened or have failed to.
    pub(super) fn settled(&self) -> u64 {
        let openings = ["connect", "login", "opening"];
        let failed = openings.iter().filter_map(|kind| self.failures.get(*kind));
        self.opened + failed.sum::<u64>()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.connected += other.connected;
        self.logged_in += other.logged_in;
        self.opened += other.opened;
        self.held += other.held;
        self.messages += other.messages;
        self.rss_bytes_before += other.rss_bytes_before;
        self.rss_bytes += other.rss_bytes;
        for (mine, others) in [
            (&mut self.failures, &other.failures),
            (&mut self.events, &other.events),
            (&mut self.closes, &other.closes),
        ] {
            for (name, number) in others {
                *mine.entry(name.clone()).or_default() += number;
            }
        }
        if self.first_failure.is_none() {
            self.first_failure.clone_from(&other.first_failure);
        }
        self.round_trips.extend_from_slice(&other.round_trips);
        self.rings.extend_from_slice(&other.rings);
        if let Some(ledger) = &other.ledger {
            self.ledger.get_or_insert_default().add(ledger.clone());
        }
        self.settled_after_us = self.settled_after_us.max(other.settled_after_us);
    }

    pub(super) fn progress_line(&self, elapsed: Duration, target: usize) -> String {
        let failures: u64 = self.failures.values().sum();
        let closes: u64 = self.closes.values().sum();
        let events: u64 = self.events.values().sum();
        format!(
            "{:>4} s: {}/{target} held, {} logged in, {events} events, {} messages, {failures} failures, {closes} closes, {} MiB",
            elapsed.as_secs(),
            self.held,
            self.logged_in,
            self.messages,
            self.rss_bytes >> 20,
        )
    }
}

fn latency(steps: &[(u64, u64)]) -> Latency {
    let mut histogram: Histogram<u64> = report::histogram();
    report::add_steps(&mut histogram, steps);
    Latency::from(&histogram)
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(number) = counts.get_mut(name) {
        *number += 1;
    } else {
        let name = if counts.len() < NAMES_MAX {
            name
        } else {
            "others"
        };
        *counts.entry(name.to_owned()).or_default() += 1;
    }
}

/// What a run of held tabs ends with.
#[derive(Debug, Clone, Serialize)]
pub struct SwarmReport {
    /// How many tabs were wanted.
    pub target: usize,
    /// How long all were held.
    pub held_s: f64,
    /// Worker processes that ended badly.
    pub lost_workers: usize,
    /// The counts of all workers.
    #[serde(flatten)]
    pub counts: Counts,
    /// Ping round trips.
    pub ping: Latency,
    /// From the beginning of calls with a timed caller to their rings in tabs.
    pub ring: Latency,
    /// Memory of the workers per held tab, theirs before the first connection taken off.
    pub rss_bytes_per_tab: u64,
    /// The judgement of what the tabs got, if there is to be one.
    #[serde(skip)]
    pub(crate) ledger: LedgerReport,
}

impl SwarmReport {
    pub(super) fn new(target: usize, held_s: f64, lost_workers: usize, total: &Counts) -> Self {
        let grown = total.rss_bytes.saturating_sub(total.rss_bytes_before);
        let mut counts = total.clone();
        counts.round_trips = Vec::new();
        counts.rings = Vec::new();
        let ledger = counts.ledger.take().unwrap_or_default();
        Self {
            target,
            held_s,
            lost_workers,
            ping: latency(&total.round_trips),
            ring: latency(&total.rings),
            rss_bytes_per_tab: grown / total.held.max(1),
            counts,
            ledger,
        }
    }

    /// Whether every tab was opened and nothing failed or was closed.
    pub fn is_good(&self) -> bool {
        self.lost_workers == 0
            && self.counts.opened == self.target as u64
            && self.counts.failures.is_empty()
            && self.counts.closes.is_empty()
    }
}

impl std::fmt::Display for SwarmReport {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = &self.counts;
        writeln!(
            formatter,
            "tabs: {} wanted, {} connected, {} logged in, {} opened, {} held at the end; all held for {:.0} s",
            self.target,
            counts.connected,
            counts.logged_in,
            counts.opened,
            counts.held,
            self.held_s
        )?;
        writeln!(formatter, "messages: {}", counts.messages)?;
        writeln!(formatter, "events: {:?}", counts.events)?;
        writeln!(formatter, "closes: {:?}", counts.closes)?;
        writeln!(formatter, "failures: {:?}", counts.failures)?;
        if let Some(failure) = &counts.first_failure {
            writeln!(formatter, "first failure: {failure}")?;
        }
        if self.lost_workers > 0 {
            writeln!(
                formatter,
                "worker processes that ended badly: {}",
                self.lost_workers
            )?;
        }
        writeln!(formatter, "ping: {}", self.ping)?;
        if self.ring.count > 0 {
            writeln!(formatter, "ring: {}", self.ring)?;
        }
        write!(
            formatter,
            "memory per held tab: {} bytes",
            self.rss_bytes_per_tab
        )
    }
}

/// How many names are counted apart from each other.
const NAMES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_a_clean_run_is_good() {
        let mut one = Counts {
            opened: 2,
            held: 2,
            rss_bytes_before: 1000,
            rss_bytes: 5000,
            round_trips: vec![(100, 3)],
            ..Counts::default()
        };
        one.event("userstatechanged");
        let mut total = Counts::default();
        total.add(&one);
        total.add(&one);
        assert_eq!(total.events["userstatechanged"], 2);
        let report = SwarmReport::new(4, 1.0, 0, &total);
        assert!(report.is_good());
        assert_eq!((report.ping.count, report.rss_bytes_per_tab), (6, 2000));
        total.closed(Some(1013));
        assert!(!SwarmReport::new(4, 1.0, 0, &total).is_good());
    }

    #[test]
    fn a_failed_opening_counts_as_settled_and_names_stay_bounded() {
        let mut counts = Counts::default();
        counts.fail("login", "Wrong login/pass combination");
        counts.fail("ping", "late");
        assert_eq!(counts.settled(), 1);
        assert_eq!(
            counts.first_failure.as_deref(),
            Some("login: Wrong login/pass combination")
        );
        for number in 0..1000 {
            counts.event(&format!("event{number}"));
        }
        assert_eq!(counts.events.len(), NAMES_MAX + 1);
    }
}
