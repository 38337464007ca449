//! How calls move: on the switch's reports, and when something took too long.

use super::Switchboard;
use super::call::{Call, LegState, Role, Stage};
use super::calls::Purpose;
use super::limits::after;
use crate::base::{ChainId, Instant, LegId};
use crate::pbx::{Command, EndCause, PbxEvent, PhoneState};

impl Switchboard {
    /// The switch reports something.
    pub fn handle_pbx(&mut self, event: PbxEvent, now: Instant) {
        match event {
            PbxEvent::Connected { phones, legs } => self.resynchronise(&phones, &legs, now),
            PbxEvent::Disconnected => self.is_connected = false,
            PbxEvent::Accepted(command) => self.command_accepted(command),
            PbxEvent::Failed(command, failure) => {
                self.counters.commands_failed += 1;
                self.command_failed(command, Some(failure), now);
            }
            PbxEvent::TimedOut(command) => {
                self.counters.commands_timed_out += 1;
                self.command_failed(command, None, now);
            }
            PbxEvent::Phone { number, state } => self.phone_changed(&number, state),
            PbxEvent::Incoming {
                leg,
                caller,
                caller_name,
                called,
            } => self.incoming(leg, caller, caller_name, called, now),
            PbxEvent::HandDialled { leg, from, called } => {
                self.hand_dialled(leg, &from, &called, now);
            }
            PbxEvent::Ringing(leg) => self.leg_rose(leg, LegState::Ringing, now),
            PbxEvent::Answered(leg) => self.leg_rose(leg, LegState::Answered, now),
            PbxEvent::Joined(first, second) => self.joined(first, second, now),
            PbxEvent::Held(leg) => self.held(leg),
            PbxEvent::Ended(leg, cause) => self.leg_ended(leg, cause, now),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.next_timeout().is_some_and(|deadline| deadline <= now) {
            let Some((_, chain)) = self.calls.next_deadline() else {
                return;
            };
            self.calls.set_deadline(chain, None);
            match self.calls.get_mut(chain).map(|call| &mut call.stage) {
                None => {}
                Some(Stage::Arrived) => self.route(chain, None, None, now),
                Some(Stage::Setup) => self.end_call(chain, EndCause::NoAnswer, now),
                Some(Stage::Connecting { .. }) => self.end_call(chain, EndCause::Failed, now),
                Some(Stage::Talking { is_changing, .. }) => *is_changing = false,
                Some(Stage::Ending { cause }) => {
                    let cause = *cause;
                    self.hang_up_legs(chain, cause, now);
                }
            }
        }
    }

    fn phone_changed(&mut self, number: &str, state: PhoneState) {
        let Some(user) = self.numbers.user_of(number) else {
            self.counters.reports_ignored += 1;
            return;
        };
        for phone in &mut self.users[user].phones {
            if *phone.number == *number {
                phone.is_registered = state == PhoneState::Registered;
            }
        }
        self.refresh_users(&[user]);
    }

    fn leg_rose(&mut self, leg: LegId, state: LegState, now: Instant) {
        let Some((call, role)) = self.calls.of_leg(leg) else {
            self.counters.reports_ignored += 1;
            return;
        };
        let chain = call.chain;
        if call.is_ending() || !call.raise(role, state, now) {
            self.counters.reports_ignored += 1;
            return;
        }
        call.settle_stage();
        self.step(chain);
        if state == LegState::Answered {
            self.advance(chain, now);
        }
    }

    fn joined(&mut self, first: LegId, second: LegId, now: Instant) {
        let Some((call, role)) = self.calls.of_leg(first) else {
            self.counters.reports_ignored += 1;
            return;
        };
        let chain = call.chain;
        let is_pair = call.side(role.other()).live_leg() == Some(second);
        let since = match call.stage {
            Stage::Connecting { since } if is_pair => {
                self.counters.calls_connected += u64::from(since.is_none());
                since.unwrap_or(now)
            }
            Stage::Talking { since, .. } if is_pair => since,
            _ => {
                self.counters.reports_ignored += 1;
                return;
            }
        };
        call.stage = Stage::Talking {
            since,
            held_by: None,
            is_changing: false,
        };
        self.calls.set_deadline(chain, None);
        self.step(chain);
    }

    fn held(&mut self, leg: LegId) {
        let Some((call, role)) = self.calls.of_leg(leg) else {
            self.counters.reports_ignored += 1;
            return;
        };
        let chain = call.chain;
        let Stage::Talking { since, .. } = call.stage else {
            self.counters.reports_ignored += 1;
            return;
        };
        call.stage = Stage::Talking {
            since,
            held_by: Some(role.other()),
            is_changing: false,
        };
        self.calls.set_deadline(chain, None);
        self.step(chain);
    }

    pub(super) fn leg_ended(&mut self, leg: LegId, cause: EndCause, now: Instant) {
        let Some((call, _)) = self.calls.of_leg(leg) else {
            self.counters.reports_ignored += 1;
            return;
        };
        let (chain, is_ending) = (call.chain, call.is_ending());
        self.calls.end_leg(leg);
        if is_ending {
            self.close(chain);
        } else {
            self.end_call(chain, cause, now);
        }
    }

    /// Hangs up all that is left of a call.
    pub(super) fn end_call(&mut self, chain: ChainId, cause: EndCause, now: Instant) {
        self.no_longer_waits(chain);
        let Some(call) = self.calls.get_mut(chain) else {
            return;
        };
        call.stage = Stage::Ending { cause };
        self.hang_up_legs(chain, cause, now);
        self.close(chain);
    }

    /// Also repeats what the switch refused or has done nothing about.
    fn hang_up_legs(&mut self, chain: ChainId, cause: EndCause, now: Instant) {
        let Some(call) = self.calls.get(chain) else {
            return;
        };
        let legs: Vec<_> = call.live_legs().collect();
        let deadline = after(now, self.limits.hang_up_retry);
        self.calls.set_deadline(chain, deadline);
        for leg in legs {
            // A slow switch is not asked again before it has answered.
            if !self.calls.is_expected(leg, Purpose::HangUp) {
                let about = Some((leg, Purpose::HangUp));
                self.send(about, Command::HangUp { leg, cause });
            }
        }
    }

    /// One step at the end of a call, which is forgotten with its last leg.
    fn close(&mut self, chain: ChainId) {
        self.step(chain);
        let is_over = |call: &Call| call.live_legs().next().is_none();
        if self.calls.get(chain).is_some_and(is_over) {
            self.calls.remove(chain);
            self.counters.calls_ended += 1;
        }
    }

    pub(super) fn no_longer_waits(&mut self, chain: ChainId) {
        let callee = |call: &Call| call.side(Role::Callee).user;
        if let Some(user) = self.calls.get(chain).and_then(callee) {
            self.users[user].waiting.retain(|waiting| *waiting != chain);
        }
    }
}
