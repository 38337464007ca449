//! What a line shows of a call: one row of the ladders of protocol 6.6 for each
//! stage and side, and the events that lead from one picture to the next.
//!
//! Both are pure functions. Since events follow from the difference between
//! two pictures, no event can tell what the line does not show.

use std::sync::Arc;

use super::chain::{Bond, Chain, Conference, Focus, LegState, Member, Origin, Service};
use crate::base::{CommutationId, ConferenceId, Instant};
use crate::protocol::{
    Abonent, Direction, Flashed, Ivr, LineInfo, LineState, Occurrence, Party, Phase, RingStarted,
    Sequence,
};

/// A line as its user sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Picture {
    /// Its `version` and `talk` are filled in when it is asked for.
    pub(super) line: LineInfo,
    /// Since when the talk goes on.
    pub(super) talk_since: Option<Instant>,
    /// The talk that the user hears.
    pub(super) commutation: Option<CommutationId>,
    /// The number that an automatic call is dialling.
    pub(super) dialled: Option<Arc<str>>,
    /// The voice menu that the user hears.
    pub(super) ivr: Option<Ivr>,
}

/// What becomes of a picture in a step.
#[derive(Debug)]
pub(super) enum Shown {
    /// It stays as it was.
    Same,
    /// The line is idle.
    Idle,
    /// The line shows the call.
    Call(Box<Picture>),
}

impl Picture {
    /// The picture of a line without a call.
    pub(super) fn idle(has_phone: bool) -> Self {
        let state = if has_phone {
            LineState::HookDown
        } else {
            LineState::Disconnected
        };
        let line = LineInfo {
            state,
            ..LineInfo::default()
        };
        Self {
            line,
            ..Self::default()
        }
    }

    /// Whether a call is shown: from its first ring to its last leg's end.
    pub(super) fn is_in_call(&self) -> bool {
        self.line.chain.is_some()
    }

    fn is_ringing(&self) -> bool {
        self.line.abonent.phase == Phase::Ringing
    }
}

/// The row of the ladder that a member's line shows (protocol 6.6).
pub(super) fn shown(chain: &Chain, member: &Member) -> Shown {
    if member.is_leaving() {
        return Shown::Same;
    }
    let view = View { chain, member };
    match (member.current, member.held) {
        (None, None) => Shown::Same,
        (None, Some(_)) => Shown::Call(Box::new(view.blank(LineState::HookUp))),
        (Some(Focus::Bond(id)), _) => match chain.bond(id) {
            Some(bond) if bond.is_talk() => view.in_talk(bond),
            Some(bond) if bond.caller == member.id => view.as_caller(bond),
            Some(bond) => view.as_callee(bond),
            None => Shown::Same,
        },
        (Some(Focus::Conference), _) => view.in_conference(),
        (Some(Focus::Supervision), _) => view.as_supervisor(),
    }
}

/// A call as one member sees it.
#[derive(Clone, Copy)]
struct View<'a> {
    chain: &'a Chain,
    member: &'a Member,
}

