//! Owns reading the form of a post (protocol 2.1-a): the variables `data` and `format`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result};
use crate::format::Format;
use crate::message::shortened;

/// The format and the text that were posted.
pub(super) fn read(body: &[u8]) -> Result<(Format, String)> {
    let wrong = |what: &str| {
        let shown = shortened(&String::from_utf8_lossy(body));
        Error::Malformed(format!("a post {what}: {shown}"))
    };
    let body_text = std::str::from_utf8(body).map_err(|_| wrong("that is no text"))?;
    let (mut data, mut format) = (None, None);
    for pair in body_text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value).ok_or_else(|| wrong("with a wrong percent sign"))?;
        match key {
            "data" => data = Some(value),
            "format" => format = Some(value),
            _ => return Err(wrong("with another variable than data and format")),
        }
    }
    let format = format.ok_or_else(|| wrong("without format"))?.parse()?;
    let data = data.ok_or_else(|| wrong("without data"))?;
    let text = STANDARD
        .decode(data)
        .map_err(|_| wrong("whose data is not base64"))?;
    let text = String::from_utf8(text).map_err(|_| wrong("whose data is not UTF-8"))?;
    Ok((format, text))
}

/// A value with its percent signs and plus signs resolved.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &rest[2..];
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // protocol 2.1-a
    #[test]
    fn a_form_is_read_and_what_is_none_is_refused() {
        let body = b"data=WyJhIix7ImIiOiLDvyJ9XQ%3D%3D&format=json";
        assert_eq!(
            read(body).unwrap(),
            (Format::Json, "[\"a\",{\"b\":\"ÿ\"}]".into())
        );
        for body in [
            &b"data=WyJhIix7fV0%3D"[..],
            b"format=json",
            b"data=%3&format=json",
            b"data=W+yJ&format=json",
            b"data=%%%&format=json",
            b"data=/w==&format=json",
            b"data=WyJhIix7fV0=&format=yaml",
            b"data=WyJhIix7fV0=&format=xml&more=1",
            b"\xFF",
        ] {
            assert!(read(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
    }
}
