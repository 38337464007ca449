//! The ladders of supervision: the supervisor's own, and the talk that sees nothing of it.

use anyhow::Context as _;
use okgate_tests::TestResult;
use serde_json::json;

use super::people::{flash, hangs_up, outside_caller_talks_with, settings, story, story_with};
use okgate_harness::gateway::{Settings, User};

// protocol 6.6-ai, 6.5-ac, 6.5-ad, 6.5-ae, 6.5-w, 6.5-x and 6.5-z
#[tokio::test]
async fn a_supervisor_listens_and_the_talking_see_nothing() -> TestResult {
    let mut story = story(&["anna", "boris"]).await?;
    outside_caller_talks_with(&mut story, "boris", "102").await?;
    let whom = json!({"ghostedid": "102"});
    let answer = story
        .acts("anna", "listens to boris", "attachasghost", whom)
        .await?;
    let room = answer.field("conferenceid").clone();
    story.answers("anna").await?;
    let list = story
        .looks("anna", "getconferenceinfo", json!({"conferenceid": room}))
        .await?;
    story
        .looks("anna", "getconferencecompetitors", json!({}))
        .await?;
    let boris = (list.field("competitors").as_array())
        .and_then(|list| list.iter().find(|it| it["isghostmajor"] == true))
        .context("the supervised")?["competitorid"]
        .clone();
    for mode in ["help", "conference", "monitor"] {
        let fields = json!({"conferenceid": room, "ghostmode": mode});
        story.acts("anna", mode, "confsetghostmode", fields).await?;
    }
    for help in [true, false] {
        let fields = json!({
            "conferenceid": room, "competitor": {"competitorid": boris, "ghosthelp": help},
        });
        let words = format!("helps: {help}");
        story
            .acts("anna", &words, "confsetvoiceparams", fields)
            .await?;
    }
    story
        .acts("anna", "leaves", "exitconference", json!({}))
        .await?;
    hangs_up(&mut story, "boris").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.5-ap
#[tokio::test]
async fn a_supervision_rests_while_the_talk_is_on_hold_and_ends_with_it() -> TestResult {
    let mut story = story(&["anna", "boris"]).await?;
    let chain = outside_caller_talks_with(&mut story, "boris", "102").await?;
    let whom = json!({"ghostedid": "boris"});
    story
        .acts("anna", "listens to boris", "attachasghost", whom)
        .await?;
    story.answers("anna").await?;
    flash(&mut story, "boris", "holds", "switch").await?;
    flash(&mut story, "boris", "takes back", "switch").await?;
    story.caller_leaves(&chain).await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

/// As in the other stories, but David supervises Boris, too.
fn two_supervisors() -> Settings {
    settings().user(User::new("elena").supervises(&["boris", "david"]))
}

// protocol 6.5-ac and 6.5-ap
#[tokio::test]
async fn who_has_no_right_or_no_talk_to_supervise_is_told_so() -> TestResult {
    let mut story = story_with(two_supervisors(), &["anna", "boris", "david", "elena"]).await?;
    let ghost = "attachasghost";
    let boris = json!({"ghostedid": "boris"});
    // In no talk.
    story.refused("anna", ghost, boris.clone(), 409).await?;
    let chain = outside_caller_talks_with(&mut story, "boris", "102").await?;
    for (login, whom) in [
        ("david", "boris"),
        ("anna", "david"),
        ("anna", "89274513158"),
    ] {
        let fields = json!({"ghostedid": whom});
        story.refused(login, ghost, fields, 52710).await?;
    }
    story
        .acts("anna", "listens to boris", ghost, boris.clone())
        .await?;
    // Supervised already; and her own line is in a call.
    story.refused("elena", ghost, boris.clone(), 409).await?;
    story.refused("anna", ghost, boris, 409).await?;
    let help = json!({"ghostmode": "help"});
    story
        .refused("boris", "confsetghostmode", help, 404)
        .await?;
    story.caller_leaves(&chain).await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}
