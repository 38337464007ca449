//! Owns what measurements report: latencies as percentiles, and a process's CPU time and memory from `/proc`.

use std::fs;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::error::{Error, Result};

/// A histogram of microseconds up to a minute with three significant digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("the bounds are in order")
}

/// Adds one latency; longer ones than a minute count as a minute.
pub(crate) fn record(histogram: &mut Histogram<u64>, latency: Duration) {
    let us = u64::try_from(latency.as_micros()).unwrap_or(LATENCY_US_MAX);
    histogram.saturating_record(us.max(1));
}

/// The values that were recorded, in ascending order, and how often each was.
pub(crate) fn steps(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    histogram
        .iter_recorded()
        .map(|step| (step.value_iterated_to(), step.count_at_value()))
        .collect()
}

/// Adds what [`steps`] gave.
pub(crate) fn add_steps(histogram: &mut Histogram<u64>, steps: &[(u64, u64)]) {
    for (us, count) in steps {
        histogram.saturating_record_n(*us, *count);
    }
}

/// Percentiles of latencies, in microseconds.
#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// The median.
    pub p50_us: u64,
    /// 90 % were not longer.
    pub p90_us: u64,
    /// 99 % were not longer.
    pub p99_us: u64,
    /// 99.9 % were not longer.
    pub p999_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl From<&Histogram<u64>> for Latency {
    fn from(histogram: &Histogram<u64>) -> Self {
        Self {
            count: histogram.len(),
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            p999_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
        }
    }
}

impl std::fmt::Display for Latency {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "p50 {} µs, p90 {} µs, p99 {} µs, p99.9 {} µs, max {} µs ({} measured)",
            self.p50_us, self.p90_us, self.p99_us, self.p999_us, self.max_us, self.count
        )
    }
}

/// The time since the machine's start: the same in all of its processes.
pub(crate) fn monotonic() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::try_from(time).expect("the machine started in the past")
}

/// The living threads of a process.
pub(crate) fn process_threads(process: u32) -> Result<Vec<u32>> {
    let directory = format!("/proc/{process}/task");
    let failed = |error| Error::io(format!("reading {directory}"), error);
    let mut threads = Vec::new();
    for entry in fs::read_dir(&directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        threads.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(threads)
}

/// How long a thread has run, and how long it has waited for a processor; `None` of one that has ended since it was listed.
pub(crate) fn thread_times(process: u32, thread: u32) -> Option<[Duration; 2]> {
    let text = fs::read_to_string(format!("/proc/{process}/task/{thread}/schedstat")).ok()?;
    let mut nanoseconds = text.split(' ').map_while(|word| word.parse().ok());
    Some([(); 2].map(|()| Duration::from_nanos(nanoseconds.next().unwrap_or(0))))
}

/// The CPU time of all of a process's living threads.
pub fn process_cpu_time(process: u32) -> Result<Duration> {
    let threads = process_threads(process)?.into_iter();
    let times = threads.filter_map(|thread| thread_times(process, thread));
    Ok(times.map(|[run, _]| run).sum())
}

/// The resident memory of a process.
pub fn process_rss_bytes(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let text =
        fs::read_to_string(&path).map_err(|error| Error::io(format!("reading {path}"), error))?;
    text.lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
        .map(|kib| kib * 1024)
        .ok_or_else(|| Error::Malformed(format!("{path} without VmRSS")))
}

/// Raises the soft limit of file descriptors to the hard one; gives the limit.
pub fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::warn!(%error, "the limit of file descriptors could not be raised");
            limit.current.unwrap_or(u64::MAX)
        }
    }
}

/// Longer latencies count as this.
pub(crate) const LATENCY_US_MAX: u64 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_from_what_was_recorded() {
        let mut latencies = histogram();
        for us in 1..=100 {
            record(&mut latencies, Duration::from_micros(us));
        }
        let latency = Latency::from(&latencies);
        assert_eq!(
            (latency.count, latency.p50_us, latency.max_us),
            (100, 50, 100)
        );
    }

    #[test]
    fn this_process_uses_cpu_and_memory() {
        let process = std::process::id();
        assert!(process_cpu_time(process).unwrap() > Duration::ZERO);
        assert!(process_rss_bytes(process).unwrap() > 100_000);
        assert!(process_rss_bytes(u32::MAX).is_err());
    }
}
