//! Owns the measurement of requests and answers in a closed loop, beside a server that answers every text with the same
//! message of the same size; then the same with two shards.

use std::time::Duration;

use serde_json::json;

use super::servers::{Reference, Server, start_gateway};
use super::table::{Table, Target};
use super::{MeasureOptions, number};
use crate::error::{Error, Result};
use crate::gateway::{DEFAULT_PASSWORD, Gateway};
use crate::load::{self, LoadLogin, LoadMethod, LoadOptions, LoadReport};

pub(super) async fn measure(options: &MeasureOptions, progress: &impl Fn(&str)) -> Result<Table> {
    let mut table = Table::new(
        "Round trips: a closed loop of C connections with D open requests each; CPU time is the server's",
    );
    let one_shard = start_gateway(options, USERS, 1).await?;
    let two_shards = start_gateway(options, USERS, 2).await?;
    for method in [LoadMethod::Ping, LoadMethod::GetUserState] {
        let answer_bytes = answer_bytes(&one_shard, method).await?;
        let reference = Reference::start(options, Some(answer_bytes)).await?;
        let servers = Servers {
            one_shard: &one_shard,
            two_shards: &two_shards,
            reference: &reference,
        };
        for (connections, depth) in SHAPES {
            let shape = Shape {
                method,
                connections,
                depth,
            };
            let figures = servers
                .compare(shape, options.rounds_or(7), progress)
                .await?;
            figures.put_into(&mut table, shape);
        }
        let method = method.name();
        table.note(format!("{method}: {answer_bytes} bytes an answer"));
    }
    table.note(CAPACITY_NOTE);
    one_shard.stop().await?;
    two_shards.stop().await?;
    Ok(table)
}

/// What is asked by how many.
#[derive(Clone, Copy)]
struct Shape {
    method: LoadMethod,
    connections: usize,
    depth: usize,
}

impl Shape {
    fn name(self) -> String {
        format!("{} {}×{}", self.method.name(), self.connections, self.depth)
    }
}

struct Servers<'s> {
    one_shard: &'s Gateway,
    two_shards: &'s Gateway,
    reference: &'s Reference,
}

impl Servers<'_> {
    /// Loads the three in turns, every other turn in the opposite order.
    async fn compare(
        &self,
        shape: Shape,
        rounds: usize,
        progress: &impl Fn(&str),
    ) -> Result<Figures> {
        let mut figures = Figures::default();
        for round in 0..rounds {
            let reference_first = round % 2 == 1;
            if reference_first {
                figures
                    .reference
                    .push(&load(self.reference, shape, true).await?);
            }
            figures
                .one_shard
                .push(&load(self.one_shard, shape, false).await?);
            figures
                .two_shards
                .push(&load(self.two_shards, shape, false).await?);
            if !reference_first {
                figures
                    .reference
                    .push(&load(self.reference, shape, true).await?);
            }
        }
        progress(&shape.name());
        Ok(figures)
    }
}

/// The figures of one shape.
#[derive(Default)]
struct Figures {
    one_shard: Turns,
    two_shards: Turns,
    reference: Turns,
}

/// The figures of one server, turn by turn.
#[derive(Default)]
pub(super) struct Turns {
    pub(super) cpu_us: Vec<f64>,
    pub(super) per_s: Vec<f64>,
    pub(super) p99_us: Vec<f64>,
}

impl Turns {
    pub(super) fn push(&mut self, report: &LoadReport) {
        self.cpu_us.extend(report.server_cpu_us_per_message);
        self.per_s.push(report.messages_per_s);
        self.p99_us.push(number(report.latency.p99_us));
    }
}

impl Figures {
    fn put_into(&self, table: &mut Table, shape: Shape) {
        let name = shape.name();
        let (one, two, reference) = (&self.one_shard, &self.two_shards, &self.reference);
        let row = table.row(
            format!("{name}, CPU time"),
            "µs",
            &one.cpu_us,
            &reference.cpu_us,
        );
        if shape.connections > 1 {
            row.wanted(Target::RatioAtMost(1.25));
        }
        table.row(format!("{name}, rate"), "1/s", &one.per_s, &reference.per_s);
        table.row(format!("{name}, p99"), "µs", &one.p99_us, &reference.p99_us);
        table.row(
            format!("{name}, two shards, rate"),
            "1/s",
            &two.per_s,
            &reference.per_s,
        );
        let capacity: Vec<f64> = one
            .cpu_us
            .iter()
            .zip(&two.cpu_us)
            .map(|(one, two)| 2.0 * one / two)
            .collect();
        let row = table.row(
            format!("{name}, two shards, capacity"),
            "× one",
            &capacity,
            &[],
        );
        if shape.connections > 1 {
            row.wanted(Target::AtLeast(1.7));
        }
    }
}

async fn load(server: &impl Server, shape: Shape, is_reference: bool) -> Result<LoadReport> {
    run_load(LoadOptions {
        address: server.address(),
        connections: shape.connections,
        depth: shape.depth,
        method: shape.method,
        duration: DURATION,
        warm_up: WARM_UP,
        login: (!is_reference).then(|| LoadLogin {
            prefix: "user".into(),
            users: USERS,
            password: DEFAULT_PASSWORD.into(),
        }),
        names_user: true,
        is_reference,
        threads: 1,
        server_process: Some(server.process()?),
        padding_bytes: 0,
    })
    .await
}

/// Loads one server; an answer that is missing or wrong ends the measurement.
pub(super) async fn run_load(options: LoadOptions) -> Result<LoadReport> {
    let loaded = tokio::task::spawn_blocking(move || load::run(&options)).await;
    let report = loaded.map_err(|error| Error::Usage(format!("the load panicked: {error}")))??;
    if report.failures > 0 || report.messages == 0 {
        return Err(Error::Usage(format!("the load failed: {report}")));
    }
    Ok(report)
}

/// How long the answer to a request of the load is.
async fn answer_bytes(gateway: &Gateway, method: LoadMethod) -> Result<usize> {
    let mut tab = gateway.logged_in("user1").await?;
    let mut answer = tab
        .request_ok(method.name(), json!({"userlogin": "user1"}))
        .await?;
    answer.fields.insert("qid".into(), load::QID_EXAMPLE.into());
    Ok(answer.to_text().len())
}

/// How many users the connections go round.
pub(super) const USERS: usize = 100;
/// Connections, and open requests of each.
pub(super) const SHAPES: [(usize, usize); 4] = [(1, 1), (50, 1), (50, 16), (1000, 1)];
/// How long is measured in one turn.
const DURATION: Duration = Duration::from_secs(2);
/// How long the load runs before that.
const WARM_UP: Duration = Duration::from_millis(500);
/// What the capacity of two shards is.
const CAPACITY_NOTE: &str = "capacity of two shards: twice the CPU time of a message on one shard by that on two, i.e. the \
    round trips that two free cores do by those of one; the rate beside it is that of this machine, whose cores the load shares";
