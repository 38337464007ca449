//! XML to JSON: one pass over the document, without recursion.

use std::ops::Range;

use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::events::{BytesDecl, BytesStart, Event};

use super::characters::{append_text, is_allowed, is_space, referred, trimmed};
use super::error::{XmlError, XmlProblem};
use super::known::{Known, known};
use super::tag::{Kind, Tag, decoded};
use crate::protocol::MESSAGES_MAX;
use crate::protocol::json::write_string;
use crate::protocol::peek::{NESTING_MAX, QID_BYTES_MAX, is_number, plain_name};

/// Reads a document of one `<message>`: gives the JSON text `["name",{fields}]` of the same message, which is at most
/// [`super::JSON_GROWTH_MAX`] times as long.
///
/// A field without `type` is a text, or what the protocol knows it to be, if it can be read as that (protocol 3.2-c).
/// Of fields, order and repetitions are kept.
///
/// ```
/// use okgate_core::protocol::json_from_xml;
///
/// let document = br#"<message name="setuserstate"><qid>7</qid><userstateid>2</userstateid></message>"#;
/// let json = json_from_xml(document).unwrap();
/// assert_eq!(json, br#"["setuserstate",{"qid":"7","userstateid":2}]"#);
/// ```
pub fn json_from_xml(document: &[u8]) -> Result<Vec<u8>, XmlError> {
    let (mut messages, end) = read(document, false)?;
    let message = messages.pop();
    message.ok_or_else(|| XmlProblem::NotAMessage { at: end }.into())
}

/// Reads a document of one `<message>`, or of `<messages>` with at most [`MESSAGES_MAX`] of them (protocol 2.1-d): gives
/// the JSON text of each. One that is wrong spoils them all. White space alone is no message (protocol 2.1-e).
pub fn messages_from_xml(document: &[u8]) -> Result<Vec<Vec<u8>>, XmlError> {
    read(document, true).map(|(messages, _)| messages)
}

fn read(document: &[u8], may_be_several: bool) -> Result<(Vec<Vec<u8>>, usize), XmlError> {
    let text = str::from_utf8(document).map_err(|error| XmlProblem::NotUtf8 {
        at: error.valid_up_to(),
    })?;
    let mut forbidden = text.char_indices().filter(|(_, it)| !is_allowed(*it));
    if let Some((at, _)) = forbidden.next() {
        return Err(XmlProblem::Character { at }.into());
    }
    let without_mark = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut walk = Walk::new(text.len() - without_mark.len(), may_be_several);
    match walk.document(without_mark) {
        Ok(()) => Ok((walk.messages, text.len())),
        Err(problem) => Err(walk.error(problem)),
    }
}

/// What was read so far.
struct Walk {
    may_be_several: bool,
    messages: Vec<Vec<u8>>,
    /// Whether the document's element has come.
    has_root: bool,
    open: Vec<Open>,
    /// The JSON text of the message that is being read.
    out: Vec<u8>,
    /// Whether a comma stands before the next child.
    is_first: bool,
    name: Option<Box<str>>,
    qid: Option<Range<usize>>,
    /// The text of the innermost element.
    text: String,
    /// Where the first byte of the document stands.
    offset: usize,
    at: usize,
}

/// An element whose end has not come.
#[derive(Clone, Copy, Debug)]
enum Open {
    Messages,
    Message,
    Object,
    Array,
    Scalar(Scalar),
}

/// An element that holds a text.
#[derive(Clone, Copy, Debug)]
struct Scalar {
    kind: Meaning,
    is_base64: bool,
    is_qid: bool,
    at: usize,
}

/// What a text becomes.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    String,
    Number,
    Boolean,
    Null,
    /// Nothing was said; the field is known to be this.
    Known(Known),
}

impl Walk {
    fn new(offset: usize, may_be_several: bool) -> Self {
        Self {
            may_be_several,
            messages: Vec::new(),
            has_root: false,
            open: Vec::new(),
            out: Vec::new(),
            is_first: true,
            name: None,
            qid: None,
            text: String::new(),
            offset,
            at: offset,
        }
    }

