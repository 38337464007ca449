use proptest::prelude::*;

use super::*;

fn with<T>(fields: &str, read: impl FnOnce(Body<'_>) -> T) -> T {
    let mut fields = fields.as_bytes().to_vec();
    BodyReader::new()
        .read(&mut fields, read)
        .expect("a JSON object")
}

#[test]
fn numbers_are_taken_as_numbers_and_as_texts() {
    for (text, number) in [
        ("5", Some(5)),
        ("-5", Some(-5)),
        ("5.0", Some(5)),
        (r#""5""#, Some(5)),
        (r#"" 5 ""#, Some(5)),
        (r#""5.0""#, Some(5)),
        (r#""""#, None),
        ("null", None),
        ("9007199254740993", Some(9_007_199_254_740_993)),
    ] {
        let read = with(&format!(r#"{{"a":{text}}}"#), |body| body.number("a"));
        assert_eq!(read, Ok(number), "{text}");
    }
    assert_eq!(with("{}", |body| body.number("a")), Ok(None));
}

#[test]
fn what_is_no_whole_number_is_a_fault_that_names_the_field() {
    for text in [
        "true",
        "5.5",
        r#""five""#,
        "[5]",
        "{}",
        "1e300",
        "18446744073709551615",
    ] {
        let fault = with(&format!(r#"{{"userstateid":{text}}}"#), |body| {
            body.number("userstateid")
        })
        .expect_err(text);
        assert_eq!(fault, Fault::parameter("userstateid", "a whole number"));
    }
}

#[test]
fn booleans_are_taken_in_every_form_that_peers_write() {
    for (text, boolean) in [
        ("true", Some(true)),
        ("false", Some(false)),
        ("1", Some(true)),
        ("0", Some(false)),
        (r#""1""#, Some(true)),
        (r#""0""#, Some(false)),
        (r#""true""#, Some(true)),
        (r#""False""#, Some(false)),
        (r#""""#, None),
        ("null", None),
    ] {
        let read = with(&format!(r#"{{"a":{text}}}"#), |body| body.boolean("a"));
        assert_eq!(read, Ok(boolean), "{text}");
    }
    for text in ["2", r#""yes""#, "[]", "{}"] {
        let read = with(&format!(r#"{{"a":{text}}}"#), |body| body.boolean("a"));
        assert_eq!(read, Err(Fault::parameter("a", "true or false")), "{text}");
    }
}

#[test]
fn texts_may_be_written_as_numbers() {
    for (text, read) in [
        (r#""101""#, Some("101")),
        ("101", Some("101")),
        ("-1", Some("-1")),
        (r#""""#, Some("")),
        (r#""\u0416\n""#, Some("Ж\n")),
        ("null", None),
    ] {
        with(&format!(r#"{{"a":{text}}}"#), |body| {
            assert_eq!(body.text("a").as_ref().map(|it| it.as_deref()), Ok(read));
        });
    }
    for text in ["true", "[]", "{}"] {
        let read = with(&format!(r#"{{"a":{text}}}"#), |body| {
            body.text("a").map(drop)
        });
        assert_eq!(read, Err(Fault::parameter("a", "a text")));
    }
    let missing = with("{}", |body| body.required_text("a").map(drop));
    assert_eq!(missing, Err(Fault::parameter("a", "a text")));
}

#[test]
fn guids_are_taken_in_any_case() {
    let guid = "EFD478CE-C7D9-4103-91D8-1BAC7528AC49";
    let read = with(&format!(r#"{{"a":"{guid}"}}"#), |body| body.guid("a"));
    assert_eq!(read, Ok(guid.parse().ok()));
    assert_eq!(with(r#"{"a":""}"#, |body| body.guid("a")), Ok(None));
    assert_eq!(
        with(r#"{"a":false}"#, |body| body.guid("a")),
        Err(Fault::parameter("a", "a GUID"))
    );
}

#[test]
fn lists_of_texts_leave_out_nulls_and_may_be_a_single_text() {
    with(
        r#"{"a":["x",null,"y",7],"b":"x","c":null,"d":[{}]}"#,
        |body| {
            assert_eq!(body.texts("a").expect("texts"), ["x", "y", "7"]);
            assert_eq!(body.texts("b").expect("texts"), ["x"]);
            assert!(body.texts("c").expect("texts").is_empty());
            assert!(body.texts("none").expect("texts").is_empty());
            assert!(body.texts("d").is_err());
        },
    );
}

#[test]
fn objects_within_objects_are_bodies_themselves() {
    with(
        r#"{"a":{"b":{"c":"1"}},"l":[{"d":2},null,{"d":3}]}"#,
        |body| {
            let inner = body.object("a").expect("an object").expect("is there");
            let innermost = inner.object("b").expect("an object").expect("is there");
            assert_eq!(innermost.number("c"), Ok(Some(1)));
            let list = body.objects("l").expect("objects");
            let numbers: Vec<_> = list.iter().map(|it| it.number("d")).collect();
            assert_eq!(numbers, [Ok(Some(2)), Ok(Some(3))]);
            assert!(body.object("l").is_err() && body.objects("a").is_err());
        },
    );
}

#[test]
fn of_a_field_that_occurs_twice_the_last_counts_as_it_does_for_peek() {
    assert_eq!(
        with(r#"{"a":1,"a":2}"#, |body| body.number("a")),
        Ok(Some(2))
    );
}

#[test]
fn a_text_that_is_no_object_is_malformed() {
    for text in [
        "",
        "1",
        "[]",
        "null",
        r#"{"a":"#,
        r#"{"a":1e999}"#,
        r#"{"a":"\ud800"}"#,
    ] {
        let mut fields = text.as_bytes().to_vec();
        let fault = BodyReader::new()
            .read(&mut fields, |_| ())
            .expect_err("no object");
        assert_eq!(fault.number, ErrorNumber::Malformed, "{text}");
    }
}

#[test]
fn a_reader_goes_on_after_a_malformed_and_after_a_huge_body() {
    let mut reader = BodyReader::new();
    let huge = format!(r#"{{"a":"{}"}}"#, "x".repeat(KEPT_BYTES_MAX));
    for text in [r#"{"a":"#, huge.as_str(), r#"{"a":1}"#] {
        let _ = reader.read(&mut text.as_bytes().to_vec(), |_| ());
    }
    let read = reader.read(&mut br#"{"a":7}"#.to_vec(), |body| body.number("a"));
    assert_eq!(read, Ok(Ok(Some(7))));
}

proptest! {
    #[test]
    fn a_value_written_anew_is_the_same_value(
        texts in prop::collection::vec(any::<String>(), 0..5),
        number: i64,
        fraction in -1.0e6..1.0e6_f64,
    ) {
        let value = serde_json::json!({
            "x": {"texts": texts, "number": number, "fraction": fraction, "none": null, "yes": true}
        });
        let mut text = value.to_string().into_bytes();
        let raw = BodyReader::new().read(&mut text, |body| body.raw("x")).expect("JSON");
        let raw: serde_json::Value = serde_json::from_str(&raw.expect("is there")).expect("JSON");
        let close = (raw["fraction"].as_f64().expect("a number") - fraction).abs() < 1e-9;
        prop_assert!(close);
        for key in ["texts", "number", "none", "yes"] {
            prop_assert_eq!(&raw[key], &value["x"][key]);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes: Vec<u8>) {
        let _ = BodyReader::new().read(&mut bytes, |body| body.to_json());
    }
}
