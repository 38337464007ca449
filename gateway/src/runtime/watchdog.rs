//! The watchdog: a thread that notices when a shard has something to do and
//! does not get on with it.
//!
//! It only logs and counts: what a stuck shard holds cannot be taken from it.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::ring::ShardHandle;

/// Watches shards as long as it lives.
#[derive(Debug)]
pub struct Watchdog {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Watches these shards; one that has work and makes no progress for
    /// `patience` is logged and counted.
    pub fn start<Message: Send + 'static>(
        shards: Vec<ShardHandle<Message>>,
        patience: Duration,
    ) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let mut watched: Vec<Watched<Message>> = shards.into_iter().map(Watched::new).collect();
        let thread = thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || {
                let every = (patience / 4).max(Duration::from_millis(1));
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
}

impl<Message> Watched<Message> {
    fn new(shard: ShardHandle<Message>) -> Self {
        Self {
            shard,
            progress: 0,
            since: Instant::now(),
            reported: false,
            logged: None,
        }
    }

    fn look(&mut self, number: usize, patience: Duration, now: Instant) {
        let counters = self.shard.counters();
        let (progress, pending) = (counters.progress.value(), self.shard.pending());
        let waiting = counters.waiting.load(Ordering::Relaxed);
        // A shard that waits with an empty mailbox has nothing to do; one that
        // was not started yet, or has ended, has made its last progress.
        if progress != self.progress || (waiting && pending == 0) || progress == 0 {
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
            tracing::error!(
                shard = number,
                stuck_ms = stuck.as_millis(),
                pending,
                stalls = counters.stalls(),
                "a shard makes no progress"
            );
        }
    }
}

/// The least time between two log lines about one shard.
const LOG_PAUSE: Duration = Duration::from_secs(10);
