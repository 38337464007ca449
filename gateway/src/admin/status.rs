//! `/api/v1/status`: links, users, calls, queues and counters in one object.

use hyper::StatusCode;
use okgate_core::hub::{AdminFault, Status};
use okgate_core::protocol::{EventKind, Method};
use okgate_core::shard::{AddressLinks, Refused};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{AdminGate, body};
use crate::http::Answer;
use crate::metrics::ShardSample;

/// Asks the hub and adds what the shards showed last.
pub(super) async fn answer(gate: &AdminGate) -> Result<Answer, AdminFault> {
    let status = gate.status().await?;
    let reasons = gate.readiness.reasons(Some(&status));
    let samples = gate.metrics.samples();
    let whole = Whole {
        version: env!("CARGO_PKG_VERSION"),
        started_at: gate.metrics.started_at(),
        ready: reasons.is_empty(),
        reasons,
        hub: &status,
        messages: summed(&samples, |sample| {
            let names = Method::ALL.iter().map(|method| method.name());
            names.zip(sample.counters.messages).collect()
        }),
        events_to_links: summed(&samples, |sample| {
            let names = EventKind::ALL.iter().map(|event| event.name());
            names.zip(sample.counters.events).collect()
        }),
        refusals: summed(&samples, |sample| {
            let labels = Refused::ALL.iter().map(|reason| reason.label());
            labels.zip(sample.counters.refused).collect()
        }),
        addresses: gate.metrics.busiest_addresses(ADDRESSES_SHOWN),
        shards: samples.iter().map(Shard::of).collect(),
    };
    body::json(StatusCode::OK, &whole)
}

#[derive(Serialize)]
struct Whole<'s> {
    version: &'static str,
    /// Seconds since 1970.
    started_at: u64,
    ready: bool,
    reasons: Vec<&'static str>,
    #[serde(flatten)]
    hub: &'s Status,
    /// By method, those that came.
    messages: Map<String, Value>,
    /// By event, those that were given out.
    events_to_links: Map<String, Value>,
    /// By reason, those that happened.
    refusals: Map<String, Value>,
    /// Those with the most connections, if there is a limit per address.
    addresses: Vec<AddressLinks>,
    shards: Vec<Shard>,
}

#[derive(Serialize)]
struct Shard {
    links: u64,
    tabs: u64,
    queue_bytes: u64,
    connections: u64,
    upgrades: u64,
}

impl Shard {
    fn of(sample: &ShardSample) -> Self {
        let counters = &sample.counters;
        Self {
            links: counters.links,
            tabs: counters.tabs,
            queue_bytes: counters.queue_bytes,
            connections: counters.accepted,
            upgrades: counters.upgraded,
        }
    }
}

/// The numbers of all shards together, without those that are zero.
fn summed(
    samples: &[ShardSample],
    rows: impl Fn(&ShardSample) -> Vec<(&'static str, u64)>,
) -> Map<String, Value> {
    let mut sums = Map::new();
    for (name, value) in samples.iter().flat_map(rows) {
        if value > 0 {
            let sum = sums.get(name).and_then(Value::as_u64).unwrap_or(0);
            sums.insert(name.to_owned(), Value::from(sum.saturating_add(value)));
        }
    }
    sums
}

/// How many of the busiest addresses are shown.
const ADDRESSES_SHOWN: usize = 10;
