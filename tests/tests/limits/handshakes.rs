//! Limits that a connection meets before it is a link.

use okgate_harness::gateway::Settings;
use okgate_tests::TestResult;
use okgate_tests::raw::{RawLink, request_head};

use crate::{Stage, request, until};

// protocol 9-p and 9-q
#[tokio::test]
async fn a_connection_over_those_of_the_process_is_answered_503() -> TestResult {
    let mut stage = Stage::with("clients.connections_max", 3).await?;
    // Whichever shards the system gives them to, they are counted together.
    let kept = [stage.link().await?, stage.link().await?];
    for _ in 0..4 {
        let mut link = RawLink::connect(stage.gateway.clients()).await?;
        let answer = link.answer().await?;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, Some("10"))
        );
        link.ended().await?;
    }
    stage
        .met("links_max", 4, "clients.connections_max", None)
        .await?;
    let [freed, _kept] = kept;
    drop(freed);
    until("a free place", async || Ok(stage.link().await.is_ok())).await?;
    stage.serves().await
}

// protocol 9-a
#[tokio::test]
async fn a_head_over_its_bytes_is_answered_431() -> TestResult {
    let mut stage = Stage::with("clients.handshake_bytes_max", 512).await?;
    let mut link = RawLink::connect(stage.gateway.clients()).await?;
    let cookie = format!("Cookie: {}\r\n", "c".repeat(500));
    assert_eq!(link.ask(&request(&cookie)).await?.status, 431);
    let setting = "clients.handshake_bytes_max";
    stage.met("head_too_big", 1, setting, None).await
}

// protocol 9-a
#[tokio::test]
async fn a_handshake_over_its_time_is_cut_off() -> TestResult {
    let mut stage = Stage::with("clients.handshake_s", 1).await?;
    let mut silent = RawLink::connect(stage.gateway.clients()).await?;
    let mut slow = RawLink::connect(stage.gateway.clients()).await?;
    slow.send(b"GET / HTTP/1.1\r\nHost:").await?;
    silent.ended().await?;
    slow.ended().await?;
    let setting = "clients.handshake_s";
    stage.met("handshake_timeout", 2, setting, None).await
}

// protocol 9-g
#[tokio::test]
async fn a_page_of_another_origin_is_answered_403() -> TestResult {
    let origin = "https://crm.example".to_owned();
    let settings = Settings::new().set("clients.origins", vec![origin.clone()]);
    // The healthy tab names no origin, as no program does.
    let settings = settings.users(3).set("gateway.log_format", "json");
    let gateway = okgate_harness::gateway::Gateway::start(settings).await?;
    let options = okgate_harness::tab::ConnectOptions::subprotocol(Some("json"));
    let options = options.header("Origin", &origin);
    let healthy = okgate_harness::tab::Tab::connect_with(gateway.clients(), &options).await?;
    let mut stage = Stage { gateway, healthy };
    let mut link = RawLink::connect(stage.gateway.clients()).await?;
    let answer = link
        .ask(&request("Origin: https://evil.example\r\n"))
        .await?;
    assert_eq!(answer.status, 403);
    stage.met("origin", 1, "clients.origins", None).await
}

// protocol 9-r and 2.2-c
#[tokio::test]
async fn requests_that_are_no_handshake_are_counted_and_logged() -> TestResult {
    let mut stage = Stage::start(Settings::new()).await?;
    let mut link = RawLink::connect(stage.gateway.clients()).await?;
    let answer = link.ask("POST / HTTP/1.1\r\nHost: gate\r\n\r\n").await?;
    assert_eq!(answer.status, 405);
    stage.broken("handshake").await?;
    let mut link = RawLink::connect(stage.gateway.clients()).await?;
    let answer = link.ask(&(request_head("14", "") + "\r\n")).await?;
    assert_eq!(answer.status, 426);
    stage.broken("version").await
}
