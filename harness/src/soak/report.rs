//! Owns what a soak reports: a row a minute, and the summary with every gate.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};

use serde::Serialize;

use super::rest::Usages;
use super::watch::{Counts, Failed, Gate, Latencies};
use crate::process::Usage;

/// What was seen in one minute.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// When it ended, from the start on.
    pub at_s: f64,
    /// Round trips in it.
    pub times: Latencies,
    /// Counts from the start on.
    pub counts: Counts,
    /// What the gateway used at its end.
    pub usage: Usage,
}

impl Display for Row {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let Self {
            at_s,
            times,
            counts,
            usage,
        } = self;
        let requests = &times.requests;
        write!(
            formatter,
            "{at_s:>6.1} s: {:>6} answers, p50 {:>5} p99 {:>6} max {:>7} µs, after pauses max {:>7}, call events max {:>7}, \
             timer late max {:>6}, processor waits max {:>6}; so far {} connections, {} calls, {} CRM stops; {usage}",
            requests.count,
            requests.p50_us,
            requests.p99_us,
            requests.max_us,
            times.after_pause.max_us,
            times.call_events.max_us,
            times.driver_lag.max_us,
            times.processor_waits.max_us,
            counts.churn_total(),
            counts.calls,
            counts.crm_stops,
        )
    }
}

/// What a soak ends with.
#[derive(Debug, Clone, Serialize)]
pub struct SoakReport {
    /// The seed.
    pub seed: u64,
    /// How long the traffic lasted.
    pub traffic_s: f64,
    /// How many tabs were held.
    pub tabs: usize,
    /// A row a minute.
    pub rows: Vec<Row>,
    /// All counts.
    pub counts: Counts,
    /// All round trips.
    pub times: Latencies,
    /// What the gateway used; missing if it did not live to the end.
    pub usages: Option<Usages>,
    /// Links that the gateway refused or closed, by reason.
    pub refusals: BTreeMap<String, f64>,
    /// Counters of the tab ring, as far as the metrics show them.
    pub ring: BTreeMap<String, f64>,
    /// Lines of the gateway's log that warn.
    pub log_warnings: usize,
    /// How long the gateway took to end.
    pub end_s: Option<f64>,
    /// The gates that failed.
    pub failures: Vec<Failed>,
}

impl SoakReport {
    /// Whether every gate held.
    pub fn is_good(&self) -> bool {
        self.failures.is_empty()
    }

    fn failed(&self, gate: Gate) -> Option<&Failed> {
        self.failures.iter().find(|failed| failed.gate == gate)
    }

    fn write_traffic(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let counts = &self.counts;
        writeln!(
            formatter,
            "soak: seed {}, {:.0} s of traffic, {} held tabs, {} pauses",
            self.seed, self.traffic_s, self.tabs, counts.pauses
        )?;
        writeln!(
            formatter,
            "{} answers, {} events, {} calls, {} CRM stops, {} passing connections {:?}",
            counts.answers,
            counts.events,
            counts.calls,
            counts.crm_stops,
            counts.churn_total(),
            counts.churn
        )?;
        for (name, latency) in [
            ("requests", &self.times.requests),
            ("after a pause", &self.times.after_pause),
            ("call events", &self.times.call_events),
            ("handshakes", &self.times.handshakes),
            ("own timer late", &self.times.driver_lag),
            ("processor waits", &self.times.processor_waits),
        ] {
            writeln!(formatter, "{name:<15} {latency}")?;
        }
        Ok(())
    }

    fn write_process(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        if let Some(usages) = &self.usages {
            writeln!(formatter, "before any tab  {}", usages.idle)?;
            writeln!(formatter, "after warm-up   {}", usages.warm)?;
            writeln!(formatter, "after traffic   {}", usages.end)?;
            writeln!(formatter, "without tabs    {}", usages.none)?;
        }
        writeln!(formatter, "refusals        {:?}", self.refusals)?;
        if self.ring.is_empty() {
            writeln!(
                formatter,
                "tab ring        the metrics show no counters of it"
            )?;
        } else {
            writeln!(formatter, "tab ring        {:?}", self.ring)?;
        }
        if let Some(end_s) = self.end_s {
            let warnings = self.log_warnings;
            writeln!(
                formatter,
                "end             {end_s:.2} s, {warnings} warnings in the log"
            )?;
        }
        Ok(())
    }
}

impl Display for Failed {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let (gate, count, first) = (self.gate.name(), self.count, &self.first);
        write!(
            formatter,
            "gate {gate} failed {count} times; first: {first}"
        )
    }
}

impl Display for SoakReport {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        self.write_traffic(formatter)?;
        self.write_process(formatter)?;
        for gate in Gate::ALL {
            let name = gate.name();
            match self.failed(gate) {
                None => writeln!(formatter, "  {name:<12} fine")?,
                Some(failed) => writeln!(formatter, "  {name:<12} FAILED {} times", failed.count)?,
            }
        }
        let verdict = if self.is_good() { "good" } else { "FAILED" };
        write!(formatter, "soak: {verdict}")
    }
}
