//! The body of a post to the CRM (protocol 2.1-a): `application/x-www-form-urlencoded`.

use base64_simd::STANDARD;

use super::upgrade::Format;

/// The body that carries this message: `data`, its base64, and `format`.
pub fn post_body(message: &[u8], format: Format) -> Vec<u8> {
    let mut body = b"data=".to_vec();
    for byte in STANDARD.encode_to_string(message).bytes() {
        match byte {
            b'+' => body.extend_from_slice(b"%2B"),
            b'/' => body.extend_from_slice(b"%2F"),
            b'=' => body.extend_from_slice(b"%3D"),
            digit => body.push(digit),
        }
    }
    body.extend_from_slice(b"&format=");
    body.extend_from_slice(format.as_str().as_bytes());
    body
}
