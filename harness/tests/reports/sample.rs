//! A run of load that never was, but could have been: the same for the same seed.

use hdrhistogram::Histogram;
use okgate_harness::results::{
    Distribution, Failure, Gate, Machine, Measure, Phase, Results, SCHEMA, Series, Value, Verdict,
};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

/// What is to be made up.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) seed: u64,
    /// By what every time is multiplied.
    pub(crate) slower: f64,
    /// How many round trips there are in a second.
    pub(crate) per_second: usize,
    /// How many seconds each phase takes.
    pub(crate) phases: Vec<(&'static str, &'static str, u32)>,
    /// How far seconds differ from each other, as a logarithm.
    pub(crate) unrest: f64,
    /// How much of a second's unrest the next one takes over.
    pub(crate) memory: f64,
    /// The chance of a second in which everything takes ten times as long.
    pub(crate) stalls: f64,
    /// Families of methods besides, all of which are measured.
    pub(crate) methods: Vec<&'static str>,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            seed: 1,
            slower: 1.0,
            per_second: 400,
            phases: vec![
                ("warm up", "warm_up", 10),
                ("morning", "ramp", 20),
                ("working hours", "hold", 60),
                ("rush", "spike", 10),
                ("evening", "hold", 20),
            ],
            unrest: 0.1,
            memory: 0.3,
            stalls: 0.0,
            methods: vec!["getuserstate", "ping", "dial"],
        }
    }
}

impl Sample {
    /// A single steady phase of one measure: little to make up, for tests that do it often.
    pub(crate) fn steady(seed: u64) -> Self {
        Self {
            seed,
            per_second: 100,
            phases: vec![("hold", "hold", 60)],
            methods: Vec::new(),
            ..Self::default()
        }
    }

    pub(crate) fn results(&self) -> Results {
        let mut chances = ChaCha8Rng::seed_from_u64(self.seed);
        let mut names = vec![("round_trip".to_owned(), 1.0)];
        if !self.methods.is_empty() {
            names.push(("ring_to_popup".to_owned(), 3.0));
            names.push(("opening".to_owned(), 12.0));
        }
        let methods = self.methods.iter().enumerate();
        #[allow(clippy::cast_precision_loss)] // a handful
        names.extend(
            methods
                .map(|(place, method)| (format!("round_trip.{method}"), 0.8 + place as f64 / 4.0)),
        );
        let mut times: Vec<Times> = names.iter().map(|_| Times::default()).collect();
        let mut series = Series::default();
        let phases = self.make_phases();
        let mut unrest = 0.0;
        for phase in &phases {
            let mut at_s = phase.begun_s;
            while at_s < phase.ended_s {
                at_s += 1.0;
                unrest = self.memory * unrest
                    + (1.0 - self.memory.powi(2)).sqrt() * normal(&mut chances);
                let stall = if chances.random_bool(self.stalls) {
                    10.0
                } else {
                    1.0
                };
                let rush = if phase.kind == "spike" { 2.5 } else { 1.0 };
                let slow = self.slower * stall * rush * (self.unrest * unrest).exp();
                let mut row = Vec::new();
                for ((name, weight), times) in names.iter().zip(&mut times) {
                    let (service, response) = self.second(&mut chances, slow * weight);
                    for (stem, times) in [
                        (format!("{name}.service"), &service),
                        (name.clone(), &response),
                    ] {
                        let at = |share: usize| us(times[(times.len() * share).div_ceil(100) - 1]);
                        row.push((format!("{stem}.p50_us"), at(50)));
                        row.push((format!("{stem}.p99_us"), at(99)));
                    }
                    if phase.is_measured {
                        times.take(&service, &response);
                    }
                }
                self.surroundings(&mut chances, phase, at_s, rush, &mut row);
                series.push(at_s, row.iter().map(|(name, figure)| (&**name, *figure)));
            }
        }
        self.assemble(phases, series, &names, &times)
    }

