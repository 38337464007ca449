//! The ladders with a held party: consulting, swapping, returning, connecting.

use okgate_tests::TestResult;
use serde_json::json;

use super::people::{
    ANSWERING, BUSY, anna_and_boris_talk, calls, flash, hangs_up, outside_caller_talks_with, story,
};

// protocol 6.6-u, 6.6-v, 6.6-w, 6.6-x, 6.6-aa, 6.6-ak, 6.6-al, 6.5-j, 6.5-d, 6.5-m, 6.6-a and 6.6-b
#[tokio::test]
async fn a_colleague_is_consulted_and_both_are_swapped() -> TestResult {
    let mut story = story(&["anna", "boris", "clara"]).await?;
    anna_and_boris_talk(&mut story).await?;
    story
        .looks("anna", "getflashedabonentinfo", json!({}))
        .await?;
    calls(&mut story, "anna", "103").await?;
    story
        .looks("anna", "getflashedabonentinfo", json!({}))
        .await?;
    story.answers("clara").await?;
    flash(&mut story, "anna", "swaps", "switch").await?;
    flash(&mut story, "anna", "swaps back", "next").await?;
    flash(&mut story, "anna", "drops clara", "abort").await?;
    hangs_up(&mut story, "anna").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.6-ab, 6.5-h and 6.6-ak
#[tokio::test]
async fn whoever_consults_connects_the_two_and_leaves() -> TestResult {
    let mut story = story(&["anna", "clara"]).await?;
    outside_caller_talks_with(&mut story, "anna", "101").await?;
    calls(&mut story, "anna", "103").await?;
    story.answers("clara").await?;
    hangs_up(&mut story, "anna").await?;
    hangs_up(&mut story, "clara").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-h and 6.6-ab
#[tokio::test]
async fn the_two_are_connected_while_the_new_one_still_rings() -> TestResult {
    let mut story = story(&["anna", "boris", "clara"]).await?;
    anna_and_boris_talk(&mut story).await?;
    calls(&mut story, "anna", "103").await?;
    hangs_up(&mut story, "anna").await?;
    story.answers("clara").await?;
    hangs_up(&mut story, "boris").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-al, 6.6-y, 6.6-z, 6.5-i and 6.5-f
#[tokio::test]
async fn who_refuses_a_consultation_leaves_the_held_party_with_whoever_asked() -> TestResult {
    let mut story = story(&["anna", "boris", "clara"]).await?;
    anna_and_boris_talk(&mut story).await?;
    calls(&mut story, "anna", "103").await?;
    story
        .acts("clara", "declines", "pbxdeclinecall", json!({}))
        .await?;
    flash(&mut story, "anna", "takes boris back", "switch").await?;
    calls(&mut story, "anna", "103").await?;
    story
        .acts("anna", "stops the dialling", "pbxautocallabort", json!({}))
        .await?;
    flash(&mut story, "anna", "takes boris back", "abort").await?;
    calls(&mut story, "anna", BUSY).await?;
    flash(&mut story, "anna", "takes boris back", "switch").await?;
    hangs_up(&mut story, "boris").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-j and 6.6-aa
#[tokio::test]
async fn a_consultation_is_given_up_while_it_rings() -> TestResult {
    let mut story = story(&["anna", "boris", "clara"]).await?;
    anna_and_boris_talk(&mut story).await?;
    calls(&mut story, "anna", "103").await?;
    flash(&mut story, "anna", "returns to boris", "abort").await?;
    calls(&mut story, "anna", "103").await?;
    flash(&mut story, "anna", "returns to boris", "switch").await?;
    hangs_up(&mut story, "anna").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-al
#[tokio::test]
async fn the_held_and_the_consulted_leave_nobody_alone_with_a_dead_line() -> TestResult {
    let mut story = story(&["anna", "boris", "clara"]).await?;
    anna_and_boris_talk(&mut story).await?;
    calls(&mut story, "anna", "103").await?;
    story.answers("clara").await?;
    hangs_up(&mut story, "boris").await?;
    hangs_up(&mut story, "clara").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.6-u, 6.6-v and 6.5-q
#[tokio::test]
async fn a_number_outside_is_consulted_and_answers_by_itself() -> TestResult {
    let mut story = story(&["anna", "boris"]).await?;
    anna_and_boris_talk(&mut story).await?;
    story
        .acts_until(
            ("anna", "calls a number outside, which answers"),
            ("pbxautocallstart", json!({"number": ANSWERING})),
            ("anna", "phoneevent_commstarted"),
        )
        .await?;
    flash(&mut story, "anna", "drops it", "abort").await?;
    hangs_up(&mut story, "anna").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-aj, 6.5-j and 6.5-h
#[tokio::test]
async fn whoever_holds_and_talks_calls_no_third() -> TestResult {
    let mut story = story(&["anna", "boris", "clara", "david"]).await?;
    for (method, fields) in [
        ("pbxmakeflash", json!({"mode": "switch"})),
        ("pbxabortcall", json!({})),
        ("pbxanswercall", json!({})),
        ("pbxdeclinecall", json!({})),
        ("pbxautocallabort", json!({})),
        ("pbxmaketransfer", json!({"transferto": "104"})),
    ] {
        story.refused("anna", method, fields, 409).await?;
    }
    anna_and_boris_talk(&mut story).await?;
    let abort = json!({"mode": "abort"});
    story.refused("anna", "pbxmakeflash", abort, 409).await?;
    calls(&mut story, "anna", "103").await?;
    story.answers("clara").await?;
    let third = json!({"number": "104"});
    for login in ["anna", "boris"] {
        story
            .refused(login, "pbxautocallstart", third.clone(), 409)
            .await?;
    }
    let busy = json!({"number": "103"});
    story
        .refused("david", "pbxautocallstart", busy_first(&busy), 409)
        .await?;
    hangs_up(&mut story, "anna").await?;
    hangs_up(&mut story, "boris").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

/// Where the other party is rung first, it must be free at once.
fn busy_first(fields: &serde_json::Value) -> serde_json::Value {
    json!({"number": fields["number"], "sequence": "abonent"})
}
