//! Events: what the gateway says unasked (protocol 7).

use std::sync::Arc;

use super::conference::CompetitorEntry;
use super::desk::DeskEvent;
use super::directory::UserRef;
use super::dynamic::DynamicEvent;
use super::line::LineState;
use super::state::{StateId, UserState};
use super::write::{FieldWriter, Fields};
use crate::base::{ChainId, CommutationId, ConferenceId, Guid};

/// One event, typed, as it leaves the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Fresh for every event.
    pub qid: Guid,
    /// Whom it concerns; `None` goes to every subscriber.
    pub user: Option<UserRef>,
    /// What happened.
    pub what: Occurrence,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// `userstatechanged`.
    UserStateChanged(UserState),
    /// `pbxnumberstatechanged`; the only event without a user.
    NumberStateChanged(Vec<NumberChange>),
    /// `linestatechanged`; `version` is the line's, not on the wire.
    LineStateChanged {
        /// The line's state now.
        state: LineState,
        /// The line's version now.
        version: u64,
    },
    /// `flashstatechanged`.
    FlashStateChanged {
        /// Whether a party waits on hold now.
        is_flashing: bool,
    },
    /// `phoneevent_ringstarted`.
    RingStarted(Box<RingStarted>),
    /// `phoneevent_ringstopped`.
    RingStopped {
        /// The call.
        chain: ChainId,
    },
    /// `phoneevent_commstarted`.
    CommStarted {
        /// The call.
        chain: ChainId,
        /// The talk.
        commutation: CommutationId,
        /// The other party's number.
        caller: Option<Arc<str>>,
        /// The other party is outside the exchange.
        is_outside: bool,
        /// The conference, if it is one.
        conference: Option<ConferenceId>,
    },
    /// `phoneevent_commstopped`.
    CommStopped {
        /// The call.
        chain: ChainId,
        /// The talk.
        commutation: CommutationId,
    },
    /// `phoneevent_acmcallstarted`.
    AcmCallStarted {
        /// The number that is dialled.
        number: Arc<str>,
    },
    /// `phoneevent_acmcallstopped`.
    AcmCallStopped {
        /// The number that was dialled.
        number: Arc<str>,
    },
    /// `phoneevent_ivrstarted`.
    IvrStarted(Ivr),
    /// `phoneevent_ivrstopped`.
    IvrStopped(Ivr),
    /// `confcompositionchanged`.
    CompositionChanged(Box<Composition>),
    /// `confcompetitorstatechanged`.
    CompetitorStateChanged(Box<CompetitorChange>),
    /// Something that is not about calls; shared by all whom it concerns.
    Desk(Arc<DeskEvent>),
    /// A form or a dynamic method; shared by all links that are told.
    Dynamic(Arc<DynamicEvent>),
}

/// A voice menu that a user is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ivr {
    /// `ivrname`.
    pub name: Arc<str>,
    /// `isroutingivr`: it passes its callers on.
    pub is_routing: bool,
}

/// Who is in a conference now; a long list is told in parts (protocol 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composition {
    /// The conference.
    pub conference: ConferenceId,
    /// Its competitors.
    pub competitors: Vec<CompetitorEntry>,
}

/// A competitor who came, left or did not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompetitorChange {
    /// The conference.
    pub conference: ConferenceId,
    /// The competitor as it is now.
    pub competitor: CompetitorEntry,
}

/// The fields of `phoneevent_ringstarted`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingStarted {
    /// The call.
    pub chain: ChainId,
    /// The caller's number.
    pub caller: Option<Arc<str>>,
    /// The caller's name.
    pub caller_name: Option<Arc<str>>,
    /// The exchange rings the own phone itself (`callerdirection: "oktell_pbx"`).
    pub by_exchange: bool,
    /// `callerinfo`: in a back-call, the number that is wanted.
    pub caller_info: Option<Arc<str>>,
    /// Further words of the CRM or the switch.
    pub comment: Option<Arc<str>>,
    /// The caller is outside the exchange.
    pub is_outside: bool,
    /// It is a conference that rings.
    pub is_conference: bool,
}