    fn make_phases(&self) -> Vec<Phase> {
        let mut begun_s = 0.0;
        let phases = self.phases.iter().map(|(name, kind, seconds)| {
            let phase = Phase {
                name: (*name).to_owned(),
                kind: (*kind).to_owned(),
                begun_s,
                ended_s: begun_s + f64::from(*seconds),
                is_measured: *kind != "warm_up",
                measures: Vec::new(),
            };
            begun_s = phase.ended_s;
            phase
        });
        phases.collect()
    }

    /// The service and the response times of one second, both in ascending order.
    fn second(&self, chances: &mut ChaCha8Rng, slow: f64) -> (Vec<u64>, Vec<u64>) {
        let time = |_| {
            let time = 800.0 * slow * (0.45 * normal(chances)).exp();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // some milliseconds
            let time = time.max(1.0) as u64;
            // Some wait for their turn first.
            let waits = if chances.random_bool(0.05) {
                time * 3
            } else {
                0
            };
            (time, time + waits)
        };
        let (mut service, mut response): (Vec<u64>, Vec<u64>) =
            (0..self.per_second).map(time).unzip();
        service.sort_unstable();
        response.sort_unstable();
        (service, response)
    }

    fn surroundings(
        &self,
        chances: &mut ChaCha8Rng,
        phase: &Phase,
        at_s: f64,
        rush: f64,
        row: &mut Vec<(String, f64)>,
    ) {
        if self.methods.is_empty() {
            return;
        }
        let open = match &*phase.kind {
            "warm_up" => 100.0,
            "ramp" => 100.0 + 95.0 * (at_s - phase.begun_s),
            _ => 2000.0,
        };
        let mut near = |amount: f64| (amount * (1.0 + 0.03 * normal(chances)) * 1e4).round() / 1e4;
        row.extend([
            ("tabs".to_owned(), open),
            ("tabs_wanted".to_owned(), open),
            ("requests_per_s".to_owned(), near(open * rush * 1.2)),
            ("events_per_s".to_owned(), near(open * rush * 5.0)),
            ("calls_per_s".to_owned(), near(4.0 * rush)),
            ("errors".to_owned(), if at_s > 95.0 { 3.0 } else { 0.0 }),
            ("server.rss_bytes".to_owned(), near(18e6 + open * 1300.0)),
            ("harness.rss_bytes".to_owned(), near(30e6 + open * 6000.0)),
            ("harness.lag_p99_us".to_owned(), near(900.0)),
            ("server.cpu_share".to_owned(), near(open * rush / 8000.0)),
            ("harness.cpu_share".to_owned(), near(open * rush / 9000.0)),
        ]);
        // A figure that could not be read for some seconds.
        if !(40.0..44.0).contains(&at_s) {
            row.push(("server.descriptors".to_owned(), open + 30.0));
        }
    }

    fn other_measures(&self) -> Vec<Measure> {
        let requests = u64::try_from(self.per_second).unwrap() * 110;
        let gauge = |value, unit: &str| Value::Gauge {
            value,
            unit: unit.to_owned(),
        };
        vec![
            measure(
                "requests",
                "requests of open tabs that were answered well",
                Value::Count { value: requests },
            ),
            measure(
                "errors",
                "everything that went wrong",
                Value::Count { value: 3 },
            ),
            measure(
                "requests_per_s",
                "answered requests in a second",
                gauge(2_512.4, "1/s"),
            ),
            measure(
                "server_rss",
                "the server's most resident memory",
                gauge(20.6e6, "bytes"),
            ),
            measure(
                "server_cpu",
                "the processors that the server kept busy",
                gauge(0.27, "share"),
            ),
            measure(
                "harness_lag",
                "how late the timers of the harness were",
                Value::Latency {
                    service: Distribution::default(),
                    response: None,
                },
            ),
        ]
    }

