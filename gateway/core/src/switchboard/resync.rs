//! After the driver came (back): the switch's snapshot becomes the truth.
//!
//! What it does not list has ended; what it lists goes on, and only real
//! differences make events. Legs that the switchboard does not know are left
//! alone and counted.

use std::collections::HashMap;
use std::sync::Arc;

use super::Switchboard;
use super::call::{Call, LegState, Role, Stage};
use super::limits::after;
use crate::base::{ChainId, Instant, LegId};
use crate::pbx::{EndCause, PhoneState, SnapshotLeg};

type Snapshot<'a> = HashMap<LegId, &'a SnapshotLeg>;

impl Switchboard {
    pub(super) fn resynchronise(
        &mut self,
        phones: &[(Arc<str>, PhoneState)],
        legs: &[SnapshotLeg],
        now: Instant,
    ) {
        self.is_connected = true;
        self.calls.forget_commands();
        let states: HashMap<&str, PhoneState> =
            phones.iter().map(|(number, it)| (&**number, *it)).collect();
        for phone in self.users.iter_mut().flat_map(|user| &mut user.phones) {
            let state = states.get(&*phone.number);
            phone.is_registered = state == Some(&PhoneState::Registered);
        }
        for leg in legs {
            if self.calls.of_leg(leg.leg).is_none() {
                self.counters.reports_ignored += 1;
            }
        }
        let snapshot = legs.iter().map(|leg| (leg.leg, leg)).collect();
        for chain in self.calls.chains() {
            self.resynchronise_call(chain, &snapshot, now);
        }
        let users: Vec<_> = (0..self.users.iter().count()).collect();
        self.refresh_users(&users);
    }

    fn resynchronise_call(&mut self, chain: ChainId, snapshot: &Snapshot<'_>, now: Instant) {
        let Some(call) = self.calls.get_mut(chain) else {
            return;
        };
        let legs: Vec<_> = call.live_legs().collect();
        for leg in &legs {
            let is_answered = snapshot.get(leg).is_some_and(|it| it.is_answered);
            if let Some(role) = call.role_of_leg(*leg).filter(|_| is_answered) {
                call.raise(role, LegState::Answered, now);
            }
        }
        let lost: Vec<_> = legs
            .iter()
            .filter(|leg| !snapshot.contains_key(leg))
            .collect();
        if !lost.is_empty() {
            for leg in lost {
                self.calls.end_leg(*leg);
            }
            return self.end_call(chain, EndCause::Failed, now);
        }
        if let Stage::Ending { cause } = call.stage {
            return self.end_call(chain, cause, now);
        }
        call.settle_stage();
        if matches!(call.stage, Stage::Connecting { .. } | Stage::Talking { .. }) {
            call.stage = talk_in(snapshot, call, now);
        }
        let deadline = match call.stage {
            Stage::Arrived => after(now, self.limits.route_timeout),
            Stage::Setup => after(now, self.limits.ring_timeout),
            _ => None,
        };
        self.calls.set_deadline(chain, deadline);
        self.step(chain);
        self.advance(chain, now);
    }
}

/// Whether the switch still joins the two sides, or one of them holds the other.
fn talk_in(snapshot: &Snapshot<'_>, call: &Call, now: Instant) -> Stage {
    let since = match call.stage {
        Stage::Talking { since, .. } => Some(since),
        Stage::Connecting { since } => since,
        _ => None,
    };
    let of = |role: Role| snapshot.get(&call.side(role).live_leg()?);
    let is_held = |role: Role| of(role).is_some_and(|leg| leg.is_held);
    let is_joined = of(Role::Caller).is_some_and(|leg| {
        leg.joined_with.is_some() && leg.joined_with == call.side(Role::Callee).live_leg()
    });
    let held_by = Role::BOTH.into_iter().find(|role| is_held(role.other()));
    if is_joined || held_by.is_some() {
        Stage::Talking {
            since: since.unwrap_or(now),
            held_by: held_by.filter(|_| !is_joined),
            is_changing: false,
        }
    } else {
        Stage::Connecting { since }
    }
}
