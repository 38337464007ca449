//! Owns TLS of the harness: certificates made for tests, good ones and wrong ones, and both sides of a connection.
//!
//! PEM texts come in and go out, so that a gateway's settings can name them as files.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::error::{Error, Result};

/// Certificate and private key as PEM texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and those between it and its root.
    pub certificate: String,
    /// The private key (PKCS#8, PKCS#1 or SEC1).
    pub private_key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads both from files.
    pub fn read(certificate: &Path, private_key: &Path) -> Result<Self> {
        let read = |file: &Path| {
            std::fs::read_to_string(file)
                .map_err(|error| Error::Usage(format!("{}: {error}", file.display())))
        };
        Ok(Self {
            certificate: read(certificate)?,
            private_key: read(private_key)?,
        })
    }
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Flaw {
    /// Nothing
    #[default]
    None,
    /// It was good until the year 2001
    Expired,
    /// It will be good from the year 4000 on
    NotYetValid,
    /// It is for another name
    WrongName,
    /// Its issuer is nobody whom the other side trusts
    UnknownIssuer,
    /// It is its own issuer
    SelfSigned,
}

/// An authority that issues certificates for tests.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// A fresh one.
    pub fn new() -> Result<Self> {
        Self::named("okgate-harness test authority")
    }

    fn named(name: &str) -> Result<Self> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = common_name(name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(cannot_make)?;
        let certificate = parameters.self_signed(&key).map_err(cannot_make)?.pem();
        Ok(Self {
            issuer: Issuer::new(parameters, key),
            certificate,
        })
    }

    /// Its own certificate as a PEM text: what the other side has to trust.
    pub fn root(&self) -> &str {
        &self.certificate
    }

    /// A certificate for these names and addresses, with this flaw.
    pub fn issue(&self, names: &[&str], flaw: Flaw) -> Result<Identity> {
        let names = match flaw {
            Flaw::WrongName => &["elsewhere.example"][..],
            _ => names,
        };
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).map_err(cannot_make)?;
        parameters.distinguished_name = common_name("okgate-harness test certificate");
        parameters.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        match flaw {
            Flaw::Expired => {
                parameters.not_before = date_time_ymd(2000, 1, 1);
                parameters.not_after = date_time_ymd(2001, 1, 1);
            }
            Flaw::NotYetValid => parameters.not_before = date_time_ymd(4000, 1, 1),
            _ => {}
        }
        let key = KeyPair::generate().map_err(cannot_make)?;
        let certificate = match flaw {
            Flaw::SelfSigned => parameters.self_signed(&key),
            Flaw::UnknownIssuer => {
                let stranger = Self::named("an authority that nobody trusts")?;
                parameters.signed_by(&key, &stranger.issuer)
            }
            _ => parameters.signed_by(&key, &self.issuer),
        };
        Ok(Identity {
            certificate: certificate.map_err(cannot_make)?.pem(),
            private_key: key.serialize_pem(),
        })
    }

    /// A certificate for a test's loopback server: `localhost`, `127.0.0.1` and `::1`.
    pub fn issue_for_loopback(&self, flaw: Flaw) -> Result<Identity> {
        let address = IpAddr::from([127, 0, 0, 1]).to_string();
        self.issue(&["localhost", &address, "::1"], flaw)
    }
}

/// The side that is connected to. With `client_root`, a PEM text, clients need a certificate of that issuer.
pub fn acceptor(identity: &Identity, client_root: Option<&str>) -> Result<TlsAcceptor> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match client_root {
        None => builder.with_no_client_auth(),
        Some(root) => {
            let roots = Arc::new(roots(root)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            builder.with_client_cert_verifier(verifier.build().map_err(unusable)?)
        }
    };
    let (certificates, key) = read_identity(identity)?;
    let config = builder.with_single_cert(certificates, key);
    Ok(TlsAcceptor::from(Arc::new(config.map_err(unusable)?)))
}

