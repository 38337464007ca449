//! One message: the first look, the body, and the typed methods (`okgate_core::protocol`).

use std::borrow::Cow;
use std::collections::HashMap;

use okgate_core::protocol::{
    Answer, Body, BodyReader, ErrorNumber, Fault, Method, NAME_BYTES_MAX, Peek, PeekProblem,
    is_answer_name, json_field, json_text, parse_login, parse_subscription, parse_user_request,
    password_hashes, peek, read_user_request, write_error, write_reply,
};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::frames::{Said, read_message};
use crate::records::text;

/// The input is the text of one message.
///
/// The first look and `serde_json` agree on what JSON is and on what stands in a message; the body holds what
/// `serde_json` reads; typed methods refuse with a fault of the table; every answer is a message.
pub fn message(input: &[u8]) {
    // The frame's reader lets nothing else through.
    let Some(text) = text(input) else {
        return;
    };
    let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
    match peek(input) {
        Ok(peeked) => {
            assert!(is_json, "the first look takes what is no JSON");
            check_peek(input, &peeked);
            check_body(peeked.fields);
            check_methods(&peeked);
            check_replies(&peeked);
        }
        Err(error) => {
            match error.problem {
                PeekProblem::NotJson { at } => assert!(!is_json && at <= input.len()),
                PeekProblem::NotAMessage => assert!(is_json),
                PeekProblem::BadName | PeekProblem::TooDeep | PeekProblem::LongQid => {}
                PeekProblem::TooManyMessages => panic!("one message is looked at"),
            }
            let mut answer = Vec::new();
            write_error(&mut answer, &error.fault(), error.name, error.qid);
            assert_eq!(name_of(answer).as_deref(), Some("error"));
        }
    }
    // A hash of whatever is typed is the same of the same, and never a panic.
    assert_eq!(password_hashes(text).ok(), password_hashes(text).ok());
}

/// A message as `serde_json` reads it: of a key that occurs twice the last one counts.
type Message<'a> = (Cow<'a, str>, HashMap<Cow<'a, str>, &'a RawValue>);

/// What the first look found is what `serde_json` finds.
fn check_peek(input: &[u8], peeked: &Peek<'_>) {
    assert_eq!(&input[peeked.fields_range.clone()], peeked.fields);
    // Keys with half a surrogate pair are JSON, but no text.
    let Ok((name, fields)) = serde_json::from_slice::<Message<'_>>(input) else {
        return;
    };
    assert_eq!(name, peeked.name);
    let value = |key: &str| fields.get(key).map(|value| value.get().as_bytes());
    let is_plain = |text: &&[u8]| matches!(text[0], b'"' | b'-' | b'0'..=b'9');
    assert_eq!(value("qid").filter(is_plain), peeked.qid, "qid");
    assert_eq!(value("userlogin"), peeked.user_login, "userlogin");
    assert_eq!(value("userid"), peeked.user_id, "userid");
    for (key, value) in &fields {
        let value = value.get().as_bytes();
        if key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            assert_eq!(json_field(peeked.fields, key), Some(value), "{key:?}");
        }
        if let Ok(text) = serde_json::from_slice::<String>(value) {
            assert_eq!(json_text(value).as_deref(), Some(&*text));
        }
    }
}

/// The body has the very fields that `serde_json` reads, and refuses only what it has a reason to.
fn check_body(fields: &[u8]) {
    // `serde_json` reads an object with a key of its own as something else.
    if fields.windows(SERDE_KEY.len()).any(|it| it == SERDE_KEY) {
        return;
    }
    let mut reader = BodyReader::new();
    let expected: Result<Value, _> = serde_json::from_slice(fields);
    let mut bytes = fields.to_vec();
    let read = reader.read(&mut bytes, |body| {
        let expected = expected.as_ref().expect("what the body takes is JSON");
        let rewritten: Value = serde_json::from_str(&body.to_json()).expect("what is written anew");
        assert!(is_same(&rewritten, expected), "{rewritten} {expected}");
        check_fields(&body, expected);
    });
    if let Err(fault) = read {
        assert_eq!(fault.number, ErrorNumber::Malformed);
        assert!(
            expected.is_err() || has_vast_number(fields),
            "{fault} {fields:?}"
        );
    }
    // The same memory again gives the same.
    let mut bytes = fields.to_vec();
    let again = reader.read(&mut bytes, |body| body.to_json());
    let mut bytes = fields.to_vec();
    assert_eq!(
        again,
        BodyReader::new().read(&mut bytes, |body| body.to_json())
    );
}

