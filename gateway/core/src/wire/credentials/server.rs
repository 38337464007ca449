//! Who is asked: does a request come from the one who knows the password? (protocol 2.2-l, 2.2-m)

use std::collections::VecDeque;
use std::time::Duration;

use base64_simd::forgiving_decode_to_vec;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::digest::{Algorithm, Exchange};
use super::header::{Scheme as Said, append_quoted};
use super::{Login, hex, is_same};
use crate::base::{Instant, Random};
use crate::wire::answer::Answer;

/// How a peer has to prove who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Not at all.
    #[default]
    None,
    /// By login and password, in clear.
    Basic,
    /// By a hash of them.
    Digest,
}

/// How long a nonce is good for, by default.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(300);

/// Nonces that were used and whose counts are remembered. Only who knows the password uses one up.
const NONCES_MAX: usize = 1024;

/// The text of a refusal that [`Denied::write_response`] writes.
pub const DENIED_BODY: &str = "login and password are needed here\n";

/// Checks the requests of one listener.
pub struct Authenticator {
    scheme: Scheme,
    realm: Box<str>,
    login: Login,
    lifetime: Duration,
    /// What nonces are made with, so that none must be remembered before it is used.
    key: [u8; 32],
    used: Vec<Used>,
    /// Nonces that were issued up to here are not good any more: what was used of them is forgotten.
    forgotten: Option<Instant>,
}

/// A nonce that came with right credentials.
#[derive(Debug)]
struct Used {
    proof: [u8; 16],
    issued: Instant,
    /// The highest count that came.
    count: u32,
}

