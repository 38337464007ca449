//! One link of a shard: from the accepted connection to its end.

use std::net::IpAddr;
use std::time::Duration;

use super::config::Limits;
use super::lists::Given;
use crate::base::{Instant, UserId};
use crate::fanout::Outbox;
use crate::protocol::Format;
use crate::session::Session;
use crate::wire::frame::{Binary, Role};
use crate::wire::inbound::Inbound;

/// One link. There are thousands: an idle one owns no buffer.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) stage: Stage,
    /// The client's address: the peer's, or what a trusted proxy says in the handshake.
    pub(super) address: IpAddr,
    /// Where the connection is counted.
    pub(super) counted: Counted,
    /// From the upgrade on; taken out while a message of it is handled.
    pub(super) open: Option<Box<Open>>,
    /// Whom it is logged in as.
    pub(super) user: Option<UserId>,
    /// The hub was asked something and is to hear when the link is gone.
    pub(super) known_to_hub: bool,
    pub(super) outbox: Outbox,
    /// What it chose in its handshake.
    pub(super) format: Option<Format>,
    /// When the stage began.
    pub(super) since: Instant,
    /// When the peer was heard last.
    pub(super) heard: Instant,
    /// When it was sent a PING last.
    pub(super) pinged: Instant,
}

/// In which of the process's counts a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// In none: it was refused when it came.
    Nowhere,
    /// Among all connections.
    Link,
    /// Also among those of its address.
    Address,
}

/// What a link is doing.
#[derive(Debug)]
pub(super) enum Stage {
    /// It has not been upgraded; the bytes of its head so far.
    Handshake(Vec<u8>),
    /// It speaks frames.
    Open,
    /// A close frame or a refusal was the last that we said; what comes is only
    /// looked at for the peer's own close frame.
    Closing {
        /// Half-close as soon as everything was sent.
        shutdown: bool,
    },
}

/// A link that speaks frames.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) inbound: Inbound,
    pub(super) session: Session,
    /// The encoded lists that it got last.
    pub(super) given: Given,
}

/// What a deadline means when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The handshake took too long.
    Handshake,
    /// The link has no format and its time is over.
    Formatless,
    /// The link has no user and its time is over.
    Unauthenticated,
    /// The link was silent: ask it.
    Ping,
    /// The link was silent for too long.
    Silence,
    /// The peer did not answer our close frame.
    Closing,
}

impl Link {
    pub(super) fn accepted(address: IpAddr, counted: Counted, now: Instant) -> Self {
        Self {
            stage: Stage::Handshake(Vec::new()),
            address,
            counted,
            open: None,
            user: None,
            known_to_hub: false,
            outbox: Outbox::default(),
            format: None,
            since: now,
            heard: now,
            pinged: now,
        }
    }

    /// What its time brings next, and when.
    pub(super) fn due(&self, limits: &Limits) -> (Instant, Due) {
        match &self.stage {
            Stage::Handshake(_) => return (self.since + limits.handshake, Due::Handshake),
            Stage::Closing { .. } => return (self.since + limits.closing, Due::Closing),
            Stage::Open => {}
        }
        let asked = self.heard.max(self.pinged);
        let mut due = (asked + limits.ping_after, Due::Ping);
        let mut sooner = |other: (Instant, Due)| {
            if other.0 <= due.0 {
                due = other;
            }
        };
        sooner((self.heard + limits.close_after, Due::Silence));
        if self.is_formatless() {
            sooner((self.since + limits.formatless, Due::Formatless));
        } else if self.user.is_none() {
            sooner((self.since + limits.unauthenticated, Due::Unauthenticated));
        }
        due
    }

    fn is_formatless(&self) -> bool {
        let open = self.open.as_ref();
        open.is_some_and(|open| open.session.is_formatless())
    }
}

impl Open {
    pub(super) fn new(session: Session, limits: &Limits) -> Self {
        Self {
            inbound: Inbound::new(Role::Server, limits.frames, Binary::Refuse),
            session,
            given: Given::default(),
        }
    }
}

/// How far ahead a deadline may lie to be worth an entry on the wheel.
pub(super) const WHEEL_AHEAD_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
