//! Why an exchange has no answer.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::runtime::dial::DialError;
use crate::runtime::tls::TlsError;

/// Why a request has no answer, in a sentence that says what to look at.
#[derive(Debug, thiserror::Error)]
pub enum HttpFailure {
    /// One of our own headers, or the target, cannot be sent.
    #[error("the request cannot be sent: {0}")]
    Request(String),
    /// Too many exchanges are under way and wait already, or no turn came in time.
    #[error("too many requests wait for the CRM already")]
    Busy,
    /// The server cannot be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The server was reached, and TLS failed.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// The answer did not come, or did not end, in time.
    #[error("no whole answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The server closed the connection without a byte of an answer.
    #[error("the server closed the connection without an answer")]
    Closed,
    /// The server closed the connection in the middle of its answer.
    #[error("the server closed the connection in the middle of its answer")]
    Cut,
    /// The answer's head is over the limit.
    #[error("the head of the answer is longer than {0} bytes, or has too many headers")]
    HeadTooLong(usize),
    /// The answer's body is over the limit.
    #[error("the answer is longer than {0} bytes")]
    BodyTooLong(usize),
    /// What came is no HTTP/1.
    #[error("the answer is not HTTP/1: {0}")]
    NotHttp(String),
    /// The connection failed otherwise.
    #[error("the connection failed: {0}")]
    Failed(String),
}

impl HttpFailure {
    /// What hyper reports of an exchange, of whose answer something `came` or nothing.
    pub(super) fn new(error: &hyper::Error, came: bool, head_bytes_max: usize) -> Self {
        if error.is_parse_too_large() {
            return Self::HeadTooLong(head_bytes_max);
        }
        if error.is_parse() {
            return Self::NotHttp(error.to_string());
        }
        let io = error
            .source()
            .and_then(|source| source.downcast_ref::<io::Error>());
        let is_lost = error.is_incomplete_message()
            || error.is_canceled()
            || error.is_closed()
            || io.is_some_and(is_end);
        match io {
            _ if is_lost && came => Self::Cut,
            _ if is_lost => Self::Closed,
            Some(error) => Self::Failed(error.to_string()),
            None => Self::Failed(error.to_string()),
        }
    }
}

/// Whether the other side is gone.
fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}
