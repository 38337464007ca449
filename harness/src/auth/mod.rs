//! Owns HTTP authentication of the harness's own making, both sides of Basic (RFC 7617) and Digest (RFC 7616).
//!
//! [`Guard`] is the side that is asked for something, [`Answerer`] the side that asks. Header values come in and go out;
//! nothing here performs IO, and passwords never show in debug output.

mod digest;
mod parse;

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::Instant;

pub use self::digest::{Algorithm, Proof};
use self::parse::{Challenge, parse_challenges, parse_parameters};
use crate::error::{Error, Result};

/// A login and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The login; it holds no colon.
    pub login: String,
    /// The password.
    pub password: String,
}

impl Credentials {
    /// These two.
    pub fn new(login: &str, password: &str) -> Self {
        Self {
            login: login.to_owned(),
            password: password.to_owned(),
        }
    }

    /// The value of an `Authorization` header with both in it.
    pub fn basic(&self) -> String {
        let pair = format!("{}:{}", self.login, self.password);
        format!("Basic {}", STANDARD.encode(pair))
    }
}

impl FromStr for Credentials {
    type Err = String;

    /// Reads `login:password`, divided at the first colon.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.split_once(':') {
            Some((login, password)) if !login.is_empty() => Ok(Self::new(login, password)),
            _ => Err("credentials are LOGIN:PASSWORD".into()),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

/// How credentials are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Scheme {
    /// Not at all
    #[default]
    None,
    /// Login and password as they are
    Basic,
    /// A proof of the password, by SHA-256 or MD5
    Digest,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// There were no credentials, or of another scheme.
    Missing,
    /// They could not be read.
    Malformed,
    /// They are not ours.
    Wrong,
    /// The nonce is too old, or unknown: a new one is to be used.
    Stale,
    /// The count of this nonce did not grow.
    Replayed,
}

/// The side that lets in or not.
#[derive(Debug)]
pub struct Guard {
    scheme: Scheme,
    credentials: Credentials,
    realm: String,
    nonce_lifetime: Duration,
    /// Nonces that were given out: when, and the highest count that was used.
    nonces: HashMap<String, (Instant, u32)>,
}

impl Guard {
    /// One that asks for these credentials in this way.
    pub fn new(scheme: Scheme, credentials: Credentials) -> Self {
        Self {
            scheme,
            credentials,
            realm: "okgate-harness".into(),
            nonce_lifetime: Duration::from_secs(300),
            nonces: HashMap::new(),
        }
    }

    /// Sets how long a nonce is good for.
    #[must_use]
    pub fn nonce_lifetime(mut self, lifetime: Duration) -> Self {
        self.nonce_lifetime = lifetime;
        self
    }

    /// Judges the `Authorization` header of a request.
    pub fn check(
        &mut self,
        method: &str,
        uri: &str,
        authorization: Option<&str>,
    ) -> std::result::Result<(), Denial> {
        if self.scheme == Scheme::None {
            return Ok(());
        }
        let header = authorization.ok_or(Denial::Missing)?.trim();
        let (scheme, rest) = header.split_once(' ').ok_or(Denial::Malformed)?;
        match self.scheme {
            Scheme::Basic if scheme.eq_ignore_ascii_case("basic") => self.check_basic(rest),
            Scheme::Digest if scheme.eq_ignore_ascii_case("digest") => {
                self.check_digest(method, uri, rest)
            }
            _ => Err(Denial::Missing),
        }
    }

    /// The `WWW-Authenticate` values that go with a refusal.
    pub fn challenges(&mut self, denial: Denial) -> Vec<String> {
        let realm = &self.realm;
        match self.scheme {
            Scheme::None => Vec::new(),
            Scheme::Basic => vec![format!("Basic realm=\"{realm}\", charset=\"UTF-8\"")],
            Scheme::Digest => {
                let now = Instant::now();
                let lifetime = self.nonce_lifetime;
                if self.nonces.len() >= NONCES_MAX {
                    self.nonces.retain(|_, (given, _)| now - *given < lifetime);
                }
                let nonce = format!("{:032x}", rand::random::<u128>());
                if self.nonces.len() < NONCES_MAX {
                    self.nonces.insert(nonce.clone(), (now, 0));
                }
                let stale = if denial == Denial::Stale {
                    ", stale=true"
                } else {
                    ""
                };
                let of = |algorithm: Algorithm| {
                    format!(
                        "Digest realm=\"{realm}\", qop=\"auth\", algorithm={}, nonce=\"{nonce}\"{stale}",
                        algorithm.name()
                    )
                };
                vec![of(Algorithm::Sha256), of(Algorithm::Md5)]
            }
        }
    }

