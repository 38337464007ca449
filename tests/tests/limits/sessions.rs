//! Limits on users, tabs and sessions.

use anyhow::Context as _;
use okgate_harness::gateway::DEFAULT_PASSWORD;
use okgate_harness::tab::{Tab, login_fields};
use okgate_tests::TestResult;
use serde_json::json;

use crate::{Stage, until};

/// The error of a login that is refused.
async fn refused_login(stage: &Stage, login: &str) -> anyhow::Result<(Tab, i64)> {
    let mut tab = stage.gateway.tab().await?;
    let answer = tab
        .request("login", login_fields(login, DEFAULT_PASSWORD))
        .await?;
    let error = answer.field("error").as_i64().context("a refusal")?;
    Ok((tab, error))
}

// protocol 6.1-s
#[tokio::test]
async fn a_user_over_the_maximum_is_answered_50025() -> TestResult {
    let mut stage = Stage::with("clients.users_max", 1).await?;
    let (mut tab, error) = refused_login(&stage, "user1").await?;
    assert_eq!(error, 50025);
    stage
        .met("users_max", 1, "clients.users_max", Some("user1"))
        .await?;
    // The link is as good as before, and the user who is in may have more tabs.
    tab.login("user3", DEFAULT_PASSWORD).await?;
    Ok(())
}

// protocol 9-e and 6.1-s
#[tokio::test]
async fn a_tab_over_those_of_its_user_is_answered_50025() -> TestResult {
    let mut stage = Stage::with("clients.tabs_per_user", 1).await?;
    let _first = stage.gateway.logged_in("user1").await?;
    let (mut tab, error) = refused_login(&stage, "user1").await?;
    assert_eq!(error, 50025);
    let setting = "clients.tabs_per_user";
    stage.met("tabs_of_user", 1, setting, Some("user1")).await?;
    tab.login("user2", DEFAULT_PASSWORD).await?;
    Ok(())
}

// protocol 6.1-t
#[tokio::test]
async fn of_more_sessions_without_a_tab_than_kept_the_oldest_is_forgotten() -> TestResult {
    let mut stage = Stage::with("clients.idle_sessions_per_user", 1).await?;
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let mut tab = stage.gateway.tab().await?;
        let answer = tab.login("user1", DEFAULT_PASSWORD).await?;
        sessions.push(answer.text("sessionid").context("a session")?.to_owned());
        tab.close(1000).await?;
    }
    stage.counted("idle_sessions", 1).await?;
    let line = stage.logged("idle_sessions").await?;
    assert_eq!(line["setting"], "clients.idle_sessions_per_user", "{line}");
    assert_eq!(line["user"], "user1", "{line}");
    let mut tab = stage.gateway.tab().await?;
    let by_session = |session: &str| json!({"userlogin": "user1", "sessionid": session});
    let refused = tab.request("login", by_session(&sessions[0])).await?;
    assert_eq!(
        refused.text("errormsg"),
        Some("Bad request. Session does not exist")
    );
    tab.request_ok("login", by_session(&sessions[1])).await?;
    stage.serves().await
}

// protocol 6.1-t
#[tokio::test]
async fn a_session_lives_no_longer_than_allowed() -> TestResult {
    let mut stage = Stage::with("clients.session_life_max_s", 60).await?;
    let mut tab = stage.gateway.tab().await?;
    let mut login = login_fields("user1", DEFAULT_PASSWORD);
    login["expires"] = json!(61);
    tab.request_ok("login", login).await?;
    let setting = "clients.session_life_max_s";
    stage.met("session_life", 1, setting, Some("user1")).await
}

// protocol 9-e
#[tokio::test]
async fn a_place_of_a_user_is_free_again_when_a_tab_is_gone() -> TestResult {
    let mut stage = Stage::with("clients.tabs_per_user", 1).await?;
    let first = stage.gateway.logged_in("user1").await?;
    first.close(1000).await?;
    let gateway = &stage.gateway;
    until("a free place", async || {
        Ok(gateway.logged_in("user1").await.is_ok())
    })
    .await?;
    stage.serves().await
}
