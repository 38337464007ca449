//! The XML of the HTTP interface, `oktellxmlmapper` (protocol 10-b).
//!
//! In come the fields of an answer; out goes the whole document. A field is a
//! `property_simple`, an object a `property_set`, a list a `property_list` of them. What
//! no XML document may hold is written as U+FFFD.

use super::write::FieldWriter;

/// Writes one answer.
#[derive(Debug)]
pub struct MapperWriter {
    out: String,
}

impl MapperWriter {
    /// The document whose one property set has this name and what `fields` writes.
    pub fn document(name: &str, fields: impl FnOnce(&mut Self)) -> String {
        let mut writer = Self {
            out: String::from(HEAD),
        };
        writer.set(name, fields);
        writer.out.push_str(END);
        writer.out
    }

    /// A value whose meaning has a name of its own, as states have.
    pub fn named(&mut self, key: &str, value: &str, name: &str) {
        self.open_simple(key, value);
        self.attribute("name", name);
        self.out.push_str("/>");
    }

    /// A text of any length, which readers take as it stands.
    pub fn cdata(&mut self, key: &str, text: &str) {
        self.out.push_str("<property_cdata");
        self.attribute("key", key);
        self.out.push_str("><![CDATA[");
        let mut parts = text.split(SECTION_END);
        self.out.extend(parts.next().into_iter().flat_map(legal));
        for part in parts {
            // The section ends within what would end it.
            self.out.push_str("]]]]><![CDATA[>");
            self.out.extend(legal(part));
        }
        self.out.push_str("]]></property_cdata>");
    }

    fn set(&mut self, name: &str, fields: impl FnOnce(&mut Self)) {
        self.out.push_str("<property_set");
        self.attribute("name", name);
        self.out.push('>');
        fields(self);
        self.out.push_str("</property_set>");
    }

    fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut item: impl FnMut(&mut Self, T),
    ) {
        let outer = std::mem::take(&mut self.out);
        let mut count = 0_usize;
        for value in items {
            item(self, value);
            count += 1;
        }
        let inner = std::mem::replace(&mut self.out, outer);
        self.out.push_str("<property_list");
        self.attribute("name", name);
        self.attribute("count", &count.to_string());
        self.out.push('>');
        self.out.push_str(&inner);
        self.out.push_str("</property_list>");
    }

    fn simple(&mut self, key: &str, value: &str) {
        self.open_simple(key, value);
        self.out.push_str("/>");
    }

    fn open_simple(&mut self, key: &str, value: &str) {
        self.out.push_str("<property_simple");
        self.attribute("key", key);
        self.attribute("value", value);
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        self.out.push_str(&mapper_escaped(value));
        self.out.push('"');
    }
}

impl FieldWriter for MapperWriter {
    fn string(&mut self, key: &'static str, value: &str) {
        self.simple(key, value);
    }

    fn number(&mut self, key: &'static str, value: i64) {
        self.simple(key, &value.to_string());
    }

    fn boolean(&mut self, key: &'static str, value: bool) {
        self.simple(key, if value { "1" } else { "0" });
    }

    fn null(&mut self, key: &'static str) {
        self.simple(key, "");
    }

    fn object(&mut self, key: &'static str, fields: impl FnOnce(&mut Self)) {
        self.set(key, fields);
    }

    fn objects<T>(
        &mut self,
        key: &'static str,
        items: impl IntoIterator<Item = T>,
        mut fields: impl FnMut(&mut Self, T),
    ) {
        self.list(key, items, |writer, item| {
            writer.set(ITEM, |writer| fields(writer, item));
        });
    }

    fn strings<'a>(&mut self, key: &'static str, items: impl IntoIterator<Item = &'a str>) {
        self.list(key, items, |writer, item| writer.simple(ITEM, item));
    }

    fn flags<'a>(&mut self, key: &'static str, names: impl IntoIterator<Item = &'a str>) {
        self.set(key, |writer| {
            for name in names {
                writer.simple(name, "1");
            }
        });
    }

    fn json(&mut self, key: &'static str, value: &str) {
        self.cdata(key, value);
    }
}

