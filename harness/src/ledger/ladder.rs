//! Owns the ladder of incoming calls as one tab sees it (protocol 6.6-e and 6.6-g to 6.6-j): which event may follow which.
//!
//! Events come in one by one; out goes the step that one completes, or what is wrong with it. After a wrong one it waits for the
//! next ring and goes on from there.

use super::seen::Happened;

/// Where a tab is in the calls of its user.
#[derive(Debug, Clone)]
pub(super) struct Ladder {
    stage: Stage,
    /// The events of the step that is under way: two at most, the third completes it.
    begun: [Option<Event>; 2],
    /// Whether the user's state may change beside calls.
    sets_states: bool,
}

type Event = (Happened, u64);

/// How far a call is, with what its events are to name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The tab came, or was lost, in the middle of something.
    Unknown,
    Idle,
    Ringing(u64),
    Talking(u64),
}

/// A step of a call that is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// protocol 6.6-g.
    Rings,
    /// protocol 6.6-h.
    Answered,
    /// protocol 6.6-i.
    Over,
    /// protocol 6.6-j.
    Gone,
}

/// What an event is to the ladder.
enum Judged {
    /// The beginning of a step, or of more of it.
    Begun,
    /// A step, and where it leads.
    Complete(Step, Stage),
    /// Something beside the ladder.
    Beside,
    Wrong,
}

impl Ladder {
    /// `is_idle`: the user is known to have no call.
    pub(super) fn new(is_idle: bool, sets_states: bool) -> Self {
        Self {
            stage: if is_idle { Stage::Idle } else { Stage::Unknown },
            begun: [None; 2],
            sets_states,
        }
    }

    /// The next event of the tab.
    pub(super) fn take(&mut self, what: Happened, about: u64) -> Result<Option<Step>, String> {
        let event = (what, about);
        let judged = match self.stage {
            Stage::Unknown => self.look_for_ring(event),
            Stage::Idle => self.idle(event),
            Stage::Ringing(chain) => self.ringing(chain, event),
            Stage::Talking(talk) => self.talking(talk, event),
        };
        match judged {
            Judged::Begun => {
                let place = usize::from(self.begun[0].is_some());
                self.begun[place] = Some(event);
                Ok(None)
            }
            Judged::Complete(step, stage) => {
                self.stage = stage;
                self.begun = [None; 2];
                Ok(Some(step))
            }
            Judged::Beside => Ok(None),
            Judged::Wrong => {
                let (stage, behind) = (self.stage.name(), self.begun.iter().flatten());
                let behind: Vec<_> = behind.map(|(what, _)| what.name()).collect();
                let wrong = format!(
                    "{} ({about:x}) behind {behind:?} is no step of a line that is {stage}",
                    what.name()
                );
                *self = Self::new(false, self.sets_states);
                if is_busy(event) {
                    self.begun[0] = Some(event);
                }
                Err(wrong)
            }
        }
    }

    /// A line that is in a call, or in the middle of a step, after everything is over.
    pub(super) fn end(&self) -> Result<(), String> {
        match self.stage {
            Stage::Ringing(_) | Stage::Talking(_) => {
                Err(format!("the line is {} at the end", self.stage.name()))
            }
            Stage::Idle if self.begun[0].is_some() => {
                Err("a step is not complete at the end".into())
            }
            Stage::Idle | Stage::Unknown => Ok(()),
        }
    }

    /// Nothing is wrong where nothing is known: only a whole ring tells where the call is.
    fn look_for_ring(&mut self, event: Event) -> Judged {
        match (self.begun, event) {
            ([Some(_), Some((Happened::RingStarted, chain))], (Happened::LineState, _)) => {
                Judged::Complete(Step::Rings, Stage::Ringing(chain))
            }
            ([Some(_), None], (Happened::RingStarted, _)) => Judged::Begun,
            _ => {
                self.begun = [None; 2];
                if is_busy(event) {
                    return Judged::Begun;
                }
                Judged::Beside
            }
        }
    }

    fn idle(&self, event: Event) -> Judged {
        match (self.begun, event) {
            ([None, None], (Happened::UserState, BUSY))
            | ([Some(_), None], (Happened::RingStarted, _)) => Judged::Begun,
            ([None, None], (Happened::UserState, _)) if self.sets_states => Judged::Beside,
            ([Some(_), Some((_, chain))], (Happened::LineState, _)) => {
                Judged::Complete(Step::Rings, Stage::Ringing(chain))
            }
            _ => Judged::Wrong,
        }
    }

    fn ringing(&self, chain: u64, event: Event) -> Judged {
        use Happened::{CommStarted, LineState, RingStopped, UserState};
        match (self.begun, event) {
            ([None, None], (RingStopped, stopped)) if stopped == chain => Judged::Begun,
            ([Some((RingStopped, _)), None], (CommStarted, _)) => Judged::Begun,
            ([Some((RingStopped, _)), Some((CommStarted, talk))], (LineState, _)) => {
                Judged::Complete(Step::Answered, Stage::Talking(talk))
            }
            ([Some((UserState, _)), None], (RingStopped, stopped)) if stopped == chain => {
                Judged::Begun
            }
            ([Some((UserState, _)), Some(_)], (LineState, _)) => {
                Judged::Complete(Step::Gone, Stage::Idle)
            }
            _ => self.state_in_call(event),
        }
    }

    fn talking(&self, talk: u64, event: Event) -> Judged {
        use Happened::{CommStopped, LineState};
        match (self.begun, event) {
            ([Some(_), None], (CommStopped, stopped)) if stopped == talk => Judged::Begun,
            ([Some(_), Some(_)], (LineState, _)) => Judged::Complete(Step::Over, Stage::Idle),
            _ => self.state_in_call(event),
        }
    }

