//! Owns what is drawn for one connection: which faults it has, with which numbers. The same plan, seed and number of the
//! connection give the same fate.

use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;

use super::effect::{Direction, Effect, Moment};
use super::plan::Plan;

/// The faults of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fate {
    /// In the order of the plan.
    pub(super) faults: Vec<Drawn>,
    /// How much of what comes next still goes through when a cut's time has come, in thousandths.
    pub(super) share: u16,
}

/// One fault of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Drawn {
    /// What it does.
    #[serde(flatten)]
    pub effect: Effect<u64>,
    /// Which way the bytes go that it happens to.
    pub direction: Direction,
}

/// How bytes that go one way are held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shape {
    pub(super) delay: Duration,
    /// At most, on top of the delay.
    pub(super) jitter: Duration,
    pub(super) bytes_per_s: Option<u64>,
    /// The pause between bytes that come one by one.
    pub(super) pause: Option<Duration>,
}

impl Fate {
    /// Draws the faults of the connection with this number.
    pub(super) fn draw(plan: &Plan, seed: u64, number: u64) -> Self {
        let mut random = random(seed, number);
        let mut drawn = Vec::new();
        for (place, fault) in plan.faults.iter().enumerate() {
            // Everything is drawn in any case, so that one fault's chance does not move another's numbers.
            let (is_drawn, effect) = (
                random.random_bool(fault.probability),
                fault.effect.draw(&mut random),
            );
            if is_drawn {
                let direction = fault.direction;
                drawn.push((place, fault.weight, Drawn { effect, direction }));
            }
        }
        let mut chosen = Vec::new();
        while !drawn.is_empty() && chosen.len() < plan.faults_max {
            let (place, _, fault) = drawn.swap_remove(choose(&drawn, &mut random));
            let kind = fault.effect.kind();
            drawn.retain(|(_, _, other)| {
                let other = other.effect.kind();
                other != kind && !(other.is_end() && kind.is_end())
            });
            chosen.push((place, fault));
        }
        chosen.sort_by_key(|(place, _)| *place);
        Self {
            faults: chosen.into_iter().map(|(_, fault)| fault).collect(),
            share: random.random_range(0..1000),
        }
    }

    /// How bytes that go this way are held up.
    pub(super) fn shape(&self, direction: Direction) -> Shape {
        let mut shape = Shape::default();
        for fault in &self.faults {
            if !fault.direction.covers(direction) {
                continue;
            }
            match fault.effect {
                Effect::Delay { delay_ms } => shape.delay = Duration::from_millis(delay_ms),
                Effect::Jitter { jitter_ms } => shape.jitter = Duration::from_millis(jitter_ms),
                Effect::Bandwidth { bytes_per_s } => shape.bytes_per_s = Some(bytes_per_s),
                Effect::ByteByByte { pause_ms } => {
                    shape.pause = Some(Duration::from_millis(pause_ms));
                }
                Effect::Cut { .. } | Effect::Reset { .. } | Effect::HalfOpen { .. } => {}
            }
        }
        shape
    }

    /// The fault that ends the connection, and when.
    pub(super) fn end(&self) -> Option<(Drawn, Moment<u64>)> {
        self.faults.iter().find_map(|fault| match fault.effect {
            Effect::Cut { after } | Effect::Reset { after } | Effect::HalfOpen { after, .. } => {
                Some((*fault, after))
            }
            _ => None,
        })
    }
}

/// The random numbers of one connection.
pub(super) fn random(seed: u64, number: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number);
    random
}

/// A place among these, by weight.
fn choose(drawn: &[(usize, u32, Drawn)], random: &mut ChaCha8Rng) -> usize {
    let total: u64 = drawn.iter().map(|(_, weight, _)| u64::from(*weight)).sum();
    let mut left = random.random_range(0..total.max(1));
    for (place, (_, weight, _)) in drawn.iter().enumerate() {
        match left.checked_sub(u64::from(*weight)) {
            Some(rest) => left = rest,
            None => return place,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::effect::Kind;

    fn kinds(fate: &Fate) -> Vec<Kind> {
        fate.faults.iter().map(|it| it.effect.kind()).collect()
    }

    #[test]
    fn the_same_seed_and_number_give_the_same_faults_and_others_give_others() {
        let story = |seed| {
            let fates = (1..=50).map(|number| Fate::draw(&Plan::heavy(), seed, number));
            fates.collect::<Vec<_>>()
        };
        assert_eq!(story(7), story(7));
        assert_ne!(story(7), story(8));
        let first = &story(7)[0];
        assert!(story(7).iter().any(|fate| fate != first));
    }

    #[test]
    fn every_kind_comes_and_no_connection_ends_in_two_ways_or_has_too_many_faults() {
        let plan = Plan::heavy();
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..500 {
            let fate = Fate::draw(&plan, 1, number);
            let kinds = kinds(&fate);
            assert!(kinds.len() <= plan.faults_max, "{fate:?}");
            assert!(
                kinds.iter().filter(|kind| kind.is_end()).count() <= 1,
                "{fate:?}"
            );
            seen.extend(kinds);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), Kind::ALL);
    }

    #[test]
    fn probability_and_weight_are_as_often_as_they_say() {
        let plan = Plan::from_toml(
            "faults_max = 1\n[[fault]]\nkind = \"cut\"\nprobability = 0.5\nweight = 1\n\
             [[fault]]\nkind = \"reset\"\nprobability = 0.5\nweight = 3\n",
        )
        .unwrap();
        let fates: Vec<Vec<Kind>> = (0..4000)
            .map(|number| kinds(&Fate::draw(&plan, 3, number)))
            .collect();
        let count = |kinds: &[Kind]| fates.iter().filter(|it| *it == kinds).count();
        // A quarter has neither, a quarter only one of them, a quarter the other, and a quarter had to choose.
        assert!((900..1100).contains(&count(&[])), "{}", count(&[]));
        let cut = count(&[Kind::Cut]);
        assert!((1125..1375).contains(&cut), "{cut}");
    }

    #[test]
    fn shapes_hold_for_their_direction_and_numbers_stay_within_their_bounds() {
        let plan = Plan::from_toml(
            "[[fault]]\nkind = \"delay\"\ndelay_ms = [10, 20]\ndirection = \"up\"\n\
             [[fault]]\nkind = \"half-open\"\nafter_bytes = 5\nlasts_ms = [1, 2]\n",
        )
        .unwrap();
        for number in 0..100 {
            let fate = Fate::draw(&plan, 1, number);
            let delay = fate.shape(Direction::Up).delay.as_millis();
            assert!((10..=20).contains(&delay), "{delay}");
            assert_eq!(fate.shape(Direction::Down), Shape::default());
            let (end, after) = fate.end().unwrap();
            assert_eq!((after.after_bytes, after.after_ms), (Some(5), None));
            assert_eq!(end.direction, Direction::Both);
        }
    }
}
