//! Limits on time, slow readers, and the end.

use okgate_harness::gateway::Settings;
use okgate_tests::TestResult;
use okgate_tests::raw::{CLOSE, PING, RawLink};
use serde_json::json;

use crate::{Stage, until};

// protocol 9-d
#[tokio::test]
async fn a_tab_without_a_login_is_closed_with_1008() -> TestResult {
    let mut stage = Stage::with("clients.unauthenticated_s", 1).await?;
    let mut link = stage.link().await?;
    assert_eq!(link.closed().await?.0, 1008);
    let setting = "clients.unauthenticated_s";
    stage.met("unauthenticated", 1, setting, None).await
}

// protocol 2.2-h
#[tokio::test]
async fn a_link_without_a_format_is_closed_with_1008_after_its_time() -> TestResult {
    let mut stage = Stage::with("clients.formatless_s", 1).await?;
    let mut link = RawLink::upgraded(stage.gateway.clients(), None).await?;
    assert_eq!(link.closed().await?.0, 1008);
    let setting = "clients.formatless_s";
    stage.met("formatless_timeout", 1, setting, None).await
}

// protocol 3.5
#[tokio::test]
async fn a_silent_link_is_asked_closed_and_cut_off() -> TestResult {
    let settings = Settings::new()
        .set("clients.silence_ping_s", 1)
        .set("clients.silence_close_s", 2)
        .set("clients.closing_s", 1);
    let mut stage = Stage::start(settings).await?;
    let mut link = stage.link().await?;
    assert_eq!(link.next_frame().await?.0, PING);
    let (opcode, payload) = link.next_frame().await?;
    assert_eq!(
        (opcode, &payload[..2]),
        (CLOSE, &1001_u16.to_be_bytes()[..])
    );
    // It does not answer the close frame either.
    link.ended().await?;
    stage
        .met("silence", 1, "clients.silence_close_s", None)
        .await?;
    stage
        .met("close_timeout", 1, "clients.closing_s", None)
        .await
}

// protocol 9-f
#[tokio::test]
async fn a_tab_that_does_not_read_is_closed_with_1013() -> TestResult {
    let settings = Settings::new()
        .set("clients.queue_bytes_max", 4096)
        .set("clients.messages_per_s", 0);
    let mut stage = Stage::start(settings).await?;
    let mut link = stage.link().await?;
    let padding = "x".repeat(8 << 10);
    // First the sockets' own buffers fill up, whose size is the system's business.
    for sent in 0..20_000 {
        link.message("ping", json!({"qid": "1", "padding": padding}))
            .await?;
        if sent % 100 == 0 {
            stage.serves().await?;
            if stage.count("slow").await? > 0 {
                break;
            }
        }
    }
    assert_eq!(link.closed().await?.0, 1013);
    stage.met("slow", 1, "clients.queue_bytes_max", None).await
}

// protocol 9-l
#[tokio::test]
async fn going_down_is_counted_for_each_link_that_is_closed() -> TestResult {
    // Each core spreads the closes of its own links over the time.
    let settings = Settings::new()
        .set("gateway.drain_s", 4)
        .set("gateway.cores", 1);
    let stage = Stage::start(settings).await?;
    let first = stage.gateway.tab().await?;
    let Stage { gateway, healthy } = stage;
    let admin = gateway.admin();
    let stopping = tokio::spawn(gateway.stop());
    // Which of the two goes first is the gateway's choice; the other follows about two seconds later.
    let code = tokio::select! {
        seen = first.closed() => seen?.code,
        seen = healthy.closed() => seen?.code,
    };
    assert_eq!(code, Some(1001));
    until("the first close to be counted", async || {
        let metrics = admin.metrics().await?;
        let count = metrics.sum("okgate_refusals_total", &["reason=\"going_down\""]);
        Ok(count == Some(1.0))
    })
    .await?;
    assert_eq!(first.closed().await?.code, Some(1001));
    assert_eq!(healthy.closed().await?.code, Some(1001));
    Ok(stopping.await??)
}
