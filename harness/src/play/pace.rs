//! Owns what a worker does at set times beside its tabs: requests that are due, and the look at its own lateness.

use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;
use tokio::time::sleep_until;

use super::present::Asked;
use super::tally::Timing;
use super::worker::Shared;
use crate::scenario::{Arrivals, Level};

/// Lets random tabs make the requests that are due, whether those before were answered or not.
pub(super) async fn ask(shared: Rc<Shared>) {
    let job = &shared.job;
    let mut random = ChaCha8Rng::seed_from_u64(job.seed);
    random.set_stream(REQUESTS_STREAM + job.share.number as u64);
    // Its part of the requests is that of the tabs, which is not always that of the users.
    #[allow(clippy::cast_precision_loss)] // numbers of tabs
    let rate = |level: &Level| {
        let all = if level.tabs == 0 {
            job.play.users.tabs()
        } else {
            level.tabs
        };
        level.requests_per_s * shared.own(all) as f64 / all as f64
    };
    let mut arrivals = Arrivals::new(&shared.schedule, &job.play.phases, rate, random);
    let asking = async {
        while let Some(at_s) = arrivals.next_s() {
            let due = shared.instant(at_s);
            sleep_until(due).await;
            shared.ask_due(Asked {
                method: shared.choose_method(),
                due: Some(due),
            });
        }
    };
    tokio::select! {
        () = asking => {}
        () = shared.until_over() => {}
    }
}

/// Notes how late this thread is, again and again: everything that it times may be that late.
pub(super) async fn watch_lag(shared: Rc<Shared>) {
    let mut due = tokio::time::Instant::now();
    while !shared.is_over() {
        due += LAG_INTERVAL;
        sleep_until(due).await;
        let late = Instant::now().saturating_duration_since(due.into_std());
        let phase = shared.phase_of(due.into_std());
        shared
            .tally
            .borrow_mut()
            .time(phase, Timing::Lag, late, None);
        // What it slept through needs no look of its own, but counts: each of those moments was late, too.
        while due + LAG_INTERVAL < tokio::time::Instant::now() {
            due += LAG_INTERVAL;
            let late = due.elapsed();
            shared
                .tally
                .borrow_mut()
                .time(phase, Timing::Lag, late, None);
        }
    }
}

/// What chances of requests are drawn from, beside the seed.
const REQUESTS_STREAM: u64 = 1 << 16;
/// How often a worker looks at its lateness.
const LAG_INTERVAL: Duration = Duration::from_millis(10);
