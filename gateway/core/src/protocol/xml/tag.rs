//! What a start tag says: the element's name and the four attributes that count.

use std::borrow::Cow;

use base64_simd::forgiving_decode_to_vec;
use quick_xml::events::BytesStart;

use super::ATTRIBUTES_MAX;
use super::characters::{attribute_value, is_name};
use super::error::XmlProblem;

/// A start tag, read.
pub(super) struct Tag<'a> {
    /// The element's name without its prefix (protocol 3.2-k).
    pub(super) element: &'a str,
    at: usize,
    name: Option<Cow<'a, str>>,
    name_encoding: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    encoding: Option<Cow<'a, str>>,
}

/// The types of protocol 3.2-b.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Number,
    Boolean,
    Null,
    Object,
    Array,
}

impl<'a> Tag<'a> {
    /// Reads the tag, which begins at `at`.
    pub(super) fn read(start: &'a BytesStart<'_>, at: usize) -> Result<Self, XmlProblem> {
        let mut tag = Self {
            element: local_name(start.name().0, at)?,
            at,
            name: None,
            name_encoding: None,
            kind: None,
            encoding: None,
        };
        if !are_apart(start.attributes_raw()) {
            let what = "no space between attributes";
            return Err(XmlProblem::NotXml { what, at });
        }
        for (index, attribute) in start.attributes().enumerate() {
            if index == ATTRIBUTES_MAX {
                return Err(XmlProblem::Attributes { at });
            }
            let attribute = attribute.map_err(|_| XmlProblem::NotXml {
                what: "a tag whose attributes are wrong or repeated",
                at,
            })?;
            let key = attribute.key.0;
            local_name(key, at)?;
            let value = match attribute.value {
                Cow::Borrowed(raw) => attribute_value(raw, at)?,
                Cow::Owned(raw) => Cow::Owned(attribute_value(&raw, at)?.into_owned()),
            };
            match key {
                "name" => tag.name = Some(value),
                "name-encoding" => tag.name_encoding = Some(value),
                "type" => tag.kind = Some(value),
                "encoding" => tag.encoding = Some(value),
                _ => {}
            }
        }
        Ok(tag)
    }

    /// A message's name.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The key of the field that this element is (protocol 3.2-j).
    pub(super) fn key(&self) -> Result<Cow<'_, str>, XmlProblem> {
        let at = self.at;
        if self.element != "field" {
            return Ok(Cow::Borrowed(self.element));
        }
        let name = self.name().ok_or(XmlProblem::FieldWithoutName { at })?;
        if is_base64(self.name_encoding.as_deref(), at)? {
            return decoded(name, at).map(Cow::Owned);
        }
        Ok(Cow::Borrowed(name))
    }

    /// What the element holds; `None` where nothing is said.
    pub(super) fn kind(&self) -> Result<Option<Kind>, XmlProblem> {
        let kind = self.kind.as_deref();
        kind.map(|kind| Kind::named(kind).ok_or(XmlProblem::UnknownType { at: self.at }))
            .transpose()
    }

    /// Whether the element's text is base64 of UTF-8.
    pub(super) fn is_base64(&self) -> Result<bool, XmlProblem> {
        is_base64(self.encoding.as_deref(), self.at)
    }
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        match name {
            "string" => Some(Self::String),
            "number" => Some(Self::Number),
            "boolean" => Some(Self::Boolean),
            "null" => Some(Self::Null),
            "object" => Some(Self::Object),
            "array" => Some(Self::Array),
            _ => None,
        }
    }
}

/// The text that base64 stands for (protocol 3.2-h).
pub(super) fn decoded(base64: &str, at: usize) -> Result<String, XmlProblem> {
    let bytes = forgiving_decode_to_vec(base64.as_bytes()).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or(XmlProblem::NotBase64 { at })
}

fn is_base64(encoding: Option<&str>, at: usize) -> Result<bool, XmlProblem> {
    match encoding {
        None => Ok(false),
        Some("base64") => Ok(true),
        Some(_) => Err(XmlProblem::UnknownEncoding { at }),
    }
}

/// Whether each attribute has white space behind its value, or the tag's end: the parser does not look.
fn are_apart(attributes: &str) -> bool {
    let mut rest = attributes;
    while let Some(start) = rest.find(['"', '\'']) {
        let (quote, value) = rest[start..].split_at(1);
        let Some((_, behind)) = value.split_once(quote) else {
            return true;
        };
        if !behind.is_empty() && !behind.starts_with([' ', '\t', '\r', '\n']) {
            return false;
        }
        rest = behind;
    }
    true
}

/// What stands behind the prefix of a name.
fn local_name(name: &str, at: usize) -> Result<&str, XmlProblem> {
    let (prefix, local) = name.split_once(':').unwrap_or(("_", name));
    if is_name(prefix) && is_name(local) {
        return Ok(local);
    }
    let what = "a wrong name in a tag";
    Err(XmlProblem::NotXml { what, at })
}