/// The side that connects, trusting the issuers of `root`, a PEM text.
pub fn connector(root: &str, identity: Option<&Identity>) -> Result<TlsConnector> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_root_certificates(roots(root)?);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (certificates, key) = read_identity(identity)?;
            builder
                .with_client_auth_cert(certificates, key)
                .map_err(unusable)?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn read_identity(
    identity: &Identity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let key = PrivateKeyDer::from_pem_slice(identity.private_key.as_bytes());
    Ok((
        read_certificates(&identity.certificate)?,
        key.map_err(|error| Error::Usage(format!("the private key: {error}")))?,
    ))
}

fn read_certificates(text: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(Error::Usage("no certificate in the PEM text".into())),
        Err(error) => Err(Error::Usage(format!("the certificate: {error}"))),
    }
}

fn roots(text: &str) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(text)? {
        roots.add(certificate).map_err(unusable)?;
    }
    Ok(roots)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

#[allow(clippy::needless_pass_by_value)] // the form that `map_err` asks for
fn cannot_make(error: rcgen::Error) -> Error {
    Error::Usage(format!("a certificate cannot be made: {error}"))
}

fn unusable(error: impl std::fmt::Display) -> Error {
    Error::Usage(format!("TLS cannot be set up: {error}"))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::rustls::pki_types::ServerName;

    use super::*;

    /// What the client says of a server with this flaw, and whether a word went through.
    async fn meet(flaw: Flaw, name: &str) -> std::io::Result<u8> {
        let authority = Authority::new().unwrap();
        let identity = authority.issue_for_loopback(flaw).unwrap();
        let acceptor = acceptor(&identity, None).unwrap();
        let connector = connector(authority.root(), None).unwrap();
        let (one, other) = tokio::io::duplex(4096);
        let serving = tokio::spawn(async move {
            if let Ok(mut stream) = acceptor.accept(other).await {
                stream.write_u8(7).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let outcome = async { connector.connect(name, one).await?.read_u8().await }.await;
        serving.await.unwrap();
        outcome
    }

    #[tokio::test]
    async fn a_good_certificate_is_trusted_by_name_and_by_address_and_each_flaw_is_seen() {
        for name in ["localhost", "127.0.0.1", "::1"] {
            assert_eq!(meet(Flaw::None, name).await.unwrap(), 7);
        }
        for (flaw, word) in [
            (Flaw::Expired, "expired"),
            (Flaw::NotYetValid, "not valid yet"),
            (Flaw::WrongName, "not valid for name"),
            (Flaw::UnknownIssuer, "UnknownIssuer"),
            (Flaw::SelfSigned, "UnknownIssuer"),
        ] {
            let problem = meet(flaw, "localhost").await.unwrap_err().to_string();
            assert!(problem.contains(word), "{flaw:?}: {problem}");
        }
    }

    #[tokio::test]
    async fn a_server_may_ask_clients_for_their_certificate() {
        let authority = Authority::new().unwrap();
        let server = authority.issue_for_loopback(Flaw::None).unwrap();
        let client = authority.issue(&["crm"], Flaw::None).unwrap();
        for (identity, is_let_in) in [(None, false), (Some(&client), true)] {
            let acceptor = acceptor(&server, Some(authority.root())).unwrap();
            let connector = connector(authority.root(), identity).unwrap();
            let (one, other) = tokio::io::duplex(4096);
            let name = ServerName::try_from("localhost").unwrap();
            let (accepted, _) = tokio::join!(acceptor.accept(other), connector.connect(name, one));
            assert_eq!(accepted.is_ok(), is_let_in);
        }
    }

    #[test]
    fn private_keys_do_not_show() {
        let identity = Authority::new().unwrap().issue(&["a"], Flaw::None).unwrap();
        let shown = format!("{identity:?}");
        assert!(!shown.contains("PRIVATE"), "{shown}");
    }
}
