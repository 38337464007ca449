//! Owns the messages that are on their way between the parts of the gateway, and to and from the CRM.
//!
//! Each way keeps its order and takes its time; between ways everything overtakes everything.

use std::collections::BTreeMap;
use std::time::Duration;

use okgate_core::base::{Instant, Random};
use okgate_core::hub::{FromShard, ToShard};

use crate::crm::{Errand, Post};
use crate::people::SHARDS;

/// A message on its way.
pub(crate) enum Letter {
    ToHub(FromShard),
    ToShard(ToShard),
    ToCrm(Errand),
    FromCrm(Post),
}

/// One direction between two parts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// From the shard of this number to the hub.
    Up(usize),
    /// From the hub to the shard of this number.
    Down(usize),
    ToCrm,
    FromCrm,
}

pub(crate) struct Mail {
    letters: BTreeMap<(Instant, u64), Letter>,
    posted: u64,
    /// When the last letter of each way arrives.
    last_arrivals: [Instant; 2 * SHARDS + 2],
    pub(crate) delay_max: Duration,
}

impl Mail {
    pub(crate) fn new(delay_max: Duration, now: Instant) -> Self {
        Self {
            letters: BTreeMap::new(),
            posted: 0,
            last_arrivals: [now; 2 * SHARDS + 2],
            delay_max,
        }
    }

    pub(crate) fn post(&mut self, letter: Letter, way: Way, random: &mut Random, now: Instant) {
        let delay_max = u64::try_from(self.delay_max.as_micros()).expect("some seconds");
        let delay = Duration::from_micros(random.below(delay_max + 1));
        let last = &mut self.last_arrivals[way.index()];
        *last = (*last).max(now + delay);
        self.posted += 1;
        self.letters.insert((*last, self.posted), letter);
    }

    /// What is under way to the CRM and from it is lost.
    pub(crate) fn forget_crm(&mut self) {
        let is_other = |letter: &Letter| !matches!(letter, Letter::ToCrm(_) | Letter::FromCrm(_));
        self.letters.retain(|_, letter| is_other(letter));
    }

    /// When the next letter arrives.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.letters.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn take(&mut self) -> Option<Letter> {
        self.letters.pop_first().map(|(_, letter)| letter)
    }
}

impl Way {
    const fn index(self) -> usize {
        match self {
            Self::Up(shard) => shard,
            Self::Down(shard) => SHARDS + shard,
            Self::ToCrm => 2 * SHARDS,
            Self::FromCrm => 2 * SHARDS + 1,
        }
    }
}
