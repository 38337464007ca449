//! Owns a load of dynamic methods in an open model: runs are posted at a set rate, whatever became of those before, each with
//! inputs of its own, and every one is followed to its end.
//!
//! A run ends with its own outputs, with a failure that the gateway states, or badly: with another run's outputs, or without a
//! word.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::posts::Poster;
use crate::error::{Error, Result};
use crate::message::shortened;

/// What is run, and how often.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunsOptions {
    /// Runs a second.
    pub(super) rate: f64,
    /// How long each waits for its result.
    pub(super) timeout: Duration,
    /// Characters of each run's input.
    pub(super) input: usize,
    /// Whether connections stay open for further runs; else each run has one of its own.
    pub(super) keeps_connections: bool,
    /// Every so many runs one waits for the link; 0: none does.
    pub(super) waits_every: u64,
    /// What the times between two runs are drawn from.
    pub(super) seed: u64,
}

/// A load that goes on until it is stopped.
#[derive(Debug)]
pub(super) struct Runs {
    shared: Arc<Shared>,
    /// Dropped to end it.
    stop: watch::Sender<()>,
    posting: JoinHandle<()>,
}

/// What became of the runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RunsReport {
    /// How many there were.
    pub(super) posted: u64,
    /// Those that gave their own outputs.
    pub(super) answered: u64,
    /// Those of them that had waited for the link.
    pub(super) waited: u64,
    /// Failures that the gateway stated, by their code.
    pub(super) failed: BTreeMap<String, u64>,
    /// Those that got another run's outputs, or no outputs.
    pub(super) wrong: u64,
    /// Those that ended without a word.
    pub(super) lost: u64,
    /// The first that was wrong or lost.
    pub(super) first_bad: Option<String>,
}

impl RunsReport {
    /// Those that ended badly.
    pub(super) fn bad(&self) -> u64 {
        self.wrong + self.lost
    }

    /// Those that have ended.
    pub(super) fn ended(&self) -> u64 {
        self.answered + self.failed.values().sum::<u64>() + self.bad()
    }
}

impl fmt::Display for RunsReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} runs: {} with their result ({} had waited for the link)",
            self.posted, self.answered, self.waited
        )?;
        for (code, count) in &self.failed {
            write!(formatter, ", {count} {code}")?;
        }
        write!(formatter, ", {} wrong, {} lost", self.wrong, self.lost)?;
        match &self.first_bad {
            Some(bad) => write!(formatter, "; the first bad one: {bad}"),
            None => Ok(()),
        }
    }
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    options: RunsOptions,
    book: Mutex<Book>,
    /// Connections that are free.
    pool: Mutex<Vec<Poster>>,
}

#[derive(Debug, Default)]
struct Book {
    report: RunsReport,
    awaited: Option<Awaited>,
}

/// Somebody waits for the first answer to a run that was posted after this.
#[derive(Debug)]
struct Awaited {
    after: Instant,
    told: oneshot::Sender<Instant>,
}

/// How one run ended.
enum End {
    Answered,
    Failed(String),
    Wrong(String),
    Lost(String),
}

impl Runs {
    /// Begins to post to this address.
    pub(super) fn start(address: SocketAddr, options: RunsOptions) -> Self {
        let shared = Arc::new(Shared {
            address,
            options,
            book: Mutex::default(),
            pool: Mutex::default(),
        });
        let (stop, stopped) = watch::channel(());
        Self {
            posting: tokio::spawn(post_all(Arc::clone(&shared), stopped)),
            shared,
            stop,
        }
    }

    /// How it stands.
    pub(super) fn report(&self) -> RunsReport {
        self.shared.book().report.clone()
    }

    /// When the first run was answered of those that were posted after this.
    pub(super) async fn first_answered(&self, after: Instant, within: Duration) -> Result<Instant> {
        let (told, answered) = oneshot::channel();
        self.shared.book().awaited = Some(Awaited { after, told });
        match timeout(within, answered).await {
            Ok(Ok(at)) => Ok(at),
            Ok(Err(_)) | Err(_) => Err(Error::Deadline {
                awaited: "a run to be answered".into(),
                after: within,
                instead: self.report().to_string(),
            }),
        }
    }