/// A text within an attribute; a line's end stays one when it is read.
pub fn mapper_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in legal(text) {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// The characters of a text as XML 1.0 §2.2 allows them.
fn legal(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().map(|letter| match letter {
        '\t' | '\n' | '\r' => letter,
        '\0'..' ' | '\u{FFFE}' | '\u{FFFF}' => char::REPLACEMENT_CHARACTER,
        _ => letter,
    })
}

const HEAD: &str = "<oktellxmlmapper version=\"80710\"><data name=\"result\" count=\"1\">";

const END: &str = "</data></oktellxmlmapper>";

/// What ends a CDATA section.
const SECTION_END: &str = "]]>";

/// The name of a list's entry.
const ITEM: &str = "item";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // protocol 10-b
    #[test]
    fn a_scripts_answer_is_written_as_the_document_shows_it() {
        let document = MapperWriter::document("execsvcscript", |writer| {
            writer.named("started", "1", "success");
            writer.named("startresult", "0", "success");
            writer.cdata("returnvalue", "…");
        });
        assert_eq!(
            document,
            "<oktellxmlmapper version=\"80710\"><data name=\"result\" count=\"1\">\
             <property_set name=\"execsvcscript\">\
             <property_simple key=\"started\" value=\"1\" name=\"success\"/>\
             <property_simple key=\"startresult\" value=\"0\" name=\"success\"/>\
             <property_cdata key=\"returnvalue\"><![CDATA[…]]></property_cdata>\
             </property_set></data></oktellxmlmapper>"
        );
    }

    #[test]
    fn objects_and_lists_stand_within_each_other() {
        let document = MapperWriter::document("all", |writer| {
            writer.boolean("yes", true);
            writer.null("nothing");
            writer.object("inner", |writer| writer.number("n", -5));
            writer.objects("list", [1, 2], |writer, it| writer.number("n", it));
            writer.strings("texts", ["a\n\"<&>"]);
            writer.flags("flags", ["x"]);
        });
        let inner = document.strip_prefix(HEAD).expect("the head");
        assert_eq!(
            inner,
            "<property_set name=\"all\"><property_simple key=\"yes\" value=\"1\"/>\
             <property_simple key=\"nothing\" value=\"\"/>\
             <property_set name=\"inner\"><property_simple key=\"n\" value=\"-5\"/></property_set>\
             <property_list name=\"list\" count=\"2\">\
             <property_set name=\"item\"><property_simple key=\"n\" value=\"1\"/></property_set>\
             <property_set name=\"item\"><property_simple key=\"n\" value=\"2\"/></property_set></property_list>\
             <property_list name=\"texts\" count=\"1\">\
             <property_simple key=\"item\" value=\"a&#10;&quot;&lt;&amp;&gt;\"/></property_list>\
             <property_set name=\"flags\"><property_simple key=\"x\" value=\"1\"/></property_set>\
             </property_set></data></oktellxmlmapper>"
        );
    }

    /// What a reader makes of the CDATA sections behind this place.
    fn read_cdata(document: &str) -> String {
        let (_, mut rest) = document.split_once("returnvalue\">").expect("the property");
        let mut text = String::new();
        while let Some(section) = rest.strip_prefix("<![CDATA[") {
            let (inside, after) = section.split_once(SECTION_END).expect("its end");
            text.push_str(inside);
            rest = after;
        }
        assert!(rest.starts_with("</property_cdata>"), "{rest}");
        text
    }

    proptest! {
        #[test]
        fn whatever_a_script_gives_its_reader_gets(text in "(?s:]|>|<|&|\\PC|.){0,40}") {
            let document = MapperWriter::document("s", |writer| writer.cdata("returnvalue", &text));
            let wanted: String = legal(&text).collect();
            prop_assert_eq!(read_cdata(&document), wanted);
        }

        #[test]
        fn no_text_breaks_out_of_an_attribute(text in "(?s:.){0,40}") {
            let escaped = mapper_escaped(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\n', '\0']));
        }
    }
}
