//! A call: its chain, who takes part in it, who is joined with whom, and how far
//! each of that has come.
//!
//! A chain has members. Two members are joined by a bond, which becomes a talk once
//! both have answered; or they are in the chain's conference. A member hears one of
//! these at a time, its *current* one, and may hold another. Two members talk while
//! their bond is the current one of both.
//!
//! Values and questions only. What changes a chain is in `change`, what moves it in
//! `switchboard::progress`, what a line shows of it in `switchboard::picture`.

mod change;
#[cfg(test)]
mod check;
mod conference;
mod place;

use std::sync::Arc;

use crate::base::{ChainId, CommutationId, ConferenceId, Instant, LegId};
use crate::pbx::{EndCause, Voice};
use crate::protocol::{GhostMode, Party, Sequence};

pub(super) use conference::{Competitor, Conference, ConferenceRoom};

/// One call, from its first ring to its last leg.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) id: ChainId,
    pub(super) members: Vec<Member>,
    pub(super) bonds: Vec<Bond>,
    pub(super) conference: Option<Box<Conference>>,
    pub(super) supervision: Option<Supervision>,
    /// The change that the switch has not made yet.
    pub(super) change: Option<Box<Change>>,
    /// Users whose part is over, and whose lines have not been told so.
    pub(super) released: Vec<usize>,
    /// What is over and not in the journal yet.
    pub(super) over: Vec<Over>,
    /// The talks that there were, for who asks what became of the call.
    pub(super) trace: Vec<Over>,
    /// The user for whom an outside caller waits to be let through.
    pub(super) waited_for: Option<usize>,
    /// It may have a caller in a group's line.
    pub(super) stands_in_line: bool,
    /// By when the switch must have done what it was told.
    pub(super) operation_until: Option<Instant>,
    /// The next moment at which something is to be done.
    pub(super) deadline: Option<Instant>,
    last_id: u32,
}

/// A member of a chain, within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct MemberId(u32);

impl MemberId {
    /// Its number within the chain.
    pub(super) const fn number(self) -> u32 {
        self.0
    }
}

/// A bond of a chain, within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct BondId(u32);

/// Somebody who takes part in a call.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: MemberId,
    /// The index of the user, if it is one of the exchange's.
    pub(super) user: Option<usize>,
    /// Who this is to others.
    pub(super) party: Party,
    /// The leg at the switch; `None` before it was dialled.
    pub(super) leg: Option<Leg>,
    /// What the member hears, or waits for.
    pub(super) current: Option<Focus>,
    /// What the member has put aside.
    pub(super) held: Option<Focus>,
    /// The member's part is over; the line keeps its picture until the leg has ended.
    pub(super) leaving: Option<Leaving>,
    /// A leg that has not answered by then is given up.
    pub(super) ring_until: Option<Instant>,
    /// What stands behind a number that is no single phone.
    pub(super) service: Service,
}

/// What stands behind a member's number.
#[derive(Clone, Debug)]
pub(super) enum Service {
    /// A phone or an outside line.
    Phone,
    /// A phone that rings on behalf of a group.
    Candidate,
    /// A group: a caller waits in its line.
    Hunt(Box<Hunt>),
    /// A voice menu, which may pass its caller on.
    Ivr {
        is_routing: bool,
        next: Option<(Instant, Arc<str>)>,
    },
}

/// A caller's wait for one of a group.
#[derive(Clone, Debug, Default)]
pub(super) struct Hunt {
    /// Which group.
    pub(super) group: usize,
    /// It stands in the group's line.
    pub(super) has_begun: bool,
    /// Nobody could be rung at once: the caller hears music.
    pub(super) is_waiting: bool,
    /// Users who were rung and did not answer, until all have been.
    pub(super) tried: Vec<usize>,
    /// Nobody is rung before.
    pub(super) next_try: Option<Instant>,
    /// The caller is given up.
    pub(super) until: Option<Instant>,
}

