//! JSON to XML: one pass over a text whose grammar [`peek()`] has checked.

use std::borrow::Cow;

use base64_simd::STANDARD;

use super::characters::{is_allowed, is_plain_key};
use super::error::{XmlError, XmlProblem};
use super::known::known;
use crate::protocol::peek::{Scanner, StringSpan, Unexpected, peek};

/// Appends the XML document of a JSON message. Numbers are copied as they are written, fields keep their order and
/// repetitions (protocol 3.2). Fails, and appends nothing, for what is no message, and for a text with half of a
/// surrogate pair, which XML cannot say.
///
/// ```
/// use okgate_core::protocol::xml_from_json;
///
/// let mut document = Vec::new();
/// xml_from_json(br#"["x",{"qid":"7","state":5,"a b":null}]"#, &mut document).unwrap();
/// assert_eq!(
///     document,
///     br#"<message name="x"><qid>7</qid><state type="number">5</state><field name="a b" type="null"/></message>"#
/// );
/// ```
pub fn xml_from_json(message: &[u8], out: &mut Vec<u8>) -> Result<(), XmlError> {
    let peeked = peek(message).map_err(|error| XmlError {
        problem: error.problem.into(),
        name: error.name.map(Box::from),
        qid: error.qid.map(Box::from),
    })?;
    let start = out.len();
    out.extend_from_slice(b"<message");
    append_attribute(out, "name", peeked.name);
    out.push(b'>');
    let mut writer = Writer {
        text: message,
        scanner: Scanner::starting_at(message, peeked.fields_range.start),
        out,
    };
    match writer.fields() {
        Ok(()) => {
            out.extend_from_slice(b"</message>");
            Ok(())
        }
        Err(problem) => {
            out.truncate(start);
            Err(XmlError {
                problem,
                name: Some(peeked.name.into()),
                qid: peeked.qid.map(Box::from),
            })
        }
    }
}

struct Writer<'a, 'out> {
    text: &'a [u8],
    scanner: Scanner<'a>,
    out: &'out mut Vec<u8>,
}

