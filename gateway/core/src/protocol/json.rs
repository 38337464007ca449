//! The JSON form of messages, written (protocol 3.1).

use base64_simd::STANDARD;

use super::write::FieldWriter;
use crate::base::Guid;

/// Appends `["name",{fields}]` to `out`.
pub fn write_message(out: &mut Vec<u8>, name: &str, fields: impl FnOnce(&mut JsonWriter<'_>)) {
    out.extend_from_slice(b"[\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\",{");
    write_fields(out, fields);
    out.extend_from_slice(MESSAGE_END);
}

/// What a message ends with, behind its fields.
pub(super) const MESSAGE_END: &[u8] = b"}]";

/// Appends fields alone.
pub(super) fn write_fields(out: &mut Vec<u8>, fields: impl FnOnce(&mut JsonWriter<'_>)) {
    fields(&mut JsonWriter { out, first: true });
}

/// Writes JSON fields at the end of a buffer.
#[derive(Debug)]
pub struct JsonWriter<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl JsonWriter<'_> {
    /// Writes a field whose value is JSON text already, such as a `qid` that is
    /// echoed as it came.
    pub fn raw(&mut self, key: &'static str, value: &[u8]) {
        self.key(key);
        self.out.extend_from_slice(value);
    }

    /// Writes a field whose value is the base64 of these bytes: nothing in it must be
    /// escaped.
    pub fn base64(&mut self, key: &'static str, bytes: &[u8]) {
        self.key(key);
        self.out.push(b'"');
        STANDARD.encode_append(bytes, self.out);
        self.out.push(b'"');
    }

    fn key(&mut self, key: &'static str) {
        debug_assert_eq!(plain_bytes(key.as_bytes()), key.len(), "{key}");
        self.out.reserve(key.len() + 4);
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// What stands before every field but the first.
    fn comma(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
    }

    fn braces(&mut self, fields: impl FnOnce(&mut Self)) {
        self.out.push(b'{');
        self.first = true;
        fields(self);
        self.first = false;
        self.out.push(b'}');
    }
}

impl FieldWriter for JsonWriter<'_> {
    fn string(&mut self, key: &'static str, value: &str) {
        self.key(key);
        write_string(self.out, value);
    }

    fn number(&mut self, key: &'static str, value: i64) {
        self.key(key);
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn boolean(&mut self, key: &'static str, value: bool) {
        self.key(key);
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn null(&mut self, key: &'static str) {
        self.key(key);
        self.out.extend_from_slice(b"null");
    }

    fn object(&mut self, key: &'static str, fields: impl FnOnce(&mut Self)) {
        self.key(key);
        self.braces(fields);
    }

    fn objects<T>(
        &mut self,
        key: &'static str,
        items: impl IntoIterator<Item = T>,
        mut fields: impl FnMut(&mut Self, T),
    ) {
        self.key(key);
        self.out.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.braces(|writer| fields(writer, item));
        }
        self.out.push(b']');
    }

    fn strings<'a>(&mut self, key: &'static str, items: impl IntoIterator<Item = &'a str>) {
        self.key(key);
        self.out.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write_string(self.out, item);
        }
        self.out.push(b']');
    }

    fn flags<'a>(&mut self, key: &'static str, names: impl IntoIterator<Item = &'a str>) {
        self.object(key, |writer| {
            for name in names {
                writer.comma();
                write_string(writer.out, name);
                writer.out.extend_from_slice(b":true");
            }
        });
    }

    fn json(&mut self, key: &'static str, value: &str) {
        self.raw(key, value.as_bytes());
    }

    fn guid(&mut self, key: &'static str, value: Guid) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(&value.text());
        self.out.push(b'"');
    }
}

/// Appends `text` as a JSON string: only what must be escaped is.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, escaped) = rest.split_at(plain_bytes(rest));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = escaped.split_first() else {
            break;
        };
        write_escaped(out, byte);
        rest = after;
    }
    out.push(b'"');
}

fn write_escaped(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => {
            let low = usize::from(byte);
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[low >> 4], HEX[low & 0xF]]);
        }
    }
}

/// How many bytes there are before the first that must be escaped; looks at eight
/// at a time.
fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    // The high bit of every byte that is zero, and perhaps of those above one.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, _) = bytes.as_chunks::<8>();
    let is_plain = |word: &&[u8; 8]| {
        let word = u64::from_le_bytes(**word);
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let quotes = zeros(word ^ (ONES * u64::from(b'"')));
        let backslashes = zeros(word ^ (ONES * u64::from(b'\\')));
        controls | quotes | backslashes == 0
    };
    let start = words.iter().take_while(is_plain).count() * 8;
    let must_be_escaped = |&byte: &u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let found = bytes[start..].iter().position(must_be_escaped);
    found.map_or(bytes.len(), |place| start + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: impl FnOnce(&mut JsonWriter<'_>)) -> String {
        let mut out = Vec::new();
        write_message(&mut out, "x", fields);
        String::from_utf8(out).expect("JSON text is UTF-8")
    }

    #[test]
    fn fields_are_written_in_order_with_their_types() {
        let text = message(|writer| {
            writer.raw("qid", b"\"7\"");
            writer.number("result", 1);
            writer.boolean("onlunch", false);
            writer.null("lunchreasonid");
            writer.object("abonent", |abonent| abonent.string("number", "101"));
            writer.objects("items", [1, 2], |item, id| item.number("id", id));
            writer.strings("nums", ["101", "102"]);
            writer.flags("allowed", ["one", "\"two\""]);
        });
        assert_eq!(
            text,
            r#"["x",{"qid":"7","result":1,"onlunch":false,"lunchreasonid":null,"abonent":{"number":"101"},"items":[{"id":1},{"id":2}],"nums":["101","102"],"allowed":{"one":true,"\"two\"":true}}]"#
        );
    }

    #[test]
    fn every_text_survives_being_written_as_json() {
        let all: String = ('\0'..='\u{3000}').collect();
        let text = message(|writer| writer.string("text", &all));
        let read: (String, std::collections::HashMap<String, String>) =
            serde_json::from_str(&text).expect("valid JSON");
        assert_eq!(read.1["text"], all);
    }
    #[test]
    fn an_escape_is_found_wherever_it_stands() {
        for length in 0..40 {
            let plain = vec![0xD0; length];
            assert_eq!(plain_bytes(&plain), length);
            for place in 0..length {
                for byte in [0, 0x1F, b'"', b'\\'] {
                    let mut bytes = plain.clone();
                    bytes[place] = byte;
                    assert_eq!(plain_bytes(&bytes), place, "{byte} of {length}");
                }
            }
        }
    }
}
