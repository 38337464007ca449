//! Basic authentication as it comes in a header (RFC 7617).

use base64_simd::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use okgate_core::hub::Credentials;
use okgate_core::protocol::Secret;

/// What a client without credentials is asked for.
pub(super) const CHALLENGE: &str = "Basic realm=\"okgate\", charset=\"UTF-8\"";

/// What the header says; what cannot be read is as good as missing.
pub(super) fn basic(headers: &HeaderMap) -> Credentials {
    read(headers).unwrap_or(Credentials::Missing)
}

fn read(headers: &HeaderMap) -> Option<Credentials> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let line = lines.next().filter(|_| lines.next().is_none())?;
    let (scheme, token) = line.to_str().ok()?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let bytes = STANDARD.decode_to_vec(token.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (login, password) = text.split_once(':')?;
    Some(Credentials::Basic {
        login: login.into(),
        password: Secret::new(password),
    })
}

/// Longer ones are nobody's.
const TOKEN_BYTES_MAX: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Credentials {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, line.parse().expect("a header's value"));
        }
        basic(&headers)
    }

    // protocol 10-a
    #[test]
    fn a_login_ends_at_the_first_colon_and_is_text_of_any_language() {
        let found = |login: &str, password: &str| Credentials::Basic {
            login: login.into(),
            password: Secret::new(password),
        };
        // printf 'crm:a:b' | base64
        assert_eq!(of(&["Basic Y3JtOmE6Yg=="]), found("crm", "a:b"));
        assert_eq!(of(&["bAsIc  Y3JtOg=="]), found("crm", ""));
        // printf 'анна:пароль' | base64
        let russian = "Basic 0LDQvdC90LA60L/QsNGA0L7Qu9GM";
        assert_eq!(of(&[russian]), found("анна", "пароль"));
    }

    // protocol 10-a
    #[test]
    fn what_cannot_be_read_is_as_good_as_missing() {
        let long = format!("Basic {}", "QUFB".repeat(2000));
        for lines in [
            &[][..],
            &["Basic"],
            &["Basic !!!"],
            &["Basic Y3Jt"],
            &["Basic /w=="],
            &["Bearer Y3JtOmE6Yg=="],
            &["Digest username=\"crm\""],
            &["Basic Y3JtOmE6Yg==", "Basic Y3JtOmE6Yg=="],
            &[&long],
        ] {
            assert_eq!(of(lines), Credentials::Missing, "{lines:?}");
        }
    }
}
