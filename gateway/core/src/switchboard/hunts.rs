//! Numbers with more behind them than one phone: groups, whose members are rung by
//! a rule while the callers wait in line, and voice menus.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Switchboard;
use super::chain::{Chain, Focus, Hunt, MemberId, Origin, Routing, Service};
use super::directory::{Group, HuntRule};
use super::limits::after;
use crate::base::{ChainId, CommutationId, Instant};
use crate::pbx::EndCause;
use crate::protocol::StateId;

/// A group while the gateway runs.
#[derive(Debug)]
pub(super) struct GroupRecord {
    /// The number; a user's own line has none.
    pub(super) number: Option<Arc<str>>,
    /// The indices of its users.
    pub(super) users: Vec<usize>,
    rule: HuntRule,
    ring: Duration,
    wait: Duration,
    line_max: usize,
    /// Who waits, the first first.
    pub(super) line: VecDeque<(ChainId, MemberId)>,
    /// The place in `users` of who was rung last.
    last: usize,
}

/// How long nobody of a group is rung after all of them were.
const PAUSE: Duration = Duration::from_secs(5);

impl GroupRecord {
    pub(super) fn new(group: &Group, users: Vec<usize>) -> Self {
        Self {
            number: Some(Arc::clone(&group.number.1)),
            users,
            rule: group.rule,
            ring: group.ring,
            wait: group.wait,
            line_max: group.line_max,
            line: VecDeque::new(),
            last: usize::MAX,
        }
    }

    /// The line of those who wait for one user's call to end.
    pub(super) fn own(user: usize, wait: Duration) -> Self {
        Self {
            number: None,
            users: vec![user],
            rule: HuntRule::All,
            ring: OWN_RING,
            wait,
            line_max: OWN_LINE_MAX,
            line: VecDeque::new(),
            last: usize::MAX,
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.line.len()
    }
}

/// How long a user's phone rings for a caller who waited for it.
const OWN_RING: Duration = Duration::from_secs(60);

/// Callers who wait for one user.
const OWN_LINE_MAX: usize = 20;

#[cfg(test)]
impl GroupRecord {
    /// Who waits.
    pub(super) fn line(&self) -> impl Iterator<Item = (ChainId, MemberId)> + '_ {
        self.line.iter().copied()
    }
}

impl Switchboard {
    /// An outside caller who finds the user in a call may wait for its end; whether that
    /// is so.
    pub(super) fn waits_for(&mut self, chain: &mut Chain, id: MemberId) -> bool {
        let Some(member) = chain.member(id) else {
            return false;
        };
        let is_outside = chain
            .bond_of(member.current)
            .is_some_and(|bond| bond.origin == Origin::Outside && bond.callee == id);
        let line = member.user.and_then(|user| self.own_line(user));
        let Some(line) = line.filter(|_| is_outside) else {
            return false;
        };
        if let Some(member) = chain.member_mut(id) {
            member.user = None;
            member.service = Service::Hunt(Box::new(Hunt::of(line)));
        }
        true
    }

    /// The line in which callers wait for a user who is in a call, if they may.
    pub(super) fn own_line(&self, user: usize) -> Option<usize> {
        let record = &self.users[user];
        let is_in_call = record.call.is_some() && !record.refuses_calls();
        record.own_line.filter(|_| is_in_call)
    }

    /// Callers who wait in all lines.
    pub fn waiting_count(&self) -> usize {
        self.groups.iter().map(GroupRecord::waiting).sum()
    }

    /// A caller goes to the end of a group's line.
    pub(super) fn begin_hunt(
        &mut self,
        chain: &mut Chain,
        id: MemberId,
        now: Instant,
    ) -> Result<(), EndCause> {
        let place = (chain.id, id);
        let Some(member) = chain.member_mut(id) else {
            return Ok(());
        };
        let Service::Hunt(hunt) = &mut member.service else {
            return Ok(());
        };
        let group = &mut self.groups[hunt.group];
        if group.line.len() >= group.line_max {
            self.counters.callers_over_limit += 1;
            return Err(EndCause::Busy);
        }
        group.line.push_back(place);
        hunt.has_begun = true;
        hunt.until = after(now, group.wait);
        chain.stands_in_line = true;
        Ok(())
    }

    /// Rings members of the groups in whose lines the call's callers stand; whether
    /// there is somebody new to be dialled.
    pub(super) fn ring_candidates(&mut self, chain: &mut Chain, now: Instant) -> bool {
        let hunts: Vec<MemberId> = (chain.members.iter())
            .filter(|it| !it.is_leaving() && matches!(it.service, Service::Hunt(_)))
            .map(|it| it.id)
            .collect();
        let mut has_new = false;
        for id in hunts {
            has_new |= self.ring_for(chain, id, now);
        }
        has_new
    }

