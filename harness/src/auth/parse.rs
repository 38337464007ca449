//! Owns reading the headers of HTTP authentication (RFC 9110, 11): challenges, and lists of `key=value`.

use std::collections::HashMap;

/// One challenge of a `WWW-Authenticate` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) scheme: String,
    /// Keys in lower case.
    pub(super) parameters: HashMap<String, String>,
}

/// The challenges of one header value; what cannot be read is left out.
pub(super) fn parse_challenges(value: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    for item in items(value).unwrap_or_default() {
        let (first, rest) = item.split_once(' ').unwrap_or((item, ""));
        let parameter = if first.contains('=') {
            item
        } else {
            challenges.push(Challenge {
                scheme: first.to_owned(),
                parameters: HashMap::new(),
            });
            rest.trim()
        };
        if let (Some(challenge), Some((key, value))) =
            (challenges.last_mut(), key_and_value(parameter))
        {
            challenge.parameters.insert(key, value);
        }
    }
    challenges
}

/// A list of `key=value` and `key="value"`; keys in lower case. `None` if it is none.
pub(super) fn parse_parameters(text: &str) -> Option<HashMap<String, String>> {
    items(text)?.into_iter().map(key_and_value).collect()
}

/// What stands between the commas that are in no quotes; `None` if a quote does not end.
fn items(text: &str) -> Option<Vec<&str>> {
    let (mut is_quoted, mut is_escaped, mut start) = (false, false, 0);
    let mut items = Vec::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => {
                items.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(text[start..].trim());
    (!is_quoted).then_some(items)
}

fn key_and_value(item: &str) -> Option<(String, String)> {
    let (key, value) = item.split_once('=')?;
    let value = value.trim();
    let value = match value.strip_prefix('"') {
        None => value.to_owned(),
        Some(rest) => unescaped(rest.strip_suffix('"')?),
    };
    Some((key.trim().to_ascii_lowercase(), value))
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            '\\' => characters.next(),
            other => Some(other),
        };
        plain.extend(character);
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn several_challenges_in_one_header_are_told_apart() {
        let value = r#"Basic realm="a, \"b\"", Digest realm="c", qop="auth,auth-int", nonce=xyz, Negotiate"#;
        let challenges = parse_challenges(value);
        let schemes: Vec<&str> = challenges.iter().map(|one| one.scheme.as_str()).collect();
        assert_eq!(schemes, ["Basic", "Digest", "Negotiate"]);
        assert_eq!(challenges[0].parameters["realm"], "a, \"b\"");
        assert_eq!(challenges[1].parameters["qop"], "auth,auth-int");
        assert_eq!(challenges[1].parameters["nonce"], "xyz");
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(text: String) {
            let _ = parse_challenges(&text);
            let _ = parse_parameters(&text);
        }

        #[test]
        fn quoted_values_survive(value in "[^\\x00]{0,20}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let parameters = parse_parameters(&format!("A=\"{quoted}\", b=c")).unwrap();
            prop_assert_eq!(&parameters["a"], &value);
            prop_assert_eq!(&parameters["b"], "c");
        }
    }
}
