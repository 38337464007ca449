//! Owns tabs that watch one user's line while a call climbs a ladder (protocol 6.6), and judges what they saw.
//!
//! A script of steps comes in: the events of each step in order and the row that the line shows from then on. Each watcher
//! asks for the line at once on every event. What comes out is a verdict: every watcher saw the script's events in its
//! order with all their fields, and every line was the row of its event's step or a later one that could be there by then.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use okgate_harness::Message;
use okgate_harness::gateway::Gateway;
use okgate_harness::tab::Tab;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

/// How long the watchers may take for what is under way.
const DEADLINE: Duration = Duration::from_secs(10);
/// Tabs that watch; more are opened until every shard has some of them.
const WATCHERS: usize = 8;
/// How many tabs may be opened for that.
const WATCHERS_MAX: usize = 19;
/// How often the metrics are asked for: HTTP has no way to be told.
const POLL: Duration = Duration::from_millis(20);

/// One step of a ladder. Texts that begin with `$` stand for ids: the same name is the same id.
#[derive(Debug, Clone)]
pub struct Step {
    /// Names and fields, without `qid` and user.
    pub events: Vec<(&'static str, Value)>,
    /// The line, without the clock.
    pub row: Value,
}

/// How a test goes from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Only when every watcher has read the line for every event: each line is exactly its step's row.
    Patient,
    /// As soon as one tab has seen the step: lines may be later rows.
    Hasty,
}

/// A user's watchers and the script that they must see.
#[derive(Debug)]
pub struct Ladder {
    steps: Vec<Step>,
    pace: Pace,
    number: String,
    /// Does what the user does; it subscribes nothing.
    actor: Tab,
    watchers: Vec<Watcher>,
    /// The last step that may have happened by now.
    allowed: Arc<AtomicUsize>,
    ids: HashMap<String, String>,
}

#[derive(Debug)]
struct Watcher {
    progress: watch::Receiver<Progress>,
    task: JoinHandle<anyhow::Result<Vec<Sight>>>,
}

/// How many events a watcher has seen, and for how many it has read the line.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    seen: usize,
    read: usize,
}

/// An event, and the line that was read upon it.
#[derive(Debug)]
struct Sight {
    event: Message,
    line: Value,
    /// The last step that could have happened when the line came.
    latest: usize,
}

impl Ladder {
    /// Opens the watchers of this user, whose main number is `number`.
    pub async fn open(
        gateway: &Gateway,
        login: &str,
        number: &str,
        pace: Pace,
        steps: Vec<Step>,
    ) -> anyhow::Result<Self> {
        let actor = gateway.logged_in(login).await?;
        let mut tabs = Vec::new();
        let before = subscriptions(gateway).await?;
        while tabs.len() < WATCHERS || !is_on_all_shards(gateway, &before, tabs.len()).await? {
            ensure!(
                tabs.len() < WATCHERS_MAX,
                "all of {WATCHERS_MAX} tabs came to one shard"
            );
            tabs.push(watching_tab(gateway, login).await?);
        }
        let allowed = Arc::new(AtomicUsize::new(0));
        let events = steps.iter().map(|step| step.events.len()).sum();
        let watchers = tabs.into_iter().map(|tab| {
            let (sender, progress) = watch::channel(Progress::default());
            let task = tokio::spawn(watch_line(tab, events, sender, Arc::clone(&allowed)));
            Watcher { progress, task }
        });
        Ok(Self {
            watchers: watchers.collect(),
            steps,
            pace,
            number: number.to_owned(),
            actor,
            allowed,
            ids: HashMap::new(),
        })
    }

    /// What happens next may lead to this step, counted from 1.
    pub fn allow(&self, step: usize) {
        self.allowed.store(step, Ordering::SeqCst);
    }

    /// The user does something that may lead to this step.
    pub async fn act(&mut self, step: usize, method: &str, fields: Value) -> anyhow::Result<()> {
        self.allow(step);
        self.actor.request_ok(method, fields).await?;
        Ok(())
    }

    /// An id that the script names is this one.
    pub fn bind(&mut self, name: &str, id: &str) {
        self.ids.insert(name.to_owned(), id.to_owned());
    }

