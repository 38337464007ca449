//! What became of calls: the talks of a chain and the journal (protocol 6.5).

use std::sync::Arc;

use super::directory::UserRef;
use super::request::CallDirection;
use super::write::{FieldWriter, Fields};
use crate::base::{ChainId, CommutationId, WallTime};

/// `content` of `getchaincontent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainContent {
    /// `chainid`.
    pub chain: ChainId,
    /// `trace`: its talks in their order, those that go on included.
    pub trace: Vec<TalkEntry>,
}

/// One talk of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TalkEntry {
    /// `commutationid`.
    pub commutation: CommutationId,
    /// Who wanted it.
    pub caller: Arc<str>,
    /// Who was wanted.
    pub called: Arc<str>,
    /// `userid`, `userlogin`: the exchange's user in it, the called one of two.
    pub user: Option<UserRef>,
    /// `queue`: the group's number, if one was called.
    pub queue: Option<Arc<str>>,
    /// It goes on.
    pub is_current: bool,
}

impl Fields for ChainContent {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.guid("chainid", self.chain.0);
        writer.objects("trace", &self.trace, |writer, talk| {
            writer.guid("commutationid", talk.commutation.0);
            writer.string("callerid", &talk.caller);
            writer.string("calledid", &talk.called);
            if let Some(user) = &talk.user {
                writer.guid("userid", user.id.0);
                writer.string("userlogin", &user.login);
            }
            writer.string("queue", talk.queue.as_deref().unwrap_or(""));
            writer.boolean("iscurrent", talk.is_current);
        });
    }
}

/// One call of one user, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// `chainid`.
    pub chain: ChainId,
    /// `commutationid`.
    pub commutation: CommutationId,
    /// `direction`.
    pub direction: CallDirection,
    /// `callerid`.
    pub caller: Arc<str>,
    /// `calledid`.
    pub called: Arc<str>,
    /// The user whose call it was.
    pub user: UserRef,
    /// `timestart`.
    pub started: WallTime,
    /// `timeanswer`.
    pub answered: Option<WallTime>,
    /// `timestop`.
    pub ended: WallTime,
    /// `result`.
    pub result: CallResult,
}

/// `result` of a call in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallResult {
    /// There was a talk.
    Answered,
    /// The called party was busy.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// The called party refused.
    Refused,
    /// The caller gave up.
    Abandoned,
    /// It could not be made.
    Failed,
}

impl CallResult {
    /// The text on the wire.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Busy => "busy",
            Self::NoAnswer => "noanswer",
            Self::Refused => "refused",
            Self::Abandoned => "abandoned",
            Self::Failed => "failed",
        }
    }
}

impl Fields for JournalEntry {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.guid("chainid", self.chain.0);
        writer.guid("commutationid", self.commutation.0);
        writer.string("direction", self.direction.text());
        writer.string("callerid", &self.caller);
        writer.string("calledid", &self.called);
        writer.guid("userid", self.user.id.0);
        writer.string("userlogin", &self.user.login);
        writer.string("timestart", &self.started.rfc3339());
        let answered = self.answered.map(WallTime::rfc3339);
        match &answered {
            Some(time) => writer.string("timeanswer", time),
            None => writer.null("timeanswer"),
        }
        writer.string("timestop", &self.ended.rfc3339());
        writer.string("result", self.result.text());
        writer.string("recordlink", "");
    }
}
