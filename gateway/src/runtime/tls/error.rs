//! Why a TLS connection could not be made or goes no further: what rustls says, in words that
//! say what to do.

use std::fmt;
use std::io;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, InvalidMessage, OtherError};

/// Which side of a connection a certificate belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The server's, which a client checks.
    Server,
    /// The client's, which a server checks.
    Client,
}

/// Why a TLS connection failed.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The peer's certificate is refused.
    #[error("the {whose}'s certificate {fault}", fault = fault.words(*whose))]
    Certificate {
        /// Who showed it.
        whose: Whose,
        /// What is wrong with it.
        fault: CertificateFault,
    },
    /// The peer did not go on with the handshake.
    #[error("no TLS handshake within {}: the other side accepts connections and does not answer", span(*.0))]
    TimedOut(Duration),
    /// What the peer sends is not TLS.
    #[error(
        "the other side speaks no TLS: the port is one for plain connections, or the wrong one (mode ws-… and http-… are without TLS)"
    )]
    NotTls,
    /// The two sides share no version, cipher or key exchange.
    #[error(
        "both sides have no TLS version or cipher in common ({0}): TLS 1.2 or 1.3 with AES-GCM or ChaCha20-Poly1305 is needed"
    )]
    NothingInCommon(String),
    /// The client showed no certificate although one is asked for.
    #[error(
        "the client shows no certificate, but one is asked for (crm.client_roots): the CRM must connect with one"
    )]
    NoCertificate,
    /// The peer ended it with an alert.
    #[error("the other side refuses: {}", alert_words(*.0))]
    Alert(AlertDescription),
    /// The peer closed the connection in the middle.
    #[error(
        "the other side closed the connection during the TLS handshake: is it a port for TLS connections?"
    )]
    Closed,
    /// The peer broke the rules of TLS.
    #[error("the other side breaks the rules of TLS: {0}")]
    Protocol(String),
    /// The connection under it failed.
    #[error("the connection failed during the TLS handshake: {0}")]
    Io(#[source] io::Error),
}

/// What is wrong with a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// Its time is over, by this much if that is known.
    Expired(Option<Duration>),
    /// Its time has not come, by this much if that is known.
    NotYetValid(Option<Duration>),
    /// It is for other names than the one that was asked for.
    WrongName {
        /// The name or address that was asked for.
        asked: String,
        /// Those that it is for, ten of them at most.
        names: Vec<String>,
    },
    /// No known authority has signed it.
    UnknownIssuer,
    /// An authority of the same name as a trusted one has signed it, with another key.
    Namesake,
    /// It is signed with its own key and not among the trusted ones.
    SelfSigned {
        /// Whether it claims to be an authority's, which a server may not show.
        is_authority: bool,
    },
    /// It belongs to an authority, and not to a server or client.
    Authority,
    /// Its authority has taken it back.
    Revoked,
    /// It is for another purpose, such as signing programs.
    WrongPurpose,
    /// Something else.
    Bad(String),
}

/// What the verifier says of a certificate that is signed with its own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signed with its own key")]
pub(super) struct SelfSigned {
    pub(super) is_authority: bool,
}

impl TlsError {
    /// What rustls reports on the side that checks certificates of `whose`.
    pub(super) fn new(error: rustls::Error, whose: Whose) -> Self {
        match error {
            rustls::Error::InvalidCertificate(fault) => Self::Certificate {
                whose,
                fault: CertificateFault::new(fault),
            },
            rustls::Error::NoCertificatesPresented => Self::NoCertificate,
            rustls::Error::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::InvalidEmptyPayload
                | InvalidMessage::MessageTooLarge,
            ) => Self::NotTls,
            rustls::Error::PeerIncompatible(reason) => Self::NothingInCommon(format!("{reason:?}")),
            rustls::Error::AlertReceived(
                alert
                @ (AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity),
            ) => Self::NothingInCommon(format!("alert {alert:?}")),
            rustls::Error::AlertReceived(alert) => Self::Alert(alert),
            other => Self::Protocol(other.to_string()),
        }
    }

    /// What the connection under TLS reports.
    pub(super) fn io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Io(error),
        }
    }

    /// The error as one of a stream that is in use.
    pub(super) fn into_io(self) -> io::Error {
        match self {
            Self::Io(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        }
    }
}