/// One number's new state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberChange {
    /// The number.
    pub number: Arc<str>,
    /// Its state now.
    pub state: StateId,
}

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal;)*) => {
        /// The kinds of events that a link can subscribe to (protocol 7).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum EventKind { $($(#[$doc])* $kind,)* }

        impl EventKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The event's name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

event_kinds! {
    /// The user's own state changed.
    UserStateChanged = "userstatechanged";
    /// Numbers' states changed.
    NumberStateChanged = "pbxnumberstatechanged";
    /// The line changed.
    LineStateChanged = "linestatechanged";
    /// A party was put on hold or taken back.
    FlashStateChanged = "flashstatechanged";
    /// The user's phone rings.
    RingStarted = "phoneevent_ringstarted";
    /// It stopped ringing.
    RingStopped = "phoneevent_ringstopped";
    /// A talk began.
    CommStarted = "phoneevent_commstarted";
    /// A talk ended.
    CommStopped = "phoneevent_commstopped";
    /// An automatic call is dialled.
    AcmCallStarted = "phoneevent_acmcallstarted";
    /// It is no longer dialled.
    AcmCallStopped = "phoneevent_acmcallstopped";
    /// The user is in a voice menu.
    IvrStarted = "phoneevent_ivrstarted";
    /// The user is no longer in it.
    IvrStopped = "phoneevent_ivrstopped";
    /// Who is in a conference changed.
    CompositionChanged = "confcompositionchanged";
    /// Somebody came, left or did not come to a conference.
    CompetitorStateChanged = "confcompetitorstatechanged";
    /// A dynamic method is to be run by the user's page.
    ExecuteMethod = "executemethod";
    /// Its run is no longer wanted.
    CancelMethod = "cancelmethod";
    /// Its answer is no longer waited for.
    ExecuteMethodWaitAborted = "executemethodwaitaborted";
    /// What a colleague or the CRM said by `triggercustomevent`.
    CustomEvent = "customevent";
    /// The answer to an upload, copied to the link that asked for its password.
    HttpResponseCopy = "httpresponsecopy";
    /// A notification for the user.
    ShowNotifyMessage = "shownotifymessage";
    /// A colleague's text.
    UserTextMessageReceived = "usertextmessagereceived";
    /// A form is to be shown by the user's page.
    ShowUserForm = "showuserform";
    /// It is to be closed.
    CloseForm = "closeform";
    /// The user is in a new group chat.
    ChatCreated = "chatcreated";
    /// A group chat is called otherwise.
    ChatNameChanged = "chatnamechanged";
    /// Somebody came into a group chat.
    ChatMemberAdded = "chatmemberadded";
    /// Somebody is no longer in a group chat.
    ChatMemberRemoved = "chatmemberremoved";
    /// Something was said in a group chat.
    ChatMessage = "chatmessage";
    /// Somebody saw what was said in a group chat.
    ChatMessageViewed = "chatmessageviewed";
    /// A dialogue card; never sent.
    CardShowReserve = "dlgcard_showreserve";
    /// A dialogue card; never sent.
    CardShowConfirm = "dlgcard_showconfirm";
    /// A dialogue card; never sent.
    CardShowFormStop = "dlgcard_showformstop";
    /// A dialogue card; never sent.
    CardShowFormDialog = "dlgcard_showformdialog";
    /// A dialogue card; never sent.
    CardCloseAll = "dlgcard_closeall";
    /// A dialogue card; never sent.
    CardCloseReserve = "dlgcard_closereserve";
    /// A dialogue card; never sent.
    CardCloseFormReturnValues = "dlgcard_closeformreturnvalues";
    /// A dialogue card; never sent.
    CardCloseFormReturnComment = "dlgcard_closeformreturncomment";
    /// A fax; never sent, since no driver knows of faxes.
    FaxStarted = "phoneevent_faxstarted";
    /// A fax; never sent, since no driver knows of faxes.
    FaxStopped = "phoneevent_faxstopped";
    /// A fax; never sent, since no driver knows of faxes.
    FaxReceived = "phoneevent_faxreceived";
}

/// A set of event kinds: what a link subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct EventSet(u64);

impl EventSet {
    /// No kind.
    pub const EMPTY: Self = Self(0);

    /// The kinds that are kept for users who are not subscribed (protocol 6.7-g).
    pub const KEPT: Self =
        Self(bit(EventKind::ShowNotifyMessage) | bit(EventKind::UserTextMessageReceived));

    /// What the hub tells links one by one, and so has to know who listens to it
    /// (protocol 8).
    pub const DYNAMIC: Self = Self(
        bit(EventKind::ShowUserForm)
            | bit(EventKind::CloseForm)
            | bit(EventKind::ExecuteMethod)
            | bit(EventKind::CancelMethod)
            | bit(EventKind::ExecuteMethodWaitAborted),
    );

    /// All that the hub is told of links' subscriptions.
    pub const WATCHED: Self = Self::KEPT.union(Self::DYNAMIC);

    /// Every kind that exists.
    pub fn all() -> Self {
        EventKind::ALL.iter().copied().collect()
    }

    /// The kinds that a name in `subscribeevent` stands for: an event's own name
    /// or a group's; empty for names that are unknown, which are accepted.
    pub fn named(name: &str) -> Self {
        let is_member = |kind: &EventKind| match name {
            "phoneevent" => kind.name().starts_with("phoneevent_"),
            "dynamic" => matches!(kind, EventKind::ExecuteMethod | EventKind::CancelMethod),
            "dynamicwaitabort" => *kind == EventKind::ExecuteMethodWaitAborted,
            "chat" => CHAT.contains(kind),
            "dlgcard" => kind.name().starts_with("dlgcard_"),
            name => kind.name() == name,
        };
        EventKind::ALL.iter().copied().filter(is_member).collect()
    }

    /// Whether the kind is in the set.
    pub const fn contains(self, kind: EventKind) -> bool {
        self.0 & bit(kind) != 0
    }

    /// The kinds that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Both sets' kinds.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set's kinds without the other's.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The group `chat`.
const CHAT: &[EventKind] = &[
    EventKind::ChatCreated,
    EventKind::ChatNameChanged,
    EventKind::ChatMemberAdded,
    EventKind::ChatMemberRemoved,
    EventKind::ChatMessage,
    EventKind::ChatMessageViewed,
];

impl FromIterator<EventKind> for EventSet {
    fn from_iter<I: IntoIterator<Item = EventKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |bits, kind| bits | bit(kind)))
    }
}

