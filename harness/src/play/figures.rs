//! Owns the way from everything that was seen in a run to the value of each measure, while it goes on and when it is over.

use std::time::Duration;

use super::collect::{Collected, cpu_share};
use super::tally::Counted;
use crate::process::Usage;
use crate::report::units::as_number;
use crate::results::Value;
use crate::scenario::{FailureKind, Phase, PhaseKind, Schedule, find_measure};
use crate::scenario::{MeasureKind, Unit};

/// Everything that was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) collected: &'a Collected,
    pub(super) course: &'a Course,
    pub(super) phases: &'a [Phase],
    pub(super) schedule: &'a Schedule,
}

/// How the run went, second by second.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// When the scenario began, since the machine's start.
    pub(super) begun: Duration,
    /// What the server's process used before the first tab.
    pub(super) before: Option<Usage>,
    pub(super) ticks: Vec<Tick>,
    /// The supervisor's own CPU time at moments since the machine's start.
    pub(super) cpu: Vec<(Duration, Duration)>,
}

/// How things stood at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tick {
    /// Seconds from the scenario's beginning.
    pub(super) at_s: f64,
    pub(super) tabs: usize,
    pub(super) server: Option<Usage>,
    /// What the workers' memory has grown by.
    pub(super) harness_rss_bytes: u64,
}

