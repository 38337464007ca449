//! HTTP authentication with one login and one password: `Basic` (RFC 7617) and `Digest` (RFC 7616), of both sides.
//!
//! In come what a request says about itself, the values of its `Authorization` or of an answer's `WWW-Authenticate`, and
//! the time; out go decisions, challenges and credentials as header values. Passwords are compared in constant time and
//! show in no `Debug` output and no error. It knows neither sockets nor connections.

mod client;
mod digest;
mod header;
mod server;
#[cfg(test)]
mod tests;

pub use client::{ClientCredentials, ClientError, Tries};
pub use server::{Authenticator, DENIED_BODY, Denial, Denied, NONCE_LIFETIME, Scheme};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A login and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The login: any text without a colon.
    pub login: Box<str>,
    /// The password.
    pub password: Box<str>,
}

impl Login {
    /// This login with this password.
    pub fn new(login: &str, password: &str) -> Self {
        Self {
            login: login.into(),
            password: password.into(),
        }
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Login")
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

/// Whether two texts are equal, in a time that says nothing about either.
fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (Sha256::digest(one), Sha256::digest(other));
    one.ct_eq(&other).into()
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0xF)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}
