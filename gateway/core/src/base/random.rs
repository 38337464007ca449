//! Seeded randomness: the core never asks the system for any, so that a run can
//! be repeated by its seed.

use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};

use super::Guid;

/// A cryptographic generator. Seeded by the operating system in production, by a
/// number in simulations.
pub struct Random(ChaCha20Rng);

impl Random {
    /// A generator with this seed, which must be unguessable where session ids
    /// come from it.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// A generator for simulations and tests.
    pub fn from_number(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    /// A generator of its own for a part of the gateway.
    #[must_use]
    pub fn split(&mut self) -> Self {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        Self::from_seed(seed)
    }

    /// A random number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A random number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("a 64-bit number times another, over 2^64, is below it")
    }

    /// A fresh version 4 GUID.
    pub fn guid(&mut self) -> Guid {
        Guid::random(u128::from(self.0.next_u64()) << 64 | u128::from(self.0.next_u64()))
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Random(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_guids() {
        let (mut one, mut two) = (Random::from_number(7), Random::from_number(7));
        assert_eq!(one.guid(), two.guid());
        assert_ne!(one.guid(), Random::from_number(8).guid());
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut random = Random::from_number(1);
        assert!((0..1000).all(|_| random.below(7) < 7));
        assert_eq!(random.below(0), 0);
    }
}
