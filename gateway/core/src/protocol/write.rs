//! How typed values become fields, whatever the format.

/// Writes the fields of one object in order.
///
/// Each format implements it once; answers and events are written against it
/// and so exist once for all formats. Keys are the protocol's own names: letters,
/// digits and dashes, so that no format has to look for what it must escape.
pub trait FieldWriter {
    /// A text field.
    fn string(&mut self, key: &'static str, value: &str);
    /// A number field; the gateway sends integers only.
    fn number(&mut self, key: &'static str, value: i64);
    /// A boolean field.
    fn boolean(&mut self, key: &'static str, value: bool);
    /// A null field.
    fn null(&mut self, key: &'static str);
    /// A field that holds an object.
    fn object(&mut self, key: &'static str, fields: impl FnOnce(&mut Self));
    /// A field that holds an array of objects.
    fn objects<T>(
        &mut self,
        key: &'static str,
        items: impl IntoIterator<Item = T>,
        fields: impl FnMut(&mut Self, T),
    );
    /// A field that holds an array of texts.
    fn strings<'a>(&mut self, key: &'static str, items: impl IntoIterator<Item = &'a str>);
    /// A field that holds an object of booleans, all true, named by these texts.
    fn flags<'a>(&mut self, key: &'static str, names: impl IntoIterator<Item = &'a str>);
    /// A field whose value is given as JSON text and is known to be valid:
    /// what a CRM declared or answered, handed on.
    fn json(&mut self, key: &'static str, value: &str);

    /// An id in its textual form.
    fn guid(&mut self, key: &'static str, value: crate::base::Guid) {
        let text = value.text();
        self.string(
            key,
            std::str::from_utf8(&text).expect("hexadecimal digits are ASCII"),
        );
    }

    /// A text field, left out when there is nothing to say.
    fn optional(&mut self, key: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.string(key, value);
        }
    }
}

/// A value that can write itself as the fields of an object.
pub trait Fields {
    /// Writes all fields in their order.
    fn write<W: FieldWriter>(&self, writer: &mut W);
}
