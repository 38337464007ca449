//! A simulated telephone switch on the port: phones, outside callers and
//! numbers that ring, answer, are busy or say nothing, with refusals, delays and
//! lost commands by seed.
//!
//! In come commands, the acts of simulated people and the time; out come the
//! port's events through [`SimulatedPbx::poll_event`]. It knows nothing of users
//! and chains, and never acts but at the times that it names in
//! [`SimulatedPbx::next_timeout`].

mod config;
mod legs;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};

pub use self::config::SimConfig;
use self::legs::{Hears, Kind, Legs, Plan};
use super::{Command, CommandFailure, EndCause, PbxEvent, PhoneState, SnapshotLeg};
use crate::base::{CommandId, Guid, Instant, LegId};

/// The simulated switch.
///
/// After every call that may change something, poll
/// [`SimulatedPbx::poll_event`] until it is empty, then
/// [`SimulatedPbx::next_timeout`].
#[derive(Debug)]
pub struct SimulatedPbx {
    config: SimConfig,
    random: ChaCha12Rng,
    phones: BTreeMap<Arc<str>, PhoneState>,
    legs: Legs,
    is_connected: bool,
    /// What will happen by itself, by time and then in the order of its planning.
    agenda: BTreeMap<(Instant, u64), Deed>,
    planned: u64,
    ready: VecDeque<PbxEvent>,
    delayed: VecDeque<(Instant, PbxEvent)>,
}

/// Something that happens by itself.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Somebody picks up.
    Answer(LegId),
    /// It rang for too long.
    GiveUp(LegId),
    /// The talk has lasted as long as it was to last.
    FinishTalk(LegId),
    /// This silence has lasted too long.
    LoseSilence(LegId, u64),
    /// The driver gives up waiting for a command's fate.
    TimeOut(CommandId),
}

impl Deed {
    fn leg(self) -> Option<LegId> {
        match self {
            Self::Answer(leg)
            | Self::GiveUp(leg)
            | Self::FinishTalk(leg)
            | Self::LoseSilence(leg, _) => Some(leg),
            Self::TimeOut(_) => None,
        }
    }
}

impl SimulatedPbx {
    /// A connected switch without calls; its first event says so.
    pub fn new(config: SimConfig) -> Self {
        let phones = config.phones.iter();
        let mut sim = Self {
            phones: phones
                .map(|it| (Arc::clone(it), PhoneState::Registered))
                .collect(),
            random: ChaCha12Rng::seed_from_u64(config.seed ^ OWN_STREAM),
            config,
            legs: Legs::default(),
            is_connected: false,
            agenda: BTreeMap::new(),
            planned: 0,
            ready: VecDeque::new(),
            delayed: VecDeque::new(),
        };
        sim.reconnect();
        sim
    }

    /// The next event, in order.
    pub fn poll_event(&mut self) -> Option<PbxEvent> {
        self.ready.pop_front()
    }

