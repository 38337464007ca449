//! The fields of a message, parsed when a method needs them (protocol 3.1).
//!
//! In comes the text of the object that [`super::peek()`] found; out go typed
//! values, or the fault that names the field and what was expected. Peers write
//! numbers as texts and booleans as numbers, and are understood. Fields that
//! nobody asks for are ignored. It keeps nothing of a message but the memory.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use simd_json::prelude::{
    TypedScalarValue as _, ValueAsScalar as _, ValueIntoString as _, Writable as _,
};
use simd_json::tape::Value;
use simd_json::{Buffers, Tape};

use super::fault::{ErrorNumber, Fault};
use super::peek::NESTING_MAX;
use crate::base::Guid;

/// Parses bodies one after the other in the same memory.
pub struct BodyReader {
    buffers: Buffers,
    tape: Tape<'static>,
}

/// A body longer than this leaves no memory behind in its [`BodyReader`].
const KEPT_BYTES_MAX: usize = 64 * 1024;

impl BodyReader {
    /// A reader that has no memory yet.
    pub fn new() -> Self {
        Self {
            buffers: Buffers::with_max_depth(0, NESTING_MAX as usize),
            tape: Tape(Vec::new()),
        }
    }

    /// Parses an object's text in place and shows it to `read`.
    ///
    /// Fails with [`ErrorNumber::Malformed`] if it is no JSON object, or if it
    /// holds what no program can take as a value: half of a surrogate pair or a
    /// number beyond all measure. The text may be garbled afterwards.
    pub fn read<T>(
        &mut self,
        fields: &mut [u8],
        read: impl FnOnce(Body<'_>) -> T,
    ) -> Result<T, Fault> {
        let length = fields.len();
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let outcome = parse(fields, &mut self.buffers, &mut tape).map(|()| {
            let object = tape.as_value();
            read(Body { object })
        });
        if length > KEPT_BYTES_MAX {
            *self = Self::new();
        } else {
            self.tape = tape.reset();
        }
        outcome
    }
}

impl Default for BodyReader {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for BodyReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("BodyReader")
    }
}

/// The fields of one object. A field that is null is as good as absent; of one
/// that occurs twice the last counts.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    object: Value<'a, 'a>,
}

