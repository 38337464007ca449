//! Owns the coming and going of a worker's tabs, phase by phase.

use std::rc::Rc;
use std::sync::Arc;

use rand::RngExt as _;
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::present::Handle;
use super::tab;
use super::worker::Shared;
use crate::scenario::{Arrival, FailureKind, Leg, Phase};

/// Lets the phases pass, with their tabs; then the scenario is over.
pub(super) async fn conduct(shared: Rc<Shared>) {
    let mut crowd = Crowd::new(Rc::clone(&shared));
    let phases = async {
        let legs = shared.schedule.legs.iter().zip(&shared.job.play.phases);
        for (number, (leg, phase)) in legs.enumerate() {
            sleep_until(shared.instant(leg.begin_s)).await;
            shared.set_phase(number);
            crowd.begin(phase);
            crowd.move_in(leg, phase).await;
            sleep_until(shared.instant(leg.end_s)).await;
        }
    };
    tokio::select! {
        () = phases => {}
        () = shared.until_over() => {}
    }
    shared.end();
}

/// The tabs that are there, or were to be.
struct Crowd {
    shared: Rc<Shared>,
    /// Those that have come; `None`: one that could not be begun.
    here: Vec<Option<Rc<Handle>>>,
}

impl Crowd {
    fn new(shared: Rc<Shared>) -> Self {
        Self {
            shared,
            here: Vec::new(),
        }
    }

    /// In a closed phase every tab that is there begins to ask, unless it does so already.
    fn begin(&self, phase: &Phase) {
        let Arrival::Closed {
            requests_at_once, ..
        } = phase.arrival
        else {
            return;
        };
        for handle in self.shared.present.borrow().all() {
            for _ in handle.loops.get()..requests_at_once {
                handle.loops.set(handle.loops.get() + 1);
                handle.ask(super::present::Asked {
                    method: self.shared.choose_method(),
                    due: None,
                });
            }
        }
    }

    /// Brings as many tabs as the phase wants, when it wants them.
    async fn move_in(&mut self, leg: &Leg, phase: &Phase) {
        if let Arrival::Closed {
            opening_at_once, ..
        } = phase.arrival
        {
            let end = self.shared.instant(leg.end_s);
            let at_once = opening_at_once.div_ceil(self.shared.job.share.workers);
            // What is not there by then comes in the next phase, or never.
            drop(timeout_at(end, self.move_closed(leg.to.tabs, at_once)).await);
            return;
        }
        let is_even = matches!(phase.arrival, Arrival::Open { is_even: true, .. });
        let seconds = leg.end_s - leg.begin_s;
        // What there is to be at once, and, in a phase that is gradual, what is to be there in its end.
        self.move_open(leg.from.tabs, leg.begin_s, JUMP_S.min(seconds), is_even)
            .await;
        self.move_open(leg.to.tabs, leg.begin_s, seconds, is_even)
            .await;
    }

    /// Each comes or goes when it is due.
    async fn move_open(&mut self, tabs: usize, begin_s: f64, seconds: f64, is_even: bool) {
        let (wanted, here) = (self.shared.own(tabs), self.here.len());
        let moments = self.moments(wanted.abs_diff(here), seconds, is_even);
        for moment in moments {
            let due = self.shared.instant(begin_s + moment);
            sleep_until(due).await;
            if wanted < here {
                self.send_away();
            } else {
                self.bring(due);
            }
        }
    }

    /// So many moments in a time, in their order.
    fn moments(&self, count: usize, seconds: f64, is_even: bool) -> Vec<f64> {
        if is_even {
            #[allow(clippy::cast_precision_loss)] // numbers of tabs
            let share = |place: usize| (place as f64 + 0.5) / count as f64 * seconds;
            return (0..count).map(share).collect();
        }
        let mut random = self.shared.random.borrow_mut();
        let mut moments: Vec<f64> = (0..count)
            .map(|_| random.random::<f64>() * seconds)
            .collect();
        moments.sort_unstable_by(f64::total_cmp);
        moments
    }

    /// One comes as soon as there is room among those that are coming.
    async fn move_closed(&mut self, tabs: usize, at_once: usize) {
        let wanted = self.shared.own(tabs);
        while self.here.len() > wanted {
            self.send_away();
        }
        let coming = Arc::new(Semaphore::new(at_once));
        while self.here.len() < wanted {
            let Ok(permit) = Arc::clone(&coming).acquire_owned().await else {
                return;
            };
            let handle = self.next_handle();
            let shared = Rc::clone(&self.shared);
            spawn_local(tab::live(handle, None, Some(permit), shared));
        }
    }

    fn bring(&mut self, due: Instant) {
        let shared = &self.shared;
        let max = shared.outstanding_max();
        if shared.count_opening() >= max {
            let words = format!("a tab, with {max} that were due before it and are not in");
            shared.fail(FailureKind::NotSent, words);
            self.here.push(None);
            return;
        }
        let handle = self.next_handle();
        spawn_local(tab::live(handle, Some(due), None, Rc::clone(&self.shared)));
    }

    fn next_handle(&mut self) -> Rc<Handle> {
        let place = self.shared.place(self.here.len());
        let (user, number) = self.shared.cast.tab(place);
        let behaviour = self.shared.cast.behaviour(place);
        let stays = self.shared.job.play.behaviours[behaviour].kind.stays();
        let handle = Rc::new(Handle::new(user, place, behaviour, number == 0, stays));
        self.here.push(Some(Rc::clone(&handle)));
        handle
    }

    /// The last that came goes.
    fn send_away(&mut self) {
        if let Some(Some(handle)) = self.here.pop() {
            self.shared.present.borrow_mut().announce_leaving(&handle);
        }
    }
}

/// How long it takes at most until the tabs of a spike are to be there.
const JUMP_S: f64 = 1.0;
