//! What a line shows of a call: one row of the ladders of protocol 6.6 for each
//! stage and side, and the events that lead from one picture to the next.
//!
//! Both are pure functions. Since events follow from the difference between
//! two pictures, no event can tell what the line does not show.

use std::sync::Arc;

use super::call::{Call, Leg, LegState, Origin, Role, Stage};
use crate::base::{CommutationId, Instant};
use crate::protocol::{
    Abonent, Direction, Flashed, LineInfo, LineState, Occurrence, Party, Phase, RingStarted,
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

/// The row of the ladder that a side's line shows (protocol 6.6).
pub(super) fn shown(call: &Call, role: Role) -> Shown {
    match call.stage {
        Stage::Arrived => Shown::Idle,
        Stage::Setup => shown_in_setup(call, role),
        Stage::Connecting { .. } => Shown::Same,
        Stage::Talking { since, held_by, .. } => shown_in_talk(call, role, since, held_by),
        Stage::Ending { .. } => shown_at_the_end(call, role),
    }
}

fn shown_in_setup(call: &Call, role: Role) -> Shown {
    use LegState::{Answered, Dialling, Ended, Requested, Ringing, Waiting};
    let side = call.side(role);
    let own = side.state();
    let sequence = match call.origin {
        _ if role == Role::Callee => {
            return match own {
                None | Some(Requested | Dialling | Ended) => Shown::Idle,
                Some(Ringing) => row(call, role, LineState::Reserved, Phase::Ringing),
                // Only where the other party is called first: to this side it
                // is an incoming call like any other, and it has answered.
                Some(Answered) => talk_row(call, role, answered_at(side.leg)),
                Some(Waiting) => Shown::Same,
            };
        }
        Origin::Outside => return Shown::Idle,
        Origin::HandDialled => {
            return row(call, role, LineState::HookUp, Phase::WaitingForAnswer);
        }
        Origin::BackCall { sequence, .. } => sequence,
    };
    let is_dialled = call.side(Role::Callee).state() >= Some(Dialling);
    match (sequence, own) {
        (_, Some(Ringing)) => back_ring_row(call),
        (Sequence::User, Some(Answered)) => dialling_row(call, LineState::HookUp),
        (Sequence::Abonent, None | Some(Requested | Dialling)) if is_dialled => {
            dialling_row(call, LineState::Reserved)
        }
        (_, None | Some(Requested | Dialling | Ended)) => Shown::Idle,
        (_, Some(Waiting | Answered)) => Shown::Same,
    }
}

fn shown_in_talk(call: &Call, role: Role, since: Instant, held_by: Option<Role>) -> Shown {
    match held_by {
        None => talk_row(call, role, talk_start(call, role, since)),
        Some(holder) if holder == role => {
            let mut picture = blank(call, LineState::HookUp);
            let held = call.side(role.other()).party.clone();
            picture.line.flashed = Some(Flashed::Party(held));
            // protocol 6.5: a called number without a party would show a phantom.
            picture.line.called = None;
            Shown::Call(Box::new(picture))
        }
        Some(_) => {
            let mut picture = with_party(call, role, LineState::Commutated, Phase::WaitingInFlash);
            picture.commutation = Some(call.commutation);
            picture.talk_since = Some(talk_start(call, role, since));
            Shown::Call(Box::new(picture))
        }
    }
}

/// A line is idle once its own leg has ended; a caller who never had one, once
/// the other's has.
fn shown_at_the_end(call: &Call, role: Role) -> Shown {
    let is_over = match call.side(role).leg {
        Some(leg) => !leg.is_alive(),
        None => role == Role::Callee || call.live_legs().next().is_none(),
    };
    if is_over { Shown::Idle } else { Shown::Same }
}

/// A called party that answered first has its talk since then.
fn talk_start(call: &Call, role: Role, joined: Instant) -> Instant {
    match call.origin {
        Origin::BackCall {
            sequence: Sequence::Abonent,
            ..
        } if role == Role::Callee => answered_at(call.side(role).leg),
        _ => joined,
    }
}

fn answered_at(leg: Option<Leg>) -> Instant {
    leg.and_then(|leg| leg.answered_at).unwrap_or_default()
}

fn blank(call: &Call, state: LineState) -> Picture {
    let line = LineInfo {
        state,
        chain: Some(call.chain),
        called: call.side(Role::Callee).party.number.clone(),
        ..LineInfo::default()
    };
    Picture {
        line,
        ..Picture::default()
    }
}

fn with_party(call: &Call, role: Role, state: LineState, phase: Phase) -> Picture {
    let mut picture = blank(call, state);
    picture.line.abonent = Abonent {
        party: Some(call.side(role.other()).party.clone()),
        phase,
        direction: None,
    };
    picture
}

fn row(call: &Call, role: Role, state: LineState, phase: Phase) -> Shown {
    Shown::Call(Box::new(with_party(call, role, state, phase)))
}

fn talk_row(call: &Call, role: Role, since: Instant) -> Shown {
    let mut picture = with_party(call, role, LineState::Commutated, Phase::Commutated);
    picture.commutation = Some(call.commutation);
    picture.talk_since = Some(since);
    Shown::Call(Box::new(picture))
}

fn dialling_row(call: &Call, state: LineState) -> Shown {
    let mut picture = with_party(call, Role::Caller, state, Phase::AutoCall);
    picture.dialled.clone_from(&picture.line.called);
    Shown::Call(Box::new(picture))
}

fn back_ring_row(call: &Call) -> Shown {
    let mut picture = with_party(call, Role::Caller, LineState::Reserved, Phase::Ringing);
    picture.line.abonent.direction = Some(Direction::AcmCallback);
    picture.dialled.clone_from(&picture.line.called);
    Shown::Call(Box::new(picture))
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
            conference: None,
        });
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
        is_conference: false,
    })))
}
