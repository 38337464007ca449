//! Owns the measurement of dynamic methods (protocol 8-d): a post to the scenario API, the run at the CRM, its result in the
//! answer, beside a bare proxy that moves the same bytes to and from the same CRM.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::posts::{PATH, Poster};
use super::servers::{Reference, Server, until_linked};
use super::table::Table;
use super::{MeasureOptions, number, us};
use crate::crm::{CrmHandle, CrmOptions, SimulatedCrm};
use crate::error::{Error, Result};
use crate::gateway::Gateway;
use crate::pairing::Pairing;
use crate::report::{self, Latency};

pub(super) async fn measure(options: &MeasureOptions, progress: &impl Fn(&str)) -> Result<Table> {
    let mut table = Table::new(
        "Dynamic methods: a closed loop of C posts at a time through the scenario API to the CRM and back; CPU time is the server's",
    );
    let (mode, format) = options.link;
    let link = Pairing::new(mode, format)?;
    let crm = start_crm(link.crm()).await?;
    let other = start_crm(CrmOptions::on_loopback()).await?;
    let settings = options.settings.clone().set("gateway.cores", 1);
    let settings = link.settings(settings.users(1));
    let gateway = Gateway::start_program(options.gateway.clone(), settings).await?;
    until_linked(&gateway).await?;
    let reference = Reference::start_proxy(options, other.address(), 0).await?;
    let ends = [
        (gateway.addresses().admin, gateway.process()?),
        (reference.address(), reference.process()?),
    ];
    for posts in POSTS {
        let mut figures = [Turns::default(), Turns::default()];
        for round in 0..options.rounds_or(9) {
            // Every other turn in the opposite order.
            for turn in 0..2 {
                let which = (round + turn) % 2;
                figures[which].push(&load(ends[which], posts).await?);
            }
        }
        progress(&format!("{posts} posts at a time"));
        put_into(&mut table, posts, &figures);
    }
    table.note(format!(
        "the gateway's link: {mode}, {format}; the proxy's: ws-out, json"
    ));
    table.note(format!(
        "each run has {} bytes of inputs, which come back as its outputs",
        BODY.len()
    ));
    // The proxy ends with the CRM's link, and would say so.
    drop(reference);
    gateway.stop().await?;
    crm.stop().await;
    other.stop().await;
    Ok(table)
}

/// A CRM that keeps no record of a load.
async fn start_crm(mut options: CrmOptions) -> Result<CrmHandle> {
    options.keeps_record = false;
    SimulatedCrm::start(options).await
}

fn put_into(table: &mut Table, posts: usize, [gateway, reference]: &[Turns; 2]) {
    let name = |what: &str| format!("{posts} at a time, {what}");
    table.row(
        name("CPU time a run"),
        "µs",
        &gateway.cpu_us,
        &reference.cpu_us,
    );
    table.row(name("rate"), "1/s", &gateway.per_s, &reference.per_s);
    table.row(name("p99"), "µs", &gateway.p99_us, &reference.p99_us);
}

/// The figures of one server, turn by turn.
#[derive(Default)]
struct Turns {
    cpu_us: Vec<f64>,
    per_s: Vec<f64>,
    p99_us: Vec<f64>,
}

/// What one turn found.
struct Turn {
    cpu: Duration,
    time: Duration,
    latency: Latency,
}

impl Turns {
    fn push(&mut self, turn: &Turn) {
        let runs = number(turn.latency.count);
        self.cpu_us.push(us(turn.cpu) / runs);
        self.per_s.push(runs / turn.time.as_secs_f64());
        self.p99_us.push(number(turn.latency.p99_us));
    }
}

/// Posts for a while, so many at a time; a failure ends the measurement.
async fn load((address, process): (SocketAddr, u32), posts: usize) -> Result<Turn> {
    let begin = Instant::now() + WARM_UP;
    let end = begin + DURATION;
    let mut tasks = JoinSet::new();
    for _ in 0..posts {
        tasks.spawn(post_until(address, begin, end));
    }
    tokio::time::sleep_until(begin).await;
    let before = report::process_cpu_time(process)?;
    tokio::time::sleep_until(end).await;
    let cpu = report::process_cpu_time(process)?.saturating_sub(before);
    let mut latencies = report::histogram();
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.map_err(|error| Error::Usage(format!("a load panicked: {error}")))?;
        for latency in ended? {
            report::record(&mut latencies, latency);
        }
    }
    if latencies.is_empty() {
        return Err(Error::Usage("not one run was answered in time".into()));
    }
    Ok(Turn {
        cpu,
        time: DURATION,
        latency: Latency::from(&latencies),
    })
}

/// One post after the other over one connection; the latencies of those that ended in the time.
async fn post_until(address: SocketAddr, begin: Instant, end: Instant) -> Result<Vec<Duration>> {
    let mut poster = Poster::connect(address).await?;
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let posted_at = Instant::now();
        if poster.is_closed() {
            poster = Poster::connect(address).await?;
        }
        post(&mut poster).await?;
        let now = Instant::now();
        if (begin..end).contains(&now) {
            latencies.push(now - posted_at);
        }
    }
    Ok(latencies)
}

async fn post(poster: &mut Poster) -> Result<()> {
    let (status, body) = poster.run(BODY).await?;
    if status.is_success() && memchr::memmem::find(&body, b"outputparameters").is_some() {
        return Ok(());
    }
    Err(Error::Http {
        call: format!("POST {PATH}"),
        problem: format!("{status}: {}", String::from_utf8_lossy(&body)),
    })
}

/// With which inputs it is run.
const BODY: &str = r#"{"inputparameters":{"text":"89274513158 Ivan Petrov, order 1234, 15.03.2024","number":1234.5,"flag":true}}"#;
/// How many posts there are at a time.
const POSTS: [usize; 3] = [1, 16, 64];
/// How long is measured in one turn.
const DURATION: Duration = Duration::from_secs(2);
/// How long the load runs before that.
const WARM_UP: Duration = Duration::from_millis(300);
