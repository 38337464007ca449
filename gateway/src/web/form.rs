//! `multipart/form-data`, read whole (RFC 7578, RFC 2046 §5.1).

use std::sync::Arc;

use okgate_core::hub::UploadedFile;

/// Why a form cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormError {
    /// The content type names no boundary.
    #[error("the content type is not multipart/form-data with a boundary")]
    NoForm,
    /// The parts do not follow the rules.
    #[error("the form is not well-formed")]
    Malformed,
    /// There is no file among the parts.
    #[error("there is no file in the form")]
    NoFile,
    /// There are too many parts.
    #[error("there are more than {PARTS_MAX} parts in the form")]
    TooManyParts,
}

/// The boundary in a content type.
pub(super) fn boundary(content_type: &str) -> Result<String, FormError> {
    let (kind, parameters) = content_type.split_once(';').ok_or(FormError::NoForm)?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err(FormError::NoForm);
    }
    let boundary = parameter(parameters, "boundary").ok_or(FormError::NoForm)?;
    let is_boundary = (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len());
    is_boundary.then_some(boundary).ok_or(FormError::NoForm)
}

/// The files of a form: the parts that name one.
pub(super) fn files(body: &[u8], boundary: &str) -> Result<Vec<UploadedFile>, FormError> {
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    // The first delimiter needs no line break before it.
    let mut rest = match body.strip_prefix(&delimiter[2..]) {
        Some(rest) => rest,
        None => after(body, &delimiter).ok_or(FormError::Malformed)?,
    };
    let (mut files, mut parts) = (Vec::new(), 0);
    loop {
        if rest.starts_with(b"--") {
            break;
        }
        parts += 1;
        if parts > PARTS_MAX {
            return Err(FormError::TooManyParts);
        }
        let line = find(rest, b"\r\n").ok_or(FormError::Malformed)?;
        if !rest[..line].iter().all(|byte| matches!(byte, b' ' | b'\t')) {
            return Err(FormError::Malformed);
        }
        let part = &rest[line..];
        let end = find(part, &delimiter).ok_or(FormError::Malformed)?;
        files.extend(file(&part[..end])?);
        rest = &part[end + delimiter.len()..];
    }
    if files.is_empty() {
        return Err(FormError::NoFile);
    }
    Ok(files)
}

/// The file of a part (from the line break before its head on), if it is one.
fn file(part: &[u8]) -> Result<Option<UploadedFile>, FormError> {
    let head_end = find(part, b"\r\n\r\n").ok_or(FormError::Malformed)?;
    if head_end > HEAD_BYTES_MAX {
        return Err(FormError::Malformed);
    }
    let head = String::from_utf8_lossy(&part[..head_end]);
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_wanted = name.trim().eq_ignore_ascii_case("content-disposition");
        is_wanted.then_some(value)
    });
    let name = disposition
        .and_then(|value| value.split_once(';'))
        .and_then(|(_, parameters)| parameter(parameters, "filename"));
    Ok(name.map(|name| UploadedFile {
        name: name
            .chars()
            .take(NAME_CHARACTERS_MAX)
            .collect::<String>()
            .into(),
        bytes: Arc::from(&part[head_end + 4..]),
    }))
}

/// One parameter of a header's value, with or without quotes.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let (name, after) = rest.split_once('=')?;
        let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
            quoted_text(quoted)?
        } else {
            let end = after.find(';').unwrap_or(after.len());
            (after[..end].trim().to_owned(), &after[end..])
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
}

/// The text up to the closing quote, and what is behind it. Browsers write a quote
/// within as `%22` or `\"`; old ones write paths with single backslashes.
fn quoted_text(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices().peekable();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[place + 1..])),
            '\\' if letters.peek().is_some_and(|(_, next)| *next == '"') => {
                // A quote at the very end closes the text, whatever stands before it.
                value.push('"');
                letters.next();
            }
            _ => value.push(letter),
        }
    }
    None
}

fn after<'b>(bytes: &'b [u8], wanted: &[u8]) -> Option<&'b [u8]> {
    find(bytes, wanted).map(|place| &bytes[place + wanted.len()..])
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let (first, _) = wanted.split_first()?;
    let mut from = 0;
    while let Some(place) = bytes.get(from..)?.iter().position(|byte| byte == first) {
        let start = from + place;
        if bytes[start..].starts_with(wanted) {
            return Some(start);
        }
        from = start + 1;
    }
    None
}

/// RFC 2046 §5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;

/// Parts of one form.
const PARTS_MAX: usize = 32;

/// The head of one part.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// The longest name of a file.
const NAME_CHARACTERS_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &str) -> Result<Vec<(String, String)>, FormError> {
        let found = files(body.as_bytes(), "XX")?;
        let text = |file: UploadedFile| {
            let bytes = String::from_utf8_lossy(&file.bytes).into_owned();
            (file.name.into_string(), bytes)
        };
        Ok(found.into_iter().map(text).collect())
    }

    #[test]
    fn files_are_the_parts_that_name_one() {
        let body = "preamble\r\n--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n\
            --XX \r\ncontent-disposition: form-data; name=\"f\"; filename=\"x;y=1.png\"\r\n\
            Content-Type: image/png\r\n\r\nline\r\n--X\r\n\r\n--XX\r\n\
            Content-Disposition: form-data; filename=plain.txt; name=g\r\n\r\n\r\n--XX--\r\nafter";
        let wanted = [("x;y=1.png", "line\r\n--X\r\n"), ("plain.txt", "")];
        let wanted = wanted.map(|(name, bytes)| (name.to_owned(), bytes.to_owned()));
        assert_eq!(names(body), Ok(wanted.to_vec()));
    }

    #[test]
    fn a_form_that_breaks_the_rules_is_an_error() {
        let part =
            "--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nx\r\n";
        for (body, error) in [
            (String::new(), FormError::Malformed),
            ("--XX".to_owned(), FormError::Malformed),
            ("--XX--".to_owned(), FormError::NoFile),
            ("--XX\r\n\r\n--XX--".to_owned(), FormError::Malformed),
            (part.to_owned(), FormError::Malformed),
            (format!("{part}--XXjunk\r\n"), FormError::Malformed),
            (part.repeat(40) + "--XX--", FormError::TooManyParts),
        ] {
            assert_eq!(names(&body), Err(error), "{body}");
        }
    }

    #[test]
    fn a_name_keeps_what_the_peer_wrote() {
        for (written, name) in [
            (r#""C:\dir\a.png""#, r"C:\dir\a.png"),
            (r#""a\"b.png""#, r#"a"b.png"#),
            ("\"../../x\"", "../../x"),
            ("\"имя\"", "имя"),
            ("\"\"", ""),
        ] {
            let body = format!(
                "--XX\r\nContent-Disposition: form-data; filename={written}\r\n\r\n1\r\n--XX--"
            );
            assert_eq!(names(&body).expect("a form")[0].0, name);
        }
    }

    #[test]
    fn a_boundary_is_found_with_and_without_quotes() {
        for (text, wanted) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            (
                "Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"",
                Some("a b"),
            ),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/mixed; boundary=a", None),
            ("text/plain; boundary=a", None),
        ] {
            assert_eq!(boundary(text).ok().as_deref(), wanted, "{text}");
        }
    }
}
