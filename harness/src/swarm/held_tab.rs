//! Owns one held tab: its opening, then its pings, its questions for the queue, and counting what it gets.
//!
//! It is made small, as there are thousands: no buffer of its own, one timer, no record of messages.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::asking::ask;
use super::call_time;
use super::worker::Shared;
use crate::error::Result;
use crate::ledger::{Joining, TabKey};
use crate::load::source_address;
use crate::message::{peek_name, peek_qid};
use crate::raw_link::{LinkState, RawLink, request_frame};
use crate::report;
use crate::tab::connect::{self, ConnectOptions};
use crate::tab::opening;

/// A tab that came through its opening.
pub(super) struct HeldTab {
    link: RawLink,
    /// Of the next request.
    next_qid: u32,
    /// Where what it gets is judged, if it is.
    key: Option<TabKey>,
}

/// The times of a held tab.
struct Times {
    next_ping: Instant,
    next_queue: Instant,
    /// The `qid` of the ping that is under way, and when it was sent.
    ping: Option<(u32, Instant)>,
}

impl HeldTab {
    /// Opens the tab of this index; failures are counted.
    pub(super) async fn open(index: usize, shared: &Shared) -> Option<Self> {
        let options = &shared.job.options;
        let mut connect_options = ConnectOptions::subprotocol(Some("json"));
        connect_options.source = source_address(index, options.address);
        let connected = match connect::connect(options.address, &connect_options).await {
            Ok(connected) => connected,
            Err(error) => {
                shared.counts.borrow_mut().fail("connect", error);
                return None;
            }
        };
        shared.counts.borrow_mut().connected += 1;
        let user = options.first_user + index / options.tabs_per_user;
        let is_told_numbers = index.is_multiple_of(options.number_states_every);
        let mut tab = Self {
            link: RawLink::new(connected),
            next_qid: 0,
            key: None,
        };
        let login = format!("{}{user}", options.login_prefix);
        let sequence = sequence(&login, is_told_numbers, shared);
        let last = sequence.len();
        for (place, (method, fields)) in (1..).zip(sequence) {
            // From the last subscription on everything is to come.
            let join = || {
                let joins = place == last && options.is_judged;
                joins.then(|| join(user, &login, is_told_numbers, shared))
            };
            let outcome = tab.request(method, fields, shared, join).await;
            let mut counts = shared.counts.borrow_mut();
            if let Err(error) = outcome {
                let kind = if method == "login" {
                    "login"
                } else {
                    "opening"
                };
                counts.fail(kind, format!("{login}: {error}"));
                return None;
            }
            counts.logged_in += u64::from(method == "login");
        }
        let mut counts = shared.counts.borrow_mut();
        counts.opened += 1;
        counts.held += 1;
        drop(counts);
        Some(tab)
    }

    /// Holds the tab until its link ends.
    pub(super) async fn hold(mut self, shared: Rc<Shared>) {
        let ended = self.hold_until_end(&shared).await;
        let mut counts = shared.counts.borrow_mut();
        counts.held -= 1;
        if let Some(key) = self.key {
            shared.ledger.borrow_mut().leave(key);
        }
        match ended {
            Ok(code) => counts.closed(code),
            Err(error) => counts.fail("protocol", error),
        }
    }

    async fn hold_until_end(&mut self, shared: &Shared) -> Result<Option<u16>> {
        let options = &shared.job.options;
        let mut times = Times {
            next_ping: first_time(options.ping_interval),
            next_queue: if options.is_reference {
                Instant::now() + NEVER
            } else {
                first_time(options.queue_interval)
            },
            ping: None,
        };
        loop {
            let next = times.next_ping.min(times.next_queue);
            tokio::select! {
                readable = self.link.readable() => {
                    readable?;
                    let key = self.key;
                    let state = {
                        let mut input = shared.input.borrow_mut();
                        self.link.read(&mut input, |text| take(text, key, &mut times, shared))?
                    };
                    if let LinkState::Ended(code) = state {
                        return Ok(code);
                    }
                    // The answers to pings.
                    self.link.flush().await?;
                }
                () = sleep_until(next) => self.ask(&mut times, shared).await?,
            }
            self.link.shrink();
        }
    }

