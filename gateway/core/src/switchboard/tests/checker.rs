//! What a client would believe from events alone, held against the pictures
//! that it can ask for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use crate::base::{ChainId, CommutationId, Guid, Instant, UserId};
use crate::protocol::{
    Direction, Event, Fields, Ivr, LineInfo, LineState, NumberChange, Occurrence, Phase, StateId,
    write_message,
};
use crate::switchboard::Switchboard;

/// A client per user that listens to everything.
#[derive(Default)]
pub(super) struct Checker {
    clients: HashMap<UserId, Client>,
    numbers: HashMap<Arc<str>, StateId>,
    qids: HashSet<Guid>,
}

#[derive(Default)]
struct Client {
    state: Option<StateId>,
    ringing: Option<ChainId>,
    talk: Option<CommutationId>,
    dialled: Option<Arc<str>>,
    is_flashing: bool,
    ivr: Option<Ivr>,
    competitors: Vec<Guid>,
    line_state: Option<LineState>,
    version: u64,
    /// The version of the line that was derived from last.
    derived_from: u64,
    /// The rank of the last event of the step that is being told.
    rank: u8,
    last_chain: Option<ChainId>,
}

impl Checker {
    pub(super) fn event(&mut self, event: &Event) {
        assert!(self.qids.insert(event.qid), "a qid came twice");
        let user = event.user.as_ref().expect("events here concern users");
        self.clients.entry(user.id).or_default().event(&event.what);
    }

    pub(super) fn numbers(&mut self, changes: &[NumberChange]) {
        for change in changes {
            self.numbers
                .insert(Arc::clone(&change.number), change.state);
        }
    }

    /// After every step: what clients believe is what they would be told.
    pub(super) fn step_is_over(&mut self, switchboard: &mut Switchboard, now: Instant) {
        switchboard.assert_sound();
        let (_, entries) = switchboard.number_entries();
        // Everybody here has one number, so that both lists are in one order.
        for (user, entry) in switchboard.user_ids().into_iter().zip(entries.iter()) {
            let line = switchboard.line_info(user, now).expect("a known user");
            let state = switchboard.user_state(user).expect("a known user");
            let client = self.clients.entry(user).or_default();
            assert_eq!(client.state.unwrap_or_default(), state.id, "{line:?}");
            if let Some(left) = client.last_chain.filter(|it| Some(*it) != line.chain) {
                let is_on_leg = switchboard.is_on_leg(user, left);
                // So no half-way picture can ever be asked for, either.
                let call = switchboard.told(left);
                assert!(
                    !is_on_leg,
                    "a call is shown to its leg's end: {user} {call}"
                );
            }
            client.compare(&line, state.id);
            let told = self.numbers.get(&entry.number).copied();
            assert_eq!(told.unwrap_or_default(), state.id, "{}", entry.number);
            assert_eq!(entry.state, state.id, "{}", entry.number);
            let has_legs = line.chain.is_none_or(|chain| switchboard.has_legs(chain));
            assert!(has_legs, "a call without a leg is shown: {line:?}");
        }
    }
}

impl Client {
    /// protocol 6.6: the state first, the line's state last; what stops before
    /// what starts; a party is told to be held before the talk with it stops, and to be
    /// held no longer after it.
    fn event(&mut self, what: &Occurrence) {
        let rank = match what {
            Occurrence::UserStateChanged(_) => 1,
            Occurrence::FlashStateChanged { is_flashing: true } => 2,
            Occurrence::FlashStateChanged { is_flashing: false } => 4,
            Occurrence::AcmCallStopped { .. }
            | Occurrence::RingStopped { .. }
            | Occurrence::IvrStopped(_)
            | Occurrence::CommStopped { .. } => 3,
            Occurrence::AcmCallStarted { .. }
            | Occurrence::RingStarted(_)
            | Occurrence::IvrStarted(_)
            | Occurrence::CommStarted { .. } => 5,
            Occurrence::LineStateChanged { .. } => 6,
            // They follow the step (protocol 6.6).
            Occurrence::CompositionChanged(_) | Occurrence::CompetitorStateChanged(_) => {
                return self.conference_event(what);
            }
            Occurrence::NumberStateChanged(_) => panic!("numbers are no user's event"),
            Occurrence::Desk(_) | Occurrence::Dynamic(_) => panic!("this is not about calls"),
        };
        let is_new_step = self.rank == 6 || (rank == 1 && self.rank == 1);
        assert!(is_new_step || rank >= self.rank, "out of order: {what:?}");
        self.rank = rank;
        match what {
            Occurrence::UserStateChanged(state) => self.state = Some(state.id),
            Occurrence::FlashStateChanged { is_flashing } => self.is_flashing = *is_flashing,
            Occurrence::AcmCallStopped { number } => {
                assert_eq!(self.dialled.take().as_ref(), Some(number));
            }
            Occurrence::AcmCallStarted { number } => {
                assert_eq!(self.dialled.replace(Arc::clone(number)), None);
            }
            Occurrence::RingStopped { chain } => assert_eq!(self.ringing.take(), Some(*chain)),
            Occurrence::RingStarted(ring) => {
                assert_eq!(self.ringing.replace(ring.chain), None);
            }
            Occurrence::CommStopped { commutation, .. } => {
                assert_eq!(self.talk.take(), Some(*commutation));
            }
            Occurrence::CommStarted { commutation, .. } => {
                assert_eq!(self.talk.replace(*commutation), None);
            }
            Occurrence::LineStateChanged { state, version } => {
                assert_eq!(
                    *version,
                    self.version.max(1) + 1,
                    "each change is told once"
                );
                self.version = *version;
                self.line_state = Some(*state);
            }
            Occurrence::IvrStarted(ivr) => assert_eq!(self.ivr.replace(ivr.clone()), None),
            Occurrence::IvrStopped(ivr) => assert_eq!(self.ivr.take().as_ref(), Some(ivr)),
            Occurrence::NumberStateChanged(_)
            | Occurrence::Desk(_)
            | Occurrence::Dynamic(_)
            | Occurrence::CompositionChanged(_)
            | Occurrence::CompetitorStateChanged(_) => {}
        }
    }

