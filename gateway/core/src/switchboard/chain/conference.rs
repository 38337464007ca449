//! The conference of a chain: who was asked in, who is there, and who wants to be
//! told (protocol 6.5, 6.6).

use std::sync::Arc;

use super::{Chain, Focus, Member, MemberId, Over};
use crate::base::{CommutationId, ConferenceId, Guid, Instant};
use crate::pbx::EndCause;
use crate::protocol::{CompetitorState, Party};

/// A conference.
#[derive(Clone, Debug)]
pub(in super::super) struct Conference {
    pub(in super::super) id: ConferenceId,
    /// What everybody in it hears.
    pub(in super::super) commutation: CommutationId,
    pub(in super::super) room: ConferenceRoom,
    /// The user who made it.
    pub(in super::super) creator: usize,
    /// Everybody who was ever asked in, in that order.
    pub(in super::super) competitors: Vec<Competitor>,
    /// Users who want to be told of changes.
    pub(in super::super) listeners: Vec<usize>,
    /// Competitors whose changes nobody has been told of.
    pub(in super::super) news: Vec<Guid>,
}

/// What a conference is called and who may ask others in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct ConferenceRoom {
    pub(in super::super) room: Arc<str>,
    pub(in super::super) name: Arc<str>,
    pub(in super::super) description: Arc<str>,
    pub(in super::super) everyone_can_invite: bool,
}

/// Somebody who was asked into a conference.
#[derive(Clone, Debug)]
pub(in super::super) struct Competitor {
    pub(in super::super) id: Guid,
    pub(in super::super) user: Option<usize>,
    pub(in super::super) party: Party,
    /// The member, while there is one.
    pub(in super::super) member: Option<MemberId>,
    pub(in super::super) state: CompetitorState,
    /// When the competitor was asked in.
    pub(in super::super) asked_at: Instant,
    /// Since when the competitor is there.
    pub(in super::super) since: Option<Instant>,
}

impl Conference {
    pub(in super::super) const fn new(
        id: ConferenceId,
        commutation: CommutationId,
        room: ConferenceRoom,
        creator: usize,
    ) -> Self {
        Self {
            id,
            commutation,
            room,
            creator,
            competitors: Vec::new(),
            listeners: Vec::new(),
            news: Vec::new(),
        }
    }

    pub(in super::super) fn competitor(&self, id: Guid) -> Option<&Competitor> {
        self.competitors.iter().find(|it| it.id == id)
    }

    pub(in super::super) fn of_member(&self, member: MemberId) -> Option<&Competitor> {
        let is_its = |it: &&Competitor| it.member == Some(member);
        self.competitors.iter().find(is_its)
    }

    /// Somebody is asked in, or asked again; keeps the id of the first time.
    fn expect(&mut self, id: Guid, member: &Member, now: Instant) {
        let is_same = |known: &&mut Competitor| {
            known.member.is_none()
                && known.user == member.user
                && known.party.number == member.party.number
        };
        let known = self.competitors.iter_mut().find(is_same);
        let id = if let Some(known) = known {
            known.member = Some(member.id);
            known.state = CompetitorState::Inviting;
            known.asked_at = now;
            known.id
        } else {
            self.competitors.push(Competitor {
                id,
                user: member.user,
                party: member.party.clone(),
                member: Some(member.id),
                state: CompetitorState::Inviting,
                asked_at: now,
                since: None,
            });
            id
        };
        self.note(id);
    }

    fn set(&mut self, member: MemberId, state: CompetitorState, since: Option<Instant>) {
        let is_its = |it: &&mut Competitor| it.member == Some(member);
        let Some(competitor) = self.competitors.iter_mut().find(is_its) else {
            return;
        };
        if competitor.state == state {
            return;
        }
        competitor.state = state;
        competitor.since = since;
        if state != CompetitorState::Connected {
            competitor.member = None;
        }
        let id = competitor.id;
        self.note(id);
    }

    /// What the journal is told of a member's place, as a call by who made the
    /// conference.
    fn over_of(&self, member: MemberId, cause: EndCause) -> Option<Over> {
        let competitor = self.of_member(member)?;
        let mut creators = self.competitors.iter();
        let creator = creators.find(|it| it.user == Some(self.creator))?;
        (competitor.id != creator.id).then(|| Over {
            commutation: self.commutation,
            started: competitor.asked_at,
            answered: competitor.since,
            caller: (creator.user, creator.party.clone()),
            callee: (competitor.user, competitor.party.clone()),
            called: None,
            cause,
        })
    }

    fn note(&mut self, id: Guid) {
        self.news.retain(|known| *known != id);
        self.news.push(id);
    }
}

impl Chain {
    /// A member is to be in the conference, and hears nothing else.
    pub(in super::super) fn enter_conference(
        &mut self,
        id: MemberId,
        competitor: Guid,
        now: Instant,
    ) {
        let Some(conference) = &mut self.conference else {
            return;
        };
        if let Some(member) = self.members.iter_mut().find(|member| member.id == id) {
            member.current = Some(Focus::Conference);
            conference.expect(competitor, member, now);
        }
    }