const fn bit(kind: EventKind) -> u64 {
    1 << kind as u8
}

// Every kind has a bit of its own.
const _: () = assert!(EventKind::ALL.len() <= u64::BITS as usize);

impl Occurrence {
    /// Its kind.
    pub fn kind(&self) -> EventKind {
        match self {
            Self::UserStateChanged(_) => EventKind::UserStateChanged,
            Self::NumberStateChanged(_) => EventKind::NumberStateChanged,
            Self::LineStateChanged { .. } => EventKind::LineStateChanged,
            Self::FlashStateChanged { .. } => EventKind::FlashStateChanged,
            Self::RingStarted(_) => EventKind::RingStarted,
            Self::RingStopped { .. } => EventKind::RingStopped,
            Self::CommStarted { .. } => EventKind::CommStarted,
            Self::CommStopped { .. } => EventKind::CommStopped,
            Self::AcmCallStarted { .. } => EventKind::AcmCallStarted,
            Self::AcmCallStopped { .. } => EventKind::AcmCallStopped,
            Self::IvrStarted(_) => EventKind::IvrStarted,
            Self::IvrStopped(_) => EventKind::IvrStopped,
            Self::CompositionChanged(_) => EventKind::CompositionChanged,
            Self::CompetitorStateChanged(_) => EventKind::CompetitorStateChanged,
            Self::Desk(what) => what.kind(),
            Self::Dynamic(what) => what.kind(),
        }
    }
}

