//! Newtypes for every id: past the edge nothing is a bare string or number
//! that means something.

use std::fmt;

use super::Guid;

macro_rules! guid_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub Guid);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    )*};
}

guid_id! {
    /// A user of the exchange.
    UserId;
    /// A number of the exchange (a user's, a group's, an IVR's).
    NumberId;
    /// A department; zero is "none" (protocol 6.4).
    DepartmentId;
    /// A call from its first ring to its last leg, through transfers (protocol 6.6).
    ChainId;
    /// One talk between two parties (protocol 6.6).
    CommutationId;
    /// A conference.
    ConferenceId;
    /// One run of a dynamic method (protocol 8).
    ExecutionId;
    /// A form that is open at a user (protocol 8).
    WindowId;
    /// One leg of a call at the telephone switch: one phone or one outside line.
    LegId;
}

macro_rules! number_id {
    ($($(#[$doc:meta])* $name:ident: $inner:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub $inner);
    )*};
}

number_id! {
    /// One core's executor with its links; shard 0 also runs the hub.
    ShardId: u16;
    /// A request that a link waits for the hub to answer; chosen by the shard.
    RequestId: u32;
    /// A command given to the telephone switch; chosen by the switchboard.
    CommandId: u64;
    /// A request of the admin interface that waits for the hub; chosen by the caller.
    AdminTicket: u64;
}

/// One connection within its shard: a slot and the slot's generation, so that
/// an id that outlived its connection is never mistaken for the next one's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId {
    /// The slot in the shard's link table.
    pub slot: u32,
    /// How often the slot was used before.
    pub generation: u32,
}

/// One connection of any shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkRef {
    /// The shard that holds it.
    pub shard: ShardId,
    /// Its id there.
    pub link: LinkId,
}

/// A login session's unguessable name (protocol 6.1), a random GUID. Never logged:
/// its `Debug` form hides the value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(Guid);

impl SessionId {
    /// The session of this name.
    pub const fn new(name: Guid) -> Self {
        Self(name)
    }

    /// The session that a message names. A text that is no GUID names none that
    /// there ever was.
    pub fn named(text: &str) -> Self {
        Self(text.parse().unwrap_or(Guid::ZERO))
    }

    /// The name, for the wire only.
    pub const fn reveal(self) -> Guid {
        self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionId(…)")
    }
}
