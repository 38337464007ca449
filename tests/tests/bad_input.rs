//! What a gateway answers to everything that peers may do wrong (protocol 3.4, 9): each kind gets what the rules say, and nobody
//! else notices.

use okgate_harness::gateway::{Gateway, Settings};
use okgate_harness::hostile::{self, Case};
use okgate_tests::TestResult;
use tokio::task::JoinSet;

#[tokio::test]
async fn each_kind_of_bad_input_gets_what_the_rules_say() -> TestResult {
    let settings = Settings::new().users(2).set("clients.handshake_s", 1);
    let gateway = Gateway::start(settings).await?;
    let mut healthy = gateway.logged_in("user2").await?;
    let mut meetings = JoinSet::new();
    for case in hostile::all() {
        let address = gateway.clients();
        meetings.spawn(async move { (hostile::meet(address, &case).await, case) });
    }
    let mut wrong = Vec::new();
    while let Some(met) = meetings.join_next().await {
        let (got, Case { name, expected, .. }) = met?;
        let got = got.unwrap_or_else(|error| error.to_string());
        if got != expected {
            wrong.push(format!("{name}: {got}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    healthy.settle().await?;
    assert!(gateway.admin().is_alive().await?);
    Ok(())
}
