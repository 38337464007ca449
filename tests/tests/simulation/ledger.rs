//! Owns what the hub said, as the truth that tabs are measured by: every user's events in their order, each with the
//! version of the line whose row it announces, and the picture of the line at each version.
//!
//! In come the hub's outputs; out go the places of events and the pictures. It never asks anybody.

use std::collections::HashMap;
use std::time::Duration;

use okgate_core::base::{Guid, UserId};
use okgate_core::protocol::{Event, Fields as _, LineInfo, Occurrence, Phase, write_message};
use serde_json::Value;

/// What was said about all users.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    users: HashMap<UserId, Said>,
    pub(crate) events: usize,
}

/// What was said about one user.
#[derive(Debug, Default)]
struct Said {
    events: Vec<Noted>,
    places: HashMap<Guid, usize>,
    pictures: HashMap<u64, Picture>,
    /// The newest version that an event named.
    version: u64,
    /// Events of the step that is not complete.
    open_step: Vec<usize>,
}

/// The line at one version, and as a tab must see it.
#[derive(Debug)]
struct Picture {
    line: LineInfo,
    shown: Value,
}

/// One event.
#[derive(Debug)]
struct Noted {
    event: Event,
    /// The line that can be asked for when it goes out is at least of this version.
    row: u64,
}

impl Ledger {
    /// An event left the hub; it is said once for each shard, and noted once. Says whether it is new.
    pub(crate) fn note(&mut self, event: &Event) -> bool {
        let user = event
            .user
            .as_ref()
            .expect("the hub's events have a user")
            .id;
        let said = self.users.entry(user).or_default();
        if said.places.contains_key(&event.qid) {
            return false;
        }
        self.events += 1;
        if let Occurrence::UserStateChanged(_) = event.what {
            // protocol 6.6-e: a user's state comes first in its step.
            said.close_step();
        }
        let place = said.events.len();
        said.places.insert(event.qid, place);
        said.open_step.push(place);
        said.events.push(Noted {
            event: event.clone(),
            row: 0,
        });
        if let Occurrence::LineStateChanged { version, .. } = event.what {
            assert!(version > said.version, "line versions rise: {event:?}");
            said.version = version;
            // protocol 6.6-e: the line comes last in its step.
            said.close_step();
        }
        true
    }

    /// Everything that one input of the hub led to has been noted, and this is the line now.
    pub(crate) fn end_of_input(&mut self, user: UserId, line: &LineInfo) {
        let said = self.users.entry(user).or_default();
        said.close_step();
        said.picture(line);
        let fresh = said.events.iter().rev();
        for noted in fresh.take_while(|noted| noted.row == line.version) {
            check_row(&noted.event.what, line);
        }
    }

    /// The line as an answer of the hub shows it.
    pub(crate) fn picture(&mut self, user: UserId, line: &LineInfo) {
        self.users.entry(user).or_default().picture(line);
    }

    /// The line of this version as a tab must see it.
    pub(crate) fn seen_picture(&self, user: UserId, version: u64) -> Option<&Value> {
        Some(&self.users.get(&user)?.pictures.get(&version)?.shown)
    }

    /// The place of an event among its user's, and the version of the line that it announces.
    pub(crate) fn place(&self, user: UserId, qid: Guid) -> Option<(usize, u64)> {
        let said = self.users.get(&user)?;
        let place = *said.places.get(&qid)?;
        Some((place, said.events[place].row))
    }

    /// The name that a ring shows.
    pub(crate) fn ring_name(&self, user: UserId, place: usize) -> Option<&str> {
        match &self.users.get(&user)?.events.get(place)?.event.what {
            Occurrence::RingStarted(ring) => ring.caller_name.as_deref(),
            _ => None,
        }
    }
}

impl Said {
    fn close_step(&mut self) {
        for place in self.open_step.drain(..) {
            self.events[place].row = self.version;
        }
    }

    fn picture(&mut self, line: &LineInfo) {
        let mut line = line.clone();
        line.talk = Duration::ZERO;
        let known = self.pictures.entry(line.version);
        let known = known.or_insert_with(|| Picture {
            shown: without_clock(line_answer(&line)),
            line: line.clone(),
        });
        // protocol 6.6-c: a change of the line is one step with a version of its own.
        assert_eq!(known.line, line, "one version of a line is one picture");
    }
}

/// protocol 6.6-b: what an event says is true of the line whose row it announces.
fn check_row(what: &Occurrence, line: &LineInfo) {
    let phase = line.abonent.phase;
    let is_true = match what {
        Occurrence::RingStarted(ring) => phase == Phase::Ringing && line.chain == Some(ring.chain),
        Occurrence::RingStopped { chain } => phase != Phase::Ringing || line.chain != Some(*chain),
        Occurrence::CommStarted { chain, .. } => {
            let is_talk = matches!(
                phase,
                Phase::Commutated | Phase::WaitingInFlash | Phase::Conference
            );
            line.chain == Some(*chain) && is_talk
        }
        Occurrence::IvrStarted(_) => matches!(phase, Phase::Ivr { .. }),
        Occurrence::FlashStateChanged { is_flashing } => *is_flashing == line.flashed.is_some(),
        Occurrence::LineStateChanged { state, .. } => *state == line.state,
        _ => true,
    };
    assert!(is_true, "{what:?} does not fit the line {line:?}");
}

/// The fields of the answer to `getextendedlineinfo`.
fn line_answer(line: &LineInfo) -> Value {
    let mut text = Vec::new();
    write_message(&mut text, "getextendedlineinforesult", |writer| {
        line.write(writer);
    });
    let mut message: Value = serde_json::from_slice(&text).expect("answers are JSON");
    message[1].take()
}

/// A line info without what changes while the line stays as it is.
pub(crate) fn without_clock(mut line: Value) -> Value {
    for key in ["timertalklensec", "qid", "result"] {
        line.as_object_mut().expect("an object").remove(key);
    }
    line
}
