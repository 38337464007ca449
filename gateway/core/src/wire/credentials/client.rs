//! Who asks: proves that it knows the password (protocol 2.1-k, 2.2-o).

use base64_simd::STANDARD;

use super::digest::{Algorithm, Exchange};
use super::header::{Scheme, append_quoted};
use super::{Login, hex};
use crate::base::Random;

/// The login at one server, and what that server has asked for.
///
/// Each request has [`Tries`] of its own and carries what [`ClientCredentials::header`] gives. If it is answered with
/// 401, what [`ClientCredentials::answer`] makes of the challenges goes into a second try; if that is answered with 401,
/// too, the next `answer` says what is wrong. Several requests may be under way at a time.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    login: Login,
    digest: Option<Digest>,
}

/// What was tried to get one request accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    basic: bool,
    digest: u8,
}

/// A challenge that is answered from now on.
#[derive(Clone, Debug)]
struct Digest {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    has_qop: bool,
    count: u32,
}

/// A 401 that cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The challenges cannot be read.
    #[error("the CRM answered 401 with a WWW-Authenticate that cannot be read: {0}")]
    Malformed(&'static str),
    /// There is no challenge, or none that is understood.
    #[error(
        "the CRM answered 401 but asks neither for Basic nor for Digest (MD5 or SHA-256, qop auth)"
    )]
    NoneSupported,
    /// It was asked for what has been said.
    #[error("the CRM refuses the login and password: check crm.credentials")]
    WrongCredentials,
    /// It says that each nonce is too old.
    #[error("the CRM calls every nonce of its own stale")]
    AlwaysStale,
}

impl ClientCredentials {
    /// This login, of which the server has not asked anything yet.
    pub fn new(login: Login) -> Self {
        Self {
            login,
            digest: None,
        }
    }

    /// The value of `Authorization` for the next request: Basic, or Digest once the server has asked for that.
    pub fn header(
        &mut self,
        tries: &mut Tries,
        method: &str,
        uri: &str,
        random: &mut Random,
    ) -> String {
        match &mut self.digest {
            Some(digest) => digest.header(&self.login, method, uri, random),
            None => self.up_front(tries),
        }
    }

    /// The value of `Authorization` for Basic, before anything was asked.
    pub fn up_front(&self, tries: &mut Tries) -> String {
        tries.basic = true;
        let pair = format!("{}:{}", self.login.login, self.login.password);
        format!("Basic {}", STANDARD.encode_to_string(pair))
    }

    /// Answers a 401 with these values of `WWW-Authenticate`: gives the `Authorization` for another try, by the
    /// strongest scheme that is offered. An error means that another try would fail, too; it is forgotten what was
    /// asked, so that a later try begins anew.
    pub fn answer(
        &mut self,
        tries: &mut Tries,
        www_authenticate: &[&str],
        method: &str,
        uri: &str,
        random: &mut Random,
    ) -> Result<String, ClientError> {
        let answered = self.try_answer(tries, www_authenticate, method, uri, random);
        if answered.is_err() {
            self.digest = None;
        }
        answered
    }

    fn try_answer(
        &mut self,
        tries: &mut Tries,
        www_authenticate: &[&str],
        method: &str,
        uri: &str,
        random: &mut Random,
    ) -> Result<String, ClientError> {
        let mut challenges = Vec::new();
        for value in www_authenticate {
            let read = Scheme::read_all(value);
            challenges.extend(read.map_err(|malformed| ClientError::Malformed(malformed.0))?);
        }
        let with = |algorithm| {
            let mut all = challenges.iter();
            all.find_map(|it| Digest::read(it, algorithm))
        };
        if let Some((digest, is_stale)) = with(Algorithm::Sha256).or_else(|| with(Algorithm::Md5)) {
            match (tries.digest, is_stale) {
                (0, _) | (1, true) => {}
                (_, false) => return Err(ClientError::WrongCredentials),
                (_, true) => return Err(ClientError::AlwaysStale),
            }
            tries.digest += 1;
            let digest = self.digest.insert(digest);
            return Ok(digest.header(&self.login, method, uri, random));
        }
        if !challenges.iter().any(|challenge| challenge.is("Basic")) {
            return Err(ClientError::NoneSupported);
        }
        if tries.basic {
            return Err(ClientError::WrongCredentials);
        }
        self.digest = None;
        Ok(self.up_front(tries))
    }
}

impl Digest {
    /// Reads a challenge for this algorithm; says whether it calls the last nonce stale.
    fn read(challenge: &Scheme<'_>, wanted: Algorithm) -> Option<(Self, bool)> {
        if !challenge.is("Digest") {
            return None;
        }
        let text = |name| challenge.parameter(name).map(str::to_owned);
        let algorithm = Algorithm::named(challenge.parameter("algorithm"))?;
        let qop = challenge.parameter("qop");
        let mut qops = qop.unwrap_or("auth").split(',').map(str::trim_ascii);
        let is_auth = qops.any(|qop| qop.eq_ignore_ascii_case("auth"));
        if algorithm != wanted || !is_auth {
            return None;
        }
        let digest = Self {
            realm: text("realm")?,
            nonce: text("nonce")?,
            opaque: text("opaque"),
            algorithm,
            has_qop: qop.is_some(),
            count: 0,
        };
        let stale = challenge.parameter("stale");
        Some((
            digest,
            stale.is_some_and(|it| it.eq_ignore_ascii_case("true")),
        ))
    }

    /// The value of `Authorization` for the next use of the nonce.
    fn header(&mut self, login: &Login, method: &str, uri: &str, random: &mut Random) -> String {
        let own = [random.number().to_be_bytes(), random.number().to_be_bytes()];
        self.header_with(login, method, uri, &hex(own.as_flattened()))
    }

    fn header_with(&mut self, login: &Login, method: &str, uri: &str, own: &str) -> String {
        self.count = self.count.wrapping_add(1).max(1);
        let count = format!("{:08x}", self.count);
        let exchange = Exchange {
            realm: &self.realm,
            nonce: &self.nonce,
            method,
            uri,
            auth: self.has_qop.then_some((&*count, own)),
        };
        let response = self.algorithm.response(login, &exchange);
        let mut value = "Digest ".to_owned();
        let mut add = |name, text| {
            append_quoted(&mut value, name, text);
            value.push_str(", ");
        };
        add("username", &*login.login);
        add("realm", &*self.realm);
        add("nonce", &*self.nonce);
        add("uri", uri);
        add("response", &*response);
        if let Some(opaque) = &self.opaque {
            add("opaque", opaque);
        }
        if self.has_qop {
            add("cnonce", own);
            value.push_str("qop=auth, nc=");
            value.push_str(&count);
            value.push_str(", ");
        }
        value.push_str("algorithm=");
        value.push_str(self.algorithm.name());
        value
    }
}
