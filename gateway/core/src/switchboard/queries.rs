//! What the switchboard is asked and answers without changing anything.

use std::sync::Arc;

use super::chain::{Bond, Chain, Focus, LegState, Member, MemberId, Routing};
use super::{ChainState, ChainSummary, Switchboard};
use crate::base::{ChainId, Instant, LegId, UserId};
use crate::protocol::{
    BreakReason, Fault, Flashed, LineInfo, MyUserInfo, NumberEntry, UserEntry, UserRef, UserState,
};

impl Switchboard {
    /// `getuserstate`.
    pub fn user_state(&self, user: UserId) -> Result<UserState, Fault> {
        Ok(self.users.of(user)?.shown.clone())
    }

    /// `getextendedlineinfo`: a copy of a picture that is kept ready.
    pub fn line_info(&self, user: UserId, now: Instant) -> Result<LineInfo, Fault> {
        let user = self.users.of(user)?;
        let mut line = user.picture.line.clone();
        line.version = user.line_version;
        if let Some(start) = user.picture.talk_since {
            line.talk = now.since(start);
        }
        Ok(line)
    }

    /// `getflashedabonentinfo`: who waits on hold.
    pub fn flashed(&self, user: UserId) -> Result<Option<Box<Flashed>>, Fault> {
        let flashed = self.users.of(user)?.picture.line.flashed.clone();
        Ok(flashed.map(Box::new))
    }

    /// `getpbxnumbers`: a version that rises with each change of a number's
    /// state, and all numbers.
    pub fn number_entries(&mut self) -> (u64, Arc<[NumberEntry]>) {
        self.numbers.entries(&self.users)
    }

    /// The version of numbers' states that [`Switchboard::number_entries`] would give.
    pub const fn numbers_version(&self) -> u64 {
        self.numbers.version()
    }

    /// `getallusernumbers` as this user may see it, and whether all who supervise
    /// nobody see the same.
    pub fn user_entries(&mut self, asker: UserId) -> Result<(Arc<[UserEntry]>, bool), Fault> {
        let supervises = &self.users.of(asker)?.supervises;
        if !supervises.is_empty() {
            return Ok((self.entries_for(supervises), false));
        }
        if self.common_entries.is_none() {
            self.common_entries = Some(self.entries_for(&[]));
        }
        let entries = self.common_entries.as_ref();
        Ok((entries.map_or_else(|| [].into(), Arc::clone), true))
    }

    fn entries_for(&self, supervises: &[UserId]) -> Arc<[UserEntry]> {
        let entries = self.users.iter().map(|user| UserEntry {
            id: user.reference.id,
            name: Arc::clone(&user.name),
            main: user.main_number().map_or_else(|| "".into(), Arc::clone),
            numbers: user
                .phones
                .iter()
                .map(|it| Arc::clone(&it.number))
                .collect(),
            subordinate: supervises.contains(&user.reference.id),
        });
        entries.collect()
    }

    /// `getmyuserinfo`. The line is named by its main number's id.
    pub fn my_user_info(&self, user: UserId) -> Result<MyUserInfo, Fault> {
        let user = self.users.of(user)?;
        let line = user.phones.first().filter(|_| user.has_phone());
        Ok(MyUserInfo {
            user: user.reference.clone(),
            name: Arc::clone(&user.name),
            main_number: user.main_number().cloned(),
            line: line.map(|phone| phone.id.0),
            line_number: line.map(|phone| Arc::clone(&phone.number)),
            is_operator: user.is_operator,
        })
    }

    /// `cc_getlunchtypes`.
    pub fn break_reasons(&self) -> Arc<[BreakReason]> {
        Arc::clone(&self.break_reasons)
    }

    /// A user as messages name one.
    pub fn user_reference(&self, user: UserId) -> Result<UserRef, Fault> {
        Ok(self.users.of(user)?.reference.clone())
    }

    /// The user of this line: its number, or the number's id.
    pub fn user_of_line(&self, line: &str) -> Option<UserId> {
        let user = self.numbers.owner(line.trim())?;
        Some(self.users[user].reference.id)
    }

    /// Users in the settings.
    pub fn user_count(&self) -> usize {
        self.users.iter().count()
    }

    /// How many calls go on.
    pub fn call_count(&self) -> usize {
        self.calls.len()
    }

    /// The calls that go on, in the order of their ids.
    pub fn chains(&self) -> Vec<ChainSummary> {
        self.calls.iter().map(summary).collect()
    }

    /// The call that a user takes part in.
    pub fn call_of(&self, user: UserId) -> Option<ChainId> {
        self.users.of(user).ok()?.call
    }

    /// Whether this call goes on.
    pub fn has_call(&self, chain: ChainId) -> bool {
        self.calls.get(chain).is_some()
    }

    /// The call that a live leg belongs to.
    pub fn chain_of(&self, leg: LegId) -> Option<ChainId> {
        self.calls.chain_of(leg)
    }

    /// The leg of a call's outside caller, or else of the phone that called; in a
    /// conference of the first who is there.
    pub fn caller_leg(&self, chain: ChainId) -> Option<LegId> {
        let chain = self.calls.get(chain)?;
        let caller = chain
            .first_bond()
            .and_then(|bond| chain.member(bond.caller));
        let leg = caller.and_then(Member::live_leg);
        leg.or_else(|| chain.members.iter().find_map(Member::live_leg))
    }

