//! Owns the pictures that tabs have of their user, the state and the line, and what one of them lacks against another.
//!
//! Each user's witness gives its picture to whoever asks; the same moment is meant if the user's story is as long after both
//! answers as before both questions.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::message::{Fields, Message};

/// What a tab is told of its user.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Picture {
    fields: BTreeMap<&'static str, Fields>,
}

/// Who wants a witness's picture: the two answers go there.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) state: oneshot::Sender<Message>,
    pub(super) line: oneshot::Sender<Message>,
}

/// The witnesses, by user.
#[derive(Debug, Default)]
pub(super) struct Witnesses(RefCell<BTreeMap<usize, mpsc::Sender<Wanted>>>);

impl Picture {
    /// From the answers to `getuserstate` and `getextendedlineinfo`.
    pub(super) fn of(state: Message, line: Message) -> Self {
        let fields = [(STATE, state), (LINE, line)].map(|(method, answer)| {
            let mut fields = answer.fields;
            fields.retain(|name, _| !OF_THE_MOMENT.contains(&name.as_str()));
            (method, fields)
        });
        Self {
            fields: BTreeMap::from(fields),
        }
    }

    /// What this one shows otherwise than another; `None` if they are the same.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let mut differing = Vec::new();
        for (method, mine) in &self.fields {
            let theirs = &other.fields[method];
            let names = mine.keys().chain(theirs.keys());
            let mut names: Vec<&String> = names.collect();
            names.sort_unstable();
            names.dedup();
            let value =
                |fields: &Fields, name: &str| fields.get(name).cloned().unwrap_or(Value::Null);
            for name in names {
                let (mine, theirs) = (value(mine, name), value(theirs, name));
                if mine != theirs {
                    differing.push(format!("{method}.{name} is {mine} instead of {theirs}"));
                }
            }
        }
        (!differing.is_empty()).then(|| differing.join(", "))
    }
}

impl Witnesses {
    /// The witness of this user takes wishes for its picture from here on.
    pub(super) fn enlist(&self, user: usize) -> mpsc::Receiver<Wanted> {
        let (sender, receiver) = mpsc::channel(WISHES_MAX);
        self.0.borrow_mut().insert(user, sender);
        receiver
    }

    /// The picture of this user's witness; `None` if it does not come in time.
    pub(super) async fn picture(&self, user: usize, within: Duration) -> Option<Picture> {
        let witness = self.0.borrow().get(&user)?.clone();
        let (state, state_told) = oneshot::channel();
        let (line, line_told) = oneshot::channel();
        let asked = async {
            witness.send(Wanted { state, line }).await.ok()?;
            Some(Picture::of(state_told.await.ok()?, line_told.await.ok()?))
        };
        timeout(within, asked).await.ok()?
    }
}

/// The method that gives a user's state.
pub(super) const STATE: &str = "getuserstate";
/// The method that gives a user's line.
pub(super) const LINE: &str = "getextendedlineinfo";
/// Fields that are of one answer or one second only.
const OF_THE_MOMENT: [&str; 2] = ["qid", "timertalklensec"];
/// How many wishes wait for one witness.
const WISHES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn picture(state: i64, line: &Value) -> Picture {
        Picture::of(
            Message::new(
                "getuserstateresult",
                json!({"qid": state, "userstateid": state}),
            ),
            Message::new("getextendedlineinforesult", line.clone()),
        )
    }

    #[test]
    fn pictures_differ_in_what_lasts_only() {
        let idle = json!({"qid": "1", "chainid": "0", "timertalklensec": 3});
        let later = json!({"qid": "2", "chainid": "0", "timertalklensec": 4});
        assert_eq!(picture(1, &idle).difference(&picture(1, &later)), None);
        let ringing = json!({"chainid": "7", "calledid": "101"});
        assert_eq!(
            picture(5, &ringing).difference(&picture(1, &idle)).unwrap(),
            "getextendedlineinfo.calledid is \"101\" instead of null, getextendedlineinfo.chainid is \"7\" instead of \"0\", \
             getuserstate.userstateid is 5 instead of 1"
        );
    }

    #[tokio::test]
    async fn a_witness_is_asked_and_one_that_is_silent_is_not_waited_for() {
        let witnesses = Witnesses::default();
        let mut wishes = witnesses.enlist(3);
        let answer = async {
            let Wanted { state, line } = wishes.recv().await.unwrap();
            state.send(Message::new("a", json!({"x": 1}))).unwrap();
            line.send(Message::new("b", json!({}))).unwrap();
        };
        let (got, ()) = tokio::join!(witnesses.picture(3, Duration::from_secs(5)), answer);
        assert!(got.is_some());
        assert_eq!(witnesses.picture(3, Duration::ZERO).await, None);
        assert_eq!(witnesses.picture(4, Duration::ZERO).await, None);
    }
}
