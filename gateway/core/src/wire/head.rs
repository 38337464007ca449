//! The heads of HTTP/1.1 requests and responses, as far as a WebSocket handshake needs them.
//!
//! In come the bytes that a link has sent so far; out goes a head whose parts point into those
//! bytes, and how many of them it took: what follows are the first frames. It never reads a body,
//! and never decides what to answer.

use std::str;

use super::answer::Answer;

/// No head may have more header lines than this, whatever the settings allow.
pub const HEADERS_MAX: usize = 64;

/// How big a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest head in bytes, with the empty line at its end.
    pub bytes_max: usize,
    /// The most header lines; more than [`HEADERS_MAX`] has the same effect as that.
    pub headers_max: usize,
}

impl Default for Limits {
    /// 8 KiB (protocol 9) and 64 lines.
    fn default() -> Self {
        Self {
            bytes_max: 8 << 10,
            headers_max: HEADERS_MAX,
        }
    }
}

/// Why bytes are not a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not HTTP/1.x. Answer 400 and close.
    #[error("not a readable HTTP/1.1 head: {0}")]
    Malformed(httparse::Error),
    /// Longer than [`Limits::bytes_max`]. Answer 431 and close.
    #[error("the head is too long")]
    TooLong,
    /// More than [`Limits::headers_max`] lines. Answer 431 and close.
    #[error("too many header lines")]
    TooManyHeaders,
}

impl HeadError {
    /// The status of the answer.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::TooLong | Self::TooManyHeaders => 431,
        }
    }

    /// Appends the complete answer to a request that failed so.
    pub fn write_response(&self, output: &mut Vec<u8>) {
        let answer = Answer {
            status: self.status(),
            headers: &[],
            body: &format!("{self}\n"),
            without_body: false,
        };
        answer.write(output);
    }
}

impl From<httparse::Error> for HeadError {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooManyHeaders,
            error => Self::Malformed(error),
        }
    }
}

/// The head of a request.
#[derive(Debug)]
pub struct RequestHead<'a> {
    /// As sent, e.g. `GET`.
    pub method: &'a str,
    /// As sent: a path with a query, or a whole URL.
    pub target: &'a str,
    /// 0 or 1: HTTP/1.0 or HTTP/1.1.
    pub minor_version: u8,
    /// The header lines.
    pub headers: Headers<'a>,
    length: usize,
    behind: &'a [u8],
}

/// The head of a response.
#[derive(Debug)]
pub struct ResponseHead<'a> {
    /// The status code.
    pub status: u16,
    /// The words behind it, often empty.
    pub reason: &'a str,
    /// The header lines.
    pub headers: Headers<'a>,
    length: usize,
    behind: &'a [u8],
}

/// Header lines in the order in which they were sent.
#[derive(Debug)]
pub struct Headers<'a> {
    lines: [httparse::Header<'a>; HEADERS_MAX],
    count: usize,
}

/// A header came more than once though it may come only once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated;

impl<'a> RequestHead<'a> {
    /// Reads the head that `bytes` start with; `None` while it is incomplete.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Option<Self>, HeadError> {
        let mut headers = Headers::new();
        let mut request = httparse::Request::new(headers.room(limits));
        let status = request.parse(bytes)?;
        let count = request.headers.len();
        let (method, target) = (request.method, request.path);
        let minor_version = request.version;
        let Some(length) = checked_length(status, bytes, limits)? else {
            return Ok(None);
        };
        headers.count = count;
        Ok(Some(Self {
            method: method.unwrap_or_default(),
            target: target.unwrap_or_default(),
            minor_version: minor_version.unwrap_or_default(),
            headers,
            length,
            behind: &bytes[length..],
        }))
    }

    /// Bytes of the head; those behind it are the peer's first frames.
    pub const fn consumed(&self) -> usize {
        self.length
    }

    /// What has come behind the head.
    pub(super) const fn behind(&self) -> &'a [u8] {
        self.behind
    }

    /// The path without query, also of a target that is a whole URL.
    pub fn path(&self) -> &'a str {
        self.path_and_query().0
    }

    /// What stands behind the path's `?`.
    pub fn query(&self) -> Option<&'a str> {
        self.path_and_query().1
    }

    fn path_and_query(&self) -> (&'a str, Option<&'a str>) {
        let target = match self.target.split_once("://") {
            Some((_, rest)) if !self.target.starts_with('/') => {
                rest.find(['/', '?']).map_or("/", |start| &rest[start..])
            }
            _ => self.target,
        };
        match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        }
    }
}