impl<'a> Writer<'a, '_> {
    /// Writes the fields of the object whose brace is next. It is as deep as [`peek()`] allows, and so is the recursion.
    fn fields(&mut self) -> Result<(), XmlProblem> {
        self.scanner.skip(1);
        while self.next_of(b'}') {
            let key = self.string()?;
            self.scanner.next_token();
            self.scanner.skip(1);
            self.field(&key)?;
        }
        Ok(())
    }

    /// Whether another member of an object or array follows; else its bracket is left behind.
    fn next_of(&mut self, close: u8) -> bool {
        if self.scanner.next_token() == Some(b',') {
            self.scanner.skip(1);
            self.scanner.next_token();
            return true;
        }
        let is_over = self.scanner.next_token() == Some(close);
        if is_over {
            self.scanner.skip(1);
        }
        !is_over
    }

    fn field(&mut self, key: &str) -> Result<(), XmlProblem> {
        let is_known = known(key).is_some();
        if is_plain_key(key) {
            return self.element(key, None, is_known);
        }
        self.element("field", Some(key), is_known)
    }

    /// Writes the value that is next as an element; `key` goes into an attribute.
    fn element(
        &mut self,
        element: &str,
        key: Option<&str>,
        is_known: bool,
    ) -> Result<(), XmlProblem> {
        self.out.push(b'<');
        self.out.extend_from_slice(element.as_bytes());
        match key {
            Some(key) if key.chars().all(is_allowed) => append_attribute(self.out, "name", key),
            Some(key) => {
                append_attribute(self.out, "name", &STANDARD.encode_to_string(key));
                append_attribute(self.out, "name-encoding", "base64");
            }
            None => {}
        }
        match self.scanner.next_token() {
            Some(b'"') => self.text_of(is_known)?,
            Some(b'{') => {
                self.out.extend_from_slice(b" type=\"object\">");
                self.fields()?;
            }
            Some(b'[') => {
                self.out.extend_from_slice(b" type=\"array\">");
                self.scanner.skip(1);
                while self.next_of(b']') {
                    self.element("item", None, false)?;
                }
            }
            Some(b't' | b'f') => self.bare(" type=\"boolean\">")?,
            Some(b'n') => {
                self.scanner.value()?;
                self.out.extend_from_slice(b" type=\"null\"/>");
                return Ok(());
            }
            _ => self.bare(" type=\"number\">")?,
        }
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(element.as_bytes());
        self.out.push(b'>');
        Ok(())
    }

    /// Writes a number or a boolean, as it stands.
    fn bare(&mut self, head: &str) -> Result<(), XmlProblem> {
        let start = self.scanner.place();
        self.scanner.value()?;
        self.out.extend_from_slice(head.as_bytes());
        self.out
            .extend_from_slice(&self.text[start..self.scanner.place()]);
        Ok(())
    }

    fn text_of(&mut self, is_known: bool) -> Result<(), XmlProblem> {
        let text = self.string()?;
        if is_known {
            self.out.extend_from_slice(b" type=\"string\"");
        }
        if text.chars().all(is_allowed) {
            self.out.push(b'>');
            append_escaped(self.out, &text, false);
        } else {
            self.out.extend_from_slice(b" encoding=\"base64\">");
            STANDARD.encode_append(text.as_bytes(), self.out);
        }
        Ok(())
    }

    fn string(&mut self) -> Result<Cow<'a, str>, XmlProblem> {
        let at = self.scanner.place();
        let StringSpan { inner, escaped } = self.scanner.string()?;
        let lone = XmlProblem::LoneSurrogate { at };
        if escaped {
            let quoted = &self.text[at..=inner.end];
            return serde_json::from_slice(quoted)
                .map(Cow::Owned)
                .map_err(|_| lone);
        }
        // What is no UTF-8 is no JSON either, and was checked where the frame came in.
        str::from_utf8(&self.text[inner])
            .map(Cow::Borrowed)
            .map_err(|_| XmlProblem::NotUtf8 { at })
    }
}

impl From<Unexpected> for XmlProblem {
    fn from(unexpected: Unexpected) -> Self {
        Self::Json(unexpected.into())
    }
}

fn append_attribute(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    append_escaped(out, value, true);
    out.push(b'"');
}

/// protocol 3.2-g: what a parser would change is written as a reference.
fn append_escaped(out: &mut Vec<u8>, text: &str, is_attribute: bool) {
    for piece in text.split_inclusive(['<', '>', '&', '"', '\r', '\t', '\n']) {
        let Some((special, plain)) = piece.as_bytes().split_last() else {
            continue;
        };
        let reference: &[u8] = match special {
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'&' => b"&amp;",
            b'\r' => b"&#13;",
            b'"' if is_attribute => b"&quot;",
            b'\t' if is_attribute => b"&#9;",
            b'\n' if is_attribute => b"&#10;",
            _ => {
                out.extend_from_slice(piece.as_bytes());
                continue;
            }
        };
        out.extend_from_slice(plain);
        out.extend_from_slice(reference);
    }
}

/// Appends a document that [`xml_from_json`] wrote in ASCII alone (protocol 3.3-g): its tags are, and in texts and
/// attributes a reference means the same.
pub(in crate::protocol) fn append_ascii(out: &mut Vec<u8>, document: &[u8]) {
    for piece in document.chunk_by(|one, next| one.is_ascii() == next.is_ascii()) {
        if piece.is_ascii() {
            out.extend_from_slice(piece);
            continue;
        }
        for character in String::from_utf8_lossy(piece).chars() {
            out.extend_from_slice(b"&#");
            out.extend_from_slice(itoa::Buffer::new().format(u32::from(character)).as_bytes());
            out.push(b';');
        }
    }
}
