//! Owns the shapes of messages: their fields in the order of the wire with their JSON types, as text for golden files.
//!
//! A message comes in, its shape goes out. Values do not show, so that a shape is the same in every run; of an array the
//! shape is that of all its elements together, where a field that not all of them have bears a question mark.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use okgate_harness::Message;
use serde_json::Value;

/// A value's type, and for objects and arrays what is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// The name of a type; several ones where an array's elements differ, in the order of the alphabet.
    Plain(String),
    /// Fields, and whether all had them.
    Object(Vec<(String, bool, Shape)>),
    /// What its elements are; nothing for an empty one.
    Array(Option<Box<Shape>>),
}

/// The shape of a message: its name, then a line for each field.
pub fn of_message(message: &Message) -> String {
    let mut text = format!("{}\n", message.name);
    let fields = Value::Object(message.fields.clone());
    write_inner(&shape(&fields), 1, &mut text);
    text
}

fn shape(value: &Value) -> Shape {
    let plain = |name: &str| Shape::Plain(name.to_owned());
    match value {
        Value::Null => plain("null"),
        Value::Bool(_) => plain("boolean"),
        Value::Number(_) => plain("number"),
        Value::String(_) => plain("string"),
        Value::Array(items) => Shape::Array(items.iter().map(shape).reduce(both).map(Box::new)),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| (key.clone(), true, shape(value)));
            Shape::Object(fields.collect())
        }
    }
}

fn both(one: Shape, other: Shape) -> Shape {
    match (one, other) {
        (one, other) if one == other => one,
        (Shape::Object(mut fields), Shape::Object(others)) => {
            for (key, always, _) in &mut fields {
                *always &= others.iter().any(|(other, ..)| other == key);
            }
            for (key, always, more) in others {
                match fields.iter_mut().find(|(known, ..)| *known == key) {
                    Some((_, known_always, known)) => {
                        *known_always &= always;
                        *known = both(known.clone(), more);
                    }
                    None => fields.push((key, false, more)),
                }
            }
            Shape::Object(fields)
        }
        (Shape::Array(one), Shape::Array(other)) => {
            let item = one.into_iter().chain(other).map(|item| *item);
            Shape::Array(item.reduce(both).map(Box::new))
        }
        (one, other) => {
            let (one, other) = (name(&one), name(&other));
            let names: BTreeSet<&str> = one.split(" or ").chain(other.split(" or ")).collect();
            Shape::Plain(Vec::from_iter(names).join(" or "))
        }
    }
}

fn name(shape: &Shape) -> String {
    match shape {
        Shape::Plain(name) => name.clone(),
        Shape::Object(_) => "object".to_owned(),
        Shape::Array(None) => "empty array".to_owned(),
        Shape::Array(Some(item)) => format!("array of {}", name(item)),
    }
}

fn write_inner(shape: &Shape, depth: usize, text: &mut String) {
    match shape {
        Shape::Plain(_) | Shape::Array(None) => {}
        Shape::Array(Some(item)) => write_inner(item, depth, text),
        Shape::Object(fields) => {
            for (key, always, inner) in fields {
                let mark = if *always { "" } else { "?" };
                let indent = "  ".repeat(depth);
                let _infallible = writeln!(text, "{indent}{key}{mark}: {}", name(inner));
                write_inner(inner, depth + 1, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_shape_shows_fields_in_their_order_and_types_and_no_values() {
        let fields = json!({
            "qid": "1", "n": 1.5, "b": true, "z": null, "none": [],
            "list": [{"a": 1, "b": "x"}, {"a": "2", "c": []}], "o": {"p": false},
        });
        let expected = "x\n  qid: string\n  n: number\n  b: boolean\n  z: null\n  none: empty array\n\
                        \x20 list: array of object\n    a: number or string\n    b?: string\n\
                        \x20   c?: empty array\n  o: object\n    p: boolean\n";
        assert_eq!(of_message(&Message::new("x", fields)), expected);
    }
}
