//! From the settings to the limits that the core's modules take.

use std::sync::Arc;
use std::time::Duration;

use okgate_core::base::RateLimit;
use okgate_core::crm::{self, CrmConfig};
use okgate_core::hub::{SessionLimits, TokenKeyError, TokenVerifier};
use okgate_core::protocol::{MultipartLimits, VersionInfo};
use okgate_core::{session, shard, wire};

use super::settings::{ClientLimits, ClientSettings, Settings, TokenSettings, WsOutSettings};

impl Settings {
    /// What every shard is told.
    pub fn shard_config(&self) -> shard::Config {
        shard::Config {
            origins: self.clients.origins.clone(),
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
                messages: self.rate(),
                ..defaults.session
            },
            unauthenticated: time(self.unauthenticated),
            queue_bytes_max: size(self.queue_bytes),
            long_answer_bytes_max: size(self.long_answer_bytes),
            ping_after: time(self.silence_ping),
            close_after: time(self.silence_close),
            multipart_over_bytes: size(self.multipart_over_bytes),
            ..defaults
        }
    }

    fn rate(&self) -> Option<RateLimit> {
        let burst = self.messages_burst.unwrap_or(u32::MAX);
        RateLimit::new(self.messages_per_second?, burst)
    }
}

impl WsOutSettings {
    /// Where the CRM is asked for, and by whom.
    pub fn crm_config(&self, gateway: &VersionInfo) -> CrmConfig {
        let defaults = crm::Limits::default();
        CrmConfig {
            host: self.address(),
            path: self.path.clone(),
            version: self.version,
            dated: gateway.dated,
            build: Arc::clone(&gateway.build),
            limits: crm::Limits {
                message_bytes_max: narrow(self.message_bytes),
                queue_bytes_max: size(self.queue_bytes),
                method_runs_max: size(self.method_runs),
                multipart: MultipartLimits {
                    bytes_max: size(self.message_bytes),
                    ..defaults.multipart
                },
                ..defaults
            },
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

fn size(limit: Option<usize>) -> usize {
    limit.unwrap_or(usize::MAX)
}

fn narrow(limit: Option<usize>) -> u32 {
    limit.map_or(u32::MAX, |limit| u32::try_from(limit).unwrap_or(u32::MAX))
}

fn time(limit: Option<Duration>) -> Duration {
    limit.unwrap_or(shard::FOREVER)
}
