//! After the driver came (back): the switch's snapshot becomes the truth.
//!
//! What it does not list has ended; what it lists goes on, and only real
//! differences make events. Legs that the switchboard does not know are left
//! alone and counted.

use std::collections::HashMap;
use std::sync::Arc;

use super::Switchboard;
use super::chain::{Chain, Focus, LegState, Member, Place, Routing, Told};
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
            if self.calls.chain_of(leg.leg).is_none() {
                self.counters.reports_ignored += 1;
            }
        }
        let snapshot = legs.iter().map(|leg| (leg.leg, leg)).collect();
        for chain in self.calls.chains() {
            self.resynchronise_call(chain, &snapshot, now);
        }
        let users: Vec<_> = (0..self.users.iter().count()).collect();
        self.refresh_users(&users, now);
    }

    fn resynchronise_call(&mut self, chain: ChainId, snapshot: &Snapshot<'_>, now: Instant) {
        self.change(chain, now, |board, chain| {
            chain.change = None;
            chain.operation_until = None;
            let ring_until = after(now, board.limits.ring_timeout);
            let route_until = after(now, board.limits.route_timeout);
            for bond in &mut chain.bonds {
                if let Routing::Awaited(until) = &mut bond.routing {
                    *until = route_until;
                }
            }
            let mut lost = Vec::new();
            for member in &mut chain.members {
                if let Some(told) = member.leaving.as_mut().map(|leaving| &mut leaving.told) {
                    *told = Told::NotYet;
                }
                let Some(leg) = member.live_leg() else {
                    continue;
                };
                if member.ring_until.is_some() {
                    member.ring_until = ring_until;
                }
                match snapshot.get(&leg) {
                    Some(found) => member.is_found(found, now),
                    None => lost.push((member.id, leg)),
                }
            }
            chain.settle_answers();
            chain.follow_unasked();
            for (id, leg) in lost {
                board.calls.end_leg(leg);
                chain.leg_is_gone(id);
                board.lose(chain, id, EndCause::Failed, now);
            }
        });
    }
}

impl Member {
    /// The leg is as the switch says.
    fn is_found(&mut self, found: &SnapshotLeg, now: Instant) {
        if found.is_answered {
            self.raise(LegState::Answered, now);
        }
        if let Some(leg) = &mut self.leg {
            leg.refused = None;
            leg.asked = None;
            leg.place = match (found.joined_with, found.room) {
                (Some(partner), _) => Place::With(partner),
                (None, Some((room, voice))) => Place::Room(room, voice),
                (None, None) if found.is_held => Place::Music,
                (None, None) => Place::Silence,
            };
        }
    }
}

impl Chain {
    /// Phones that were picked up meanwhile on behalf of a group.
    fn settle_answers(&mut self) {
        let mut members = self.members.iter();
        let answered = members.find(|member| {
            matches!(member.service, super::chain::Service::Candidate) && member.is_answered()
        });
        if let Some(candidate) = answered.map(|member| member.id) {
            self.hunt_is_over(candidate);
        }
    }

    /// What was held or taken back meanwhile without being asked for here.
    fn follow_unasked(&mut self) {
        let place = |chain: &Self, id| chain.member(id).and_then(|it| it.leg).map(|it| it.place);
        let talks = self.bonds.iter().filter(|bond| bond.is_talk());
        let talks: Vec<_> = talks
            .map(|bond| (bond.id, bond.caller, bond.callee))
            .collect();
        for (bond, caller, callee) in talks {
            let focus = Some(Focus::Bond(bond));
            let leg = self.member(callee).and_then(Member::live_leg);
            let is_joined = leg.is_some_and(|leg| place(self, caller) == Some(Place::With(leg)));
            for (own, other) in [(caller, callee), (callee, caller)] {
                let is_held = place(self, other) == Some(Place::Music);
                let Some(member) = self.member_mut(own) else {
                    continue;
                };
                if is_joined && member.current.is_none() && member.held == focus {
                    member.current = member.held.take();
                } else if is_held && member.current == focus && member.held.is_none() {
                    member.held = member.current.take();
                }
            }
        }
    }
}
