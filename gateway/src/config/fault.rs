//! What is wrong with a settings file.

use std::fmt;
use std::io;

/// One fault: where, which key, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The line, counted from 1.
    pub line: usize,
    /// The key with its section, such as `clients.listen` or `users[2].login`;
    /// empty where the text is not TOML at all.
    pub key: String,
    /// What is wrong and, where that helps, what would be right.
    pub reason: String,
}

impl fmt::Display for Fault {
    /// `LINE: key: reason`; the caller puts `FILE:` before it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(formatter, "{}: {}", self.line, self.reason)
        } else {
            write!(formatter, "{}: {}: {}", self.line, self.key, self.reason)
        }
    }
}

/// Why a settings file could not be used; either way the command ends with
/// exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// The file was read and has these faults; never empty.
    #[error("{} fault(s)", .0.len())]
    Faults(Vec<Fault>),
}
