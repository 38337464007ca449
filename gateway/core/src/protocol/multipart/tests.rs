use proptest::prelude::*;

use super::*;
use crate::protocol::{BodyReader, json_field, json_from_xml, peek, xml_from_json};

fn at(seconds: u64) -> Instant {
    Instant::from_micros(seconds * 1_000_000)
}

fn accept(
    assembler: &mut Assembler,
    packet: &[u8],
    now: Instant,
) -> Result<Option<Vec<u8>>, MultipartError> {
    let mut fields = peek(packet).expect("a packet is a message").fields.to_vec();
    BodyReader::new()
        .read(&mut fields, |body| assembler.accept(&body, now))
        .expect("JSON")
}

fn packet(id: &str, count: u32, number: u32, content: &str) -> Vec<u8> {
    let content = STANDARD.encode_to_string(content);
    format!(
        r#"["multipart",{{"message-id":"{id}","packetcount":{count},"packetnumber":"{number}","content":"{content}"}}]"#
    )
    .into_bytes()
}

fn limits() -> MultipartLimits {
    MultipartLimits {
        packets_max: 4,
        bytes_max: 100,
        unfinished_max: 2,
        age_max: Duration::from_secs(10),
    }
}

#[test]
fn packets_are_numbered_cut_at_whole_groups_and_ascii() {
    let message = r#"["x",{"a":"Ж😀"}]"#;
    let packets: Vec<_> = split(message.as_bytes(), Guid::from_bits(7), 17, Format::Json).collect();
    let mut text = Vec::new();
    for (number, packet) in packets.iter().enumerate() {
        let fields = peek(packet).expect("a message").fields;
        let field = |key| std::str::from_utf8(json_field(fields, key).expect("is there"));
        assert_eq!(field("packetnumber"), Ok(number.to_string().as_str()));
        assert_eq!(field("packetcount"), Ok(packets.len().to_string().as_str()));
        assert_eq!(field("content-type"), Ok(r#""text/json; charset=utf-8""#));
        let content = field("content").expect("ASCII").trim_matches('"');
        assert!(content.len() <= 16);
        assert_eq!(
            field("content-length"),
            Ok(content.len().to_string().as_str())
        );
        text.extend(STANDARD.decode_to_vec(content).expect("base64 on its own"));
    }
    assert_eq!(text, br#"["x",{"a":"\u0416\ud83d\ude00"}]"#);
}

#[test]
fn packets_of_several_messages_may_be_mixed() {
    let mut assembler = Assembler::new(limits());
    assert_eq!(
        accept(&mut assembler, &packet("a", 2, 1, "A2"), at(0)),
        Ok(None)
    );
    assert_eq!(
        accept(&mut assembler, &packet("b", 1, 0, "B"), at(0)),
        Ok(Some(b"B".to_vec()))
    );
    assert_eq!(
        accept(&mut assembler, &packet("a", 2, 0, "A1"), at(0)),
        Ok(Some(b"A1A2".to_vec()))
    );
    assert_eq!(assembler.held_bytes(), 0);
}

#[test]
fn slashes_that_are_escaped_and_padding_that_is_missing_are_understood() {
    let mut assembler = Assembler::new(limits());
    let packet =
        br#"["multipart",{"message-id":"a","packetcount":1,"packetnumber":0,"content":"Pz8\/Pw"}]"#;
    assert_eq!(
        accept(&mut assembler, packet, at(0)),
        Ok(Some(b"????".to_vec()))
    );
}

#[test]
fn a_wrong_packet_drops_its_message_and_no_other() {
    let mut assembler = Assembler::new(limits());
    for (id, wrong, error) in [
        ("a", packet("a", 3, 1, "x"), MultipartError::CountChanged),
        ("b", packet("b", 2, 0, "x"), MultipartError::Repeated),
        (
            "c",
            packet("c", 2, 1, &"x".repeat(101)),
            MultipartError::TooBig,
        ),
        ("d", packet("d", 5, 1, "x"), MultipartError::TooManyPackets),
    ] {
        assert_eq!(
            accept(&mut assembler, &packet("other", 2, 0, "o"), at(0)),
            Ok(None)
        );
        assert_eq!(
            accept(&mut assembler, &packet(id, 2, 0, "x"), at(0)),
            Ok(None)
        );
        assert_eq!(accept(&mut assembler, &wrong, at(0)), Err(error), "{id}");
        // The rest of it says no more.
        assert_eq!(
            accept(&mut assembler, &packet(id, 2, 1, "x"), at(0)),
            Ok(None)
        );
        assert_eq!(
            accept(&mut assembler, &packet("other", 2, 1, "p"), at(0)),
            Ok(Some(b"op".to_vec()))
        );
        assert_eq!(assembler.held_bytes(), 0);
    }
}

#[test]
fn what_is_no_packet_is_refused_with_the_fields_name() {
    let mut assembler = Assembler::new(limits());
    for (fields, field) in [
        ("{}", "message-id"),
        (r#"{"message-id":"1"}"#, "packetcount"),
        (r#"{"message-id":"2","packetcount":0}"#, "packetcount"),
        (
            r#"{"message-id":"3","packetcount":1,"packetnumber":1}"#,
            "packetnumber",
        ),
        (
            r#"{"message-id":"4","packetcount":1,"packetnumber":0}"#,
            "content",
        ),
        (
            r#"{"message-id":"5","packetcount":1,"packetnumber":0,"content":"x","content-transfer-encoding":"7bit"}"#,
            "content-transfer-encoding",
        ),
    ] {
        let message = format!(r#"["multipart",{fields}]"#);
        let error = accept(&mut assembler, message.as_bytes(), at(0)).expect_err(fields);
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[test]
fn content_that_is_not_base64_or_not_utf8_is_refused() {
    let mut assembler = Assembler::new(limits());
    let wrong =
        br#"["multipart",{"message-id":"a","packetcount":1,"packetnumber":0,"content":"*"}]"#;
    assert_eq!(
        accept(&mut assembler, wrong, at(0)),
        Err(MultipartError::NotBase64)
    );
    let wrong =
        br#"["multipart",{"message-id":"b","packetcount":1,"packetnumber":0,"content":"/w=="}]"#;
    assert_eq!(
        accept(&mut assembler, wrong, at(0)),
        Err(MultipartError::NotUtf8)
    );
}

#[test]
fn a_character_may_be_cut_between_two_packets() {
    let mut assembler = Assembler::new(limits());
    let (first, second) = ("0J8=", "nw==");
    let half = |number, content| {
        format!(
            r#"["multipart",{{"message-id":"a","packetcount":2,"packetnumber":{number},"content":"{content}"}}]"#
        )
    };
    // П is D0 9F: the first packet carries D0 9F, the other a stray byte.
    assert_eq!(
        accept(&mut assembler, half(0, first).as_bytes(), at(0)),
        Ok(None)
    );
    assert_eq!(
        accept(&mut assembler, half(1, second).as_bytes(), at(0)),
        Err(MultipartError::NotUtf8)
    );
    let mut assembler = Assembler::new(limits());
    assert_eq!(
        accept(&mut assembler, half(0, "0A==").as_bytes(), at(0)),
        Ok(None)
    );
    assert_eq!(
        accept(&mut assembler, half(1, second).as_bytes(), at(0)),
        Ok(Some("П".as_bytes().to_vec()))
    );
}

#[test]
fn unfinished_messages_are_bounded_in_number() {
    let mut assembler = Assembler::new(limits());
    for id in ["a", "b"] {
        assert_eq!(
            accept(&mut assembler, &packet(id, 2, 0, "x"), at(0)),
            Ok(None)
        );
    }
    assert_eq!(
        accept(&mut assembler, &packet("c", 2, 0, "x"), at(0)),
        Err(MultipartError::TooManyUnfinished)
    );
}

#[test]
fn unfinished_messages_are_bounded_in_age() {
    let mut assembler = Assembler::new(limits());
    assert_eq!(assembler.next_expiry(), None);
    assert_eq!(
        accept(&mut assembler, &packet("a", 2, 0, "x"), at(5)),
        Ok(None)
    );
    assert_eq!(assembler.next_expiry(), Some(at(15)));
    assert_eq!(assembler.expire(at(14)), 0);
    assert_eq!(assembler.expire(at(15)), 1);
    assert_eq!((assembler.held_bytes(), assembler.next_expiry()), (0, None));
}

proptest! {
    #[test]
    fn any_message_comes_back_from_its_packets_in_any_order(
        text: String,
        packet_chars in 1_usize..200,
        seed: u64,
    ) {
        let message = serde_json::json!(["x", {"a": text}]).to_string();
        let mut packets: Vec<_> = split(message.as_bytes(), Guid::from_bits(1), packet_chars, Format::Json).collect();
        packets.sort_by_key(|packet| {
            packet.iter().fold(seed, |hash, &byte| hash.rotate_left(5) ^ u64::from(byte))
        });
        let mut assembler = Assembler::new(MultipartLimits::default());
        let mut whole = None;
        for packet in &packets {
            prop_assert_eq!(&whole, &None);
            whole = accept(&mut assembler, packet, at(0)).expect("a right packet");
        }
        let whole: serde_json::Value =
            serde_json::from_slice(&whole.expect("complete")).expect("JSON");
        prop_assert_eq!(whole, serde_json::json!(["x", {"a": text}]));
    }
}

/// An answer of the gateway that is about so long, with characters of all kinds.
fn long_answer(bytes: usize) -> Vec<u8> {
    let mut answer = br#"["getpbxnumbersresult",{"qid":"7","result":1,"numbers":["#.to_vec();
    while answer.len() < bytes {
        answer.extend_from_slice(
            r#"{"id":1,"ключ":"Анна <&> \"😀\"","state":"5","text":"\r\t\u0000"},"#.as_bytes(),
        );
    }
    answer.extend_from_slice(b"{}]}]");
    answer
}

#[test]
fn an_answer_of_five_megabytes_in_xml_comes_out_of_its_packets_as_it_went_in() {
    let answer = long_answer(5 << 20);
    let mut document = Vec::new();
    xml_from_json(&answer, &mut document).expect("a message");
    let packets = split(&document, Guid::from_bits(7), PACKET_CHARS, Format::Xml);
    let mut assembler = Assembler::new(MultipartLimits {
        bytes_max: 64 << 20,
        ..MultipartLimits::default()
    });
    let (mut count, mut whole) = (0, None);
    for packet in packets {
        assert!(packet.is_ascii());
        assert!(packet.len() <= packet_room(packet_bytes(PACKET_CHARS), Format::Xml));
        let packet = json_from_xml(&packet).expect("a packet is a document");
        whole = accept(&mut assembler, &packet, at(0)).expect("our own packet");
        count += 1;
    }
    assert!(count > 3000, "{count} packets");
    let whole = json_from_xml(&whole.expect("whole")).expect("the document");
    assert!(whole == answer, "not the answer that went in");
}

#[test]
fn a_packet_in_xml_is_the_same_message_as_in_json() {
    let packet = |format| {
        split(b"<>", Guid::from_bits(7), 4, format)
            .next()
            .expect("one")
    };
    let mut document = Vec::new();
    xml_from_json(&packet(Format::Json), &mut document).expect("a message");
    let document = String::from_utf8(document).expect("UTF-8");
    assert_eq!(
        String::from_utf8(packet(Format::Xml)).expect("UTF-8"),
        document.replace("text/json", "text/xml")
    );
}

#[test]
fn characters_beyond_ascii_are_references_in_packets_of_xml() {
    let mut document = Vec::new();
    xml_from_json(r#"["x",{"ключ":"Ж😀"}]"#.as_bytes(), &mut document).expect("a message");
    let mut text = Vec::new();
    for packet in split(&document, Guid::from_bits(7), 16, Format::Xml) {
        let packet = json_from_xml(&packet).expect("a document");
        let content = json_field(peek(&packet).expect("a message").fields, "content");
        let content = content.expect("is there");
        text.extend(
            STANDARD
                .decode_to_vec(&content[1..content.len() - 1])
                .expect("base64"),
        );
    }
    assert_eq!(
        text,
        br#"<message name="x"><field name="&#1082;&#1083;&#1102;&#1095;">&#1046;&#128512;</field></message>"#
    );
}
