//! Owns many held tabs: the supervisor that divides them among worker processes, follows their counts and reports.
//!
//! Options come in; progress lines and one report go out. Each worker is this program again, with a job on its standard
//! input; it ends when that input ends, so that no worker outlives its supervisor.

mod counts;
mod held_tab;
mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, timeout};

pub use self::counts::{Counts, SwarmReport};
pub use self::worker::run_worker;
use crate::error::{Error, Result};

/// Which tabs are held, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SwarmOptions {
    /// The gateway's address for tabs.
    pub address: SocketAddr,
    /// How many users.
    pub users: usize,
    /// How many tabs each user has.
    pub tabs_per_user: usize,
    /// Logins are this and a number from 1 on.
    pub login_prefix: String,
    /// Everybody's password.
    pub password: String,
    /// How many worker processes; `None`: as many as the connections need.
    pub workers: Option<usize>,
    /// How many connections are opened per second; 0: as fast as they succeed.
    pub rate: f64,
    /// How long the tabs are held once all are there; `None`: until told to stop.
    pub hold: Option<Duration>,
    /// How often each tab sends `ping`; zero: never.
    pub ping_interval: Duration,
    /// How often each tab asks `getcurrentqueue`; zero: never.
    pub queue_interval: Duration,
    /// Go through the whole opening sequence of a browser library, not only `login` and the subscriptions.
    pub full_opening: bool,
    /// The server echoes: no login, no subscriptions, pings only.
    pub is_echo: bool,
}

/// What one worker is told.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    options: SwarmOptions,
    /// The first connection of this worker.
    first: usize,
    /// How many it has.
    count: usize,
    /// Its share of the rate.
    rate: f64,
}

/// Holds the tabs until the time is over or `stop` resolves. `program` is this program's file; `progress` gets a line
/// every second.
pub async fn run(
    options: SwarmOptions,
    program: PathBuf,
    stop: impl Future<Output = ()>,
    progress: impl Fn(&str),
) -> Result<SwarmReport> {
    let jobs = divide(&options)?;
    let target = options.users * options.tabs_per_user;
    let started = Instant::now();
    let (sender, mut receiver) = mpsc::channel(LINES_MAX);
    let mut workers = Vec::new();
    for (number, job) in jobs.iter().enumerate() {
        workers.push(Worker::start(number, &program, job, sender.clone()).await?);
    }
    drop(sender);
    let mut supervisor = Supervisor {
        latest: vec![Counts::default(); workers.len()],
        target,
        hold: options.hold,
        held_since: None,
    };
    supervisor
        .follow(&mut receiver, stop, started, progress)
        .await;
    let held_s = supervisor
        .held_since
        .map_or(0.0, |since| since.elapsed().as_secs_f64());
    for worker in &mut workers {
        worker.tell_to_stop();
    }
    let finals = async {
        while let Some((number, counts)) = receiver.recv().await {
            supervisor.latest[number] = counts;
        }
    };
    let have_all_ended = timeout(END_MAX, finals).await.is_ok();
    let mut lost_workers = 0;
    for worker in &mut workers {
        let has_ended = matches!(timeout(END_MAX, worker.child.wait()).await, Ok(Ok(status)) if status.success());
        lost_workers += usize::from(!has_ended || !have_all_ended);
    }
    let total = supervisor.total();
    Ok(SwarmReport::new(target, held_s, lost_workers, &total))
}

struct Supervisor {
    latest: Vec<Counts>,
    target: usize,
    hold: Option<Duration>,
    held_since: Option<Instant>,
}

impl Supervisor {
    /// Follows the workers until the tabs were held long enough, or `stop`, or no worker is left.
    async fn follow(
        &mut self,
        receiver: &mut mpsc::Receiver<(usize, Counts)>,
        stop: impl Future<Output = ()>,
        started: Instant,
        progress: impl Fn(&str),
    ) {
        tokio::pin!(stop);
        let mut ticks = interval(PROGRESS_INTERVAL);
        loop {
            tokio::select! {
                () = &mut stop => return,
                line = receiver.recv() => match line {
                    Some((number, counts)) => self.latest[number] = counts,
                    None => return,
                },
                _ = ticks.tick() => {
                    let total = self.total();
                    progress(&total.progress_line(started.elapsed(), self.target));
                    if self.held_since.is_none() && total.settled() >= self.target as u64 {
                        self.held_since = Some(Instant::now());
                    }
                    let is_over = self.held_since.zip(self.hold).is_some_and(|(since, hold)| since.elapsed() >= hold);
                    if is_over {
                        return;
                    }
                }
            }
        }
    }

