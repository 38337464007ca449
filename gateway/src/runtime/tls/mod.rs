//! TLS for streams: the side that connects, and the side that accepts.
//!
//! In comes a [`Stream`] and what the settings say of certificates; out goes a [`Connection`]
//! or a [`TlsError`] that says what to do. TLS 1.2 and 1.3, AES-128-GCM before other ciphers.
//! It opens no sockets, and it knows no setting but by the names that its sentences mention.

mod error;
mod files;
mod session;
mod verifier;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::{ClientConnection, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnection, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::connection::Connection;
use super::stream::Stream;
use super::task;

pub use error::{CertificateFault, TlsError, Whose};
pub use files::{TlsFile, TlsSettingsError};
pub(super) use session::TlsStream;

/// Whom the side that connects trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The authorities that the system trusts.
    System,
    /// Those in this PEM file, and no others.
    File(PathBuf),
}

/// What the side that connects is set up from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorSettings {
    /// Whom it trusts.
    pub roots: Roots,
    /// Its own certificate with its chain, and the key: PEM files. Shown to servers that ask.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
}

/// What the side that accepts is set up from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptorSettings {
    /// Its certificate with its chain: a PEM file.
    pub certificate: PathBuf,
    /// The key: a PEM file with PKCS#8, PKCS#1 or SEC1.
    pub private_key: PathBuf,
    /// If it is there, clients must show a certificate of an authority in this PEM file.
    pub client_roots: Option<PathBuf>,
}

impl ConnectorSettings {
    /// Everything that is wrong with the files; nothing if a connector can be made of them.
    pub fn faults(&self) -> Vec<TlsSettingsError> {
        let own = self.client_certificate.as_ref();
        let own = own.map(|(certificate, key)| (certificate.as_path(), key.as_path()));
        let roots = match &self.roots {
            Roots::System => None,
            Roots::File(path) => Some(path.as_path()),
        };
        let mut faults = files::faults(roots, own, &provider());
        if self.roots == Roots::System {
            faults.extend(files::system_roots().err());
        }
        faults
    }
}

impl AcceptorSettings {
    /// Everything that is wrong with the files; nothing if an acceptor can be made of them.
    pub fn faults(&self) -> Vec<TlsSettingsError> {
        let own = (self.certificate.as_path(), self.private_key.as_path());
        files::faults(self.client_roots.as_deref(), Some(own), &provider())
    }
}

/// Connects with TLS. A clone shares everything, resumable sessions included.
#[derive(Clone)]
pub struct TlsConnector(Arc<ClientConfig>);

impl TlsConnector {
    /// Reads the files.
    pub fn new(settings: &ConnectorSettings) -> Result<Self, TlsSettingsError> {
        let provider = provider();
        let (roots, named) = match &settings.roots {
            Roots::System => (files::system_roots()?, Vec::new()),
            Roots::File(path) => (files::roots(path)?, files::named(path)?),
        };
        let verifier = verifier::Verifier {
            usual: server_verifier(roots, &provider, &settings.roots)?,
            named,
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has ciphers of both versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match &settings.client_certificate {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let identity = files::identity(certificate, key, &provider)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
            }
        };
        Ok(Self(Arc::new(config)))
    }

    /// Makes the handshake with the server of this name, within this time. A name is asked for
    /// with SNI; an address must stand in the certificate as an address.
    pub async fn connect(
        &self,
        stream: Stream,
        name: &ServerName<'static>,
        within: Duration,
    ) -> Result<Connection, TlsError> {
        let session = ClientConnection::new(Arc::clone(&self.0), name.clone());
        let session = session.map_err(|error| TlsError::new(error, Whose::Server))?;
        handshake(stream, session.into(), within).await
    }
}

/// Accepts with TLS.
#[derive(Clone)]
pub struct TlsAcceptor(Arc<ServerConfig>);

impl TlsAcceptor {
    /// Reads the files.
    pub fn new(settings: &AcceptorSettings) -> Result<Self, TlsSettingsError> {
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has ciphers of both versions");
        let builder = match &settings.client_roots {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(files::roots(path)?);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
                let verifier = verifier.build();
                builder.with_client_cert_verifier(
                    verifier.map_err(|error| TlsSettingsError::roots(path, &error))?,
                )
            }
        };
        let identity = files::identity(&settings.certificate, &settings.private_key, &provider)?;
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        config.ignore_client_order = true;
        Ok(Self(Arc::new(config)))
    }

    /// Makes the handshake with a client, within this time.
    pub async fn accept(&self, stream: Stream, within: Duration) -> Result<Connection, TlsError> {
        let session = ServerConnection::new(Arc::clone(&self.0));
        let session = session.map_err(|error| TlsError::new(error, Whose::Client))?;
        handshake(stream, session.into(), within).await
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TlsConnector(…)")
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TlsAcceptor(…)")
    }
}

async fn handshake(
    stream: Stream,
    session: rustls::Connection,
    within: Duration,
) -> Result<Connection, TlsError> {
    // In a box of its own: it is not needed for longer than this.
    let made = Box::pin(TlsStream::handshake(stream, session));
    let made = task::timeout(within, made).await;
    made.unwrap_or(Err(TlsError::TimedOut(within)))
        .map(Connection::from)
}

fn server_verifier(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
    place: &Roots,
) -> Result<Arc<WebPkiServerVerifier>, TlsSettingsError> {
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    verifier.build().map_err(|error| {
        let path = match place {
            Roots::System => Path::new("the system's authorities"),
            Roots::File(path) => path,
        };
        TlsSettingsError::roots(path, &error)
    })
}

/// The ciphers and key exchanges, in the order in which they are preferred: AES-128 is safe, and
/// its hash takes much less time than that of AES-256 (SHA-384).
fn provider() -> Arc<CryptoProvider> {
    use aws_lc_rs::cipher_suite as suite;
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        ..aws_lc_rs::default_provider()
    })
}
