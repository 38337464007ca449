//! The limit on what the CRM sends on the server link.

use okgate_harness::crm::{CrmOptions, CrmRecord, CrmSeen, SimulatedCrm};
use okgate_harness::gateway::Settings;
use okgate_tests::TestResult;

use crate::{DEADLINE, Stage, until};

// protocol 9-b and 9-k
#[tokio::test]
async fn a_message_of_the_crm_over_its_bytes_is_closed_with_1009() -> TestResult {
    let crm = SimulatedCrm::start(CrmOptions::on_loopback()).await?;
    let settings = Settings::new()
        .crm_ws_out(crm.address())
        .set("crm.message_bytes_max", 4096);
    let mut stage = Stage::start(settings).await?;
    let admin = stage.gateway.admin();
    let ready = async || Ok(admin.status().await?["crm"]["state"] == "ready");
    until("the CRM's link", ready).await?;
    let mut records = crm.received_from_now();
    crm.send_text(&format!(
        "[\"error\",{{\"text\":\"{}\"}}]",
        "x".repeat(5000)
    ))
    .await?;
    let down =
        |record: &CrmRecord| matches!(&record.what, CrmSeen::LinkDown(how) if how.contains("1009"));
    let seen = records.find(DEADLINE, down).await;
    assert!(seen.is_ok(), "{seen:?}");
    let metrics = admin.metrics().await?;
    let count = metrics.sum("okgate_crm_refused_total", &["reason=\"too_big\""]);
    assert_eq!(count, Some(1.0));
    let named = "longer than crm.message_bytes_max";
    until("the log", async || Ok(stage.gateway.log().contains(named))).await?;
    stage.serves().await?;
    until("the CRM's link", ready).await
}