    fn total(&self) -> Counts {
        let mut total = Counts::default();
        for counts in &self.latest {
            total.add(counts);
        }
        total
    }
}

struct Worker {
    child: Child,
    input: Option<ChildStdin>,
}

impl Worker {
    async fn start(
        number: usize,
        program: &PathBuf,
        job: &Job,
        sender: mpsc::Sender<(usize, Counts)>,
    ) -> Result<Self> {
        let failed = |error| Error::io("starting a worker process", error);
        let mut child = Command::new(program)
            .arg(WORKER_COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let mut input = child.stdin.take();
        if let Some(output) = child.stdout.take() {
            let lines = BufReader::new(output).lines();
            tokio::spawn(forward_counts(number, lines, sender));
        }
        let job = serde_json::to_string(job).map_err(|error| Error::Usage(error.to_string()))?;
        if let Some(input) = &mut input {
            let line = format!("{job}\n");
            input.write_all(line.as_bytes()).await.map_err(failed)?;
        }
        Ok(Self { child, input })
    }

    fn tell_to_stop(&mut self) {
        self.input = None;
    }
}

async fn forward_counts(
    number: usize,
    mut lines: Lines<BufReader<ChildStdout>>,
    sender: mpsc::Sender<(usize, Counts)>,
) {
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str(&line) {
            Ok(counts) => {
                if sender.send((number, counts)).await.is_err() {
                    return;
                }
            }
            Err(error) => tracing::warn!(%error, number, "a worker's line could not be read"),
        }
    }
}

/// The workers' jobs; an impossible division is wrong usage.
fn divide(options: &SwarmOptions) -> Result<Vec<Job>> {
    let total = options.users * options.tabs_per_user;
    if total == 0 {
        return Err(Error::Usage("there are no tabs to hold".into()));
    }
    let needed = total.div_ceil(CONNECTIONS_PER_WORKER_MAX);
    let workers = options.workers.unwrap_or(needed).min(total);
    if workers < needed {
        return Err(Error::Usage(format!(
            "{total} tabs need at least {needed} workers: one holds {CONNECTIONS_PER_WORKER_MAX} at most"
        )));
    }
    let mut first = 0;
    #[allow(clippy::cast_precision_loss)] // a rate needs no 52 bits
    let share = |count: usize| options.rate * count as f64 / total as f64;
    Ok((0..workers)
        .map(|number| {
            let count = total / workers + usize::from(number < total % workers);
            let job = Job {
                options: options.clone(),
                first,
                count,
                rate: share(count),
            };
            first += count;
            job
        })
        .collect())
}

/// The hidden subcommand that makes a process a worker.
pub const WORKER_COMMAND: &str = "tabs-worker";
/// How many connections one worker holds: processes may have 20,000 descriptors on many systems.
pub const CONNECTIONS_PER_WORKER_MAX: usize = 18_000;
/// How many lines of workers wait to be taken.
const LINES_MAX: usize = 64;
/// How often counts are sent and progress is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// How long workers may take to end.
const END_MAX: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    fn options(users: usize, tabs_per_user: usize, workers: Option<usize>) -> SwarmOptions {
        SwarmOptions {
            address: "127.0.0.1:4066".parse().unwrap(),
            users,
            tabs_per_user,
            login_prefix: "user".into(),
            password: "password".into(),
            workers,
            rate: 100.0,
            hold: None,
            ping_interval: Duration::from_secs(15),
            queue_interval: Duration::from_secs(5),
            full_opening: false,
            is_echo: false,
        }
    }

    #[test]
    fn tabs_are_divided_without_gap_or_overlap() {
        let jobs = divide(&options(10_001, 4, None)).unwrap();
        assert_eq!(jobs.len(), 3);
        let mut next = 0;
        for job in &jobs {
            assert_eq!(job.first, next);
            assert!(job.count <= CONNECTIONS_PER_WORKER_MAX);
            next += job.count;
        }
        assert_eq!(next, 40_004);
        assert!((jobs.iter().map(|job| job.rate).sum::<f64>() - 100.0).abs() < 1e-6);
    }

    #[test]
    fn too_few_workers_and_no_tabs_are_wrong_usage() {
        assert!(matches!(
            divide(&options(18_001, 1, Some(1))),
            Err(Error::Usage(_))
        ));
        assert!(matches!(divide(&options(0, 1, None)), Err(Error::Usage(_))));
    }
}
