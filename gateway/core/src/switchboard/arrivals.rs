//! Calls that the switch brings: outside callers, and numbers dialled by hand.

use std::sync::Arc;

use super::call::{Call, LegState, Origin, Role, Side, Stage};
use super::limits::after;
use super::numbers::{Target, outside};
use super::{Arrival, Output, Switchboard};
use crate::base::{ChainId, CommutationId, Instant, LegId};
use crate::pbx::{Command, EndCause};

impl Switchboard {
    /// Lets an outside caller who arrived through to the phone, with the name
    /// and further words that the CRM gave, if it gave any. A caller who has
    /// gone meanwhile is simply gone.
    pub fn route(
        &mut self,
        chain: ChainId,
        name: Option<Arc<str>>,
        comment: Option<Arc<str>>,
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(chain) else {
            return;
        };
        if call.stage != Stage::Arrived {
            return;
        }
        call.stage = Stage::Setup;
        let party = &mut call.side_mut(Role::Caller).party;
        party.name = name.or_else(|| party.name.take());
        party.comment = comment;
        self.no_longer_waits(chain);
        self.advance(chain, now);
    }

    pub(super) fn incoming(
        &mut self,
        leg: LegId,
        number: Option<Arc<str>>,
        name: Option<Arc<str>>,
        called: Arc<str>,
        now: Instant,
    ) {
        let mut from = outside(number.clone().unwrap_or_else(|| ANONYMOUS.into()));
        from.party.name.clone_from(&name);
        let to = self.called_here(&called);
        let wanted_user = to.user;
        let Some(chain) = self.enter(leg, Origin::Outside, Stage::Arrived, from, to, now) else {
            return;
        };
        let phone = match wanted_user {
            None => Err(EndCause::Unknown),
            Some(user) => self.phone_for_call(user, chain, &called).map(|_| user),
        };
        let user = match phone {
            Ok(user) => user,
            Err(cause) => return self.end_call(chain, cause, now),
        };
        self.users[user].waiting.push(chain);
        let deadline = after(now, self.limits.route_timeout);
        self.calls.set_deadline(chain, deadline);
        self.outputs.push_back(Output::Arrived(Arrival {
            chain,
            caller: number,
            caller_name: name,
            called,
            user: self.users[user].reference.clone(),
        }));
    }

    pub(super) fn hand_dialled(
        &mut self,
        leg: LegId,
        from: &Arc<str>,
        called: &Arc<str>,
        now: Instant,
    ) {
        let Some(user) = self.numbers.user_of(from) else {
            self.counters.reports_ignored += 1;
            return;
        };
        let from_phone = Target {
            user: Some(user),
            party: self.users[user].party(Arc::clone(from)),
        };
        let to = self.called_here(called);
        let is_own = to.user == Some(user);
        let origin = Origin::HandDialled;
        let Some(chain) = self.enter(leg, origin, Stage::Setup, from_phone, to, now) else {
            return;
        };
        if self.users[user].call.is_some() {
            return self.end_call(chain, EndCause::Busy, now);
        }
        self.users[user].call = Some(chain);
        self.step(chain);
        if is_own {
            return self.end_call(chain, EndCause::Busy, now);
        }
        self.advance(chain, now);
    }

    /// Whom a number dialled at the switch means: no ids there.
    fn called_here(&self, called: &Arc<str>) -> Target {
        match self.numbers.user_of(called) {
            Some(user) => Target {
                user: Some(user),
                party: self.users[user].party(Arc::clone(called)),
            },
            None => outside(Arc::clone(called)),
        }
    }

    /// A leg that came by itself starts a call, if there is room for one.
    fn enter(
        &mut self,
        leg: LegId,
        origin: Origin,
        stage: Stage,
        from: Target,
        to: Target,
        now: Instant,
    ) -> Option<ChainId> {
        if self.calls.of_leg(leg).is_some() {
            self.counters.reports_ignored += 1;
            return None;
        }
        if self.calls.len() >= self.limits.calls_max {
            self.counters.calls_over_limit += 1;
            let cause = EndCause::Busy;
            self.send(None, Command::HangUp { leg, cause });
            return None;
        }
        let chain = self.new_call(origin, stage, from, to);
        self.calls
            .add_leg(chain, Role::Caller, leg, LegState::Waiting);
        let deadline = after(now, self.limits.ring_timeout);
        self.calls.set_deadline(chain, deadline);
        Some(chain)
    }

    pub(super) fn new_call(
        &mut self,
        origin: Origin,
        stage: Stage,
        from: Target,
        to: Target,
    ) -> ChainId {
        let chain = ChainId(self.fresh_guid());
        let commutation = CommutationId(self.fresh_guid());
        let sides = [from, to].map(|target| Side::new(target.user, target.party));
        let call = Call::new(chain, commutation, origin, stage, sides);
        self.calls.insert(call);
        self.counters.calls_started += 1;
        chain
    }
}

/// What lines show of a caller who hides the number: without one, libraries
/// offer no answer button (protocol 6.5).
const ANONYMOUS: &str = "anonymous";
