//! What follows from every change of a call: who is dialled, what legs are to hear,
//! who is hung up; then, once the switch has made the change, what lines show.

use super::Switchboard;
use super::calls::Purpose;
use super::chain::{Asked, Chain, Focus, Leaving, Member, MemberId, Place, Routing, Service, Told};
use super::limits::after;
use crate::base::{Instant, LegId};
use crate::pbx::{Command, EndCause};

impl Switchboard {
    /// Does all that follows from a change of a call, which was taken out of the table,
    /// and puts it back, or forgets it if it is over.
    pub(super) fn settle(&mut self, mut chain: Box<Chain>, now: Instant) {
        self.dial_all(&mut chain, now);
        let is_settled = self.place_all(&mut chain, now);
        if is_settled {
            chain.change = None;
        }
        self.hang_up_all(&mut chain, now);
        if !chain.has_conference() {
            self.end_conference(&mut chain);
        }
        chain.remove_gone();
        self.show(&mut chain, is_settled, now);
        self.leave_lines(&mut chain);
        if chain.change.is_none() {
            self.write_journal(&mut chain, now);
        }
        if chain.members.is_empty() {
            self.counters.calls_ended += 1;
            self.calls.forget(chain);
        } else {
            let deadline = chain.next_deadline();
            self.calls.put(chain, deadline);
        }
    }

    fn dial_all(&mut self, chain: &mut Chain, now: Instant) {
        while self.is_connected {
            if let Some(id) = chain.next_to_dial() {
                if let Err(cause) = self.dial(chain, id, now) {
                    if chain.is_dialled_by_change(id) && chain.undo() {
                        continue;
                    }
                    self.lose(chain, id, cause, now);
                }
            } else if !self.ring_candidates(chain, now) {
                return;
            }
        }
    }

    /// Asks the switch for what legs ought to hear; whether they all do.
    fn place_all(&mut self, chain: &mut Chain, now: Instant) -> bool {
        let waiting = chain
            .members
            .iter()
            .filter(|it| chain.is_to_be_let_through(it));
        let waiting: Vec<LegId> = waiting.filter_map(Member::live_leg).collect();
        let wishes: Vec<_> = chain
            .misplaced()
            .map(|(member, leg, target)| (member.id, leg.id, leg.place, target))
            .collect();
        let is_settled = waiting.is_empty() && wishes.is_empty() && !chain.awaits_dial();
        for leg in waiting {
            if self.may_ask(chain, leg, Asked::Answer) {
                self.send(Some((leg, Purpose::AnswerCaller)), Command::Answer { leg });
            }
        }
        for (member, leg, place, target) in wishes {
            let Some((first, command)) = chain.placing(member, leg, place, target) else {
                continue;
            };
            if self.may_ask(chain, leg, Asked::Place(target)) {
                chain.joins_with(&command);
                self.send(Some((first, Purpose::Place)), command);
            }
        }
        if is_settled {
            chain.operation_until = None;
        } else if chain.operation_until.is_none() {
            chain.operation_until = after(now, self.limits.operation_timeout);
        }
        is_settled
    }

    /// Notes that the switch is asked to do something with a leg; false if it was asked
    /// to already, or is not there.
    fn may_ask(&self, chain: &mut Chain, leg: LegId, asked: Asked) -> bool {
        let member = chain.member_of_leg(leg);
        let Some(leg) = member.and_then(|member| member.leg.as_mut()) else {
            return false;
        };
        let is_news = self.is_connected && leg.asked != Some(asked);
        if is_news {
            leg.asked = Some(asked);
        }
        is_news
    }

    /// Hangs up whose part is over, and repeats what the switch refused or has done
    /// nothing about. Whose part ends with a change that may be undone is not hung up yet.
    fn hang_up_all(&mut self, chain: &mut Chain, now: Instant) {
        if !self.is_connected {
            return;
        }
        let may_be_undone = chain.change.is_some();
        let again_at = after(now, self.limits.hang_up_retry);
        let mut legs = Vec::new();
        for member in &mut chain.members {
            let leg = member.live_leg();
            let (Some(leg), Some(leaving)) = (leg, &mut member.leaving) else {
                continue;
            };
            let is_late = leaving.told != Told::NotYet || !may_be_undone;
            if is_late && leaving.is_to_be_told(now) {
                leaving.told = Told::Yes(again_at);
                legs.push((leg, leaving.cause));
            }
        }
        for (leg, cause) in legs {
            // A slow switch is not asked again before it has answered.
            if !self.calls.is_expected(leg, Purpose::HangUp) {
                let about = Some((leg, Purpose::HangUp));
                self.send(about, Command::HangUp { leg, cause });
            }
        }
    }