    fn ring_for(&mut self, chain: &mut Chain, id: MemberId, now: Instant) -> bool {
        let focus = chain.member(id).and_then(|member| member.current);
        let is_rung = chain.has_candidates(focus);
        let Some(Service::Hunt(hunt)) = chain.member(id).map(|member| &member.service) else {
            return false;
        };
        if !hunt.has_begun || hunt.next_try.is_some() {
            return false;
        }
        let (group, tried) = (hunt.group, hunt.tried.clone());
        let is_one_by_one = self.groups[group].rule != HuntRule::All;
        if is_rung && is_one_by_one {
            return false;
        }
        let free = if self.is_next_in_line(group, chain.id, id) {
            self.free_of(group, &tried)
        } else {
            Vec::new()
        };
        let Some(bond) = chain.bond_of(focus).map(|bond| bond.id) else {
            return false;
        };
        for user in &free {
            let record = &self.users[*user];
            let number = record.phone_to_ring(None).cloned();
            let Some(number) = number.filter(|_| chain.members.len() < self.limits.members_max)
            else {
                continue;
            };
            let party = record.party(number);
            let candidate = chain.add_member(Some(*user), party, Service::Candidate);
            if let Some(member) = chain.member_mut(candidate) {
                member.current = Some(Focus::Bond(bond));
            }
            // Taken at once, so that no other caller is given the same phone.
            self.users[*user].call = Some(chain.id);
        }
        let (has_new, has_tried) = (!free.is_empty(), !tried.is_empty());
        if let Some(Service::Hunt(hunt)) = chain.member_mut(id).map(|it| &mut it.service)
            && !has_new
            && !is_rung
        {
            hunt.is_waiting = true;
            if has_tried {
                // All who are free were rung: after a pause they are rung again.
                hunt.tried.clear();
                hunt.next_try = Some(now + PAUSE);
            }
        }
        has_new
    }

    /// Whoever came first is served first: those before have nobody left to try.
    fn is_next_in_line(&self, group: usize, chain: ChainId, id: MemberId) -> bool {
        let line = &self.groups[group].line;
        line.iter()
            .take_while(|place| **place != (chain, id))
            .all(|(chain, id)| self.is_served(*chain, *id))
    }

    /// Whether phones ring for a caller in another call, or will after a pause.
    fn is_served(&self, chain: ChainId, id: MemberId) -> bool {
        let Some(chain) = self.calls.get(chain) else {
            return true;
        };
        let focus = chain.member(id).and_then(|member| member.current);
        let is_paused = chain
            .member(id)
            .is_some_and(|member| match &member.service {
                Service::Hunt(hunt) => hunt.next_try.is_some(),
                _ => true,
            });
        is_paused || chain.has_candidates(focus)
    }

    /// Who is to be rung now, by the group's rule.
    fn free_of(&mut self, group: usize, tried: &[usize]) -> Vec<usize> {
        let users = &self.users;
        let record = &mut self.groups[group];
        let count = record.users.len();
        let is_own = record.number.is_none();
        let is_free = |user: &usize| users[*user].may_ring(is_own) && !tried.contains(user);
        match record.rule {
            HuntRule::All => record.users.iter().copied().filter(is_free).collect(),
            HuntRule::LongestIdle => {
                let free = record.users.iter().copied().filter(is_free);
                free.min_by_key(|user| users[*user].idle_since)
                    .into_iter()
                    .collect()
            }
            HuntRule::RoundRobin => {
                let start = record.last.wrapping_add(1);
                let places = (0..count).map(|step| start.wrapping_add(step) % count);
                let found = places
                    .into_iter()
                    .find(|place| is_free(&record.users[*place]));
                record.last = found.unwrap_or(record.last);
                found.map(|place| record.users[place]).into_iter().collect()
            }
        }
    }

    /// A phone that rang for a group was not answered: it is not the next one again.
    pub(super) fn candidate_failed(
        &mut self,
        chain: &mut Chain,
        id: MemberId,
        cause: EndCause,
        now: Instant,
    ) {
        let Some(member) = chain.member(id) else {
            return;
        };
        if let (Service::Candidate, Some(user)) = (&member.service, member.user) {
            let focus = member.current;
            if let Some(bond) = chain.bond_of(focus) {
                let over = chain.over_of(bond, id, cause);
                chain.over.push(over);
            }
            // Who did not take the call goes to the end of those who are idle.
            self.users[user].idle_since = now;
            for hunt in chain.members.iter_mut().filter(|it| it.current == focus) {
                if let Service::Hunt(hunt) = &mut hunt.service {
                    hunt.tried.push(user);
                }
            }
        }
    }

    /// How long a member's phone rings.
    pub(super) fn ring_timeout(&self, chain: &Chain, id: MemberId) -> Duration {
        let member = chain.member(id);
        let focus = member.and_then(|member| member.current);
        let is_candidate = member.is_some_and(|it| matches!(it.service, Service::Candidate));
        let group = chain.members.iter().find_map(|it| match &it.service {
            Service::Hunt(hunt) if it.current == focus => Some(hunt.group),
            _ => None,
        });
        match group.filter(|_| is_candidate) {
            Some(group) => self.groups[group].ring,
            None => self.limits.ring_timeout,
        }
    }

