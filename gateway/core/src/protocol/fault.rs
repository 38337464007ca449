//! Errors that a peer is told about: a number and a text (protocol 3.4).

use std::borrow::Cow;

/// The error numbers of protocol 3.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorNumber {
    /// Not JSON or XML, or not a message.
    Malformed,
    /// The link has not logged in.
    NotLoggedIn,
    /// The user may not do that.
    NotAllowed,
    /// No such method or object.
    NotFound,
    /// Not in this state (no call to answer, say).
    WrongState,
    /// The message is too big.
    TooBig,
    /// A field is missing or has a wrong value.
    WrongParameters,
    /// Too many requests.
    TooMany,
    /// The service is not available now.
    NotAvailable,
    /// It took too long.
    TimedOut,
    /// The user is in by another client type (protocol 6.1).
    InByAnotherClient,
    /// The maximum of users, or of tabs per user, is reached (protocol 6.1).
    LicenceReached,
    /// No right to supervise that user (protocol 6.6).
    NoSupervision,
}

impl ErrorNumber {
    /// The number on the wire.
    pub const fn code(self) -> u32 {
        match self {
            Self::Malformed => 400,
            Self::NotLoggedIn => 401,
            Self::NotAllowed => 403,
            Self::NotFound => 404,
            Self::WrongState => 409,
            Self::TooBig => 413,
            Self::WrongParameters => 422,
            Self::TooMany => 429,
            Self::NotAvailable => 503,
            Self::TimedOut => 504,
            Self::LicenceReached => 50025,
            Self::InByAnotherClient => 50093,
            Self::NoSupervision => 52710,
        }
    }
}

/// Why a request failed, as the peer is told: `error` and `errormsg`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} ({})", number.code())]
pub struct Fault {
    /// Goes out as `error`.
    pub number: ErrorNumber,
    /// Goes out as `errormsg`: names what, where and what to do.
    pub text: Cow<'static, str>,
}

impl Fault {
    /// A fault of this number and text.
    pub fn new(number: ErrorNumber, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            number,
            text: text.into(),
        }
    }

    /// A required field is missing or wrong.
    pub fn parameter(field: &str, expected: &str) -> Self {
        Self::new(
            ErrorNumber::WrongParameters,
            format!("field `{field}`: expected {expected}"),
        )
    }
}
