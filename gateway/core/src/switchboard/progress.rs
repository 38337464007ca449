//! How calls move: on the switch's reports, and when something took too long.

use super::Switchboard;
use super::chain::{Asked, Chain, Focus, LegState, MemberId, Place, Routing, Service};
use crate::base::{ChainId, CommutationId, ConferenceId, Instant, LegId};
use crate::pbx::{EndCause, PbxEvent, PhoneState, Voice};

impl Switchboard {
    /// The switch reports something.
    pub fn handle_pbx(&mut self, event: PbxEvent, now: Instant) {
        match event {
            PbxEvent::Connected { phones, legs } => self.resynchronise(&phones, &legs, now),
            PbxEvent::Disconnected => self.is_connected = false,
            PbxEvent::Accepted(command) => self.command_accepted(command, now),
            PbxEvent::Failed(command, failure) => {
                self.counters.commands_failed += 1;
                self.command_failed(command, Some(failure), now);
            }
            PbxEvent::TimedOut(command) => {
                self.counters.commands_timed_out += 1;
                self.command_failed(command, None, now);
            }
            PbxEvent::Phone { number, state } => self.phone_changed(&number, state, now),
            PbxEvent::Incoming {
                leg,
                caller,
                caller_name,
                called,
            } => self.incoming(leg, caller, caller_name, called, now),
            PbxEvent::HandDialled { leg, from, called } => {
                self.hand_dialled(leg, &from, &called, now);
            }
            PbxEvent::Ringing(leg) => self.leg_rose(leg, LegState::Ringing, now),
            PbxEvent::Answered(leg) => self.leg_rose(leg, LegState::Answered, now),
            PbxEvent::Joined(first, second) => self.joined(first, second, now),
            PbxEvent::Held(leg) => self.held(leg, now),
            PbxEvent::Parted(leg) => self.placed(leg, Place::Silence, now),
            PbxEvent::Conferred(leg, room, voice) => self.conferred(leg, room, voice, now),
            PbxEvent::Ended(leg, cause) => self.leg_ended(leg, cause, now),
        }
        self.serve_lines(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.next_timeout().is_some_and(|deadline| deadline <= now) {
            let Some((_, chain)) = self.calls.next_deadline() else {
                return;
            };
            self.change(chain, now, |board, chain| board.expire(chain, now));
        }
        self.serve_lines(now);
    }

    /// Lets `act` change a call, then does all that follows from it.
    pub(super) fn change<T>(
        &mut self,
        chain: ChainId,
        now: Instant,
        act: impl FnOnce(&mut Self, &mut Chain) -> T,
    ) -> Option<T> {
        let mut chain = self.calls.take(chain)?;
        let outcome = act(self, &mut chain);
        self.settle(chain, now);
        Some(outcome)
    }

    /// As [`Switchboard::change`], for the member whose leg this is. A report about an
    /// unknown leg, or one that is no news, is counted.
    fn change_at_leg(
        &mut self,
        leg: LegId,
        now: Instant,
        act: impl FnOnce(&mut Self, &mut Chain, MemberId) -> bool,
    ) {
        let chain = self.calls.chain_of(leg);
        let is_news = chain.and_then(|chain| {
            self.change(chain, now, |board, chain| {
                let member = chain.member_of_leg(leg).map(|member| member.id);
                member.is_some_and(|member| act(board, chain, member))
            })
        });
        if is_news != Some(true) {
            self.counters.reports_ignored += 1;
        }
    }

    fn phone_changed(&mut self, number: &str, state: PhoneState, now: Instant) {
        let Some(user) = self.numbers.user_of(number) else {
            self.counters.reports_ignored += 1;
            return;
        };
        for phone in &mut self.users[user].phones {
            if *phone.number == *number {
                phone.is_registered = state == PhoneState::Registered;
            }
        }
        self.refresh_users(&[user], now);
    }

    fn leg_rose(&mut self, leg: LegId, state: LegState, now: Instant) {
        self.change_at_leg(leg, now, |board, chain, id| {
            let Some(member) = chain.member_mut(id) else {
                return false;
            };
            if member.is_leaving() || !member.raise(state, now) {
                return false;
            }
            if state == LegState::Answered {
                match &member.service {
                    Service::Candidate => chain.hunt_is_over(id),
                    Service::Ivr { .. } => board.ivr_answered(chain, id, now),
                    Service::Phone | Service::Hunt(_) => {}
                }
            }
            true
        });
    }

    fn joined(&mut self, first: LegId, second: LegId, now: Instant) {
        self.change_at_leg(first, now, |board, chain, one| {
            let Some(two) = chain.member_of_leg(second).map(|member| member.id) else {
                return false;
            };
            chain.place(one, Place::With(second));
            chain.place(two, Place::With(first));
            board.note_talk(chain, one, two, now)
        });
    }

    /// The first time that two members hear each other their talk begins. What the
    /// switch did unasked is followed: it is the truth.
    fn note_talk(&mut self, chain: &mut Chain, one: MemberId, two: MemberId, now: Instant) -> bool {
        let is_theirs = |bond: &&mut super::chain::Bond| {
            [(one, two), (two, one)].contains(&(bond.caller, bond.callee))
        };
        let Some(bond) = chain.bonds.iter_mut().find(is_theirs) else {
            return false;
        };
        if bond.talk_since.is_none() {
            bond.talk_since = Some(now);
            self.counters.calls_connected += 1;
        }
        let focus = Focus::Bond(bond.id);
        if chain.change.is_none() {
            chain.take_back_unasked(&[one, two], focus);
        }
        true
    }

    fn held(&mut self, leg: LegId, now: Instant) {
        self.change_at_leg(leg, now, |_, chain, id| {
            chain.place(id, Place::Music);
            chain.hold_unasked(id)
        });
    }

    fn placed(&mut self, leg: LegId, place: Place, now: Instant) {
        self.change_at_leg(leg, now, |_, chain, id| {
            chain.place(id, place);
            true
        });
    }

    fn conferred(&mut self, leg: LegId, room: ConferenceId, voice: Voice, now: Instant) {
        self.change_at_leg(leg, now, |_, chain, id| {
            chain.place(id, Place::Room(room, voice));
            if chain.conference.as_ref().is_some_and(|it| it.id == room) {
                chain.conferred(id, now);
            }
            true
        });
    }

    pub(super) fn leg_ended(&mut self, leg: LegId, cause: EndCause, now: Instant) {
        self.change_at_leg(leg, now, |board, chain, id| {
            board.calls.end_leg(leg);
            chain.change = None;
            chain.leg_is_gone(id);
            board.lose(chain, id, cause, now);
            true
        });
    }

    /// A member is gone, or gives up.
    pub(super) fn lose(&mut self, chain: &mut Chain, id: MemberId, cause: EndCause, now: Instant) {
        self.candidate_failed(chain, id, cause, now);
        let fresh = CommutationId(self.fresh_guid());
        chain.leave(id, cause, fresh, now);
    }

    fn expire(&mut self, chain: &mut Chain, now: Instant) {
        let is_due = |time: Option<Instant>| time.is_some_and(|time| time <= now);
        for bond in &mut chain.bonds {
            if matches!(bond.routing, Routing::Awaited(until) if is_due(until)) {
                bond.routing = Routing::Done;
            }
        }
        if is_due(chain.operation_until) {
            self.places_failed(chain, now);
        }
        let rang = chain.members.iter().filter(|it| is_due(it.ring_until));
        let rang: Vec<_> = rang.map(|member| member.id).collect();
        for id in rang {
            self.lose(chain, id, EndCause::NoAnswer, now);
        }
        self.expire_services(chain, now);
    }
}

impl Chain {
    /// What a leg hears from now on, and who no longer hears it.
    pub(super) fn place(&mut self, id: MemberId, place: Place) {
        let Some(leg) = self.member_mut(id).and_then(|member| member.leg.as_mut()) else {
            return;
        };
        leg.refused = None;
        leg.asked.take_if(|asked| *asked == Asked::Place(place));
        let before = std::mem::replace(&mut leg.place, place);
        let own = leg.id;
        if let Place::With(partner) = before
            && before != place
            && let Some(partner) = self.member_of_leg(partner)
            && let Some(leg) = &mut partner.leg
            && leg.place == Place::With(own)
        {
            leg.place = Place::Silence;
        }
    }

    pub(super) fn leg_is_gone(&mut self, id: MemberId) {
        self.place(id, Place::Silence);
        if let Some(leg) = self.member_mut(id).and_then(|member| member.leg.as_mut()) {
            leg.state = LegState::Ended;
        }
    }

    /// A leg is on hold though nobody asked here: whom it talked with has put it there.
    fn hold_unasked(&mut self, held: MemberId) -> bool {
        let Some(member) = self.member(held) else {
            return false;
        };
        if self.change.is_some() || self.target(member) == Place::Music {
            return true;
        }
        let bond = self.bond_of(member.current);
        let Some(bond) = bond.filter(|bond| bond.is_talk() && self.is_mutual(bond)) else {
            return false;
        };
        let holder = self.other(bond, held).filter(|it| it.held.is_none());
        let holder = holder.map(|holder| holder.id);
        if let Some(holder) = holder {
            self.hold(holder);
        }
        holder.is_some()
    }

    /// Two legs hear each other though one had put the other aside.
    fn take_back_unasked(&mut self, both: &[MemberId], focus: Focus) {
        for id in both {
            if let Some(member) = self.member_mut(*id)
                && member.current.is_none()
                && member.held == Some(focus)
            {
                member.current = member.held.take();
            }
        }
    }
}
