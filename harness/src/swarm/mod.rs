//! Owns many held tabs: the supervisor that divides them among worker processes, follows their counts and reports.
//!
//! Options come in; progress lines and one report go out.

mod asking;
mod call_time;
mod counts;
mod held_tab;
pub(crate) mod process;
mod worker;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, interval, timeout, timeout_at};

pub(crate) use self::asking::{Packets, ask};
pub(crate) use self::call_time::CallTimes;
pub use self::call_time::timed_caller;
pub use self::counts::{Counts, SwarmReport};
pub(crate) use self::process::WorkerProcess;
pub use self::worker::run_worker;
use crate::error::{Error, Result};

/// Which tabs are held, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SwarmOptions {
    /// The gateway's address for tabs.
    pub address: SocketAddr,
    /// How many users.
    pub users: usize,
    /// The number of the first user, from 1 on.
    pub first_user: usize,
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
    /// How many connections a worker opens at once.
    pub opening_max: usize,
    /// How long the tabs are held once all are there; `None`: until told to stop.
    pub hold: Option<Duration>,
    /// How often each tab sends `ping`; zero: never.
    pub ping_interval: Duration,
    /// How often each tab asks `getcurrentqueue`; zero: never.
    pub queue_interval: Duration,
    /// Go through the whole opening sequence of a browser library, not only `login` and the subscriptions.
    pub full_opening: bool,
    /// Every so-manyth tab is told of numbers' states.
    pub number_states_every: usize,
    /// What tabs get is judged: whether each event of a user reaches each of its tabs, once and in order.
    pub is_judged: bool,
    /// The server is the reference, which echoes: no login, no subscriptions, pings only.
    pub is_reference: bool,
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
    program: &Path,
    stop: impl Future<Output = ()>,
    progress: impl Fn(&str),
) -> Result<SwarmReport> {
    let mut swarm = Swarm::start(options, program).await?;
    tokio::select! {
        () = stop => {}
        () = swarm.hold(progress) => {}
    }
    Ok(swarm.stop().await)
}

/// Worker processes that open tabs, or hold them already.
#[derive(Debug)]
pub struct Swarm {
    workers: Vec<WorkerProcess>,
    /// The latest counts of each worker.
    latest: watch::Receiver<Vec<Counts>>,
    target: usize,
    hold: Option<Duration>,
    started: Instant,
    held_since: Option<Instant>,
}

impl Swarm {
    /// Starts the workers; the tabs come after that. `program` is this program's file.
    pub async fn start(options: SwarmOptions, program: &Path) -> Result<Self> {
        let jobs = divide(&options)?;
        let (sender, latest) = watch::channel(vec![Counts::default(); jobs.len()]);
        let mut workers = Vec::new();
        for (number, job) in jobs.iter().enumerate() {
            let sender = sender.clone();
            let take = move |counts| sender.send_modify(|latest| latest[number] = counts);
            workers.push(WorkerProcess::start(program, WORKER_COMMAND, job, take).await?);
        }
        Ok(Self {
            latest,
            workers,
            target: options.users * options.tabs_per_user,
            hold: options.hold,
            started: Instant::now(),
            held_since: None,
        })
    }

    /// Waits until every tab is opened or has failed to; a failure of any is an error.
    pub async fn opened(&mut self, within: Duration) -> Result<()> {
        let counts = self.settled(within).await?;
        if counts.held == self.target as u64 {
            return Ok(());
        }
        let first = counts.first_failure.as_deref().unwrap_or("some are closed");
        Err(Error::Usage(format!(
            "of {} tabs {} are held: {first}",
            self.target, counts.held
        )))
    }

    /// Waits until every tab is opened or has failed to; gives the counts.
    pub async fn settled(&mut self, within: Duration) -> Result<Counts> {
        let target = self.target as u64;
        self.until(within, |counts| counts.settled() >= target)
            .await
    }

    /// Waits until the counts of all workers are as wanted; gives them.
    pub async fn until(
        &mut self,
        within: Duration,
        is_as_wanted: impl Fn(&Counts) -> bool,
    ) -> Result<Counts> {
        let deadline = Instant::now() + within;
        loop {
            let counts = self.counts();
            if is_as_wanted(&counts) {
                return Ok(counts);
            }
            match timeout_at(deadline, self.latest.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Error::Usage("all worker processes have ended".into())),
                Err(_) => {
                    return Err(Error::Deadline {
                        awaited: "what the tabs are to count".into(),
                        after: within,
                        instead: counts.progress_line(self.started.elapsed(), self.target),
                    });
                }
            }
        }
    }

    /// Follows the workers until the tabs were held long enough, or no worker is left.
    async fn hold(&mut self, progress: impl Fn(&str)) {
        let mut ticks = interval(PROGRESS_INTERVAL);
        loop {
            tokio::select! {
                changed = self.latest.changed() => if changed.is_err() {
                    return;
                },
                _ = ticks.tick() => {
                    let total = self.counts();
                    progress(&total.progress_line(self.started.elapsed(), self.target));
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

    /// Ends the workers and the tabs with them.
    pub async fn stop(mut self) -> SwarmReport {
        let held_s = self
            .held_since
            .map_or(0.0, |since| since.elapsed().as_secs_f64());
        for worker in &mut self.workers {
            worker.tell_to_stop();
        }
        let finals = async { while self.latest.changed().await.is_ok() {} };
        let have_all_ended = timeout(END_MAX, finals).await.is_ok();
        let mut lost_workers = 0;
        for worker in &mut self.workers {
            let has_ended = worker.has_ended_well().await;
            lost_workers += usize::from(!has_ended || !have_all_ended);
        }
        SwarmReport::new(self.target, held_s, lost_workers, &self.counts())
    }

    fn counts(&mut self) -> Counts {
        let mut total = Counts::default();
        for counts in self.latest.borrow_and_update().iter() {
            total.add(counts);
        }
        total
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

/// The telephone number of the first user.
pub const NUMBER_FIRST: usize = 101;
/// The hidden subcommand that makes a process a worker.
pub const WORKER_COMMAND: &str = "tabs-worker";
/// How many connections one worker holds: processes may have 20,000 descriptors on many systems.
pub const CONNECTIONS_PER_WORKER_MAX: usize = 18_000;
/// How many connections a worker opens at once, unless that is what is measured.
pub const OPENING_MAX: usize = 64;
/// How often workers send their counts.
const COUNTS_INTERVAL: Duration = Duration::from_millis(250);
/// How often progress is shown.
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
            first_user: 1,
            tabs_per_user,
            login_prefix: "user".into(),
            password: "password".into(),
            workers,
            rate: 100.0,
            opening_max: OPENING_MAX,
            hold: None,
            ping_interval: Duration::from_secs(15),
            queue_interval: Duration::from_secs(5),
            full_opening: false,
            number_states_every: 1,
            is_judged: false,
            is_reference: false,
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
