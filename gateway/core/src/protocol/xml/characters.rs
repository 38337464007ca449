//! Characters, names and references of XML 1.0 (fifth edition).

use std::borrow::Cow;

use super::error::XmlProblem;

/// Whether a document may contain the character (production 2). All of them but these and surrogates.
pub(super) const fn is_allowed(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\0'..' ' | '\u{FFFE}' | '\u{FFFF}' => false,
        _ => true,
    }
}

/// Whether it is a name without a colon (productions 4 and 5).
pub(super) fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(is_name_start) && characters.all(is_name_character)
}

/// Whether a key can be written as an element of its own, so that every parser reads it (protocol 3.2-j).
pub(super) fn is_plain_key(key: &str) -> bool {
    let has_reserved_start = key
        .get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("xml"));
    key.is_ascii() && is_name(key) && !has_reserved_start && key != "field"
}

fn is_name_start(character: char) -> bool {
    matches!(character, 'A'..='Z' | '_' | 'a'..='z'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}'
        | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

fn is_name_character(character: char) -> bool {
    let is_further = matches!(character, '-' | '.' | '0'..='9' | '\u{B7}'
        | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}');
    is_further || is_name_start(character)
}

/// Whether it is white space alone.
pub(super) fn is_space(text: &str) -> bool {
    text.bytes().all(is_space_byte)
}

/// Without the white space around it.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|character: char| u8::try_from(character).is_ok_and(is_space_byte))
}

const fn is_space_byte(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The character that a reference means, given what stands between `&` and `;`.
pub(super) fn referred(name: &str, at: usize) -> Result<char, XmlProblem> {
    let number = match name {
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "amp" => return Ok('&'),
        "apos" => return Ok('\''),
        "quot" => return Ok('"'),
        _ => name.strip_prefix('#').ok_or(XmlProblem::Entity { at })?,
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        let what = "a reference to no number";
        return Err(XmlProblem::NotXml { what, at });
    }
    u32::from_str_radix(digits, radix)
        .ok()
        .and_then(char::from_u32)
        .filter(|character| is_allowed(*character))
        .ok_or(XmlProblem::Character { at })
}

/// Appends a piece of text as it stands between markup and references, the ends of its lines made one (XML 1.0, 2.11).
pub(super) fn append_text(out: &mut String, piece: &str) {
    let mut rest = piece;
    while let Some(at) = rest.find('\r') {
        out.push_str(&rest[..at]);
        out.push('\n');
        rest = &rest[at + 1..];
        rest = rest.strip_prefix('\n').unwrap_or(rest);
    }
    out.push_str(rest);
}

/// The value of an attribute: references resolved, white space made spaces (XML 1.0, 3.3.3).
pub(super) fn attribute_value(raw: &str, at: usize) -> Result<Cow<'_, str>, XmlProblem> {
    if raw.contains('<') {
        let what = "`<` in an attribute";
        return Err(XmlProblem::NotXml { what, at });
    }
    if !raw.contains(['&', '\t', '\n', '\r']) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(place) = rest.find(['&', '\t', '\n', '\r']) {
        value.push_str(&rest[..place]);
        let (special, after) = rest[place..].split_at(1);
        rest = after;
        if special == "&" {
            let (name, after) = rest.split_once(';').ok_or(XmlProblem::NotXml {
                what: "a reference without its end",
                at,
            })?;
            value.push(referred(name, at)?);
            rest = after;
            continue;
        }
        value.push(' ');
        if special == "\r" {
            rest = rest.strip_prefix('\n').unwrap_or(rest);
        }
    }
    value.push_str(rest);
    Ok(Cow::Owned(value))
}