    /// The chain of the user's call.
    pub async fn chain(&mut self) -> anyhow::Result<String> {
        let line = self
            .actor
            .request_ok("getextendedlineinfo", json!({}))
            .await?;
        Ok(line.text("chainid").context("a chain")?.to_owned())
    }

    /// Waits until the step has been seen, as the pace says.
    pub async fn reached(&mut self, step: usize) -> anyhow::Result<()> {
        let events: usize = self.steps[..step]
            .iter()
            .map(|step| step.events.len())
            .sum();
        let pace = self.pace;
        let watched = match pace {
            Pace::Patient => &mut self.watchers[..],
            Pace::Hasty => &mut self.watchers[..1],
        };
        let mut is_ended = false;
        for watcher in watched {
            let is_there = |progress: &Progress| match pace {
                Pace::Patient => progress.read >= events,
                Pace::Hasty => progress.seen >= events,
            };
            let waiting = watcher.progress.wait_for(is_there);
            let waited = tokio::time::timeout(DEADLINE, waiting)
                .await
                .map(|seen| seen.is_ok());
            is_ended |= waited == Ok(false);
            let progress = *watcher.progress.borrow();
            ensure!(
                waited.is_ok(),
                "step {step} was not seen by all: {progress:?} of {events} events"
            );
        }
        if is_ended {
            // The watcher's own error says more.
            return self.judge().await.context("a watcher ended early");
        }
        if pace == Pace::Patient {
            self.check_states(step).await?;
        }
        Ok(())
    }

    /// Waits for the last event and judges everything.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        self.judge().await?;
        self.check_states(self.steps.len()).await
    }

    // protocol 6.6-f: user and number state are 5 from the first ring until the last leg has ended.
    async fn check_states(&mut self, step: usize) -> anyhow::Result<()> {
        let is_idle = self.steps[step - 1].row["chainid"] == ZERO;
        let wanted = json!(if is_idle { 1 } else { 5 });
        let state = self.actor.request_ok("getuserstate", json!({})).await?;
        ensure!(
            state.field("userstateid") == &wanted,
            "step {step}: {}",
            state.to_text()
        );
        let numbers = self.actor.request_ok("getpbxnumbers", json!({})).await?;
        let entries = numbers.field("numbers").as_array().context("numbers")?;
        let entry = entries
            .iter()
            .find(|entry| entry["number"] == self.number.as_str());
        let entry = entry.context("the user's number")?;
        ensure!(entry["state"] == wanted, "step {step}: {entry}");
        Ok(())
    }

    async fn judge(&mut self) -> anyhow::Result<()> {
        let mut first: Option<Vec<Message>> = None;
        for watcher in self.watchers.drain(..) {
            let sights = watcher.task.await??;
            judge_sights(&self.steps, &sights, &mut self.ids)?;
            let story: Vec<Message> = sights.into_iter().map(|sight| sight.event).collect();
            match &first {
                // protocol 6.6-d: the very same events, down to their qid.
                Some(first) => ensure!(*first == story, "two tabs saw different events"),
                None => first = Some(story),
            }
        }
        Ok(())
    }
}

/// GUID zero.
pub const ZERO: &str = "00000000-0000-0000-0000-000000000000";

async fn watching_tab(gateway: &Gateway, login: &str) -> anyhow::Result<Tab> {
    let mut tab = gateway.logged_in(login).await?;
    tab.request_ok("getextendedlineinfo", json!({})).await?;
    let events = [
        "phoneevent",
        "userstatechanged",
        "linestatechanged",
        "flashstatechanged",
    ];
    tab.subscribe(&events).await?;
    Ok(tab)
}

/// How many subscriptions each shard has served: every watcher makes one.
pub(crate) async fn subscriptions(gateway: &Gateway) -> anyhow::Result<Vec<f64>> {
    let metrics = gateway.admin().metrics().await?;
    let shards = (0..).map_while(|shard| {
        let labels = [&*format!("shard=\"{shard}\""), "method=\"subscribeevent\""];
        metrics.sum("okgate_messages_total", &labels)
    });
    Ok(shards.collect())
}