impl Fields for Occurrence {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        match self {
            Self::UserStateChanged(state) => state.write(writer),
            Self::NumberStateChanged(changes) => {
                writer.objects("numbers", changes, |writer, change| {
                    writer.string("num", &change.number);
                    writer.number("numstateid", change.state.number());
                });
            }
            Self::LineStateChanged { state, .. } => writer.string("linestatestr", state.text()),
            Self::FlashStateChanged { is_flashing } => {
                writer.boolean("isflashing", *is_flashing);
            }
            Self::RingStarted(ring) => ring.write(writer),
            Self::RingStopped { chain } => writer.guid("chainid", chain.0),
            Self::CommStarted {
                chain,
                commutation,
                caller,
                is_outside,
                conference,
            } => {
                writer.guid("chainid", chain.0);
                writer.guid("commutationid", commutation.0);
                writer.optional("callerid", caller.as_deref());
                writer.boolean("isextline", *is_outside);
                writer.boolean("isconference", conference.is_some());
                if let Some(conference) = conference {
                    writer.guid("confid", conference.0);
                }
            }
            Self::CommStopped { chain, commutation } => {
                writer.guid("chainid", chain.0);
                writer.guid("commutationid", commutation.0);
            }
            Self::AcmCallStarted { number } | Self::AcmCallStopped { number } => {
                writer.string("number", number);
            }
            Self::IvrStarted(ivr) | Self::IvrStopped(ivr) => {
                writer.boolean("isroutingivr", ivr.is_routing);
                writer.string("ivrname", &ivr.name);
            }
            Self::CompositionChanged(change) => writer.object("eventinfo", |writer| {
                writer.guid("conferenceid", change.conference.0);
                let list = &change.competitors;
                writer.objects("competitorlist", list, |writer, it| it.write(writer));
            }),
            Self::CompetitorStateChanged(change) => writer.object("eventinfo", |writer| {
                writer.object("conference", |writer| {
                    writer.guid("id", change.conference.0);
                });
                writer.object("competitor", |writer| change.competitor.write(writer));
            }),
            Self::Desk(what) => what.write(writer),
            Self::Dynamic(what) => what.write(writer),
        }
    }
}

impl Fields for RingStarted {
    fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.guid("chainid", self.chain.0);
        writer.string("callerid", self.caller.as_deref().unwrap_or(""));
        writer.string("callername", self.caller_name.as_deref().unwrap_or(""));
        let direction = if self.by_exchange { "oktell_pbx" } else { "" };
        writer.string("callerdirection", direction);
        writer.string("callerinfo", self.caller_info.as_deref().unwrap_or(""));
        writer.string("callerlineid", "");
        writer.string("callerlinenum", "");
        writer.string("callercomment", self.comment.as_deref().unwrap_or(""));
        writer.string("callerdescription", "");
        writer.boolean("isextline", self.is_outside);
        writer.boolean("isconference", self.is_conference);
        writer.boolean("istask", false);
        writer.boolean("canfax", false);
        writer.boolean("canvideo", false);
        writer.number("connectionindex", 0);
    }
}

/// So many numbers fit one event of less than 64 KiB; a longer one is divided by
/// content (protocol 3.3).
pub const NUMBERS_PER_EVENT: usize = 800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_phoneevent_stands_for_all_phone_events() {
        let group = EventSet::named("phoneevent");
        assert!(
            group.contains(EventKind::RingStarted) && group.contains(EventKind::AcmCallStopped)
        );
        assert!(!group.contains(EventKind::LineStateChanged));
    }

    #[test]
    fn an_unknown_event_name_stands_for_nothing() {
        assert!(EventSet::named("no_such_event").is_empty());
    }
}
