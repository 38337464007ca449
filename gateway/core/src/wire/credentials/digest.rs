//! The arithmetic of `Digest` (RFC 7616, 3.4), as far as `qop="auth"` and none need it.

use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::{Login, hex};

/// The hashes that are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Sha256,
    Md5,
}

/// What goes into a response beside the login.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange<'a> {
    pub(super) realm: &'a str,
    pub(super) nonce: &'a str,
    /// The request's method.
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    /// The count of the nonce and the client's own nonce, where `qop` is `auth`.
    pub(super) auth: Option<(&'a str, &'a str)>,
}

impl Algorithm {
    /// The algorithm of that name; none means MD5.
    pub(super) fn named(name: Option<&str>) -> Option<Self> {
        match name {
            None => Some(Self::Md5),
            Some(name) if name.eq_ignore_ascii_case("MD5") => Some(Self::Md5),
            Some(name) if name.eq_ignore_ascii_case("SHA-256") => Some(Self::Sha256),
            Some(_) => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// The value of `response`.
    pub(super) fn response(self, login: &Login, exchange: &Exchange<'_>) -> String {
        let Exchange {
            realm,
            nonce,
            method,
            uri,
            auth,
        } = *exchange;
        let who = self.hash(&[&login.login, realm, &login.password]);
        let what = self.hash(&[method, uri]);
        match auth {
            Some((count, own)) => self.hash(&[&who, nonce, count, own, "auth", &what]),
            None => self.hash(&[&who, nonce, &what]),
        }
    }

    /// The hash of the parts with colons between them.
    fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Self::Sha256 => hex(&Sha256::digest(text)),
            Self::Md5 => hex(&Md5::digest(text)),
        }
    }
}