    /// The switch would not, or did not in time, let legs hear what they ought to: the
    /// change is undone, or who cannot be joined is hung up.
    pub(super) fn places_failed(&mut self, chain: &mut Chain, now: Instant) {
        chain.operation_until = None;
        for leg in chain.members.iter_mut().filter_map(|it| it.leg.as_mut()) {
            leg.asked = None;
        }
        if chain.undo() {
            return;
        }
        let waiting = chain
            .members
            .iter()
            .filter(|it| chain.is_to_be_let_through(it));
        let mut failed: Vec<_> = waiting.map(|member| (member.id, member.current)).collect();
        let mut given_up = Vec::new();
        for (member, _, target) in chain.misplaced() {
            match target {
                Place::With(_) | Place::Room(..) => failed.push((member.id, member.current)),
                Place::Silence | Place::Music => given_up.push((member.id, target)),
            }
        }
        for (id, target) in given_up {
            if let Some(leg) = chain.member_mut(id).and_then(|it| it.leg.as_mut()) {
                leg.refused = Some(target);
            }
        }
        for (id, focus) in failed {
            self.cannot_hear(chain, id, focus, now);
        }
    }

    fn cannot_hear(&mut self, chain: &mut Chain, id: MemberId, focus: Option<Focus>, now: Instant) {
        match focus {
            Some(Focus::Bond(bond)) if chain.is_supervised(bond) => chain.end_supervision(),
            Some(Focus::Bond(bond)) => chain.drop_bond(bond, EndCause::Failed),
            _ => self.lose(chain, id, EndCause::Failed, now),
        }
    }
}

impl Leaving {
    fn is_to_be_told(&self, now: Instant) -> bool {
        match self.told {
            Told::NotYet => true,
            Told::Yes(again_at) => again_at.is_some_and(|time| time <= now),
        }
    }
}

impl Chain {
    /// A pair was asked for with one command.
    fn joins_with(&mut self, command: &Command) {
        let Command::Join { first, second } = command else {
            return;
        };
        for (one, other) in [(*first, *second), (*second, *first)] {
            let member = self.member_of_leg(one);
            if let Some(leg) = member.and_then(|member| member.leg.as_mut()) {
                leg.asked = Some(Asked::Place(Place::With(other)));
            }
        }
    }

    /// The command that lets a leg hear what it ought to. A pair needs one for both,
    /// and so does a parting; the leg to which it is noted is the caller's.
    fn placing(
        &self,
        id: MemberId,
        leg: LegId,
        place: Place,
        target: Place,
    ) -> Option<(LegId, Command)> {
        match target {
            Place::Music => Some((leg, Command::Hold { held: leg })),
            Place::Room(room, voice) => Some((leg, Command::Confer { leg, room, voice })),
            Place::With(second) => {
                let bond = self.bond_of(self.member(id)?.current)?;
                let (first, second) = if bond.caller == id {
                    (leg, second)
                } else {
                    (second, leg)
                };
                Some((first, Command::Join { first, second }))
            }
            Place::Silence => {
                let partner = match place {
                    Place::With(partner) => self
                        .members
                        .iter()
                        .find(|it| it.live_leg() == Some(partner)),
                    _ => None,
                };
                // Whoever is joined with it goes elsewhere, or ends: then it is alone.
                let parts_by_itself = partner.is_some_and(|partner| {
                    partner.is_leaving()
                        || !matches!(self.target(partner), Place::Silence)
                        || partner.id < id
                });
                (!parts_by_itself).then_some((leg, Command::Part { leg }))
            }
        }
    }

    /// When something is to be done about the call next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let members = self.members.iter().flat_map(|member| {
            let again = match member.leaving.map(|leaving| leaving.told) {
                Some(Told::Yes(again_at)) if member.live_leg().is_some() => again_at,
                _ => None,
            };
            let (service, give_up) = match &member.service {
                Service::Phone | Service::Candidate => (None, None),
                Service::Hunt(hunt) => (hunt.next_try, hunt.until),
                Service::Ivr { next, .. } => (next.as_ref().map(|(at, _)| *at), None),
            };
            let is_here = !member.is_leaving();
            [
                member.ring_until,
                again,
                service.filter(|_| is_here),
                give_up.filter(|_| is_here),
            ]
        });
        let routing = self.bonds.iter().map(|bond| match bond.routing {
            Routing::Awaited(until) => until,
            Routing::Done => None,
        });
        let all = members.chain(routing).chain([self.operation_until]);
        all.flatten().min()
    }
}