/// Whether each shard has some of these new tabs. The metrics follow the shards in their own time.
pub(crate) async fn is_on_all_shards(
    gateway: &Gateway,
    before: &[f64],
    tabs: usize,
) -> anyhow::Result<bool> {
    let tabs = f64::from(u32::try_from(tabs)?);
    let deadline = Instant::now() + DEADLINE;
    let mut ticks = interval(POLL);
    loop {
        let now = subscriptions(gateway).await?;
        let new: Vec<f64> = now
            .iter()
            .zip(before)
            .map(|(now, before)| now - before)
            .collect();
        if new.iter().sum::<f64>() >= tabs {
            return Ok(new.iter().all(|new| *new > 0.0));
        }
        ensure!(
            Instant::now() < deadline,
            "the metrics show {new:?} of {tabs} subscriptions"
        );
        ticks.tick().await;
    }
}

/// Sees so many events, and asks for the line at once upon each.
async fn watch_line(
    mut tab: Tab,
    events: usize,
    progress: watch::Sender<Progress>,
    allowed: Arc<AtomicUsize>,
) -> anyhow::Result<Vec<Sight>> {
    let mut sights = Vec::new();
    while sights.len() < events {
        let event = tab.next_event().await?;
        progress.send_modify(|progress| progress.seen += 1);
        let line = tab.request_ok("getextendedlineinfo", json!({})).await?;
        sights.push(Sight {
            event,
            line: without_clock(line),
            latest: allowed.load(Ordering::SeqCst),
        });
        progress.send_modify(|progress| progress.read += 1);
    }
    // Whatever is too much has come before an answer of the hub.
    tab.request_ok("getuserstate", json!({})).await?;
    let all = tab.events_so_far();
    ensure!(
        all.len() == events,
        "more events than the script has: {:?}",
        &all[events..]
    );
    Ok(sights)
}

fn without_clock(line: Message) -> Value {
    let mut fields = line.fields;
    for key in ["qid", "result", "timertalklensec"] {
        fields.remove(key);
    }
    Value::Object(fields)
}

fn judge_sights(
    steps: &[Step],
    sights: &[Sight],
    ids: &mut HashMap<String, String>,
) -> anyhow::Result<()> {
    let mut sights = sights.iter();
    for (index, step) in steps.iter().enumerate() {
        for (name, fields) in &step.events {
            let sight = sights.next().context("an event of the script")?;
            judge_event(name, fields, &sight.event, ids)
                .with_context(|| format!("step {}", index + 1))?;
            let possible = &steps[index..sight.latest.max(index + 1)];
            let is_known = possible
                .iter()
                .any(|step| fits(&step.row, &sight.line, &mut ids.clone()));
            ensure!(
                is_known,
                "on {name} of step {} the line is none of the rows {} to {}:\n{}\nbut should be\n{}",
                index + 1,
                index + 1,
                sight.latest,
                sight.line,
                step.row
            );
            if sight.latest == index + 1 {
                fits(&step.row, &sight.line, ids);
            }
        }
    }
    Ok(())
}

fn judge_event(
    name: &str,
    wanted: &Value,
    event: &Message,
    ids: &mut HashMap<String, String>,
) -> anyhow::Result<()> {
    let mut fields = event.fields.clone();
    let qid = fields.remove("qid");
    let is_guid = qid
        .as_ref()
        .and_then(Value::as_str)
        .is_some_and(|qid| qid.len() == 36);
    let has_user = fields.remove("userid").is_some() && fields.remove("userlogin").is_some();
    let is_right =
        event.name == name && is_guid && has_user && fits(wanted, &Value::Object(fields), ids);
    ensure!(
        is_right,
        "wanted {name} {wanted} (ids {ids:?}), got {}",
        event.to_text()
    );
    Ok(())
}

/// Whether a value is the wanted one; ids that the wanted one names are learnt.
fn fits(wanted: &Value, value: &Value, ids: &mut HashMap<String, String>) -> bool {
    match (wanted, value) {
        (Value::Object(wanted), Value::Object(value)) => {
            wanted.len() == value.len()
                && wanted.iter().all(|(key, wanted)| {
                    value.get(key).is_some_and(|value| fits(wanted, value, ids))
                })
        }
        (Value::String(wanted), Value::String(value)) if wanted.starts_with('$') => {
            value.len() == 36
                && value != ZERO
                && ids.entry(wanted.clone()).or_insert_with(|| value.clone()) == value
        }
        (wanted, value) => wanted == value,
    }
}