    /// The other end of a member's bond is to be in the conference instead.
    pub(in super::super) fn bring_in(
        &mut self,
        by: MemberId,
        focus: Focus,
        competitor: Guid,
        now: Instant,
    ) -> bool {
        let Some(bond) = self.bond_of(Some(focus)).filter(|bond| bond.is_talk()) else {
            return false;
        };
        let (bond, other) = (bond.id, self.other(bond, by));
        let Some(other) = other.filter(|other| !other.is_leaving()).map(|it| it.id) else {
            return false;
        };
        self.end_bond(bond, EndCause::Normal);
        for member in self.members.iter_mut().filter(|it| it.id == other) {
            for own in [&mut member.current, &mut member.held] {
                if *own == Some(focus) {
                    *own = Some(Focus::Conference);
                }
            }
            if let Some(conference) = &mut self.conference {
                conference.expect(competitor, member, now);
            }
        }
        true
    }

    /// A leaving member brings in who was held, or leaves who was heard in the
    /// conference that was held.
    pub(super) fn connect_with_conference(
        &mut self,
        id: MemberId,
        current: Focus,
        held: Focus,
        now: Instant,
    ) -> bool {
        let (bond, has_conference) = match (current, held) {
            (Focus::Conference, bond @ Focus::Bond(_))
            | (bond @ Focus::Bond(_), Focus::Conference) => (bond, self.conference.is_some()),
            _ => return false,
        };
        // A name for the competitor that nobody else has: the bond's talk is over.
        let name = self.bond_of(Some(bond)).map(|bond| bond.commutation.0);
        let is_in = has_conference && name.is_some_and(|name| self.bring_in(id, bond, name, now));
        if is_in {
            self.exit_conference(id, EndCause::Normal);
        }
        is_in
    }

    /// The switch has taken a leg into the conference.
    pub(in super::super) fn conferred(&mut self, member: MemberId, now: Instant) {
        if let Some(conference) = &mut self.conference {
            conference.set(member, CompetitorState::Connected, Some(now));
        }
    }

    /// A member is no longer in the conference, which ends when one is left.
    pub(in super::super) fn exit_conference(&mut self, member: MemberId, cause: EndCause) {
        let Some(conference) = &mut self.conference else {
            return;
        };
        let was_there = conference
            .of_member(member)
            .is_some_and(|it| it.state == CompetitorState::Connected);
        let state = if was_there {
            CompetitorState::Exited
        } else {
            failed_invitation(cause)
        };
        self.take_out(member, state, cause);
        self.end_lonely_conference();
    }

    fn is_in_conference(member: &Member) -> bool {
        let focus = Some(Focus::Conference);
        !member.is_leaving() && (member.current == focus || member.held == focus)
    }

    fn end_lonely_conference(&mut self) {
        let members = self.members.iter();
        if members.filter(|it| Self::is_in_conference(it)).count() >= 2 {
            return;
        }
        let last = self.members.iter().find(|it| Self::is_in_conference(it));
        let last = last.map(|member| member.id);
        if let (Some(conference), Some(last)) = (&mut self.conference, last) {
            let is_there = conference
                .of_member(last)
                .is_some_and(|it| it.since.is_some());
            let state = if is_there {
                CompetitorState::Exited
            } else {
                CompetitorState::MisInviteStop
            };
            self.take_out(last, state, EndCause::Normal);
        }
        if let Some(member) = last.and_then(|last| self.member_mut(last))
            && member.current.is_none()
            && member.held.is_none()
        {
            member.end(EndCause::Normal);
        }
    }

    /// A member's place is over: the journal and who listens are told.
    fn take_out(&mut self, id: MemberId, state: CompetitorState, cause: EndCause) {
        if let Some(conference) = &mut self.conference {
            self.over.extend(conference.over_of(id, cause));
            conference.set(id, state, None);
        }
        if let Some(member) = self.member_mut(id) {
            member.forget(Focus::Conference);
        }
    }

    /// Whether anybody is in the conference.
    pub(in super::super) fn has_conference(&self) -> bool {
        self.conference.is_some() && self.members.iter().any(Self::is_in_conference)
    }
}

/// How an invitation that came to nothing is shown.
const fn failed_invitation(cause: EndCause) -> CompetitorState {
    match cause {
        EndCause::Busy => CompetitorState::MisInviteBusy,
        EndCause::NoAnswer => CompetitorState::MisInviteNotRespond,
        EndCause::Unreachable => CompetitorState::MisInviteTimeout,
        EndCause::Normal => CompetitorState::MisInviteStop,
        EndCause::Refused => CompetitorState::MisInviteRefuse,
        EndCause::Unknown | EndCause::Failed => CompetitorState::MisInviteAbort,
    }
}
