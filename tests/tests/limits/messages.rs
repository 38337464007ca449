//! Limits on what a link sends.

use okgate_harness::gateway::{DEFAULT_PASSWORD, Settings};
use okgate_harness::tab::login_fields;
use okgate_tests::TestResult;
use okgate_tests::raw::{BINARY, FINAL, RawLink, TEXT, frame_bytes};
use serde_json::json;

use crate::Stage;

// protocol 9-b and 9-k
#[tokio::test]
async fn a_frame_over_its_bytes_is_closed_with_1009() -> TestResult {
    let mut stage = Stage::with("clients.frame_bytes_max", 512).await?;
    let mut link = stage.link().await?;
    link.frame(FINAL | TEXT, &[b' '; 513]).await?;
    assert_eq!(link.closed().await?.0, 1009);
    let setting = "clients.frame_bytes_max";
    stage.met("frame_too_big", 1, setting, None).await
}

// protocol 9-b and 9-k
#[tokio::test]
async fn a_message_over_its_bytes_is_closed_with_1009() -> TestResult {
    let mut stage = Stage::with("clients.message_bytes_max", 512).await?;
    let mut link = stage.link().await?;
    link.frame(TEXT, &[b' '; 512]).await?;
    link.frame(FINAL, b" ").await?;
    assert_eq!(link.closed().await?.0, 1009);
    let setting = "clients.message_bytes_max";
    stage.met("message_too_big", 1, setting, None).await
}

// protocol 9-h, 9-i and 9-j
#[tokio::test]
async fn frames_against_the_rules_are_counted_each_by_its_own_reason() -> TestResult {
    let mut stage = Stage::start(Settings::new()).await?;
    let cases = [
        (
            "binary",
            1003,
            frame_bytes(FINAL | BINARY, Some([1; 4]), b"x"),
        ),
        (
            "not_utf8",
            1007,
            frame_bytes(FINAL | TEXT, Some([1; 4]), b"\xFF"),
        ),
        ("protocol", 1002, frame_bytes(FINAL | TEXT, None, b"x")),
    ];
    for (reason, code, frame) in cases {
        let mut link = stage.link().await?;
        link.send(&frame).await?;
        assert_eq!(link.closed().await?.0, code, "{reason}");
        stage.broken(reason).await?;
    }
    Ok(())
}

// protocol 9-c and 9-r
#[tokio::test]
async fn messages_that_come_too_fast_are_answered_429_and_logged_once() -> TestResult {
    let settings = Settings::new()
        .set("clients.messages_per_s", 1)
        .set("clients.messages_burst", 8)
        .set("clients.messages_refused_max", 0);
    let mut stage = Stage::start(settings).await?;
    let mut tab = stage.gateway.logged_in("user1").await?;
    let mut qids = Vec::new();
    for _ in 0..100 {
        qids.push(tab.send_request("getuserstate", json!({})).await?);
    }
    let mut refused = 0;
    for qid in &qids {
        let answer = tab.answer_to("getuserstate", qid).await?;
        refused += u64::from(answer.field("error") == &json!(429));
    }
    assert!(refused > 50, "{refused} of 100");
    let setting = "clients.messages_per_s";
    stage
        .met("throttled", refused, setting, Some("user1"))
        .await
}

// protocol 9-c
#[tokio::test]
async fn a_tab_that_goes_on_too_fast_is_closed_with_1008() -> TestResult {
    let settings = Settings::new()
        .set("clients.messages_per_s", 1)
        .set("clients.messages_burst", 8)
        .set("clients.messages_refused_max", 2);
    let mut stage = Stage::start(settings).await?;
    let tab = stage.gateway.logged_in("user1").await?;
    let mut flood = stage.link().await?;
    let pings = frame_bytes(FINAL | TEXT, Some([1; 4]), br#"["ping",{"qid":"1"}]"#).repeat(20);
    flood.send(&pings).await?;
    assert_eq!(flood.closed().await?.0, 1008);
    stage
        .met("too_fast", 1, "clients.messages_refused_max", None)
        .await?;
    stage.counted("throttled", 2).await?;
    drop(tab);
    Ok(())
}

// protocol 9-c
#[tokio::test]
async fn what_waits_for_a_login_is_bounded() -> TestResult {
    let mut stage = Stage::with("clients.login_held_bytes_max", 1024).await?;
    let mut link = stage.link().await?;
    let mut login = login_fields("user1", DEFAULT_PASSWORD);
    login["qid"] = json!("login");
    let login = json!(["login", login]).to_string();
    let padding = "x".repeat(600);
    let held = |qid: &str| json!(["getuserstate", {"qid": qid, "padding": padding}]).to_string();
    // In one piece, so that the login is not decided in between.
    let texts = [login, held("fits"), held("too much")];
    let mask = Some([1, 2, 3, 4]);
    let frames = texts.map(|text| frame_bytes(FINAL | TEXT, mask, text.as_bytes()));
    link.send(&frames.concat()).await?;
    let refused = link.next_message().await?;
    assert_eq!(
        (refused.qid(), refused.field("error")),
        (Some("too much"), &json!(429))
    );
    assert_eq!(link.next_message().await?.qid(), Some("login"));
    let served = link.next_message().await?;
    assert_eq!(
        (served.qid(), served.field("result")),
        (Some("fits"), &json!(1))
    );
    let setting = "clients.login_held_bytes_max";
    stage.met("held_too_much", 1, setting, None).await
}

// protocol 9-d
#[tokio::test]
async fn a_link_without_a_login_is_refused_other_messages_with_401() -> TestResult {
    let mut stage = Stage::start(Settings::new()).await?;
    let mut link = stage.link().await?;
    link.message("getuserstate", json!({"qid": "1"})).await?;
    assert_eq!(link.next_message().await?.field("error"), &json!(401));
    stage.broken("not_logged_in").await
}

// protocol 2.2-h
#[tokio::test]
async fn a_link_without_a_format_is_closed_with_its_last_refusal() -> TestResult {
    let mut stage = Stage::with("clients.formatless_messages_max", 1).await?;
    let mut link = RawLink::upgraded(stage.gateway.clients(), None).await?;
    link.message("ping", json!({"qid": "1"})).await?;
    assert_eq!(link.next_message().await?.name, "error");
    assert_eq!(link.closed().await?.0, 1008);
    let setting = "clients.formatless_messages_max";
    stage.met("formatless", 1, setting, None).await
}