impl View<'_> {
    fn as_callee(self, bond: &Bond) -> Shown {
        use LegState::{Answered, Dialling, Ended, Requested, Ringing, Waiting};
        match self.member.state() {
            None | Some(Requested | Dialling | Ended) => Shown::Idle,
            Some(Ringing) => self.row(bond, LineState::Reserved, Phase::Ringing),
            // Only where the other party is called first: to this side it is an
            // incoming call like any other, and it has answered.
            Some(Answered) => self.talk(bond, self.member.answered_at()),
            Some(Waiting) => Shown::Same,
        }
    }

    fn as_caller(self, bond: &Bond) -> Shown {
        use LegState::{Answered, Dialling, Ended, Requested, Ringing, Waiting};
        let sequence = match bond.origin {
            Origin::Outside => return Shown::Idle,
            Origin::HandDialled | Origin::Transfer => {
                return self.row(bond, LineState::HookUp, Phase::WaitingForAnswer);
            }
            Origin::BackCall { sequence, .. } => sequence,
        };
        let is_dialled = self.other(bond).is_some_and(|other| match &other.service {
            Service::Hunt(hunt) => hunt.has_begun,
            _ => other.state() >= Some(Dialling),
        });
        match (sequence, self.member.state()) {
            (_, Some(Ringing)) => {
                Self::back_ring(self.with_party(bond, LineState::Reserved, Phase::Ringing))
            }
            (Sequence::User, Some(Answered)) => self.dialling(bond, LineState::HookUp),
            (Sequence::Abonent, None | Some(Requested | Dialling)) if is_dialled => {
                self.dialling(bond, LineState::Reserved)
            }
            (_, None | Some(Requested | Dialling | Ended)) => Shown::Idle,
            (_, Some(Waiting | Answered)) => Shown::Same,
        }
    }

    fn in_talk(self, bond: &Bond) -> Shown {
        let since = self.talk_start(bond);
        if self.chain.is_mutual(bond) {
            return self.talk(bond, since);
        }
        let mut picture = self.with_party(bond, LineState::Commutated, Phase::WaitingInFlash);
        picture.commutation = Some(bond.commutation);
        picture.talk_since = Some(since);
        Shown::Call(Box::new(picture))
    }

    fn in_conference(self) -> Shown {
        let Some(conference) = &self.chain.conference else {
            return Shown::Same;
        };
        let competitor = conference.of_member(self.member.id);
        match (self.member.state(), competitor.and_then(|it| it.since)) {
            (Some(LegState::Ringing), _) => {
                let mut picture = self.blank(LineState::Reserved);
                picture.line.abonent = Abonent {
                    party: Some(conference_party(conference, self.member)),
                    phase: Phase::Ringing,
                    direction: None,
                    conference: Some(conference.id),
                };
                Shown::Call(Box::new(picture))
            }
            (Some(LegState::Answered), Some(since)) => {
                self.conference(conference.id, conference.commutation, since)
            }
            (Some(LegState::Answered), None) => Shown::Same,
            _ => Shown::Idle,
        }
    }

    fn as_supervisor(self) -> Shown {
        let Some(supervision) = self.chain.supervision else {
            return Shown::Same;
        };
        match self.member.state() {
            Some(LegState::Ringing) => {
                let mut picture = self.blank(LineState::Reserved);
                let ghosted = self.chain.member(supervision.ghosted);
                picture.line.abonent.party = ghosted.map(|ghosted| ghosted.party.clone());
                picture.line.abonent.phase = Phase::Ringing;
                picture.line.called = ghosted.and_then(|it| it.party.number.clone());
                Self::back_ring(picture)
            }
            Some(LegState::Answered) => {
                let since = self.member.answered_at();
                self.conference(supervision.id, supervision.commutation, since)
            }
            _ => Shown::Idle,
        }
    }

    fn other(&self, bond: &Bond) -> Option<&Member> {
        self.chain.other(bond, self.member.id)
    }

    /// A called party that answered first has its talk since then.
    fn talk_start(&self, bond: &Bond) -> Instant {
        match bond.origin {
            Origin::BackCall {
                sequence: Sequence::Abonent,
                ..
            } if bond.callee == self.member.id => self.member.answered_at(),
            _ => bond.talk_since.unwrap_or_default(),
        }
    }

    /// Nobody is heard; who is held is shown.
    fn blank(&self, state: LineState) -> Picture {
        let line = LineInfo {
            state,
            chain: Some(self.chain.id),
            flashed: self.flashed(),
            ..LineInfo::default()
        };
        Picture {
            line,
            ..Picture::default()
        }
    }

    fn flashed(&self) -> Option<Flashed> {
        match self.member.held? {
            focus @ Focus::Bond(_) => {
                let bond = self.chain.bond_of(Some(focus))?;
                Some(Flashed::Party(self.other(bond)?.party.clone()))
            }
            Focus::Conference => {
                let conference = self.chain.conference.as_ref()?;
                Some(Flashed::Conference {
                    id: conference.id,
                    name: Arc::clone(&conference.room.name),
                    room: Arc::clone(&conference.room.room),
                })
            }
            Focus::Supervision => None,
        }
    }

    fn with_party(&self, bond: &Bond, state: LineState, phase: Phase) -> Picture {
        let mut picture = self.blank(state);
        picture.line.called.clone_from(&bond.called);
        picture.line.abonent = Abonent {
            party: self.other(bond).map(|other| other.party.clone()),
            phase,
            direction: None,
            conference: None,
        };
        picture
    }

    fn row(self, bond: &Bond, state: LineState, phase: Phase) -> Shown {
        Shown::Call(Box::new(self.with_party(bond, state, phase)))
    }

    fn talk(self, bond: &Bond, since: Instant) -> Shown {
        let mut picture = self.with_party(bond, LineState::Commutated, Phase::Commutated);
        picture.talk_since = Some(since);
        let ivr = self.other(bond).and_then(|other| match other.service {
            Service::Ivr { is_routing, .. } => Some(Ivr {
                name: other.party.name.clone().unwrap_or_default(),
                is_routing,
            }),
            _ => None,
        });
        match &ivr {
            Some(Ivr { is_routing, .. }) => {
                let is_routing = *is_routing;
                picture.line.abonent.phase = Phase::Ivr { is_routing };
            }
            None => picture.commutation = Some(bond.commutation),
        }
        picture.ivr = ivr;
        Shown::Call(Box::new(picture))
    }

    fn conference(self, id: ConferenceId, commutation: CommutationId, since: Instant) -> Shown {
        let mut picture = self.blank(LineState::Commutated);
        picture.line.abonent.phase = Phase::Conference;
        picture.line.abonent.conference = Some(id);
        picture.commutation = Some(commutation);
        picture.talk_since = Some(since);
        Shown::Call(Box::new(picture))
    }

    fn dialling(self, bond: &Bond, state: LineState) -> Shown {
        let mut picture = self.with_party(bond, state, Phase::AutoCall);
        picture.dialled.clone_from(&picture.line.called);
        Shown::Call(Box::new(picture))
    }

    fn back_ring(mut picture: Picture) -> Shown {
        picture.line.abonent.direction = Some(Direction::AcmCallback);
        picture.dialled.clone_from(&picture.line.called);
        Shown::Call(Box::new(picture))
    }
}

