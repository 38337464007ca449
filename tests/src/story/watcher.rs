//! Owns one tab that watches a user's line for a story: it reads the line at once upon every event, and says what it saw
//! whenever it is asked.

use okgate_harness::Message;
use okgate_harness::tab::Tab;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};

/// Asks a watcher what it saw.
pub(super) type Watcher = mpsc::UnboundedSender<Question>;
/// Where the answer goes.
pub(super) type Question = oneshot::Sender<anyhow::Result<Seen>>;

/// What a watcher saw since it was asked last.
#[derive(Debug)]
pub(super) struct Seen {
    /// Events, and the line that was read upon each.
    pub(super) sights: Vec<(Message, Value)>,
    pub(super) state: Message,
    pub(super) line: Value,
}

/// Asks for the line at once upon every event, and says what was seen whenever it is asked.
pub(super) async fn watch(mut tab: Tab, mut asked: mpsc::UnboundedReceiver<Question>) {
    let mut sights = Vec::new();
    let mut taken = 0;
    loop {
        tokio::select! {
            event = tab.next_event() => {
                let Ok(event) = event else { return };
                let Ok(line) = tab.request_ok("getextendedlineinfo", json!({})).await else { return };
                sights.push((event, without_clock(&line)));
                taken += 1;
            }
            sender = asked.recv() => {
                let Some(sender) = sender else { return };
                let seen = see(&mut tab, &mut taken, std::mem::take(&mut sights)).await;
                // The story may have failed meanwhile.
                let _gone = sender.send(seen);
            }
        }
    }
}

/// Whatever has happened by now has come before an answer of the hub.
async fn see(
    tab: &mut Tab,
    taken: &mut usize,
    mut sights: Vec<(Message, Value)>,
) -> anyhow::Result<Seen> {
    let state = tab.request_ok("getuserstate", json!({})).await?;
    while *taken < tab.events_so_far().len() {
        let event = tab.next_event().await?;
        let line = tab.request_ok("getextendedlineinfo", json!({})).await?;
        sights.push((event, without_clock(&line)));
        *taken += 1;
    }
    let line = tab.request_ok("getextendedlineinfo", json!({})).await?;
    Ok(Seen {
        sights,
        state,
        line: without_clock(&line),
    })
}

pub(super) fn without_clock(line: &Message) -> Value {
    Value::Object(without(&line.fields, &["qid", "result", "timertalklensec"]))
}

pub(super) fn without(fields: &Map<String, Value>, keys: &[&str]) -> Map<String, Value> {
    let kept = fields
        .iter()
        .filter(|(key, _)| !keys.contains(&key.as_str()));
    kept.map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
