//! What became of calls: facts for the journal, and the talks of a call.

use super::chain::{Chain, Over};
use super::{CallFact, FactSide, Output, Switchboard};
use crate::base::{ChainId, Instant, UserId};
use crate::pbx::EndCause;
use crate::protocol::{CallResult, ChainContent, ErrorNumber, Fault, Party, TalkEntry};

impl Switchboard {
    /// Gives out what became of bonds that are over.
    pub(super) fn write_journal(&mut self, chain: &mut Chain, now: Instant) {
        for over in std::mem::take(&mut chain.over) {
            let fact = self.fact(chain.id, over, now);
            self.outputs.push_back(Output::Fact(Box::new(fact)));
        }
    }

    fn fact(&self, chain: ChainId, over: Over, now: Instant) -> CallFact {
        let side = |(user, party): (Option<usize>, Party)| FactSide {
            number: party.number.unwrap_or_default(),
            user: user.map(|user| self.users[user].reference.clone()),
        };
        let mut called = side(over.callee);
        if let Some(number) = over.called {
            called.number = number;
        }
        CallFact {
            chain,
            commutation: over.commutation,
            caller: side(over.caller),
            called,
            started: over.started,
            answered: over.answered,
            ended: now,
            result: result(over.answered.is_some(), over.cause),
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
        let past = chain.trace.iter().map(|over| self.talk(over, false));
        let talks = chain.bonds.iter().filter(|bond| bond.is_talk());
        let present = talks.map(|bond| {
            let over = chain.over_of(bond, bond.callee, EndCause::Normal);
            self.talk(&over, true)
        });
        Ok(ChainContent {
            chain: chain.id,
            trace: past.chain(present).collect(),
        })
    }

    fn talk(&self, over: &Over, is_current: bool) -> TalkEntry {
        let user = |(_, party): &(Option<usize>, Party)| party.user.clone();
        let called = over.called.clone().unwrap_or_default();
        let numbers = self.groups.iter().filter_map(|group| group.number.as_ref());
        TalkEntry {
            commutation: over.commutation,
            caller: over.caller.1.number.clone().unwrap_or_default(),
            user: user(&over.callee).or_else(|| user(&over.caller)),
            queue: numbers.into_iter().find(|it| **it == called).cloned(),
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