    fn check_basic(&self, encoded: &str) -> std::result::Result<(), Denial> {
        let pair = STANDARD.decode(encoded.trim());
        let pair = pair.map_err(|_| Denial::Malformed)?;
        let wanted = format!("{}:{}", self.credentials.login, self.credentials.password);
        if pair == wanted.as_bytes() {
            Ok(())
        } else {
            Err(Denial::Wrong)
        }
    }

    fn check_digest(
        &mut self,
        method: &str,
        uri: &str,
        text: &str,
    ) -> std::result::Result<(), Denial> {
        let parameters = parse_parameters(text).ok_or(Denial::Malformed)?;
        let field = |key: &str| parameters.get(key).map(String::as_str);
        let wanted = |key: &str| field(key).ok_or(Denial::Malformed);
        let algorithm = match field("algorithm") {
            None => Algorithm::Md5,
            Some(name) => Algorithm::named(name).ok_or(Denial::Malformed)?,
        };
        let (nonce, count) = (wanted("nonce")?, wanted("nc")?);
        let number = u32::from_str_radix(count, 16).map_err(|_| Denial::Malformed)?;
        if wanted("uri")? != uri || wanted("qop")? != "auth" || count.len() != 8 {
            return Err(Denial::Malformed);
        }
        if wanted("username")? != self.credentials.login || wanted("realm")? != self.realm {
            return Err(Denial::Wrong);
        }
        let proof = Proof {
            algorithm,
            realm: &self.realm,
            nonce,
            count,
            client_nonce: wanted("cnonce")?,
            method,
            uri,
        };
        if proof.response(&self.credentials) != wanted("response")? {
            return Err(Denial::Wrong);
        }
        let (given, last) = self.nonces.get_mut(nonce).ok_or(Denial::Stale)?;
        if given.elapsed() > self.nonce_lifetime {
            return Err(Denial::Stale);
        }
        if number <= *last {
            return Err(Denial::Replayed);
        }
        *last = number;
        Ok(())
    }
}

/// The side that asks: it answers challenges, and keeps to Digest once it was asked for it.
#[derive(Debug)]
pub struct Answerer {
    credentials: Credentials,
    digest: Option<Session>,
    is_basic_up_front: bool,
}

/// A challenge that is being answered.
#[derive(Debug)]
struct Session {
    algorithm: Algorithm,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    count: u32,
}

impl Answerer {
    /// One that says nothing before it is asked.
    pub fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            digest: None,
            is_basic_up_front: false,
        }
    }

    /// Sends Basic credentials with the first request already.
    #[must_use]
    pub fn basic_up_front(mut self) -> Self {
        self.is_basic_up_front = true;
        self
    }

    /// The `Authorization` value for the next request, if there is to be one.
    pub fn authorization(&mut self, method: &str, uri: &str) -> Option<String> {
        match &mut self.digest {
            Some(session) => Some(session.authorization(&self.credentials, method, uri)),
            None => self.is_basic_up_front.then(|| self.credentials.basic()),
        }
    }

    /// Takes the challenges of a 401: SHA-256 before MD5 before Basic.
    pub fn take_challenges(&mut self, values: &[String]) -> Result<()> {
        let challenges: Vec<Challenge> = values
            .iter()
            .flat_map(|value| parse_challenges(value))
            .collect();
        let best = challenges
            .iter()
            .filter_map(Session::of)
            .max_by_key(|session| session.algorithm);
        if let Some(session) = best {
            self.digest = Some(session);
            return Ok(());
        }
        if challenges
            .iter()
            .any(|challenge| challenge.scheme.eq_ignore_ascii_case("basic"))
        {
            self.is_basic_up_front = true;
            return Ok(());
        }
        Err(Error::Malformed(format!(
            "no challenge that can be answered: {values:?}"
        )))
    }
}

impl Session {
    fn of(challenge: &Challenge) -> Option<Self> {
        let field = |key: &str| challenge.parameters.get(key).cloned();
        let algorithm = match field("algorithm") {
            None => Algorithm::Md5,
            Some(name) => Algorithm::named(&name)?,
        };
        let qops = field("qop")?;
        let offers_auth = qops.split(',').any(|qop| qop.trim() == "auth");
        (challenge.scheme.eq_ignore_ascii_case("digest") && offers_auth).then_some(Self {
            algorithm,
            realm: field("realm")?,
            nonce: field("nonce")?,
            opaque: field("opaque"),
            count: 0,
        })
    }

