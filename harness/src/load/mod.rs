//! Owns closed-loop load: N connections with D open requests each, every answer followed by the next request.
//!
//! Options come in, a report of rate and latencies goes out. The driver uses bare frames, so that it stays cheaper than
//! the servers that it measures; the same driver measures the gateway and a plain echo server.

mod connection;

pub(crate) use self::connection::{CONNECTIONS_PER_SOURCE, QID_EXAMPLE, source_address};

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::sync::{Barrier, Semaphore};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until};

use crate::error::{Error, Result};
use crate::report::{self, Latency};

/// What is asked again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LoadMethod {
    /// `ping`: answered by a shard alone
    Ping,
    /// `getuserstate`: answered by the hub
    #[value(name = "getuserstate")]
    GetUserState,
    /// `getextendedlineinfo`: answered by the hub
    #[value(name = "getextendedlineinfo")]
    GetExtendedLineInfo,
    /// `getcurrentqueue`: answered by the hub
    #[value(name = "getcurrentqueue")]
    GetCurrentQueue,
}

impl LoadMethod {
    /// The method's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::GetUserState => "getuserstate",
            Self::GetExtendedLineInfo => "getextendedlineinfo",
            Self::GetCurrentQueue => "getcurrentqueue",
        }
    }
}

/// How to load.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The server.
    pub address: SocketAddr,
    /// How many connections.
    pub connections: usize,
    /// How many open requests each connection has.
    pub depth: usize,
    /// What is asked.
    pub method: LoadMethod,
    /// How long is measured.
    pub duration: Duration,
    /// How long the load runs before it is measured.
    pub warm_up: Duration,
    /// Log in as prefix + number, if set.
    pub login: Option<LoadLogin>,
    /// The server is the reference: no login, and any text answers the oldest open request.
    pub is_reference: bool,
    /// How many threads drive the connections.
    pub threads: usize,
    /// The process whose CPU time per message is reported.
    pub server_process: Option<u32>,
    /// How many bytes each request is padded with.
    pub padding_bytes: usize,
}

/// The users that a load logs in as.
#[derive(Debug, Clone)]
pub struct LoadLogin {
    /// Logins are this and a number from 1 on.
    pub prefix: String,
    /// How many users there are; connections go round them.
    pub users: usize,
    /// Everybody's password.
    pub password: String,
}

/// What a load measured.
#[derive(Debug, Clone, Serialize)]
pub struct LoadReport {
    /// What was asked.
    pub method: String,
    /// How many connections.
    pub connections: usize,
    /// How many open requests each.
    pub depth: usize,
    /// How long was measured.
    pub seconds: f64,
    /// How many answers came in that time.
    pub messages: u64,
    /// Answers per second.
    pub messages_per_s: f64,
    /// From sending a request to reading its answer.
    pub latency: Latency,
    /// Messages that answered no open request.
    pub other_messages: u64,
    /// Answers with `result: 0` or a wrong name, and connections that failed.
    pub failures: u64,
    /// The first failure.
    pub first_failure: Option<String>,
    /// The server's CPU time per message, if its process was named.
    pub server_cpu_us_per_message: Option<f64>,
    /// The server's resident memory at the end, if its process was named.
    pub server_rss_bytes: Option<u64>,
    /// This process's CPU time per message.
    pub driver_cpu_us_per_message: f64,
}

impl std::fmt::Display for LoadReport {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            formatter,
            "{} at {}×{} for {:.1} s: {:.0} messages/s",
            self.method, self.connections, self.depth, self.seconds, self.messages_per_s
        )?;
        writeln!(formatter, "latency: {}", self.latency)?;
        let driver = self.driver_cpu_us_per_message;
        write!(formatter, "CPU per message: driver {driver:.2} µs")?;
        if let Some(server) = self.server_cpu_us_per_message {
            write!(formatter, ", server {server:.2} µs")?;
        }
        write!(formatter, "\nfailures: {}", self.failures)?;
        match &self.first_failure {
            Some(failure) => write!(formatter, " (the first: {failure})"),
            None => Ok(()),
        }
    }
}

