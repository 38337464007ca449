//! Owns the opening sequence of a browser library (protocol 6.1): which requests, in which order.

use serde_json::{Value, json};

use super::{Tab, login_fields};
use crate::error::{Error, Result};
use crate::message::Message;

/// The answers to an opening sequence, in order.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Method and its answer.
    pub answers: Vec<(String, Message)>,
}

impl Opening {
    /// The first answer to this method.
    pub fn answer(&self, method: &str) -> Result<&Message> {
        self.answers
            .iter()
            .find(|(asked, _)| asked == method)
            .map(|(_, answer)| answer)
            .ok_or_else(|| Error::Usage(format!("{method} is not in the opening sequence")))
    }
}

/// Goes through the sequence; the first failure ends it.
pub(super) async fn open(tab: &mut Tab, login: &str, password: &str) -> Result<Opening> {
    let mut answers = Vec::new();
    for (method, fields) in sequence(login, password) {
        let answer = tab.request_ok(method, fields).await?;
        answers.push((method.to_owned(), answer));
    }
    Ok(Opening { answers })
}

/// What is asked, in order.
pub(crate) fn sequence(login: &str, password: &str) -> Vec<(&'static str, Value)> {
    let mut sequence = vec![
        ("ping", json!({"userlogin": login})),
        ("login", login_fields(login, password)),
        ("getcurrentqueue", json!({})),
    ];
    sequence.extend(FIRST_EVENTS.map(subscription));
    sequence.extend([
        ("getversion", json!({"showalloweddbstoredprocs": 1})),
        ("getmyuserinfo", json!({})),
        ("cc_getlunchtypes", json!({})),
        ("getuserstate", json!({})),
        ("getredirectrules", json!({})),
        ("getpbxnumbers", json!({"mode": "full"})),
        ("getallusernumbers", json!({"fillsubordinates": true})),
        ("getalluserphotolink", json!({"mode": "page"})),
        ("getextendedlineinfo", json!({})),
    ]);
    sequence.extend(LAST_EVENTS.map(subscription));
    sequence.push(("subscribeevent", json!({"event": "phoneevent"})));
    sequence
}

/// The login and the subscriptions alone.
pub(crate) fn short_sequence(
    login: &str,
    password: &str,
    is_told_numbers: bool,
) -> Vec<(&'static str, Value)> {
    let events = &EVENTS[usize::from(!is_told_numbers)..];
    vec![
        ("login", login_fields(login, password)),
        ("subscribeevent", json!({"eventmethod": events})),
        ("subscribeevent", json!({"event": "phoneevent"})),
    ]
}

fn subscription(event: &str) -> (&'static str, Value) {
    ("subscribeevent", json!({"eventmethod": [event]}))
}

/// Subscribed right after the login.
const FIRST_EVENTS: [&str; 3] = [
    "customevent",
    "shownotifymessage",
    "usertextmessagereceived",
];
/// Subscribed after the last read of the sequence.
const LAST_EVENTS: [&str; 7] = [
    "userstatechanged",
    "pbxnumberstatechanged",
    "linestatechanged",
    "flashstatechanged",
    "confcompositionchanged",
    "confcompetitorstatechanged",
    "dynamic",
];
/// The events that the short sequence subscribes beside the phone's; the first of them not by all.
const EVENTS: [&str; 6] = [
    "pbxnumberstatechanged",
    "userstatechanged",
    "linestatechanged",
    "flashstatechanged",
    "customevent",
    "shownotifymessage",
];
