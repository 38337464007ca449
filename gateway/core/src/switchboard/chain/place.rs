//! What each leg ought to hear, and who is to be dialled: both follow from the
//! chain, so that nothing has to remember what the switch was asked for.

use super::{Chain, Focus, Leg, LegState, Member, MemberId, Origin, Place, Routing, Service};
use crate::pbx::Voice;
use crate::protocol::{GhostMode, Sequence};

impl Chain {
    /// What an answered leg ought to hear.
    pub(in super::super) fn target(&self, member: &Member) -> Place {
        match member.current {
            None => Place::Silence,
            Some(Focus::Bond(_)) => self.target_in_bond(member),
            Some(Focus::Conference) => match &self.conference {
                Some(conference) => Place::Room(conference.id, Voice::Speak),
                None => Place::Silence,
            },
            Some(Focus::Supervision) => self.target_of_supervisor(),
        }
    }

    fn target_in_bond(&self, member: &Member) -> Place {
        let Some(bond) = self.bond_of(member.current) else {
            return Place::Silence;
        };
        if self.is_mutual(bond) {
            if let Some(supervision) = self.heard_supervision().filter(|it| it.bond == bond.id) {
                return Place::Room(supervision.id, Voice::Speak);
            }
            let other = self.other(bond, member.id).and_then(Member::live_leg);
            return other.map_or(Place::Silence, Place::With);
        }
        let other = self.other(bond, member.id);
        let is_in_line = other.is_some_and(|other| matches!(other.service, Service::Hunt(_)));
        let is_passed_on = bond.origin == Origin::Transfer && bond.caller == member.id;
        if bond.is_talk() || is_passed_on || is_in_line {
            Place::Music
        } else {
            Place::Silence
        }
    }

    fn target_of_supervisor(&self) -> Place {
        let Some(supervision) = self.supervision else {
            return Place::Silence;
        };
        let ghosted = self.member(supervision.ghosted).and_then(Member::live_leg);
        let voice = match (supervision.mode, ghosted) {
            (GhostMode::Conference, _) => Voice::Speak,
            (GhostMode::Help, Some(leg)) => Voice::Whisper(leg),
            (GhostMode::Help | GhostMode::Monitor, _) => Voice::Listen,
        };
        Place::Room(supervision.id, voice)
    }

    /// The supervision, once the supervisor has answered.
    fn heard_supervision(&self) -> Option<super::Supervision> {
        let hears = |supervision: &super::Supervision| {
            let supervisor = self.member(supervision.supervisor);
            supervisor.is_some_and(|it| it.is_answered() && !it.is_leaving())
        };
        self.supervision.filter(hears)
    }

    /// A leg that came by itself is to be let through: the other end has answered, or
    /// the caller has to wait in a line.
    pub(in super::super) fn is_to_be_let_through(&self, member: &Member) -> bool {
        if member.state() != Some(LegState::Waiting) || member.is_leaving() {
            return false;
        }
        let Some(bond) = self.bond_of(member.current) else {
            return member.current == Some(Focus::Conference);
        };
        let waits = |other: &Member| match &other.service {
            Service::Hunt(hunt) => hunt.is_waiting,
            _ => other.is_answered(),
        };
        self.other(bond, member.id).is_some_and(waits)
    }

    /// Members whose pictures wait for the switch: an answered leg does not hear yet
    /// what it ought to.
    pub(in super::super) fn misplaced(&self) -> impl Iterator<Item = (&Member, Leg, Place)> {
        self.members.iter().filter_map(|member| {
            let leg = member.leg.filter(|leg| leg.state == LegState::Answered)?;
            let target = self.target(member);
            let is_fine = leg.place == target || leg.refused == Some(target);
            (!is_fine && !member.is_leaving()).then_some((member, leg, target))
        })
    }

    /// The dialling that belongs to the change has not been taken up.
    pub(in super::super) fn awaits_dial(&self) -> bool {
        let dialled = self.change.as_ref().and_then(|change| change.dialled);
        let member = dialled.and_then(|id| self.member(id));
        member.is_some_and(|member| match member.service {
            Service::Hunt(_) => false,
            _ => member.state().unwrap_or(LegState::Requested) == LegState::Requested,
        })
    }

    /// The next member to be dialled.
    pub(in super::super) fn next_to_dial(&self) -> Option<MemberId> {
        let member = self
            .members
            .iter()
            .find(|member| self.is_to_be_dialled(member))?;
        Some(member.id)
    }

    fn is_to_be_dialled(&self, member: &Member) -> bool {
        let has_begun = matches!(&member.service, Service::Hunt(hunt) if hunt.has_begun);
        if member.leg.is_some() || member.is_leaving() || has_begun {
            return false;
        }
        let Some(bond) = self.bond_of(member.current) else {
            return member.current.is_some();
        };
        if matches!(bond.routing, Routing::Awaited(_)) {
            return false;
        }
        let is_abonent_first = matches!(
            bond.origin,
            Origin::BackCall {
                sequence: Sequence::Abonent,
                ..
            }
        );
        let state = |id| self.member(id).and_then(Member::state);
        if bond.caller == member.id {
            !is_abonent_first || state(bond.callee) == Some(LegState::Answered)
        } else {
            is_abonent_first
                || matches!(
                    state(bond.caller),
                    Some(LegState::Waiting | LegState::Answered)
                )
        }
    }
}
