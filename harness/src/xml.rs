//! Owns the harness's own reading and writing of messages as XML (protocol 3.2).
//!
//! A [`Message`] comes in and a document goes out, and the other way round. Documents are read by `roxmltree`; it shares
//! nothing with the gateway's codec.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::{Document, Node, NodeType};
use serde_json::{Map, Number, Value};

use crate::error::{Error, Result};
use crate::message::{Message, shortened};

/// What is written beyond ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Characters {
    /// As it is, in UTF-8.
    Plain,
    /// As character references, so that no character can be cut in two (protocol 3.3).
    Referenced,
}

/// The document of one message.
pub fn write(message: &Message, characters: Characters) -> String {
    let mut writer = Writer {
        output: String::new(),
        characters,
    };
    writer.message(message);
    writer.output
}

/// The document of several messages (protocol 2.1).
pub fn write_several(messages: &[Message]) -> String {
    let mut writer = Writer {
        output: "<messages>".to_owned(),
        characters: Characters::Plain,
    };
    for message in messages {
        writer.message(message);
    }
    writer.output.push_str("</messages>");
    writer.output
}

/// Reads the document of one message.
pub fn read(text: &str) -> Result<Message> {
    let document = parse(text)?;
    read_message(document.root_element()).map_err(|problem| malformed(&problem, text))
}

/// Reads the document of one message or of several.
pub fn read_several(text: &str) -> Result<Vec<Message>> {
    let document = parse(text)?;
    let root = document.root_element();
    if root.tag_name().name() != "messages" {
        let message = read_message(root).map_err(|problem| malformed(&problem, text))?;
        return Ok(vec![message]);
    }
    let messages: std::result::Result<Vec<Message>, String> =
        children(root).and_then(|children| children.into_iter().map(read_message).collect());
    messages.map_err(|problem| malformed(&problem, text))
}

struct Writer {
    output: String,
    characters: Characters,
}

impl Writer {
    fn message(&mut self, message: &Message) {
        self.output.push_str("<message");
        self.name_attribute(&message.name);
        self.output.push('>');
        for (key, value) in &message.fields {
            self.field(key, value);
        }
        self.output.push_str("</message>");
    }

    fn field(&mut self, key: &str, value: &Value) {
        if is_element_name(key) {
            self.element(key, None, value);
        } else {
            self.element("field", Some(key), value);
        }
    }

    fn element(&mut self, tag: &str, key: Option<&str>, value: &Value) {
        self.output.push('<');
        self.output.push_str(tag);
        if let Some(key) = key {
            self.name_attribute(key);
        }
        self.output.push_str(" type=\"");
        self.output.push_str(type_name(value));
        self.output.push('"');
        match value {
            Value::String(text) if text.chars().any(is_forbidden) => {
                self.output.push_str(" encoding=\"base64\">");
                self.output.push_str(&STANDARD.encode(text));
            }
            Value::String(text) => {
                self.output.push('>');
                self.escaped(text, false);
            }
            Value::Array(items) => {
                self.output.push('>');
                for item in items {
                    self.element("item", None, item);
                }
            }
            Value::Object(fields) => {
                self.output.push('>');
                for (key, value) in fields {
                    self.field(key, value);
                }
            }
            Value::Null => self.output.push('>'),
            Value::Bool(_) | Value::Number(_) => {
                self.output.push('>');
                self.output.push_str(&value.to_string());
            }
        }
        self.output.push_str("</");
        self.output.push_str(tag);
        self.output.push('>');
    }

    /// The attribute `name`; what XML cannot hold is base64, and `name-encoding` says so.
    fn name_attribute(&mut self, name: &str) {
        if name.chars().any(is_forbidden) {
            self.output.push_str(" name-encoding=\"base64\" name=\"");
            self.output.push_str(&STANDARD.encode(name));
        } else {
            self.output.push_str(" name=\"");
            self.escaped(name, true);
        }
        self.output.push('"');
    }

    fn escaped(&mut self, text: &str, is_attribute: bool) {
        for character in text.chars() {
            match character {
                '&' => self.output.push_str("&amp;"),
                '<' => self.output.push_str("&lt;"),
                '>' => self.output.push_str("&gt;"),
                '"' if is_attribute => self.output.push_str("&quot;"),
                '\r' => self.reference(character),
                '\t' | '\n' if is_attribute => self.reference(character),
                _ if !character.is_ascii() && self.characters == Characters::Referenced => {
                    self.reference(character);
                }
                _ => self.output.push(character),
            }
        }
    }

    fn reference(&mut self, character: char) {
        // Writing to a string cannot fail.
        let _ = write!(self.output, "&#{};", u32::from(character));
    }
}