/// What a member hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Focus {
    /// The other end of a bond.
    Bond(BondId),
    /// The chain's conference.
    Conference,
    /// A talk of others, as its supervisor.
    Supervision,
}

/// Two members who are or are to be joined.
#[derive(Clone, Debug)]
pub(super) struct Bond {
    pub(super) id: BondId,
    /// Who wants the talk.
    pub(super) caller: MemberId,
    /// Who is wanted.
    pub(super) callee: MemberId,
    pub(super) origin: Origin,
    /// The number that was called.
    pub(super) called: Option<Arc<str>>,
    /// The talk, from the moment that it has a name.
    pub(super) commutation: CommutationId,
    pub(super) started: Instant,
    /// Nobody is dialled before the call is routed.
    pub(super) routing: Routing,
    /// When the two were joined for the first time.
    pub(super) talk_since: Option<Instant>,
}

/// Whether an outside caller was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Routing {
    /// Not yet; at the given time it happens by itself.
    Awaited(Option<Instant>),
    /// Yes, or there is nothing to wait for.
    Done,
}

/// How a bond came to be.
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
    /// Somebody who left joined the two.
    Transfer,
}

/// One leg at the switch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) state: LegState,
    pub(super) answered_at: Option<Instant>,
    /// What it hears.
    pub(super) place: Place,
    /// What the switch was asked to do with it and has not done yet.
    pub(super) asked: Option<Asked>,
    /// What the switch would not let it hear; it is not asked for again.
    pub(super) refused: Option<Place>,
}

/// What the switch was asked to do with a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Let it through.
    Answer,
    /// Let it hear this.
    Place(Place),
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

/// What an answered leg hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Silence,
    Music,
    With(LegId),
    Room(ConferenceId, Voice),
}

/// How a member's part ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaving {
    /// Why, for who is at the leg's end.
    pub(super) cause: EndCause,
    /// Whether the switch was told to hang up.
    pub(super) told: Told,
}

/// Whether the switch was told to hang up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// No.
    NotYet,
    /// Yes; it is told again at this time.
    Yes(Option<Instant>),
}

/// A supervisor's ear in a talk of others, who see nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Supervision {
    /// The hidden conference.
    pub(super) id: ConferenceId,
    pub(super) commutation: CommutationId,
    pub(super) supervisor: MemberId,
    /// Whose talk it is.
    pub(super) ghosted: MemberId,
    pub(super) bond: BondId,
    pub(super) mode: GhostMode,
}

/// A change that is undone if the switch does not make it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    before: Chain,
    /// Whose dialling belongs to the change: it is one step with it.
    dialled: Option<MemberId>,
}

/// A bond, a ring for a group or a place in a conference that is over.
#[derive(Clone, Debug)]
pub(super) struct Over {
    pub(super) commutation: CommutationId,
    pub(super) started: Instant,
    /// When the talk began, if there was one.
    pub(super) answered: Option<Instant>,
    pub(super) caller: (Option<usize>, Party),
    pub(super) callee: (Option<usize>, Party),
    /// The number that was called, if it is not the one that answered.
    pub(super) called: Option<Arc<str>>,
    pub(super) cause: EndCause,
}

impl Leg {
    pub(super) const fn new(id: LegId, state: LegState) -> Self {
        Self {
            id,
            state,
            answered_at: None,
            place: Place::Silence,
            asked: None,
            refused: None,
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.state != LegState::Ended
    }
}

impl Member {
    /// The leg's state; `None` before it was dialled.
    pub(super) fn state(&self) -> Option<LegState> {
        self.leg.map(|leg| leg.state)
    }

    /// The leg, while it exists.
    pub(super) fn live_leg(&self) -> Option<LegId> {
        self.leg.filter(Leg::is_alive).map(|leg| leg.id)
    }

