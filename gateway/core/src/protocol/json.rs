//! The JSON form of messages, written (protocol 3.1).

use super::write::FieldWriter;

/// Appends `["name",{fields}]` to `out`.
pub fn write_message(out: &mut Vec<u8>, name: &str, fields: impl FnOnce(&mut JsonWriter<'_>)) {
    out.extend_from_slice(b"[\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\",{");
    let mut writer = JsonWriter { out, first: true };
    fields(&mut writer);
    out.extend_from_slice(b"}]");
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
    pub fn raw(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.out.extend_from_slice(value);
    }

    fn key(&mut self, key: &str) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        write_string(self.out, key);
        self.out.push(b':');
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
    fn string(&mut self, key: &str, value: &str) {
        self.key(key);
        write_string(self.out, value);
    }

    fn number(&mut self, key: &str, value: i64) {
        self.key(key);
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn boolean(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn null(&mut self, key: &str) {
        self.key(key);
        self.out.extend_from_slice(b"null");
    }

    fn object(&mut self, key: &str, fields: impl FnOnce(&mut Self)) {
        self.key(key);
        self.braces(fields);
    }

    fn objects<T>(
        &mut self,
        key: &str,
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

    fn strings<'a>(&mut self, key: &str, items: impl IntoIterator<Item = &'a str>) {
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

    fn json(&mut self, key: &str, value: &str) {
        self.raw(key, value.as_bytes());
    }
}

/// Appends `text` as a JSON string: only what must be escaped is.
fn write_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[copied..index]);
        copied = index + 1;
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
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
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
        });
        assert_eq!(
            text,
            r#"["x",{"qid":"7","result":1,"onlunch":false,"lunchreasonid":null,"abonent":{"number":"101"},"items":[{"id":1},{"id":2}],"nums":["101","102"]}]"#
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
}