/// What the threads and the measuring thread share.
#[derive(Debug)]
struct Phases {
    /// Passed when every connection is ready.
    ready: Barrier,
    /// Whether latencies are recorded.
    is_measuring: AtomicBool,
    /// Whether connections stop.
    is_over: AtomicBool,
}

/// What one thread saw.
#[derive(Debug)]
struct Tally {
    latencies: Histogram<u64>,
    other_messages: u64,
    failures: u64,
    first_failure: Option<String>,
}

impl Tally {
    fn new() -> Self {
        Self {
            latencies: report::histogram(),
            other_messages: 0,
            failures: 0,
            first_failure: None,
        }
    }

    fn fail(&mut self, failure: impl FnOnce() -> String) {
        self.failures += 1;
        if self.first_failure.is_none() {
            self.first_failure = Some(failure());
        }
    }

    fn add(&mut self, other: Self) {
        // Both histograms have the same bounds.
        self.latencies += other.latencies;
        self.other_messages += other.other_messages;
        self.failures += other.failures;
        self.first_failure = self.first_failure.take().or(other.first_failure);
    }
}

/// Runs the load to its end on threads of its own.
pub fn run(options: &LoadOptions) -> Result<LoadReport> {
    check(options)?;
    report::raise_descriptor_limit();
    let phases = Arc::new(Phases {
        ready: Barrier::new(options.threads + 1),
        is_measuring: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
    });
    let threads: Vec<_> = (0..options.threads)
        .map(|thread| {
            let (options, phases) = (options.clone(), Arc::clone(&phases));
            std::thread::spawn(move || drive(thread, options, &phases))
        })
        .collect();
    let measured = runtime()?.block_on(measure(options, &phases));
    let mut tally = Tally::new();
    for thread in threads {
        let outcome = thread
            .join()
            .map_err(|_| Error::Usage("a driving thread panicked".into()))?;
        tally.add(outcome?);
    }
    let measured = measured?;
    let messages = tally.latencies.len();
    #[allow(clippy::cast_precision_loss)] // far fewer than 2^52
    let count = messages as f64;
    let per_message = |cpu: Duration| cpu.as_secs_f64() * 1e6 / count.max(1.0);
    Ok(LoadReport {
        method: options.method.name().to_owned(),
        connections: options.connections,
        depth: options.depth,
        seconds: measured.time.as_secs_f64(),
        messages,
        messages_per_s: count / measured.time.as_secs_f64(),
        latency: Latency::from(&tally.latencies),
        other_messages: tally.other_messages,
        failures: tally.failures,
        first_failure: tally.first_failure,
        server_cpu_us_per_message: measured.server_cpu.map(per_message),
        server_rss_bytes: measured.server_rss_bytes,
        driver_cpu_us_per_message: per_message(measured.driver_cpu),
    })
}

fn check(options: &LoadOptions) -> Result<()> {
    let is_sensible = options.connections > 0
        && (1..=DEPTH_MAX).contains(&options.depth)
        && (1..=options.connections).contains(&options.threads)
        && options.login.as_ref().is_none_or(|login| login.users > 0);
    if !is_sensible {
        return Err(Error::Usage(format!(
            "a load needs connections, a depth of 1 to {DEPTH_MAX}, users, and no more threads than connections"
        )));
    }
    let needs_login = options.method != LoadMethod::Ping && !options.is_reference;
    if needs_login && options.login.is_none() {
        return Err(Error::Usage(format!(
            "{} needs a login: give --login-prefix",
            options.method.name()
        )));
    }
    Ok(())
}

struct Measured {
    time: Duration,
    server_cpu: Option<Duration>,
    server_rss_bytes: Option<u64>,
    driver_cpu: Duration,
}

