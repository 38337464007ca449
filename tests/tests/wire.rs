//! Handshakes and frames over real sockets: what is granted, what is refused, and how a link ends that breaks the rules.
#![forbid(unsafe_code)]

use anyhow::Context as _;
use okgate_harness::gateway::{Gateway, Settings};
use okgate_harness::tab::{ConnectOptions, Tab};
use okgate_tests::TestResult;
use okgate_tests::raw::{
    BINARY, CLOSE, FINAL, PING, PONG, RawLink, TEXT, frame_bytes, request_head,
};
use serde_json::json;

const JSON: &str = "Sec-WebSocket-Protocol: json\r\n";

async fn gateway() -> anyhow::Result<Gateway> {
    Ok(Gateway::start(Settings::new().users(1)).await?)
}

// protocol 2.2-b and 6.1-b
#[tokio::test]
async fn versions_13_8_and_7_are_upgraded_and_speak() -> TestResult {
    let gateway = gateway().await?;
    for version in [13, 8, 7] {
        let options = ConnectOptions::subprotocol(Some("json")).version(version);
        let mut tab = Tab::connect_with(gateway.clients(), &options).await?;
        let pong = tab.request("ping", json!({"a": [1, {"b": "Ё"}]})).await?;
        assert_eq!(
            pong.field("a"),
            &json!([1, {"b": "Ё"}]),
            "version {version}"
        );
    }
    still_serves(&gateway).await
}

// protocol 2.2-c
#[tokio::test]
async fn other_versions_are_told_which_ones_are_spoken() -> TestResult {
    let gateway = gateway().await?;
    for version in ["0", "6", "14", "x"] {
        let mut link = RawLink::connect(gateway.clients()).await?;
        let answer = link.ask(&(request_head(version, JSON) + "\r\n")).await?;
        assert_eq!(answer.status, 426, "version {version}");
        assert_eq!(answer.header("sec-websocket-version"), Some("13, 8, 7"));
        link.ended().await?;
    }
    still_serves(&gateway).await
}

