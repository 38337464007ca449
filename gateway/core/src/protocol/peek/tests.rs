use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;

fn peeked(message: &str) -> Peek<'_> {
    peek(message.as_bytes()).unwrap_or_else(|error| panic!("{message}: {error}"))
}

fn problem(message: &str) -> PeekProblem {
    peek(message.as_bytes())
        .expect_err("a malformed message")
        .problem
}

#[test]
fn the_name_the_qid_and_the_user_are_found() {
    let peek = peeked(
        r#"["ping", {"qid": "EFD478CE-C7D9-4103-91D8-1BAC7528AC49", "userlogin": "admin", "userid": 7}]"#,
    );
    assert_eq!(peek.name, "ping");
    assert_eq!(
        peek.qid,
        Some(&br#""EFD478CE-C7D9-4103-91D8-1BAC7528AC49""#[..])
    );
    assert_eq!(
        peek.user_login.and_then(json_text).as_deref(),
        Some("admin")
    );
    assert_eq!(peek.user_id.and_then(json_text).as_deref(), Some("7"));
}

#[test]
fn the_fields_are_the_text_of_the_object_as_it_stands() {
    let message = r#" [ "x" , { "a" : [1, {"b":{}}] } ] "#;
    let peek = peeked(message);
    assert_eq!(peek.fields, br#"{ "a" : [1, {"b":{}}] }"#);
    assert_eq!(&message.as_bytes()[peek.fields_range.clone()], peek.fields);
}

#[test]
fn what_is_nested_deeper_or_merely_looks_like_a_key_is_not_found() {
    let peek = peeked(r#"["x",{"a":{"qid":"1"},"b":"\"qid\":\"2\"","c":["qid","3"],"qid\n":4}]"#);
    assert_eq!(peek.qid, None);
}

#[test]
fn a_key_written_with_escapes_is_the_same_key() {
    let peek = peeked(r#"["x",{"\u0071\u0069d":"1","us\u0065rlogin":"a"}]"#);
    assert_eq!(peek.qid, Some(&br#""1""#[..]));
    assert_eq!(peek.user_login, Some(&br#""a""#[..]));
}

#[test]
fn of_a_key_that_occurs_twice_the_last_counts() {
    assert_eq!(
        peeked(r#"["x",{"qid":"1","qid":"2"}]"#).qid,
        Some(&br#""2""#[..])
    );
}

#[test]
fn a_number_is_taken_as_a_qid_and_other_values_are_none() {
    assert_eq!(peeked(r#"["x",{"qid":0.82}]"#).qid, Some(&b"0.82"[..]));
    for value in ["null", "true", "{}", "[1]"] {
        assert_eq!(peeked(&format!(r#"["x",{{"qid":{value}}}]"#)).qid, None);
    }
}

#[test]
fn what_is_no_array_of_a_name_and_an_object_is_not_a_message() {
    for message in [
        "{}",
        "1",
        "[]",
        r#"["x"]"#,
        r#"["x",1]"#,
        r#"["x",{},1]"#,
        "[1,{}]",
        r#"[["x",{}]]"#,
    ] {
        assert_eq!(problem(message), PeekProblem::NotAMessage, "{message}");
    }
}

#[test]
fn what_is_not_json_is_refused_with_the_offending_byte() {
    for (message, at) in [
        ("", 0),
        ("hello", 0),
        (r#"["x",{"a":01}]"#, 11),
        (r#"["x",{"a":1,}]"#, 12),
        (r#"["x",{"a":1}"#, 12),
        (r#"["x",{"a":1}]]"#, 13),
        (r#"["x",{a:1}]"#, 6),
        ("[\"x\",{\"a\":\"1\n2\"}]", 12),
        (r#"["x",{"a":"\x"}]"#, 12),
        (r#"["x",{"a":[1}}]"#, 12),
    ] {
        assert_eq!(problem(message), PeekProblem::NotJson { at }, "{message}");
    }
}

#[test]
fn a_name_that_is_no_plain_identifier_is_refused() {
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    for name in ["", "a b", "pin\\u0067", "пинг", long.as_str()] {
        let message = format!(r#"["{name}",{{}}]"#);
        assert_eq!(problem(&message), PeekProblem::BadName, "{name}");
    }
    assert_eq!(
        peeked(r#"["cc_getlunchtypes",{}]"#).name,
        "cc_getlunchtypes"
    );
}

#[test]
fn a_qid_longer_than_the_limit_is_refused() {
    let message = |bytes: usize| format!(r#"["x",{{"qid":"{}"}}]"#, "1".repeat(bytes - 2));
    assert!(peek(message(QID_BYTES_MAX).as_bytes()).is_ok());
    assert_eq!(problem(&message(QID_BYTES_MAX + 1)), PeekProblem::LongQid);
}

#[test]
fn nesting_is_limited() {
    let message = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"["x",{{"a":{open}1{close}}}]"#)
    };
    let inside = NESTING_MAX as usize - 2;
    assert!(peek(message(inside).as_bytes()).is_ok());
    assert_eq!(problem(&message(inside + 1)), PeekProblem::TooDeep);
}

#[test]
fn a_malformed_message_still_gives_the_name_and_the_qid_that_came_before_the_fault() {
    let error = peek(br#"["ping",{"qid":"7","a":tru}]"#).expect_err("malformed");
    assert_eq!(
        (error.name, error.qid),
        (Some("ping"), Some(&br#""7""#[..]))
    );
    assert_eq!(error.fault().number.code(), 400);
}

#[test]
fn answers_are_known_by_their_names() {
    for name in ["error", "pong", "loginresult", "iam", "availablemethods"] {
        assert!(is_answer_name(name), "{name}");
    }
    for name in ["ping", "login", "whoareyou", "resultx"] {
        assert!(!is_answer_name(name), "{name}");
    }
}

#[test]
fn one_field_is_found_as_it_stands() {
    let object = br#"{"a":1,"content":{"x":[1e999]},"b":2}"#;
    assert_eq!(
        json_field(object, "content"),
        Some(&br#"{"x":[1e999]}"#[..])
    );
    assert_eq!(json_field(object, "x"), None);
}

/// Any JSON value, keys and texts with all kinds of characters.
fn json_value() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("qid".to_owned()),
        Just("userid".to_owned()),
        Just("userlogin".to_owned()),
        ".{0,9}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn raw_value(bytes: Option<&[u8]>) -> Option<Value> {
    bytes.map(|bytes| serde_json::from_slice(bytes).expect("the piece is JSON"))
}

proptest! {
    #[test]
    fn what_is_found_agrees_with_a_full_parser(fields in json_value(), pretty: bool) {
        let message = Value::Array(vec!["name".into(), fields]);
        let text = if pretty {
            serde_json::to_string_pretty(&message).expect("JSON")
        } else {
            message.to_string()
        };
        let read: Value = serde_json::from_str(&text).expect("JSON");
        match (peek(text.as_bytes()), read[1].clone()) {
            (Ok(peek), Value::Object(fields)) => {
                let qid = fields.get("qid").filter(|qid| qid.is_string() || qid.is_number());
                prop_assert_eq!(raw_value(peek.qid), qid.cloned());
                prop_assert_eq!(raw_value(peek.user_login), fields.get("userlogin").cloned());
                prop_assert_eq!(raw_value(peek.user_id), fields.get("userid").cloned());
                prop_assert_eq!(raw_value(Some(peek.fields)), Some(Value::Object(fields)));
            }
            (Err(error), fields) => {
                prop_assert_eq!(error.problem, PeekProblem::NotAMessage);
                prop_assert!(!fields.is_object());
            }
            (Ok(_), fields) => prop_assert!(false, "taken for fields: {}", fields),
        }
    }

    #[test]
    fn a_text_with_one_byte_changed_is_valid_exactly_when_a_full_parser_says_so(
        fields in json_value(),
        place: prop::sample::Index,
        byte in 0_u8..0x80,
    ) {
        let mut text = Value::Array(vec!["name".into(), fields]).to_string().into_bytes();
        let place = place.index(text.len());
        if !text[place].is_ascii() {
            return Ok(());
        }
        text[place] = byte;
        let valid = serde_json::from_slice::<&RawValue>(&text).is_ok();
        match peek(&text).map_err(|error| error.problem) {
            Ok(_) => prop_assert!(valid),
            Err(PeekProblem::NotJson { .. }) => prop_assert!(!valid),
            Err(_) => {}
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = peek(&bytes);
        let _ = json_text(&bytes);
        let _ = json_field(&bytes, "qid");
    }

    #[test]
    fn arbitrary_texts_that_look_like_messages_never_panic(text in r#"\["[a-z]{1,3}",[\[\]{}:," \\u0-9a-f-]{0,40}"#) {
        let _ = peek(text.as_bytes());
    }
}
