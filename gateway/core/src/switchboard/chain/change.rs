//! How a chain changes: members come, leave, are held, swapped and connected. Each
//! change is made at once; the switch follows, and the lines show it when it has.

use std::sync::Arc;

use super::{
    Bond, BondId, Chain, Change, Focus, Leaving, Leg, LegState, Member, MemberId, Origin, Over,
    Routing, Service, Told,
};
use crate::base::{CommutationId, Instant, LegId};
use crate::pbx::EndCause;
use crate::protocol::Party;

/// Talks that a chain remembers.
const TRACE_MAX: usize = 64;

impl Chain {
    pub(in super::super) fn add_member(
        &mut self,
        user: Option<usize>,
        party: Party,
        service: Service,
    ) -> MemberId {
        let id = MemberId(self.fresh_id());
        self.members.push(Member {
            id,
            user,
            party,
            leg: None,
            current: None,
            held: None,
            leaving: None,
            ring_until: None,
            service,
        });
        id
    }

    /// Joins two members: from now on it is what both hear, or wait for.
    pub(in super::super) fn add_bond(
        &mut self,
        from: MemberId,
        to: MemberId,
        origin: Origin,
        commutation: CommutationId,
        now: Instant,
    ) -> BondId {
        let called = self.member(to).and_then(|it| it.party.number.clone());
        let id = self.push_bond((from, to), origin, called, commutation, now);
        for end in [from, to] {
            if let Some(member) = self.member_mut(end) {
                member.current = Some(Focus::Bond(id));
            }
        }
        id
    }

    fn push_bond(
        &mut self,
        (from, to): (MemberId, MemberId),
        origin: Origin,
        called: Option<Arc<str>>,
        commutation: CommutationId,
        started: Instant,
    ) -> BondId {
        let id = BondId(self.fresh_id());
        self.bonds.push(Bond {
            id,
            caller: from,
            callee: to,
            origin,
            called,
            commutation,
            started,
            routing: Routing::Done,
            talk_since: None,
        });
        id
    }

    /// Gives a member its leg.
    pub(in super::super) fn set_leg(&mut self, member: MemberId, leg: LegId, state: LegState) {
        if let Some(member) = self.member_mut(member) {
            member.leg = Some(Leg::new(leg, state));
        }
    }

    /// Remembers how things were, should the switch not make the change.
    pub(in super::super) fn begin_change(&mut self) {
        let mut before = self.clone();
        before.change = None;
        let dialled = None;
        self.change = Some(Box::new(Change { before, dialled }));
    }

    /// Whose dialling is one step with the change under way.
    pub(in super::super) fn change_dials(&mut self, member: MemberId) {
        if let Some(change) = &mut self.change {
            change.dialled = Some(member);
        }
    }

    /// Whether the member's dialling is part of the change under way.
    pub(in super::super) fn is_dialled_by_change(&self, member: MemberId) -> bool {
        let dialled = self.change.as_ref().and_then(|change| change.dialled);
        dialled == Some(member)
    }

    /// Undoes the change under way, if there is one and everybody is still there.
    pub(in super::super) fn undo(&mut self) -> bool {
        let Some(change) = self.change.take() else {
            return false;
        };
        let before = change.before;
        let is_there = |old: &Member| {
            let now = self.member(old.id);
            old.is_leaving() || now.is_some_and(|now| now.leg.is_none_or(|leg| leg.is_alive()))
        };
        if !before.members.iter().all(is_there) {
            return false;
        }
        for member in &mut self.members {
            match before.member(member.id) {
                Some(old) => {
                    member.current = old.current;
                    member.held = old.held;
                    member.leaving = old.leaving;
                }
                None => member.end(EndCause::Normal),
            }
        }
        self.bonds = before.bonds;
        self.conference = before.conference;
        self.supervision = before.supervision;
        self.over = before.over;
        self.trace = before.trace;
        true
    }

    /// Puts what a member hears aside.
    pub(in super::super) fn hold(&mut self, member: MemberId) {
        if let Some(member) = self.member_mut(member) {
            member.held = member.current.take();
        }
    }

    /// A member hears again what was put aside; what was heard, if anything, is put
    /// aside instead.
    pub(in super::super) fn swap(&mut self, member: MemberId) {
        if let Some(member) = self.member_mut(member) {
            std::mem::swap(&mut member.current, &mut member.held);
        }
    }

    /// A member's part is over. Of what was heard and what was held, the two are
    /// connected (protocol 6.6); whoever is left alone leaves, too.
    pub(in super::super) fn leave(
        &mut self,
        id: MemberId,
        cause: EndCause,
        fresh: CommutationId,
        now: Instant,
    ) {
        let Some(member) = self.member_mut(id).filter(|member| !member.is_leaving()) else {
            return;
        };
        let (current, held) = (member.current.take(), member.held.take());
        member.end(cause);
        if let (Some(current), Some(held)) = (current, held)
            && self.connect(id, current, held, fresh, now)
        {
            return;
        }
        for focus in [current, held].into_iter().flatten() {
            self.drop_focus(focus, id, cause);
        }
    }

