//! Calls that the switch brings: outside callers, and numbers dialled by hand.

use std::sync::Arc;

use super::calls::Purpose;
use super::chain::{Chain, LegState, MemberId, Origin, Routing, Service};
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
        self.change(chain, now, |_, chain| {
            let mut bonds = chain.bonds.iter_mut();
            let awaited = bonds.find(|bond| matches!(bond.routing, Routing::Awaited(_)));
            let Some(bond) = awaited else {
                return;
            };
            bond.routing = Routing::Done;
            let caller = bond.caller;
            if let Some(caller) = chain.member_mut(caller) {
                caller.party.name = name.or_else(|| caller.party.name.take());
                caller.party.comment = comment;
            }
        });
        self.serve_lines(now);
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
        let Some((mut chain, source)) = self.enter(leg, from) else {
            return;
        };
        let to = self.called_here(&called);
        let refused = match to.user {
            None if to.party.is_outside => Some(EndCause::Unknown),
            None => None,
            Some(user) if self.is_redirected(user) || self.own_line(user).is_some() => None,
            Some(user) => self.phone_for_call(user, chain.id, &called).err(),
        };
        let user = to.user.map(|user| self.users[user].reference.clone());
        let wanted = chain.add_member(to.user, to.party, to.service);
        let commutation = CommutationId(self.fresh_guid());
        let bond = chain.add_bond(source, wanted, Origin::Outside, commutation, now);
        if let Some(cause) = refused {
            chain.end_all(cause);
            return self.settle(chain, now);
        }
        if let Some(bond) = chain.bond_mut(bond) {
            bond.routing = Routing::Awaited(after(now, self.limits.route_timeout));
        }
        if let Some(user) = to.user {
            self.users[user].waiting.push(chain.id);
            chain.waited_for = Some(user);
        }
        self.outputs.push_back(Output::Arrived(Arrival {
            chain: chain.id,
            caller: number,
            caller_name: name,
            called,
            user,
        }));
        self.settle(chain, now);
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
            service: Service::Phone,
        };
        let to = self.called_here(called);
        let is_own = to.user == Some(user);
        let Some((mut chain, source)) = self.enter(leg, from_phone) else {
            return;
        };
        let wanted = chain.add_member(to.user, to.party, to.service);
        let commutation = CommutationId(self.fresh_guid());
        chain.add_bond(source, wanted, Origin::HandDialled, commutation, now);
        if self.users[user].call.is_some() {
            chain.end_all(EndCause::Busy);
            return self.settle(chain, now);
        }
        self.users[user].call = Some(chain.id);
        if is_own {
            self.show(&mut chain, true, now);
            chain.end_all(EndCause::Busy);
        }
        self.settle(chain, now);
    }

    /// Whom a number dialled at the switch means: no ids there.
    fn called_here(&self, called: &Arc<str>) -> Target {
        let here = self.numbers.called(called, &self.users);
        here.unwrap_or_else(|| outside(Arc::clone(called)))
    }

    /// A leg that came by itself starts a call, if there is room for one.
    fn enter(&mut self, leg: LegId, from: Target) -> Option<(Box<Chain>, MemberId)> {
        if self.calls.chain_of(leg).is_some() {
            self.counters.reports_ignored += 1;
            return None;
        }
        if self.calls.len() >= self.limits.calls_max {
            self.counters.calls_over_limit += 1;
            let cause = EndCause::Busy;
            self.send(None::<(LegId, Purpose)>, Command::HangUp { leg, cause });
            return None;
        }
        let mut chain = self.new_chain();
        let caller = chain.add_member(from.user, from.party, from.service);
        chain.set_leg(caller, leg, LegState::Waiting);
        self.calls.add_leg(chain.id, leg);
        Some((chain, caller))
    }

    /// A call without anybody in it.
    pub(super) fn new_chain(&mut self) -> Box<Chain> {
        self.counters.calls_started += 1;
        Box::new(Chain::new(ChainId(self.fresh_guid())))
    }
}

/// What lines show of a caller who hides the number: without one, libraries
/// offer no answer button (protocol 6.5).
const ANONYMOUS: &str = "anonymous";