    /// When [`SimulatedPbx::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        let deed = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let event = self.delayed.front().map(|(at, _)| *at);
        deed.into_iter().chain(event).min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(entry) = self.agenda.first_entry() {
            let at = entry.key().0;
            if at > now {
                break;
            }
            let deed = entry.remove();
            self.perform(deed, at);
        }
        while self.delayed.front().is_some_and(|(at, _)| *at <= now) {
            self.ready
                .extend(self.delayed.pop_front().map(|(_, event)| event));
        }
    }

    /// The gateway gives a command.
    pub fn handle_command(&mut self, id: CommandId, command: Command, now: Instant) {
        if !self.is_connected {
            let failure = CommandFailure::Unavailable;
            return self.ready.push_back(PbxEvent::Failed(id, failure));
        }
        if self.happens(self.config.drop_share) {
            let deadline = self.config.command_timeout;
            self.plan(deadline, Deed::TimeOut(id), now);
            if self.random.random() && self.check(&command).is_ok() {
                self.carry_out(command, now);
            }
            return;
        }
        let outcome = if self.happens(self.config.reject_share) {
            Err(CommandFailure::Rejected)
        } else {
            self.check(&command)
        };
        match outcome {
            Ok(()) => {
                self.emit(PbxEvent::Accepted(id), now);
                self.carry_out(command, now);
            }
            Err(failure) => self.emit(PbxEvent::Failed(id, failure), now),
        }
    }

    /// Somebody outside calls a number here; `None` if all legs are in use.
    ///
    /// With `answer_after` the called phone is picked up this long after it began
    /// to ring; with `talk` the caller hangs up this long after the talk began.
    pub fn outside_call(
        &mut self,
        from: Option<Arc<str>>,
        to: &Arc<str>,
        name: Option<Arc<str>>,
        answer_after: Option<Duration>,
        talk: Option<Duration>,
        now: Instant,
    ) -> Option<LegId> {
        let plan = Plan {
            called: Arc::clone(to),
            answer_after,
            talk,
        };
        let number = from.clone().unwrap_or_default();
        let leg = self.enter(number, Kind::Outside(plan), now)?;
        let event = PbxEvent::Incoming {
            leg,
            caller: from,
            caller_name: name,
            called: Arc::clone(to),
        };
        self.emit(event, now);
        Some(leg)
    }

    /// A user dials by hand; `None` if the phone is in use or not there.
    pub fn hand_dial(
        &mut self,
        phone: &Arc<str>,
        called: &Arc<str>,
        now: Instant,
    ) -> Option<LegId> {
        let is_there = self.phones.get(phone) == Some(&PhoneState::Registered);
        if !is_there || self.legs.is_in_use(phone) {
            return None;
        }
        let leg = self.enter(Arc::clone(phone), Kind::ByHand, now)?;
        let event = PbxEvent::HandDialled {
            leg,
            from: Arc::clone(phone),
            called: Arc::clone(called),
        };
        self.emit(event, now);
        Some(leg)
    }

    /// A ringing phone is picked up by hand; false if it does not ring.
    pub fn answer(&mut self, leg: LegId, now: Instant) -> bool {
        let rings = |leg: &legs::SimLeg| matches!(leg.kind, Kind::Dialled) && !leg.is_answered;
        let is_ringing = self.legs.get(leg).is_some_and(rings);
        if is_ringing {
            self.answer_leg(leg, now);
        }
        is_ringing
    }

    /// Whoever is at the end of a leg hangs up, or refuses if it rings; false if
    /// there is no such leg.
    pub fn hang_up(&mut self, leg: LegId, now: Instant) -> bool {
        let Some(known) = self.legs.get(leg) else {
            return false;
        };
        let is_ringing = matches!(known.kind, Kind::Dialled) && !known.is_answered;
        let cause = if is_ringing {
            EndCause::Refused
        } else {
            EndCause::Normal
        };
        self.end_leg(leg, cause, now);
        true
    }

    /// A phone registers or goes away.
    pub fn set_phone(&mut self, number: &Arc<str>, state: PhoneState, now: Instant) {
        self.phones.insert(Arc::clone(number), state);
        let number = Arc::clone(number);
        self.emit(PbxEvent::Phone { number, state }, now);
    }

    /// The driver loses the switch: what happens from now on is not reported,
    /// and neither is what was still on its way.
    pub fn disconnect(&mut self) {
        if self.is_connected {
            self.is_connected = false;
            self.delayed.clear();
            self.agenda.retain(|_, deed| deed.leg().is_some());
            self.ready.push_back(PbxEvent::Disconnected);
        }
    }

    /// The driver is back, with a snapshot.
    pub fn reconnect(&mut self) {
        if !self.is_connected {
            self.is_connected = true;
            let phones = self.phones.iter();
            self.ready.push_back(PbxEvent::Connected {
                phones: phones.map(|(it, state)| (Arc::clone(it), *state)).collect(),
                legs: self.legs.snapshot(),
            });
        }
    }

    /// The legs that exist, in the order of their ids.
    pub fn legs(&self) -> Vec<SnapshotLeg> {
        self.legs.snapshot()
    }

    fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.random.random_bool(share.min(1.0))
    }

    fn enter(&mut self, number: Arc<str>, kind: Kind, now: Instant) -> Option<LegId> {
        if self.legs.len() >= self.config.legs_max {
            return None;
        }
        let leg = LegId(Guid::random(self.random.random()));
        self.legs.insert(leg, number, kind);
        self.plan(self.config.ring_timeout, Deed::GiveUp(leg), now);
        Some(leg)
    }

    fn check(&self, command: &Command) -> Result<(), CommandFailure> {
        let find = |leg: &LegId| self.legs.get(*leg).ok_or(CommandFailure::NoSuchLeg);
        let is_fine = match command {
            Command::Dial { leg, .. } => {
                find(leg).is_err() && self.legs.len() < self.config.legs_max
            }
            Command::Answer { leg } => !find(leg)?.is_answered,
            Command::HangUp { leg, .. } => find(leg).map(|_| true)?,
            Command::Join { first, second } => {
                self.legs.check_pair(*first, *second).map(|()| true)?
            }
            Command::Hold { held: leg } | Command::Part { leg } | Command::Confer { leg, .. } => {
                find(leg)?.is_answered
            }
        };
        if is_fine {
            Ok(())
        } else {
            Err(CommandFailure::WrongState)
        }
    }

    fn carry_out(&mut self, command: Command, now: Instant) {
        match command {
            Command::Dial {
                leg,
                number,
                auto_answer,
                ..
            } => self.dial(leg, number, auto_answer, now),
            Command::Answer { leg } => self.answer_leg(leg, now),
            Command::HangUp { leg, cause } => self.end_leg(leg, cause, now),
            Command::Join { first, second } => self.join(first, second, now),
            Command::Hold { held } => {
                self.legs.hold(held);
                self.emit(PbxEvent::Held(held), now);
            }
            Command::Part { leg } => {
                let alone = self.legs.part_both(leg);
                self.leave_alone(alone, now);
                self.emit(PbxEvent::Parted(leg), now);
            }
            Command::Confer { leg, room, voice } => {
                let alone = self.legs.confer(leg, room, voice);
                self.leave_alone(alone, now);
                self.emit(PbxEvent::Conferred(leg, room, voice), now);
            }
        }
    }

    fn dial(&mut self, leg: LegId, number: Arc<str>, auto_answer: bool, now: Instant) {
        let phone = self.phones.get(&number).copied();
        let refusal = match phone {
            Some(PhoneState::Absent) => Some(EndCause::Unreachable),
            Some(PhoneState::Registered) if self.legs.is_in_use(&number) => Some(EndCause::Busy),
            None if self.config.busy_numbers.contains(&number) => Some(EndCause::Busy),
            _ => None,
        };
        if let Some(cause) = refusal {
            return self.emit(PbxEvent::Ended(leg, cause), now);
        }
        let answer_after = match phone {
            Some(_) => self.legs.planned_answer(&number),
            None if self.config.no_answer_numbers.contains(&number) => None,
            None if self.config.ivr_numbers.contains(&number) => Some(Duration::ZERO),
            None => Some(self.config.answer_after),
        };
        self.legs.insert(leg, number, Kind::Dialled);
        if auto_answer && phone.is_some() {
            return self.answer_leg(leg, now);
        }
        self.emit(PbxEvent::Ringing(leg), now);
        self.plan(self.config.ring_timeout, Deed::GiveUp(leg), now);
        if let Some(after) = answer_after {
            self.plan(after, Deed::Answer(leg), now);
        }
    }

    fn answer_leg(&mut self, leg: LegId, now: Instant) {
        if let Some(known) = self.legs.get_mut(leg).filter(|leg| !leg.is_answered) {
            known.is_answered = true;
            self.emit(PbxEvent::Answered(leg), now);
            let silence = self.legs.silence(leg);
            self.leave_alone(silence.map(|silence| (leg, silence)), now);
        }
    }

    fn join(&mut self, first: LegId, second: LegId, now: Instant) {
        let alone = self.legs.join(first, second);
        self.leave_alone(alone, now);
        self.emit(PbxEvent::Joined(first, second), now);
        for leg in [first, second] {
            let Some(known) = self.legs.get_mut(leg) else {
                continue;
            };
            if let Kind::Outside(plan) = &mut known.kind
                && let Some(talk) = plan.talk.take()
            {
                self.plan(talk, Deed::FinishTalk(leg), now);
            }
        }
    }

    fn end_leg(&mut self, leg: LegId, cause: EndCause, now: Instant) {
        if let Some((_, alone)) = self.legs.remove(leg) {
            self.agenda.retain(|_, deed| deed.leg() != Some(leg));
            self.emit(PbxEvent::Ended(leg, cause), now);
            self.leave_alone(alone, now);
        }
    }

    fn leave_alone(&mut self, alone: impl IntoIterator<Item = (LegId, u64)>, now: Instant) {
        for (leg, silence) in alone {
            let patience = self.config.silence_timeout;
            self.plan(patience, Deed::LoseSilence(leg, silence), now);
        }
    }

    fn perform(&mut self, deed: Deed, now: Instant) {
        let leg = deed.leg().and_then(|leg| self.legs.get(leg));
        match deed {
            Deed::Answer(leg) => self.answer_leg(leg, now),
            Deed::GiveUp(id) if leg.is_some_and(|leg| !leg.is_answered) => {
                self.end_leg(id, EndCause::NoAnswer, now);
            }
            Deed::LoseSilence(id, silence)
                if leg.is_some_and(|leg| leg.hears == Hears::Silence(silence)) =>
            {
                self.end_leg(id, EndCause::Normal, now);
            }
            Deed::FinishTalk(leg) => self.end_leg(leg, EndCause::Normal, now),
            Deed::TimeOut(command) => self.emit(PbxEvent::TimedOut(command), now),
            Deed::GiveUp(_) | Deed::LoseSilence(..) => {}
        }
    }

    fn plan(&mut self, after: Duration, deed: Deed, now: Instant) {
        self.planned += 1;
        self.agenda.insert((now + after, self.planned), deed);
    }

    fn emit(&mut self, event: PbxEvent, now: Instant) {
        if !self.is_connected {
            return;
        }
        if self.config.delay.is_zero() {
            return self.ready.push_back(event);
        }
        let delay = self.config.delay.mul_f64(1.0 + self.random.random::<f64>());
        let last = self.delayed.back().map(|(at, _)| *at);
        let at = last.unwrap_or_default().max(now + delay);
        self.delayed.push_back((at, event));
    }
}

/// Keeps the switch's leg ids apart from those of a switchboard that was given
/// the same seed.
const OWN_STREAM: u64 = 0x5EED_0F7A_E5E1_7C4B;