impl CertificateFault {
    fn new(error: CertificateError) -> Self {
        match error {
            CertificateError::Expired => Self::Expired(None),
            CertificateError::ExpiredContext { time, not_after } => {
                Self::Expired(between(not_after, time))
            }
            CertificateError::NotValidYet => Self::NotYetValid(None),
            CertificateError::NotValidYetContext { time, not_before } => {
                Self::NotYetValid(between(time, not_before))
            }
            CertificateError::NotValidForNameContext {
                expected,
                presented,
            } => Self::WrongName {
                asked: expected.to_str().into_owned(),
                names: presented
                    .iter()
                    .take(NAMES_MAX)
                    .map(|name| bare_name(name))
                    .collect(),
            },
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::BadSignature => Self::Namesake,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::WrongPurpose
            }
            CertificateError::Other(other) => Self::other(&other),
            other => Self::Bad(other.to_string()),
        }
    }

    fn other(error: &OtherError) -> Self {
        if let Some(&SelfSigned { is_authority }) = error.0.downcast_ref() {
            Self::SelfSigned { is_authority }
        } else if is_authority(error) {
            Self::Authority
        } else {
            Self::Bad(error.to_string())
        }
    }

    fn words(&self, whose: Whose) -> String {
        let roots = match whose {
            Whose::Server => "crm.trust_roots",
            Whose::Client => "crm.client_roots",
        };
        match self {
            Self::Expired(ago) => format!(
                "has expired{}: a new one is needed there (or a clock is wrong)",
                ago.map_or_else(String::new, |ago| format!(" {} ago", span(ago)))
            ),
            Self::NotYetValid(ahead) => format!(
                "is not valid yet{}: a clock is wrong, here or where it was made",
                ahead.map_or_else(String::new, |ahead| format!(", but in {}", span(ahead)))
            ),
            Self::WrongName { asked, names } if names.is_empty() => format!(
                "is for no name at all, and not for {asked:?}: it needs a subjectAltName with it"
            ),
            Self::WrongName { asked, names } => format!(
                "is not for {asked:?} but for {}: ask for the CRM by one of these, or have a certificate made for that one",
                names.join(", ")
            ),
            Self::UnknownIssuer => format!(
                "comes from an authority that is not trusted here: name its authority's certificate with {roots} (the whole chain between must be sent by the {whose})"
            ),
            Self::Namesake => format!(
                "is not signed by the authority that is trusted here, which has the same name and another key: name the new one with {roots}"
            ),
            Self::SelfSigned {
                is_authority: false,
            } => format!(
                "is signed with its own key and not trusted here: name it with {roots} if it is the right one"
            ),
            Self::SelfSigned { is_authority: true } => format!(
                "is signed with its own key, marked as an authority's, and not trusted here: name it with {roots} if it is the right one"
            ),
            Self::Authority => format!(
                "is that of an authority (CA:TRUE): the {whose} must show one that this authority has signed"
            ),
            Self::Revoked => {
                "was taken back by its authority: a new one is needed there".to_owned()
            }
            Self::WrongPurpose => {
                format!("is not for a {whose}: its extendedKeyUsage names other purposes")
            }
            Self::Bad(words) => format!("cannot be used: {words}"),
        }
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Server => "server",
            Self::Client => "client",
        })
    }
}

/// Whether a certificate was refused as an authority's own.
pub(super) fn is_authority(error: &OtherError) -> bool {
    let refused = error.0.downcast_ref::<webpki::Error>();
    refused.is_some_and(|error| *error == webpki::Error::CaUsedAsEndEntity)
}

/// `DnsName("crm.example")` as `"crm.example"`; a stranger wrote it, so it stays quoted.
fn bare_name(name: &str) -> String {
    let inner = name.split_once('(').map(|(_, inner)| inner);
    let inner = inner.and_then(|inner| inner.strip_suffix(')'));
    let inner = inner.unwrap_or(name).trim_matches('"');
    let short: String = inner.chars().take(NAME_CHARS_MAX).collect();
    format!("{short:?}")
}

fn alert_words(alert: AlertDescription) -> String {
    let hint = match alert {
        AlertDescription::CertificateRequired => {
            "it wants a certificate of ours: set crm.client_certificate and crm.client_key"
        }
        AlertDescription::HandshakeFailure => {
            "no TLS version or cipher in common, or it wants a certificate of ours (crm.client_certificate)"
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::DecryptError => {
            "it does not trust our certificate (crm.client_certificate in outgoing modes, tls.certificate in wss-in)"
        }
        AlertDescription::CertificateExpired => "our certificate has expired",
        AlertDescription::CertificateRevoked => "our certificate was taken back",
        AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => "it does not accept our certificate",
        AlertDescription::UnrecognisedName => {
            "it does not know the name that was asked for: check crm.url or crm.address"
        }
        AlertDescription::InternalError => "it has a fault of its own: see its log",
        _ => "see its log",
    };
    format!("alert {alert:?}; {hint}")
}

fn between(from: UnixTime, to: UnixTime) -> Option<Duration> {
    let seconds = to.as_secs().checked_sub(from.as_secs())?;
    Some(Duration::from_secs(seconds))
}

/// A time in the unit that says most.
fn span(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} minutes", seconds / 60),
        seconds @ 7200..172_800 => format!("{} hours", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Names of a certificate that an error lists at most.
const NAMES_MAX: usize = 10;

/// Characters of a name that it shows at most.
const NAME_CHARS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_their_kind_and_cut() {
        assert_eq!(bare_name("DnsName(\"crm.example\")"), "\"crm.example\"");
        assert_eq!(bare_name("IpAddress(127.0.0.1)"), "\"127.0.0.1\"");
        assert_eq!(bare_name(&"x".repeat(1000)).len(), NAME_CHARS_MAX + 2);
    }

    #[test]
    fn a_revoked_certificate_and_one_of_another_purpose_say_so() {
        for (error, words) in [
            (CertificateError::Revoked, "taken back"),
            (CertificateError::InvalidPurpose, "extendedKeyUsage"),
            (CertificateError::BadEncoding, "cannot be used"),
        ] {
            let error = TlsError::new(error.into(), Whose::Server).to_string();
            assert!(error.contains(words), "{error}");
            assert!(error.starts_with("the server's certificate "), "{error}");
        }
    }

    #[test]
    fn times_are_told_in_the_unit_that_says_most() {
        let spans = [0, 59, 3600, 36 * 3600, 40 * 86_400].map(Duration::from_secs);
        let spans = spans.map(span);
        assert_eq!(spans, ["0 ms", "59 s", "60 minutes", "36 hours", "40 days"]);
    }
}
