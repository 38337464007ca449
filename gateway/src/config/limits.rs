//! From the settings to the limits that the core's modules take, and from what they
//! refuse back to the settings.

use std::time::Duration;

use okgate_core::base::{RateLimit, Refused};
use okgate_core::hub::{SessionLimits, TokenKeyError, TokenVerifier};
use okgate_core::{session, shard, wire};

use super::settings::{ClientLimits, ClientSettings, Settings, TokenSettings};

impl Settings {
    /// What every shard is told.
    pub fn shard_config(&self) -> shard::Config {
        shard::Config {
            origins: self.clients.origins.clone(),
            trusted_proxies: self.clients.trusted_proxies.clone(),
            forwarded_header: self.clients.forwarded_header,
            limits: self.clients.limits.of_shard(),
            number_states_interval: self.gateway.number_states_interval,
        }
    }
}

impl ClientSettings {
    /// The bounds on sessions and links, for the hub.
    pub fn session_limits(&self) -> SessionLimits {
        SessionLimits {
            users_max: self.limits.users.unwrap_or(0),
            tabs_per_user: self.limits.tabs_per_user.unwrap_or(0),
            idle_sessions_per_user: self.limits.idle_sessions_per_user.unwrap_or(0),
            session_life_max: time(self.limits.session_life),
        }
    }
}

impl ClientLimits {
    fn of_shard(&self) -> shard::Limits {
        let defaults = shard::Limits::default();
        shard::Limits {
            links_max: size(self.connections),
            links_per_address: count(self.connections_per_address),
            handshakes_per_address: rate(
                self.handshakes_per_address_per_second,
                self.handshakes_per_address_burst,
            ),
            head: wire::head::Limits {
                bytes_max: size(self.handshake_bytes),
                ..defaults.head
            },
            handshake: time(self.handshake),
            frames: wire::frame::Limits {
                frame_bytes_max: narrow(self.frame_bytes),
                message_bytes_max: narrow(self.message_bytes),
            },
            session: session::Limits {
                messages: rate(self.messages_per_second, self.messages_burst),
                refusals_max: count(self.messages_refused),
                formatless_refusals_max: count(self.formatless_messages),
                held_bytes_max: size(self.login_held_bytes),
            },
            unauthenticated: time(self.unauthenticated),
            formatless: time(self.formatless),
            queue_bytes_max: size(self.queue_bytes),
            long_answer_bytes_max: size(self.long_answer_bytes),
            ping_after: time(self.silence_ping),
            close_after: time(self.silence_close),
            closing: time(self.closing),
            multipart_over_bytes: size(self.multipart_over_bytes),
        }
    }
}

impl TokenSettings {
    /// What checks tokens. It fails only for a key that the settings would not
    /// have taken.
    pub fn verifier(&self) -> Result<TokenVerifier, TokenKeyError> {
        let issuer = self.issuer.as_deref();
        TokenVerifier::new(self.algorithm, self.key.reveal(), issuer, self.lifetime_max)
    }
}

/// The setting that a refusal goes by; `None` where the protocol alone says so.
pub const fn setting_of(reason: Refused) -> Option<&'static str> {
    Some(match reason {
        Refused::LinksMax => "clients.connections_max",
        Refused::LinksOfAddress => "clients.connections_per_address",
        Refused::HandshakesOfAddress => "clients.handshakes_per_address_per_s",
        Refused::HeadTooBig => "clients.handshake_bytes_max",
        Refused::Forwarded => "clients.trusted_proxies",
        Refused::Origin => "clients.origins",
        Refused::HandshakeTimeout => "clients.handshake_s",
        Refused::FrameTooBig => "clients.frame_bytes_max",
        Refused::MessageTooBig => "clients.message_bytes_max",
        Refused::Formatless => "clients.formatless_messages_max",
        Refused::FormatlessTimeout => "clients.formatless_s",
        Refused::HeldTooMuch => "clients.login_held_bytes_max",
        Refused::Unauthenticated => "clients.unauthenticated_s",
        Refused::UsersMax => "clients.users_max",
        Refused::TabsOfUser => "clients.tabs_per_user",
        Refused::SessionLife => "clients.session_life_max_s",
        Refused::IdleSessions => "clients.idle_sessions_per_user",
        Refused::Throttled => "clients.messages_per_s",
        Refused::TooFast => "clients.messages_refused_max",
        Refused::Silence => "clients.silence_close_s",
        Refused::Slow => "clients.queue_bytes_max",
        Refused::CloseTimeout => "clients.closing_s",
        Refused::TextTooLong => "desk.text_bytes_max",
        Refused::RecipientsMax => "desk.recipients_max",
        Refused::Broadcasts | Refused::BroadcastsWaiting => "desk.broadcasts_per_s",
        Refused::KeptMax => "desk.kept_bytes_max",
        Refused::KeptPerUser => "desk.kept_per_user",
        Refused::ChatsMax => "desk.chats_max",
        Refused::ChatsPerUser => "desk.chats_per_user",
        Refused::ChatMembers => "desk.chat_members_max",
        Refused::ChatBytes => "desk.chat_bytes_max",
        Refused::ProgramsMax => "desk.programs_max",
        Refused::ProgramTimeout => "procedures.timeout_s",
        Refused::ProgramOutput => "procedures.output_bytes_max",
        Refused::InterfaceRight => "web.users",
        Refused::InterfaceFailures => "web.failures_per_address_per_s",
        Refused::Upload => "desk.upload_bytes_max",
        Refused::FilesMax => "desk.files_bytes_max",
        Refused::Handshake
        | Refused::Version
        | Refused::Protocol
        | Refused::Binary
        | Refused::NotUtf8
        | Refused::NotXml
        | Refused::NotLoggedIn
        | Refused::InterfaceLogin
        | Refused::Panicked
        | Refused::GoingDown => return None,
    })
}

fn rate(per_second: Option<u32>, burst: Option<u32>) -> Option<RateLimit> {
    RateLimit::new(per_second?, count(burst))
}

fn count(limit: Option<u32>) -> u32 {
    limit.unwrap_or(u32::MAX)
}

/// A limit as a number; none is the greatest.
pub(crate) fn size(limit: Option<usize>) -> usize {
    limit.unwrap_or(usize::MAX)
}

/// A limit as a number of 32 bits; none is the greatest.
pub(crate) fn narrow(limit: Option<usize>) -> u32 {
    limit.map_or(u32::MAX, |limit| u32::try_from(limit).unwrap_or(u32::MAX))
}

fn time(limit: Option<Duration>) -> Duration {
    limit.unwrap_or(shard::FOREVER)
}