/// Switches the phases and measures the processes between them.
async fn measure(options: &LoadOptions, phases: &Phases) -> Result<Measured> {
    phases.ready.wait().await;
    let cpu = || -> Result<(Option<Duration>, Duration)> {
        let server = options.server_process.map(report::process_cpu_time);
        Ok((
            server.transpose()?,
            report::process_cpu_time(std::process::id())?,
        ))
    };
    let mut measured = None;
    sleep_until(Instant::now() + options.warm_up).await;
    if let Ok((server_before, driver_before)) = cpu() {
        phases.is_measuring.store(true, Ordering::Relaxed);
        let start = Instant::now();
        sleep_until(start + options.duration).await;
        phases.is_measuring.store(false, Ordering::Relaxed);
        let time = start.elapsed();
        measured = cpu().ok().map(|(server_after, driver_after)| Measured {
            time,
            server_cpu: server_after
                .zip(server_before)
                .map(|(after, before)| after.saturating_sub(before)),
            server_rss_bytes: None,
            driver_cpu: driver_after.saturating_sub(driver_before),
        });
    }
    phases.is_over.store(true, Ordering::Relaxed);
    let mut measured = measured.ok_or_else(|| {
        Error::Usage("the process named as the server is not there, or ended".into())
    })?;
    let rss = options.server_process.map(report::process_rss_bytes);
    measured.server_rss_bytes = rss.transpose()?;
    Ok(measured)
}

/// One thread: opens its connections, waits for the others, drives until the end.
fn drive(thread: usize, options: LoadOptions, phases: &Arc<Phases>) -> Result<Tally> {
    let runtime = runtime()?;
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async move {
        let mine = (thread..options.connections).step_by(options.threads);
        let options = Arc::new(options);
        let opening = Arc::new(Semaphore::new(OPENING_MAX));
        let mut connecting = JoinSet::new();
        for index in mine {
            let (options, opening) = (Arc::clone(&options), Arc::clone(&opening));
            connecting.spawn_local(async move {
                let _permit = opening.acquire().await;
                connection::Connection::open(index, &options).await
            });
        }
        let mut tally = Tally::new();
        let mut opened = Vec::new();
        while let Some(outcome) = connecting.join_next().await {
            match outcome {
                Ok(Ok(connection)) => opened.push(connection),
                Ok(Err(error)) => tally.fail(|| error.to_string()),
                Err(error) => tally.fail(|| error.to_string()),
            }
        }
        phases.ready.wait().await;
        let shared = connection::Shared::new(tally, Arc::clone(phases), &options);
        let mut driving = JoinSet::new();
        for connection in opened {
            driving.spawn_local(connection.drive(shared.clone()));
        }
        while driving.join_next().await.is_some() {}
        Ok(shared.into_tally())
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::io("starting a runtime", error))
}

/// How many open requests a connection may have.
const DEPTH_MAX: usize = 10_000;
/// How many connections are being opened at once.
const OPENING_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{Answer, ReferenceServer};

    #[test]
    fn a_load_on_the_reference_server_answers_every_request() {
        let address = "127.0.0.1:0".parse().unwrap();
        let server = ReferenceServer::bind(address, Answer::Canned(60)).unwrap();
        let address = server.address().unwrap();
        std::thread::spawn(move || server.run());
        let report = run(&LoadOptions {
            address,
            connections: 6,
            depth: 4,
            method: LoadMethod::Ping,
            duration: Duration::from_millis(300),
            warm_up: Duration::from_millis(50),
            login: None,
            is_reference: true,
            threads: 2,
            server_process: Some(std::process::id()),
            padding_bytes: 100,
        })
        .unwrap();
        assert_eq!((report.failures, report.other_messages), (0, 0), "{report}");
        assert!(report.messages > 100, "{report}");
        assert!(report.latency.p50_us > 0 && report.server_cpu_us_per_message.is_some());
    }

    #[test]
    fn a_method_that_needs_a_login_is_refused_without_one() {
        let options = LoadOptions {
            address: "127.0.0.1:1".parse().unwrap(),
            connections: 1,
            depth: 1,
            method: LoadMethod::GetUserState,
            duration: Duration::ZERO,
            warm_up: Duration::ZERO,
            login: None,
            is_reference: false,
            threads: 1,
            server_process: None,
            padding_bytes: 0,
        };
        assert!(matches!(run(&options), Err(Error::Usage(_))));
    }
}
