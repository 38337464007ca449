//! Owns what several users' tabs see of a call, told as a golden text (protocol 6.6).
//!
//! What users and outside callers do comes in. Each user has several watching tabs, over all shards, that ask for the line
//! at once on every event. Out comes the text: each user's events with all their fields in order, and the line whenever it
//! changed, with ids as `<1>`, `<2>` … While it is told it is judged: all tabs of a user saw the very same events, every
//! line that was read upon an event is the one after the step, no line changed without an event, and what can be asked
//! for is what the events said.

mod watcher;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use okgate_harness::Message;
use okgate_harness::gateway::Gateway;
use okgate_harness::tab::Tab;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use self::watcher::{Seen, Watcher, watch, without, without_clock};
use crate::ladder::{ZERO, is_on_all_shards, subscriptions};

/// Tabs that watch each user; the first user gets more until every shard has some.
const WATCHERS: usize = 2;
/// How many tabs one user may have for that.
const WATCHERS_MAX: usize = 16;
/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// What the watchers subscribe to.
const EVENTS: [&str; 6] = [
    "phoneevent",
    "userstatechanged",
    "linestatechanged",
    "flashstatechanged",
    "confcompositionchanged",
    "confcompetitorstatechanged",
];

/// A call as its users see it.
#[derive(Debug)]
pub struct Story {
    gateway: Gateway,
    people: Vec<Person>,
    text: String,
    ids: HashMap<String, usize>,
}

#[derive(Debug)]
struct Person {
    login: String,
    number: String,
    /// Does what the user does.
    actor: Tab,
    watchers: Vec<Watcher>,
    line: Value,
    /// What the last events of their kind said.
    said: HashMap<&'static str, Value>,
}

/// How many steps an act may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Steps {
    /// One: every line that is read upon its events is the one after it.
    One,
    /// Several, the last of which ends with this event for this user.
    Until(&'static str, &'static str),
}

impl Story {
    /// Opens the watchers of these users.
    pub async fn open(gateway: Gateway, logins: &[&str]) -> anyhow::Result<Self> {
        let mut people = Vec::new();
        for login in logins {
            people.push(Person::open(&gateway, login, people.is_empty()).await?);
        }
        Ok(Self {
            gateway,
            people,
            text: String::new(),
            ids: HashMap::new(),
        })
    }

    /// The gateway that serves all of them.
    pub const fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The text, and the end of the gateway.
    pub async fn end(self) -> anyhow::Result<String> {
        for person in &self.people {
            ensure!(
                person.line["chainid"] == ZERO,
                "{} is still in a call",
                person.login
            );
        }
        drop(self.people);
        self.gateway.stop().await?;
        Ok(self.text)
    }

    /// Writes a line of one's own.
    pub fn tell(&mut self, words: &str) {
        self.text.push_str(words);
        self.text.push('\n');
    }

    /// An outside caller rings a number; gives the call's chain.
    pub async fn calls(&mut self, from: &str, to: &str) -> anyhow::Result<String> {
        self.tell(&format!("{from} calls {to}"));
        let chain = self.gateway.admin().start_call(from, to, json!({})).await?;
        self.settle(Steps::One).await?;
        Ok(chain)
    }

    /// The same, if more than one step comes of it.
    pub async fn calls_until(
        &mut self,
        from: &str,
        to: &str,
        login: &'static str,
        event: &'static str,
    ) -> anyhow::Result<String> {
        self.tell(&format!("{from} calls {to}"));
        self.skip(login)?;
        let chain = self.gateway.admin().start_call(from, to, json!({})).await?;
        self.settle(Steps::Until(login, event)).await?;
        Ok(chain)
    }

    /// The outside caller of a call hangs up, or else the phone that called.
    pub async fn caller_leaves(&mut self, chain: &str) -> anyhow::Result<()> {
        self.tell("the caller hangs up");
        self.gateway.admin().hang_up_call(chain).await?;
        self.settle(Steps::One).await
    }

    /// A user's phone is picked up from the page.
    pub async fn answers(&mut self, login: &str) -> anyhow::Result<()> {
        self.acts(login, "answers", "pbxanswercall", json!({}))
            .await
            .map(drop)
    }

    /// A user does something that is one step; gives its answer.
    pub async fn acts(
        &mut self,
        login: &str,
        words: &str,
        method: &str,
        fields: Value,
    ) -> anyhow::Result<Message> {
        self.act(login, words, method, fields, Steps::One).await
    }

    /// A user does something that leads to several steps, the last of which has this event.
    pub async fn acts_until(
        &mut self,
        (login, words): (&str, &str),
        (method, fields): (&str, Value),
        (whom, event): (&'static str, &'static str),
    ) -> anyhow::Result<Message> {
        self.skip(whom)?;
        let steps = Steps::Until(whom, event);
        self.act(login, words, method, fields, steps).await
    }