impl<'a> ResponseHead<'a> {
    /// Reads the head that `bytes` start with; `None` while it is incomplete.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Option<Self>, HeadError> {
        let mut headers = Headers::new();
        let mut response = httparse::Response::new(headers.room(limits));
        let status = response.parse(bytes)?;
        let count = response.headers.len();
        let (code, reason) = (response.code, response.reason);
        let Some(length) = checked_length(status, bytes, limits)? else {
            return Ok(None);
        };
        headers.count = count;
        Ok(Some(Self {
            status: code.unwrap_or_default(),
            reason: reason.unwrap_or_default(),
            headers,
            length,
            behind: &bytes[length..],
        }))
    }

    /// Bytes of the head; after a 101, those behind it are the peer's first frames.
    pub const fn consumed(&self) -> usize {
        self.length
    }

    /// What has come behind the head.
    pub(super) const fn behind(&self) -> &'a [u8] {
        self.behind
    }
}

impl<'a> Headers<'a> {
    /// The lines of a request that something else has read. Of more than [`HEADERS_MAX`]
    /// the last are kept: those that proxies added.
    pub fn of(lines: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut headers = Self::new();
        for (name, value) in lines {
            if headers.count == HEADERS_MAX {
                headers.lines.rotate_left(1);
                headers.count -= 1;
            }
            headers.lines[headers.count] = httparse::Header { name, value };
            headers.count += 1;
        }
        headers
    }

    /// The values of all lines of that name, any case, as sent.
    pub fn values<'s>(&'s self, name: &'s str) -> impl DoubleEndedIterator<Item = &'a [u8]> + 's {
        let lines = self.lines[..self.count].iter();
        lines
            .filter(move |line| line.name.eq_ignore_ascii_case(name))
            .map(|line| line.value)
    }

    /// Whether there is a line of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// The value of the first line of that name, trimmed; `None` also for one that is not UTF-8.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let value = self.values(name).next()?;
        str::from_utf8(value).ok().map(str::trim_ascii)
    }

    /// The value of the only line of that name, as [`Headers::text`] gives it.
    pub fn single(&self, name: &str) -> Result<Option<&'a str>, Repeated> {
        if self.values(name).nth(1).is_some() {
            return Err(Repeated);
        }
        Ok(self.text(name))
    }

    /// The elements of a comma-separated list, which may be spread over several lines; empty ones,
    /// and lines that are not UTF-8, are left out.
    pub fn tokens<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a str> + 's {
        self.values(name)
            .filter_map(|value| str::from_utf8(value).ok())
            .flat_map(|value| value.split(','))
            .map(str::trim_ascii)
            .filter(|token| !token.is_empty())
    }

    /// Whether the list has that element, any case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.tokens(name).any(|t| t.eq_ignore_ascii_case(token))
    }

    fn new() -> Self {
        Self {
            lines: [httparse::EMPTY_HEADER; HEADERS_MAX],
            count: 0,
        }
    }

    fn room(&mut self, limits: &Limits) -> &mut [httparse::Header<'a>] {
        &mut self.lines[..limits.headers_max.min(HEADERS_MAX)]
    }
}

/// The length of a complete head; an error once no head within the limits can come of `bytes`.
fn checked_length(
    status: httparse::Status<usize>,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Option<usize>, HeadError> {
    match status {
        httparse::Status::Complete(length) if length > limits.bytes_max => Err(HeadError::TooLong),
        httparse::Status::Complete(length) => Ok(Some(length)),
        httparse::Status::Partial if bytes.len() >= limits.bytes_max => Err(HeadError::TooLong),
        httparse::Status::Partial => Ok(None),
    }
}

#[cfg(test)]
mod tests;
