//! The body of an HTTP exchange with the CRM (protocol 2.1-a): a form with a message in it.
//!
//! In comes a message, out goes the body of a POST with the content type [`CONTENT_TYPE`], and back.

use std::borrow::Cow;

use base64_simd::{STANDARD, forgiving_decode_to_vec};

use super::upgrade::Format;

/// The `Content-Type` of the body.
pub const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

/// The body is not a form with a message in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A variable is missing or comes twice.
    #[error("the form must have the variable `{0}`, once")]
    Variable(&'static str),
    /// A `%` without two hexadecimal digits.
    #[error("the form is not percent-encoded")]
    Encoding,
    /// `data` is not base64.
    #[error("the variable `data` is not base64")]
    NotBase64,
    /// `format` is another word.
    #[error("the variable `format` must be json or xml")]
    Format,
}

/// The body that carries a message of this format: `data`, the padded base64 of its text, whose `+`, `/` and `=` are
/// percent-encoded, and `format`.
///
/// ```
/// use okgate_core::protocol::Format;
/// use okgate_core::wire::form::post_body;
///
/// let body = post_body(br#"["ping",{}]"#, Format::Json);
/// assert_eq!(body, b"data=WyJwaW5nIix7fV0%3D&format=json");
/// ```
pub fn post_body(message: &[u8], format: Format) -> Vec<u8> {
    let base64 = STANDARD.encode_to_string(message);
    let mut body = Vec::with_capacity(base64.len() + base64.len() / 16 + 32);
    body.extend_from_slice(b"data=");
    for byte in base64.bytes() {
        match byte {
            b'+' => body.extend_from_slice(b"%2B"),
            b'/' => body.extend_from_slice(b"%2F"),
            b'=' => body.extend_from_slice(b"%3D"),
            plain => body.push(plain),
        }
    }
    body.extend_from_slice(b"&format=");
    body.extend_from_slice(format.as_str().as_bytes());
    body
}

/// Reads such a body: gives the message and its format. Variables of other names are ignored.
pub fn read_post_body(body: &[u8]) -> Result<(Vec<u8>, Format), FormError> {
    let data = variable(body, "data")?;
    let format = match &*variable(body, "format")? {
        b"json" => Format::Json,
        b"xml" => Format::Xml,
        _ => return Err(FormError::Format),
    };
    let message = forgiving_decode_to_vec(&data).map_err(|_| FormError::NotBase64)?;
    Ok((message, format))
}

fn variable<'a>(body: &'a [u8], name: &'static str) -> Result<Cow<'a, [u8]>, FormError> {
    let mut values = body.split(|byte| *byte == b'&').filter_map(|pair| {
        let value = pair.strip_prefix(name.as_bytes())?;
        value.strip_prefix(b"=")
    });
    match (values.next(), values.next()) {
        (Some(value), None) => decoded(value),
        _ => Err(FormError::Variable(name)),
    }
}

/// Percent-decoding; a plus is a space.
fn decoded(value: &[u8]) -> Result<Cow<'_, [u8]>, FormError> {
    if !value.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(value));
    }
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                let (digits, after) = rest.split_first_chunk::<2>().ok_or(FormError::Encoding)?;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let [Some(high), Some(low)] = digits.map(digit) else {
                    return Err(FormError::Encoding);
                };
                decoded.push(u8::try_from(high << 4 | low).expect("two digits of four bits"));
                rest = after;
            }
            plain => decoded.push(plain),
        }
    }
    Ok(Cow::Owned(decoded))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // protocol 2.1-a
    #[test]
    fn what_a_form_gives_a_meaning_is_percent_encoded() {
        let body = post_body(b"\xFB\xEF\xBE\xFF", Format::Xml);
        assert_eq!(body, b"data=%2B%2B%2B%2B%2Fw%3D%3D&format=xml");
        assert_eq!(
            read_post_body(&body),
            Ok((b"\xFB\xEF\xBE\xFF".to_vec(), Format::Xml))
        );
    }

    #[test]
    fn a_form_that_is_none_is_refused_with_what_is_wrong() {
        for (body, error) in [
            ("", FormError::Variable("data")),
            ("data=", FormError::Variable("format")),
            ("data=&data=&format=json", FormError::Variable("data")),
            ("data=&format=yaml", FormError::Format),
            ("data=%4&format=json", FormError::Encoding),
            ("data=%+1&format=json", FormError::Encoding),
            ("data=!&format=json", FormError::NotBase64),
        ] {
            assert_eq!(read_post_body(body.as_bytes()), Err(error), "{body}");
        }
        let other = b"a=1&format=%6Ason&x&data=eA%3d%3D";
        assert_eq!(read_post_body(other), Ok((b"x".to_vec(), Format::Json)));
    }

    proptest! {
        #[test]
        fn any_message_comes_back_out_of_its_form(message in prop::collection::vec(any::<u8>(), 0..100)) {
            for format in [Format::Json, Format::Xml] {
                let body = post_body(&message, format);
                let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"%&=".contains(byte);
                prop_assert!(body.iter().all(is_plain));
                prop_assert_eq!(read_post_body(&body), Ok((message.clone(), format)));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..100)) {
            let _read = read_post_body(&body);
        }
    }
}
