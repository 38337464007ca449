//! The watchdog: a thread that notices when a shard does not get on: because a
//! task blocks its thread, or because a wake-up was lost.
//!
//! It only logs and counts: what a stuck shard holds cannot be taken from it.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::ring::{PARK_MAX, ShardHandle};

/// Watches shards as long as it lives.
#[derive(Debug)]
pub struct Watchdog {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Watches these shards; one that makes no progress for `patience`, and at
    /// least for a second, is logged and counted.
    pub fn start<Message: Send + 'static>(
        shards: Vec<ShardHandle<Message>>,
        patience: Duration,
    ) -> io::Result<Self> {
        // A shard without traffic wakes up this often by itself.
        let patience = patience.max(2 * PARK_MAX);
        let (stop, stopped) = mpsc::channel();
        let mut watched: Vec<Watched<Message>> = shards.into_iter().map(Watched::new).collect();
        let thread = thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || {
                let every = patience / 4;
                while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    let now = Instant::now();
                    for (number, shard) in watched.iter_mut().enumerate() {
                        shard.look(number, patience, now);
                    }
                }
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // It ends when the channel closes; a panic in it was printed.
            let _ = thread.join();
        }
    }
}

struct Watched<Message> {
    shard: ShardHandle<Message>,
    progress: u64,
    since: Instant,
    reported: bool,
    logged: Option<Instant>,
    /// How long the thread had waited for a processor at its last progress.
    processor_wait: Duration,
}

/// What the kernel says of a thread.
#[derive(Debug, Default)]
struct ThreadState {
    /// `R` runs or wants to, `S` sleeps, `D` waits for a device.
    state: String,
    /// The function of the kernel in which it sleeps, as far as this process may know.
    kernel: String,
    /// How long it was ready to run and had no processor, since it began.
    processor_wait: Duration,
}

impl ThreadState {
    /// Nothing, where the system says nothing.
    fn read(thread: u32) -> Self {
        let read = |file| std::fs::read_to_string(format!("/proc/self/task/{thread}/{file}"));
        let (stat, schedule) = (
            read("stat").unwrap_or_default(),
            read("schedstat").unwrap_or_default(),
        );
        // The name before the state stands in brackets and may hold anything.
        let state = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.split(' ').next());
        let wait = schedule
            .split(' ')
            .nth(1)
            .and_then(|wait| wait.parse().ok());
        Self {
            state: state.unwrap_or_default().to_owned(),
            kernel: read("wchan").unwrap_or_default(),
            processor_wait: Duration::from_nanos(wait.unwrap_or(0)),
        }
    }
}

impl<Message> Watched<Message> {
    fn new(shard: ShardHandle<Message>) -> Self {
        Self {
            shard,
            progress: 0,
            since: Instant::now(),
            reported: false,
            logged: None,
            processor_wait: Duration::ZERO,
        }
    }

    fn look(&mut self, number: usize, patience: Duration, now: Instant) {
        let counters = self.shard.counters();
        let (progress, pending) = (counters.progress.value(), self.shard.pending());
        let ended = counters.ended.load(Ordering::Relaxed);
        // Without progress at all it has not started yet.
        if progress != self.progress || progress == 0 || ended {
            let thread = counters.thread.load(Ordering::Relaxed);
            self.processor_wait = ThreadState::read(thread).processor_wait;
            self.progress = progress;
            self.since = now;
            self.reported = false;
            return;
        }
        let stuck = now.saturating_duration_since(self.since);
        if stuck < patience || self.reported {
            return;
        }
        self.reported = true;
        counters.stalls.fetch_add(1, Ordering::Relaxed);
        if self
            .logged
            .is_none_or(|logged| now.saturating_duration_since(logged) >= LOG_PAUSE)
        {
            self.logged = Some(now);
            let thread = ThreadState::read(counters.thread.load(Ordering::Relaxed));
            tracing::error!(
                shard = number,
                stuck_ms = stuck.as_millis(),
                pending,
                stalls = counters.stalls(),
                place = ?counters.place(),
                thread = %thread.state,
                kernel = %thread.kernel,
                processor_wait_ms = thread.processor_wait.saturating_sub(self.processor_wait).as_millis(),
                "a shard makes no progress"
            );
        }
    }
}

/// The least time between two log lines about one shard.
const LOG_PAUSE: Duration = Duration::from_secs(10);
