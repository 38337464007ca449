//! The legs of the simulated switch and what each of them hears.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{ConferenceId, LegId};
use crate::pbx::{CommandFailure, SnapshotLeg, Voice};

/// One phone or outside line in a call.
#[derive(Clone, Debug)]
pub(super) struct SimLeg {
    /// The number at its end.
    pub(super) number: Arc<str>,
    pub(super) kind: Kind,
    pub(super) is_answered: bool,
    pub(super) hears: Hears,
}

/// How a leg came to be.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// The gateway dialled it.
    Dialled,
    /// An outside caller.
    Outside(Plan),
    /// Dialled by hand on a phone.
    ByHand,
}

/// What an outside call is to do by itself.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The number that was called.
    pub(super) called: Arc<str>,
    /// The called phone is picked up this long after it began to ring.
    pub(super) answer_after: Option<Duration>,
    /// The caller hangs up this long after the first talk began.
    pub(super) talk: Option<Duration>,
}

/// What a leg hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hears {
    /// Nothing; the count tells one silence from the next.
    Silence(u64),
    /// The other leg.
    Leg(LegId),
    /// Music: this leg put it on hold.
    Music(LegId),
    /// Nothing, by its own wish: it holds this leg.
    Held(LegId),
    /// Music, and nobody put it there who is still there.
    Queue,
    /// A room.
    Room(ConferenceId, Voice),
}

/// All legs, by id.
#[derive(Debug, Default)]
pub(super) struct Legs {
    legs: BTreeMap<LegId, SimLeg>,
    silences: u64,
}

impl Legs {
    pub(super) fn len(&self) -> usize {
        self.legs.len()
    }

    pub(super) fn get(&self, leg: LegId) -> Option<&SimLeg> {
        self.legs.get(&leg)
    }

    pub(super) fn get_mut(&mut self, leg: LegId) -> Option<&mut SimLeg> {
        self.legs.get_mut(&leg)
    }

    pub(super) fn insert(&mut self, id: LegId, number: Arc<str>, kind: Kind) {
        let leg = SimLeg {
            number,
            kind,
            is_answered: false,
            hears: Hears::Silence(0),
        };
        self.legs.insert(id, leg);
    }

    /// Whether a phone is in a call: what came from outside sits on no phone.
    pub(super) fn is_in_use(&self, phone: &str) -> bool {
        let sits_on_it = |leg: &SimLeg| &*leg.number == phone && !leg.is_outside_caller();
        self.legs.values().any(sits_on_it)
    }

    /// When the phone that this number rings is to be picked up by itself.
    pub(super) fn planned_answer(&self, number: &str) -> Option<Duration> {
        self.legs.values().find_map(|leg| match &leg.kind {
            Kind::Outside(plan) if &*plan.called == number && !leg.is_answered => plan.answer_after,
            _ => None,
        })
    }

    /// Whether two legs can be joined.
    pub(super) fn check_pair(&self, first: LegId, second: LegId) -> Result<(), CommandFailure> {
        for leg in [first, second] {
            let leg = self.get(leg).ok_or(CommandFailure::NoSuchLeg)?;
            if !leg.is_answered || first == second {
                return Err(CommandFailure::WrongState);
            }
        }
        Ok(())
    }

    /// Lets two legs hear each other; returns those that were left alone by it.
    pub(super) fn join(&mut self, first: LegId, second: LegId) -> Vec<(LegId, u64)> {
        let mut alone = Vec::new();
        for (leg, other) in [(first, second), (second, first)] {
            alone.extend(self.part(leg).filter(|(left, _)| *left != other));
        }
        for (leg, other) in [(first, second), (second, first)] {
            if let Some(leg) = self.legs.get_mut(&leg) {
                leg.hears = Hears::Leg(other);
            }
        }
        alone
    }

    /// Lets an answered leg hear music.
    pub(super) fn hold(&mut self, held: LegId) {
        let before = self.legs.get(&held).map(|leg| leg.hears);
        let changes = match before {
            Some(Hears::Leg(holder)) => {
                vec![(held, Hears::Music(holder)), (holder, Hears::Held(held))]
            }
            Some(Hears::Music(_)) | None => Vec::new(),
            Some(_) => {
                self.part(held);
                vec![(held, Hears::Queue)]
            }
        };
        for (leg, hears) in changes {
            if let Some(leg) = self.legs.get_mut(&leg) {
                leg.hears = hears;
            }
        }
    }

    /// Lets a leg hear nothing; gives those who are alone now.
    pub(super) fn part_both(&mut self, leg: LegId) -> Vec<(LegId, u64)> {
        let partner = self.part(leg);
        let own = self.silence(leg).map(|silence| (leg, silence));
        own.into_iter().chain(partner).collect()
    }

    /// Takes a leg into a room; gives whom it leaves alone.
    pub(super) fn confer(
        &mut self,
        leg: LegId,
        room: ConferenceId,
        voice: Voice,
    ) -> Option<(LegId, u64)> {
        let alone = self.part(leg);
        self.legs.get_mut(&leg)?.hears = Hears::Room(room, voice);
        alone
    }

    pub(super) fn remove(&mut self, leg: LegId) -> Option<(SimLeg, Option<(LegId, u64)>)> {
        let alone = self.part(leg);
        Some((self.legs.remove(&leg)?, alone))
    }

    /// Starts a silence on a leg and returns its count.
    pub(super) fn silence(&mut self, leg: LegId) -> Option<u64> {
        self.silences += 1;
        self.legs.get_mut(&leg)?.hears = Hears::Silence(self.silences);
        Some(self.silences)
    }

    /// Takes a leg from its partner; returns the partner, who hears nothing now.
    fn part(&mut self, leg: LegId) -> Option<(LegId, u64)> {
        let partner = match self.legs.get(&leg)?.hears {
            Hears::Silence(_) => return None,
            Hears::Queue | Hears::Room(..) => {
                self.silence(leg);
                return None;
            }
            Hears::Leg(partner) | Hears::Music(partner) | Hears::Held(partner) => partner,
        };
        self.silence(leg);
        Some((partner, self.silence(partner)?))
    }

    pub(super) fn snapshot(&self) -> Vec<SnapshotLeg> {
        let leg = |(id, leg): (&LegId, &SimLeg)| SnapshotLeg {
            leg: *id,
            number: Arc::clone(&leg.number),
            is_answered: leg.is_answered,
            is_held: matches!(leg.hears, Hears::Music(_) | Hears::Queue),
            joined_with: match leg.hears {
                Hears::Leg(partner) => Some(partner),
                _ => None,
            },
            room: match leg.hears {
                Hears::Room(room, voice) => Some((room, voice)),
                _ => None,
            },
        };
        self.legs.iter().map(leg).collect()
    }
}

impl SimLeg {
    pub(super) fn is_outside_caller(&self) -> bool {
        matches!(self.kind, Kind::Outside(_))
    }
}
