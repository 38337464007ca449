//! The ladders of groups and queues, and the lines of their callers.

use okgate_harness::gateway::Settings;
use okgate_tests::TestResult;
use serde_json::json;

use super::people::{OUTSIDE, anna_and_boris_talk, calls, entry, hangs_up, settings, story_with};

/// 201 rings Clara and David at once, 202 one after the other, 203 who was idle for longest.
fn with_groups() -> Settings {
    let users = "users = [\"clara\", \"david\"]";
    let all = entry(
        settings(),
        "groups",
        &format!("number = \"201\"\nname = \"Sales\"\n{users}\nline_max = 2"),
    );
    let one_by_one = format!(
        "number = \"202\"\nname = \"Help\"\nkind = \"queue\"\nrule = \"round_robin\"\n{users}"
    );
    let idle = format!("number = \"203\"\nrule = \"longest_idle\"\n{users}");
    entry(entry(all, "groups", &one_by_one), "groups", &idle)
}

// protocol 6.4-e, 6.5-o and 6.5-ag
#[tokio::test]
async fn a_group_rings_all_who_are_free_and_the_first_has_the_call() -> TestResult {
    let mut story = story_with(with_groups(), &["clara", "david"]).await?;
    let chain = story.calls(OUTSIDE, "201").await?;
    story.answers("david").await?;
    story.looks("david", "getchaincontent", json!({})).await?;
    story.caller_leaves(&chain).await?;
    // Who does not want to be disturbed is not free.
    story
        .acts(
            "clara",
            "does not want to be disturbed",
            "setuserstate",
            json!({"userstateid": 3}),
        )
        .await?;
    let chain = story.calls(OUTSIDE, "201").await?;
    story.caller_leaves(&chain).await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.4-f, 6.5-n and 6.5-af
#[tokio::test]
async fn callers_wait_in_line_and_the_first_is_served_first() -> TestResult {
    let mut story = story_with(with_groups(), &["clara", "david"]).await?;
    for login in ["clara", "david"] {
        let busy = json!({"userstateid": 3});
        story
            .acts(login, "does not want to be disturbed", "setuserstate", busy)
            .await?;
    }
    let first = story.calls("89270000001", "201").await?;
    let second = story.calls("89270000002", "201").await?;
    // The line holds two: the third finds it busy.
    story.calls("89270000003", "201").await?;
    story.looks("david", "getcurrentqueue", json!({})).await?;
    let ready = json!({"userstateid": 1});
    story
        .acts("david", "is ready", "setuserstate", ready.clone())
        .await?;
    story.answers("david").await?;
    story.looks("clara", "getcurrentqueue", json!({})).await?;
    story
        .acts("clara", "is ready", "setuserstate", ready)
        .await?;
    story.caller_leaves(&first).await?;
    story.caller_leaves(&second).await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.4-e and 6.4-f
#[tokio::test]
async fn one_after_the_other_rings_and_who_refuses_is_passed_over() -> TestResult {
    let mut story = story_with(with_groups(), &["clara", "david"]).await?;
    let chain = story.calls(OUTSIDE, "202").await?;
    story.caller_leaves(&chain).await?;
    let chain = story.calls(OUTSIDE, "202").await?;
    story
        .acts("david", "declines", "pbxdeclinecall", json!({}))
        .await?;
    story.answers("clara").await?;
    story.caller_leaves(&chain).await?;
    // Clara's call was the last one.
    let chain = story.calls(OUTSIDE, "203").await?;
    story.caller_leaves(&chain).await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.4-f
#[tokio::test]
async fn a_caller_who_waited_too_long_is_let_go() -> TestResult {
    let settings = entry(
        settings(),
        "groups",
        "number = \"204\"\nusers = [\"clara\"]\nwait_s = 1",
    );
    let mut story = story_with(settings, &["clara"]).await?;
    let busy = json!({"userstateid": 3});
    story
        .acts(
            "clara",
            "does not want to be disturbed",
            "setuserstate",
            busy,
        )
        .await?;
    story.calls(OUTSIDE, "204").await?;
    let mut clara = story.gateway().logged_in("clara").await?;
    let deadline = tokio::time::Instant::now() + okgate_harness::tab::DEADLINE;
    loop {
        let queue = clara.request_ok("getcurrentqueue", json!({})).await?;
        let calls = story.gateway().admin().calls().await?;
        if queue.field("queue") == &json!([]) && calls == json!([]) {
            break;
        }
        anyhow::ensure!(tokio::time::Instant::now() < deadline, "{calls}");
    }
    Ok(())
}

// protocol 6.4-h, 6.6-k and 6.6-m
#[tokio::test]
async fn whoever_calls_a_group_is_rung_first_all_the_same() -> TestResult {
    let mut story = story_with(with_groups(), &["anna", "clara", "david"]).await?;
    let fields = json!({"number": "202", "sequence": "abonent"});
    story
        .acts(
            "anna",
            "calls 202, the other first",
            "pbxautocallstart",
            fields,
        )
        .await?;
    story.answers("anna").await?;
    story.answers("clara").await?;
    hangs_up(&mut story, "anna").await?;
    calls(&mut story, "anna", "201").await?;
    story.answers("anna").await?;
    story.answers("david").await?;
    hangs_up(&mut story, "david").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.4-e, 6.6-ac, 6.6-u, 6.6-v and 6.6-ab
#[tokio::test]
async fn a_talk_is_passed_on_to_a_group_blind_and_after_a_consultation() -> TestResult {
    let mut story = story_with(with_groups(), &["anna", "boris", "clara", "david"]).await?;
    anna_and_boris_talk(&mut story).await?;
    let to = json!({"transferto": "202"});
    story
        .acts("anna", "transfers boris to 202", "pbxmaketransfer", to)
        .await?;
    story.answers("clara").await?;
    hangs_up(&mut story, "boris").await?;
    anna_and_boris_talk(&mut story).await?;
    calls(&mut story, "anna", "202").await?;
    story.answers("david").await?;
    hangs_up(&mut story, "anna").await?;
    hangs_up(&mut story, "david").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.4-f and 6.5-f
#[tokio::test]
async fn a_user_who_calls_a_group_of_which_nobody_is_free_waits_in_its_line() -> TestResult {
    let mut story = story_with(with_groups(), &["anna", "clara", "david"]).await?;
    for login in ["clara", "david"] {
        let busy = json!({"userstateid": 3});
        story
            .acts(login, "does not want to be disturbed", "setuserstate", busy)
            .await?;
    }
    calls(&mut story, "anna", "201").await?;
    story.answers("anna").await?;
    story.looks("clara", "getcurrentqueue", json!({})).await?;
    story
        .acts("anna", "gives up", "pbxautocallabort", json!({}))
        .await?;
    story.looks("clara", "getcurrentqueue", json!({})).await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}