impl Found<'_> {
    /// The value of this measure, in one phase or in all that are measured; `None` if nothing is known of it.
    pub(super) fn value(&self, name: &str, phase: Option<usize>) -> Option<Value> {
        match find_measure(name)?.kind {
            MeasureKind::Latency => self.collected.times(name, phase),
            MeasureKind::Count => self
                .counted(name, phase)
                .map(|value| Value::Count { value }),
            MeasureKind::Gauge(unit) => {
                let value = self.amount(name, unit, phase)?;
                let unit = unit.name().to_owned();
                Some(Value::Gauge { value, unit })
            }
        }
    }

    /// The shares of a processor that the harness's processes used, each in the measured phase where it used most.
    pub(super) fn harness_cpu(&self) -> Vec<(String, f64)> {
        let workers = self.collected.workers.iter().enumerate();
        let workers = workers.map(|(place, worker)| (format!("worker {}", place + 1), &worker.cpu));
        let supervisor = (
            "the supervisor, which makes the calls,".to_owned(),
            &self.course.cpu,
        );
        let processes = workers.chain([supervisor]);
        let shares = processes.filter_map(|(name, used)| {
            let shares = self.measured_legs().filter_map(|(from_s, to_s)| {
                let at = |at_s: f64| self.course.begun + Duration::from_secs_f64(at_s);
                cpu_share(used, at(from_s), at(to_s))
            });
            Some((name, shares.max_by(f64::total_cmp)?))
        });
        shares.collect()
    }

    fn counted(&self, name: &str, phase: Option<usize>) -> Option<u64> {
        if name == "errors" {
            return Some(self.collected.errors());
        }
        if let Some(kind) = name.strip_prefix("errors.") {
            let kind = FailureKind::ALL
                .into_iter()
                .find(|known| known.name() == kind)?;
            let failures = self.collected.failures.get(&kind);
            return Some(failures.map_or(0, |(count, _)| *count));
        }
        let counted = Counted::ALL
            .into_iter()
            .find(|counted| counted.name() == name)?;
        Some(self.collected.count(counted, phase))
    }

    fn amount(&self, name: &str, unit: Unit, phase: Option<usize>) -> Option<f64> {
        if unit == Unit::PerSecond {
            let count = self.counted(name.strip_suffix("_per_s")?, phase)?;
            let seconds = self.seconds(phase);
            return (seconds > 0.0).then(|| as_number(count) / seconds);
        }
        let measured = || self.measured_ticks().filter_map(|tick| tick.server);
        let most = |figure: fn(&Usage) -> u64| {
            let most = measured().map(|usage| figure(&usage)).max();
            most.map(as_number)
        };
        match name {
            "tabs" => self
                .course
                .ticks
                .iter()
                .map(|tick| as_number(tick.tabs as u64))
                .reduce(f64::max),
            "server_rss" => most(|usage| usage.rss_bytes),
            "server_descriptors" => most(|usage| usage.descriptors as u64),
            "server_threads" => most(|usage| usage.threads as u64),
            "server_rss_per_tab" => {
                let (fullest, before) = (self.fullest()?, self.course.before?);
                let grown = fullest.server?.rss_bytes.saturating_sub(before.rss_bytes);
                Some(as_number(grown) / as_number(fullest.tabs as u64))
            }
            "server_rss_growth" => self.growth(),
            "server_cpu" => {
                let (cpu, time) = self.server_cpu();
                (time > 0.0).then(|| cpu / time)
            }
            "server_cpu_per_message" => {
                let messages = self.collected.count(Counted::Messages, None);
                let (cpu, time) = self.server_cpu();
                (time > 0.0 && messages > 0).then(|| cpu * 1e6 / as_number(messages))
            }
            "harness_cpu" => {
                let shares = self.harness_cpu().into_iter().map(|(_, share)| share);
                shares.reduce(f64::max)
            }
            "harness_rss_per_tab" => {
                let fullest = self.fullest()?;
                Some(as_number(fullest.harness_rss_bytes) / as_number(fullest.tabs as u64))
            }
            _ => None,
        }
    }

    /// The measured phases as far as they have come: their beginnings and ends.
    fn measured_legs(&self) -> impl Iterator<Item = (f64, f64)> {
        let legs = self.schedule.legs.iter().zip(self.phases);
        let measured = legs.filter(|(_, phase)| phase.is_measured);
        let reached = self.course.ticks.last().map_or(0.0, |tick| tick.at_s);
        let legs = measured.map(move |(leg, _)| (leg.begin_s, leg.end_s.min(reached)));
        legs.filter(|(from_s, to_s)| from_s < to_s)
    }

    /// How long one phase was, or all that are measured, as far as they have come.
    fn seconds(&self, phase: Option<usize>) -> f64 {
        let reached = self.course.ticks.last().map_or(0.0, |tick| tick.at_s);
        match phase.and_then(|phase| self.schedule.legs.get(phase)) {
            Some(leg) => (leg.end_s.min(reached) - leg.begin_s).max(0.0),
            None => self
                .measured_legs()
                .map(|(from_s, to_s)| to_s - from_s)
                .sum(),
        }
    }

    fn measured_ticks(&self) -> impl Iterator<Item = &Tick> {
        let ticks = self.course.ticks.iter();
        ticks.filter(|tick| {
            let is_within = tick.at_s <= self.schedule.seconds();
            is_within && self.phases[self.schedule.phase_at(tick.at_s)].is_measured
        })
    }

    /// The last moment at which there were the most tabs.
    fn fullest(&self) -> Option<&Tick> {
        let fullest = self.course.ticks.iter().max_by_key(|tick| tick.tabs);
        fullest.filter(|tick| tick.tabs > 0)
    }

    /// The memory at the end of the last steady phase, by that at its beginning.
    fn growth(&self) -> Option<f64> {
        let mut legs = self.schedule.legs.iter().zip(self.phases);
        let (leg, _) = legs.rfind(|(_, phase)| {
            phase.is_measured && matches!(phase.kind, PhaseKind::Soak | PhaseKind::Hold)
        })?;
        let within = leg.begin_s..=leg.end_s;
        let ticks = self
            .course
            .ticks
            .iter()
            .filter(|tick| within.contains(&tick.at_s));
        let mut usages = ticks.filter_map(|tick| tick.server);
        let first = usages.next()?;
        let last = usages.next_back()?;
        Some(as_number(last.rss_bytes) / as_number(first.rss_bytes.max(1)))
    }

    /// The server's CPU time in measured time, and how long that was, both in seconds.
    fn server_cpu(&self) -> (f64, f64) {
        let (mut cpu, mut time) = (0.0, 0.0);
        for (from_s, to_s) in self.measured_legs() {
            let within = from_s..=to_s;
            let ticks = self.course.ticks.iter();
            let ticks = ticks.filter(|tick| within.contains(&tick.at_s));
            let mut used = ticks.filter_map(|tick| Some((tick.at_s, tick.server?.cpu)));
            if let (Some((first_s, first)), Some((last_s, last))) = (used.next(), used.next_back())
            {
                cpu += last.saturating_sub(first).as_secs_f64();
                time += last_s - first_s;
            }
        }
        (cpu, time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Overrides, Scenario};

    fn phases() -> Vec<Phase> {
        let text = "name = \"x\"\n[users]\ncount = 100\n[[phases]]\nkind = \"warm_up\"\nseconds = 2\ntabs = 100\n[[phases]]\nkind = \"soak\"\nseconds = 8\n";
        let scenario = Scenario::parse(text, std::path::Path::new(""), &Overrides::default());
        scenario.unwrap().play.phases
    }

    fn tick(second: u32) -> Tick {
        let at_s = f64::from(second);
        let tabs = 50 * usize::try_from(second.min(2)).unwrap();
        Tick {
            at_s,
            tabs,
            server: Some(Usage {
                descriptors: 10 + tabs,
                threads: 3,
                rss_bytes: 1_000_000 + 1000 * tabs as u64 + 10_000 * u64::from(second),
                cpu: Duration::from_millis(u64::from(second) * 250),
            }),
            harness_rss_bytes: 300 * tabs as u64,
        }
    }

    #[test]
    fn amounts_come_from_measured_time_alone() {
        let phases = phases();
        let schedule = Schedule::new(&phases);
        let collected = Collected::new(&phases, 1);
        let course = Course {
            before: tick(0).server,
            ticks: (0..=10).map(tick).collect(),
            ..Course::default()
        };
        let found = Found {
            collected: &collected,
            course: &course,
            phases: &phases,
            schedule: &schedule,
        };
        let amount = |name| match found.value(name, None) {
            Some(Value::Gauge { value, .. }) => value,
            other => panic!("{name}: {other:?}"),
        };
        for (name, expected) in [
            ("tabs", 100.0),
            ("server_rss", 1_200_000.0),
            ("server_rss_per_tab", 2000.0),
            ("server_cpu", 0.25),
            ("server_descriptors", 110.0),
            ("server_threads", 3.0),
            ("harness_rss_per_tab", 300.0),
            ("requests_per_s", 0.0),
        ] {
            assert!(
                (amount(name) - expected).abs() < 1e-6,
                "{name}: {}",
                amount(name)
            );
        }
        assert!((amount("server_rss_growth") - 1_200_000.0 / 1_120_000.0).abs() < 1e-9);
        assert_eq!(
            found.value("errors.closed", None),
            Some(Value::Count { value: 0 })
        );
        assert_eq!(found.value("ring_to_popup", None), None);
        assert_eq!(found.value("server_cpu_per_message", None), None);
    }
}