/// Who rings when a conference does: the user who made it, to that user the
/// conference itself. A number is always there (protocol 6.5).
fn conference_party(conference: &Conference, member: &Member) -> Party {
    let creator = conference.competitors.iter();
    let mut creator = creator.filter(|it| it.user == Some(conference.creator));
    match creator.next() {
        Some(creator) if member.user != Some(conference.creator) => creator.party.clone(),
        _ => Party {
            number: Some(Arc::clone(&conference.room.room)),
            name: Some(Arc::clone(&conference.room.name)),
            ..Party::default()
        },
    }
}

/// The phone and flash events that lead from one picture to the next, in the
/// order of protocol 6.6: a party that is held now is told of before the talk
/// that it leaves, one that is no longer held after it; what stops comes before
/// what starts.
pub(super) fn phone_events(old: &Picture, new: &Picture) -> Vec<Occurrence> {
    let mut events = Vec::new();
    let is_flashing = new.line.flashed.is_some();
    let flash = (old.line.flashed != new.line.flashed)
        .then_some(Occurrence::FlashStateChanged { is_flashing });
    let (chain_before, chain_now) = (old.line.chain, new.line.chain);
    if is_flashing {
        events.extend(flash.clone());
    }
    if let Some(number) = old.dialled.clone().filter(|_| new.dialled != old.dialled) {
        events.push(Occurrence::AcmCallStopped { number });
    }
    let has_other_ring = old.is_ringing() != new.is_ringing() || chain_before != chain_now;
    if let Some(chain) = chain_before.filter(|_| old.is_ringing() && has_other_ring) {
        events.push(Occurrence::RingStopped { chain });
    }
    let has_other_talk = old.commutation != new.commutation;
    if let (Some(commutation), Some(chain), true) = (old.commutation, chain_before, has_other_talk)
    {
        events.push(Occurrence::CommStopped { chain, commutation });
    }
    if let Some(ivr) = old.ivr.clone().filter(|_| new.ivr != old.ivr) {
        events.push(Occurrence::IvrStopped(ivr));
    }
    if !is_flashing {
        events.extend(flash);
    }
    if let Some(number) = new.dialled.clone().filter(|_| new.dialled != old.dialled) {
        events.push(Occurrence::AcmCallStarted { number });
    }
    if new.is_ringing() && has_other_ring {
        events.extend(ring_started(new));
    }
    if let (Some(commutation), Some(chain), true) = (new.commutation, chain_now, has_other_talk) {
        let party = new.line.abonent.party.as_ref();
        events.push(Occurrence::CommStarted {
            chain,
            commutation,
            caller: party.and_then(|party| party.number.clone()),
            is_outside: party.is_some_and(|party| party.is_outside),
            conference: new.line.abonent.conference,
        });
    }
    if let Some(ivr) = new.ivr.clone().filter(|_| new.ivr != old.ivr) {
        events.push(Occurrence::IvrStarted(ivr));
    }
    events
}

fn ring_started(picture: &Picture) -> Option<Occurrence> {
    let chain = picture.line.chain?;
    let abonent = &picture.line.abonent;
    let Party {
        number,
        name,
        comment,
        is_outside,
        ..
    } = abonent.party.clone().unwrap_or_default();
    let by_exchange = abonent.direction == Some(Direction::AcmCallback);
    Some(Occurrence::RingStarted(Box::new(RingStarted {
        chain,
        caller_info: number.clone().filter(|_| by_exchange),
        caller: number,
        caller_name: name,
        by_exchange,
        comment,
        is_outside,
        is_conference: abonent.conference.is_some(),
    })))
}
