use proptest::prelude::*;

use super::known::{BOOLEANS, NUMBERS};
use super::*;
use crate::protocol::json::write_string;
use crate::protocol::{MESSAGES_MAX, NESTING_MAX, PeekProblem, messages_in_json, peek};

fn to_xml(json: &str) -> String {
    let mut out = Vec::new();
    xml_from_json(json.as_bytes(), &mut out).expect("a message that XML can say");
    String::from_utf8(out).expect("XML is UTF-8")
}

fn to_json(xml: &str) -> String {
    String::from_utf8(json_from_xml(xml.as_bytes()).expect(xml)).expect("JSON is UTF-8")
}

fn problem(xml: &str) -> XmlProblem {
    json_from_xml(xml.as_bytes()).expect_err(xml).problem
}

/// The message whose only field is this element.
fn field(element: &str) -> String {
    to_json(&format!("<message name=\"x\">{element}</message>"))
}

fn field_problem(element: &str) -> XmlProblem {
    problem(&format!("<message name='x'>{element}</message>"))
}

// protocol 3.2-a and 3.2-b
#[test]
fn the_example_of_the_protocol_means_what_it_says() {
    let xml = r#"<message name="setuserstate"><qid>7-f</qid><userstateid type="number">2</userstateid><onredirect type="boolean">false</onredirect></message>"#;
    let json = r#"["setuserstate",{"qid":"7-f","userstateid":2,"onredirect":false}]"#;
    assert_eq!(to_json(xml), json);
    assert_eq!(to_xml(json), xml);
}

