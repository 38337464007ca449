//! What became of calls: facts for the journal, and the talks of a call.

use std::sync::Arc;

use super::chain::{Bond, Chain, MemberId, Over};
use super::{CallFact, FactSide, Output, Switchboard};
use crate::base::{ChainId, Instant, UserId};
use crate::pbx::EndCause;
use crate::protocol::{CallResult, ChainContent, ErrorNumber, Fault, Party, TalkEntry};

impl Switchboard {
    /// Gives out what became of bonds that are over.
    pub(super) fn write_journal(&mut self, chain: &mut Chain, now: Instant) {
        self.leave_lines(chain);
        for over in std::mem::take(&mut chain.over) {
            let side = |(user, party): (Option<usize>, Party)| FactSide {
                number: party.number.unwrap_or_default(),
                user: user.map(|user| self.users[user].reference.clone()),
            };
            let Over {
                bond,
                caller,
                callee,
                cause,
            } = over;
            let mut called = side(callee);
            if let Some(number) = bond.called {
                called.number = number;
            }
            self.outputs.push_back(Output::Fact(Box::new(CallFact {
                chain: chain.id,
                commutation: bond.commutation,
                caller: side(caller),
                called,
                started: bond.started,
                answered: bond.talk_since,
                ended: now,
                result: result(bond.talk_since.is_some(), cause),
            })));
        }
        let is_waited = chain
            .bonds
            .iter()
            .any(|bond| matches!(bond.routing, super::chain::Routing::Awaited(_)));
        if !is_waited {
            self.no_longer_waits(chain);
        }
    }

    /// The caller was let through, or is gone.
    fn no_longer_waits(&mut self, chain: &mut Chain) {
        if let Some(user) = chain.waited_for.take() {
            self.users[user]
                .waiting
                .retain(|waiting| *waiting != chain.id);
            self.freed.push(user);
        }
    }

    /// `getchaincontent`: of this call, else of the asker's own. Only of calls in which
    /// the asker takes part.
    pub fn chain_content(
        &self,
        asker: UserId,
        chain: Option<ChainId>,
    ) -> Result<ChainContent, Fault> {
        let asker = self.users.index(asker)?;
        let chain = chain.or(self.users[asker].call);
        let chain = chain.and_then(|chain| self.calls.get(chain));
        let chain = chain.filter(|chain| chain.member_of_user(asker).is_some());
        let chain = chain.ok_or_else(|| {
            let text = "the user takes part in no such call";
            Fault::new(ErrorNumber::NotFound, text)
        })?;
        let past = chain.trace.iter().map(|bond| (bond, false));
        let talks = chain.bonds.iter().filter(|bond| bond.is_talk());
        let present = talks.map(|bond| (bond, true));
        let trace = past
            .chain(present)
            .map(|(bond, is_current)| self.talk(chain, bond, is_current));
        Ok(ChainContent {
            chain: chain.id,
            trace: trace.collect(),
        })
    }

    fn talk(&self, chain: &Chain, bond: &Bond, is_current: bool) -> TalkEntry {
        let party = |id: MemberId| chain.member(id).map(|member| &member.party);
        let number = |id| {
            party(id)
                .and_then(|it| it.number.clone())
                .unwrap_or_default()
        };
        let user = |id| party(id).and_then(|it| it.user.clone());
        let called = bond.called.clone().unwrap_or_default();
        let groups = self.groups.iter();
        let mut queue = groups.filter_map(|it| it.number.as_ref().filter(|it| **it == called));
        TalkEntry {
            commutation: bond.commutation,
            caller: number(bond.caller),
            user: user(bond.callee).or_else(|| user(bond.caller)),
            queue: queue.next().map(Arc::clone),
            called,
            is_current,
        }
    }
}

const fn result(was_answered: bool, cause: EndCause) -> CallResult {
    if was_answered {
        return CallResult::Answered;
    }
    match cause {
        EndCause::Busy => CallResult::Busy,
        EndCause::NoAnswer => CallResult::NoAnswer,
        EndCause::Refused => CallResult::Refused,
        EndCause::Normal => CallResult::Abandoned,
        EndCause::Unknown | EndCause::Unreachable | EndCause::Failed => CallResult::Failed,
    }
}
