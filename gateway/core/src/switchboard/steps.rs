//! Steps: pictures and states change all at once, then the step's events go
//! out (protocol 6.6).

use std::sync::Arc;

use super::chain::Chain;
use super::picture::{Picture, Shown, phone_events, shown};
use super::{Output, Switchboard};
use crate::base::{Instant, NumberId};
use crate::protocol::{Event, NumberChange, Occurrence};

type NumberChanges = Vec<(NumberId, NumberChange)>;

impl Switchboard {
    /// One step of a call: every line in it gets the picture that fits the call now,
    /// once the switch has made the change. A line whose part is over is free for the
    /// next call.
    pub(super) fn show(&mut self, chain: &mut Chain, is_settled: bool, now: Instant) {
        let mut pictures = Vec::new();
        for user in chain.released.drain(..) {
            // A line that this call does not hold (any more) is not its to paint.
            if self.users[user].call == Some(chain.id) {
                self.users[user].call = None;
                self.users[user].idle_since = now;
                self.freed.push(user);
                pictures.push((user, Picture::idle(self.users[user].has_phone())));
            }
        }
        for member in chain.members.iter().filter(|_| is_settled) {
            let Some(user) = member.user else {
                continue;
            };
            if self.users[user].call != Some(chain.id) {
                continue;
            }
            match shown(chain, member) {
                Shown::Same => {}
                Shown::Call(picture) => pictures.push((user, *picture)),
                Shown::Idle => pictures.push((user, Picture::idle(self.users[user].has_phone()))),
            }
        }
        self.paint(pictures);
        if is_settled {
            self.tell_conference(chain);
        }
    }

    /// One step without a call: these users' presence, phones or choices changed.
    pub(super) fn refresh_users(&mut self, users: &[usize], now: Instant) {
        self.freed.extend(users);
        let picture = |user: &usize| {
            let record = &self.users[*user];
            let picture = if record.picture.is_in_call() {
                record.picture.clone()
            } else {
                Picture::idle(record.has_phone())
            };
            (*user, picture)
        };
        let pictures = users.iter().map(picture).collect();
        self.paint(pictures);
        self.serve_lines(now);
    }

    fn paint(&mut self, pictures: Vec<(usize, Picture)>) {
        let mut changes = NumberChanges::new();
        for (user, picture) in pictures {
            self.paint_line(user, picture, &mut changes);
        }
        if !changes.is_empty() {
            self.numbers.changed();
            self.outputs.push_back(Output::Numbers(changes));
        }
    }

    /// protocol 6.6, order within a step: the user's state, the phone and flash
    /// events, the line's state.
    fn paint_line(&mut self, user: usize, picture: Picture, changes: &mut NumberChanges) {
        let record = &mut self.users[user];
        let before = std::mem::replace(&mut record.picture, picture);
        let mut events = Vec::new();
        let state = record.state();
        if state != record.shown {
            if state.id != record.shown.id {
                changes.extend(record.phones.iter().map(|phone| {
                    let change = NumberChange {
                        number: Arc::clone(&phone.number),
                        state: state.id,
                    };
                    (phone.id, change)
                }));
            }
            record.shown = state.clone();
            events.push(Occurrence::UserStateChanged(state));
        }
        if before != record.picture {
            record.line_version += 1;
            events.extend(phone_events(&before, &record.picture));
            events.push(Occurrence::LineStateChanged {
                state: record.picture.line.state,
                version: record.line_version,
            });
        }
        for what in events {
            self.tell(user, what);
        }
    }

    /// Gives out a user's event.
    pub(super) fn tell(&mut self, user: usize, what: Occurrence) {
        let qid = self.fresh_guid();
        self.counters.events += 1;
        self.outputs.push_back(Output::Event(Event {
            qid,
            user: Some(self.users[user].reference.clone()),
            what,
        }));
    }
}
