//! Owns one worker process: its job from the standard input, its tabs on one thread, its counts to the standard output.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::{Instant, interval, sleep_until};

use super::counts::Counts;
use super::held_tab::HeldTab;
use super::{COUNTS_INTERVAL, Job, NUMBER_FIRST, process};
use crate::error::Result;
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
    process::work(work())
}

async fn work() -> Result<()> {
    let mut input = BufReader::new(tokio::io::stdin());
    let job: Job = process::job(&mut input).await?;
    let shared = Rc::new(Shared {
        job,
        counts: RefCell::default(),
        round_trips: RefCell::new(report::histogram()),
        rings: RefCell::new(report::histogram()),
        ledger: RefCell::new(Ledger::new(NUMBER_FIRST)),
        begun: Instant::now(),
        input: RefCell::new(vec![0; INPUT_BYTES]),
    });
    shared.counts.borrow_mut().rss_bytes_before = process::own_rss_bytes();
    spawn_local(open_tabs(Rc::clone(&shared)));
    let mut ticks = interval(COUNTS_INTERVAL);
    let mut byte = [0];
    loop {
        tokio::select! {
            _ = input.read(&mut byte) => break,
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
        counts.rss_bytes = process::own_rss_bytes();
        if is_last {
            counts.round_trips = report::steps(&self.round_trips.borrow());
            counts.rings = report::steps(&self.rings.borrow());
            let ledger = self.ledger.take().finish();
            counts.ledger = self.job.options.is_judged.then_some(ledger);
        }
        process::tell(&*counts)
    }
}
