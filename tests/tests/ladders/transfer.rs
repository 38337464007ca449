//! The ladders of transfers, and what a chain and the journal say of them afterwards.

use okgate_harness::gateway::user_id;
use okgate_tests::TestResult;
use serde_json::json;

use super::people::{
    SILENT, anna_and_boris_talk, calls, hangs_up, outside_caller_talks_with, story,
};

// protocol 6.6-ac, 6.5-k, 6.6-ak, 6.5-o, 6.5-ag, 6.5-p and 6.5-ah
#[tokio::test]
async fn a_talk_is_passed_on_blind() -> TestResult {
    let mut story = story(&["anna", "clara"]).await?;
    outside_caller_talks_with(&mut story, "anna", "101").await?;
    story
        .acts(
            "anna",
            "transfers to 103",
            "pbxmaketransfer",
            json!({"transferto": "103"}),
        )
        .await?;
    story.answers("clara").await?;
    story.looks("clara", "getchaincontent", json!({})).await?;
    story
        .refused("anna", "getchaincontent", json!({}), 404)
        .await?;
    hangs_up(&mut story, "clara").await?;
    for login in ["anna", "clara"] {
        story.looks(login, "getpbxcalljournal", json!({})).await?;
    }
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.6-ad, 6.5-k and 6.5-q
#[tokio::test]
async fn the_current_party_is_passed_on_and_the_held_one_taken_back() -> TestResult {
    let mut story = story(&["anna", "boris", "clara", "david"]).await?;
    anna_and_boris_talk(&mut story).await?;
    calls(&mut story, "anna", "103").await?;
    story.answers("clara").await?;
    story
        .acts(
            "anna",
            "transfers clara to david",
            "pbxmaketransfer",
            json!({"transferto": user_id(4)}),
        )
        .await?;
    story.answers("david").await?;
    hangs_up(&mut story, "david").await?;
    hangs_up(&mut story, "boris").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-ai and 6.5-l
#[tokio::test]
async fn a_ringing_call_is_passed_on_before_it_is_answered() -> TestResult {
    let mut story = story(&["anna", "clara"]).await?;
    let chain = story.calls("89274513158", "101").await?;
    story
        .acts(
            "anna",
            "transfers to 103 by the old name",
            "pbxtransfercall",
            json!({"transferto": "103"}),
        )
        .await?;
    story.answers("clara").await?;
    story.caller_leaves(&chain).await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-k and 6.5-h
#[tokio::test]
async fn a_transfer_to_nobody_hangs_up() -> TestResult {
    let mut story = story(&["anna", "boris"]).await?;
    for method in ["pbxmaketransfer", "pbxtransfercall"] {
        anna_and_boris_talk(&mut story).await?;
        story
            .acts(
                "anna",
                "transfers to nobody",
                method,
                json!({"transferto": ""}),
            )
            .await?;
    }
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.6-ac
#[tokio::test]
async fn a_colleague_is_passed_on_to_a_number_outside_that_stays_silent() -> TestResult {
    let mut story = story(&["anna", "boris"]).await?;
    anna_and_boris_talk(&mut story).await?;
    story
        .acts(
            "anna",
            "transfers boris outside",
            "pbxmaketransfer",
            json!({"transferto": SILENT}),
        )
        .await?;
    hangs_up(&mut story, "boris").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-aj and 6.5-q
#[tokio::test]
async fn a_call_is_not_passed_on_to_who_cannot_take_it() -> TestResult {
    let mut story = story(&["anna", "clara"]).await?;
    let other = story.calls("89270000000", "103").await?;
    outside_caller_talks_with(&mut story, "anna", "101").await?;
    for (to, number) in [("103", 409), ("101", 409), ("\u{1}", 422)] {
        story
            .refused("anna", "pbxmaketransfer", json!({"transferto": to}), number)
            .await?;
    }
    story.caller_leaves(&other).await?;
    hangs_up(&mut story, "anna").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-q and 6.5-e
#[tokio::test]
async fn a_party_is_named_by_its_number_its_users_id_or_its_numbers_id() -> TestResult {
    let mut story = story(&["anna", "boris"]).await?;
    let mut tab = story.gateway().logged_in("anna").await?;
    let numbers = tab.request_ok("getpbxnumbers", json!({})).await?;
    let list = numbers.field("numbers").as_array().cloned();
    let list = list.unwrap_or_default();
    let boris = list.iter().find(|entry| entry["number"] == "102");
    let id = boris.map(|entry| entry["id"].clone()).unwrap_or_default();
    for (words, name) in [
        ("calls a number", json!("102")),
        ("calls a user's id", json!(user_id(2))),
        ("calls a number's id", id),
    ] {
        story
            .acts("anna", words, "pbxautocallstart", json!({"number": name}))
            .await?;
        story
            .acts("anna", "stops", "pbxautocallabort", json!({}))
            .await?;
    }
    let own = json!({"number": "101"});
    story.refused("anna", "pbxautocallstart", own, 422).await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}
