//! What users say and ask beside calls, over real sockets: custom events, texts, notifications, group chats, procedures,
//! uploads, photos, passwords; and what hostile peers make of them.
#![forbid(unsafe_code)]

mod chats;
mod files;
mod passwords;
mod procedures;
mod talk;

use std::collections::BTreeSet;

use anyhow::Context as _;
use okgate_harness::gateway::{Gateway, Settings, User};
use okgate_harness::tab::Tab;
use okgate_harness::{Error, Message};
use okgate_tests::TestResult;
use serde_json::Value;

/// Anna, Boris and Vera, whose ids are 1, 2 and 3.
fn settings() -> Settings {
    Settings::new()
        .user(User::new("anna").name("Анна"))
        .user(User::new("boris").name("Борис"))
        .user(User::new("vera").name("Вера"))
}

/// A tab that is logged in and subscribed to these.
async fn tab(gateway: &Gateway, login: &str, events: &[&str]) -> anyhow::Result<Tab> {
    let mut tab = gateway.logged_in(login).await?;
    tab.subscribe(events).await?;
    Ok(tab)
}

/// The error number of a request that must fail.
async fn refusal(tab: &mut Tab, method: &str, request: Value) -> anyhow::Result<i64> {
    match tab.request_ok(method, request).await {
        Err(Error::Failed { error, .. }) => Ok(error),
        other => anyhow::bail!("{method} was not refused: {other:?}"),
    }
}

/// The names of all events so far, after everything that was sent has come.
async fn events(tab: &mut Tab) -> anyhow::Result<Vec<Message>> {
    tab.settle().await?;
    Ok(tab.events_so_far())
}

/// The keys of a message beside `qid`.
fn keys(message: &Message) -> BTreeSet<&str> {
    let keys = message.fields.keys().map(String::as_str);
    keys.filter(|key| *key != "qid").collect()
}

/// A time as these messages write it.
fn is_stamp(value: &Value) -> bool {
    let shape: String = value
        .as_str()
        .unwrap_or_default()
        .chars()
        .map(|letter| if letter.is_ascii_digit() { '9' } else { letter })
        .collect();
    shape == "99.99.9999 99:99:99"
}

/// How often a limit was met, as the metrics say once they say it.
async fn is_counted(gateway: &Gateway, reason: &str) -> TestResult {
    let label = format!("reason=\"{reason}\"");
    let deadline = tokio::time::Instant::now() + okgate_harness::tab::DEADLINE;
    loop {
        let metrics = gateway.admin().metrics().await?;
        let count = metrics.sum("okgate_refusals_total", &[&label]);
        if count.with_context(|| format!("no metric {reason}"))? > 0.0 {
            return Ok(());
        }
        anyhow::ensure!(
            tokio::time::Instant::now() < deadline,
            "{reason} was not counted"
        );
    }
}
