//! A call: its chain, its two sides with their legs, and how far it has come.
//!
//! Values and questions only. What moves a call is in `progress`, what a line
//! shows of it in `picture`.

use crate::base::{ChainId, CommutationId, Instant, LegId};
use crate::pbx::EndCause;
use crate::protocol::{Party, Sequence};

/// One call. A consultation or a conference will add sides to the chain; each
/// stage of two sides that hear each other has its own commutation.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) chain: ChainId,
    pub(super) origin: Origin,
    /// The talk between the two sides, from the moment that it has a name.
    pub(super) commutation: CommutationId,
    pub(super) stage: Stage,
    sides: [Side; 2],
    /// When the stage has lasted too long.
    pub(super) deadline: Option<Instant>,
}

/// How a call came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Somebody outside called a number here.
    Outside,
    /// A user dialled by hand on the phone.
    HandDialled,
    /// A user asked the exchange to make the call.
    BackCall {
        /// Whose phone rings first.
        sequence: Sequence,
        /// The called phone answers by itself where it can.
        intercom: bool,
    },
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// An outside caller waits to be routed.
    Arrived,
    /// Phones are dialled.
    Setup,
    /// Everybody answered; the switch is about to join the legs. Lines keep
    /// their pictures until it has: no half-way picture is ever shown.
    Connecting {
        /// When the talk began, if the switch lost it and is to join it anew.
        since: Option<Instant>,
    },
    /// The sides hear each other, or one of them holds the other.
    Talking {
        since: Instant,
        held_by: Option<Role>,
        /// The switch was asked to hold or take back and has not done it yet.
        is_changing: bool,
    },
    /// Every leg was told to end. A line keeps its picture until its leg has.
    Ending {
        /// Why, for who is left.
        cause: EndCause,
    },
}

/// Which side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Who wants the call.
    Caller,
    /// Who is wanted.
    Callee,
}

impl Role {
    pub(super) const BOTH: [Self; 2] = [Self::Caller, Self::Callee];

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// One side of a call.
#[derive(Clone, Debug)]
pub(super) struct Side {
    /// The index of the user, if it is one of the exchange's.
    pub(super) user: Option<usize>,
    /// Who this is to the other side.
    pub(super) party: Party,
    /// The leg at the switch; `None` before it was dialled.
    pub(super) leg: Option<Leg>,
}

/// One leg at the switch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) state: LegState,
    pub(super) answered_at: Option<Instant>,
}

/// What is known of a leg. It only ever rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LegState {
    /// The switch was told to dial it.
    Requested,
    /// The switch dials it.
    Dialling,
    /// The phone rings.
    Ringing,
    /// It came by itself and waits for an answer.
    Waiting,
    /// Answered.
    Answered,
    /// Gone.
    Ended,
}

impl Leg {
    pub(super) const fn new(id: LegId, state: LegState) -> Self {
        Self {
            id,
            state,
            answered_at: None,
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.state != LegState::Ended
    }
}

impl Side {
    pub(super) const fn new(user: Option<usize>, party: Party) -> Self {
        Self {
            user,
            party,
            leg: None,
        }
    }

    /// The leg's state; `None` before it was dialled.
    pub(super) fn state(&self) -> Option<LegState> {
        self.leg.map(|leg| leg.state)
    }

    /// The leg, while it exists.
    pub(super) fn live_leg(&self) -> Option<LegId> {
        self.leg.filter(Leg::is_alive).map(|leg| leg.id)
    }
}

impl Call {
    pub(super) const fn new(
        chain: ChainId,
        commutation: CommutationId,
        origin: Origin,
        stage: Stage,
        sides: [Side; 2],
    ) -> Self {
        Self {
            chain,
            origin,
            commutation,
            stage,
            sides,
            deadline: None,
        }
    }

    pub(super) fn side(&self, role: Role) -> &Side {
        &self.sides[role as usize]
    }

    pub(super) fn side_mut(&mut self, role: Role) -> &mut Side {
        &mut self.sides[role as usize]
    }

    pub(super) const fn is_ending(&self) -> bool {
        matches!(self.stage, Stage::Ending { .. })
    }

    /// The legs that exist at the switch.
    pub(super) fn live_legs(&self) -> impl Iterator<Item = LegId> + '_ {
        self.sides.iter().filter_map(Side::live_leg)
    }

    /// The side that a leg belongs to.
    pub(super) fn role_of_leg(&self, leg: LegId) -> Option<Role> {
        let is_its = |role: &Role| self.side(*role).leg.is_some_and(|own| own.id == leg);
        Role::BOTH.into_iter().find(is_its)
    }

    /// The side that is this user.
    pub(super) fn role_of_user(&self, user: usize) -> Option<Role> {
        let is_its = |role: &Role| self.side(*role).user == Some(user);
        Role::BOTH.into_iter().find(is_its)
    }

    /// Raises a leg's state; false if that is no news.
    pub(super) fn raise(&mut self, role: Role, state: LegState, now: Instant) -> bool {
        match &mut self.side_mut(role).leg {
            Some(leg) if leg.state < state => {
                leg.state = state;
                if state == LegState::Answered {
                    leg.answered_at = Some(now);
                }
                true
            }
            _ => false,
        }
    }

    /// Leaves the set-up once every side that has to answer has answered.
    pub(super) fn settle_stage(&mut self) {
        use LegState::{Answered, Waiting};
        let states = (
            self.side(Role::Caller).state(),
            self.side(Role::Callee).state(),
        );
        if self.stage == Stage::Setup
            && matches!(states, (Some(Answered | Waiting), Some(Answered)))
        {
            self.stage = Stage::Connecting { since: None };
        }
    }
}
