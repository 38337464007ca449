//! Owns the draws of a moving block bootstrap.
//!
//! Seconds are not independent: a slow one is followed by slow ones. So whole blocks of neighbours are drawn until there are as
//! many seconds as the run had. Each phase is drawn from itself, since phases differ on purpose. The more alike neighbours are, the
//! longer the blocks.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

use super::seconds::Column;
use crate::report::units::as_number;

/// Neighbours of one phase; behind its last comes its first again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    from: usize,
    pub(super) length: usize,
}

impl Block {
    /// Its sum in a phase of so many units; `first` gives the sum over so many of its first ones.
    pub(super) fn sum(self, units: usize, first: impl Fn(usize) -> f64) -> f64 {
        let end = self.from + self.length;
        if end <= units {
            return first(end) - first(self.from);
        }
        first(units) - first(self.from) + first(end - units)
    }
}

/// How a run is drawn from.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Of each phase the number of its units and the length of its blocks.
    phases: Vec<(usize, usize)>,
}

impl Plan {
    /// For phases of so many units whose seconds are like these.
    pub(super) fn of(seconds: &[Column<f64>], units: Vec<usize>) -> Self {
        let alike = seconds.iter().map(likeness).fold(0.0, f64::max);
        let by_likeness = 2.0 * (1.0 + alike) / (1.0 - alike);
        let phases = units.into_iter().enumerate().map(|(phase, units)| {
            let seconds = seconds.first().map_or(0, |phases| phases[phase].len());
            let in_units = by_likeness * as_number(units) / as_number(seconds.max(1));
            let length = as_number(units).sqrt().max(in_units).ceil();
            let longest = (units / BLOCKS_MIN).max(1);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            // small and above zero
            let length = (length as usize).clamp(1, longest);
            (units, length)
        });
        Self {
            phases: phases.collect(),
        }
    }

    /// How many blocks there are in all.
    pub(super) fn blocks(&self) -> f64 {
        let blocks = self.phases.iter();
        blocks
            .map(|(units, length)| as_number(*units) / as_number(*length))
            .sum()
    }

    /// The run as it was.
    pub(super) fn whole(&self) -> Vec<Vec<Block>> {
        let whole = |(units, _): &(usize, usize)| match units {
            0 => Vec::new(),
            units => vec![Block {
                from: 0,
                length: *units,
            }],
        };
        self.phases.iter().map(whole).collect()
    }

    /// What becomes of each draw. The same run is always drawn in the same way.
    pub(super) fn draw(&self, mut figure: impl FnMut(&[Vec<Block>]) -> f64) -> Vec<f64> {
        let mut chances = ChaCha8Rng::seed_from_u64(SEED);
        let mut drawn = self.whole();
        let figures = (0..DRAWS).map(|_| {
            for ((units, length), blocks) in self.phases.iter().zip(&mut drawn) {
                draw_phase(&mut chances, *units, *length, blocks);
            }
            figure(&drawn)
        });
        figures.collect()
    }
}

fn draw_phase(chances: &mut ChaCha8Rng, units: usize, length: usize, blocks: &mut Vec<Block>) {
    blocks.clear();
    let mut left = units;
    while left > 0 {
        let length = length.min(left);
        left -= length;
        let from = chances.random_range(0..units);
        blocks.push(Block { from, length });
    }
}

/// How alike neighbours are, from 0 to below 1: the correlation with the next, corrected for what short series hide.
fn likeness(phases: &Column<f64>) -> f64 {
    let (mut together, mut alone, mut count) = (0.0, 0.0, 0);
    for seconds in phases.iter().filter(|seconds| seconds.len() > 2) {
        // By their size, so that one awful second is not all that is seen.
        let sizes: Vec<f64> = seconds
            .iter()
            .map(|figure| figure.max(0.0).ln_1p())
            .collect();
        let mean = sizes.iter().sum::<f64>() / as_number(sizes.len());
        let apart: Vec<f64> = sizes.iter().map(|size| size - mean).collect();
        together += apart.windows(2).map(|two| two[0] * two[1]).sum::<f64>();
        alone += apart.iter().map(|one| one * one).sum::<f64>();
        count += sizes.len();
    }
    if alone <= 0.0 || count == 0 {
        return 0.0;
    }
    let alike = together / alone;
    let hidden = (1.0 + 3.0 * alike) / as_number(count);
    (alike + hidden).clamp(0.0, LIKENESS_MAX)
}

/// A block is no longer than this part of its phase.
const BLOCKS_MIN: usize = 3;
const DRAWS: usize = 2000;
const SEED: u64 = 1;
const LIKENESS_MAX: f64 = 0.97;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_goes_on_at_the_beginning_of_its_phase() {
        let first = |units: usize| [0.0, 1.0, 3.0, 6.0][units];
        let sum = |from, length| Block { from, length }.sum(3, first);
        for (found, wanted) in [(sum(0, 3), 6.0), (sum(1, 2), 5.0), (sum(2, 2), 4.0)] {
            assert!((found - wanted).abs() < 1e-9, "{found}, not {wanted}");
        }
    }

    #[test]
    fn every_draw_has_as_many_units_as_the_run_and_all_of_them_come() {
        let plan = Plan::of(&[vec![vec![1.0; 50], vec![]]], vec![50, 0]);
        let mut seen = [0; 50];
        plan.draw(|phases| {
            let blocks = &phases[0];
            assert_eq!(blocks.iter().map(|block| block.length).sum::<usize>(), 50);
            assert_eq!(phases[1], []);
            for block in blocks {
                for unit in 0..block.length {
                    seen[(block.from + unit) % 50] += 1;
                }
            }
            0.0
        });
        let (least, most) = (seen.iter().min().unwrap(), seen.iter().max().unwrap());
        assert!(*least > 1_700 && *most < 2_300, "{least} {most}");
    }

    #[test]
    fn alike_neighbours_make_long_blocks() {
        let drifting = (0..100)
            .map(|second| f64::from(second / 20 + 1) * 100.0)
            .collect();
        let jumping = (0..100)
            .map(|second| f64::from(second * 37 % 10 + 1) * 100.0)
            .collect();
        let blocks = |seconds: Vec<f64>| Plan::of(&[vec![seconds]], vec![100]).blocks();
        let (drifting, jumping) = (blocks(drifting), blocks(jumping));
        assert!(drifting < 4.0 && jumping > 9.0, "{drifting} {jumping}");
    }
}