#[tokio::test]
async fn requests_that_are_no_handshake_get_an_answer_that_says_so() -> TestResult {
    let gateway = gateway().await?;
    let upgrade = |key: &str| {
        format!(
            "GET / HTTP/1.1\r\nHost: gate\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
    };
    let cases = [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nbad header\r\n\r\n".to_owned(), 400),
        (upgrade("short"), 400),
        (
            "GET / HTTP/1.1\r\nHost: gate\r\nUpgrade: websocket\r\n\r\n".to_owned(),
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: gate\r\n\r\n".to_owned(), 405),
        ("GET / HTTP/1.1\r\nHost: gate\r\n\r\n".to_owned(), 200),
        (
            "GET /nothing HTTP/1.1\r\nHost: gate\r\n\r\n".to_owned(),
            404,
        ),
    ];
    for (request, status) in cases {
        let mut link = RawLink::connect(gateway.clients()).await?;
        let answer = link.ask(&request).await.context(request.clone())?;
        assert_eq!(answer.status, status, "{request}");
        assert!(!answer.body.is_empty(), "{request}");
        link.ended().await.context(request)?;
    }
    still_serves(&gateway).await
}

// protocol 9-a
#[tokio::test]
async fn a_head_over_8_kib_is_refused_with_431() -> TestResult {
    let gateway = gateway().await?;
    let cookie = |length: usize| format!("{JSON}Cookie: {}\r\n\r\n", "c".repeat(length));
    let mut fits = RawLink::connect(gateway.clients()).await?;
    let answer = fits.ask(&request_head("13", &cookie(7_000))).await?;
    assert_eq!(answer.status, 101);
    let mut too_long = RawLink::connect(gateway.clients()).await?;
    let answer = too_long.ask(&request_head("13", &cookie(9_000))).await?;
    assert_eq!(answer.status, 431);
    // A head that never ends is refused as soon as it is too long.
    let mut endless = RawLink::connect(gateway.clients()).await?;
    let answer = endless
        .ask(&request_head(
            "13",
            &format!("Cookie: {}", "c".repeat(9_000)),
        ))
        .await?;
    assert_eq!(answer.status, 431);
    still_serves(&gateway).await
}

#[tokio::test]
async fn a_head_in_single_bytes_is_understood() -> TestResult {
    let gateway = gateway().await?;
    let mut link = RawLink::connect(gateway.clients()).await?;
    for byte in (request_head("13", JSON) + "\r\n").as_bytes() {
        link.send(&[*byte]).await?;
    }
    assert_eq!(link.answer().await?.status, 101);
    for byte in frame_bytes(FINAL | TEXT, Some([1, 2, 3, 4]), br#"["ping",{"qid":"1"}]"#) {
        link.send(&[byte]).await?;
    }
    assert_eq!(link.next_message().await?.name, "pong");
    still_serves(&gateway).await
}

// RFC 6455, 1.3: the accept key of the RFC's own example.
#[tokio::test]
async fn the_upgrade_and_the_first_messages_may_come_in_one_piece() -> TestResult {
    let gateway = gateway().await?;
    let mut link = RawLink::connect(gateway.clients()).await?;
    let mut bytes = (request_head("13", JSON) + "\r\n").into_bytes();
    for qid in 0..3 {
        let text = format!(r#"["ping",{{"qid":"{qid}"}}]"#);
        bytes.extend(frame_bytes(
            FINAL | TEXT,
            Some([9, 8, 7, 6]),
            text.as_bytes(),
        ));
    }
    link.send(&bytes).await?;
    let answer = link.answer().await?;
    assert_eq!(answer.status, 101);
    assert_eq!(
        answer.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    for qid in ["0", "1", "2"] {
        assert_eq!(link.next_message().await?.qid(), Some(qid));
    }
    still_serves(&gateway).await
}

// protocol 9-g and 2.2-a
#[tokio::test]
async fn only_pages_of_the_allowed_origins_may_connect() -> TestResult {
    let origins = vec!["https://crm.example".to_owned()];
    let settings = Settings::new().users(1).set("clients.origins", origins);
    let gateway = Gateway::start(settings).await?;
    let cases = [
        ("13", "Origin: https://crm.example\r\n", 101),
        ("13", "Origin: https://CRM.example\r\n", 101),
        ("13", "Origin: https://evil.example\r\n", 403),
        ("13", "Origin: https://crm.example.evil.example\r\n", 403),
        ("13", "", 403),
        ("8", "Sec-WebSocket-Origin: https://crm.example\r\n", 101),
        ("8", "Sec-WebSocket-Origin: https://evil.example\r\n", 403),
    ];
    for (version, origin, status) in cases {
        let mut link = RawLink::connect(gateway.clients()).await?;
        let answer = link
            .ask(&request_head(version, &format!("{JSON}{origin}\r\n")))
            .await?;
        assert_eq!(answer.status, status, "version {version}, {origin:?}");
    }
    assert!(gateway.admin().is_alive().await?);
    Ok(())
}

// protocol 2.2-d, 2.2-e and 2.2-f
#[tokio::test]
async fn the_subprotocol_is_chosen_by_the_word_in_it_and_echoed_as_offered() -> TestResult {
    let gateway = gateway().await?;
    let cases = [
        ("json", Some("json")),
        ("JSON", Some("JSON")),
        ("oktell-JSON.v1", Some("oktell-JSON.v1")),
        ("chat, oktell-json.v1, json", Some("oktell-json.v1")),
        ("chat", None),
    ];
    for (offered, echoed) in cases {
        let tab = Tab::connect(gateway.clients(), Some(offered)).await?;
        assert_eq!(tab.subprotocol(), echoed, "{offered}");
    }
    still_serves(&gateway).await
}

// protocol 2.2-g, 2.2-h and 3.4-a
#[tokio::test]
async fn a_link_without_a_format_is_refused_every_message_and_closed_after_ten() -> TestResult {
    let gateway = gateway().await?;
    for subprotocol in [None, Some("chat")] {
        let mut link = RawLink::upgraded(gateway.clients(), subprotocol).await?;
        for _ in 0..10 {
            link.message("ping", json!({"qid": "1"})).await?;
            let refusal = link.next_message().await?;
            assert_eq!(refusal.name, "error");
            assert_eq!(refusal.field("result"), &json!(0));
            assert!(refusal.field("error").is_u64() && refusal.text("errormsg").is_some());
        }
        assert_eq!(link.closed().await?.0, 1008);
    }
    still_serves(&gateway).await
}

// protocol 9-h
#[tokio::test]
async fn a_binary_frame_closes_with_1003() -> TestResult {
    let gateway = gateway().await?;
    assert_eq!(
        code_after(&gateway, &frame_bytes(FINAL | BINARY, Some([1; 4]), b"x")).await?,
        1003
    );
    still_serves(&gateway).await
}

// protocol 9-i
#[tokio::test]
async fn text_that_is_not_utf_8_closes_with_1007() -> TestResult {
    let gateway = gateway().await?;
    for payload in [
        &b"[\"ping\",{\"a\":\"\xFF\"}]"[..],
        b"\xC0\x80",
        b"\xED\xA0\x80",
        b"\xD0",
    ] {
        let frame = frame_bytes(FINAL | TEXT, Some([1, 2, 3, 4]), payload);
        assert_eq!(code_after(&gateway, &frame).await?, 1007, "{payload:?}");
    }
    still_serves(&gateway).await
}

// protocol 9-j
#[tokio::test]
async fn frames_against_the_protocol_close_with_1002() -> TestResult {
    let gateway = gateway().await?;
    let mask = Some([1, 2, 3, 4]);
    let cases = [
        (
            "unmasked",
            frame_bytes(FINAL | TEXT, None, b"[\"ping\",{}]"),
        ),
        (
            "a reserved bit",
            frame_bytes(FINAL | 0x40 | TEXT, mask, b"[\"ping\",{}]"),
        ),
        ("an unknown opcode", frame_bytes(FINAL | 3, mask, b"x")),
        (
            "an unknown control opcode",
            frame_bytes(FINAL | 0xB, mask, b"x"),
        ),
        ("a continuation of nothing", frame_bytes(FINAL, mask, b"x")),
        ("a fragmented ping", frame_bytes(PING, mask, b"x")),
        ("a long ping", frame_bytes(FINAL | PING, mask, &[b'x'; 126])),
        (
            "a close frame of one byte",
            frame_bytes(FINAL | CLOSE, mask, b"\x03"),
        ),
        (
            "a close code that no frame may carry",
            frame_bytes(FINAL | CLOSE, mask, &1005_u16.to_be_bytes()),
        ),
    ];
    for (what, frame) in cases {
        assert_eq!(
            code_after(&gateway, &frame).await.context(what)?,
            1002,
            "{what}"
        );
    }
    let mut two_texts = frame_bytes(TEXT, mask, b"[\"pi");
    two_texts.extend(frame_bytes(FINAL | TEXT, mask, b"ng\",{}]"));
    assert_eq!(code_after(&gateway, &two_texts).await?, 1002);
    still_serves(&gateway).await
}

// protocol 9-b and 9-k
#[tokio::test]
async fn what_is_over_a_mebibyte_closes_with_1009() -> TestResult {
    let gateway = gateway().await?;
    // The head alone decides: none of its bytes is waited for.
    let head = [
        FINAL | TEXT,
        0x80 | 127,
        0,
        0,
        0,
        0,
        0,
        0x10,
        0,
        1,
        1,
        2,
        3,
        4,
    ];
    assert_eq!(code_after(&gateway, &head).await?, 1009);
    let mut link = RawLink::upgraded(gateway.clients(), Some("json")).await?;
    let part = vec![b' '; 600 << 10];
    link.frame(TEXT, &part).await?;
    link.frame(FINAL, &part).await?;
    assert_eq!(link.closed().await?.0, 1009);
    still_serves(&gateway).await
}

#[tokio::test]
async fn a_message_of_nearly_a_mebibyte_is_answered() -> TestResult {
    let gateway = gateway().await?;
    let mut tab = gateway.tab().await?;
    let long = "ы".repeat((1 << 19) - 100);
    let pong = tab.request("ping", json!({"long": long})).await?;
    assert_eq!(pong.text("long"), Some(long.as_str()));
    still_serves(&gateway).await
}

#[tokio::test]
async fn fragments_cut_within_a_character_may_have_pings_between_them() -> TestResult {
    let gateway = gateway().await?;
    let mut link = RawLink::upgraded(gateway.clients(), Some("json")).await?;
    let text = r#"["ping",{"qid":"1","a":"Ё"}]"#.as_bytes();
    let cut = text
        .iter()
        .position(|byte| *byte == 0xD0)
        .context("a Cyrillic letter")?
        + 1;
    link.frame(TEXT, &text[..cut]).await?;
    link.frame(FINAL | PING, b"one").await?;
    assert_eq!(link.next_frame().await?, (PONG, b"one".to_vec()));
    link.frame(0, &text[cut..cut]).await?;
    link.frame(FINAL | PING, b"").await?;
    assert_eq!(link.next_frame().await?, (PONG, Vec::new()));
    link.frame(FINAL, &text[cut..]).await?;
    let pong = link.next_message().await?;
    assert_eq!((pong.name.as_str(), pong.text("a")), ("pong", Some("Ё")));
    still_serves(&gateway).await
}

#[tokio::test]
async fn a_close_is_answered_with_its_code_and_ends_the_connection() -> TestResult {
    let gateway = gateway().await?;
    for code in [1000_u16, 1001, 3999] {
        let mut link = RawLink::upgraded(gateway.clients(), Some("json")).await?;
        link.frame(FINAL | CLOSE, &code.to_be_bytes()).await?;
        let (opcode, payload) = link.next_frame().await?;
        assert_eq!((opcode, payload), (CLOSE, code.to_be_bytes().to_vec()));
        link.ended().await?;
    }
    let mut link = RawLink::upgraded(gateway.clients(), Some("json")).await?;
    link.frame(FINAL | CLOSE, b"").await?;
    assert_eq!(link.next_frame().await?.0, CLOSE);
    link.ended().await?;
    still_serves(&gateway).await
}

// protocol 3.4-a, 3.4-b and 3.4-c
#[tokio::test]
async fn what_is_no_message_is_answered_with_an_error_and_the_link_goes_on() -> TestResult {
    let gateway = gateway().await?;
    let mut link = RawLink::upgraded(gateway.clients(), Some("json")).await?;
    for text in [
        "",
        "no json",
        "{}",
        "[]",
        r#"["ping"]"#,
        "[1,{}]",
        r#"["ping",[]]"#,
        r#"["ping",{},1]"#,
    ] {
        link.frame(FINAL | TEXT, text.as_bytes()).await?;
        let error = link.next_message().await.context(text)?;
        assert_eq!(
            (error.name.as_str(), error.field("error")),
            ("error", &json!(400)),
            "{text}"
        );
    }
    // Answers are never answered: the next that comes belongs to the ping behind them.
    for name in ["error", "pong", "loginresult", "methodresult"] {
        link.message(name, json!({"qid": "1", "result": 0})).await?;
    }
    link.message("ping", json!({"qid": "2"})).await?;
    assert_eq!(link.next_message().await?.qid(), Some("2"));
    still_serves(&gateway).await
}

/// The gateway still serves others after what this test did to it.
async fn still_serves(gateway: &Gateway) -> TestResult {
    let mut tab = gateway.tab().await?;
    tab.settle().await?;
    assert!(gateway.admin().is_alive().await?);
    Ok(())
}

/// The close code after these bytes on a fresh link.
async fn code_after(gateway: &Gateway, bytes: &[u8]) -> anyhow::Result<u16> {
    let mut link = RawLink::upgraded(gateway.clients(), Some("json")).await?;
    link.send(bytes).await?;
    Ok(link.closed().await?.0)
}
