//! What users ask of their phones (protocol 6.5): checked here, done by the switch.

use super::Switchboard;
use super::calls::Purpose;
use super::chain::{Chain, Focus, Member, MemberId, Origin, Service};
use super::numbers::Target;
use crate::base::{CommutationId, Instant, UserId};
use crate::pbx::{Command, EndCause};
use crate::protocol::{CallRequest, ErrorNumber, Fault, FlashMode, Sequence};

impl Switchboard {
    /// A method that acts on the user's phone. `Ok` means that the switch was
    /// asked; what comes of it shows in the user's line.
    pub fn handle_call(
        &mut self,
        user: UserId,
        request: CallRequest,
        now: Instant,
    ) -> Result<(), Fault> {
        let user = self.users.index(user)?;
        self.check_connected()?;
        let done = match request {
            CallRequest::AutoCallStart {
                number,
                sequence,
                intercom,
            } => {
                let origin = Origin::BackCall { sequence, intercom };
                self.start_call(user, &number, origin, now)
            }
            CallRequest::AutoCallAbort => self.abort_dialling(user, now),
            CallRequest::Answer => self.pick_up(user, now),
            CallRequest::Abort => self.abort(user, now),
            CallRequest::Decline => self.decline(user, now),
            CallRequest::Flash(mode) => self.flash(user, mode, now),
            CallRequest::Transfer(to) => self.transfer(user, &to, now),
        };
        self.serve_lines(now);
        done
    }

    pub(super) fn check_connected(&self) -> Result<(), Fault> {
        if self.is_connected {
            return Ok(());
        }
        let text = "the telephone switch is not connected: try again later";
        Err(Fault::new(ErrorNumber::NotAvailable, text))
    }

    fn start_call(
        &mut self,
        user: usize,
        number: &str,
        origin: Origin,
        now: Instant,
    ) -> Result<(), Fault> {
        let to = self.target("number", number)?;
        if to.user == Some(user) {
            let expected = "somebody else's number: this one is the caller's own";
            return Err(Fault::parameter("number", expected));
        }
        match self.users[user].call {
            Some(_) => self.consult(user, to, origin, now),
            None => self.start_back_call(user, to, origin, now),
        }
    }

    fn start_back_call(
        &mut self,
        user: usize,
        to: Target,
        origin: Origin,
        now: Instant,
    ) -> Result<(), Fault> {
        let from = self.own_phone(user)?;
        let is_abonent_first = matches!(
            origin,
            Origin::BackCall {
                sequence: Sequence::Abonent,
                ..
            }
        );
        self.check_callee(&to, is_abonent_first)?;
        self.check_room_for_call()?;
        let mut chain = self.new_chain();
        let source = chain.add_member(from.user, from.party, from.service);
        let wanted = chain.add_member(to.user, to.party, to.service);
        let commutation = CommutationId(self.fresh_guid());
        chain.add_bond(source, wanted, origin, commutation, now);
        self.users[user].call = Some(chain.id);
        self.settle(chain, now);
        Ok(())
    }

    /// In a talk: the other party goes on hold, the new one is called (protocol 6.5).
    fn consult(
        &mut self,
        user: usize,
        to: Target,
        origin: Origin,
        now: Instant,
    ) -> Result<(), Fault> {
        self.check_callee(&to, true)?;
        let commutation = CommutationId(self.fresh_guid());
        self.act(user, now, |board, chain, own| {
            let member = chain.free_to_act(own)?;
            if member.held.is_some() && member.current.is_some() {
                return Err(wrong_state("the user holds a party already"));
            }
            if !member.is_answered() || !chain.may_put_aside(own) {
                return Err(wrong_state("the line is in a call that is no talk yet"));
            }
            board.check_free_chain(chain)?;
            let has_current = member.current.is_some();
            chain.begin_change();
            if has_current {
                chain.hold(own);
            }
            let callee = chain.add_member(to.user, to.party, to.service);
            chain.change_dials(callee);
            let intercom = matches!(origin, Origin::BackCall { intercom: true, .. });
            let sequence = Sequence::User;
            let origin = Origin::BackCall { sequence, intercom };
            chain.add_bond(own, callee, origin, commutation, now);
            Ok(())
        })
        .unwrap_or_else(|| Err(wrong_state("the user's last call is still ending")))
    }

    fn abort_dialling(&mut self, user: usize, now: Instant) -> Result<(), Fault> {
        let nothing = || wrong_state("nothing is being dialled for the user");
        let done = self.act(user, now, |_, chain, own| {
            let member = chain.member(own).ok_or_else(nothing)?;
            let bond = chain.bond_of(member.current).ok_or_else(nothing)?;
            let is_dialling = !bond.is_talk() && bond.caller == own;
            if !is_dialling || !matches!(bond.origin, Origin::BackCall { .. }) {
                return Err(nothing());
            }
            let id = bond.id;
            chain.change = None;
            chain.drop_bond(id, EndCause::Normal);
            Ok(())
        });
        done.unwrap_or_else(|| Err(nothing()))
    }

