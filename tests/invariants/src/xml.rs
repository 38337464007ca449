//! Documents and the messages that they are (`okgate_core::protocol::{json_from_xml, xml_from_json}`).

use okgate_core::protocol::{
    JSON_GROWTH_MAX, NESTING_MAX, PeekProblem, XML_GROWTH_MAX, XmlError, XmlProblem, json_from_xml,
    messages_from_xml, messages_in_json, peek, xml_from_json,
};
use roxmltree::{Document, ParsingOptions};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::records::split;

/// The first byte chooses: `j`, the rest is a message in JSON; else, a document.
///
/// What is taken is XML for another parser, too, and a message; there and back it is the same; no text grows beyond its
/// bound, and each refusal says something.
pub fn xml(input: &[u8]) {
    let (choice, rest) = split(input);
    if choice == b'j' {
        from_json(rest);
    } else {
        from_document(rest);
    }
}

fn from_json(message: &[u8]) {
    let ranges = messages_in_json(message).unwrap_or_default();
    assert!(ranges.iter().all(|range| range.end <= message.len()));
    let mut document = Vec::new();
    if let Err(error) = xml_from_json(message, &mut document) {
        assert!(document.is_empty(), "half a document");
        // A link looks at a message's bytes before anybody looks at the message.
        if std::str::from_utf8(message).is_ok() {
            check_refusal(&error);
        }
        return;
    }
    check_document(&document, message.len());
    let back = json_from_xml(&document).expect("our own document");
    let read = |text: &[u8]| serde_json::from_slice::<Value>(text).ok();
    assert_eq!(read(&back), read(message));
    assert_eq!(ranges.len(), 1, "a message is one");
}

fn from_document(document: &[u8]) {
    let several = messages_from_xml(document);
    let json = match json_from_xml(document) {
        Ok(json) => json,
        Err(error) => return check_refusal(&error),
    };
    assert_eq!(several, Ok(vec![json.clone()]));
    assert!(json.len() <= JSON_GROWTH_MAX * document.len());
    if may_be_checked(document) {
        let text = std::str::from_utf8(document).expect("it was taken");
        let parsed = Document::parse_with_options(text, ParsingOptions::default());
        assert!(parsed.is_ok(), "another parser says: {parsed:?}");
    }
    let raw = serde_json::from_slice::<(String, &RawValue)>(&json);
    assert!(raw.is_ok(), "not a message in JSON");
    if let Err(error) = peek(&json) {
        return assert_eq!(error.problem, PeekProblem::LongQid);
    }
    let mut again = Vec::new();
    xml_from_json(&json, &mut again).expect("what XML said it can say again");
    check_document(&again, json.len());
    assert_eq!(json_from_xml(&again), Ok(json));
}

/// Namespaces mean nothing here, so prefixes without one are taken; so is version 1.1 of XML.
fn may_be_checked(document: &[u8]) -> bool {
    let has = |word: &[u8]| document.windows(word.len()).any(|piece| piece == word);
    !has(b":") && !has(b"xmlns") && !has(b"<?xml")
}

/// A document that we wrote ourselves.
fn check_document(document: &[u8], json_bytes: usize) {
    assert!(document.len() <= XML_GROWTH_MAX * json_bytes + 100);
    let text = std::str::from_utf8(document).expect("a document is UTF-8");
    let parsed = Document::parse(text).expect("a document is XML");
    let depth = |node: roxmltree::Node<'_, '_>| node.ancestors().count();
    let deepest = parsed.descendants().map(depth).max().unwrap_or(0);
    assert!(deepest <= NESTING_MAX as usize + 3, "{deepest} levels");
}

fn check_refusal(error: &XmlError) {
    assert_eq!(error.fault().number.code(), 400);
    let says = error.problem.to_string();
    assert!(says.len() < 300 && !says.is_empty());
    if let Some(qid) = &error.qid {
        assert!(serde_json::from_slice::<&RawValue>(qid).is_ok() && qid.len() <= 1024);
    }
    assert!(!matches!(&error.problem, XmlProblem::Encoding { declared } if declared.len() > 200));
}
