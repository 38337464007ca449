//! Owns reading the head of a request or of an answer from a connection.

use tokio::io::AsyncReadExt as _;

use crate::crm::stream::BoxedStream;
use crate::error::{Error, Result};

/// The head of a message of HTTP/1.1.
#[derive(Debug)]
pub(super) struct Head {
    /// A request's method and target; an answer's status and reason.
    pub(super) start: (String, String),
    headers: Vec<(String, String)>,
    /// What was read beyond it.
    pub(super) rest: Vec<u8>,
}

/// Which side's head it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Answer,
}

impl Head {
    /// Reads one.
    pub(super) async fn read(stream: &mut BoxedStream, kind: Kind) -> Result<Self> {
        let mut input = Vec::new();
        loop {
            let read = stream.read_buf(&mut input).await;
            if read.map_err(|error| Error::io("reading a head", error))? == 0 {
                return Err(Error::Malformed("the connection ended in a head".into()));
            }
            if let Some(head) = Self::parse(&input, kind)? {
                return Ok(head);
            }
            if input.len() > HEAD_BYTES_MAX {
                return Err(Error::Malformed("a head that does not end".into()));
            }
        }
    }

    /// The values of all headers of this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The value of the first header of this name.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    fn parse(input: &[u8], kind: Kind) -> Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let wrong = |error| Error::Malformed(format!("a head: {error}"));
        let (length, start, headers) = match kind {
            Kind::Request => {
                let mut request = httparse::Request::new(&mut headers);
                let status = request.parse(input).map_err(wrong)?;
                let httparse::Status::Complete(length) = status else {
                    return Ok(None);
                };
                let start = (request.method, request.path);
                (length, start, &*request.headers)
            }
            Kind::Answer => {
                let mut answer = httparse::Response::new(&mut headers);
                let status = answer.parse(input).map_err(wrong)?;
                let httparse::Status::Complete(length) = status else {
                    return Ok(None);
                };
                let code = answer.code.unwrap_or_default().to_string();
                let reason = answer.reason.unwrap_or_default().to_owned();
                let headers = copied(answer.headers);
                return Ok(Some(Self {
                    start: (code, reason),
                    headers,
                    rest: input[length..].to_vec(),
                }));
            }
        };
        let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
        Ok(Some(Self {
            start: (text(start.0), text(start.1)),
            headers: copied(headers),
            rest: input[length..].to_vec(),
        }))
    }
}

fn copied(headers: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|header| {
            let value = String::from_utf8_lossy(header.value);
            (header.name.to_owned(), value.trim().to_owned())
        })
        .collect()
}

/// How long a head may be.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// How many headers one may have.
const HEADERS_MAX: usize = 64;