    fn pick_up(&mut self, user: usize, now: Instant) -> Result<(), Fault> {
        let nothing = || wrong_state("the user's phone does not ring");
        let done = self.act(user, now, |board, chain, own| {
            let member = chain.member(own).filter(|member| member.is_ringing());
            let leg = member.and_then(Member::live_leg).ok_or_else(nothing)?;
            board.send(Some((leg, Purpose::PickUp)), Command::Answer { leg });
            Ok(())
        });
        done.unwrap_or_else(|| Err(nothing()))
    }

    fn abort(&mut self, user: usize, now: Instant) -> Result<(), Fault> {
        let nothing = || wrong_state("the user is in no call");
        let is_shown = self.users[user].picture.is_in_call();
        let done = self.act(user, now, |board, chain, own| {
            let member = chain.member(own).ok_or_else(nothing)?;
            let is_callee = (chain.bond_of(member.current)).is_some_and(|bond| bond.caller != own);
            // A called user's line that does not ring yet shows no call to end.
            if is_callee && !is_shown {
                return Err(nothing());
            }
            let cause = if is_callee && member.is_ringing() {
                EndCause::Refused
            } else {
                EndCause::Normal
            };
            // What is under way is as good as done, or the switch says otherwise.
            chain.change = None;
            if chain.connects(own) {
                chain.begin_change();
            }
            board.lose(chain, own, cause, now);
            Ok(())
        });
        done.unwrap_or_else(|| Err(nothing()))
    }

    fn decline(&mut self, user: usize, now: Instant) -> Result<(), Fault> {
        let nothing = || wrong_state("the user's phone does not ring");
        let done = self.act(user, now, |board, chain, own| {
            if !chain.member(own).is_some_and(Member::is_ringing) {
                return Err(nothing());
            }
            board.lose(chain, own, EndCause::Refused, now);
            Ok(())
        });
        done.unwrap_or_else(|| Err(nothing()))
    }

    /// protocol 6.6: with nobody held, `switch` holds the current party; with
    /// only a held one, both modes take it back; with both, `switch` swaps them and
    /// `abort` drops the current one.
    fn flash(&mut self, user: usize, mode: FlashMode, now: Instant) -> Result<(), Fault> {
        let nothing = || wrong_state("the user is in no talk");
        let done = self.act(user, now, |_, chain, own| {
            let member = chain.member(own).filter(|it| it.is_answered());
            let member = member.ok_or_else(nothing)?;
            let (current, held) = (member.current, member.held);
            if current.is_none() && held.is_none() {
                return Err(nothing());
            }
            if held.is_none() && chain.is_on_hold(member) {
                return Err(wrong_state("the user is on hold"));
            }
            if held.is_none() && !chain.may_put_aside(own) {
                return Err(nothing());
            }
            if held.is_none() && mode == FlashMode::Abort {
                return Err(wrong_state("the user holds nobody to return to"));
            }
            chain.free_to_act(own)?;
            chain.begin_change();
            let is_dialling = !chain.may_put_aside(own);
            match (current, held) {
                (Some(dropped), Some(_)) if mode == FlashMode::Abort || is_dialling => {
                    chain.drop_for(own, dropped);
                    chain.swap(own);
                }
                (Some(_), None) => chain.hold(own),
                _ => chain.swap(own),
            }
            Ok(())
        });
        done.unwrap_or_else(|| Err(nothing()))
    }

    /// protocol 6.5: the current party goes to the target. Without a held party the
    /// user leaves, else returns to that one.
    fn transfer(&mut self, user: usize, to: &str, now: Instant) -> Result<(), Fault> {
        let nothing = || wrong_state("the user is in no call that could be passed on");
        let to = self.target("transferto", to)?;
        let commutation = CommutationId(self.fresh_guid());
        self.check_callee(&to, true)?;
        let done = self.act(user, now, |board, chain, own| {
            let member = chain.free_to_act(own)?;
            let bond = chain.bond_of(member.current).ok_or_else(nothing)?;
            let is_offered = bond.callee == own && member.is_ringing();
            let is_talk = bond.is_talk() && chain.is_mutual(bond);
            let is_hunt = matches!(member.service, Service::Candidate);
            if is_hunt || !(is_talk || is_offered) {
                return Err(nothing());
            }
            if chain.has_user(to.user) {
                return Err(wrong_state("the target is in the call already"));
            }
            let (id, origin) = (bond.id, bond.origin);
            let origin = if is_talk { Origin::Transfer } else { origin };
            let other = chain.other(bond, own).ok_or_else(nothing)?.id;
            board.check_free_chain(chain)?;
            chain.begin_change();
            let callee = chain.add_member(to.user, to.party, to.service);
            chain.change_dials(callee);
            chain.pass_on(own, id, other, callee, origin, commutation, now);
            Ok(())
        });
        done.unwrap_or_else(|| Err(nothing()))
    }

    /// Acts on the user's call, as the user; `None` if there is none that goes on.
    pub(super) fn act<T>(
        &mut self,
        user: usize,
        now: Instant,
        act: impl FnOnce(&mut Self, &mut Chain, MemberId) -> T,
    ) -> Option<T> {
        let chain = self.users[user].call?;
        let own = self.calls.get(chain)?.member_of_user(user)?.id;
        self.change(chain, now, |board, chain| act(board, chain, own))
    }