    /// The leg of a call's outside party, whoever called.
    pub fn outside_leg(&self, chain: ChainId) -> Option<LegId> {
        let outside = |member: &&Member| member.user.is_none() && member.live_leg().is_some();
        self.calls
            .get(chain)?
            .members
            .iter()
            .find(outside)?
            .live_leg()
    }

    /// The leg of a user's phone that rings in a call.
    pub fn ringing_leg(&self, chain: ChainId) -> Option<LegId> {
        let rings = |member: &&Member| member.user.is_some() && member.is_ringing();
        self.calls
            .get(chain)?
            .members
            .iter()
            .find(rings)?
            .live_leg()
    }
}

fn summary(chain: &Chain) -> ChainSummary {
    let number = |id: Option<MemberId>| {
        let party = id.and_then(|id| chain.member(id)).map(|it| &it.party);
        let number = party.and_then(|party| party.number.as_ref());
        number.map_or_else(|| "".into(), Arc::clone)
    };
    let bond = chain.first_bond();
    let last = chain.members.last().map(|member| member.id);
    ChainSummary {
        chain: chain.id,
        from: number(
            bond.map(|bond| bond.caller)
                .or(chain.members.first().map(|it| it.id)),
        ),
        to: number(bond.map(|bond| bond.callee).or(last)),
        state: state(chain, bond),
    }
}

fn state(chain: &Chain, bond: Option<&Bond>) -> ChainState {
    if chain.has_conference() {
        return ChainState::Conference;
    }
    let Some(bond) = bond else {
        return ChainState::Ending;
    };
    let is_held = |id: MemberId| {
        let member = chain.member(id);
        member.is_some_and(|member| member.held == Some(Focus::Bond(bond.id)))
    };
    match bond.routing {
        Routing::Awaited(_) => ChainState::Arrived,
        Routing::Done if !bond.is_talk() => {
            let is_waiting = chain.member(bond.callee).is_some_and(Member::is_in_line);
            if is_waiting && !chain.members.iter().any(Member::is_ringing) {
                ChainState::Waiting
            } else {
                ChainState::Ringing
            }
        }
        Routing::Done if is_held(bond.caller) || is_held(bond.callee) => ChainState::Held,
        Routing::Done => ChainState::Talking,
    }
}

impl Member {
    /// It stands for a place in a group's line.
    fn is_in_line(&self) -> bool {
        matches!(self.service, super::chain::Service::Hunt(_))
            && self.state() < Some(LegState::Ended)
    }
}

#[cfg(test)]
impl Switchboard {
    /// Every user's id.
    pub(super) fn user_ids(&self) -> Vec<UserId> {
        self.users.iter().map(|user| user.reference.id).collect()
    }

    pub(super) fn choice_of(&self, user: UserId) -> crate::protocol::StateId {
        self.users.of(user).expect("a known user").choice.state
    }

    pub(super) fn has_legs(&self, chain: ChainId) -> bool {
        let call = self.calls.get(chain);
        call.is_some_and(|call| call.live_legs().next().is_some())
    }

    /// Whether a user's own leg in a call exists, and not only in a wish.
    pub(super) fn is_on_leg(&self, user: UserId, chain: ChainId) -> bool {
        let index = self.users.index(user).expect("a known user");
        let call = self.calls.get(chain);
        call.is_some_and(|call| {
            let mut members = call.members.iter();
            members.any(|it| {
                let is_more = it.state() > Some(LegState::Requested);
                it.user == Some(index) && it.live_leg().is_some() && is_more
            })
        })
    }

    /// Everything about a call.
    pub(super) fn told(&self, chain: ChainId) -> String {
        format!("{:#?}", self.calls.get(chain))
    }

    /// What must hold of all calls together and of each.
    pub(super) fn assert_sound(&self) {
        let mut users = std::collections::HashSet::new();
        for chain in self.calls.iter() {
            chain.assert_sound();
            let here = |it: &&Member| it.live_leg().is_some() && !it.is_leaving();
            for user in chain.members.iter().filter(here).filter_map(|it| it.user) {
                let is_new = users.insert(user);
                assert!(is_new, "a user is on two phones at once: {chain:#?}");
            }
        }
        for (group, record) in self.groups.iter().enumerate() {
            for (chain, id) in record.line() {
                let chain = self
                    .calls
                    .get(chain)
                    .expect("who stands in line is in a call");
                let member = chain.member(id).expect("who stands in line is there");
                let super::chain::Service::Hunt(hunt) = &member.service else {
                    panic!("no hunt stands in the line of group {group}");
                };
                assert_eq!(hunt.group, group);
            }
        }
    }

    pub(super) fn assert_nothing_left(&self) {
        self.calls.assert_empty();
        for user in self.users.iter() {
            assert_eq!(user.call, None, "{} is in a call", user.reference.login);
            assert!(user.waiting.is_empty() && !user.picture.is_in_call());
        }
        let counters = self.counters;
        assert_eq!(counters.calls_started, counters.calls_ended);
    }
}
