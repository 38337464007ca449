//! Owns the question whether the gateway has come to rest, and the judgement of what it kept: descriptors, threads, memory,
//! and the counters that must be zero.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::World;
use super::watch::Gate;
use crate::admin::Metrics;
use crate::error::Result;
use crate::process::Usage;

/// Waits until the metrics show this many tabs and nothing under way, and the descriptors stay the same (or are as many as
/// `wanted`); gives what the process uses then. What does not come to rest in time is a failure.
pub(super) async fn come_to_rest(
    world: &World,
    process: u32,
    tabs: usize,
    wanted: Option<usize>,
) -> Result<Usage> {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let deadline = Instant::now() + REST_MAX;
    loop {
        ticks.tick().await;
        let metrics = world.admin.metrics().await?;
        let mut restless = restless(&metrics, tabs);
        let open = world.watch.open_requests();
        if open > 0 {
            restless.push(format!("{open} requests without an answer"));
        }
        let away = world.options.returning_tabs() - world.agreed.borrow().len();
        if tabs > 0 && away > 0 {
            restless.push(format!("{away} tabs are not back at their user's picture"));
        }
        let lacking = followed(world);
        if restless.is_empty() && lacking.is_empty() {
            break;
        }
        if Instant::now() > deadline {
            give_up(world, tabs, &restless, &lacking);
            break;
        }
    }
    let deadline = Instant::now() + SETTLE_MAX;
    let mut before = Usage::of(process)?;
    loop {
        ticks.tick().await;
        let usage = Usage::of(process)?;
        let is_settled = usage.descriptors == wanted.unwrap_or(before.descriptors)
            && usage.threads == before.threads;
        if is_settled || Instant::now() > deadline {
            return Ok(usage);
        }
        before = usage;
    }
}

/// Which tabs lack events; reports those that got wrong ones.
fn followed(world: &World) -> Vec<String> {
    let (wrong, lacking) = world.stories.unsettled(world.options.stall);
    for what in wrong {
        world.watch.fail(Gate::Events, what);
    }
    lacking
}

/// Reports what has not come to rest.
fn give_up(world: &World, tabs: usize, restless: &[String], lacking: &[String]) {
    if !restless.is_empty() {
        let all = restless.join(", ");
        let what = format_args!("after {REST_MAX:?} with {tabs} tabs: {all}");
        world.watch.fail(Gate::Rest, what);
    }
    for what in lacking {
        world.watch.fail(Gate::Events, what);
    }
    world.stories.settle();
}

/// What is still under way.
fn restless(metrics: &Metrics, tabs: usize) -> Vec<String> {
    let ready = ("okgate_crm_ready", 1);
    let mut wanted = vec![("okgate_links", tabs), ("okgate_tabs", tabs), ready];
    wanted.extend(RESTS_AT_ZERO.map(|name| (name, 0)));
    let differs = |(name, wanted): (&str, usize)| {
        let value = metrics.sum(name, &[]);
        #[allow(clippy::cast_precision_loss)] // there are not 2^52 tabs
        let is_same = value.is_some_and(|value| (value - wanted as f64).abs() < 0.5);
        let shown = value.map_or_else(|| "missing".to_owned(), |value| value.to_string());
        (!is_same).then(|| format!("{name} is {shown} instead of {wanted}"))
    };
    wanted.into_iter().filter_map(differs).collect()
}

/// What the process used at the four moments of rest.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Usages {
    /// Before the first tab.
    pub idle: Usage,
    /// With the held tabs, after the warm-up.
    pub warm: Usage,
    /// With the held tabs, after all traffic.
    pub end: Usage,
    /// After the last tab.
    pub none: Usage,
}

/// Holds the end against the time after the warm-up: what is wrong, by gate.
pub(super) fn judge(usages: &Usages, tabs: usize) -> Vec<(Gate, String)> {
    let Usages {
        idle,
        warm,
        end,
        none,
    } = usages;
    let mut wrong = Vec::new();
    if end.descriptors != warm.descriptors {
        let (warm, end) = (warm.descriptors, end.descriptors);
        wrong.push((
            Gate::Descriptors,
            format!("{warm} after the warm-up, {end} at the end"),
        ));
    }
    if none.descriptors + tabs != warm.descriptors {
        let (none, warm) = (none.descriptors, warm.descriptors);
        wrong.push((
            Gate::Descriptors,
            format!("{warm} with {tabs} tabs, but {none} without any"),
        ));
    }
    if end.threads != warm.threads || none.threads != idle.threads {
        let threads = [idle, warm, end, none].map(|usage| usage.threads);
        wrong.push((
            Gate::Threads,
            format!("{threads:?}: idle, warm, at the end, without tabs"),
        ));
    }
    let limit = warm.rss_bytes + warm.rss_bytes / 10 + GROWTH_BYTES_MAX;
    if end.rss_bytes > limit {
        let [end, warm, limit] = [end.rss_bytes, warm.rss_bytes, limit].map(|bytes| bytes >> 10);
        wrong.push((
            Gate::Memory,
            format!("{end} KiB at the end, {warm} KiB after the warm-up, {limit} KiB allowed"),
        ));
    }
    wrong
}

