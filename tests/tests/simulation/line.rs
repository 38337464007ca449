//! How the CRM of a day is linked: who connects, and what is spoken.

use okgate_core::base::Random;
use okgate_core::crm::{CrmConfig, Transport};
use okgate_core::wire::upgrade::{Format, Version};

use crate::people::pick;

/// Who connects, or that nobody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Out,
    In,
    Http,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) mode: Mode,
    pub(crate) version: Version,
    pub(crate) format: Format,
}

impl Line {
    /// As the settings say; a CRM that connects chooses for itself.
    pub(crate) fn of(config: &CrmConfig, random: &mut Random) -> Self {
        let (mode, version, format) = match &config.transport {
            Transport::WebSocketOut(out) => (Mode::Out, out.version, config.format),
            Transport::Http => (Mode::Http, Version::V13, config.format),
            Transport::WebSocketIn(_) => {
                let version = VERSIONS[pick(random, VERSIONS.len())];
                let format = [Format::Json, Format::Xml][pick(random, 2)];
                (Mode::In, version, format)
            }
        };
        Self {
            mode,
            version,
            format,
        }
    }

    pub(crate) fn is_old(self) -> bool {
        self.version == Version::V0
    }

    /// How the CRM masks its frames.
    pub(crate) fn mask(self) -> Option<[u8; 4]> {
        (self.mode == Mode::In).then_some([1, 2, 3, 4])
    }
}

pub(crate) const VERSIONS: [Version; 5] = [
    Version::V13,
    Version::V13,
    Version::V8,
    Version::V7,
    Version::V0,
];
