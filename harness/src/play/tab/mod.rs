//! Owns one simulated tab from its coming to its going: it comes in, is held, goes away and comes back as its behaviour says.
//!
//! It is made small, as there are thousands: no buffer of its own, one timer, no record of messages. What it gets goes to the
//! worker's ledger and tally.

mod act;
mod agenda;
mod come_in;
mod desk;
mod requests;

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use self::agenda::by_chance;
use self::desk::Desk;
pub(super) use self::requests::Requests;
use super::present::Handle;
use super::tally::{Counted, Timing};
use super::worker::Shared;
use crate::raw_link::RawLink;
use crate::scenario::FailureKind;

/// A tab that came in.
#[derive(Debug)]
struct Tab {
    link: RawLink,
    desk: Desk,
}

/// What is known of a tab that is to come in.
#[derive(Debug)]
struct Coming {
    /// When it is due, if it is at a set time.
    due: Option<Instant>,
    /// The session that it had before.
    session: Option<String>,
    /// Since when it tries to come back; `None`: it comes for the first time.
    back_since: Option<Instant>,
    /// How often it has failed since it was there.
    failures: u32,
}

/// How a tab's being there ended.
#[derive(Debug)]
enum End {
    /// It was to go.
    Left,
    /// It comes back after this time.
    Away(Duration),
    /// Its network is gone; it does not know when it comes back.
    Dropped,
    /// The server ended it, with this code or without one.
    Closed(Option<u16>),
    /// Something came that no server may send, or the connection failed.
    Failed(crate::Error),
}

/// The life of a tab. `permit` is given back when it is in.
pub(super) async fn live(
    handle: Rc<Handle>,
    due: Option<Instant>,
    permit: Option<OwnedSemaphorePermit>,
    shared: Rc<Shared>,
) {
    let mut coming = Coming {
        due,
        session: None,
        back_since: None,
        failures: 0,
    };
    let mut opening = Some(shared.opening(permit));
    loop {
        // In a box of its own, since the future of the opening is far bigger than that of the hold.
        let came = Box::pin(come_in::come_in(&handle, &mut coming, &shared)).await;
        drop(opening.take());
        let away = match came {
            Ok(tab) => {
                coming.came_in(&shared);
                let end = tab.stay(&shared).await;
                after(end, &handle, &mut coming, &shared)
            }
            Err((kind, error)) => {
                shared.fail(kind, error);
                coming.failures += 1;
                Some(back_off(&handle, coming.failures, &shared))
            }
        };
        let Some(away) = away else {
            return;
        };
        if !rest(&handle, away, &shared).await {
            return;
        }
        coming.due = None;
        coming.back_since.get_or_insert_with(Instant::now);
    }
}

impl Coming {
    fn came_in(&mut self, shared: &Shared) {
        if let Some(since) = self.back_since.take() {
            let phase = shared.phase_of(since.into_std());
            let mut tally = shared.tally.borrow_mut();
            tally.time(phase, Timing::ComeBack, since.elapsed(), None);
            tally.count(phase, Counted::Reconnections, 1);
        }
        self.failures = 0;
    }
}

/// What follows the end of a tab's being there: how long it is away, or `None` if it does not come back.
fn after(end: End, handle: &Handle, coming: &mut Coming, shared: &Shared) -> Option<Duration> {
    let is_slow = shared.is_slow(handle);
    match end {
        End::Left => return None,
        End::Away(time) => return Some(time),
        End::Dropped => {}
        End::Closed(_) | End::Failed(_) if is_slow => {
            let phase = shared.phase();
            let mut tally = shared.tally.borrow_mut();
            tally.count(phase, Counted::SlowReaderCloses, 1);
        }
        End::Closed(code) => {
            let login = shared.login_of(handle.user);
            let code = code.map_or("without a code".to_owned(), |code| format!("with {code}"));
            shared.fail(FailureKind::Closed, format!("{login}'s link, {code}"));
        }
        End::Failed(error) => shared.fail(FailureKind::Protocol, error),
    }
    // Its page keeps the session over the loss.
    coming.failures = 1;
    Some(back_off(handle, coming.failures, shared))
}

/// How long a tab waits before it tries again: by chance, and longer the more often it has failed.
fn back_off(handle: &Handle, failures: u32, shared: &Shared) -> Duration {
    let first = shared.behaviour(handle).back_off;
    let bound = first.saturating_mul(1 << (failures.clamp(1, 16) - 1));
    let bound = bound.min(BACK_OFF_MAX.max(first));
    by_chance(bound, &mut shared.random.borrow_mut()).min(bound)
}

/// Lets a time pass; whether the tab is to come back then.
async fn rest(handle: &Handle, time: Duration, shared: &Shared) -> bool {
    let until = Instant::now() + time;
    while !handle.leaves.get() && !shared.is_over() {
        tokio::select! {
            () = sleep_until(until) => return !handle.leaves.get() && !shared.is_over(),
            // It may be to go.
            () = handle.wake.notified() => {}
        }
    }
    false
}

/// The longest bound of a wait.
const BACK_OFF_MAX: Duration = Duration::from_secs(30);
