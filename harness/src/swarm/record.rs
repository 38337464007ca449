//! Owns what a held tab remembers of its events when it is to be known whether it got each of them, once and in order.
//!
//! Texts come in; out goes a [`TabRecord`], some words for each event that is addressed to the user, and the last state of each
//! number for tabs that are told of them. Whoever collects the records compares them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde::{Deserialize, Serialize};

use super::awaited::number_of;
use crate::message::{peek_name, peek_text};

/// What one tab got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TabRecord {
    /// The number of its user, from 1 on.
    pub user: usize,
    /// The user's events, in the order of their coming.
    pub seen: Vec<SeenEvent>,
    /// The last state that was told of each number from 101 on: its digit, or `-` if none was. `None` if the tab is not
    /// subscribed to numbers' states.
    pub numbers: Option<String>,
    /// What could not be read, or was more than is remembered.
    pub unread: u64,
}

/// One event, in as few words as tell it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenEvent {
    /// Its name.
    pub what: Happened,
    /// A digest of its `qid`.
    pub qid: u64,
    /// A digest of the whole text.
    pub text: u64,
    /// What it is about: the user's new state, or a digest of the call's or the talk's id.
    pub about: u64,
}

/// The name of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happened {
    /// `userstatechanged`.
    UserState,
    /// `phoneevent_ringstarted`.
    RingStarted,
    /// `phoneevent_ringstopped`.
    RingStopped,
    /// `phoneevent_commstarted`.
    CommStarted,
    /// `phoneevent_commstopped`.
    CommStopped,
    /// `linestatechanged`.
    LineState,
    /// Any other.
    Other,
}

/// `pbxnumberstatechanged`: its name, its fields.
#[derive(Deserialize)]
struct NumberStates<'a>(
    #[allow(dead_code)] &'a str,
    #[serde(borrow)] StateFields<'a>,
);

#[derive(Deserialize)]
struct StateFields<'a> {
    #[serde(borrow)]
    numbers: Vec<NumberState<'a>>,
}

#[derive(Deserialize)]
struct NumberState<'a> {
    num: &'a str,
    numstateid: u8,
}

impl TabRecord {
    /// Nothing yet.
    pub(super) fn new(user: usize, is_told_numbers: bool) -> Self {
        Self {
            user,
            numbers: is_told_numbers.then(String::new),
            ..Self::default()
        }
    }

    /// Takes any message.
    pub(super) fn take(&mut self, text: &[u8]) {
        let name = std::str::from_utf8(text).ok().and_then(peek_name);
        let (what, about) = match name {
            Some("pbxnumberstatechanged") => {
                self.unread += u64::from(self.take_numbers(text).is_none());
                return;
            }
            Some("pong") => return,
            Some(name) if name.ends_with("result") => return,
            Some("userstatechanged") => (Happened::UserState, number_of(text, b"\"userstateid\":")),
            Some("phoneevent_ringstarted") => (Happened::RingStarted, id(text, "chainid")),
            Some("phoneevent_ringstopped") => (Happened::RingStopped, id(text, "chainid")),
            Some("phoneevent_commstarted") => (Happened::CommStarted, id(text, "commutationid")),
            Some("phoneevent_commstopped") => (Happened::CommStopped, id(text, "commutationid")),
            Some("linestatechanged") => (Happened::LineState, Some(0)),
            Some("multipart") | None => return self.unread += 1,
            Some(_) => (Happened::Other, Some(0)),
        };
        match (id(text, "qid"), about) {
            (Some(qid), Some(about)) if self.seen.len() < SEEN_MAX => self.seen.push(SeenEvent {
                what,
                qid,
                text: digest(text),
                about,
            }),
            _ => self.unread += 1,
        }
    }

    /// Notes the states; `None` if one cannot be read, or was not subscribed.
    fn take_numbers(&mut self, text: &[u8]) -> Option<()> {
        let NumberStates(_, fields) = serde_json::from_slice(text).ok()?;
        let mut states = std::mem::take(self.numbers.as_mut()?).into_bytes();
        let mut is_read = true;
        for NumberState { num, numstateid } in fields.numbers {
            let place = num.parse::<usize>().ok();
            let place = place.and_then(|number| number.checked_sub(NUMBER_FIRST));
            match place {
                Some(place @ ..NUMBERS_MAX) if numstateid <= 9 => {
                    if states.len() <= place {
                        states.resize(place + 1, b'-');
                    }
                    states[place] = b'0' + numstateid;
                }
                _ => is_read = false,
            }
        }
        self.numbers = String::from_utf8(states).ok();
        is_read.then_some(())
    }
}

/// A digest of a field that is an id.
fn id(text: &[u8], key: &str) -> Option<u64> {
    peek_text(text, &format!("\"{key}\"")).map(digest)
}

/// The same for the same bytes in every process of this program.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// The number of the first user.
pub const NUMBER_FIRST: usize = 101;
/// How many numbers a tab remembers the states of.
const NUMBERS_MAX: usize = 100_000;
/// How many events a tab remembers.
const SEEN_MAX: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(texts: &[&str]) -> TabRecord {
        let mut record = TabRecord::new(7, true);
        for text in texts {
            record.take(text.as_bytes());
        }
        record
    }

    #[test]
    fn events_are_told_apart_and_answers_are_not_noted() {
        let record = recorded(&[
            r#"["loginresult",{"qid":"1","result":1}]"#,
            r#"["userstatechanged",{"qid":"a","userstateid":5,"userstatestr":"usFullbusy"}]"#,
            r#"["phoneevent_ringstarted",{"qid":"b","chainid":"c"}]"#,
            r#"["phoneevent_ringstopped",{"qid":"d","chainid":"c"}]"#,
            r#"["pong",{"qid":"2"}]"#,
        ]);
        let seen = |place: usize| record.seen[place];
        assert_eq!(record.seen.len(), 3);
        assert_eq!((seen(0).what, seen(0).about), (Happened::UserState, 5));
        assert_eq!(seen(1).about, seen(2).about);
        assert_ne!(seen(1).qid, seen(2).qid);
        assert_eq!(record.unread, 0);
    }

    #[test]
    fn the_last_state_of_each_number_is_kept() {
        let record = recorded(&[
            r#"["pbxnumberstatechanged",{"qid":"a","numbers":[{"num":"103","numstateid":5},{"num":"101","numstateid":1}]}]"#,
            r#"["pbxnumberstatechanged",{"qid":"b","numbers":[{"num":"103","numstateid":1}]}]"#,
        ]);
        assert_eq!(record.numbers.as_deref(), Some("1-1"));
        assert_eq!((record.seen.len(), record.unread), (0, 0));
    }

    #[test]
    fn what_cannot_be_read_is_counted() {
        let record = recorded(&[
            "no message",
            r#"["phoneevent_ringstarted",{"qid":"b"}]"#,
            r#"["linestatechanged",{}]"#,
            r#"["pbxnumberstatechanged",{"numbers":[{"num":"x","numstateid":1}]}]"#,
        ]);
        assert_eq!((record.seen.len(), record.unread), (0, 4));
    }
}
