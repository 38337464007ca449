//! Supervision: listening to, helping in and joining another user's talk, of which
//! the talking parties see nothing (protocol 6.6).

use super::Switchboard;
use super::chain::{BondId, Chain, Focus, Member, MemberId, Supervision};
use super::conferences::no_conference;
use super::requests::wrong_state;
use crate::base::{CommutationId, ConferenceId, Guid, Instant};
use crate::pbx::EndCause;
use crate::protocol::{
    Answer, CompetitorEntry, CompetitorState, ConferenceInfo, ErrorNumber, Fault, GhostMode,
};

impl Switchboard {
    /// The supervisor's own phone rings first; then it is in the talk.
    pub(super) fn attach_as_ghost(
        &mut self,
        user: usize,
        whom: &str,
        now: Instant,
    ) -> Result<Answer, Fault> {
        let target = self.somebody("ghostedid", whom)?;
        let no_right = || {
            let text = "no right to supervise that user";
            Fault::new(ErrorNumber::NoSupervision, text)
        };
        let ghosted = target.user.ok_or_else(no_right)?;
        let id = self.users[ghosted].reference.id;
        if !self.users[user].supervises.contains(&id) {
            return Err(no_right());
        }
        if self.users[user].call.is_some() {
            return Err(wrong_state("the line is in a call already"));
        }
        let own = self.own_phone(user)?;
        let id = ConferenceId(self.fresh_guid());
        let commutation = CommutationId(self.fresh_guid());
        let no_talk = || wrong_state("that user is in no talk");
        let done = self.act(ghosted, now, |board, chain, ghosted| {
            let member = chain.member(ghosted).ok_or_else(no_talk)?;
            let bond = chain.bond_of(member.current).ok_or_else(no_talk)?;
            let bond = (bond.is_talk() && chain.is_mutual(bond)).then_some(bond.id);
            let bond = bond.ok_or_else(no_talk)?;
            if chain.supervision.is_some() {
                return Err(wrong_state("that user is supervised already"));
            }
            board.check_free_chain(chain)?;
            let supervisor = chain.add_member(own.user, own.party, own.service);
            if let Some(member) = chain.member_mut(supervisor) {
                member.current = Some(Focus::Supervision);
            }
            board.users[user].call = Some(chain.id);
            chain.supervision = Some(Supervision {
                id,
                commutation,
                supervisor,
                ghosted,
                bond,
                mode: GhostMode::Monitor,
            });
            Ok(Answer::ConferenceId(id))
        });
        done.unwrap_or_else(|| Err(no_talk()))
    }

    /// `confsetghostmode`, `confsetvoiceparams`: what the supervisor does from now on.
    pub(super) fn set_ghost_mode(
        &mut self,
        user: usize,
        conference: Option<ConferenceId>,
        mode: GhostMode,
        now: Instant,
    ) -> Result<Answer, Fault> {
        let done = self.act(user, now, |_, chain, own| {
            let is_meant = |it: &&mut Supervision| {
                it.supervisor == own && conference.is_none_or(|id| id == it.id)
            };
            let supervision = chain.supervision.as_mut().filter(is_meant);
            supervision.ok_or_else(no_conference)?.mode = mode;
            Ok(Answer::Done)
        });
        done.unwrap_or_else(|| Err(no_conference()))
    }
}

impl Chain {
    /// Whether a supervisor listens to a bond.
    pub(super) fn is_supervised(&self, bond: BondId) -> bool {
        self.supervision.is_some_and(|it| it.bond == bond)
    }

    /// The supervisor goes.
    pub(super) fn end_supervision(&mut self) {
        let supervisor = self.supervision.take().map(|it| it.supervisor);
        if let Some(supervisor) = supervisor.and_then(|id| self.member_mut(id)) {
            supervisor.end(EndCause::Normal);
        }
    }

    /// The hidden conference as its supervisor sees it: of the two who talk the
    /// supervised one is marked.
    pub(super) fn hidden_info(&self, supervision: &Supervision) -> ConferenceInfo {
        let entry = |id: MemberId, is_ghost, is_ghost_major| {
            let member: &Member = self.member(id)?;
            Some(CompetitorEntry {
                id: competitor_id(supervision, id),
                party: member.party.clone(),
                state: CompetitorState::Connected,
                is_creator: id == supervision.supervisor,
                is_ghost,
                is_ghost_major,
            })
        };
        let bond = self.bond(supervision.bond);
        let other = bond.and_then(|bond| self.other(bond, supervision.ghosted));
        let competitors = [
            entry(supervision.supervisor, true, false),
            entry(supervision.ghosted, true, true),
            other.and_then(|other| entry(other.id, false, false)),
        ];
        ConferenceInfo {
            id: supervision.id,
            room: "".into(),
            name: "".into(),
            description: "".into(),
            is_ghost: true,
            competitors: competitors.into_iter().flatten().collect(),
        }
    }
}

/// A name for a member of a hidden conference, the same whenever it is asked for.
fn competitor_id(supervision: &Supervision, member: MemberId) -> Guid {
    let bits = supervision.id.0.bits();
    Guid::from_bits(bits.wrapping_add(u128::from(member.number())))
}
