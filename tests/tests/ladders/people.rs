//! Who is in the stories: four users with their numbers, groups, voice menus and numbers outside.

use okgate_harness::gateway::{Gateway, Settings, User};
use okgate_tests::TestResult;
use okgate_tests::story::Story;
use serde_json::json;
use toml::Table;

pub(crate) const OUTSIDE: &str = "89274513158";
/// An outside number that answers after the time of the settings.
pub(crate) const ANSWERING: &str = "84957654321";
pub(crate) const SILENT: &str = "89031112233";
pub(crate) const BUSY: &str = "555";

/// Anna (101) supervises Boris (102); Clara is 103, David 104.
pub(crate) fn settings() -> Settings {
    Settings::new()
        .user(User::new("anna").name("Анна").supervises(&["boris"]))
        .user(User::new("boris").name("Boris"))
        .user(User::new("clara").name("Clara"))
        .user(User::new("david").name("David"))
        .set("pbx.sim.answer_after_ms", 200)
        .set("pbx.sim.no_answer_numbers", vec![SILENT.to_owned()])
        .set("pbx.sim.busy_numbers", vec![BUSY.to_owned()])
        .set("clients.messages_per_s", 0)
        .set("clients.messages_burst", 0)
}

/// Adds an entry to a list of the settings, as the settings file writes it.
pub(crate) fn entry(settings: Settings, list: &str, text: &str) -> Settings {
    settings.push(list, text.parse::<Table>().expect("TOML"))
}

pub(crate) async fn story(logins: &[&str]) -> anyhow::Result<Story> {
    story_with(settings(), logins).await
}

pub(crate) async fn story_with(settings: Settings, logins: &[&str]) -> anyhow::Result<Story> {
    Story::open(Gateway::start(settings).await?, logins).await
}

/// Anna calls Boris, and they talk.
pub(crate) async fn anna_and_boris_talk(story: &mut Story) -> TestResult {
    calls(story, "anna", "102").await?;
    story.answers("anna").await?;
    story.answers("boris").await
}

/// An outside caller talks with this user; gives the chain.
pub(crate) async fn outside_caller_talks_with(
    story: &mut Story,
    login: &str,
    number: &str,
) -> anyhow::Result<String> {
    let chain = story.calls(OUTSIDE, number).await?;
    story.answers(login).await?;
    Ok(chain)
}

/// A user calls a number, the own phone first.
pub(crate) async fn calls(story: &mut Story, login: &str, number: &str) -> TestResult {
    let fields = json!({"number": number, "sequence": "user"});
    let words = format!("calls {number}");
    story
        .acts(login, &words, "pbxautocallstart", fields)
        .await?;
    Ok(())
}

/// A user holds, takes back, swaps or drops.
pub(crate) async fn flash(story: &mut Story, login: &str, words: &str, mode: &str) -> TestResult {
    story
        .acts(login, words, "pbxmakeflash", json!({"mode": mode}))
        .await?;
    Ok(())
}

pub(crate) async fn hangs_up(story: &mut Story, login: &str) -> TestResult {
    story
        .acts(login, "hangs up", "pbxabortcall", json!({}))
        .await?;
    Ok(())
}
