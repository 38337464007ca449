//! What users ask of their phones (protocol 6.5): checked here, done by the
//! switch.

use super::Switchboard;
use super::call::{Call, LegState, Origin, Role, Stage};
use super::calls::Purpose;
use super::limits::after;
use super::numbers::Target;
use crate::base::{Instant, UserId};
use crate::pbx::{Command, EndCause};
use crate::protocol::{CallRequest, ErrorNumber, Fault, FlashMode, Sequence};

impl Switchboard {
    /// A method that acts on the user's phone. `Ok` means that the switch was
    /// asked; what comes of it shows in the user's line.
    pub fn handle_call(
        &mut self,
        user: UserId,
        request: CallRequest,
        now: Instant,
    ) -> Result<(), Fault> {
        let user = self.users.index(user)?;
        if !self.is_connected {
            let text = "the telephone switch is not connected: try again later";
            return Err(Fault::new(ErrorNumber::NotAvailable, text));
        }
        match request {
            CallRequest::AutoCallStart {
                number,
                sequence,
                intercom,
            } => {
                let origin = Origin::BackCall { sequence, intercom };
                self.start_back_call(user, &number, sequence, origin, now)
            }
            CallRequest::AutoCallAbort => self.abort_dialling(user, now),
            CallRequest::Answer => self.pick_up(user),
            CallRequest::Abort => self.abort(user, now),
            CallRequest::Decline => self.decline(user, now),
            CallRequest::Flash(mode) => self.flash(user, mode, now),
        }
    }

    fn start_back_call(
        &mut self,
        user: usize,
        number: &str,
        sequence: Sequence,
        origin: Origin,
        now: Instant,
    ) -> Result<(), Fault> {
        let limits = &self.limits;
        let to = self
            .numbers
            .target(number, limits.number_characters_max, &self.users)?;
        let record = &self.users[user];
        if to.user == Some(user) {
            let expected = "somebody else's number: this one is the caller's own";
            return Err(Fault::parameter("number", expected));
        }
        if self.users[user].call.is_some() {
            // protocol 6.5: in a talk this will start a consultation.
            let text = "the line is in a call: a second call beside it is not supported yet";
            return Err(wrong_state(text));
        }
        let own_number = record.phone_to_ring(None).cloned();
        let Some(own_number) = own_number else {
            return Err(wrong_state("no phone of the user is registered"));
        };
        self.check_callee(&to, sequence)?;
        if self.calls.len() >= limits.calls_max {
            self.counters.calls_over_limit += 1;
            let text = "the exchange carries as many calls as it may: try again later";
            return Err(Fault::new(ErrorNumber::TooMany, text));
        }
        let from = Target {
            user: Some(user),
            party: record.party(own_number),
        };
        let chain = self.new_call(origin, Stage::Setup, from, to);
        self.users[user].call = Some(chain);
        self.advance(chain, now);
        Ok(())
    }

    /// A colleague who cannot be rung is told of at once, unless the own phone
    /// rings first: the colleague may be free until it has been answered.
    fn check_callee(&self, to: &Target, sequence: Sequence) -> Result<(), Fault> {
        let Some(user) = to.user else {
            return Ok(());
        };
        let record = &self.users[user];
        if !record.has_phone() {
            return Err(wrong_state("no phone of the called user is registered"));
        }
        let is_busy = record.call.is_some() || record.refuses_calls();
        if sequence == Sequence::Abonent && is_busy {
            return Err(wrong_state("the called user is busy"));
        }
        Ok(())
    }

    /// The user's call that is not ending, and the user's side of it.
    fn current(&mut self, user: usize) -> Option<(&mut Call, Role)> {
        let call = self.calls.get_mut(self.users[user].call?)?;
        let role = call.role_of_user(user)?;
        (!call.is_ending()).then_some((call, role))
    }

    fn abort_dialling(&mut self, user: usize, now: Instant) -> Result<(), Fault> {
        let nothing = || wrong_state("nothing is being dialled for the user");
        let (call, role) = self.current(user).ok_or_else(nothing)?;
        let is_dialling = !matches!(call.stage, Stage::Talking { .. });
        if role != Role::Caller || !is_dialling || !matches!(call.origin, Origin::BackCall { .. }) {
            return Err(nothing());
        }
        let chain = call.chain;
        self.end_call(chain, EndCause::Normal, now);
        Ok(())
    }

    fn pick_up(&mut self, user: usize) -> Result<(), Fault> {
        let nothing = || wrong_state("the user's phone does not ring");
        let (call, role) = self.current(user).ok_or_else(nothing)?;
        let side = call.side(role);
        let leg = side.live_leg().filter(|_| is_ringing(call, role));
        let leg = leg.ok_or_else(nothing)?;
        self.send(Some((leg, Purpose::PickUp)), Command::Answer { leg });
        Ok(())
    }

    fn abort(&mut self, user: usize, now: Instant) -> Result<(), Fault> {
        let nothing = || wrong_state("the user is in no call");
        let is_shown = self.users[user].picture.is_in_call();
        let (call, role) = self.current(user).ok_or_else(nothing)?;
        // A called user's line that does not ring yet shows no call to end.
        if role == Role::Callee && !is_shown {
            return Err(nothing());
        }
        let is_refusal = role == Role::Callee && is_ringing(call, role);
        let cause = if is_refusal {
            EndCause::Refused
        } else {
            EndCause::Normal
        };
        let chain = call.chain;
        self.end_call(chain, cause, now);
        Ok(())
    }

    fn decline(&mut self, user: usize, now: Instant) -> Result<(), Fault> {
        let nothing = || wrong_state("the user's phone does not ring");
        let (call, role) = self.current(user).ok_or_else(nothing)?;
        if !is_ringing(call, role) {
            return Err(nothing());
        }
        let chain = call.chain;
        self.end_call(chain, EndCause::Refused, now);
        Ok(())
    }

    /// protocol 6.6: with nobody held, `switch` holds the current party; with
    /// only a held one, both modes take it back.
    fn flash(&mut self, user: usize, mode: FlashMode, now: Instant) -> Result<(), Fault> {
        let nothing = || wrong_state("the user is in no talk");
        let (call, role) = self.current(user).ok_or_else(nothing)?;
        let Stage::Talking {
            held_by,
            is_changing,
            ..
        } = &mut call.stage
        else {
            return Err(nothing());
        };
        let held_by = *held_by;
        match (held_by, mode) {
            (Some(holder), _) if holder != role => {
                return Err(wrong_state("the user is on hold"));
            }
            (None, FlashMode::Abort) => {
                return Err(wrong_state("the user holds nobody to return to"));
            }
            _ if *is_changing => {
                return Err(wrong_state("a hold or its end is under way"));
            }
            _ => *is_changing = true,
        }
        let chain = call.chain;
        let (own, other) = (call.side(role), call.side(role.other()));
        let (Some(first), Some(second)) = (own.live_leg(), other.live_leg()) else {
            return Err(nothing());
        };
        let (purpose, command) = match held_by {
            None => (Purpose::Hold, Command::Hold { held: second }),
            Some(_) => (Purpose::Join, Command::Join { first, second }),
        };
        let deadline = after(now, self.limits.operation_timeout);
        self.calls.set_deadline(chain, deadline);
        self.send(Some((second, purpose)), command);
        Ok(())
    }
}

fn is_ringing(call: &Call, role: Role) -> bool {
    call.side(role).state() == Some(LegState::Ringing)
}

fn wrong_state(text: &'static str) -> Fault {
    Fault::new(ErrorNumber::WrongState, text)
}
