//! Owns the record of what happened on a CRM's links: its entries, and how they are shown.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::message::{Message, shortened};

/// One entry of the CRM's record.
#[derive(Debug, Clone, PartialEq)]
pub struct CrmRecord {
    /// When, from the start of the CRM.
    pub at: Duration,
    /// Which link, counted from 1; in the HTTP modes which connection.
    pub link: u64,
    /// What happened.
    pub what: CrmSeen,
}

/// What happened on a CRM's link.
#[derive(Debug, Clone, PartialEq)]
pub enum CrmSeen {
    /// A gateway is linked; with the subprotocol that was asked for.
    LinkUp(Option<String>),
    /// A handshake or a post came to nothing, or was answered oddly on purpose: what was said.
    Refused(String),
    /// A message came; packets of a long one are put together first.
    Received(Message),
    /// A text came that is no message.
    Malformed(String),
    /// A message was sent.
    Sent(Message),
    /// A user's request was answered wrongly, or refused: what was asked, and the answer.
    WrongAnswer(String),
    /// The link ended, and how.
    LinkDown(String),
}

impl CrmRecord {
    /// The received message, if this is one.
    pub fn received(&self) -> Option<&Message> {
        match &self.what {
            CrmSeen::Received(message) => Some(message),
            _ => None,
        }
    }

    /// The entry as one JSON object for a log line.
    pub fn to_json(&self) -> Value {
        let (kind, detail) = match &self.what {
            CrmSeen::LinkUp(subprotocol) => ("linkup", json!({"subprotocol": subprotocol})),
            CrmSeen::Received(message) => (
                "in",
                json!({"name": message.name, "fields": message.fields}),
            ),
            CrmSeen::Sent(message) => (
                "out",
                json!({"name": message.name, "fields": message.fields}),
            ),
            CrmSeen::Malformed(text) => ("malformed", json!({"text": text})),
            CrmSeen::Refused(what) => ("refused", json!({"what": what})),
            CrmSeen::WrongAnswer(what) => ("wronganswer", json!({"what": what})),
            CrmSeen::LinkDown(how) => ("linkdown", json!({"how": how})),
        };
        let mut line = json!({
            "at_ms": u64::try_from(self.at.as_millis()).unwrap_or(u64::MAX),
            "link": self.link,
            "kind": kind,
        });
        if let (Value::Object(line), Value::Object(detail)) = (&mut line, detail) {
            line.extend(detail);
        }
        line
    }
}

impl fmt::Display for CrmRecord {
    /// One line for people: seconds, the link, a sign of the direction, and what it was.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at.as_secs_f64();
        write!(formatter, "{seconds:9.3} link {}  ", self.link)?;
        let fields =
            |message: &Message| shortened(&Value::Object(message.fields.clone()).to_string());
        match &self.what {
            CrmSeen::LinkUp(None) => write!(formatter, "+   linked"),
            CrmSeen::LinkUp(Some(asked)) => write!(formatter, "+   linked, asks for {asked:?}"),
            CrmSeen::Received(message) => {
                write!(formatter, "<-  {} {}", message.name, fields(message))
            }
            CrmSeen::Sent(message) => write!(formatter, "->  {} {}", message.name, fields(message)),
            CrmSeen::Malformed(text) => write!(formatter, "!   no message: {:?}", shortened(text)),
            CrmSeen::Refused(what) | CrmSeen::WrongAnswer(what) => {
                write!(formatter, "!   {what}")
            }
            CrmSeen::LinkDown(how) => write!(formatter, "-   {how}"),
        }
    }
}

/// The record entries in short, for an error message.
pub(super) fn describe(records: &[Arc<CrmRecord>]) -> String {
    let first = records.len().saturating_sub(RECORDS_SHOWN_MAX);
    let shown: Vec<String> = records[first..]
        .iter()
        .map(|record| shortened(&record.to_json().to_string()))
        .collect();
    if shown.is_empty() {
        "nothing".into()
    } else {
        shown.join("\n  ")
    }
}

/// How many entries an error message shows.
const RECORDS_SHOWN_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_line_for_people_and_for_programs() {
        let record = CrmRecord {
            at: Duration::from_millis(1500),
            link: 2,
            what: CrmSeen::Received(Message::new("ping", json!({"qid": "1\n2"}))),
        };
        assert_eq!(
            record.to_string(),
            "    1.500 link 2  <-  ping {\"qid\":\"1\\n2\"}"
        );
        assert_eq!(
            record.to_json(),
            json!({"at_ms": 1500, "link": 2, "kind": "in", "name": "ping", "fields": {"qid": "1\n2"}})
        );
    }
}
