//! How the simulated switch behaves.

use std::sync::Arc;
use std::time::Duration;

/// The habits of a [`super::SimulatedPbx`].
#[derive(Clone, Debug, PartialEq)]
pub struct SimConfig {
    /// The phones of the exchange; all are registered at the start.
    pub phones: Vec<Arc<str>>,
    /// Outside numbers answer this long after they began to ring; default 2 s.
    pub answer_after: Duration,
    /// Outside numbers that are busy.
    pub busy_numbers: Vec<Arc<str>>,
    /// Outside numbers that nobody answers.
    pub no_answer_numbers: Vec<Arc<str>>,
    /// Numbers of voice menus: they answer at once.
    pub ivr_numbers: Vec<Arc<str>>,
    /// How long anything rings, and an outside caller waits, at most; default 30 s.
    pub ring_timeout: Duration,
    /// People who hear nobody on an answered leg hang up after this long; default 60 s.
    pub silence_timeout: Duration,
    /// Chance, from 0 to 1, that a command is refused; default 0.
    pub reject_share: f64,
    /// Chance, from 0 to 1, that a command's fate stays unknown; it takes effect
    /// in half of these cases; default 0.
    pub drop_share: f64,
    /// How long until a command of unknown fate is reported; default 5 s.
    pub command_timeout: Duration,
    /// Each event comes this much later, plus up to as much again; the order
    /// stays; default 0.
    pub delay: Duration,
    /// Legs at one time; default 10,000. One more is refused.
    pub legs_max: usize,
    /// What all chances follow from.
    pub seed: u64,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            phones: Vec::new(),
            answer_after: Duration::from_secs(2),
            busy_numbers: Vec::new(),
            no_answer_numbers: Vec::new(),
            ivr_numbers: Vec::new(),
            ring_timeout: Duration::from_secs(30),
            silence_timeout: Duration::from_secs(60),
            reject_share: 0.0,
            drop_share: 0.0,
            command_timeout: Duration::from_secs(5),
            delay: Duration::ZERO,
            legs_max: 10_000,
            seed: 0,
        }
    }
}