    /// Whom a field of a request names.
    pub(super) fn target(&self, field: &str, text: &str) -> Result<Target, Fault> {
        let limits = &self.limits;
        let characters_max = limits.number_characters_max;
        self.numbers
            .target(field, text, characters_max, &self.users)
    }

    /// The user's own phone, to be rung first.
    pub(super) fn own_phone(&self, user: usize) -> Result<Target, Fault> {
        let record = &self.users[user];
        let number = record.phone_to_ring(None).cloned();
        let number = number.ok_or_else(|| wrong_state("no phone of the user is registered"))?;
        Ok(Target {
            user: Some(user),
            party: record.party(number),
            service: Service::Phone,
        })
    }

    /// A colleague who cannot be rung is told of at once. One who is busy may be free
    /// when the own phone, which rings first, has been answered.
    pub(super) fn check_callee(&self, to: &Target, is_rung_now: bool) -> Result<(), Fault> {
        let Some(user) = to.user.filter(|user| !self.is_redirected(*user)) else {
            return Ok(());
        };
        let record = &self.users[user];
        if !record.has_phone() {
            return Err(wrong_state("no phone of the called user is registered"));
        }
        let is_busy = record.call.is_some() || record.refuses_calls();
        if is_rung_now && is_busy {
            return Err(wrong_state("the called user is busy"));
        }
        Ok(())
    }

    pub(super) fn check_room_for_call(&mut self) -> Result<(), Fault> {
        if self.calls.len() < self.limits.calls_max {
            return Ok(());
        }
        self.counters.calls_over_limit += 1;
        let text = "the exchange carries as many calls as it may: try again later";
        Err(Fault::new(ErrorNumber::TooMany, text))
    }

    /// A call that grows without end is refused.
    pub(super) fn check_free_chain(&self, chain: &Chain) -> Result<(), Fault> {
        if chain.members.len() < self.limits.members_max {
            return Ok(());
        }
        let text = "the call has as many parties as it may";
        Err(Fault::new(ErrorNumber::TooMany, text))
    }
}

impl Chain {
    /// The member, unless a change is under way that has to be over first.
    pub(super) fn free_to_act(&self, own: MemberId) -> Result<&Member, Fault> {
        if self.change.is_some() {
            return Err(wrong_state("a change of the call is under way"));
        }
        self.member(own)
            .ok_or_else(|| wrong_state("the user is in no call"))
    }

    /// Whether what the member hears can be put aside: a talk or a conference.
    pub(super) fn may_put_aside(&self, own: MemberId) -> bool {
        let Some(member) = self.member(own) else {
            return false;
        };
        match member.current {
            None => member.held.is_some(),
            Some(Focus::Bond(id)) => self.bond(id).is_some_and(|bond| {
                let is_ivr = self
                    .other(bond, own)
                    .is_some_and(|other| matches!(other.service, Service::Ivr { .. }));
                bond.is_talk() && !is_ivr && (self.is_mutual(bond) || member.held.is_some())
            }),
            Some(Focus::Conference) => (self.conference.as_ref())
                .and_then(|conference| conference.of_member(own))
                .is_some_and(|competitor| competitor.since.is_some()),
            Some(Focus::Supervision) => false,
        }
    }

    /// Whether the other side has put the member aside.
    fn is_on_hold(&self, member: &Member) -> bool {
        let bond = self.bond_of(member.current);
        bond.is_some_and(|bond| bond.is_talk() && !self.is_mutual(bond))
    }

    /// Whether two others are connected when the member leaves.
    fn connects(&self, own: MemberId) -> bool {
        let member = self.member(own);
        member.is_some_and(|it| it.current.is_some() && it.held.is_some())
    }

    /// A member hears something no longer, and whoever is left alone by that leaves.
    fn drop_for(&mut self, own: MemberId, focus: Focus) {
        if let Some(member) = self.member_mut(own) {
            member.current = None;
        }
        self.drop_focus(focus, own, EndCause::Normal);
    }

    /// The other end of a member's bond is bound to somebody new instead.
    #[expect(clippy::too_many_arguments, reason = "who passes whom to whom")]
    fn pass_on(
        &mut self,
        own: MemberId,
        old: super::chain::BondId,
        other: MemberId,
        callee: MemberId,
        origin: Origin,
        commutation: CommutationId,
        now: Instant,
    ) {
        let started = self.bond(old).map_or(now, |bond| bond.started);
        let new = self.add_bond(other, callee, origin, commutation, now);
        self.end_bond(old, EndCause::Normal);
        if let Some(bond) = self.bond_mut(new) {
            bond.started = started;
        }
        if let Some(member) = self.member_mut(own) {
            member.current = member.held.take();
            if member.current.is_none() {
                member.end(EndCause::Normal);
            }
        }
    }
}

pub(super) fn wrong_state(text: &'static str) -> Fault {
    Fault::new(ErrorNumber::WrongState, text)
}
