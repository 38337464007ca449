//! Thousands of seeded days at the office: random people do random things on a
//! switch that refuses, delays, forgets and goes away, while every step is
//! checked; at the end of each day nothing may be left. The day that fails is shrunk
//! to the few acts that matter, and told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::script::{Act, NO_CHAIN, script};
use super::world::{PEOPLE, World, directory, number_of, sim_config, user};
use crate::pbx::PhoneState;
use crate::pbx::sim::SimConfig;
use crate::protocol::{Direction, LineInfo, LineState, Phase};
use crate::switchboard::{Counters, Limits};

/// Days of a normal run, 120,000 acts; `OKGATE_SIMULATION_DAYS` asks for more.
const DAYS: u64 = 1_000;
const ACTS: usize = 120;

/// How often each request was made in each state of the asker's line.
type Coverage = BTreeMap<(&'static str, &'static str), usize>;

/// One day: what the switch is like, and what happens.
struct Day {
    seed: u64,
    acts: Vec<Act>,
}

#[test]
fn whatever_happens_lines_stay_true_and_every_call_ends() {
    let (mut talks, mut refused, mut forgotten) = (0, 0, 0);
    let days = std::env::var("OKGATE_SIMULATION_DAYS");
    let days = days.map_or(DAYS, |days| days.parse().expect("a number of days"));
    let mut coverage = Coverage::new();
    for seed in 0..days {
        let day = Day::new(seed);
        let outcome = catch_unwind(AssertUnwindSafe(|| day.live(false, &mut coverage)));
        let Ok((_, counters)) = outcome else {
            day.explain();
        };
        talks += counters.calls_connected;
        refused += counters.commands_failed;
        forgotten += counters.commands_timed_out;
    }
    // The days are eventful enough to mean something.
    assert!(talks > days && refused > days && forgotten > days / 4);
    check_coverage(&coverage);
}

#[test]
fn the_same_seed_is_the_same_day() {
    let day = || Day::new(7).live(true, &mut Coverage::new());
    let ((first, _), (second, _)) = (day(), day());
    assert_eq!(first, second);
}

/// Every request is made in every state that a line can be in.
fn check_coverage(coverage: &Coverage) {
    let mut requests: Vec<_> = coverage.keys().map(|(request, _)| *request).collect();
    requests.dedup();
    let mut table = format!("{:15}", "");
    for state in STATES {
        write!(table, "{state:>13}").expect("a string");
    }
    let mut missing = Vec::new();
    for request in &requests {
        write!(table, "\n{request:15}").expect("a string");
        for state in STATES {
            let count = coverage
                .get(&(*request, *state))
                .copied()
                .unwrap_or_default();
            write!(table, "{count:>13}").expect("a string");
            if count == 0 {
                missing.push((*request, *state));
            }
        }
    }
    println!("requests made, by the state of the asker's line:\n{table}");
    assert_eq!(requests.len(), 17, "{requests:?}");
    assert!(missing.is_empty(), "never tried: {missing:?}\n{table}");
}

const STATES: &[&str] = &[
    "idle",
    "no phone",
    "rings",
    "own rings",
    "conf rings",
    "dials",
    "dials+held",
    "by hand",
    "talk",
    "talk+held",
    "held",
    "on hold",
    "menu",
    "conference",
    "conf+held",
];

/// What a line is in, in a word.
fn state_of(line: &LineInfo) -> &'static str {
    let is_held = line.flashed.is_some();
    match line.abonent.phase {
        Phase::Idle if is_held => "held",
        Phase::Idle if line.state == LineState::Disconnected => "no phone",
        Phase::Idle => "idle",
        Phase::AutoCall if is_held => "dials+held",
        Phase::AutoCall => "dials",
        Phase::Ringing if line.abonent.direction == Some(Direction::AcmCallback) => "own rings",
        Phase::Ringing if line.abonent.conference.is_some() => "conf rings",
        Phase::Ringing => "rings",
        Phase::WaitingForAnswer => "by hand",
        Phase::Commutated if is_held => "talk+held",
        Phase::Commutated => "talk",
        Phase::WaitingInFlash => "on hold",
        Phase::Ivr { .. } => "menu",
        Phase::Conference if is_held => "conf+held",
        Phase::Conference => "conference",
    }
}

