//! What shards and the hub say to each other.

use std::net::IpAddr;
use std::sync::Arc;

use crate::base::{LinkRef, NumberId, Refused, RequestId, ShardId, UserId};
use crate::protocol::{Event, EventSet, LoginRequest, NumberChange, Reply, UserRef, UserRequest};

/// A shard's message to the hub.
#[derive(Debug)]
pub enum FromShard {
    /// About one of its links.
    Link {
        /// The link.
        link: LinkRef,
        /// What it wants, or what became of it.
        what: Upward,
    },
    /// The gateway is going down, and the shard's last link is gone.
    Drained(ShardId),
}

/// What a link wants of the hub, or what became of it.
#[derive(Debug)]
pub enum Upward {
    /// It wants to log in; answered by exactly one [`Downward::Reply`].
    Login {
        /// Echoed in the reply.
        request: RequestId,
        /// What it presents.
        login: Box<LoginRequest>,
    },
    /// A logged-in link asks in its user's name; answered by exactly one
    /// [`Downward::Reply`].
    Request {
        /// Echoed in the reply.
        request: RequestId,
        /// The user that the link is logged in as.
        user: UserId,
        /// What it asks.
        what: UserRequest,
    },
    /// A logged-in link ends its session; answered by exactly one
    /// [`Downward::Reply`].
    Logout {
        /// Echoed in the reply.
        request: RequestId,
    },
    /// What of [`crate::protocol::EventSet::WATCHED`] a logged-in link is subscribed to
    /// is another now.
    Listens {
        /// The user that the link is logged in as.
        user: UserId,
        /// All that it is subscribed to of it.
        events: EventSet,
    },
    /// A link that had logged in, or was about to, is gone.
    Gone,
}

/// The hub's message to a shard.
#[derive(Debug)]
pub struct ToShard {
    /// The shard.
    pub shard: ShardId,
    /// What it is told.
    pub what: Downward,
}

/// What a shard is told.
#[derive(Debug, Clone)]
pub enum Downward {
    /// A request came to its end.
    Reply {
        /// The link that asked.
        link: LinkRef,
        /// The shard's own number for the request.
        request: RequestId,
        /// The end. [`crate::protocol::Answer::Login`] makes the link the user's.
        reply: Reply,
    },
    /// Something happened to a user who has links in this shard, or, without a user,
    /// something that all subscribers are told.
    Event(Arc<Event>),
    /// Something happened that this link alone is told, subscribed or not.
    ToLink {
        /// The link; it may be gone.
        link: LinkRef,
        /// What happened.
        event: Arc<Event>,
    },
    /// Numbers' states changed; shards collect these and tell all subscribers.
    Numbers {
        /// The version of the numbers' states that this change made.
        version: u64,
        /// The numbers that changed.
        changes: Arc<[(NumberId, NumberChange)]>,
    },
    /// A limit was met that the hub holds: count it and tell the log.
    Refused {
        /// The link that met it; it may be gone.
        link: LinkRef,
        /// Which limit.
        reason: Refused,
        /// The user.
        user: UserRef,
    },
    /// The HTTP interface refused somebody: count it and tell the log.
    RefusedAddress {
        /// Why.
        reason: Refused,
        /// Who asked.
        address: IpAddr,
        /// The user, if it is known.
        user: Option<UserRef>,
    },
    /// The link's session has ended: close it.
    SessionEnded {
        /// The link.
        link: LinkRef,
    },
    /// The gateway is going down: close the links, spread over this time.
    Drain {
        /// How long it may take, in milliseconds.
        spread_ms: u64,
    },
}