    /// Who is in a conference is told before what became of whom.
    fn conference_event(&mut self, what: &Occurrence) {
        assert!(matches!(self.rank, 0 | 1 | 6), "within a step: {what:?}");
        match what {
            Occurrence::CompositionChanged(composition) => {
                self.competitors = composition.competitors.iter().map(|it| it.id).collect();
            }
            Occurrence::CompetitorStateChanged(change) => {
                let is_listed = self.competitors.contains(&change.competitor.id);
                assert!(is_listed, "told of nobody: {what:?}");
            }
            _ => {}
        }
    }

    fn compare(&mut self, line: &LineInfo, state: StateId) {
        assert!(
            matches!(self.rank, 0 | 1 | 6),
            "a step without linestatechanged"
        );
        assert_eq!(line.version, self.version.max(1), "{line:?}");
        assert_eq!(line.state, self.line_state.unwrap_or_default());
        let phase = line.abonent.phase;
        let is_talk = matches!(
            phase,
            Phase::Commutated | Phase::WaitingInFlash | Phase::Conference
        );
        assert_eq!(self.ivr.is_some(), matches!(phase, Phase::Ivr { .. }));
        let is_back_ring = line.abonent.direction == Some(Direction::AcmCallback);
        assert_eq!(self.ringing, line.chain.filter(|_| phase == Phase::Ringing));
        assert_eq!(self.talk.is_some(), is_talk, "{line:?}");
        assert_eq!(
            self.dialled.is_some(),
            phase == Phase::AutoCall || is_back_ring
        );
        assert_eq!(self.is_flashing, line.flashed.is_some());
        if std::mem::replace(&mut self.derived_from, line.version) != line.version {
            self.compare_derived(line);
        }
        if line.chain.is_some() {
            assert_eq!(state, StateId::FullBusy, "busy from the first ring on");
        } else {
            assert!(line.abonent.party.is_none() && line.called.is_none());
            assert!(matches!(
                line.state,
                LineState::HookDown | LineState::Disconnected
            ));
        }
        self.last_chain = line.chain;
    }

    /// A tab that has just been opened derives from the line what one that was there all
    /// the time believes.
    fn compare_derived(&self, line: &LineInfo) {
        let believed = match (&self.dialled, self.ringing, self.talk, &self.ivr) {
            (Some(_), Some(_), None, None) => Phone::BackRing,
            (None, Some(_), None, None) => Phone::Ring,
            (Some(_), None, None, None) => Phone::BackCall,
            (None, None, Some(_), None) => Phone::Talk,
            (None, None, None, Some(_)) => Phone::Call,
            (None, None, None, None) => match derived(line) {
                // No event tells of a call that was dialled by hand: the line does.
                phone @ (Phone::Call | Phone::Ready | Phone::Disconnected) => phone,
                phone => panic!("no event told of {phone:?}: {line:?}"),
            },
            _ => panic!("no phone does all of that at once: {line:?}"),
        };
        assert_eq!(derived(line), believed, "{line:?}");
    }
}

/// What libraries take a phone to be doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phone {
    BackCall,
    BackRing,
    Ring,
    Talk,
    Call,
    Disconnected,
    Ready,
}

/// protocol 6.5-d: from the fields of the message, in this order.
fn derived(line: &LineInfo) -> Phone {
    let mut text = Vec::new();
    write_message(&mut text, "line", |writer| line.write(writer));
    let (_, line): (String, Value) = serde_json::from_slice(&text).expect("a message");
    let abonent = &line["abonent"];
    let is = |flag: &str| abonent[flag] == true;
    let has = |field: &str| abonent[field].as_str().is_some_and(|text| !text.is_empty());
    if is("isautocall") {
        Phone::BackCall
    } else if is("isringing") && abonent["direction"] == "acm_callback" {
        Phone::BackRing
    } else if is("isringing") {
        Phone::Ring
    } else if is("iscommutated") || is("iswaitinginflash") || is("isconference") {
        Phone::Talk
    } else if has("extline") || has("number") {
        Phone::Call
    } else if line["linestatestr"] == "lsDisconnected" {
        Phone::Disconnected
    } else {
        Phone::Ready
    }
}
