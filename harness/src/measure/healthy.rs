//! Owns tabs that do nothing wrong while others do: logged in, they send pings from a thread of their own, and how long these
//! take is measured.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::error::{Error, Result};
use crate::gateway::DEFAULT_PASSWORD;
use crate::message::Message;
use crate::raw_link::{INPUT_BYTES, LinkState, RawLink, append_text};
use crate::report::{histogram, record};
use crate::tab::connect::{self, ConnectOptions};
use crate::tab::login_fields;

/// Tabs that send a ping again and again.
#[derive(Debug)]
pub(super) struct HealthyTabs {
    round_trips: Arc<Mutex<Histogram<u64>>>,
    /// Dropped to end them.
    stop: watch::Sender<()>,
    thread: JoinHandle<Result<()>>,
}

impl HealthyTabs {
    /// Connects them all and logs them in as `user2`.
    pub(super) fn start(address: SocketAddr) -> Self {
        let round_trips = Arc::new(Mutex::new(histogram()));
        let (stop, stopped) = watch::channel(());
        let (ready, is_ready) = mpsc::channel();
        let shared = Arc::clone(&round_trips);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.map_err(|error| Error::io("starting a runtime", error))?;
            LocalSet::new().block_on(&runtime, ping_all(address, shared, stopped, ready))
        });
        // It is dropped, too, when the thread has failed, which `stop` then says.
        let _failed = is_ready.recv();
        Self {
            round_trips,
            stop,
            thread,
        }
    }

    /// What was measured since the last call.
    pub(super) fn take(&self) -> Histogram<u64> {
        let mut shared = self
            .round_trips
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *shared, histogram())
    }

    /// Ends them; a tab that was closed or not answered is an error.
    pub(super) fn stop(self) -> Result<()> {
        drop(self.stop);
        let panicked = |_| Error::Usage("the thread of the healthy tabs panicked".into());
        self.thread.join().map_err(panicked)?
    }
}

async fn ping_all(
    address: SocketAddr,
    round_trips: Arc<Mutex<Histogram<u64>>>,
    stopped: watch::Receiver<()>,
    ready: mpsc::Sender<()>,
) -> Result<()> {
    let mut login = Vec::new();
    let fields = login_fields("user2", DEFAULT_PASSWORD);
    append_text(
        &mut login,
        Message::new("login", fields).to_text().as_bytes(),
    );
    let mut links = Vec::new();
    for _ in 0..TABS {
        let options = ConnectOptions::subprotocol(Some("json"));
        let mut link = RawLink::new(connect::connect(address, &options).await?);
        link.queue(&login);
        links.push(link);
    }
    drop(ready);
    let input = Rc::new(RefCell::new(vec![0; INPUT_BYTES]));
    let started = Instant::now();
    let mut pinging = JoinSet::new();
    for (place, link) in (0..).zip(links) {
        // Spread over the interval, so that they do not ask all at once.
        let first = started + INTERVAL * place / TABS;
        let (round_trips, input) = (Arc::clone(&round_trips), Rc::clone(&input));
        let stopped = stopped.clone();
        pinging.spawn_local(ping(link, first, round_trips, input, stopped));
    }
    while let Some(ended) = pinging.join_next().await {
        ended.map_err(|error| Error::Usage(error.to_string()))??;
    }
    Ok(())
}

async fn ping(
    mut link: RawLink,
    first: Instant,
    round_trips: Arc<Mutex<Histogram<u64>>>,
    input: Rc<RefCell<Vec<u8>>>,
    mut stopped: watch::Receiver<()>,
) -> Result<()> {
    let mut frame = Vec::new();
    append_text(&mut frame, br#"["ping",{"qid":"1"}]"#);
    let mut ticks = interval_at(first, INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = stopped.changed() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let sent_at = Instant::now();
        link.queue(&frame);
        let answered = timeout(ANSWER_MAX, answer(&mut link, &input)).await;
        answered.map_err(|_| {
            Error::Usage(format!("a healthy tab had no answer within {ANSWER_MAX:?}"))
        })??;
        let mut shared = round_trips.lock().unwrap_or_else(PoisonError::into_inner);
        record(&mut shared, sent_at.elapsed());
    }
}

async fn answer(link: &mut RawLink, input: &RefCell<Vec<u8>>) -> Result<()> {
    let mut is_answered = false;
    while !is_answered {
        link.flush().await?;
        link.readable().await?;
        let state = link.read(&mut input.borrow_mut(), |_| is_answered = true)?;
        if let LinkState::Ended(code) = state {
            return Err(Error::Usage(format!("a healthy tab was closed: {code:?}")));
        }
    }
    Ok(())
}

/// How many there are.
const TABS: u32 = 100;
/// How often each sends a ping.
const INTERVAL: Duration = Duration::from_millis(50);
/// How long an answer may take at all.
const ANSWER_MAX: Duration = Duration::from_secs(10);
