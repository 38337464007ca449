//! Limits per address, with and without trusted proxies. The healthy tab comes from 127.0.0.1, the others from its
//! neighbours in 127.0.0.0/8.

use std::net::IpAddr;

use okgate_harness::gateway::Settings;
use okgate_tests::TestResult;
use okgate_tests::raw::{Answer, RawLink};
use serde_json::json;

use crate::{Stage, request, until};

const PROXY: [u8; 4] = [127, 0, 0, 7];

/// A connection from this address.
async fn from(stage: &Stage, source: impl Into<IpAddr>) -> anyhow::Result<RawLink> {
    RawLink::connect_from(source.into(), stage.gateway.clients()).await
}

/// A handshake from this address with these further header lines; the link lives on with its answer.
async fn ask(stage: &Stage, source: [u8; 4], more: &str) -> anyhow::Result<(RawLink, Answer)> {
    let mut link = from(stage, source).await?;
    let answer = link.ask(&request(more)).await?;
    Ok((link, answer))
}

/// A handshake that the proxy passes on for this client.
async fn proxied(stage: &Stage, client: &str) -> anyhow::Result<(RawLink, Answer)> {
    ask(stage, PROXY, &format!("X-Forwarded-For: {client}\r\n")).await
}

fn proxy(settings: Settings) -> Settings {
    settings.set("clients.trusted_proxies", vec!["127.0.0.7", "127.0.0.8/29"])
}

// protocol 9-m and 9-q
#[tokio::test]
async fn a_connection_over_those_of_its_address_is_answered_503() -> TestResult {
    let mut stage = Stage::with("clients.connections_per_address", 2).await?;
    let mine = [127, 0, 0, 2];
    let (_first, answer) = ask(&stage, mine, "").await?;
    assert_eq!(answer.status, 101);
    // One that says nothing is counted too, as soon as its shard has taken it.
    let silent = from(&stage, mine).await?;
    let both = json!({"address": "127.0.0.2", "links": 2});
    let admin = stage.gateway.admin();
    until("both connections", async || {
        Ok(admin.status().await?["addresses"][0] == both)
    })
    .await?;
    for _ in 0..3 {
        let mut link = from(&stage, mine).await?;
        let answer = link.answer().await?;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, Some("10"))
        );
        link.ended().await?;
    }
    let (_other, answer) = ask(&stage, [127, 0, 0, 3], "").await?;
    assert_eq!(answer.status, 101);
    let setting = "clients.connections_per_address";
    stage.met("links_of_address", 3, setting, None).await?;
    drop(silent);
    until("a free place", async || {
        Ok(ask(&stage, mine, "").await?.1.status == 101)
    })
    .await?;
    stage.serves().await
}

// protocol 9-n and 9-q
#[tokio::test]
async fn a_connection_over_the_rate_of_its_address_is_answered_429() -> TestResult {
    let settings = Settings::new()
        .set("clients.handshakes_per_address_per_s", 1)
        .set("clients.handshakes_per_address_burst", 2);
    let mut stage = Stage::start(settings).await?;
    let mine = [127, 0, 0, 2];
    for _ in 0..2 {
        let (_gone, answer) = ask(&stage, mine, "").await?;
        assert_eq!(answer.status, 101);
    }
    let mut link = from(&stage, mine).await?;
    let answer = link.answer().await?;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (429, Some("1"))
    );
    link.ended().await?;
    let (_other, answer) = ask(&stage, [127, 0, 0, 3], "").await?;
    assert_eq!(answer.status, 101);
    let setting = "clients.handshakes_per_address_per_s";
    stage.met("handshakes_of_address", 1, setting, None).await?;
    let addresses = stage.gateway.admin().metrics().await?;
    assert_eq!(addresses.sum("okgate_addresses", &[]), Some(3.0));
    Ok(())
}

