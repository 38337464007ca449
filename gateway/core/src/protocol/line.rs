//! The whole picture of a user's line: `getextendedlineinfo` (protocol 6.5).

use std::sync::Arc;
use std::time::Duration;

use super::directory::UserRef;
use super::write::{FieldWriter, Fields};
use crate::base::{ChainId, ConferenceId, Guid};

/// `linestatestr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum LineState {
    /// No phone.
    #[default]
    Disconnected,
    /// Idle.
    HookDown,
    /// Off the hook: dialling, or with a held party only.
    HookUp,
    /// Talking.
    Commutated,
    /// Rings, or nobody is there yet; libraries from 1.7 take it as "no change".
    Reserved,
}

impl LineState {
    /// The text on the wire.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Disconnected => "lsDisconnected",
            Self::HookDown => "lsHookDown",
            Self::HookUp => "lsHookUp",
            Self::Commutated => "lsCommutated",
            Self::Reserved => "lsReserved",
        }
    }
}

/// Who the other party is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Party {
    /// The number; there whenever it is known, also for users.
    pub number: Option<Arc<str>>,
    /// The user behind it, if it is one of the exchange's.
    pub user: Option<UserRef>,
    /// The name to show: the user's, or the one that the CRM or the switch gave.
    pub name: Option<Arc<str>>,
    /// Further words of the CRM or the switch.
    pub comment: Option<Arc<str>>,
    /// Outside the exchange.
    pub is_outside: bool,
}

impl Party {
    /// Writes who the party is, without any flag of its phase.
    pub fn write<W: FieldWriter>(&self, writer: &mut W) {
        let number = self.number.as_deref();
        writer.optional("number", number);
        writer.optional("callerid", number);
        if let Some(user) = &self.user {
            writer.guid("userid", user.id.0);
            writer.string("userlogin", &user.login);
            writer.optional("username", self.name.as_deref());
        }
        let name = self.name.as_deref();
        writer.optional("simplename", name);
        writer.optional("name", name);
        writer.optional("caption", name.or(number));
        writer.optional("comment", self.comment.as_deref());
        writer.boolean("isextline", self.is_outside);
        if self.is_outside {
            writer.optional("extline", number);
        }
    }
}

/// `direction` of the other party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The own phone rings first in a back-call.
    AcmCallback,
}

impl Direction {
    const fn text(self) -> &'static str {
        match self {
            Self::AcmCallback => "acm_callback",
        }
    }
}

/// What goes on with the other party: the one flag that is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Phase {
    /// Nobody is there.
    #[default]
    Idle,
    /// `isautocall`: the exchange dials.
    AutoCall,
    /// `isringing`: the own phone rings.
    Ringing,
    /// `iswaitingforanswer`: dialled by hand, rings there.
    WaitingForAnswer,
    /// `iscommutated`: talking.
    Commutated,
    /// `iswaitinginflash`: held by the other side.
    WaitingInFlash,
    /// `isivr`: in a voice menu.
    Ivr {
        /// `isroutingivr`.
        is_routing: bool,
    },
    /// `isconference`.
    Conference,
}

/// The other party and what goes on with it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Abonent {
    /// Who; `None` when idle.
    pub party: Option<Party>,
    /// What goes on.
    pub phase: Phase,
    /// Set while the own phone rings first in a back-call.
    pub direction: Option<Direction>,
    /// The conference that rings or that the user is in.
    pub conference: Option<ConferenceId>,
}

impl Fields for Abonent {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        match &self.party {
            Some(party) => party.write(writer),
            None => writer.boolean("isextline", false),
        }
        if let Some(direction) = self.direction {
            writer.string("direction", direction.text());
        }
        let phase = self.phase;
        writer.boolean("isautocall", phase == Phase::AutoCall);
        writer.boolean("isringing", phase == Phase::Ringing);
        writer.boolean("iswaitingforanswer", phase == Phase::WaitingForAnswer);
        writer.boolean("iscommutated", phase == Phase::Commutated);
        writer.boolean("iswaitinginflash", phase == Phase::WaitingInFlash);
        writer.boolean("isivr", matches!(phase, Phase::Ivr { .. }));
        if let Phase::Ivr { .. } = phase {
            let name = self.party.as_ref().and_then(|party| party.name.as_deref());
            writer.optional("ivrname", name);
        }
        writer.boolean("isroutingivr", phase == Phase::Ivr { is_routing: true });
        writer.boolean("isconference", phase == Phase::Conference);
        if let Some(conference) = self.conference {
            writer.guid("conferenceid", conference.0);
        }
    }
}

/// A caller who waits for a user (`getcurrentqueue`), where the first is served first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedCaller {
    /// The call.
    pub chain: ChainId,
    /// Who waits.
    pub party: Party,
    /// The number of the group that is waited for; absent if it is the user's own.
    pub queue: Option<Arc<str>>,
}

impl Fields for QueuedCaller {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.guid("chainid", self.chain.0);
        self.party.write(writer);
        writer.optional("queue", self.queue.as_deref());
    }
}

/// A group or queue and who waits in its line (protocol 10-f).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueEntry {
    /// The number that is called.
    pub number: Arc<str>,
    /// What colleagues see.
    pub name: Arc<str>,
    /// A queue of the call centre, or a group.
    pub is_queue: bool,
    /// Users whose phones ring for it.
    pub users: usize,
    /// Those of them who could be rung now.
    pub free: usize,
    /// Who waits, the first to be served first; who rings somewhere is still among them.
    pub callers: Vec<QueuedCaller>,
}

impl Fields for QueueEntry {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        writer.string("number", &self.number);
        writer.string("name", &self.name);
        writer.boolean("isqueue", self.is_queue);
        writer.number("users", count(self.users));
        writer.number("free", count(self.free));
        writer.number("waiting", count(self.callers.len()));
        writer.objects("callers", &self.callers, |writer, it| it.write(writer));
    }
}

/// Who waits on hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flashed {
    /// A party.
    Party(Party),
    /// A conference.
    Conference {
        /// Its id.
        id: ConferenceId,
        /// Its name.
        name: Arc<str>,
        /// Its room.
        room: Arc<str>,
    },
}

impl Fields for Flashed {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        match self {
            Self::Party(party) => party.write(writer),
            Self::Conference { id, name, room } => {
                writer.guid("conferenceid", id.0);
                writer.string("conferencename", name);
                writer.string("conferenceroom", room);
            }
        }
    }
}

/// The line of a user at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct LineInfo {
    /// Rises with every change of the line; not on the wire.
    pub version: u64,
    /// `linestatestr`.
    pub state: LineState,
    /// The call's chain; `None` (sent as GUID zero) when idle.
    pub chain: Option<ChainId>,
    /// The number that was called; absent when idle, else a phantom party appears.
    pub called: Option<Arc<str>>,
    /// How long the talk lasts; sent in whole seconds.
    pub talk: Duration,
    /// Who waits on hold.
    pub flashed: Option<Flashed>,
    /// The other party.
    pub abonent: Abonent,
}

impl Fields for LineInfo {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.string("linestatestr", self.state.text());
        writer.guid("chainid", self.chain.map_or(Guid::ZERO, |chain| chain.0));
        writer.optional("calledid", self.called.as_deref());
        let seconds = i64::try_from(self.talk.as_secs()).unwrap_or(i64::MAX);
        writer.number("timertalklensec", seconds);
        writer.boolean("isflashing", self.flashed.is_some());
        if let Some(flashed) = &self.flashed {
            writer.object("flashed", |writer| flashed.write(writer));
        }
        writer.object("abonent", |writer| self.abonent.write(writer));
    }
}
