//! Owns what a run says of itself while it goes on, about once a second.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a run stands. Rates and times are those since the last time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Seconds from the scenario's beginning.
    pub at_s: f64,
    /// How many there are in all.
    pub of_s: f64,
    /// The name of the phase.
    pub phase: String,
    /// Whether its figures count.
    pub is_measured: bool,
    /// Tabs that are usable.
    pub tabs: usize,
    /// Tabs that there ought to be.
    pub tabs_wanted: usize,
    /// Answered requests a second.
    pub rate_per_s: f64,
    /// Events a second.
    pub events_per_s: f64,
    /// Calls that began, a second.
    pub calls_per_s: f64,
    /// The median from a request to its answer; `None` if there was none.
    pub p50_us: Option<u64>,
    /// 99 % were not longer.
    pub p99_us: Option<u64>,
    /// 99 % of the rings were in the tabs after this time; `None` if there was none.
    pub ring_p99_us: Option<u64>,
    /// Everything that went wrong so far.
    pub errors: u64,
    /// The server's memory, if its process is known.
    pub server_rss_bytes: Option<u64>,
    /// The processors that it keeps busy.
    pub server_cpu_share: Option<f64>,
    /// The share of a processor that the harness's busiest process uses.
    pub harness_cpu_share: f64,
    /// How late the harness's own timers were in one of a hundred times.
    pub harness_lag_p99_us: Option<u64>,
}

impl fmt::Display for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:>5.0} s {}: {}/{} tabs, {:.0} requests/s",
            self.at_s, self.phase, self.tabs, self.tabs_wanted, self.rate_per_s
        )?;
        if let (Some(p50), Some(p99)) = (self.p50_us, self.p99_us) {
            write!(formatter, " (p50 {} ms, p99 {} ms)", ms(p50), ms(p99))?;
        }
        write!(
            formatter,
            ", {:.0} events/s, {:.1} calls/s",
            self.events_per_s, self.calls_per_s
        )?;
        if let Some(ring) = self.ring_p99_us {
            write!(formatter, " (in the tabs p99 {} ms)", ms(ring))?;
        }
        write!(formatter, ", {} errors", self.errors)?;
        if let Some(rss) = self.server_rss_bytes {
            write!(formatter, "; server {} MiB", rss >> 20)?;
        }
        if let Some(cpu) = self.server_cpu_share {
            write!(formatter, " {:.0} % CPU", cpu * 100.0)?;
        }
        write!(
            formatter,
            "; harness {:.0} % CPU",
            self.harness_cpu_share * 100.0
        )
    }
}

/// Milliseconds with as many digits as tell something.
fn ms(us: u64) -> String {
    #[allow(clippy::cast_precision_loss)] // far below 2^52
    let ms = us as f64 / 1e3;
    if ms < 10.0 {
        format!("{ms:.2}")
    } else {
        format!("{ms:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_there_is_and_leaves_out_what_there_is_not() {
        let quiet = Progress {
            at_s: 3.2,
            phase: "ramp".into(),
            tabs: 5,
            tabs_wanted: 10,
            ..Progress::default()
        };
        assert_eq!(
            quiet.to_string(),
            "    3 s ramp: 5/10 tabs, 0 requests/s, 0 events/s, 0.0 calls/s, 0 errors; harness 0 % CPU"
        );
        let busy = Progress {
            p50_us: Some(150),
            p99_us: Some(23_400),
            ring_p99_us: Some(9_990),
            server_rss_bytes: Some(5 << 20),
            server_cpu_share: Some(0.5),
            ..quiet
        };
        let line = busy.to_string();
        for part in [
            "p50 0.15 ms, p99 23 ms",
            "p99 9.99 ms",
            "server 5 MiB 50 % CPU",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
}
