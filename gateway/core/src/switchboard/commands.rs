//! Commands to the switch: who is dialled and how, and what becomes of a call when
//! a command fails.

use std::sync::Arc;

use super::calls::{Pending, Purpose};
use super::chain::{Chain, Focus, LegState, MemberId, Origin, Service};
use super::limits::after;
use super::{Output, Switchboard};
use crate::base::{ChainId, CommandId, Instant, LegId};
use crate::pbx::{Command, CommandFailure, EndCause};
use crate::protocol::Sequence;

impl Switchboard {
    /// Dials a member's phone or number, or puts the caller in a group's line.
    pub(super) fn dial(
        &mut self,
        chain: &mut Chain,
        id: MemberId,
        now: Instant,
    ) -> Result<(), EndCause> {
        self.redirect(chain, id);
        let service = chain.member(id).map(|member| &member.service);
        let is_group = matches!(service, Some(Service::Hunt(_)));
        let is_menu = matches!(service, Some(Service::Ivr { .. }));
        if (is_group || is_menu) && chain.rings_caller_first(id) {
            return Ok(());
        }
        if is_group {
            return self.begin_hunt(chain, id, now);
        }
        let Some(member) = chain.member(id) else {
            return Ok(());
        };
        let (user, wanted) = (member.user, member.party.number.clone().unwrap_or_default());
        let number = match user {
            None => Ok(wanted),
            Some(user) => self.phone_for_call(user, chain.id, &wanted),
        };
        if number == Err(EndCause::Busy) && self.waits_for(chain, id) {
            return self.begin_hunt(chain, id, now);
        }
        if user.is_some_and(|user| chain.has_another(user, id)) {
            return Err(EndCause::Busy);
        }
        let number = number?;
        if let Some(user) = user {
            self.users[user].call = Some(chain.id);
        }
        let (caller, caller_name) = chain.shown_on_phone(id);
        let auto_answer = chain.is_intercom(id);
        let leg = LegId(self.fresh_guid());
        let ring_timeout = self.ring_timeout(chain, id);
        chain.set_leg(id, leg, LegState::Requested);
        if let Some(member) = chain.member_mut(id) {
            member.ring_until = after(now, ring_timeout);
        }
        self.calls.add_leg(chain.id, leg);
        let command = Command::Dial {
            leg,
            number,
            caller,
            caller_name,
            auto_answer,
        };
        self.send(Some((leg, Purpose::Dial)), command);
        Ok(())
    }

    /// The phone of a user to ring for a call, or why none can be rung.
    pub(super) fn phone_for_call(
        &self,
        user: usize,
        chain: ChainId,
        wanted: &str,
    ) -> Result<Arc<str>, EndCause> {
        let record = &self.users[user];
        if record.call != Some(chain) && (record.call.is_some() || record.refuses_calls()) {
            return Err(EndCause::Busy);
        }
        let phone = record.phone_to_ring(Some(wanted));
        phone.cloned().ok_or(EndCause::Unreachable)
    }

    pub(super) fn send(&mut self, about: Option<(LegId, Purpose)>, command: Command) {
        if !self.is_connected {
            return;
        }
        self.last_command += 1;
        let id = CommandId(self.last_command);
        if let Some((leg, purpose)) = about {
            self.calls.expect(id, leg, purpose);
        }
        self.outputs.push_back(Output::Pbx(id, command));
    }

    pub(super) fn command_accepted(&mut self, command: CommandId, now: Instant) {
        let Some(pending) = self.calls.settle(command) else {
            self.counters.reports_ignored += 1;
            return;
        };
        self.change(pending.chain, now, |_, chain| {
            if pending.purpose == Purpose::Dial
                && let Some(member) = chain.member_of_leg(pending.leg)
            {
                member.raise(LegState::Dialling, now);
            }
        });
    }

