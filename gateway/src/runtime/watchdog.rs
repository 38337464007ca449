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
            self.processor_wait = processor_wait(thread);
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
            let thread = counters.thread.load(Ordering::Relaxed);
            let waited = processor_wait(thread).saturating_sub(self.processor_wait);
            tracing::error!(
                shard = number,
                stuck_ms = stuck.as_millis(),
                pending,
                stalls = counters.stalls(),
                place = ?counters.place(),
                thread = %thread_state(thread),
                kernel = %of_thread(thread, "wchan"),
                processor_wait_ms = waited.as_millis(),
                "a shard makes no progress"
            );
        }
    }
}

/// A file of the kernel about a thread of this process; empty where it says nothing.
fn of_thread(thread: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/self/task/{thread}/{file}")).unwrap_or_default()
}

/// `R` runs or wants to, `S` sleeps, `D` waits for a device.
fn thread_state(thread: u32) -> String {
    let stat = of_thread(thread, "stat");
    // The name before the state stands in brackets and may hold anything.
    let state = stat.rsplit(") ").next();
    let state = state.and_then(|rest| rest.split(' ').next());
    state.unwrap_or_default().to_owned()
}

/// How long the thread was ready to run and had no processor, since it began.
fn processor_wait(thread: u32) -> Duration {
    let schedule = of_thread(thread, "schedstat");
    let wait = schedule.split(' ').nth(1);
    Duration::from_nanos(wait.and_then(|wait| wait.parse().ok()).unwrap_or(0))
}

/// The least time between two log lines about one shard.
const LOG_PAUSE: Duration = Duration::from_secs(10);