    pub(super) fn is_answered(&self) -> bool {
        self.state() == Some(LegState::Answered)
    }

    pub(super) fn is_ringing(&self) -> bool {
        self.state() == Some(LegState::Ringing)
    }

    pub(super) const fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    pub(super) fn answered_at(&self) -> Instant {
        self.leg.and_then(|leg| leg.answered_at).unwrap_or_default()
    }

    /// Raises the leg's state; false if that is no news.
    pub(super) fn raise(&mut self, state: LegState, now: Instant) -> bool {
        match &mut self.leg {
            Some(leg) if leg.state < state => {
                leg.state = state;
                if state == LegState::Answered {
                    leg.asked = None;
                    leg.answered_at = Some(now);
                    self.ring_until = None;
                }
                true
            }
            _ => false,
        }
    }
}

impl Bond {
    /// The two have talked.
    pub(super) const fn is_talk(&self) -> bool {
        self.talk_since.is_some()
    }
}

impl Chain {
    pub(super) const fn new(id: ChainId) -> Self {
        Self {
            id,
            members: Vec::new(),
            bonds: Vec::new(),
            conference: None,
            supervision: None,
            change: None,
            released: Vec::new(),
            over: Vec::new(),
            trace: Vec::new(),
            waited_for: None,
            stands_in_line: false,
            operation_until: None,
            deadline: None,
            last_id: 0,
        }
    }

    pub(super) fn member(&self, id: MemberId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    pub(super) fn member_mut(&mut self, id: MemberId) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    /// The member who is this user.
    pub(super) fn member_of_user(&self, user: usize) -> Option<&Member> {
        let is_its = |member: &&Member| member.user == Some(user) && !member.is_leaving();
        self.members.iter().find(is_its)
    }

    /// Whether this is a user who takes part.
    pub(super) fn has_user(&self, user: Option<usize>) -> bool {
        user.is_some_and(|user| self.member_of_user(user).is_some())
    }

    /// The member that a leg belongs to.
    pub(super) fn member_of_leg(&mut self, leg: LegId) -> Option<&mut Member> {
        let is_its = |member: &&mut Member| member.leg.is_some_and(|own| own.id == leg);
        self.members.iter_mut().find(is_its)
    }

    pub(super) fn bond(&self, id: BondId) -> Option<&Bond> {
        self.bonds.iter().find(|bond| bond.id == id)
    }

    pub(super) fn bond_mut(&mut self, id: BondId) -> Option<&mut Bond> {
        self.bonds.iter_mut().find(|bond| bond.id == id)
    }

    /// The bond that a focus names.
    pub(super) fn bond_of(&self, focus: Option<Focus>) -> Option<&Bond> {
        match focus? {
            Focus::Bond(id) => self.bond(id),
            Focus::Conference | Focus::Supervision => None,
        }
    }

    /// The other end of a bond; to a phone that rings for a group it is the caller.
    pub(super) fn other(&self, bond: &Bond, than: MemberId) -> Option<&Member> {
        let other = if bond.caller == than {
            bond.callee
        } else {
            bond.caller
        };
        self.member(other)
    }

    /// Whether two members of a bond hear each other, as far as they are concerned.
    pub(super) fn is_mutual(&self, bond: &Bond) -> bool {
        let hears = |id: MemberId| {
            self.member(id).is_some_and(|member| {
                member.current == Some(Focus::Bond(bond.id))
                    && member.is_answered()
                    && !member.is_leaving()
            })
        };
        hears(bond.caller) && hears(bond.callee)
    }

    /// The legs that exist at the switch.
    #[cfg(test)]
    pub(super) fn live_legs(&self) -> impl Iterator<Item = LegId> + '_ {
        self.members.iter().filter_map(Member::live_leg)
    }

    /// The first bond that there is: what the call is to people.
    pub(super) fn first_bond(&self) -> Option<&Bond> {
        self.bonds.first()
    }

    fn fresh_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }
}
