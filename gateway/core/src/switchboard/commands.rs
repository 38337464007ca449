//! Commands to the switch: which one a call needs next, and what becomes of a
//! call when one fails.

use std::sync::Arc;

use super::call::{LegState, Origin, Role, Stage};
use super::calls::{Pending, Purpose};
use super::limits::after;
use super::{Output, Switchboard};
use crate::base::{ChainId, CommandId, Instant, LegId};
use crate::pbx::{Command, CommandFailure, EndCause};
use crate::protocol::Sequence;

impl Switchboard {
    /// Gives the command that the call needs next, if it needs any.
    pub(super) fn advance(&mut self, chain: ChainId, now: Instant) {
        use LegState::{Answered, Waiting};
        let Some(call) = self.calls.get(chain).filter(|_| self.is_connected) else {
            return;
        };
        let (from, to) = (call.side(Role::Caller), call.side(Role::Callee));
        match (call.stage, from.state(), to.state()) {
            (Stage::Setup, None, None) => match call.origin {
                Origin::BackCall {
                    sequence: Sequence::Abonent,
                    ..
                } => self.dial(chain, Role::Callee, now),
                _ => self.dial(chain, Role::Caller, now),
            },
            (Stage::Setup, Some(Waiting | Answered), None) => {
                self.dial(chain, Role::Callee, now);
            }
            (Stage::Setup, None, Some(Answered)) => self.dial(chain, Role::Caller, now),
            (Stage::Connecting { .. }, ..) => self.connect(chain, now),
            _ => {}
        }
    }

    /// Lets a waiting caller through, then joins the two.
    fn connect(&mut self, chain: ChainId, now: Instant) {
        let Some(call) = self.calls.get(chain) else {
            return;
        };
        let (from, to) = (call.side(Role::Caller), call.side(Role::Callee));
        let (Some(first), Some(second)) = (from.live_leg(), to.live_leg()) else {
            return;
        };
        let (purpose, command) = if from.state() == Some(LegState::Waiting) {
            (Purpose::AnswerCaller, Command::Answer { leg: first })
        } else {
            (Purpose::Join, Command::Join { first, second })
        };
        let deadline = after(now, self.limits.operation_timeout);
        self.calls.set_deadline(chain, deadline);
        self.send(Some((first, purpose)), command);
    }

    fn dial(&mut self, chain: ChainId, role: Role, now: Instant) {
        let Some(call) = self.calls.get(chain) else {
            return;
        };
        let (side, other) = (call.side(role), call.side(role.other()));
        let (user, wanted) = (side.user, side.party.number.clone().unwrap_or_default());
        let (caller, caller_name) = (other.party.number.clone(), other.party.name.clone());
        let auto_answer =
            role == Role::Callee && matches!(call.origin, Origin::BackCall { intercom: true, .. });
        let number = match user {
            None => Ok(wanted),
            Some(user) => self.phone_for_call(user, chain, &wanted),
        };
        let number = match number {
            Ok(number) => number,
            Err(cause) => return self.end_call(chain, cause, now),
        };
        if let Some(user) = user {
            self.users[user].call = Some(chain);
        }
        let leg = LegId(self.fresh_guid());
        self.calls.add_leg(chain, role, leg, LegState::Requested);
        let deadline = after(now, self.limits.ring_timeout);
        self.calls.set_deadline(chain, deadline);
        let command = Command::Dial {
            leg,
            number,
            caller,
            caller_name,
            auto_answer,
        };
        self.send(Some((leg, Purpose::Dial)), command);
    }

    /// The phone of a user to ring for a call, or why none can be rung.
    pub(super) fn phone_for_call(
        &self,
        user: usize,
        chain: ChainId,
        wanted: &str,
    ) -> Result<Arc<str>, EndCause> {
        let record = &self.users[user];
        if record.call != Some(chain) && (record.call.is_some() || record.refuses_calls()) {
            return Err(EndCause::Busy);
        }
        let phone = record.phone_to_ring(Some(wanted));
        phone.cloned().ok_or(EndCause::Unreachable)
    }

    pub(super) fn send(&mut self, about: Option<(LegId, Purpose)>, command: Command) {
        if !self.is_connected {
            return;
        }
        self.last_command += 1;
        let id = CommandId(self.last_command);
        if let Some((leg, purpose)) = about {
            self.calls.expect(id, leg, purpose);
        }
        self.outputs.push_back(Output::Pbx(id, command));
    }

    pub(super) fn command_accepted(&mut self, command: CommandId) {
        let Some(pending) = self.calls.settle(command) else {
            self.counters.reports_ignored += 1;
            return;
        };
        if pending.purpose == Purpose::Dial
            && let Some((call, role)) = self.calls.of_leg(pending.leg)
            && call.raise(role, LegState::Dialling, Instant::default())
        {
            self.step(pending.chain);
        }
    }

    /// A command has no effect, or (without a failure) nobody knows.
    pub(super) fn command_failed(
        &mut self,
        command: CommandId,
        why: Option<CommandFailure>,
        now: Instant,
    ) {
        let Some(pending) = self.calls.settle(command) else {
            self.counters.reports_ignored += 1;
            return;
        };
        let Pending {
            chain,
            leg,
            purpose,
        } = pending;
        match (purpose, why) {
            (Purpose::Dial, Some(_)) | (Purpose::HangUp, Some(CommandFailure::NoSuchLeg)) => {
                self.leg_ended(leg, EndCause::Failed, now);
            }
            (Purpose::Dial | Purpose::AnswerCaller, _) => {
                self.end_call(chain, EndCause::Failed, now);
            }
            (Purpose::Join | Purpose::Hold, _) => self.change_failed(chain, now),
            // The deadline repeats the one; the user may repeat the other.
            (Purpose::HangUp | Purpose::PickUp, _) => {}
        }
    }

    /// Without a first join there is no call; a talk stays as it is.
    fn change_failed(&mut self, chain: ChainId, now: Instant) {
        match self.calls.get_mut(chain).map(|call| &mut call.stage) {
            Some(Stage::Talking { is_changing, .. }) => {
                *is_changing = false;
                self.calls.set_deadline(chain, None);
            }
            Some(Stage::Connecting { .. }) => self.end_call(chain, EndCause::Failed, now),
            _ => {}
        }
    }
}
