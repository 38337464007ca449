//! Owns what a run of load found, as data: phases, measures, their course over time, gates and failures.
//!
//! Whoever runs a load fills [`Results`] in; the writers of reports, the comparison of two runs and whoever reads the JSON take
//! it out. The JSON of these types is an interface: fields are added, never renamed, and [`SCHEMA`] says which version it is.
//! Nothing here measures, judges or prints.

mod distribution;
mod progress;
mod series;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub use self::distribution::Distribution;
pub use self::progress::Progress;
pub use self::series::Series;

/// What one run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// The version of this form: [`SCHEMA`].
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// What the scenario says of itself.
    #[serde(default)]
    pub description: String,
    /// What its chances were drawn from.
    pub seed: u64,
    /// When it began: RFC 3339, UTC.
    pub begun: String,
    /// How long it took in all, in seconds.
    pub seconds: f64,
    /// The server's address for tabs.
    pub target: String,
    /// Where it ran.
    pub machine: Machine,
    /// Its phases in their order.
    pub phases: Vec<Phase>,
    /// Everything that was measured; what thresholds name.
    pub measures: Vec<Measure>,
    /// The course of the run.
    pub series: Series,
    /// The thresholds and what came of them.
    pub gates: Vec<Gate>,
    /// What went wrong, by kind.
    pub failures: Vec<Failure>,
    /// What is to be known besides, e.g. that the harness was the bottleneck.
    #[serde(default)]
    pub notes: Vec<String>,
    /// How it ended.
    pub verdict: Verdict,
}

impl Results {
    /// Reads what was written down as JSON. What is wrong with it is said with the place.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| Error::Malformed(format!("no results of a run of load: {error}")))
    }

    /// The measure of this name.
    pub fn measure(&self, name: &str) -> Option<&Measure> {
        self.measures.iter().find(|measure| measure.name == name)
    }

    /// The place of the phase that a moment of the series closes an interval of; `None` outside all phases.
    pub fn phase_at(&self, at_s: f64) -> Option<usize> {
        let place = self.phases.iter().position(|it| it.ended_s >= at_s)?;
        (self.phases[place].begun_s <= at_s).then_some(place)
    }
}

/// The machine that a run was made on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The kernel's release.
    pub kernel: String,
    /// The processor's model.
    pub processor: String,
    /// How many processors there are.
    pub processors: usize,
    /// The load average of the last minute before the run.
    pub load_before: f64,
}

/// One phase of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name in the scenario.
    pub name: String,
    /// What kind it is: `warm_up`, `ramp`, `hold`, `spike`, `soak`.
    pub kind: String,
    /// When it began, in seconds from the run's beginning.
    pub begun_s: f64,
    /// When it ended.
    pub ended_s: f64,
    /// Whether what happened in it counts; a warm-up does not.
    pub is_measured: bool,
    /// What was measured in this phase alone.
    #[serde(default)]
    pub measures: Vec<Measure>,
}

/// One thing that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Its name in thresholds, e.g. `ring_to_popup` or `round_trip.getuserstate`.
    pub name: String,
    /// What it is, in one line for people.
    pub explanation: String,
    /// What it was found to be.
    #[serde(flatten)]
    pub value: Value,
}

/// What a measure was found to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Value {
    /// Times, in microseconds.
    Latency {
        /// From when a thing was done to its effect: what a server that is asked feels like.
        service: Distribution,
        /// From when it ought to have been done to its effect: what a user who had to wait feels, also where a server that
        /// stood still kept the next requests from being sent (corrected for coordinated omission). `None` where nothing was due
        /// at a set time.
        response: Option<Distribution>,
    },
    /// A number of things.
    Count {
        /// How many.
        value: u64,
    },
    /// A quantity.
    Gauge {
        /// How much.
        value: f64,
        /// Of what: `bytes`, `us`, `1/s`, `share` …
        unit: String,
    },
}

impl Value {
    /// Its times by their names, `service` and `response`; none of a count or a gauge.
    pub fn times(&self) -> impl Iterator<Item = (&'static str, &Distribution)> {
        let (service, response) = match self {
            Self::Latency { service, response } => (Some(service), response.as_ref()),
            Self::Count { .. } | Self::Gauge { .. } => (None, None),
        };
        let both = [("service", service), ("response", response)];
        both.into_iter()
            .filter_map(|(name, times)| Some((name, times?)))
    }
}

/// A threshold and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The threshold as the scenario has it, e.g. `p99 of ring_to_popup < 50 ms`.
    pub threshold: String,
    /// What was found, in the threshold's own unit; `None` if it could not be measured, which fails the gate.
    pub observed: Option<f64>,
    /// Whether it held.
    pub held: bool,
    /// Whether it ended the run at once.
    pub aborted: bool,
}

/// What went wrong in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// In which: `connect`, `login`, `lost_event` …
    pub kind: String,
    /// How often.
    pub count: u64,
    /// The first in words.
    pub first: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every gate held.
    Passed,
    /// A gate failed, or the run tells nothing, e.g. since the harness was the bottleneck.
    Failed,
    /// A gate ended the run.
    Aborted,
    /// A person ended the run before its time.
    Stopped,
}

/// The version of the form.
pub const SCHEMA: u32 = 1;
