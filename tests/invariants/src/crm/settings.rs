//! Which link a program drives.

use std::time::Duration;

use okgate_core::base::Random;
use okgate_core::crm::{CrmConfig, Limits, Posting, Transport, WebSocketIn, WebSocketOut};
use okgate_core::protocol::MultipartLimits;
use okgate_core::wire::credentials::{Login, Scheme};
use okgate_core::wire::upgrade::{Format, Version};

use crate::records::number;

/// The login and the password of whoever has to show them.
pub(super) const LOGIN: &str = "oktell";
pub(super) const PASSWORD: &str = "Tr0ub4dor";

/// The way between the CRM and the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Out,
    In,
    Http,
}

/// What the bits of a number choose: small limits (1), the transport (2 and 4: out, in, HTTP), credentials (8), Digest and
/// runs that are posted beside a WebSocket (16), XML (32), version 0 (64).
pub(super) struct Settings {
    pub(super) mode: Mode,
    pub(super) config: CrmConfig,
}

impl Settings {
    pub(super) fn new(choice: u8) -> Self {
        let bits = number(choice);
        let has = |bit: usize| bits & bit != 0;
        let mode = match bits >> 1 & 3 {
            0 => Mode::Out,
            1 => Mode::In,
            _ => Mode::Http,
        };
        let login = Login::new(LOGIN, PASSWORD);
        let version = if has(64) { Version::V0 } else { Version::V13 };
        let (name, transport) = match mode {
            Mode::Out => (
                "ws-out",
                Transport::WebSocketOut(WebSocketOut {
                    host: "crm.example:8045".to_owned(),
                    path: "/oktell".to_owned(),
                    version,
                }),
            ),
            Mode::In => {
                let scheme = match (has(8), has(16)) {
                    (false, _) => Scheme::None,
                    (true, false) => Scheme::Basic,
                    (true, true) => Scheme::Digest,
                };
                let door = WebSocketIn {
                    allow_hixie: has(64),
                    scheme,
                    login: login.clone(),
                    ..WebSocketIn::default()
                };
                ("ws-in", Transport::WebSocketIn(door))
            }
            Mode::Http => ("http-out", Transport::Http),
        };
        let posting = (mode == Mode::Http || has(16)).then(|| Posting {
            target: "/hook?a=1".to_owned(),
            exchanges_max: if has(1) { 2 } else { 16 },
        });
        let config = CrmConfig {
            format: if has(32) { Format::Xml } else { Format::Json },
            credentials: has(8).then_some(login),
            posting,
            limits: limits(has(1)),
            ..CrmConfig::new(name, transport)
        };
        Self { mode, config }
    }

    /// For who plays the CRM: another's than the gateway's own.
    pub(super) fn random() -> Random {
        Random::from_number(8)
    }
}

fn limits(are_small: bool) -> Limits {
    let limits = Limits::default();
    if !are_small {
        return Limits {
            queue_bytes_max: 1 << 20,
            ..limits
        };
    }
    Limits {
        message_bytes_max: 2000,
        queue_bytes_max: 4000,
        plain_bytes_max: 100,
        packet_chars: 40,
        multipart: MultipartLimits {
            bytes_max: 1000,
            unfinished_max: 2,
            ..limits.multipart
        },
        method_runs_max: 2,
        declared_max: 2,
        users_max: 2,
        requests_max: 2,
        candidates_max: 2,
        formatless_refusals_max: 3,
        pause_max: Duration::from_secs(4),
        ..limits
    }
}