    fn document(&mut self, text: &str) -> Result<(), XmlProblem> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_comments = true;
        loop {
            self.at = self.place(reader.buffer_position());
            let event = reader
                .read_event()
                .map_err(|error| self.not_xml(&error, self.place(reader.error_position())))?;
            match event {
                Event::Start(start) => self.start(&start)?,
                Event::Empty(start) => {
                    self.start(&start)?;
                    self.end()?;
                }
                Event::End(_) => self.end()?,
                Event::Text(text) if text.contains("]]>") => {
                    let what = "`]]>` in a text";
                    return Err(XmlProblem::NotXml { what, at: self.at });
                }
                Event::Text(text) => self.text(&text)?,
                Event::CData(text) => self.text(&text)?,
                Event::GeneralRef(name) => {
                    let character = referred(&name, self.at)?;
                    self.character(character)?;
                }
                Event::Comment(_) => {}
                Event::Decl(declaration) if self.at == self.offset => {
                    check_declaration(&declaration, self.at)?;
                }
                Event::Decl(_) | Event::PI(_) => {
                    return Err(XmlProblem::Instruction { at: self.at });
                }
                Event::DocType(_) => return Err(XmlProblem::Doctype { at: self.at }),
                Event::Eof if self.open.is_empty() => return Ok(()),
                Event::Eof => return Err(XmlProblem::Unfinished { at: self.at }),
            }
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), XmlProblem> {
        let at = self.at;
        let tag = Tag::read(start, at)?;
        match self.open.last() {
            None => self.root(&tag),
            Some(Open::Messages) if tag.element == "message" => self.message(&tag),
            Some(Open::Messages) => Err(XmlProblem::NotAMessage { at }),
            Some(Open::Scalar(_)) => Err(XmlProblem::ElementInText { at }),
            Some(Open::Array) if tag.element != "item" => Err(XmlProblem::NotAnItem { at }),
            Some(Open::Array) => {
                self.comma();
                self.value(&tag, None, false)
            }
            Some(open @ (Open::Message | Open::Object)) => {
                let key = tag.key()?;
                let is_qid = matches!(open, Open::Message) && key == "qid";
                self.comma();
                write_string(&mut self.out, &key);
                self.out.push(b':');
                self.value(&tag, known(&key), is_qid)
            }
        }
    }

    /// The document's element begins.
    fn root(&mut self, tag: &Tag<'_>) -> Result<(), XmlProblem> {
        let at = self.at;
        if std::mem::replace(&mut self.has_root, true) {
            let what = "a second element outside the first";
            return Err(XmlProblem::NotXml { what, at });
        }
        match tag.element {
            "message" => self.message(tag),
            "messages" if self.may_be_several => {
                self.open.push(Open::Messages);
                Ok(())
            }
            _ => Err(XmlProblem::NotAMessage { at }),
        }
    }

    fn message(&mut self, tag: &Tag<'_>) -> Result<(), XmlProblem> {
        let at = self.at;
        (self.name, self.qid) = (None, None);
        if self.messages.len() == MESSAGES_MAX {
            return Err(XmlProblem::TooManyMessages { at });
        }
        let name = tag.name().ok_or(XmlProblem::NoName { at })?;
        let name = plain_name(name.as_bytes()).ok_or(XmlProblem::BadName { at })?;
        self.name = Some(name.into());
        self.out.extend_from_slice(b"[\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\",{");
        self.is_first = true;
        self.open.push(Open::Message);
        Ok(())
    }