// protocol 9-o and 9-q
#[tokio::test]
async fn behind_a_trusted_proxy_the_limits_go_by_the_browsers_address() -> TestResult {
    let settings = Settings::new().set("clients.connections_per_address", 1);
    let mut stage = Stage::start(proxy(settings)).await?;
    let (kept, answer) = proxied(&stage, "192.0.2.1").await?;
    assert_eq!(answer.status, 101);
    // What the browser wrote itself stands first and says nothing; a second proxy of ours stands last.
    let (mut second, answer) = proxied(&stage, "198.51.100.1, 192.0.2.1, 127.0.0.9").await?;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("10"))
    );
    second.ended().await?;
    let (_other, answer) = proxied(&stage, "192.0.2.2").await?;
    assert_eq!(answer.status, 101);
    stage.counted("links_of_address", 1).await?;
    let line = stage.logged("links_of_address").await?;
    assert_eq!(line["address"], "192.0.2.1", "{line}");
    assert_eq!(line["setting"], "clients.connections_per_address", "{line}");
    let status = stage.gateway.admin().status().await?;
    let addresses = status["addresses"].to_string();
    assert!(
        addresses.contains("192.0.2.1") && !addresses.contains("127.0.0.7"),
        "{addresses}"
    );
    drop(kept);
    until("a free place", async || {
        Ok(proxied(&stage, "192.0.2.1").await?.1.status == 101)
    })
    .await?;
    stage.serves().await
}

// protocol 9-n and 9-o
#[tokio::test]
async fn behind_a_trusted_proxy_the_rate_goes_by_the_browsers_address() -> TestResult {
    let settings = Settings::new()
        .set("clients.handshakes_per_address_per_s", 1)
        .set("clients.handshakes_per_address_burst", 1);
    let mut stage = Stage::start(proxy(settings)).await?;
    assert_eq!(proxied(&stage, "192.0.2.1").await?.1.status, 101);
    assert_eq!(proxied(&stage, "192.0.2.2").await?.1.status, 101);
    assert_eq!(proxied(&stage, "192.0.2.1").await?.1.status, 429);
    stage.counted("handshakes_of_address", 1).await?;
    stage.serves().await
}

// protocol 9-o
#[tokio::test]
async fn an_untrusted_peer_cannot_name_another_address() -> TestResult {
    let settings = Settings::new().set("clients.connections_per_address", 1);
    let mut stage = Stage::start(proxy(settings)).await?;
    let spoofing = [127, 0, 0, 2];
    let (_first, answer) = ask(&stage, spoofing, "X-Forwarded-For: nonsense\r\n").await?;
    assert_eq!(answer.status, 101);
    let mut second = from(&stage, spoofing).await?;
    assert_eq!(second.answer().await?.status, 503);
    stage
        .met(
            "links_of_address",
            1,
            "clients.connections_per_address",
            None,
        )
        .await?;
    let line = stage.logged("links_of_address").await?;
    assert_eq!(line["address"], "127.0.0.2", "{line}");
    Ok(())
}

// protocol 9-o
#[tokio::test]
async fn a_trusted_proxy_that_writes_no_address_is_answered_400() -> TestResult {
    let mut stage = Stage::start(proxy(Settings::new())).await?;
    for wrong in ["nonsense", "192.0.2.1,", "for=192.0.2.1"] {
        let (mut link, answer) = proxied(&stage, wrong).await?;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.body.contains("X-Forwarded-For"), "{}", answer.body);
        link.ended().await?;
    }
    stage
        .met("forwarded", 3, "clients.trusted_proxies", None)
        .await
}

// protocol 9-o
#[tokio::test]
async fn the_header_that_is_set_is_read_and_no_other() -> TestResult {
    let settings = Settings::new()
        .set("clients.connections_per_address", 1)
        .set("clients.forwarded_header", "forwarded");
    let mut stage = Stage::start(proxy(settings)).await?;
    let client = "Forwarded: for=\"[2001:db8::1]:80\";proto=https\r\n";
    let (_kept, answer) = ask(&stage, PROXY, client).await?;
    assert_eq!(answer.status, 101);
    let neighbour = "X-Forwarded-For: 198.51.100.1\r\nForwarded: for=\"[2001:db8::2]\"\r\n";
    let (_gone, answer) = ask(&stage, PROXY, neighbour).await?;
    assert_eq!(answer.status, 503, "the same /64 network");
    stage.counted("links_of_address", 1).await?;
    let line = stage.logged("links_of_address").await?;
    assert_eq!(line["address"], "2001:db8::2", "{line}");
    stage.serves().await
}