    fn assemble(
        &self,
        phases: Vec<Phase>,
        series: Series,
        names: &[(String, f64)],
        times: &[Times],
    ) -> Results {
        let mut measures: Vec<Measure> = Vec::new();
        for ((name, _), times) in names.iter().zip(times) {
            measures.push(measure(name, "from a request to its answer", times.value()));
        }
        if !self.methods.is_empty() {
            measures.extend(self.other_measures());
        }
        let p99 = times[0].response.value_at_quantile(0.99);
        Results {
            schema: SCHEMA,
            scenario: "office day".to_owned(),
            description: "An office opens, works, is called by everybody at once, and goes home."
                .to_owned(),
            seed: self.seed,
            begun: "2026-03-02T08:00:00Z".to_owned(),
            seconds: phases.last().map_or(0.0, |phase| phase.ended_s) + 1.5,
            target: "127.0.0.1:4066".to_owned(),
            machine: Machine {
                kernel: "6.18.2".to_owned(),
                processor: "An Eight-Core Processor".to_owned(),
                processors: 8,
                load_before: 0.12,
            },
            phases,
            measures,
            series,
            gates: gates(us(p99) / 1e3),
            failures: vec![
                failure(
                    "no_answer",
                    2,
                    "tab 17 of user4: getuserstate was not answered within 30 s",
                ),
                failure(
                    "event_lost",
                    1,
                    "call 5: tab 3 of user9 got no phoneevent_commstarted",
                ),
            ],
            notes: vec!["the harness ran on the server's machine".to_owned()],
            verdict: Verdict::Failed,
        }
    }
}

fn gates(p99_ms: f64) -> Vec<Gate> {
    vec![
        gate("p99 of round_trip < 20 ms", Some(p99_ms), true),
        gate("p99 of ring_to_popup in rush < 25 ms", Some(61.26), false),
        gate("errors = 0", Some(3.0), false),
        gate("requests_per_s > 1000", Some(2_512.4), true),
        gate("server_rss_per_tab < 2 KiB", None, false),
    ]
}

#[derive(Debug)]
struct Times {
    service: Histogram<u64>,
    response: Histogram<u64>,
}

impl Default for Times {
    fn default() -> Self {
        let empty = || Histogram::new_with_bounds(1, 60_000_000, 3).unwrap();
        Self {
            service: empty(),
            response: empty(),
        }
    }
}

impl Times {
    fn take(&mut self, service: &[u64], response: &[u64]) {
        for us in service {
            self.service.saturating_record(*us);
        }
        for us in response {
            self.response.saturating_record(*us);
        }
    }

    fn value(&self) -> Value {
        let written = |histogram| {
            let written = Distribution::from(histogram);
            let mean_us = written.mean_us.round();
            Distribution { mean_us, ..written }
        };
        Value::Latency {
            service: written(&self.service),
            response: Some(written(&self.response)),
        }
    }
}

fn measure(name: &str, explanation: &str, value: Value) -> Measure {
    Measure {
        name: name.to_owned(),
        explanation: explanation.to_owned(),
        value,
    }
}

fn gate(threshold: &str, observed: Option<f64>, held: bool) -> Gate {
    Gate {
        threshold: threshold.to_owned(),
        observed,
        held,
        aborted: false,
    }
}

fn failure(kind: &str, count: u64, first: &str) -> Failure {
    Failure {
        kind: kind.to_owned(),
        count,
        first: first.to_owned(),
    }
}

/// Two of a uniform distribution make one of the normal distribution.
fn normal(chances: &mut ChaCha8Rng) -> f64 {
    let [one, two]: [f64; 2] = [chances.random(), chances.random()];
    (-2.0 * (1.0 - one).ln()).sqrt() * (std::f64::consts::TAU * two).cos()
}

#[allow(clippy::cast_precision_loss)] // some milliseconds
fn us(us: u64) -> f64 {
    us as f64
}
