//! The ladders of voice menus.

use okgate_harness::gateway::Settings;
use okgate_tests::TestResult;
use serde_json::json;

use super::people::{OUTSIDE, anna_and_boris_talk, calls, entry, hangs_up, settings, story_with};

/// 301 keeps its callers, 302 passes them on to Boris.
fn with_menus() -> Settings {
    let stays = entry(
        settings(),
        "voice_menus",
        "number = \"301\"\nname = \"News\"",
    );
    entry(
        stays,
        "voice_menus",
        "number = \"302\"\nname = \"Welcome\"\nthen = \"102\"\nthen_after_ms = 300",
    )
}

// protocol 6.6-t, 6.4-g and 7-i
#[tokio::test]
async fn a_user_is_in_a_voice_menu_and_leaves_it() -> TestResult {
    let mut story = story_with(with_menus(), &["anna"]).await?;
    calls(&mut story, "anna", "301").await?;
    // The own phone is answered, and right after it the menu answers.
    let answered = json!({});
    story
        .acts_until(
            ("anna", "answers, and so does the menu"),
            ("pbxanswercall", answered),
            ("anna", "phoneevent_ivrstarted"),
        )
        .await?;
    hangs_up(&mut story, "anna").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.4-g, 6.4-h, 6.6-t and 7-i
#[tokio::test]
async fn a_voice_menu_passes_its_caller_on() -> TestResult {
    let mut story = story_with(with_menus(), &["anna", "boris"]).await?;
    calls(&mut story, "anna", "302").await?;
    story
        .acts_until(
            ("anna", "answers, and the menu passes her on"),
            ("pbxanswercall", json!({})),
            ("boris", "phoneevent_ringstarted"),
        )
        .await?;
    story.answers("boris").await?;
    hangs_up(&mut story, "anna").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.4-g
#[tokio::test]
async fn an_outside_caller_comes_through_a_voice_menu() -> TestResult {
    let mut story = story_with(with_menus(), &["boris"]).await?;
    let chain = story
        .calls_until(OUTSIDE, "302", "boris", "phoneevent_ringstarted")
        .await?;
    story.answers("boris").await?;
    story.caller_leaves(&chain).await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}

// protocol 6.4-g, 6.6-t and 6.6-ac
#[tokio::test]
async fn a_talk_is_passed_on_to_a_voice_menu() -> TestResult {
    let mut story = story_with(with_menus(), &["anna", "boris"]).await?;
    anna_and_boris_talk(&mut story).await?;
    let to = json!({"transferto": "301"});
    story
        .acts_until(
            ("anna", "transfers boris to 301"),
            ("pbxmaketransfer", to),
            ("boris", "phoneevent_ivrstarted"),
        )
        .await?;
    hangs_up(&mut story, "boris").await?;
    insta::assert_snapshot!(story.end().await?);
    Ok(())
}