    /// A user asks for something that must be refused with this number, and nothing happens.
    pub async fn refused(
        &mut self,
        login: &str,
        method: &str,
        fields: Value,
        number: i64,
    ) -> anyhow::Result<()> {
        let asked = format!("{method} {fields}");
        let answer = self.person(login)?.actor.request(method, fields).await?;
        ensure!(
            answer.field("result") == 0 && answer.field("error") == number,
            "{login}'s {asked} should be refused with {number}: {}",
            answer.to_text()
        );
        self.tell(&format!(
            "{login} is refused {asked}: {number} {}",
            answer.text("errormsg").unwrap_or_default()
        ));
        self.settle(Steps::One).await
    }

    /// A user asks for something that is told in full.
    pub async fn looks(
        &mut self,
        login: &str,
        method: &str,
        fields: Value,
    ) -> anyhow::Result<Message> {
        let answer = self.person(login)?.actor.request_ok(method, fields).await?;
        let shown = self.named(&Value::Object(without(&answer.fields, &["qid"])));
        self.tell(&format!("{login} asks {method}: {shown}"));
        Ok(answer)
    }

    async fn act(
        &mut self,
        login: &str,
        words: &str,
        method: &str,
        fields: Value,
        steps: Steps,
    ) -> anyhow::Result<Message> {
        self.tell(&format!("{login} {words}"));
        let actor = &mut self.person(login)?.actor;
        let answer = actor.request_ok(method, fields).await;
        let answer = answer.with_context(|| format!("{login} {words}"))?;
        let more = without(&answer.fields, &["qid", "result"]);
        if !more.is_empty() {
            let shown = self.named(&Value::Object(more));
            self.tell(&format!("  {login} is answered {shown}"));
        }
        self.settle(steps).await?;
        Ok(answer)
    }

    fn skip(&mut self, login: &str) -> anyhow::Result<()> {
        self.person(login)?.actor.skip_events();
        Ok(())
    }

    fn person(&mut self, login: &str) -> anyhow::Result<&mut Person> {
        let found = self.people.iter_mut().find(|person| person.login == login);
        found.with_context(|| format!("{login} is not in the story"))
    }

    /// Waits until everything that happened has been seen by all, judges and tells it.
    async fn settle(&mut self, steps: Steps) -> anyhow::Result<()> {
        let so_far = self.text.lines().last().unwrap_or_default().to_owned();
        if let Steps::Until(login, event) = steps {
            let actor = &mut self.person(login)?.actor;
            actor.event(event).await.with_context(|| so_far.clone())?;
        }
        let mut waiting = Vec::new();
        for person in &self.people {
            for watcher in &person.watchers {
                let (sender, seen) = oneshot::channel();
                watcher.send(sender).ok().context("a watcher ended")?;
                waiting.push(seen);
            }
        }
        let mut waiting = waiting.into_iter();
        for place in 0..self.people.len() {
            let mut all = Vec::new();
            for seen in waiting.by_ref().take(self.people[place].watchers.len()) {
                all.push(timeout(DEADLINE, seen).await???);
            }
            let told = self.judge(place, &all, steps);
            told.with_context(|| format!("{so_far}:\n{}", self.text))?;
        }
        self.check_numbers().await
    }

    fn judge(&mut self, place: usize, all: &[Seen], steps: Steps) -> anyhow::Result<()> {
        let login = self.people[place].login.clone();
        let [first, others @ ..] = all else {
            return Ok(());
        };
        // protocol 6.6-d: the very same events, down to their qid.
        let story = |seen: &Seen| -> Vec<Message> {
            seen.sights.iter().map(|(event, _)| event.clone()).collect()
        };
        for other in others {
            ensure!(
                story(other) == story(first),
                "two tabs of {login} saw different events: {:?} and {:?}",
                story(first),
                story(other)
            );
        }
        for (event, _) in &first.sights {
            self.people[place].note(event)?;
            let fields = without(&event.fields, &["qid", "userid", "userlogin"]);
            let shown = self.named(&Value::Object(fields));
            self.tell(&format!("  {login}: {} {shown}", event.name));
        }
        let person = &mut self.people[place];
        for (seen, (event, line)) in
            (all.iter()).flat_map(|seen| seen.sights.iter().map(move |sight| (seen, sight)))
        {
            // protocol 6.6-b: it is the new one when the event goes out.
            ensure!(
                steps != Steps::One || *line == seen.line,
                "on {} the line of {login} is\n{line}\nand then\n{}",
                event.name,
                seen.line
            );
        }
        person.check_said(first)?;
        let changed = person.line != first.line;
        ensure!(
            !changed || !first.sights.is_empty(),
            "the line of {login} changed without an event:\n{}\n{}",
            person.line,
            first.line
        );
        person.line = first.line.clone();
        if changed {
            let shown = self.named(&first.line);
            let phone = derived(&first.line);
            self.tell(&format!("    {login}'s phone: {phone}; line {shown}"));
        }
        Ok(())
    }