    fn authorization(&mut self, credentials: &Credentials, method: &str, uri: &str) -> String {
        self.count += 1;
        let count = format!("{:08x}", self.count);
        let client_nonce = format!("{:016x}", rand::random::<u64>());
        let proof = Proof {
            algorithm: self.algorithm,
            realm: &self.realm,
            nonce: &self.nonce,
            count: &count,
            client_nonce: &client_nonce,
            method,
            uri,
        };
        let mut value = proof.authorization(credentials);
        if let Some(opaque) = &self.opaque {
            // Writing to a string cannot fail.
            let _ = write!(value, ", opaque=\"{opaque}\"");
        }
        value
    }
}

/// How many nonces a guard remembers.
const NONCES_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials::new("Mufasa", "Circle of Life")
    }

    #[test]
    fn every_scheme_lets_its_own_in_and_wrong_ones_out() {
        for scheme in [Scheme::Basic, Scheme::Digest] {
            let mut guard = Guard::new(scheme, credentials());
            assert_eq!(guard.check("GET", "/a", None), Err(Denial::Missing));
            for (login, password, outcome) in [
                ("Mufasa", "Circle of Life", Ok(())),
                ("Simba", "Circle of Life", Err(Denial::Wrong)),
                ("Mufasa", "circle of life", Err(Denial::Wrong)),
            ] {
                let mut answerer = Answerer::new(Credentials::new(login, password));
                assert_eq!(answerer.authorization("GET", "/a"), None);
                let challenges = guard.challenges(Denial::Missing);
                answerer.take_challenges(&challenges).unwrap();
                let header = answerer.authorization("GET", "/a").unwrap();
                assert_eq!(guard.check("GET", "/a", Some(&header)), outcome, "{header}");
            }
        }
        assert_eq!(
            Guard::new(Scheme::None, credentials()).check("GET", "/", None),
            Ok(())
        );
    }

    #[test]
    fn a_digest_is_good_once_for_its_request_and_while_its_nonce_lives() {
        let mut guard = Guard::new(Scheme::Digest, credentials());
        let mut answerer = Answerer::new(credentials());
        let challenges = guard.challenges(Denial::Missing);
        assert!(challenges[0].contains("SHA-256") && challenges[1].contains("MD5"));
        answerer.take_challenges(&challenges).unwrap();
        let header = answerer.authorization("GET", "/a").unwrap();
        assert!(header.contains("algorithm=SHA-256"), "{header}");
        assert_eq!(
            guard.check("GET", "/b", Some(&header)),
            Err(Denial::Malformed)
        );
        assert_eq!(guard.check("GET", "/a", Some(&header)), Ok(()));
        assert_eq!(
            guard.check("GET", "/a", Some(&header)),
            Err(Denial::Replayed)
        );
        let next = answerer.authorization("POST", "/a").unwrap();
        assert!(next.contains("nc=00000002"), "{next}");
        let mut guard = guard.nonce_lifetime(Duration::ZERO);
        assert_eq!(guard.check("POST", "/a", Some(&next)), Err(Denial::Stale));
        assert!(guard.challenges(Denial::Stale)[0].ends_with("stale=true"));
    }

    #[test]
    fn malformed_headers_are_no_credentials() {
        let mut basic = Guard::new(Scheme::Basic, credentials());
        assert_eq!(
            basic.check("GET", "/", Some("Basic !")),
            Err(Denial::Malformed)
        );
        assert_eq!(
            basic.check("GET", "/", Some("Basic")),
            Err(Denial::Malformed)
        );
        assert_eq!(
            basic.check("GET", "/", Some("Bearer x")),
            Err(Denial::Missing)
        );
        let mut digest = Guard::new(Scheme::Digest, credentials());
        for value in [
            "Digest ",
            "Digest nonce=\"x",
            "Digest a=b, ,",
            "Digest qop=auth",
        ] {
            assert_eq!(
                digest.check("GET", "/", Some(value)),
                Err(Denial::Malformed),
                "{value}"
            );
        }
    }

    #[test]
    fn passwords_do_not_show() {
        let shown = format!("{:?}", Answerer::new(credentials()).basic_up_front());
        assert!(
            shown.contains("Mufasa") && !shown.contains("Circle"),
            "{shown}"
        );
    }
}
