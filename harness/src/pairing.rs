//! Owns what belongs together at the two ends of a CRM's link: for each mode and format the simulated CRM's options and the
//! gateway's settings, with a free port, certificates and credentials that fit, or do not fit in one told way.
//!
//! Both ends may be started again as often as wanted: neither their address nor their certificates change.

use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::auth::{Credentials, Scheme};
use crate::crm::{CrmOptions, Mode, WebSocketVersion};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::gateway::{Settings, free_addresses};
use crate::tls::{Authority, Flaw, Identity};

/// Both ends of a link.
#[derive(Debug)]
pub struct Pairing {
    mode: Mode,
    format: Format,
    version: WebSocketVersion,
    address: SocketAddr,
    /// Where the side that connects connects to, if something stands between the two.
    reached_at: Option<SocketAddr>,
    auth: Scheme,
    /// What the gateway is told, and what the CRM holds.
    credentials: Option<(Credentials, Credentials)>,
    authority: Authority,
    identity: Identity,
    directory: TempDir,
}

impl Pairing {
    /// Every mode in every format.
    pub fn all() -> impl Iterator<Item = (Mode, Format)> {
        Mode::ALL
            .into_iter()
            .flat_map(|mode| Format::ALL.map(|format| (mode, format)))
    }

    /// Ends that fit: no credentials, version 13, a good certificate.
    pub fn new(mode: Mode, format: Format) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("okgate-link-").tempdir();
        let directory =
            directory.map_err(|error| Error::io("making a temporary directory", error))?;
        let [address] = free_addresses()?;
        let authority = Authority::new()?;
        let identity = authority.issue_for_loopback(Flaw::None)?;
        let pairing = Self {
            mode,
            format,
            version: WebSocketVersion::V13,
            address,
            reached_at: None,
            auth: Scheme::None,
            credentials: None,
            authority,
            identity,
            directory,
        };
        pairing.write_files()?;
        Ok(pairing)
    }

    /// Speaks this version of the WebSocket protocol.
    #[must_use]
    pub fn version(mut self, version: WebSocketVersion) -> Self {
        self.version = version;
        self
    }

    /// The side that is connected to asks for these credentials, and the other gives those.
    #[must_use]
    pub fn auth(mut self, scheme: Scheme, asked: Credentials, given: Credentials) -> Self {
        self.auth = scheme;
        self.credentials = Some(if self.mode.is_incoming() {
            (asked, given)
        } else {
            (given, asked)
        });
        self
    }

    /// The side that is connected to has a certificate with this flaw.
    pub fn flaw(mut self, flaw: Flaw) -> Result<Self> {
        self.identity = self.authority.issue_for_loopback(flaw)?;
        self.write_files()?;
        Ok(self)
    }

    /// The side that connects does so here, on a loopback address, where something passes its connections on to
    /// [`Pairing::address`].
    #[must_use]
    pub fn reached_at(mut self, address: SocketAddr) -> Self {
        self.reached_at = Some(address);
        self
    }

    /// Where the side that is connected to listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The options of the CRM.
    pub fn crm(&self) -> CrmOptions {
        let mut options = CrmOptions::new(self.address).mode(self.mode, self.format);
        options.connect = self.reached_at.unwrap_or(self.address);
        options.websocket_version = self.version;
        options.auth = self.auth;
        options.credentials = self.credentials.as_ref().map(|(_, crm)| crm.clone());
        if self.mode.is_incoming() {
            options.tls.root = Some(self.authority.root().to_owned());
        } else {
            options.tls.identity = Some(self.identity.clone());
        }
        options
    }

    /// These settings with the gateway's end of the link.
    pub fn settings(&self, settings: Settings) -> Settings {
        let mut settings = settings.set("crm.mode", self.mode.name());
        if !self.mode.is_incoming() {
            settings = settings.set("crm.format", self.format.name());
        }
        let port = self.reached_at.unwrap_or(self.address).port();
        settings = match self.mode {
            Mode::HttpOut => settings.set("crm.url", format!("http://localhost:{port}/oktell")),
            Mode::HttpsOut => settings.set("crm.url", format!("https://localhost:{port}/oktell")),
            Mode::WsOut | Mode::WssOut => settings
                .set("crm.address", format!("localhost:{port}"))
                .set("crm.websocket_version", i64::from(self.version.number())),
            Mode::WsIn | Mode::WssIn => {
                let scheme = match self.auth {
                    Scheme::None => "none",
                    Scheme::Basic => "basic",
                    Scheme::Digest => "digest",
                };
                settings
                    .set("crm.listen", self.address.to_string())
                    .set("crm.auth", scheme)
            }
        };
        if self.mode == Mode::WsIn && self.version == WebSocketVersion::V0 {
            settings = settings.set("crm.allow_hixie", true);
        }
        match self.mode {
            Mode::HttpsOut | Mode::WssOut => {
                settings = settings.set("crm.trust_roots", self.file(ROOT));
            }
            Mode::WssIn => {
                settings = settings
                    .set("tls.certificate", self.file(CERTIFICATE))
                    .set("tls.private_key", self.file(PRIVATE_KEY));
            }
            _ => {}
        }
        match &self.credentials {
            Some((Credentials { login, password }, _)) => {
                settings.set("crm.credentials", format!("{login}:{password}"))
            }
            None => settings,
        }
    }

    fn write_files(&self) -> Result<()> {
        for (name, text) in [
            (ROOT, self.authority.root()),
            (CERTIFICATE, &self.identity.certificate),
            (PRIVATE_KEY, &self.identity.private_key),
        ] {
            let file = self.path(name);
            let written = std::fs::write(&file, text);
            written.map_err(|error| Error::io(format!("writing {}", file.display()), error))?;
        }
        Ok(())
    }

    fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

const ROOT: &str = "root.pem";
const CERTIFICATE: &str = "certificate.pem";
const PRIVATE_KEY: &str = "key.pem";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crm::SimulatedCrm;

    #[tokio::test]
    async fn every_pairing_starts_again_at_the_same_address_with_settings_that_fit_its_mode() {
        assert_eq!(Pairing::all().count(), 12);
        for (mode, format) in Pairing::all() {
            let pairing = Pairing::new(mode, format).unwrap();
            for _ in 0..2 {
                let crm = SimulatedCrm::start(pairing.crm()).await.unwrap();
                assert_eq!(crm.address(), pairing.address());
                crm.stop().await;
            }
            let settings = pairing.settings(Settings::new());
            let value = |key: &str| settings.value(key).and_then(|value| value.as_str());
            assert_eq!(value("crm.mode"), Some(mode.name()));
            assert_eq!(value("crm.url").is_some(), mode.is_http());
            assert_eq!(value("crm.listen").is_some(), mode.is_incoming());
            assert_eq!(value("tls.certificate").is_some(), mode == Mode::WssIn);
        }
    }

    #[test]
    fn credentials_are_asked_for_by_the_side_that_is_connected_to() {
        let (asked, given) = (Credentials::new("a", "1"), Credentials::new("b", "2"));
        for (mode, at_gateway, at_crm) in [(Mode::WsOut, "b:2", "a"), (Mode::WsIn, "a:1", "b")] {
            let pairing = Pairing::new(mode, Format::Json).unwrap();
            let pairing = pairing.auth(Scheme::Digest, asked.clone(), given.clone());
            let settings = pairing.settings(Settings::new());
            let credentials = settings.value("crm.credentials").unwrap();
            assert_eq!(credentials.as_str(), Some(at_gateway));
            assert_eq!(pairing.crm().credentials.unwrap().login, at_crm);
        }
    }
}