impl Day {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            acts: script(seed, ACTS),
        }
    }

    /// Lives the day; returns its story.
    fn live(&self, is_told: bool, coverage: &mut Coverage) -> (String, Counters) {
        let mut world = self.world();
        world.is_told = is_told;
        for act in &self.acts {
            if let Some((who, request)) = act.request() {
                let line = world.switchboard.line_info(user(who), world.now);
                let state = state_of(&line.expect("a known user"));
                *coverage.entry((request, state)).or_default() += 1;
            }
            if is_told {
                world.tell(&format!("{act:?}"));
            }
            act.perform(&mut world);
            world.switchboard.route(NO_CHAIN, None, None, world.now);
        }
        finish(&mut world);
        (world.story().to_owned(), world.switchboard.counters())
    }

    fn world(&self) -> World {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ 0xDA7);
        let is_calm = random.random_bool(0.5);
        let mut share = || {
            let share = random.random_range(0.0..0.3);
            if is_calm { 0.0 } else { share }
        };
        let (reject_share, drop_share) = (share(), share());
        let delays = [0, 0, 5, 40, 400, 3_000];
        let delay = delays.choose(&mut random).copied().unwrap_or_default();
        let config = SimConfig {
            reject_share,
            drop_share,
            delay: Duration::from_millis(delay),
            seed: self.seed,
            ..sim_config()
        };
        let limits = Limits {
            calls_max: 5,
            ..Limits::default()
        };
        let mut world = World::with(config, limits, self.seed);
        world.routes_at_once = random.random();
        world
    }

    fn fails(&self) -> bool {
        let lived = || self.live(false, &mut Coverage::new());
        catch_unwind(AssertUnwindSafe(lived)).is_err()
    }

    /// Leaves out whatever can be left out, tells the rest and fails.
    fn explain(mut self) -> ! {
        let silent = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let mut size = self.acts.len() / 2;
        while size > 0 {
            let mut start = 0;
            while start < self.acts.len() {
                let mut shorter = self.acts.clone();
                shorter.drain(start..self.acts.len().min(start + size));
                let shorter = Self {
                    seed: self.seed,
                    acts: shorter,
                };
                if shorter.fails() {
                    self = shorter;
                } else {
                    start += size;
                }
            }
            size /= 2;
        }
        std::panic::set_hook(silent);
        // It fails, and tells how it came to that.
        self.live(true, &mut Coverage::new());
        panic!("the day of seed {} fails only sometimes", self.seed);
    }
}

/// The day ends: the switch is back, everybody hangs up, time passes.
fn finish(world: &mut World) {
    world.sim.reconnect();
    world.run();
    for login in PEOPLE {
        world
            .sim
            .set_phone(&number_of(login), PhoneState::Registered, world.now);
        world.run();
    }
    for _ in 0..100 {
        for leg in world.sim.legs() {
            if leg.is_answered {
                world.sim.hang_up(leg.leg, world.now);
                world.run();
            }
        }
        world.pass(Duration::from_secs(10));
        if world.sim.legs().is_empty() && world.switchboard.call_count() == 0 {
            break;
        }
    }
    world.assert_all_is_over();
    assert_eq!(world.switchboard.next_timeout(), None);
    for person in directory().users {
        world
            .switchboard
            .user_present(person.id, world.now)
            .expect("a known user");
        world.outputs();
        let state = world
            .switchboard
            .user_state(person.id)
            .expect("a known user");
        let set = world.switchboard.choice_of(person.id);
        assert_eq!(state.id, set, "everybody returns to the state that was set");
    }
}