    /// Connects what a leaving member heard with what that member held; false if
    /// that cannot be.
    fn connect(
        &mut self,
        id: MemberId,
        current: Focus,
        held: Focus,
        fresh: CommutationId,
        now: Instant,
    ) -> bool {
        let (Focus::Bond(first), Focus::Bond(second)) = (current, held) else {
            return self.connect_with_conference(id, current, held, now);
        };
        let (Some(one), Some(two)) = (self.bond(first), self.bond(second)) else {
            return false;
        };
        let (is_talk, is_caller) = (one.is_talk(), one.caller == id);
        let ends = (self.other(one, id), self.other(two, id));
        let (Some(new), Some(waiting)) = ends else {
            return false;
        };
        if new.is_leaving() || waiting.is_leaving() || !two.is_talk() || !(is_talk || is_caller) {
            return false;
        }
        let (new, waiting) = (new.id, waiting.id);
        let called = one.called.clone();
        for old in [first, second] {
            self.end_bond(old, EndCause::Normal);
        }
        let bond = self.push_bond((waiting, new), Origin::Transfer, called, fresh, now);
        for old in [current, held] {
            self.replace_focus(old, Focus::Bond(bond));
        }
        true
    }

    /// Everybody who hears or holds the one hears or holds the other instead.
    pub(super) fn replace_focus(&mut self, old: Focus, new: Focus) {
        for member in &mut self.members {
            for focus in [&mut member.current, &mut member.held] {
                if *focus == Some(old) {
                    *focus = Some(new);
                }
            }
        }
    }

    /// What a member who leaves heard or held goes on without that member.
    pub(in super::super) fn drop_focus(&mut self, focus: Focus, leaver: MemberId, cause: EndCause) {
        match focus {
            Focus::Bond(id) => {
                let Some(bond) = self.bond(id) else {
                    return;
                };
                // A phone that rang for a group, and for nobody else.
                if bond.caller == leaver || bond.callee == leaver {
                    self.drop_bond(id, cause);
                }
            }
            Focus::Conference => self.exit_conference(leaver, cause),
            Focus::Supervision => self.supervision = None,
        }
    }

    /// Ends a bond: who has nothing else leaves.
    pub(in super::super) fn drop_bond(&mut self, id: BondId, cause: EndCause) {
        self.end_bond(id, cause);
        let focus = Some(Focus::Bond(id));
        for member in &mut self.members {
            let is_its = member.current == focus || member.held == focus;
            member.forget(Focus::Bond(id));
            if is_its && member.current.is_none() && member.held.is_none() {
                member.end(cause);
            }
        }
    }

    /// Takes a bond away and notes it for the journal; a supervisor of it leaves.
    pub(in super::super) fn end_bond(&mut self, id: BondId, cause: EndCause) {
        let Some(place) = self.bonds.iter().position(|bond| bond.id == id) else {
            return;
        };
        let bond = self.bonds.remove(place);
        if self.is_supervised(id) {
            self.end_supervision();
        }
        let over = self.over_of(&bond, bond.callee, cause);
        if bond.is_talk() {
            if self.trace.len() >= TRACE_MAX {
                self.trace.remove(0);
            }
            self.trace.push(over.clone());
        }
        self.over.push(over);
    }

    /// What the journal is told of a bond, or of a phone that rang for it.
    pub(in super::super) fn over_of(&self, bond: &Bond, callee: MemberId, cause: EndCause) -> Over {
        let who = |id: MemberId| {
            let member = self.member(id);
            member.map_or((None, Party::default()), |it| (it.user, it.party.clone()))
        };
        Over {
            commutation: bond.commutation,
            started: bond.started,
            answered: bond.talk_since,
            caller: who(bond.caller),
            callee: who(callee),
            called: bond.called.clone(),
            cause,
        }
    }

    /// One of a group has answered: from now on the call is with that phone.
    pub(in super::super) fn hunt_is_over(&mut self, candidate: MemberId) {
        let Some(Focus::Bond(id)) = self.member(candidate).and_then(|member| member.current) else {
            return;
        };
        let Some(bond) = self.bond_mut(id) else {
            return;
        };
        let hunt = std::mem::replace(&mut bond.callee, candidate);
        self.members.retain(|member| member.id != hunt);
        for member in &mut self.members {
            let is_candidate = matches!(member.service, Service::Candidate);
            if member.id == candidate {
                member.service = Service::Phone;
            } else if is_candidate && member.current == Some(Focus::Bond(id)) {
                member.end(EndCause::Normal);
            }
        }
    }

    /// Hangs up everybody.
    pub(in super::super) fn end_all(&mut self, cause: EndCause) {
        self.change = None;
        while let Some(bond) = self.bonds.first().map(|bond| bond.id) {
            self.drop_bond(bond, cause);
        }
        for member in &mut self.members {
            member.end(cause);
        }
        self.conference = None;
        self.supervision = None;
    }

    /// Forgets the members whose part is over and who have left nothing behind; their
    /// lines are to be told.
    pub(in super::super) fn remove_gone(&mut self) {
        let is_live = |member: &Member| member.is_leaving() && member.live_leg().is_some();
        let has_live = self.members.iter().any(is_live);
        // A caller who never had a leg is shown the call to the end of the other's.
        let is_gone = |member: &mut Member| {
            member.is_leaving()
                && match member.leg {
                    Some(leg) => !leg.is_alive(),
                    None => !has_live,
                }
        };
        let gone: Vec<Member> = self.members.extract_if(.., is_gone).collect();
        for user in gone.into_iter().filter_map(|member| member.user) {
            // Who was asked in a second time is still here the first time.
            if self.members.iter().all(|member| member.user != Some(user)) {
                self.released.push(user);
            }
        }
    }
}

impl Member {
    /// Neither hears nor holds this any more.
    pub(super) fn forget(&mut self, focus: Focus) {
        self.current.take_if(|own| *own == focus);
        self.held.take_if(|own| *own == focus);
    }

    /// The part is over.
    pub(in super::super) fn end(&mut self, cause: EndCause) {
        self.current = None;
        self.held = None;
        self.ring_until = None;
        self.leaving.get_or_insert(Leaving {
            cause,
            told: Told::NotYet,
        });
    }
}