#[test]
fn every_type_has_its_form() {
    insta::assert_snapshot!(to_xml(
        r#"["x",{"qid":7,"text":"a <b> & \"c\" ]]> d\te\rg","none":null,"yes":true,"list":[1,"two",[],{},[3,null]],"empty":"","item":"i","inner":{"state":"5","count":5}}]"#
    ), @r#"<message name="x"><qid type="number">7</qid><text>a &lt;b&gt; &amp; "c" ]]&gt; d	e&#13;g</text><none type="null"/><yes type="boolean">true</yes><list type="array"><item type="number">1</item><item>two</item><item type="array"></item><item type="object"></item><item type="array"><item type="number">3</item><item type="null"/></item></list><empty></empty><item>i</item><inner type="object"><state type="string">5</state><count type="number">5</count></inner></message>"#);
}

// protocol 3.2-j and 3.2-o
#[test]
fn odd_keys_go_into_an_attribute() {
    for (key, element) in [
        ("", r#"<field name="">1</field>"#),
        ("a b", r#"<field name="a b">1</field>"#),
        ("a:b", r#"<field name="a:b">1</field>"#),
        ("xmlkey", r#"<field name="xmlkey">1</field>"#),
        ("XML", r#"<field name="XML">1</field>"#),
        ("field", r#"<field name="field">1</field>"#),
        ("1a", r#"<field name="1a">1</field>"#),
        ("@p", r#"<field name="@p">1</field>"#),
        ("ключ", r#"<field name="ключ">1</field>"#),
        (
            r"\t\n\r<\u0022",
            r#"<field name="&#9;&#10;&#13;&lt;&quot;">1</field>"#,
        ),
        (
            r"a\u0000",
            r#"<field name="YQA=" name-encoding="base64">1</field>"#,
        ),
        ("message-id", "<message-id>1</message-id>"),
        ("_", "<_>1</_>"),
    ] {
        let json = format!(r#"["x",{{"{key}":"1"}}]"#);
        let xml = to_xml(&json);
        assert_eq!(xml, format!(r#"<message name="x">{element}</message>"#));
        let back: serde_json::Value = serde_json::from_str(&to_json(&xml)).expect("JSON");
        assert_eq!(
            back,
            serde_json::from_str::<serde_json::Value>(&json).expect("JSON")
        );
    }
}

// protocol 3.2-e
#[test]
fn numbers_are_copied_as_they_stand() {
    for number in [
        "0",
        "-0",
        "123456789012345678901234567890",
        "1e999",
        "1.50",
        "-0.0E+7",
    ] {
        let json = format!(r#"["x",{{"n":{number}}}]"#);
        assert_eq!(to_json(&to_xml(&json)), json);
    }
    for no_number in [
        "", "01", "+1", "1.", ".5", "0x1", "NaN", "1 2", "1,2", "\"1\"", "true",
    ] {
        let element = format!("<n type='number'>{no_number}</n>");
        assert!(
            matches!(field_problem(&element), XmlProblem::NotANumber { at: 18 }),
            "{no_number}"
        );
    }
}

// protocol 3.2-f, 3.2-g and 3.2-h
#[test]
fn every_character_survives_or_is_refused() {
    let all: String = ('\0'..='\u{3000}')
        .chain('\u{FFF0}'..='\u{1_0010}')
        .collect();
    let mut json = b"[\"x\",{\"t\":".to_vec();
    write_string(&mut json, &all);
    json.extend_from_slice(b"}]");
    let json = String::from_utf8(json).expect("UTF-8");
    let xml = to_xml(&json);
    assert!(xml.contains("encoding=\"base64\""));
    assert_eq!(to_json(&xml), json);
    for alone in [
        "\\r", "\\t", "\\n", " ", " a ", "\\u0000", "\\u001f", "\u{FFFE}", "\u{FFFF}", "\u{85}",
    ] {
        let json = format!(r#"["x",{{"t":"{alone}"}}]"#);
        assert_eq!(to_json(&to_xml(&json)), json);
    }
}

// protocol 3.2-i
#[test]
fn halves_of_surrogate_pairs_are_refused_from_both_sides() {
    for (json, place) in [
        (r#"["x",{"t":"\ud800"}]"#, 10),
        (r#"["x",{"qid":"7","\udfff":1}]"#, 16),
        (r#"["x",{"a":[1,"\ud83dx"]}]"#, 13),
    ] {
        let mut out = b"before".to_vec();
        let error = xml_from_json(json.as_bytes(), &mut out).expect_err(json);
        assert_eq!(error.problem, XmlProblem::LoneSurrogate { at: place });
        assert_eq!(error.name.as_deref(), Some("x"));
        assert_eq!(out, b"before");
    }
    assert_eq!(
        to_json(&to_xml(r#"["x",{"t":"\ud83d\ude00"}]"#)),
        r#"["x",{"t":"😀"}]"#
    );
    assert_eq!(
        field_problem("<t>&#xD800;</t>"),
        XmlProblem::Character { at: 21 }
    );
    // CESU-8, the bytes of half a pair, is no UTF-8.
    assert_eq!(
        field_problem("<t encoding='base64'>7aCA</t>"),
        XmlProblem::NotBase64 { at: 18 }
    );
}

#[test]
fn fields_keep_their_order_and_repetitions() {
    let json = r#"["x",{"z":1,"a":2,"z":"3","":4,"":5}]"#;
    assert_eq!(to_json(&to_xml(json)), json);
}

// protocol 3.2-c, 3.2-d and 3.2-n
#[test]
fn known_fields_without_type_are_converted_if_they_can_be() {
    assert_eq!(
        field("<userstateid>2</userstateid>"),
        r#"["x",{"userstateid":2}]"#
    );
    assert_eq!(
        field("<userstateid> 2\n</userstateid>"),
        r#"["x",{"userstateid":2}]"#
    );
    assert_eq!(
        field("<onredirect>1</onredirect>"),
        r#"["x",{"onredirect":true}]"#
    );
    assert_eq!(
        field("<onredirect>False</onredirect>"),
        r#"["x",{"onredirect":false}]"#
    );
    assert_eq!(
        field("<o type='object'><count>7</count></o>"),
        r#"["x",{"o":{"count":7}}]"#
    );
    assert_eq!(
        field("<field name='count'>7</field>"),
        r#"["x",{"count":7}]"#
    );
    // What cannot be is left as it is: the method says what it expects.
    assert_eq!(
        field("<userstateid> two</userstateid>"),
        r#"["x",{"userstateid":" two"}]"#
    );
    assert_eq!(
        field("<onredirect>2</onredirect>"),
        r#"["x",{"onredirect":"2"}]"#
    );
    assert_eq!(
        field("<state type='string'>5</state>"),
        r#"["x",{"state":"5"}]"#
    );
    assert_eq!(
        field("<state encoding='base64'>NQ==</state>"),
        r#"["x",{"state":"5"}]"#
    );
    assert_eq!(field("<number>101</number>"), r#"["x",{"number":"101"}]"#);
}

#[test]
fn the_table_of_known_fields_is_sorted_and_has_no_field_twice() {
    assert!(NUMBERS.is_sorted() && BOOLEANS.is_sorted());
    assert!(NUMBERS.iter().all(|number| !BOOLEANS.contains(number)));
}

// protocol 3.2-k and 3.2-p
#[test]
fn what_other_programs_put_around_a_message_is_ignored() {
    let xml = "\u{FEFF}<?xml version=\"1.0\" encoding=\"utf-8\" standalone='yes'?>\r\n<!-- from: a CRM -->\n\
        <o:message xmlns:o='urn:o' xmlns:xsi=\"urn:i\" type='request' name='x'>\n\t<!-- a -->\
        <o:t xsi:type='xs:int' xmlns='urn:u'>a<!-- b -->b<![CDATA[<c>&amp;]]]]><![CDATA[>]]></o:t>\r\n\
        <list type='array'> <item>1</item> <item type='number'>\n2 </item> </list> \n</o:message> <!-- end -->\n";
    assert_eq!(
        to_json(xml),
        r#"["x",{"t":"ab<c>&amp;]]>","list":["1",2]}]"#
    );
}

#[test]
fn white_space_is_what_an_xml_parser_makes_of_it() {
    assert_eq!(
        field("<t> a\r\nb\rc\r\r\n&#13;\t </t>"),
        r#"["x",{"t":" a\nb\nc\n\n\r\t "}]"#
    );
    assert_eq!(
        field("<field name='a\r\nb\tc\n&#10;'>1</field>"),
        r#"["x",{"a b c \n":"1"}]"#
    );
    assert_eq!(
        field("<t>&lt;&gt;&amp;&apos;&quot;&#65;&#x42;</t>"),
        r#"["x",{"t":"<>&'\"AB"}]"#
    );
}

// protocol 3.2-l and 3.2-r
#[test]
fn each_fault_is_named_with_its_place() {
    use XmlProblem as P;
    for (xml, expected) in [
        ("", P::NotAMessage { at: 0 }),
        (" <msg name='x'/>", P::NotAMessage { at: 1 }),
        (
            "<messages><message name='x'/></messages>",
            P::NotAMessage { at: 0 },
        ),
        ("<message/>", P::NoName { at: 0 }),
        ("<message name=''/>", P::BadName { at: 0 }),
        ("<message name='a b'/>", P::BadName { at: 0 }),
        ("<!DOCTYPE m><message name='x'/>", P::Doctype { at: 0 }),
        ("<?php x?><message name='x'/>", P::Instruction { at: 0 }),
        (
            "<message name='x'><?xml version='1.0'?></message>",
            P::Instruction { at: 18 },
        ),
        (
            "<?xml version='1.0' encoding='windows-1251'?><message name='x'/>",
            P::Encoding {
                declared: "windows-1251".to_owned(),
            },
        ),
        ("<message name='x'>", P::Unfinished { at: 18 }),
        ("<message name='x'>\u{1}</message>", P::Character { at: 18 }),
        ("text<message name='x'/>", P::StrayText { at: 0 }),
    ] {
        assert_eq!(problem(xml), expected, "{xml}");
    }
}

#[test]
fn each_fault_of_a_field_is_named_with_its_place() {
    use XmlProblem as P;
    for (element, expected) in [
        ("<t>&own;</t>", P::Entity { at: 21 }),
        ("<t>&#0;</t>", P::Character { at: 21 }),
        ("<t>&#xFFFFFFFFF;</t>", P::Character { at: 21 }),
        ("<t type='integer'>1</t>", P::UnknownType { at: 18 }),
        ("<t type='boolean'>yes</t>", P::NotABoolean { at: 18 }),
        ("<t type='null'>x</t>", P::NotNull { at: 18 }),
        ("<t encoding='hex'>00</t>", P::UnknownEncoding { at: 18 }),
        (
            "<t type='number' encoding='base64'>MQ==</t>",
            P::UnknownEncoding { at: 18 },
        ),
        ("<t encoding='base64'>%</t>", P::NotBase64 { at: 18 }),
        ("<t encoding='base64'>/w==</t>", P::NotBase64 { at: 18 }),
        ("<field>1</field>", P::FieldWithoutName { at: 18 }),
        ("<t type='array'><i/></t>", P::NotAnItem { at: 34 }),
        ("<t><u/></t>", P::ElementInText { at: 21 }),
        ("<t type='object'>x</t>", P::StrayText { at: 35 }),
        ("<t/>x", P::StrayText { at: 22 }),
        ("&#32;", P::StrayText { at: 18 }),
        ("<![CDATA[x]]>", P::StrayText { at: 18 }),
    ] {
        assert_eq!(field_problem(element), expected, "{element}");
    }
    let attributes = ('a'..='q').fold(String::new(), |tag, name| {
        tag + " " + &String::from(name) + "=''"
    });
    assert_eq!(
        field_problem(&format!("<t{attributes}/>")),
        P::Attributes { at: 18 }
    );
}

#[test]
fn what_is_no_xml_is_told_with_its_place() {
    use XmlProblem as P;
    let not_xml =
        |at| move |problem: P| matches!(problem, P::NotXml { at: found, .. } if found == at);
    for (xml, at) in [
        ("<message name='x' name='y'/>", 0),
        ("<message name='x'/><message name='y'/>", 19),
        ("<message name='x'></messag>", 18),
        ("<message name='x'><1a/></message>", 18),
        ("<message name='x'><a:b:c/></message>", 18),
        ("<message name='x'><t a='<'/></message>", 18),
        ("<message name='x'><t a=b/></message>", 18),
        ("<message name='x'><t a='b'c='d'/></message>", 18),
        ("<message name='x'><t>a]]>b</t></message>", 21),
        ("<message name='x'><t>&#x;</t></message>", 21),
        ("<message name='x'><!-- a -- b --></message>", 25),
        ("<?xml version='2.0'?><message name='x'/>", 0),
    ] {
        let problem = problem(xml);
        assert!(not_xml(at)(problem.clone()), "{xml}: {problem:?}");
    }
    assert_eq!(
        json_from_xml(b"<\xFF").expect_err("no UTF-8").problem,
        P::NotUtf8 { at: 1 }
    );
}

#[test]
fn a_fault_carries_the_name_and_the_qid_that_were_read_before_it() {
    let error = json_from_xml(b"<message name='x'><qid>7</qid><n type='number'>a</n></message>");
    let error = error.expect_err("no number");
    assert_eq!(error.name.as_deref(), Some("x"));
    assert_eq!(error.qid.as_deref(), Some(&br#""7""#[..]));
    assert_eq!(error.fault().number.code(), 400);
    insta::assert_snapshot!(error.fault().text, @"not a number as JSON writes it at byte 30");
    let inner = json_from_xml(b"<message name='x'><o type='object'><qid>7</qid></o></messag>");
    assert_eq!(inner.expect_err("wrong end").qid, None);
    let long = format!("<message name='x'><qid>{}</qid>", "7".repeat(2000));
    assert_eq!(
        json_from_xml(long.as_bytes()).expect_err("no end").qid,
        None
    );
}

// protocol 3.2-q
#[test]
fn as_many_levels_are_read_as_peek_allows_and_no_more() {
    let nested = |levels: usize, inner: &str| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"["x",{{"a":{open}{inner}{close}}}]"#)
    };
    let levels = NESTING_MAX as usize - 2;
    for (levels, inner) in [(levels, "1"), (levels, "{}"), (levels + 1, "")] {
        let json = nested(levels, inner);
        assert!(peek(json.as_bytes()).is_ok());
        assert_eq!(to_json(&to_xml(&json)), json);
    }
    let deep = nested(levels + 1, "1");
    let error = xml_from_json(deep.as_bytes(), &mut Vec::new()).expect_err("too deep");
    assert_eq!(error.problem, XmlProblem::Json(PeekProblem::TooDeep));
    let xml = format!(
        "<message name='x'><a type='array'>{}1",
        "<item type='array'>".repeat(1_000_000)
    );
    assert!(matches!(problem(&xml), XmlProblem::TooDeep { at } if at == 34 + 19 * (levels)));
}

// protocol 2.1-d, 2.1-e and 2.1-l
#[test]
fn one_document_may_hold_several_messages() {
    let read = |xml: &str| messages_from_xml(xml.as_bytes());
    assert_eq!(
        read("<message name='a'/>"),
        Ok(vec![b"[\"a\",{}]".to_vec()])
    );
    let both =
        read("<messages>\n <message name='a'><q>1</q></message><message name='b'/></messages>");
    assert_eq!(
        both,
        Ok(vec![br#"["a",{"q":"1"}]"#.to_vec(), b"[\"b\",{}]".to_vec()])
    );
    assert_eq!(read("<messages/>"), Ok(vec![]));
    assert_eq!(read(" \n"), Ok(vec![]));
    let many = |count| {
        format!(
            "<messages>{}</messages>",
            "<message name='a'/>".repeat(count)
        )
    };
    assert_eq!(
        read(&many(MESSAGES_MAX)).map(|it| it.len()),
        Ok(MESSAGES_MAX)
    );
    let error = read(&many(MESSAGES_MAX + 1)).expect_err("too many");
    assert_eq!(
        error.problem,
        XmlProblem::TooManyMessages {
            at: 10 + 19 * MESSAGES_MAX
        }
    );
    let error = read(
        "<messages><message name='a'><qid>1</qid></message><message name='b'>x</message></messages>",
    );
    let error = error.expect_err("stray text");
    assert_eq!((error.name.as_deref(), error.qid), (Some("b"), None));
    let error = read("<messages><messages/></messages>").expect_err("no message");
    assert_eq!(error.problem, XmlProblem::NotAMessage { at: 10 });
}

// protocol 2.1-d, 2.1-e and 2.1-l
#[test]
fn several_messages_of_json_are_found_where_they_stand() {
    let texts = |text: &str| {
        let found = messages_in_json(text.as_bytes()).map_err(|error| error.problem);
        found.map(|it| {
            it.into_iter()
                .map(|range| text[range].to_owned())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(
        texts(r#" ["a",{"b":[1]}] "#),
        Ok(vec![r#"["a",{"b":[1]}]"#.to_owned()])
    );
    assert_eq!(
        texts(r#"[ ["a",{}] ,["b",{"c":"],[\""}] ]"#),
        Ok(vec![
            r#"["a",{}]"#.to_owned(),
            r#"["b",{"c":"],[\""}]"#.to_owned()
        ])
    );
    assert_eq!(texts(" \n"), Ok(vec![]));
    assert_eq!(texts("[]"), Ok(vec![]));
    let many = |count| format!("[{}]", vec![r#"["a",{}]"#; count].join(","));
    assert_eq!(
        texts(&many(MESSAGES_MAX)).map(|it| it.len()),
        Ok(MESSAGES_MAX)
    );
    assert_eq!(
        texts(&many(MESSAGES_MAX + 1)),
        Err(PeekProblem::TooManyMessages)
    );
    for (text, at) in [
        ("{}", 0),
        (r#"["a",{}"#, 7),
        (r#"["a",{}]x"#, 8),
        (r#"[["a",{}],]"#, 10),
        (r#"[["a",{}]"#, 9),
        (r#"[["a",{}] ["b",{}]]"#, 10),
        (r#"["a",{}, ["b",{}]]"#, 7),
        (r#"[["a",1]]"#, 6),
    ] {
        assert_eq!(texts(text), Err(PeekProblem::NotJson { at }), "{text}");
    }
    let deep = format!(r#"[["a",{{"b":{}{}}}]]"#, "[".repeat(63), "]".repeat(63));
    assert_eq!(texts(&deep).map(|it| it.len()), Ok(1));
}

/// JSON values as their text, written as the gateway does.
fn value() -> impl Strategy<Value = String> {
    let number = "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,4})?";
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|it| it.to_string()),
        number,
        text().prop_map(|it| quoted(&it)),
    ];
    leaf.prop_recursive(8, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|it| format!("[{}]", it.join(","))),
            fields(inner),
        ]
    })
}

fn fields(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec((key(), value), 0..6).prop_map(|fields| {
        let fields: Vec<_> = fields
            .into_iter()
            .map(|(key, value)| quoted(&key) + ":" + &value)
            .collect();
        format!("{{{}}}", fields.join(","))
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        prop::sample::select(vec![
            "",
            "qid",
            "state",
            "onredirect",
            "field",
            "item",
            "name",
            "xml",
            "a:b",
            "a b",
            "1",
            "ключ"
        ])
        .prop_map(str::to_owned),
        text(),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(
        "\0\t\n\r <>&'\"]\\/\u{7F}\u{85}\u{FFFE}\u{FFFF}\u{FEFF}\u{2028}Ж😀5"
            .chars()
            .collect::<Vec<_>>(),
    );
    let character = prop_oneof![3 => prop::char::range(' ', '~'), 2 => odd, 1 => any::<char>()];
    prop::collection::vec(character, 0..12).prop_map(String::from_iter)
}

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    write_string(&mut out, text);
    String::from_utf8(out).expect("UTF-8")
}

/// Pieces of documents, put together anyhow.
fn almost_xml() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "<message name='x'>",
            "</message>",
            "<message name=\"y\"/>",
            "<messages>",
            "</messages>",
            "<a>",
            "</a>",
            "<a type='object'>",
            "<a type='array'>",
            "<item>",
            "</item>",
            "<item/>",
            "<qid>7</qid>",
            "<state>5</state>",
            "<field name='",
            "'>",
            "</field>",
            "<b type=\"number\">1</b>",
            "<c encoding='base64'>AAA=</c>",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "&lt;",
            "&#13;",
            "&#",
            ";",
            "\r",
            "text",
            "<?xml version='1.0'?>",
            "<",
            ">",
            "/",
            "=",
            "\"",
            "'",
        ])
        .prop_map(str::to_owned),
        ".{0,4}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// What must hold of any document.
fn check_document(document: &[u8]) {
    let Ok(json) = json_from_xml(document) else {
        return;
    };
    assert!(json.len() <= JSON_GROWTH_MAX * document.len());
    match peek(&json) {
        Ok(_) => {}
        Err(error) => return assert_eq!(error.problem, PeekProblem::LongQid),
    }
    let mut again = Vec::new();
    xml_from_json(&json, &mut again).expect("what XML said it can say again");
    assert!(again.len() <= XML_GROWTH_MAX * json.len() + 100);
    assert_eq!(json_from_xml(&again), Ok(json.clone()));
    assert_eq!(messages_from_xml(&again), Ok(vec![json]));
}

proptest! {
    // protocol 3.2-m
    #[test]
    fn any_message_comes_back_from_xml_as_it_was(fields in fields(value())) {
        let json = format!("[\"x\",{fields}]");
        let xml = to_xml(&json);
        prop_assert!(xml.len() <= XML_GROWTH_MAX * json.len() + 100);
        prop_assert_eq!(&to_json(&xml), &json);
        let mut ascii = Vec::new();
        append_ascii(&mut ascii, xml.as_bytes());
        prop_assert!(ascii.is_ascii());
        prop_assert_eq!(to_json(std::str::from_utf8(&ascii).expect("ASCII")), json);
        check_document(xml.as_bytes());
    }

    #[test]
    fn white_space_and_escapes_of_json_mean_nothing(fields in fields(value())) {
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        let json = format!("[\"x\",{fields}]");
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(&json) {
            let pretty = serde_json::to_string_pretty(&value).expect("JSON");
            prop_assert_eq!(read(&to_json(&to_xml(&pretty))), read(&pretty));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_document(&bytes);
    }

    #[test]
    fn almost_any_document_is_read_or_refused(inner in almost_xml()) {
        check_document(inner.as_bytes());
        check_document(format!("<message name='x'>{inner}</message>").as_bytes());
        let _several = messages_from_xml(format!("<messages>{inner}</messages>").as_bytes());
    }
}
