//! What the gateway counts, as Prometheus reads it.
//!
//! Each shard keeps plain numbers ([`ShardSample`]) and shows them now and then
//! through its [`ShardMetrics`]; whoever is asked for `/metrics` reads the last
//! ones shown. Nothing here is touched per message, and no shard ever waits for
//! a reader.

mod fanout;
mod text;

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

pub use fanout::FanoutTimes;
use okgate_core::hub::Status;
use okgate_core::shard::{AddressLinks, Admission, Counters};

use crate::log::LogCounters;

/// How often a shard should show its numbers.
pub const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);

/// Reads the counters of one shard's ring, by their names.
pub type RingReader = Box<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>;

/// All metrics of the process.
pub struct Metrics {
    shards: Vec<Arc<ShardMetrics>>,
    rings: Vec<RingReader>,
    admission: Arc<Admission>,
    log: Arc<LogCounters>,
    /// When the process started, in seconds since 1970.
    started_at: u64,
}

impl Metrics {
    /// The metrics of as many shards as there are rings, which share this admission.
    /// `started_at` is in seconds since 1970.
    pub fn new(
        rings: Vec<RingReader>,
        admission: Arc<Admission>,
        log: Arc<LogCounters>,
        started_at: u64,
    ) -> Self {
        Self {
            shards: rings.iter().map(|_| Arc::default()).collect(),
            rings,
            admission,
            log,
            started_at,
        }
    }

    /// Where this shard shows its numbers.
    pub fn shard(&self, index: usize) -> Option<Arc<ShardMetrics>> {
        self.shards.get(index).cloned()
    }

    /// The text that `/metrics` answers; `status` is what the hub says of
    /// itself, `None` if it does not answer.
    pub fn text(&self, status: Option<&Status>) -> Result<String, std::fmt::Error> {
        let samples = self.shards.iter().map(|shard| shard.latest()).collect();
        text::encode(text::Snapshot {
            samples,
            rings: self.rings.iter().map(|read| read()).collect(),
            addresses: self.admission.addresses(),
            status: status.cloned(),
            log_lines: self.log.lines(),
            log_lines_dropped: self.log.dropped(),
            started_at: self.started_at,
        })
    }

    /// The addresses with the most connections, the busiest first; none without a limit
    /// per address.
    pub fn busiest_addresses(&self, count: usize) -> Vec<AddressLinks> {
        self.admission.busiest(count)
    }

    /// When the process started, in seconds since 1970.
    pub fn started_at(&self) -> u64 {
        self.started_at
    }

    /// The numbers that the shards showed last.
    pub fn samples(&self) -> Vec<ShardSample> {
        self.shards.iter().map(|shard| shard.latest()).collect()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut fields = formatter.debug_struct("Metrics");
        fields.field("shards", &self.shards).finish_non_exhaustive()
    }
}

/// What one shard counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardSample {
    /// The core's counters.
    pub counters: Counters,
    /// How long the fan-out of events took.
    pub fanout: FanoutTimes,
}

/// Where a shard shows its numbers.
#[derive(Debug, Default)]
pub struct ShardMetrics(Mutex<ShardSample>);

impl ShardMetrics {
    /// Shows these numbers. If a reader is just reading it does nothing: the
    /// next call shows newer ones.
    pub fn publish(&self, counters: &Counters, fanout: &FanoutTimes) {
        let mut shown = match self.0.try_lock() {
            Ok(shown) => shown,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        shown.counters.clone_from(counters);
        shown.fanout.clone_from(fanout);
    }

    fn latest(&self) -> ShardSample {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.clone()
    }
}