fn parse(text: &str) -> Result<Document<'_>> {
    if text.bytes().filter(|byte| *byte == b'<').count() > TAGS_MAX {
        return Err(malformed("more tags than are read", text));
    }
    // Document types are refused by this reader unless it is told otherwise.
    let document = Document::parse(text).map_err(|error| malformed(&error.to_string(), text))?;
    let has_instruction = document
        .root()
        .descendants()
        .any(|node| node.node_type() == NodeType::PI);
    if has_instruction {
        return Err(malformed("a processing instruction", text));
    }
    Ok(document)
}

fn malformed(problem: &str, text: &str) -> Error {
    Error::Malformed(format!("{problem}: {}", shortened(text)))
}

fn read_message(element: Node<'_, '_>) -> std::result::Result<Message, String> {
    if element.tag_name().name() != "message" {
        return Err(format!("<{}> is no message", element.tag_name().name()));
    }
    Ok(Message {
        name: name_of(element)?,
        fields: read_fields(element, 0)?,
    })
}

fn name_of(element: Node<'_, '_>) -> std::result::Result<String, String> {
    let name = element.attribute("name");
    let name = name.ok_or_else(|| format!("<{}> without a name", element.tag_name().name()))?;
    decoded(name, element.attribute("name-encoding"))
}

fn decoded(text: &str, encoding: Option<&str>) -> std::result::Result<String, String> {
    match encoding {
        None => Ok(text.to_owned()),
        Some("base64") => STANDARD
            .decode(text.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| "what is called base64 is none of a text".to_owned()),
        Some(other) => Err(format!("the encoding {other:?} is not known")),
    }
}

fn read_fields(
    element: Node<'_, '_>,
    depth: usize,
) -> std::result::Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    for child in children(element)? {
        let key = match child.tag_name().name() {
            "field" => name_of(child)?,
            name => name.to_owned(),
        };
        fields.insert(key, read_value(child, depth + 1)?);
    }
    Ok(fields)
}

/// The child elements; other text than white space between them is an error.
fn children<'a, 'input>(
    element: Node<'a, 'input>,
) -> std::result::Result<Vec<Node<'a, 'input>>, String> {
    let mut children = Vec::new();
    for child in element.children() {
        match child.node_type() {
            NodeType::Element => children.push(child),
            NodeType::Text if !child.text().unwrap_or_default().trim().is_empty() => {
                let name = element.tag_name().name();
                return Err(format!("text between the fields of <{name}>"));
            }
            _ => {}
        }
    }
    Ok(children)
}

fn read_value(element: Node<'_, '_>, depth: usize) -> std::result::Result<Value, String> {
    if depth > NESTING_MAX {
        return Err(format!("deeper than {NESTING_MAX} levels"));
    }
    let name = element.tag_name().name();
    match element.attribute("type").unwrap_or("string") {
        "string" => Ok(Value::String(decoded(
            &text_of(element)?,
            element.attribute("encoding"),
        )?)),
        "number" => {
            let text = text_of(element)?;
            read_number(&text).ok_or_else(|| format!("<{name}> is no number: {text:?}"))
        }
        "boolean" => match text_of(element)?.trim() {
            "true" | "1" => Ok(Value::Bool(true)),
            "false" | "0" => Ok(Value::Bool(false)),
            text => Err(format!("<{name}> is no boolean: {text:?}")),
        },
        "null" => Ok(Value::Null),
        "object" => Ok(Value::Object(read_fields(element, depth)?)),
        "array" => {
            let items = children(element)?;
            if let Some(other) = items.iter().find(|item| item.tag_name().name() != "item") {
                return Err(format!(
                    "<{}> in the array <{name}>",
                    other.tag_name().name()
                ));
            }
            let items = items.into_iter().map(|item| read_value(item, depth + 1));
            Ok(Value::Array(items.collect::<std::result::Result<_, _>>()?))
        }
        other => Err(format!("<{name}> has the unknown type {other:?}")),
    }
}

/// The text of a field, which holds nothing else.
fn text_of(element: Node<'_, '_>) -> std::result::Result<String, String> {
    let mut text = String::new();
    for child in element.children() {
        match child.node_type() {
            NodeType::Text => text.push_str(child.text().unwrap_or_default()),
            NodeType::Comment => {}
            _ => {
                let name = element.tag_name().name();
                return Err(format!("<{name}> holds an element, but is no object"));
            }
        }
    }
    Ok(text)
}