    /// Posts no more, and waits for the last run's end.
    pub(super) async fn stop(self) -> Result<RunsReport> {
        drop(self.stop);
        let panicked = |error| Error::Usage(format!("the load of runs panicked: {error}"));
        self.posting.await.map_err(panicked)?;
        Ok(self.shared.book().report.clone())
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        // A panic while the lock is held cannot leave the counts half-written.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pool(&self) -> MutexGuard<'_, Vec<Poster>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One run, from the post to what is noted of it.
    async fn run(&self, number: u64) {
        let posted_at = Instant::now();
        let every = self.options.waits_every;
        let waits = every > 0 && number.is_multiple_of(every);
        // Nobody else says this.
        let input = json!({"text": text(number, self.options.input), "number": number});
        let end = match self.post(&input, waits).await {
            Err(error) => End::Lost(error.to_string()),
            Ok((status, answer)) => judge(status, &answer, &input),
        };
        let mut book = self.book();
        match end {
            End::Answered => {
                book.report.answered += 1;
                book.report.waited += u64::from(waits);
                book.answered(posted_at);
            }
            End::Failed(code) => *book.report.failed.entry(code).or_default() += 1,
            End::Wrong(what) => {
                book.report.wrong += 1;
                book.report.first_bad.get_or_insert(what);
            }
            End::Lost(what) => {
                book.report.lost += 1;
                book.report.first_bad.get_or_insert(what);
            }
        }
    }

    async fn post(&self, input: &Value, waits: bool) -> Result<(StatusCode, Value)> {
        let free = self.pool().pop();
        let mut poster = match free.filter(|poster| !poster.is_closed()) {
            Some(poster) => poster,
            None => Poster::connect(self.address).await?,
        };
        let wait = if waits {
            WAIT_MAX
        } else {
            self.options.timeout
        };
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let body = json!({"inputparameters": input, "timeout_ms": wait_ms, "wait_for_link": waits});
        let answered = timeout(wait + OVERTIME_MAX, poster.run(body.to_string())).await;
        let (status, body) = answered.map_err(|_| {
            Error::Usage(format!(
                "no answer {OVERTIME_MAX:?} after its time was over"
            ))
        })??;
        if self.options.keeps_connections {
            self.pool().push(poster);
        }
        let text = String::from_utf8_lossy(&body);
        let answer = serde_json::from_str(&text);
        let answer = answer.map_err(|error| {
            Error::Malformed(format!("{status}: {error}: {}", shortened(&text)))
        })?;
        Ok((status, answer))
    }
}

impl Book {
    fn answered(&mut self, posted_at: Instant) {
        if let Some(awaited) = self.awaited.take_if(|awaited| posted_at >= awaited.after) {
            // Who waited may have given up.
            let _gone = awaited.told.send(Instant::now());
        }
    }
}

/// What the answer makes of a run with this input.
fn judge(status: StatusCode, answer: &Value, input: &Value) -> End {
    if status.is_success() {
        if &answer["outputparameters"] == input {
            return End::Answered;
        }
        let [answer, input] = [answer, input].map(|value| shortened(&value.to_string()));
        return End::Wrong(format!("{input} got {answer}"));
    }
    let stated = answer["error"].as_str();
    match (status.as_u16(), stated) {
        (503, Some("unavailable")) | (504, Some("timeout")) | (429, Some("too_many")) => {
            End::Failed(stated.unwrap_or_default().to_owned())
        }
        _ => End::Wrong(format!("{status}: {}", shortened(&answer.to_string()))),
    }
}

fn text(number: u64, characters: usize) -> String {
    let mut text = format!("run {number} ");
    text.extend(std::iter::repeat_n(
        'x',
        characters.saturating_sub(text.len()),
    ));
    text
}

/// Posts as independent scenarios would; waits for the last of them.
async fn post_all(shared: Arc<Shared>, mut stopped: watch::Receiver<()>) {
    let mut random = ChaCha8Rng::seed_from_u64(shared.options.seed);
    let mut under_way = JoinSet::new();
    let mut next = Instant::now();
    for number in 1.. {
        let chance: f64 = random.random_range(f64::EPSILON..1.0);
        next += Duration::from_secs_f64(-chance.ln() / shared.options.rate);
        tokio::select! {
            _ = stopped.changed() => break,
            () = sleep_until(next) => {}
        }
        while under_way.try_join_next().is_some() {}
        let mut book = shared.book();
        book.report.posted += 1;
        if under_way.len() >= UNDER_WAY_MAX {
            book.report.lost += 1;
            let many = || format!("{UNDER_WAY_MAX} runs were under way: no more was posted");
            book.report.first_bad.get_or_insert_with(many);
            continue;
        }
        drop(book);
        let shared = Arc::clone(&shared);
        under_way.spawn(async move { shared.run(number).await });
    }
    under_way.join_all().await;
}

/// How long a run waits for the link that is to wait for it: longer than the longest pause between two tries.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How much later than that it may end.
const OVERTIME_MAX: Duration = Duration::from_secs(10);
/// How many runs are under way: the gateway takes no more connections.
const UNDER_WAY_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: u16, answer: &Value) -> &'static str {
        let status = StatusCode::from_u16(status).unwrap();
        match judge(status, answer, &json!({"text": "run 1", "number": 1})) {
            End::Answered => "answered",
            End::Failed(_) => "failed",
            End::Wrong(_) => "wrong",
            End::Lost(_) => "lost",
        }
    }

    #[test]
    fn only_its_own_outputs_and_stated_failures_are_good_ends_of_a_run() {
        let own = json!({"executionid": "e", "outputparameters": {"text": "run 1", "number": 1}});
        let others = json!({"outputparameters": {"text": "run 2", "number": 2}});
        assert_eq!(ended(200, &own), "answered");
        assert_eq!(ended(200, &others), "wrong");
        assert_eq!(ended(200, &json!({})), "wrong");
        assert_eq!(ended(503, &json!({"error": "unavailable"})), "failed");
        assert_eq!(ended(504, &json!({"error": "timeout"})), "failed");
        assert_eq!(ended(500, &json!({"error": "internal"})), "wrong");
        assert_eq!(ended(503, &json!({"error": "busy"})), "wrong");
    }

    #[test]
    fn every_run_says_something_of_its_own() {
        assert_eq!(text(7, 10), "run 7 xxxx");
        assert_ne!(text(12_345_678, 3), text(12_345_679, 3));
    }

    #[tokio::test]
    async fn runs_at_nobody_are_lost_and_counted() {
        let address = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let options = RunsOptions {
            rate: 10_000.0,
            timeout: Duration::from_secs(1),
            input: 10,
            keeps_connections: true,
            waits_every: 0,
            seed: 1,
        };
        let runs = Runs::start(address, options);
        let within = Duration::from_millis(50);
        assert!(runs.first_answered(Instant::now(), within).await.is_err());
        let report = runs.stop().await.unwrap();
        assert!(report.lost > 0 && report.lost == report.posted, "{report}");
        assert_eq!(report.ended(), report.posted);
    }
}