/// Fails on counters that must be zero, and gives those of the tab ring, if the gateway shows any.
pub(super) fn judge_counters(world: &World, metrics: &Metrics) -> BTreeMap<String, f64> {
    let mut ring = BTreeMap::new();
    for line in metrics
        .0
        .lines()
        .filter(|line| line.starts_with("okgate_ring_"))
    {
        let name = line.split(['{', ' ']).next().unwrap_or(line).to_owned();
        let value = metrics.sum(&name, &[]).unwrap_or_default();
        ring.insert(name, value);
    }
    let lost = ring.iter().map(|(name, value)| (name.as_str(), *value));
    let lost = lost.filter(|(name, _)| MUST_BE_ZERO_IN_RING.iter().any(|part| name.contains(part)));
    let shown = MUST_BE_ZERO.map(|name| (name, metrics.sum(name, &[]).unwrap_or_default()));
    for (name, value) in lost.chain(shown) {
        if value > 0.0 {
            world
                .watch
                .fail(Gate::Metrics, format_args!("{name} is {value}"));
        }
    }
    ring
}

/// The refusals by reason.
pub(super) fn refusals(metrics: &Metrics) -> BTreeMap<String, f64> {
    let mut refusals = BTreeMap::new();
    for line in metrics.0.lines().filter(|line| line.starts_with(REFUSALS)) {
        let reason = line
            .split("reason=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let value = line
            .rsplit(' ')
            .next()
            .and_then(|value| value.parse::<f64>().ok());
        if let (Some(reason), Some(value)) = (reason, value) {
            *refusals.entry(reason.to_owned()).or_default() += value;
        }
    }
    refusals.retain(|_, value| *value > 0.0);
    refusals
}

/// Gauges that are zero when nothing is under way.
const RESTS_AT_ZERO: [&str; 4] = [
    "okgate_queue_bytes",
    "okgate_calls",
    "okgate_method_runs",
    "okgate_crm_queue_bytes",
];
/// Counters that stay zero in a healthy run.
const MUST_BE_ZERO: [&str; 2] = [
    "okgate_log_lines_dropped_total",
    "okgate_crm_queue_overflows_total",
];
/// Parts of names of the ring's counters that stay zero in a healthy run.
const MUST_BE_ZERO_IN_RING: [&str; 2] = ["lost_wakeups", "stalls"];
/// The samples of refusals.
const REFUSALS: &str = "okgate_refusals_total{";
/// How often the gateway is asked: HTTP has no way to be told.
const POLL: Duration = Duration::from_millis(250);
/// How long coming to rest may take: the CRM is linked again after half a minute at the latest.
const REST_MAX: Duration = Duration::from_secs(60);
/// How long descriptors may take to be given back.
const SETTLE_MAX: Duration = Duration::from_secs(10);
/// How much the memory may grow beyond a tenth.
const GROWTH_BYTES_MAX: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_rests_when_only_the_held_tabs_are_left() {
        let page = "okgate_links{shard=\"0\"} 2\nokgate_links{shard=\"1\"} 1\nokgate_tabs 3\nokgate_crm_ready 1\n\
                    okgate_queue_bytes 0\nokgate_calls 0\nokgate_method_runs 0\nokgate_crm_queue_bytes 0\n";
        let metrics = Metrics(page.to_owned());
        assert_eq!(restless(&metrics, 3), Vec::<String>::new());
        assert_eq!(restless(&metrics, 2).len(), 2);
        let metrics = Metrics(
            page.replace("calls 0", "calls 1")
                .replace("okgate_tabs 3\n", ""),
        );
        let told = restless(&metrics, 3).join("; ");
        assert!(
            told.contains("okgate_calls is 1") && told.contains("okgate_tabs is missing"),
            "{told}"
        );
    }

    #[test]
    fn what_is_left_over_is_named_by_its_gate() {
        let usage = |descriptors, mib: u64| Usage {
            descriptors,
            threads: 8,
            rss_bytes: mib << 20,
            cpu: Duration::ZERO,
        };
        let mut usages = Usages {
            idle: usage(30, 40),
            warm: usage(50, 40),
            end: usage(50, 48),
            none: usage(30, 48),
        };
        assert_eq!(judge(&usages, 20), []);
        let gates = |usages: &Usages| {
            let wrong = judge(usages, 20).into_iter();
            wrong.map(|(gate, _)| gate).collect::<Vec<_>>()
        };
        usages.end = usage(51, 49);
        assert_eq!(gates(&usages), [Gate::Descriptors, Gate::Memory]);
        usages.end = usage(50, 48);
        usages.none = usage(31, 48);
        assert_eq!(gates(&usages), [Gate::Descriptors]);
        usages.none = usage(30, 48);
        usages.end.threads = 9;
        assert_eq!(gates(&usages), [Gate::Threads]);
    }

    #[test]
    fn refusals_are_summed_over_the_shards() {
        let page = "okgate_refusals_total{shard=\"0\",reason=\"slow\"} 2\n\
                    okgate_refusals_total{shard=\"1\",reason=\"slow\"} 1\nokgate_refusals_total{shard=\"1\",reason=\"rate\"} 0\n";
        let refusals = refusals(&Metrics(page.to_owned()));
        assert_eq!(refusals, BTreeMap::from([("slow".to_owned(), 3.0)]));
    }
}
