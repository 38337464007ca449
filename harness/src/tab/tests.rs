use std::time::Duration;

use serde_json::json;

use super::*;
use crate::crm::{CrmHandle, CrmOptions, CrmSeen, SimulatedCrm};

async fn crm() -> CrmHandle {
    let options = CrmOptions::on_loopback()
        .caller("89274513158", "Иван Петров")
        .active_user("ann", "7");
    SimulatedCrm::start(options).await.unwrap()
}

async fn tab(crm: &CrmHandle) -> Tab {
    Tab::connect(crm.address(), Some("json")).await.unwrap()
}

#[tokio::test]
async fn a_ping_is_answered_with_all_its_fields() {
    let crm = crm().await;
    let mut tab = tab(&crm).await;
    assert_eq!(tab.subprotocol(), Some("json"));
    let pong = tab
        .request("ping", json!({"userlogin": "ann"}))
        .await
        .unwrap();
    assert_eq!(pong.text("userlogin"), Some("ann"));
}

#[tokio::test]
async fn the_crm_introduces_itself_and_lists_its_active_users() {
    let crm = crm().await;
    let mut tab = tab(&crm).await;
    let introduction = tab
        .request("whoareyou", json!({"type": "commserver"}))
        .await
        .unwrap();
    assert_eq!(introduction.text("type"), Some("ws-server"));
    let users = tab.request("getactiveusers", json!({})).await.unwrap();
    assert_eq!(users.field("users")[0]["userlogin"], json!("ann"));
}

#[tokio::test]
async fn a_long_catalogue_comes_in_packets_and_is_put_together() {
    let crm = crm().await;
    let mut tab = tab(&crm).await;
    let methods = tab.request("getavailablemethods", json!({})).await.unwrap();
    assert!(methods.to_text().len() > 2048);
    assert_eq!(methods.field("methods")[0]["key"], json!("callername"));
}

#[tokio::test]
async fn the_callers_name_comes_from_the_map() {
    let crm = crm().await;
    let mut tab = tab(&crm).await;
    let run = json!({
        "methodkey": "callername",
        "executionid": "e1",
        "inputparameters": {"callerid": "89274513158"},
    });
    let result = tab.request_ok("executemethod", run).await.unwrap();
    assert_eq!(
        result.field("outputparameters")["name"],
        json!("Иван Петров")
    );
    assert_eq!(result.text("executionid"), Some("e1"));
}

#[tokio::test]
async fn a_failing_method_is_an_error_with_its_text() {
    let crm = crm().await;
    let mut tab = tab(&crm).await;
    let run = json!({"methodkey": "fail", "executionid": "e1", "inputparameters": {}});
    let error = tab.request_ok("executemethod", run).await.unwrap_err();
    assert!(error.to_string().contains("on purpose"), "{error}");
}

#[tokio::test]
async fn what_the_crm_sends_unasked_is_an_event_and_is_recorded_on_both_sides() {
    let crm = crm().await;
    let mut tab = tab(&crm).await;
    tab.settle().await.unwrap();
    crm.send(Message::new("customevent", json!({"qid": "x"})))
        .await
        .unwrap();
    assert_eq!(tab.event("customevent").await.unwrap().qid(), Some("x"));
    assert_eq!(tab.events().next().await.unwrap().1.name, "customevent");
    let kinds: Vec<bool> = crm
        .records()
        .iter()
        .map(|record| matches!(record.what, CrmSeen::Sent(_)))
        .collect();
    assert_eq!(kinds, [false, false, true, true]);
}

#[tokio::test]
async fn a_second_answer_to_one_request_is_seen_as_unasked() {
    let crm = crm().await;
    let mut tab = tab(&crm).await;
    tab.request("ping", json!({"qid": "1"})).await.unwrap();
    crm.send_text(r#"["pong",{"qid":"1"}]"#).await.unwrap();
    tab.settle().await.unwrap();
    let unasked = tab
        .received()
        .find(Duration::ZERO, |incoming| {
            matches!(incoming.what, Seen::Unasked(_))
        })
        .await;
    assert!(unasked.is_ok());
}

#[tokio::test]
async fn a_missed_deadline_names_what_was_awaited_and_what_came() {
    let crm = crm().await;
    let mut tab = tab(&crm).await;
    tab.settle().await.unwrap();
    crm.send(Message::new("customevent", json!({})))
        .await
        .unwrap();
    tab.set_deadline(Duration::from_millis(50));
    let error = tab.event("userstatechanged").await.unwrap_err().to_string();
    assert!(
        error.contains("userstatechanged") && error.contains("customevent"),
        "{error}"
    );
}

#[tokio::test]
async fn a_close_code_is_seen() {
    let crm = crm().await;
    let mut tab = tab(&crm).await;
    tab.settle().await.unwrap();
    crm.close_link(1012).await.unwrap();
    assert_eq!(tab.closed().await.unwrap().code, Some(1012));
    let error = tab.event("any").await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
}

#[tokio::test]
async fn a_stopped_crm_frees_its_address_and_ends_its_links() {
    let crm = crm().await;
    let tab = tab(&crm).await;
    let address = crm.address();
    crm.stop().await;
    assert_eq!(tab.closed().await.unwrap().code, None);
    SimulatedCrm::start(CrmOptions::new(address)).await.unwrap();
}

#[tokio::test]
async fn a_cancelled_slow_run_is_never_answered() {
    let mut options = CrmOptions::on_loopback();
    options.method_delay = Duration::from_millis(50);
    let crm = SimulatedCrm::start(options).await.unwrap();
    let mut tab = tab(&crm).await;
    let run = |id: &str| json!({"methodkey": "slow", "executionid": id, "inputparameters": {}});
    let cancelled = tab.send_request("executemethod", run("a")).await.unwrap();
    tab.send(&Message::new("cancelmethod", json!({"executionid": "a"})))
        .await
        .unwrap();
    tab.request_ok("executemethod", run("b")).await.unwrap();
    tab.set_deadline(Duration::ZERO);
    assert!(tab.answer_to("executemethod", &cancelled).await.is_err());
}

#[tokio::test]
async fn a_crm_that_introduces_itself_first_asks_who_is_there() {
    let mut options = CrmOptions::on_loopback();
    options.introduce = Introduce::First;
    let crm = SimulatedCrm::start(options).await.unwrap();
    let mut tab = tab(&crm).await;
    let question = tab.event("whoareyou").await.unwrap();
    let qid = question.qid().unwrap();
    tab.send(&Message::new(
        "iam",
        json!({"qid": qid, "type": "commserver"}),
    ))
    .await
    .unwrap();
    assert_eq!(
        tab.event("getpbxnumbers").await.unwrap().text("userlogin"),
        Some("")
    );
}

use crate::crm::Introduce;
