//! A timing wheel: one for all links of a shard, not a timer per link.
//!
//! Keys and deadlines come in; keys whose deadline has passed come out. An entry
//! is never cancelled: the owner of a key looks, when it comes out, whether there
//! is still something to do, and puts it back with the deadline that counts now.
//! So hearing from a link costs nothing here.

use super::Instant;

/// A hashed timing wheel of 4,096 slots.
#[derive(Debug)]
pub struct Wheel<K> {
    slots: Vec<Vec<(u64, K)>>,
    occupied: [u64; SLOTS / 64],
    /// The next tick to be looked at.
    cursor: u64,
    entries: usize,
    due: Vec<(u64, K)>,
}

impl<K: Copy> Wheel<K> {
    /// An empty wheel whose time starts at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            occupied: [0; SLOTS / 64],
            cursor: tick_of(now),
            entries: 0,
            due: Vec::new(),
        }
    }

    /// Entries on the wheel.
    pub const fn len(&self) -> usize {
        self.entries
    }

    /// Whether there is no entry.
    pub const fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Lets `key` come out at the first tick at or after `deadline`.
    pub fn insert(&mut self, deadline: Instant, key: K) {
        let tick = deadline.as_micros().div_ceil(TICK_MICROS).max(self.cursor);
        self.put(tick, key);
        self.entries += 1;
    }

    /// When to call [`Wheel::advance`] next.
    ///
    /// It may be earlier than the earliest deadline (by whole turns of the wheel),
    /// never later.
    pub fn next(&self) -> Option<Instant> {
        if self.entries == 0 {
            return None;
        }
        let from = slot_of(self.cursor);
        let distance = (0..=self.occupied.len()).find_map(|step| {
            let word = (from / 64 + step) % self.occupied.len();
            let bits = match step {
                0 => self.occupied[word] & (u64::MAX << (from % 64)),
                _ => self.occupied[word],
            };
            let slot = word * 64 + bits.trailing_zeros() as usize;
            (bits != 0).then(|| (slot + SLOTS - from) % SLOTS)
        })?;
        Some(Instant::from_micros(
            (self.cursor + distance as u64) * TICK_MICROS,
        ))
    }

    /// Takes out every key whose deadline is at or before `now`.
    pub fn advance(&mut self, now: Instant, mut each: impl FnMut(K)) {
        let end = now.as_micros() / TICK_MICROS;
        if self.entries == 0 {
            self.cursor = self.cursor.max(end + 1);
            return;
        }
        // A jump beyond one turn looks at every slot once.
        let steps = (end + 1).saturating_sub(self.cursor).min(SLOTS as u64);
        let first = self.cursor;
        self.cursor = self.cursor.max(end + 1);
        for tick in first..first + steps {
            let slot = slot_of(tick);
            if self.occupied[slot / 64] & (1 << (slot % 64)) == 0 {
                continue;
            }
            self.occupied[slot / 64] &= !(1 << (slot % 64));
            std::mem::swap(&mut self.slots[slot], &mut self.due);
            let mut due = std::mem::take(&mut self.due);
            for (deadline, key) in due.drain(..) {
                if deadline <= end {
                    self.entries -= 1;
                    each(key);
                } else {
                    self.put(deadline, key);
                }
            }
            // Slots and this list swap their memory: what a burst needed would else be
            // kept by every slot in the end.
            if due.capacity() > KEPT_ENTRIES_MAX {
                due = Vec::new();
            }
            self.due = due;
        }
    }

    fn put(&mut self, tick: u64, key: K) {
        let slot = slot_of(tick);
        self.slots[slot].push((tick, key));
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }
}

/// How exact the wheel is: a key comes out at most this much late.
const TICK_MICROS: u64 = 10_000;
const SLOTS: usize = 4096;
/// Room for so many entries is kept of a slot that came out: as many as a slot has with
/// tens of thousands of links.
const KEPT_ENTRIES_MAX: usize = 32;

const fn tick_of(now: Instant) -> u64 {
    now.as_micros() / TICK_MICROS
}

#[allow(clippy::cast_possible_truncation)] // the remainder fits
const fn slot_of(tick: u64) -> usize {
    (tick % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    #[test]
    fn a_key_comes_out_at_its_deadline_and_not_before() {
        let mut wheel = Wheel::new(at(0));
        wheel.insert(at(100), "a");
        let mut out = Vec::new();
        wheel.advance(at(90), |key| out.push(key));
        assert!(out.is_empty());
        wheel.advance(at(100), |key| out.push(key));
        assert_eq!((out, wheel.next()), (vec!["a"], None));
    }

    #[test]
    fn a_deadline_several_turns_away_waits_for_its_turn() {
        let mut wheel = Wheel::new(at(0));
        wheel.insert(at(200_000), 1);
        let mut now = at(0);
        while let Some(next) = wheel.next() {
            assert!(next >= now, "the wheel asks for the past");
            now = next;
            wheel.advance(now, |key| assert_eq!((key, now), (1, at(200_000))));
        }
        assert_eq!(now, at(200_000));
    }

    #[test]
    fn what_bursts_needed_is_not_kept_by_every_slot() {
        let mut wheel = Wheel::new(at(0));
        for turn in 1..=100 {
            for key in 0..1000 {
                wheel.insert(at(turn * 500), key);
            }
            wheel.advance(at(turn * 500), |_| {});
        }
        let kept: usize = wheel.slots.iter().map(Vec::capacity).sum();
        assert!(kept <= 100 * KEPT_ENTRIES_MAX, "room for {kept} entries");
    }

    proptest! {
        #[test]
        fn every_key_comes_out_once_within_a_tick_of_its_deadline(
            deadlines in prop::collection::vec(0_u64..300_000, 1..60),
            steps in prop::collection::vec(1_u64..30_000, 1..60),
        ) {
            let mut wheel = Wheel::new(at(0));
            for (key, deadline) in deadlines.iter().enumerate() {
                wheel.insert(at(*deadline), key);
            }
            let (mut now, mut before, mut out) = (0, 0, vec![0; deadlines.len()]);
            for step in steps.into_iter().chain([400_000]) {
                now += step;
                wheel.advance(at(now), |key| {
                    out[key] += 1;
                    assert!(deadlines[key] <= now, "too early");
                    assert!(deadlines[key] + 10 > before, "a turn too late");
                });
                before = now;
            }
            prop_assert!(out.iter().all(|times| *times == 1), "{out:?}");
            prop_assert!(wheel.is_empty());
        }
    }
}