    // protocol 6.6-f: the number's state is the user's.
    async fn check_numbers(&mut self) -> anyhow::Result<()> {
        let actor = &mut self.people[0].actor;
        let numbers = actor.request_ok("getpbxnumbers", json!({})).await?;
        let entries = numbers.field("numbers").as_array().context("numbers")?;
        for person in &mut self.people {
            let state = person.actor.request_ok("getuserstate", json!({})).await?;
            let entry = entries.iter().find(|it| it["number"] == *person.number);
            let entry = entry.context("the user's number")?;
            ensure!(
                &entry["state"] == state.field("userstateid"),
                "{} has state {} but the number {entry}",
                person.login,
                state.field("userstateid")
            );
        }
        Ok(())
    }

    /// A value as it is told: ids by their first appearance.
    fn named(&mut self, value: &Value) -> String {
        let value = self.with_names(value);
        value.to_string()
    }

    fn with_names(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) if is_id(text) => {
                let next = self.ids.len() + 1;
                let name = *self.ids.entry(text.clone()).or_insert(next);
                format!("<{name}>").into()
            }
            Value::String(text) if is_time(text) => "<time>".into(),
            Value::Array(items) => items.iter().map(|item| self.with_names(item)).collect(),
            Value::Object(fields) => {
                let named = fields
                    .iter()
                    .map(|(key, value)| (key.clone(), self.with_names(value)));
                Value::Object(named.collect())
            }
            other => other.clone(),
        }
    }
}

impl Person {
    async fn open(gateway: &Gateway, login: &str, everywhere: bool) -> anyhow::Result<Self> {
        let mut actor = gateway.logged_in(login).await?;
        let info = actor.request_ok("getmyuserinfo", json!({})).await?;
        let number = info
            .text("mainpbxnumber")
            .context("a main number")?
            .to_owned();
        let line = actor.request_ok("getextendedlineinfo", json!({})).await?;
        let before = subscriptions(gateway).await?;
        let mut tabs: Vec<Tab> = Vec::new();
        while tabs.len() < WATCHERS
            || (everywhere && !is_on_all_shards(gateway, &before, tabs.len()).await?)
        {
            ensure!(
                tabs.len() < WATCHERS_MAX,
                "all of {WATCHERS_MAX} tabs came to one shard"
            );
            let mut tab = gateway.logged_in(login).await?;
            tab.set_deadline(DEADLINE * 3);
            tab.subscribe(&EVENTS).await?;
            tabs.push(tab);
        }
        // What it waits for, if several steps come of one act.
        actor.subscribe(&EVENTS).await?;
        let watchers = tabs.into_iter().map(|tab| {
            let (sender, asked) = mpsc::unbounded_channel();
            tokio::spawn(watch(tab, asked));
            sender
        });
        Ok(Self {
            login: login.to_owned(),
            number,
            actor,
            watchers: watchers.collect(),
            line: without_clock(&line),
            said: HashMap::new(),
        })
    }

    fn note(&mut self, event: &Message) -> anyhow::Result<()> {
        let is_right = event.text("qid").is_some_and(is_id)
            && event.text("userid").is_some()
            && event.text("userlogin") == Some(&self.login);
        // protocol 3.1-g
        ensure!(is_right, "{}", event.to_text());
        for (kind, key) in SAID {
            if event.name == kind {
                self.said.insert(kind, event.field(key).clone());
            }
        }
        Ok(())
    }

    /// What can be asked for is what was said last.
    fn check_said(&self, seen: &Seen) -> anyhow::Result<()> {
        for (kind, key) in SAID {
            let now = if kind == "userstatechanged" {
                seen.state.field(key)
            } else {
                &seen.line[key]
            };
            let said = self.said.get(kind);
            ensure!(
                said.is_none_or(|said| said == now),
                "{}: {kind} said {said:?} but {key} is {now}",
                self.login
            );
        }
        Ok(())
    }
}

/// Events that say one thing that can be asked for, and its field.
const SAID: [(&str, &str); 3] = [
    ("userstatechanged", "userstateid"),
    ("linestatechanged", "linestatestr"),
    ("flashstatechanged", "isflashing"),
];

/// What libraries make of a line (protocol 6.5-d and 6.6-a).
fn derived(line: &Value) -> &'static str {
    let abonent = &line["abonent"];
    let is = |flag: &str| abonent[flag] == true;
    if is("isautocall") {
        "back-call"
    } else if is("isringing") && abonent["direction"] == "acm_callback" {
        "back-ring"
    } else if is("isringing") {
        "ring"
    } else if is("iscommutated") || is("iswaitinginflash") || is("isconference") {
        "talk"
    } else if !abonent["extline"].is_null() || !abonent["number"].is_null() {
        "call"
    } else if line["linestatestr"] == "lsDisconnected" {
        "disconnected"
    } else {
        "ready"
    }
}

/// A time as the journal writes it.
fn is_time(text: &str) -> bool {
    text.len() >= 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T'
}

/// A GUID that is made anew in each run: none of the settings, and not zero.
fn is_id(text: &str) -> bool {
    let has_dashes = |place: usize| text.as_bytes().get(place) == Some(&b'-');
    text.len() == 36 && [8, 13, 18, 23].into_iter().all(has_dashes) && !text.starts_with("00000000")
}