/// A JSON number, as near as a value can hold it.
fn read_number(text: &str) -> Option<Value> {
    let text = text.trim();
    // This says whether it is written as JSON numbers are; its own decimal fractions may be off by the last bit.
    serde_json::from_str::<Number>(text).ok()?;
    let whole = text.parse::<i64>().map(Number::from);
    let whole = whole.or_else(|_| text.parse::<u64>().map(Number::from));
    let number = match whole {
        Ok(number) if text != "-0" => number,
        _ => Number::from_f64(text.parse().ok()?)?,
    };
    Some(Value::Number(number))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Whether an element may bear this key as its name. Names beyond ASCII are legal, too, but cannot be written in packets.
fn is_element_name(key: &str) -> bool {
    let mut characters = key.chars();
    let starts_well = characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    let is_reserved = key
        .get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("xml"));
    starts_well
        && !is_reserved
        && key != "field"
        && characters.all(|next| next.is_ascii_alphanumeric() || matches!(next, '_' | '-' | '.'))
}

/// Whether XML 1.0 has no place for this character, not even as a reference.
fn is_forbidden(character: char) -> bool {
    matches!(character, '\0'..='\x08' | '\x0B' | '\x0C' | '\x0E'..='\x1F' | '\u{FFFE}' | '\u{FFFF}')
}

/// How deep objects and arrays may lie in each other.
const NESTING_MAX: usize = 128;
/// How many tags a document may have.
const TAGS_MAX: usize = 4_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn round_trip(message: &Message) -> Message {
        let plain = write(message, Characters::Plain);
        let referenced = write(message, Characters::Referenced);
        assert!(referenced.is_ascii(), "{referenced}");
        assert_eq!(
            read(&referenced).unwrap(),
            read(&plain).unwrap(),
            "{referenced}"
        );
        read(&plain).unwrap()
    }

    // protocol 3.2-a, 3.2-b
    #[test]
    fn the_documents_own_example_is_read() {
        let text = r#"<message name="setuserstate"><qid>7</qid><userstateid type="number">2</userstateid>
            <onredirect type="boolean">false</onredirect></message>"#;
        let fields = json!({"qid": "7", "userstateid": 2, "onredirect": false});
        assert_eq!(read(text).unwrap(), Message::new("setuserstate", fields));
    }

    // protocol 3.2-f to 3.2-j
    #[test]
    fn odd_texts_and_keys_survive() {
        let message = Message::new(
            "a\"b<\r\n\t",
            json!({
                "": "", "field": " \t\n", "xmlish": "a\rb", "XML": "]]>", "a:b": "\u{0}\u{1}",
                "with space": "\u{FFFF}", "1st": "<&>\"'", "ключ": "значение 📞", "nul\u{0}": [[], {}, null],
            }),
        );
        assert_eq!(round_trip(&message), message);
        assert!(write(&message, Characters::Plain).contains("a&#13;b"));
    }

    // protocol 3.2-l
    #[test]
    fn hostile_and_wrong_documents_are_refused() {
        for text in [
            "",
            "<message/>",
            "<other name=\"x\"/>",
            "<!DOCTYPE message><message name=\"x\"/>",
            "<!DOCTYPE m [<!ENTITY a \"b\">]><message name=\"x\"><a>&a;</a></message>",
            "<?php x?><message name=\"x\"/>",
            "<message name=\"x\"><?php x?></message>",
            "<message name=\"x\">text</message>",
            "<message name=\"x\"><a type=\"number\">1x</a></message>",
            "<message name=\"x\"><a type=\"number\">0x1</a></message>",
            "<message name=\"x\"><a type=\"odd\">1</a></message>",
            "<message name=\"x\"><a><b/></a></message>",
            "<message name=\"x\"><a type=\"array\"><b/></a></message>",
            "<message name=\"x\"><a encoding=\"hex\">00</a></message>",
            "<message name=\"x\"><a encoding=\"base64\">!</a></message>",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let deep = format!(
            "<message name=\"x\">{}{}</message>",
            "<a type=\"object\">".repeat(200),
            "</a>".repeat(200)
        );
        assert!(read(&deep).is_err());
    }

    // protocol 2.1-d
    #[test]
    fn several_messages_in_one_document_are_read_in_order() {
        let messages = [
            Message::new("a", json!({"n": 1})),
            Message::new("b", json!({})),
        ];
        assert_eq!(read_several(&write_several(&messages)).unwrap(), messages);
        let one = write(&messages[0], Characters::Plain);
        assert_eq!(read_several(&one).unwrap(), messages[..1]);
    }

    /// Any value of JSON.
    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            proptest::num::f64::NORMAL.prop_map(Value::from),
            any_text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((any_text(), inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[\\x00-\\x7f]{0,12}",
            "(xml|field|item|a:b)?[ \\r\\n\\t<&>]{0,4}"
        ]
    }

    proptest! {
        // protocol 3.2-m
        #[test]
        fn any_message_survives(name in any_text(), keys in proptest::collection::vec((any_text(), any_value()), 0..6)) {
            let message = Message { name, fields: keys.into_iter().collect() };
            prop_assert_eq!(round_trip(&message), message);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            let _ = read_several(&text);
            let _ = read(&format!("<message name=\"x\">{text}</message>"));
        }
    }
}