    /// A value begins, whose key or comma is written.
    fn value(
        &mut self,
        tag: &Tag<'_>,
        known: Option<Known>,
        is_qid: bool,
    ) -> Result<(), XmlProblem> {
        let at = self.at;
        let is_around = |open: &&Open| !matches!(open, Open::Messages);
        // The message is an array and an object; what is the innermost has no level of its own while it is empty.
        let levels = 1 + self.open.iter().filter(is_around).count();
        if levels > NESTING_MAX as usize {
            return Err(XmlProblem::TooDeep { at });
        }
        let (kind, is_base64) = (tag.kind()?, tag.is_base64()?);
        if is_base64 && !matches!(kind, None | Some(Kind::String)) {
            return Err(XmlProblem::UnknownEncoding { at });
        }
        let kind = match (kind, known) {
            (Some(Kind::Object), _) => return self.container(Open::Object, b'{'),
            (Some(Kind::Array), _) => return self.container(Open::Array, b'['),
            (Some(Kind::Number), _) => Meaning::Number,
            (Some(Kind::Boolean), _) => Meaning::Boolean,
            (Some(Kind::Null), _) => Meaning::Null,
            (None, Some(known)) if !is_base64 => Meaning::Known(known),
            (Some(Kind::String) | None, _) => Meaning::String,
        };
        self.text.clear();
        self.open.push(Open::Scalar(Scalar {
            kind,
            is_base64,
            is_qid,
            at,
        }));
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "the last word of `value`")]
    fn container(&mut self, open: Open, bracket: u8) -> Result<(), XmlProblem> {
        self.out.push(bracket);
        self.is_first = true;
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self) -> Result<(), XmlProblem> {
        match self.open.pop() {
            Some(Open::Messages) | None => {}
            Some(Open::Message) => {
                self.out.extend_from_slice(b"}]");
                self.messages.push(std::mem::take(&mut self.out));
            }
            Some(Open::Object) => self.out.push(b'}'),
            Some(Open::Array) => self.out.push(b']'),
            Some(Open::Scalar(scalar)) => self.scalar(scalar)?,
        }
        self.is_first = false;
        Ok(())
    }

    /// Writes the text that has come to its end.
    fn scalar(&mut self, scalar: Scalar) -> Result<(), XmlProblem> {
        let (start, at) = (self.out.len(), scalar.at);
        let bare = trimmed(&self.text);
        let value = match scalar.kind {
            Meaning::String => None,
            Meaning::Number => Some(number(bare).ok_or(XmlProblem::NotANumber { at })?),
            Meaning::Boolean => Some(boolean(bare).ok_or(XmlProblem::NotABoolean { at })?),
            Meaning::Null if bare.is_empty() => Some("null"),
            Meaning::Null => return Err(XmlProblem::NotNull { at }),
            Meaning::Known(Known::Number) => number(bare),
            Meaning::Known(Known::Boolean) => boolean(bare),
        };
        match value {
            Some(value) => self.out.extend_from_slice(value.as_bytes()),
            None if scalar.is_base64 => write_string(&mut self.out, &decoded(&self.text, at)?),
            None => write_string(&mut self.out, &self.text),
        }
        if scalar.is_qid {
            let is_one = matches!(self.out[start], b'"' | b'-' | b'0'..=b'9');
            self.qid = is_one.then_some(start..self.out.len());
        }
        Ok(())
    }

    fn text(&mut self, piece: &str) -> Result<(), XmlProblem> {
        match self.open.last() {
            Some(Open::Scalar(_)) => append_text(&mut self.text, piece),
            _ if is_space(piece) => {}
            _ => return Err(XmlProblem::StrayText { at: self.at }),
        }
        Ok(())
    }

    /// A character that was written as a reference.
    fn character(&mut self, character: char) -> Result<(), XmlProblem> {
        if !matches!(self.open.last(), Some(Open::Scalar(_))) {
            return Err(XmlProblem::StrayText { at: self.at });
        }
        self.text.push(character);
        Ok(())
    }

    fn comma(&mut self) {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.push(b',');
        }
    }

    fn place(&self, position: u64) -> usize {
        usize::try_from(position).map_or(usize::MAX, |position| self.offset + position)
    }

    fn not_xml(&self, error: &Error, at: usize) -> XmlProblem {
        let what = match error {
            Error::Syntax(_) => "a tag, comment or section without its end",
            Error::IllFormed(_) => "an end tag, comment or reference that does not fit",
            _ => "markup that cannot be read",
        };
        XmlProblem::NotXml {
            what,
            at: at.max(self.at),
        }
    }

    fn error(self, problem: XmlProblem) -> XmlError {
        let qid = self.qid.and_then(|range| self.out.get(range));
        XmlError {
            problem,
            name: self.name,
            qid: qid.filter(|qid| qid.len() <= QID_BYTES_MAX).map(Box::from),
        }
    }
}

fn check_declaration(declaration: &BytesDecl<'_>, at: usize) -> Result<(), XmlProblem> {
    let what = "a wrong XML declaration";
    let wrong = XmlProblem::NotXml { what, at };
    if !declaration
        .version()
        .is_ok_and(|version| version.starts_with("1."))
    {
        return Err(wrong);
    }
    match declaration.encoding() {
        None => Ok(()),
        Some(Err(_)) => Err(wrong),
        Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => Ok(()),
        Some(Ok(encoding)) => Err(XmlProblem::Encoding {
            declared: encoding.chars().take(DECLARED_CHARS_MAX).collect(),
        }),
    }
}

/// The text itself, if it is a number of JSON (protocol 3.2-e).
fn number(text: &str) -> Option<&str> {
    is_number(text.as_bytes()).then_some(text)
}

fn boolean(text: &str) -> Option<&'static str> {
    match text {
        "1" => Some("true"),
        "0" => Some("false"),
        _ if text.eq_ignore_ascii_case("true") => Some("true"),
        _ if text.eq_ignore_ascii_case("false") => Some("false"),
        _ => None,
    }
}

/// So much of another encoding's name is told.
const DECLARED_CHARS_MAX: usize = 40;