/// A request that is refused. Answer it with 401, and with each of the challenges as a `WWW-Authenticate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The values of `WWW-Authenticate`, the strongest first.
    pub challenges: Vec<String>,
    /// Why, for the log. The peer is not told.
    pub reason: Denial,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No `Authorization`.
    #[error("no credentials")]
    Missing,
    /// `Authorization` cannot be read.
    #[error("malformed credentials: {0}")]
    Malformed(&'static str),
    /// Another scheme than the one that is asked for.
    #[error("credentials of another scheme")]
    OtherScheme,
    /// A hash or a quality of protection that is not offered, or a hashed login.
    #[error("credentials in a form that was not offered: {0}")]
    NotOffered(&'static str),
    /// The realm of somebody else.
    #[error("credentials for another realm")]
    Realm,
    /// `uri` is not the request's target.
    #[error("credentials for another target")]
    Target,
    /// No such login.
    #[error("wrong login")]
    Login,
    /// The password is wrong.
    #[error("wrong password")]
    Password,
    /// Everything is right but the nonce, which is too old or of another run of the gateway.
    #[error("the nonce is stale")]
    Stale,
    /// Everything is right, but it was said before.
    #[error("a repeated nonce count")]
    Replayed,
}

impl Denied {
    /// Appends the complete answer to the request: 401 with the challenges.
    pub fn write_response(&self, output: &mut Vec<u8>) {
        let challenges = self.challenges.iter();
        let headers: Vec<_> = challenges
            .map(|it| ("WWW-Authenticate", it.as_str()))
            .collect();
        let answer = Answer {
            status: 401,
            headers: &headers,
            body: DENIED_BODY,
            without_body: false,
        };
        answer.write(output);
    }
}

impl Authenticator {
    /// Asks for this login in this realm, which is a text without control characters. Nonces live for
    /// [`NONCE_LIFETIME`].
    pub fn new(scheme: Scheme, realm: &str, login: Login, random: &mut Random) -> Self {
        Self {
            scheme,
            realm: realm.into(),
            login,
            lifetime: NONCE_LIFETIME,
            key: bytes(random),
            used: Vec::new(),
            forgotten: None,
        }
    }

    /// The same with another life of its nonces.
    #[must_use]
    pub fn with_lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// What is asked for.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Decides on a request with this method and target, as they stand in its first line, and this `Authorization`. A
    /// request with two of these headers is to be shown as one with an empty value.
    pub fn check(
        &mut self,
        method: &str,
        target: &str,
        authorization: Option<&str>,
        now: Instant,
        random: &mut Random,
    ) -> Result<(), Denied> {
        let outcome = match (self.scheme, authorization) {
            (Scheme::None, _) => return Ok(()),
            (_, None) => Err(Denial::Missing),
            (Scheme::Basic, Some(value)) => self.check_basic(value),
            (Scheme::Digest, Some(value)) => self.check_digest(method, target, value, now),
        };
        outcome.map_err(|reason| Denied {
            challenges: self.challenges(reason, now, random),
            reason,
        })
    }

    fn check_basic(&self, value: &str) -> Result<(), Denial> {
        let said = only_scheme(value, "Basic")?;
        let token = said.token.ok_or(Denial::Malformed("no base64"))?;
        let decoded = forgiving_decode_to_vec(token.as_bytes());
        let decoded = decoded.map_err(|_| Denial::Malformed("not base64"))?;
        let text = str::from_utf8(&decoded).map_err(|_| Denial::Malformed("not UTF-8"))?;
        let colon = Denial::Malformed("no colon behind the login");
        let (login, password) = text.split_once(':').ok_or(colon)?;
        let is_login = is_same(login, &self.login.login);
        let is_password = is_same(password, &self.login.password);
        who(is_login, is_password)
    }

    fn check_digest(
        &mut self,
        method: &str,
        target: &str,
        value: &str,
        now: Instant,
    ) -> Result<(), Denial> {
        let said = only_scheme(value, "Digest")?;
        let needed = |name: &str, missing| said.parameter(name).ok_or(Denial::Malformed(missing));
        let algorithm = Algorithm::named(said.parameter("algorithm"));
        let algorithm = algorithm.ok_or(Denial::NotOffered("algorithm"))?;
        if said
            .parameter("userhash")
            .is_some_and(|it| it.eq_ignore_ascii_case("true"))
        {
            return Err(Denial::NotOffered("userhash"));
        }
        let login = needed("username", "no username")?;
        let nonce = needed("nonce", "no nonce")?;
        let uri = needed("uri", "no uri")?;
        let response = needed("response", "no response")?.to_ascii_lowercase();
        let realm = needed("realm", "no realm")?;
        let (own, count) = (needed("cnonce", "no cnonce")?, needed("nc", "no nc")?);
        if !needed("qop", "no qop")?.eq_ignore_ascii_case("auth") {
            return Err(Denial::NotOffered("qop"));
        }
        let number = nonce_count(count).ok_or(Denial::Malformed("nc is not eight digits"))?;
        if realm != &*self.realm {
            return Err(Denial::Realm);
        }
        if uri != target {
            return Err(Denial::Target);
        }
        let exchange = Exchange {
            realm,
            nonce,
            method,
            uri,
            auth: Some((count, own)),
        };
        let expected = algorithm.response(&self.login, &exchange);
        let is_response = expected.as_bytes().ct_eq(response.as_bytes());
        who(is_same(login, &self.login.login), is_response.into())?;
        self.use_nonce(nonce, number, now)
    }

    /// A fresh nonce: the time, something random, and the proof that both are ours.
    fn nonce(&self, now: Instant, random: &mut Random) -> String {
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&now.as_micros().to_be_bytes());
        nonce[8..16].copy_from_slice(&random.number().to_be_bytes());
        let proof = self.proof(&nonce[..16]);
        nonce[16..].copy_from_slice(&proof);
        hex(&nonce)
    }

    fn proof(&self, what: &[u8]) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(what);
        let hash: [u8; 32] = hash.finalize().into();
        *hash.first_chunk().expect("16 are fewer than 32")
    }

    /// Counts the use of a nonce that came with right credentials.
    fn use_nonce(&mut self, nonce: &str, count: u32, now: Instant) -> Result<(), Denial> {
        let bytes = from_hex(nonce).ok_or(Denial::Stale)?;
        let (what, proof) = bytes.split_at(16);
        let (time, _) = what.split_first_chunk().ok_or(Denial::Stale)?;
        let issued = Instant::from_micros(u64::from_be_bytes(*time));
        let is_ours: bool = self.proof(what).ct_eq(proof).into();
        let is_forgotten = self.forgotten.is_some_and(|until| issued <= until);
        if !is_ours || is_forgotten || now.since(issued) >= self.lifetime {
            return Err(Denial::Stale);
        }
        if let Some(used) = self.used.iter_mut().find(|used| used.proof == proof) {
            if count <= used.count {
                return Err(Denial::Replayed);
            }
            used.count = count;
            return Ok(());
        }
        self.make_room(now);
        self.used.push(Used {
            proof: proof.try_into().map_err(|_| Denial::Stale)?,
            issued,
            count,
        });
        Ok(())
    }

    fn make_room(&mut self, now: Instant) {
        if self.used.len() < NONCES_MAX {
            return;
        }
        let lifetime = self.lifetime;
        self.used.retain(|used| now.since(used.issued) < lifetime);
        let issued = self.used.iter().map(|used| used.issued);
        if self.used.len() >= NONCES_MAX
            && let Some(oldest) = issued.min()
        {
            self.forgotten = self.forgotten.max(Some(oldest));
            self.used.retain(|used| used.issued > oldest);
        }
    }

    fn challenges(&self, reason: Denial, now: Instant, random: &mut Random) -> Vec<String> {
        let mut challenge = String::new();
        match self.scheme {
            Scheme::None => Vec::new(),
            Scheme::Basic => {
                append_quoted(&mut challenge, "Basic realm", &self.realm);
                vec![challenge + ", charset=\"UTF-8\""]
            }
            Scheme::Digest => {
                append_quoted(&mut challenge, "Digest realm", &self.realm);
                challenge.push_str(", qop=\"auth\", ");
                append_quoted(&mut challenge, "nonce", &self.nonce(now, random));
                challenge.push_str(", charset=\"UTF-8\", userhash=false");
                if matches!(reason, Denial::Stale | Denial::Replayed) {
                    challenge.push_str(", stale=true");
                }
                let algorithms = [Algorithm::Sha256, Algorithm::Md5];
                let with = |it: Algorithm| format!("{challenge}, algorithm={}", it.name());
                algorithms.map(with).into()
            }
        }
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Authenticator")
            .field("scheme", &self.scheme)
            .field("realm", &self.realm)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

/// What follows from both comparisons, which have been made whatever the first one said.
fn who(is_login: bool, is_password: bool) -> Result<(), Denial> {
    match (is_login, is_password) {
        (false, _) => Err(Denial::Login),
        (true, false) => Err(Denial::Password),
        (true, true) => Ok(()),
    }
}

/// The one scheme of an `Authorization`.
fn only_scheme<'a>(value: &'a str, name: &str) -> Result<Said<'a>, Denial> {
    let all = Said::read_all(value).map_err(|malformed| Denial::Malformed(malformed.0))?;
    let mut all = VecDeque::from(all);
    match (all.pop_front(), all.is_empty()) {
        (Some(said), true) if said.is(name) => Ok(said),
        (Some(_), true) => Err(Denial::OtherScheme),
        _ => Err(Denial::Malformed("not one scheme")),
    }
}

/// Eight hexadecimal digits.
fn nonce_count(text: &str) -> Option<u32> {
    let is_count = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_count.then(|| u32::from_str_radix(text, 16).ok())?
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let digits = str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

fn bytes(random: &mut Random) -> [u8; 32] {
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&random.number().to_be_bytes());
    }
    bytes
}