    /// Pauses, waits and voice menus that are over.
    pub(super) fn expire_services(&mut self, chain: &mut Chain, now: Instant) {
        let is_due = |time: &Option<Instant>| time.is_some_and(|time| time <= now);
        let (mut given_up, mut passed_on) = (Vec::new(), Vec::new());
        for member in &mut chain.members {
            match &mut member.service {
                Service::Hunt(hunt) => {
                    hunt.next_try.take_if(|time| *time <= now);
                    if is_due(&hunt.until) {
                        hunt.until = None;
                        given_up.push(member.id);
                    }
                }
                Service::Ivr { next, .. } => {
                    if let Some((_, to)) = next.take_if(|(time, _)| *time <= now) {
                        passed_on.push((member.id, to));
                    }
                }
                Service::Phone | Service::Candidate => {}
            }
        }
        for id in given_up {
            self.lose(chain, id, EndCause::NoAnswer, now);
        }
        for (id, to) in passed_on {
            self.leave_ivr(chain, id, &to, now);
        }
    }

    /// A voice menu passes its caller on.
    fn leave_ivr(&mut self, chain: &mut Chain, id: MemberId, to: &Arc<str>, now: Instant) {
        let bond = chain.member(id).and_then(|ivr| chain.bond_of(ivr.current));
        let Some(bond) = bond else {
            return;
        };
        let (old, caller) = (bond.id, bond.caller);
        let Some(target) = self.numbers.called(to, &self.users) else {
            return;
        };
        let commutation = CommutationId(self.fresh_guid());
        let wanted = chain.add_member(target.user, target.party, target.service);
        chain.add_bond(caller, wanted, Origin::Transfer, commutation, now);
        chain.drop_bond(old, EndCause::Normal);
    }

    /// When a voice menu passes its caller on: counted from its answer.
    pub(super) fn ivr_answered(&self, chain: &mut Chain, id: MemberId, now: Instant) {
        let Some(member) = chain.member_mut(id) else {
            return;
        };
        if let Service::Ivr { next, .. } = &mut member.service
            && let Some(number) = &member.party.number
            && let Some(plan) = self.numbers.ivr(number)
        {
            *next = plan
                .then
                .as_ref()
                .map(|(after, to)| (now + *after, Arc::clone(to)));
        }
    }

    /// Somebody is free: callers in the lines of that user's groups are served.
    pub(super) fn serve_lines(&mut self, now: Instant) {
        while let Some(user) = self.freed.pop() {
            if !self.users[user].may_ring(true) {
                continue;
            }
            for place in 0..self.users[user].groups.len() {
                let group = self.users[user].groups[place];
                self.serve_line(group, user, now);
            }
        }
    }

    fn serve_line(&mut self, group: usize, user: usize, now: Instant) {
        let line: Vec<_> = self.groups[group].line.iter().copied().collect();
        for (chain, _) in line {
            if !self.users[user].may_ring(true) {
                return;
            }
            self.change(chain, now, |_, _| ());
        }
    }

    /// An outside caller who arrived for a user was let through, or is gone.
    fn stop_waiting(&mut self, chain: &mut Chain) {
        let is_awaited = |bond: &super::chain::Bond| matches!(bond.routing, Routing::Awaited(_));
        if chain.bonds.iter().any(is_awaited) {
            return;
        }
        if let Some(user) = chain.waited_for.take() {
            let waiting = &mut self.users[user].waiting;
            waiting.retain(|waiting| *waiting != chain.id);
            self.freed.push(user);
        }
    }

    /// Takes callers out of the lines who no longer stand there.
    pub(super) fn leave_lines(&mut self, chain: &mut Chain) {
        self.stop_waiting(chain);
        if !chain.stands_in_line {
            return;
        }
        let waits = |it: &super::chain::Member| matches!(it.service, Service::Hunt(_));
        chain.stands_in_line = chain.members.iter().any(waits);
        for group in &mut self.groups {
            group.line.retain(|(waiting, id)| {
                *waiting != chain.id || chain.member(*id).is_some_and(|member| !member.is_leaving())
            });
        }
    }
}

impl super::users::UserRecord {
    /// Whether a phone of the user may be rung for callers in a line: the user's own, or
    /// a group's.
    pub(super) fn may_ring(&self, is_own: bool) -> bool {
        if self.call.is_some() || !self.has_phone() {
            return false;
        }
        if is_own {
            return !self.refuses_calls();
        }
        self.waiting.is_empty()
            && self.shown.id == StateId::Ready
            && (!self.is_operator || self.shown.on_call_center)
            && !self.shown.on_cc_manual
    }
}

impl Chain {
    /// Whether phones ring on behalf of a group for who hears this.
    fn has_candidates(&self, focus: Option<Focus>) -> bool {
        let rings = |it: &super::chain::Member| {
            it.current == focus && matches!(it.service, Service::Candidate) && !it.is_leaving()
        };
        self.members.iter().any(rings)
    }
}

impl Hunt {
    /// A caller who is to stand in the line of this group.
    pub(super) fn of(group: usize) -> Self {
        Self {
            group,
            ..Self::default()
        }
    }
}