    /// Sends what is due.
    async fn ask(&mut self, times: &mut Times, shared: &Shared) -> Result<()> {
        let options = &shared.job.options;
        let now = Instant::now();
        if times.next_ping <= now {
            if times.ping.is_some() {
                let late = format!("no pong within {:?}", options.ping_interval);
                shared.counts.borrow_mut().fail("ping", late);
            }
            times.next_ping = now + options.ping_interval;
            let qid = self.send("ping").await?;
            times.ping = Some((qid, now));
        }
        if times.next_queue <= now {
            times.next_queue = now + options.queue_interval;
            self.send("getcurrentqueue").await?;
        }
        Ok(())
    }

    /// Asks and waits for the answer; whatever comes is counted. With the answer it may join those whose events are judged.
    async fn request(
        &mut self,
        method: &str,
        fields: Value,
        shared: &Shared,
        join: impl Fn() -> Option<TabKey>,
    ) -> Result<()> {
        let qid = self.take_qid();
        let key = &mut self.key;
        let take = |text: &[u8], is_answer| {
            count(text, *key, shared);
            if is_answer {
                *key = join();
            }
        };
        let link = &mut self.link;
        ask(link, &shared.input, qid, (method, fields), ANSWER_MAX, take).await
    }

    async fn send(&mut self, method: &str) -> Result<u32> {
        let qid = self.take_qid();
        let frame = request_frame(method, json!({}), qid);
        self.link.write_or_queue(&frame)?;
        self.link.flush().await?;
        Ok(qid)
    }

    fn take_qid(&mut self) -> u32 {
        let qid = self.next_qid;
        self.next_qid = qid.wrapping_add(1);
        qid
    }
}

/// What a tab asks before it is held.
fn sequence(login: &str, is_told_numbers: bool, shared: &Shared) -> Vec<(&'static str, Value)> {
    let options = &shared.job.options;
    if options.is_reference {
        return Vec::new();
    }
    if options.full_opening {
        return opening::sequence(login, &options.password);
    }
    opening::short_sequence(login, &options.password, is_told_numbers)
}

/// Takes a message of a held tab: the pong of its ping is timed, everything is counted.
fn take(text: &[u8], key: Option<TabKey>, times: &mut Times, shared: &Shared) {
    match count(text, key, shared) {
        Some("phoneevent_ringstarted") => {
            if let Some(age) = call_time::age(text) {
                report::record(&mut shared.rings.borrow_mut(), age);
            }
            return;
        }
        // A server that echoes sends pings back.
        Some("pong" | "ping") => {}
        _ => return,
    }
    let qid = peek_qid(text)
        .and_then(|qid| std::str::from_utf8(qid).ok())
        .and_then(|qid| qid.parse::<u32>().ok());
    if let Some((awaited, sent_at)) = times.ping
        && qid == Some(awaited)
    {
        times.ping = None;
        report::record(&mut shared.round_trips.borrow_mut(), sent_at.elapsed());
    }
}

/// Counts a message, and lets it be judged; gives its name.
fn count<'t>(text: &'t [u8], key: Option<TabKey>, shared: &Shared) -> Option<&'t str> {
    let whole = std::str::from_utf8(text);
    let name = whole.ok().and_then(peek_name);
    if let Some(key) = key {
        let mut ledger = shared.ledger.borrow_mut();
        ledger.take(
            key,
            name.unwrap_or_default(),
            text,
            std::time::Instant::now(),
        );
    }
    let mut counts = shared.counts.borrow_mut();
    counts.messages += 1;
    match (whole, name) {
        (Err(_), _) => counts.fail("protocol", "a text that is not UTF-8"),
        // A server that echoes sends pings back.
        (_, Some("pong" | "ping" | "multipart")) => {}
        (Ok(text), Some("error") | None) => {
            counts.fail("protocol", crate::message::shortened(text));
        }
        (_, Some(name)) if name.ends_with("result") => {}
        (_, Some(name)) => counts.event(name),
    }
    name
}

/// From now on what the tab gets is judged.
fn join(user: usize, login: &str, is_told_numbers: bool, shared: &Shared) -> TabKey {
    let joining = Joining {
        is_told_numbers,
        is_from_start: true,
        sets_states: false,
    };
    let mut ledger = shared.ledger.borrow_mut();
    ledger.join(user - 1, login, std::time::Instant::now(), joining)
}

/// A random time within the first interval, so that thousands of tabs do not ask all at once.
fn first_time(interval: Duration) -> Instant {
    if interval.is_zero() {
        return Instant::now() + NEVER;
    }
    Instant::now() + interval.mul_f64(rand::random())
}

/// How long each answer of an opening may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Later than any run.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
