//! Owns the arithmetic of Digest with `qop=auth` (RFC 7616, 3.4).

use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::Credentials;

/// What is hashed with; a better one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// Its name in a header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The one of this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256]
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

/// Everything but login and password that a response is made of.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    /// What is hashed with.
    pub algorithm: Algorithm,
    /// The realm of the challenge.
    pub realm: &'a str,
    /// The nonce of the challenge.
    pub nonce: &'a str,
    /// How often the nonce was used, eight hex digits.
    pub count: &'a str,
    /// The nonce of the asking side.
    pub client_nonce: &'a str,
    /// The request's method.
    pub method: &'a str,
    /// The request's target.
    pub uri: &'a str,
}

impl Proof<'_> {
    /// The field `response`.
    pub fn response(&self, credentials: &Credentials) -> String {
        let hash = |text: String| self.algorithm.hash(&text);
        let Credentials { login, password } = credentials;
        let secret = hash(format!("{login}:{}:{password}", self.realm));
        let request = hash(format!("{}:{}", self.method, self.uri));
        let (nonce, count, client_nonce) = (self.nonce, self.count, self.client_nonce);
        hash(format!(
            "{secret}:{nonce}:{count}:{client_nonce}:auth:{request}"
        ))
    }

    /// The value of the `Authorization` header.
    pub fn authorization(&self, credentials: &Credentials) -> String {
        format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{}\", algorithm={}, qop=auth, nc={}, \
             cnonce=\"{}\", response=\"{}\"",
            credentials.login,
            self.realm,
            self.nonce,
            self.uri,
            self.algorithm.name(),
            self.count,
            self.client_nonce,
            self.response(credentials),
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7616, 3.9.1, and RFC 2617, 3.5
    #[test]
    fn the_examples_of_the_standards_come_out() {
        let proof = Proof {
            algorithm: Algorithm::Md5,
            realm: "http-auth@example.org",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            count: "00000001",
            client_nonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            method: "GET",
            uri: "/dir/index.html",
        };
        let credentials = Credentials::new("Mufasa", "Circle of Life");
        assert_eq!(
            proof.response(&credentials),
            "8ca523f5e9506fed4657c9700eebdbec"
        );
        let better = Proof {
            algorithm: Algorithm::Sha256,
            ..proof
        };
        assert_eq!(
            better.response(&credentials),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
        let older = Proof {
            realm: "testrealm@host.com",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            client_nonce: "0a4f113b",
            ..proof
        };
        let credentials = Credentials::new("Mufasa", "Circle Of Life");
        assert_eq!(
            older.response(&credentials),
            "6629fae49393a05397450978507c4ef1"
        );
    }
}