    /// A state that ends the call, or, protocol 6.3-n, a break that was chosen in it.
    fn state_in_call(&self, event: Event) -> Judged {
        match (self.begun, event) {
            ([None, None], (Happened::UserState, BUSY)) if self.sets_states => Judged::Beside,
            ([None, None], (Happened::UserState, READY)) => Judged::Begun,
            ([None, None], (Happened::UserState, state)) if self.sets_states && state != BUSY => {
                Judged::Begun
            }
            _ => Judged::Wrong,
        }
    }
}

/// Whether this is the beginning of a ring, where nothing else is known.
fn is_busy(event: Event) -> bool {
    event == (Happened::UserState, BUSY)
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Unknown => "not known",
            Self::Idle => "idle",
            Self::Ringing(_) => "ringing",
            Self::Talking(_) => "talking",
        }
    }
}

/// The state of a user in a call.
pub(super) const BUSY: u64 = 5;
/// The state of a user without one.
pub(super) const READY: u64 = 1;

#[cfg(test)]
mod tests {
    use super::Happened::{
        CommStarted, CommStopped, LineState, RingStarted, RingStopped, UserState,
    };
    use super::*;

    const RING: [Event; 3] = [(UserState, BUSY), (RingStarted, 7), (LineState, 0)];
    const ANSWER: [Event; 3] = [(RingStopped, 7), (CommStarted, 9), (LineState, 0)];
    const OVER: [Event; 3] = [(UserState, READY), (CommStopped, 9), (LineState, 0)];
    const GONE: [Event; 3] = [(UserState, READY), (RingStopped, 7), (LineState, 0)];

    /// The steps of these events, and how many were wrong.
    fn climbed(ladder: &mut Ladder, events: &[Event]) -> (Vec<Step>, usize) {
        let (mut steps, mut wrong) = (Vec::new(), 0);
        for (what, about) in events {
            match ladder.take(*what, *about) {
                Ok(step) => steps.extend(step),
                Err(_) => wrong += 1,
            }
        }
        (steps, wrong)
    }

    #[test]
    fn calls_that_are_answered_and_calls_that_are_not_are_whole_ladders() {
        let mut ladder = Ladder::new(true, false);
        let events = [RING, ANSWER, OVER, RING, GONE].concat();
        let (steps, wrong) = climbed(&mut ladder, &events);
        let expected = [
            Step::Rings,
            Step::Answered,
            Step::Over,
            Step::Rings,
            Step::Gone,
        ];
        assert_eq!(steps, expected);
        assert_eq!(wrong, 0);
        assert_eq!(ladder.end(), Ok(()));
    }

    #[test]
    fn each_lost_doubled_or_swapped_event_is_one_fault_and_the_next_call_is_whole_again() {
        let good = [RING, ANSWER, OVER].concat();
        for place in 0..good.len() {
            let mut lost = good.clone();
            lost.remove(place);
            let mut doubled = good.clone();
            doubled.insert(place, good[place]);
            let mut swapped = good.clone();
            swapped.swap(place, (place + 1).min(good.len() - 1));
            for (what, bad) in [("lost", lost), ("doubled", doubled), ("swapped", swapped)] {
                if bad == good {
                    continue;
                }
                let mut ladder = Ladder::new(true, false);
                let (steps, wrong) = climbed(&mut ladder, &[bad, RING.to_vec()].concat());
                assert_eq!(wrong, 1, "{what} {place}");
                assert_eq!(
                    steps.last(),
                    Some(&Step::Rings),
                    "{what} {place}: {steps:?}"
                );
            }
        }
    }

    #[test]
    fn another_calls_events_are_no_steps_of_this_one() {
        for place in [3, 7] {
            let mut events = [RING, ANSWER, OVER].concat();
            events[place].1 += 1;
            let wrong = climbed(&mut Ladder::new(true, false), &events).1;
            assert!(wrong > 0, "{place}");
        }
    }

    #[test]
    fn a_call_that_does_not_end_shows_at_the_end() {
        let mut ladder = Ladder::new(true, false);
        climbed(&mut ladder, &RING);
        assert_eq!(ladder.end(), Err("the line is ringing at the end".into()));
        climbed(&mut ladder, &[ANSWER, OVER].concat());
        climbed(&mut ladder, &RING[..1]);
        assert!(ladder.end().is_err());
    }

    #[test]
    fn who_comes_in_the_middle_of_a_call_sees_nothing_wrong_and_the_next_one_whole() {
        for skipped in 0..9 {
            let first = [RING, ANSWER, OVER].concat();
            let mut ladder = Ladder::new(false, false);
            let events = [&first[skipped..], &RING, &GONE].concat();
            let (steps, wrong) = climbed(&mut ladder, &events);
            assert_eq!(wrong, 0, "{skipped}");
            assert!(
                steps.ends_with(&[Step::Rings, Step::Gone]),
                "{skipped}: {steps:?}"
            );
        }
    }

    #[test]
    fn states_that_people_choose_are_no_faults_where_they_may_choose() {
        let events = [
            &[(UserState, 2), (UserState, READY)][..],
            &RING,
            &[(UserState, BUSY)],
            &[(UserState, 2), (RingStopped, 7), (LineState, 0)],
        ]
        .concat();
        assert_eq!(climbed(&mut Ladder::new(true, true), &events).1, 0);
        assert!(climbed(&mut Ladder::new(true, false), &events).1 > 0);
    }
}
