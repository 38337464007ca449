//! Commands to a telephone switch and its events.

use std::sync::Arc;

use crate::base::{CommandId, ConferenceId, LegId};

/// What the switchboard asks of the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ring a number on a new leg.
    Dial {
        /// The id that the new leg is to have.
        leg: LegId,
        /// What to dial: an own phone's number or an outside number.
        number: Arc<str>,
        /// Shown on the phone that rings: number.
        caller: Option<Arc<str>>,
        /// Shown on the phone that rings: name.
        caller_name: Option<Arc<str>>,
        /// The phone shall answer by itself, if it can.
        auto_answer: bool,
    },
    /// Take the call on a phone that can be answered from afar, or answer an
    /// outside caller who is still waiting for the first answer.
    Answer {
        /// The leg that rings.
        leg: LegId,
    },
    /// End a leg, whatever it does.
    HangUp {
        /// The leg.
        leg: LegId,
        /// Why, for the far end.
        cause: EndCause,
    },
    /// Let two answered legs hear each other; each leaves what it was joined with.
    Join {
        /// One leg.
        first: LegId,
        /// The other.
        second: LegId,
    },
    /// Let an answered leg hear music; whom it was joined with hears silence.
    Hold {
        /// The leg that is put on hold.
        held: LegId,
    },
    /// Let an answered leg hear silence; so does whom it was joined with.
    Part {
        /// The leg.
        leg: LegId,
    },
    /// Take an answered leg into a room, or change its part there. A room is there
    /// while somebody is in it.
    Confer {
        /// The leg, which leaves what it was joined with.
        leg: LegId,
        /// The room.
        room: ConferenceId,
        /// What it hears and who hears it.
        voice: Voice,
    },
}

/// A leg's part in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Voice {
    /// It hears all and all hear it.
    Speak,
    /// It hears all and nobody hears it.
    Listen,
    /// It hears all and this leg alone hears it.
    Whisper(LegId),
}

/// What the switch reports, asked or unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PbxEvent {
    /// The driver is connected; what follows is all that exists at the switch now.
    /// What is not listed has ended.
    Connected {
        /// The phones that the switch knows, with their state.
        phones: Vec<(Arc<str>, PhoneState)>,
        /// The legs that exist.
        legs: Vec<SnapshotLeg>,
    },
    /// The driver lost the switch: calls are in doubt until the next `Connected`.
    Disconnected,
    /// A command is being carried out.
    Accepted(CommandId),
    /// A command was refused and has no effect.
    Failed(CommandId, CommandFailure),
    /// Nothing is known about a command's fate.
    TimedOut(CommandId),
    /// A phone registered or went away.
    Phone {
        /// The phone's number.
        number: Arc<str>,
        /// Its state now.
        state: PhoneState,
    },
    /// Somebody outside calls a number here; the leg waits for an answer.
    Incoming {
        /// The caller's leg.
        leg: LegId,
        /// The caller's number, if it is shown.
        caller: Option<Arc<str>>,
        /// The caller's name, if the switch or the CRM knows it.
        caller_name: Option<Arc<str>>,
        /// The number that was called.
        called: Arc<str>,
    },
    /// A user dialled by hand on the phone; the leg waits for an answer.
    HandDialled {
        /// The phone's leg.
        leg: LegId,
        /// The phone's number.
        from: Arc<str>,
        /// What was dialled.
        called: Arc<str>,
    },
    /// A dialled leg rings.
    Ringing(LegId),
    /// A leg was answered.
    Answered(LegId),
    /// Two legs hear each other.
    Joined(LegId, LegId),
    /// A leg is on hold.
    Held(LegId),
    /// A leg hears silence.
    Parted(LegId),
    /// A leg is in a room, with this part.
    Conferred(LegId, ConferenceId, Voice),
    /// A leg has ended.
    Ended(LegId, EndCause),
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandFailure {
    /// The leg does not exist (any more).
    NoSuchLeg,
    /// The leg is not in a state that allows it.
    WrongState,
    /// The switch cannot do that with this phone.
    NotSupported,
    /// The switch refused for a reason of its own.
    Rejected,
    /// The driver has no connection to the switch.
    Unavailable,
}

/// Why a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndCause {
    /// Hung up after it was answered, or the caller gave up.
    Normal,
    /// The called phone is busy.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// The called party refused.
    Refused,
    /// There is no such number.
    Unknown,
    /// The phone cannot be reached.
    Unreachable,
    /// The switch failed.
    Failed,
}

/// Whether a phone can be rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PhoneState {
    /// It can be rung.
    Registered,
    /// It is not there.
    Absent,
}

/// One leg as the switch describes it after the driver came (back).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotLeg {
    /// The leg.
    pub leg: LegId,
    /// The number at its end.
    pub number: Arc<str>,
    /// It was answered.
    pub is_answered: bool,
    /// It is on hold.
    pub is_held: bool,
    /// The leg that it hears.
    pub joined_with: Option<LegId>,
    /// The room that it is in, and its part there.
    pub room: Option<(ConferenceId, Voice)>,
}