    /// A command has no effect, or (without a failure) nobody knows.
    pub(super) fn command_failed(
        &mut self,
        command: CommandId,
        why: Option<CommandFailure>,
        now: Instant,
    ) {
        let Some(pending) = self.calls.settle(command) else {
            self.counters.reports_ignored += 1;
            return;
        };
        let Pending {
            chain,
            leg,
            purpose,
        } = pending;
        match (purpose, why) {
            (Purpose::Dial, Some(_)) => self.dial_failed(chain, leg, now),
            (Purpose::HangUp, Some(CommandFailure::NoSuchLeg)) => {
                self.leg_ended(leg, EndCause::Failed, now);
            }
            (Purpose::Dial, None) => {
                self.change(chain, now, |board, chain| {
                    if let Some(id) = chain.member_of_leg(leg).map(|member| member.id) {
                        board.lose(chain, id, EndCause::Failed, now);
                    }
                });
            }
            (Purpose::AnswerCaller | Purpose::Place, _) => {
                self.change(chain, now, |board, chain| board.places_failed(chain, now));
            }
            // The deadline repeats the one; the user may repeat the other.
            (Purpose::HangUp | Purpose::PickUp, _) => {
                self.change(chain, now, |_, _| ());
            }
        }
    }

    /// The switch would not dial at all: if that was part of a change, there is none.
    fn dial_failed(&mut self, chain: ChainId, leg: LegId, now: Instant) {
        self.change(chain, now, |board, chain| {
            board.calls.end_leg(leg);
            let Some(id) = chain.member_of_leg(leg).map(|member| member.id) else {
                return;
            };
            chain.leg_is_gone(id);
            if chain.is_dialled_by_change(id) && chain.undo() {
                return;
            }
            board.lose(chain, id, EndCause::Failed, now);
        });
    }
}

impl Chain {
    /// Whether a user takes part in the call already, or has not quite left it.
    fn has_another(&self, user: usize, than: MemberId) -> bool {
        let mut members = self.members.iter();
        members.any(|it| {
            let is_here = !it.is_leaving() || it.live_leg().is_some();
            it.user == Some(user) && it.id != than && is_here
        })
    }

    /// Nobody stands in a group's line or listens to a menu without a phone in the hand:
    /// where it was to be rung first, the caller is. Whether that is so.
    fn rings_caller_first(&mut self, callee: MemberId) -> bool {
        let bond = self.member(callee).and_then(|it| self.bond_of(it.current));
        let has_leg = bond
            .and_then(|bond| self.member(bond.caller))
            .is_none_or(|it| it.leg.is_some());
        let Some(bond) = bond.map(|bond| bond.id).filter(|_| !has_leg) else {
            return false;
        };
        if let Some(bond) = self.bond_mut(bond)
            && let Origin::BackCall { sequence, .. } = &mut bond.origin
        {
            *sequence = Sequence::User;
        }
        true
    }

    /// Number and name for the display of a member's phone.
    fn shown_on_phone(&self, id: MemberId) -> (Option<Arc<str>>, Option<Arc<str>>) {
        let member = self.member(id);
        let bond = member.and_then(|member| self.bond_of(member.current));
        let other = match (bond, member.and_then(|member| member.current)) {
            (Some(bond), _) => self.other(bond, id),
            (None, Some(Focus::Supervision)) => {
                self.supervision.and_then(|it| self.member(it.ghosted))
            }
            (None, _) => {
                let name = self.conference.as_ref().map(|it| Arc::clone(&it.room.name));
                return (None, name);
            }
        };
        other.map_or((None, None), |other| {
            (other.party.number.clone(), other.party.name.clone())
        })
    }

    fn is_intercom(&self, id: MemberId) -> bool {
        let member = self.member(id);
        let bond = member.and_then(|member| self.bond_of(member.current));
        bond.is_some_and(|bond| {
            bond.callee == id && matches!(bond.origin, Origin::BackCall { intercom: true, .. })
        })
    }
}
