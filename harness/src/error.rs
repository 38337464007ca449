//! Owns the one error type of the harness library. Every variant names what was awaited or tried and what came
//! instead, so that a failed test explains itself.

use std::time::Duration;

/// What went wrong between the harness and its peer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The TCP connection could not be made.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The address that was tried.
        address: String,
        /// The cause.
        source: std::io::Error,
    },
    /// An address could not be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address that was tried.
        address: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The peer answered the WebSocket handshake with something other than 101.
    #[error("the handshake was refused with status {status}: {body}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The header lines, names in lower case.
        headers: Vec<(String, String)>,
        /// The body, as text.
        body: String,
    },
    /// The WebSocket layer failed.
    #[error("WebSocket failure while {doing}: {source}")]
    WebSocket {
        /// What was being done.
        doing: String,
        /// The cause.
        source: Box<tokio_tungstenite::tungstenite::Error>,
    },
    /// A wait reached its deadline.
    #[error("waited {after:?} for {awaited}; instead came: {instead}")]
    Deadline {
        /// What was awaited.
        awaited: String,
        /// How long.
        after: Duration,
        /// What came in that time.
        instead: String,
    },
    /// The link ended while something was awaited.
    #[error("the link closed ({close}) while waiting for {awaited}; before that came: {instead}")]
    Closed {
        /// What was awaited.
        awaited: String,
        /// How the link ended.
        close: String,
        /// What came before.
        instead: String,
    },
    /// An answer had the wrong name or shape.
    #[error("{method} was answered wrongly: {answer}")]
    WrongAnswer {
        /// The method that was asked.
        method: String,
        /// The answer, or what is wrong with it.
        answer: String,
    },
    /// The answer carried `result: 0`.
    #[error("{method} failed with error {error}: {errormsg}")]
    Failed {
        /// The method that was asked.
        method: String,
        /// The error number; 0 if there was none.
        error: i64,
        /// The error text.
        errormsg: String,
    },
    /// A text was not a message of the protocol.
    #[error("not a message: {0}")]
    Malformed(String),
    /// The gateway's process did not do as asked.
    #[error("gateway: {problem}\n--- end of its log ---\n{log_tail}")]
    Gateway {
        /// What went wrong.
        problem: String,
        /// The last lines of its log.
        log_tail: String,
    },
    /// A call to an HTTP address failed.
    #[error("HTTP {call}: {problem}")]
    Http {
        /// Method and path.
        call: String,
        /// What went wrong.
        problem: String,
    },
    /// An option makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Any other failure of the operating system.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl Error {
    /// An IO failure while `doing` something.
    pub(crate) fn io(doing: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            doing: doing.into(),
            source,
        }
    }

    /// No answer to `method` within this time.
    pub(crate) fn unanswered(method: &str, after: Duration) -> Self {
        Self::Deadline {
            awaited: format!("the answer to {method}"),
            after,
            instead: "nothing that answers it".into(),
        }
    }

    /// A WebSocket failure while `doing` something.
    pub(crate) fn web_socket(
        doing: impl Into<String>,
        source: tokio_tungstenite::tungstenite::Error,
    ) -> Self {
        Self::WebSocket {
            doing: doing.into(),
            source: Box::new(source),
        }
    }
}

/// The harness's result type.
pub type Result<T> = std::result::Result<T, Error>;