impl<'a> Body<'a> {
    /// A text; a number is taken as its digits.
    pub fn text(&self, field: &str) -> Result<Option<Cow<'a, str>>, Fault> {
        self.convert(field, "a text", text)
    }

    /// A text that must be there.
    pub fn required_text(&self, field: &str) -> Result<Cow<'a, str>, Fault> {
        self.text(field)?
            .ok_or_else(|| Fault::parameter(field, "a text"))
    }

    /// A whole number, also as a text; the empty text is none.
    pub fn number(&self, field: &str) -> Result<Option<i64>, Fault> {
        self.convert_unless_empty(field, "a whole number", number)
    }

    /// A boolean, also as 1 or 0, and both also as texts; the empty text is none.
    pub fn boolean(&self, field: &str) -> Result<Option<bool>, Fault> {
        self.convert_unless_empty(field, "true or false", boolean)
    }

    /// A GUID in any case; the empty text is none.
    pub fn guid(&self, field: &str) -> Result<Option<Guid>, Fault> {
        self.convert_unless_empty(field, "a GUID", |value| value.as_str()?.parse().ok())
    }

    /// A list of texts, nulls left out; a single text is a list of one, and no
    /// field an empty one.
    pub fn texts(&self, field: &str) -> Result<Vec<Cow<'a, str>>, Fault> {
        let convert = |value: Value<'a, 'a>| match value.as_array() {
            Some(items) => items.iter().filter(|it| !it.is_null()).map(text).collect(),
            None => text(value).map(|single| vec![single]),
        };
        let texts = self.convert(field, "a list of texts", convert)?;
        Ok(texts.unwrap_or_default())
    }

    /// An object within this one.
    pub fn object(&self, field: &str) -> Result<Option<Body<'a>>, Fault> {
        self.convert(field, "an object", object)
    }

    /// A list of objects, nulls left out (protocol 8: lists may hold a stray
    /// one); no field is an empty one.
    pub fn objects(&self, field: &str) -> Result<Vec<Body<'a>>, Fault> {
        let convert = |value: Value<'a, 'a>| {
            let items = value.as_array()?;
            items
                .iter()
                .filter(|it| !it.is_null())
                .map(object)
                .collect()
        };
        let objects = self.convert(field, "a list of objects", convert)?;
        Ok(objects.unwrap_or_default())
    }

    /// A value of any kind as JSON text, written anew.
    pub fn raw(&self, field: &str) -> Option<String> {
        self.value(field).map(|value| value.encode())
    }

    /// The names of all fields that are not null.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> {
        let is_there = |(_, value): &(&str, Value<'_, '_>)| !value.is_null();
        self.fields().filter(is_there).map(|(key, _)| key)
    }

    /// The names of all fields, also of those that are null.
    pub fn all_keys(&self) -> impl Iterator<Item = &'a str> {
        self.fields().map(|(key, _)| key)
    }

    /// The whole object as JSON text, written anew.
    pub fn to_json(&self) -> String {
        self.object.encode()
    }

    fn fields(&self) -> impl Iterator<Item = (&'a str, Value<'a, 'a>)> {
        let fields = self.object.as_object();
        fields.into_iter().flat_map(|fields| fields.into_iter())
    }

    fn value(&self, field: &str) -> Option<Value<'a, 'a>> {
        let fields = self.object.as_object()?;
        let (_, value) = fields.iter().filter(|(key, _)| *key == field).last()?;
        (!value.is_null()).then_some(value)
    }

    fn convert<T>(
        &self,
        field: &str,
        expected: &str,
        convert: impl FnOnce(Value<'a, 'a>) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        match self.value(field).map(convert) {
            None => Ok(None),
            Some(Some(value)) => Ok(Some(value)),
            Some(None) => Err(Fault::parameter(field, expected)),
        }
    }

    fn convert_unless_empty<T>(
        &self,
        field: &str,
        expected: &str,
        convert: impl FnOnce(Value<'a, 'a>) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let is_empty = |value: Value<'a, 'a>| value.as_str().is_some_and(str::is_empty);
        if self.value(field).is_some_and(is_empty) {
            return Ok(None);
        }
        self.convert(field, expected, convert)
    }
}

fn parse<'a>(
    fields: &'a mut [u8],
    buffers: &mut Buffers,
    tape: &mut Tape<'a>,
) -> Result<(), Fault> {
    let fault = |text: String| Fault::new(ErrorNumber::Malformed, text);
    simd_json::fill_tape(fields, buffers, tape)
        .map_err(|error| fault(format!("JSON that cannot be read: {error}")))?;
    if tape.as_value().is_object() {
        Ok(())
    } else {
        Err(fault("the fields are no object".to_owned()))
    }
}

fn text<'a>(value: Value<'a, 'a>) -> Option<Cow<'a, str>> {
    match value.into_string() {
        Some(text) => Some(Cow::Borrowed(text)),
        None if is_number(value) => Some(Cow::Owned(value.encode())),
        None => None,
    }
}

fn is_number(value: Value<'_, '_>) -> bool {
    value.as_i64().is_some() || value.as_u64().is_some() || value.as_f64().is_some()
}

fn number(value: Value<'_, '_>) -> Option<i64> {
    match value.as_str().map(str::trim) {
        Some(text) => text.parse().ok().or_else(|| whole(text.parse().ok()?)),
        None => value.as_i64().or_else(|| whole(value.as_f64()?)),
    }
}

/// The whole number that a floating-point number is, if it is one.
fn whole(number: f64) -> Option<i64> {
    // Beyond 2^53 a floating-point number no longer says which whole one is meant.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if number.fract() != 0.0 || number.abs() > EXACT_MAX {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    let whole = number as i64;
    Some(whole)
}

fn boolean(value: Value<'_, '_>) -> Option<bool> {
    if let Some(boolean) = value.as_bool() {
        return Some(boolean);
    }
    if let Some(text) = value.as_str().map(str::trim) {
        if text.eq_ignore_ascii_case("true") {
            return Some(true);
        }
        if text.eq_ignore_ascii_case("false") {
            return Some(false);
        }
    }
    match number(value)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn object<'a>(value: Value<'a, 'a>) -> Option<Body<'a>> {
    value.is_object().then_some(Body { object: value })
}
