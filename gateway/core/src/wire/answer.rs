//! Complete HTTP answers for links that do not get upgraded.
//!
//! In comes what to say, out go the bytes of status line, headers and a short body in the caller's
//! buffer. Every answer closes the connection. It never decides what to answer.

/// One short HTTP answer, after which the connection is closed.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// Headers beyond `Content-Type`, `Content-Length` and `Connection: close`. They must not
    /// contain line breaks.
    pub headers: &'a [(&'a str, &'a str)],
    /// What a person or a log reads; plain text.
    pub body: &'a str,
    /// Whether the body stays away, as in an answer to `HEAD`.
    pub without_body: bool,
}

impl Answer<'_> {
    /// Appends the whole answer.
    pub fn write(&self, output: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        append(output, &["HTTP/1.1 ", digits.format(self.status), " "]);
        append(output, &[reason_phrase(self.status), "\r\n"]);
        for (name, value) in self.headers {
            append(output, &[name, ": ", value, "\r\n"]);
        }
        append(output, &["Content-Type: text/plain; charset=utf-8\r\n"]);
        let length = digits.format(self.body.len());
        append(output, &["Content-Length: ", length, "\r\n"]);
        append(output, &["Connection: close\r\n\r\n"]);
        if !self.without_body {
            append(output, &[self.body]);
        }
    }
}

/// Appends `parts` one behind the other.
pub(super) fn append(output: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        output.extend_from_slice(part.as_bytes());
    }
}

/// The customary words for a status (RFC 9110, 15); empty where this gateway never sends it.
pub(crate) const fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}
