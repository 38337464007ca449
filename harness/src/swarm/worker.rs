//! Owns one worker process: its job from the standard input, its tabs on one thread, its counts to the standard output.

use std::cell::RefCell;
use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, interval, sleep_until};

use super::counts::Counts;
use super::held_tab::HeldTab;
use super::{COUNTS_INTERVAL, Job, NUMBER_FIRST};
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::raw_link::INPUT_BYTES;
use crate::report;

/// What the tabs of a worker share.
pub(super) struct Shared {
    pub(super) job: Job,
    pub(super) counts: RefCell<Counts>,
    pub(super) round_trips: RefCell<Histogram<u64>>,
    /// From a call's beginning to its ring in a tab.
    pub(super) rings: RefCell<Histogram<u64>>,
    /// The judgement of what tabs get.
    pub(super) ledger: RefCell<Ledger>,
    /// When the job was begun.
    pub(super) begun: Instant,
    /// The buffer that all links read into.
    pub(super) input: RefCell<Vec<u8>>,
}

/// Does the job that stands on the first line of the standard input, until that input ends.
pub fn run_worker() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::io("starting a runtime", error))?;
    report::raise_descriptor_limit();
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, work())
}

async fn work() -> Result<()> {
    let mut input = BufReader::new(tokio::io::stdin());
    let mut line = String::new();
    let read = input.read_line(&mut line).await;
    read.map_err(|error| Error::io("reading the job", error))?;
    let job: Job =
        serde_json::from_str(&line).map_err(|error| Error::Malformed(error.to_string()))?;
    let shared = Rc::new(Shared {
        job,
        counts: RefCell::default(),
        round_trips: RefCell::new(report::histogram()),
        rings: RefCell::new(report::histogram()),
        ledger: RefCell::new(Ledger::new(NUMBER_FIRST)),
        begun: Instant::now(),
        input: RefCell::new(vec![0; INPUT_BYTES]),
    });
    shared.counts.borrow_mut().rss_bytes_before = own_rss();
    spawn_local(open_tabs(Rc::clone(&shared)));
    let mut ticks = interval(COUNTS_INTERVAL);
    let mut byte = [0];
    let listen = |kind| signal(kind).map_err(|error| Error::io("listening for signals", error));
    let mut interrupts = listen(SignalKind::interrupt())?;
    let mut terminations = listen(SignalKind::terminate())?;
    loop {
        // Signals often go to the whole process group: they end the supervisor, which then ends this process in order.
        tokio::select! {
            _ = input.read(&mut byte) => break,
            _ = interrupts.recv() => {}
            _ = terminations.recv() => {}
            _ = ticks.tick() => shared.print(false)?,
        }
    }
    shared.print(true)
}

/// Opens the tabs at the set rate, a bounded number at once.
async fn open_tabs(shared: Rc<Shared>) {
    let opening = Arc::new(Semaphore::new(shared.job.options.opening_max));
    let gap = if shared.job.rate > 0.0 {
        Duration::from_secs_f64(1.0 / shared.job.rate)
    } else {
        Duration::ZERO
    };
    let started = Instant::now();
    for place in 0..shared.job.count {
        if gap > Duration::ZERO {
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            sleep_until(started + gap.saturating_mul(place)).await;
        }
        let Ok(permit) = Arc::clone(&opening).acquire_owned().await else {
            return;
        };
        let shared = Rc::clone(&shared);
        spawn_local(async move {
            let index = shared.job.first + place;
            let opened = HeldTab::open(index, &shared).await;
            let after = shared.begun.elapsed().as_micros();
            shared.counts.borrow_mut().settled_after_us = u64::try_from(after).unwrap_or(u64::MAX);
            drop(permit);
            // A task of its own, since the future of the opening is far bigger than that of the hold.
            if let Some(tab) = opened {
                spawn_local(tab.hold(shared));
            }
        });
    }
}

impl Shared {
    fn print(&self, is_last: bool) -> Result<()> {
        let mut counts = self.counts.borrow_mut();
        counts.rss_bytes = own_rss();
        if is_last {
            counts.round_trips = report::steps(&self.round_trips.borrow());
            counts.rings = report::steps(&self.rings.borrow());
            let ledger = self.ledger.take().finish();
            counts.ledger = self.job.options.is_judged.then_some(ledger);
        }
        let line =
            serde_json::to_string(&*counts).map_err(|error| Error::Malformed(error.to_string()))?;
        writeln!(std::io::stdout().lock(), "{line}")
            .map_err(|error| Error::io("writing the counts", error))
    }
}

fn own_rss() -> u64 {
    report::process_rss_bytes(std::process::id()).unwrap_or_default()
}
