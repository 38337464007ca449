//! The check of a server's certificate: rustls' own, which here also tells a certificate that
//! is signed with its own key from one of an unknown authority, and trusts one that is itself named as
//! trusted, even where it is marked as an authority's, as tools make them by default.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use super::error::{SelfSigned, is_authority};

/// Checks as `WebPkiServerVerifier` does, with one more word for a refusal.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) usual: Arc<WebPkiServerVerifier>,
    /// The certificates in the file that names whom to trust.
    pub(super) named: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// An authority's own certificate, as a server shows it: good if it is itself named as trusted
    /// and is for this server. That it is valid now was seen before it was refused.
    fn verify_named(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
    ) -> Option<Result<ServerCertVerified, Error>> {
        self.named.iter().find(|named| *named == certificate)?;
        let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
        let fits = certificate.verify_is_valid_for_subject_name(name);
        let wrong = |error| {
            Error::InvalidCertificate(match error {
                webpki::Error::CertNotValidForName(webpki::InvalidNameContext {
                    expected,
                    presented,
                }) => CertificateError::NotValidForNameContext {
                    expected,
                    presented,
                },
                _ => CertificateError::NotValidForName,
            })
        };
        Some(
            fits.map(|()| ServerCertVerified::assertion())
                .map_err(wrong),
        )
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let usual = &self.usual;
        let checked =
            usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        if let Err(Error::InvalidCertificate(CertificateError::Other(other))) = &checked
            && is_authority(other)
            && let Some(verified) = self.verify_named(end_entity, server_name)
        {
            return verified;
        }
        checked.map_err(|error| {
            let is_authority = match &error {
                Error::InvalidCertificate(CertificateError::UnknownIssuer) => false,
                Error::InvalidCertificate(CertificateError::Other(other))
                    if is_authority(other) =>
                {
                    true
                }
                _ => return error,
            };
            if is_self_issued(end_entity) {
                let reason = OtherError(Arc::new(SelfSigned { is_authority }));
                Error::InvalidCertificate(CertificateError::Other(reason))
            } else {
                error
            }
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

fn is_self_issued(certificate: &CertificateDer<'_>) -> bool {
    webpki::EndEntityCert::try_from(certificate).is_ok_and(|it| it.issuer() == it.subject())
}
