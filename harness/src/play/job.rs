//! Owns what the supervisor of a run and its workers say to each other: one job, orders, reports.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::tally::PhaseTally;
use crate::ledger::LedgerReport;
use crate::scenario::{FailureKind, Play, Share};

/// What one worker is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Job {
    /// The server's address for tabs.
    pub(super) address: SocketAddr,
    pub(super) play: Play,
    pub(super) seed: u64,
    /// Its users.
    pub(super) share: Share,
}

/// What the supervisor says after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Order {
    /// The scenario begins at this time since the machine's start.
    Begin(Duration),
    /// It is over before its time: nothing new is begun.
    Over,
}

/// What a worker saw since its last report, and how it is now.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Report {
    /// Figures by phase.
    pub(super) tallies: Vec<PhaseTally>,
    /// What went wrong: how often, and the first in words.
    pub(super) failures: BTreeMap<FailureKind, (u64, String)>,
    /// Tabs that are usable now.
    pub(super) held: usize,
    /// Users who can be called from now on, and who cannot any more, in the order of its happening.
    pub(super) called: Vec<(usize, bool)>,
    /// The worker's resident memory before its first tab.
    pub(super) rss_bytes_before: u64,
    /// And now.
    pub(super) rss_bytes: u64,
    /// The CPU time that it has used.
    pub(super) cpu: Duration,
    /// When this was said, since the machine's start.
    pub(super) at: Duration,
    /// The judgement of events, in the last report.
    pub(super) ledger: Option<LedgerReport>,
}