const SERDE_KEY: &[u8] = b"serde_json::private";

fn check_fields(body: &Body<'_>, expected: &Value) {
    let expected = expected.as_object().expect("fields are an object");
    for key in body.all_keys() {
        let value = expected.get(key).expect("a key that serde_json reads");
        match value {
            Value::String(text) => assert_eq!(body.text(key), Ok(Some(text.into()))),
            Value::Null => assert_eq!(body.text(key), Ok(None)),
            Value::Bool(value) => assert_eq!(body.boolean(key), Ok(Some(*value))),
            Value::Object(_) => assert!(body.object(key).is_ok_and(|object| object.is_some())),
            Value::Number(number) if number.is_i64() => {
                assert_eq!(body.number(key), Ok(number.as_i64()), "{key:?}");
            }
            Value::Number(_) | Value::Array(_) => {}
        }
        // Any conversion ends in a value or a fault that names the field.
        let faults = [
            body.number(key).err(),
            body.boolean(key).err(),
            body.guid(key).err(),
            body.texts(key).err(),
            body.objects(key).err(),
        ];
        for fault in faults.into_iter().flatten() {
            assert_eq!(fault.number, ErrorNumber::WrongParameters);
        }
        assert_eq!(body.raw(key).is_none(), value.is_null());
    }
}

/// Whether two values are the same but for the last digits of a fraction.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one != other => {
            let (one, other) = (one.as_f64(), other.as_f64());
            one.zip(other)
                .is_some_and(|(one, other)| (one - other).abs() <= other.abs() * 1e-9)
        }
        (Value::Array(one), Value::Array(other)) => {
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let mut fields = one.iter();
            one.len() == other.len()
                && fields.all(|(key, one)| other.get(key).is_some_and(|other| is_same(one, other)))
        }
        _ => one == other,
    }
}

/// Whether there may be a number beyond the measure of 64 bits.
fn has_vast_number(fields: &[u8]) -> bool {
    let mut runs = fields.split(|byte| !byte.is_ascii_digit());
    runs.any(|digits| digits.len() >= 19) || fields.iter().any(|byte| matches!(byte, b'e' | b'E'))
}

/// Every method reads any fields: to a request, or a fault of the protocol's table.
fn check_methods(peeked: &Peek<'_>) {
    let mut reader = BodyReader::new();
    for &method in Method::ALL {
        let mut bytes = peeked.fields.to_vec();
        let typed = reader.read(&mut bytes, |body| parse_user_request(method, &body));
        let mut bytes = peeked.fields.to_vec();
        let read = read_user_request(method, &mut bytes, &mut reader);
        match typed {
            Ok(Some(typed)) => assert_eq!(read, typed, "{method:?}"),
            Ok(None) => assert!(read.is_err(), "{method:?}"),
            // A method whose name says it all needs no fields that can be read.
            Err(fault) => assert!(read.is_ok() || read == Err(fault), "{method:?}"),
        }
    }
    let mut bytes = peeked.fields.to_vec();
    let parsed = reader.read(&mut bytes, |body| {
        (parse_login(&body).err(), parse_subscription(&body).err())
    });
    let faults = parsed.map_or_else(|_| Vec::new(), |(login, events)| vec![login, events]);
    for fault in faults.into_iter().flatten() {
        assert_eq!(fault.number, ErrorNumber::WrongParameters);
    }
}

/// protocol 3.1-c, 3.4-b: the answers are messages, bear the qid, and are never answered themselves.
fn check_replies(peeked: &Peek<'_>) {
    let fault = Fault::new(ErrorNumber::NotFound, "\u{0}\"\\ ничего");
    for reply in [Ok(Answer::Done), Err(fault)] {
        let mut answer = Vec::new();
        write_reply(&mut answer, peeked.name, peeked.qid, &reply);
        if answer.is_empty() {
            assert!(peeked.qid.is_none() && reply.is_ok(), "no answer");
            continue;
        }
        // A request's name may be so long that its answer's is beyond what the first look takes.
        if peeked.name.len() + "result".len() <= NAME_BYTES_MAX {
            let again = peek(&answer).expect("an answer is a message");
            assert_eq!(again.qid, peeked.qid);
        }
        let name = name_of(answer).expect("an answer is a message to others too");
        assert!(is_answer_name(&name), "{name}");
    }
}

fn name_of(message: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(message).expect("messages are UTF-8");
    match read_message(&text) {
        Said::Message { name, .. } => Some(name),
        _ => None,
    }
}
