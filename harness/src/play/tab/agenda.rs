//! Owns when a tab does what by itself.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use tokio::time::Instant;

use crate::scenario::{Behaviour, BehaviourKind};

/// Something that a tab does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// It sends `ping`.
    Ping,
    /// It asks for its queue.
    Queue,
    /// The person has thought and asks something.
    Think,
    /// The person goes on a break, or comes back.
    Break,
    /// It asks for its line after a change of it.
    Follow,
    /// The person answers a call or ends it.
    Call,
    /// It reads the long lists again.
    Refresh,
    /// It reads a little.
    Read,
    /// It leaves, to come back or not.
    Go,
}

/// The next moment of each habit.
#[derive(Debug)]
pub(super) struct Agenda([Option<Instant>; COUNT]);

impl Agenda {
    /// The first moments of a tab that has just come: spread over their intervals, so that thousands do not ask at once.
    pub(super) fn new(behaviour: &Behaviour, is_first: bool, random: &mut ChaCha8Rng) -> Self {
        let now = Instant::now();
        let mut agenda = Self([None; COUNT]);
        let mut begin = |habit, interval: Duration| {
            if !interval.is_zero() {
                agenda.set(habit, now + interval.mul_f64(random.random()));
            }
        };
        begin(Habit::Ping, behaviour.ping);
        begin(Habit::Queue, behaviour.queue);
        match behaviour.kind {
            BehaviourKind::Idle => {}
            BehaviourKind::BusyOperator {
                think, break_every, ..
            } => {
                begin(Habit::Think, think);
                if is_first {
                    begin(Habit::Break, break_every);
                }
            }
            BehaviourKind::Supervisor { refresh } => begin(Habit::Refresh, refresh),
            BehaviourKind::SlowReader { read_every, .. } => begin(Habit::Read, read_every),
            BehaviourKind::Reloading { every, .. } | BehaviourKind::Flapping { every } => {
                let at = now + around(every, random);
                agenda.set(Habit::Go, at);
            }
        }
        agenda
    }

    /// Sets the next moment of a habit.
    pub(super) fn set(&mut self, habit: Habit, at: Instant) {
        self.0[habit as usize] = Some(at);
    }

    /// The same, unless there is an earlier one.
    pub(super) fn set_earlier(&mut self, habit: Habit, at: Instant) {
        let known = &mut self.0[habit as usize];
        *known = Some(known.map_or(at, |known| known.min(at)));
    }

    /// The next moment of any.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes out what is due now.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(Habit, Instant)> {
        for habit in HABITS {
            let at = &mut self.0[habit as usize];
            if let Some(due) = at.filter(|due| *due <= now) {
                *at = None;
                return Some((habit, due));
            }
        }
        None
    }

    /// Nothing is done any more, but reading, and bringing a call to its end.
    pub(super) fn rest(&mut self) {
        for habit in HABITS {
            if !matches!(habit, Habit::Read | Habit::Call) {
                self.0[habit as usize] = None;
            }
        }
    }
}

/// A random time, from half as long to half as long again.
pub(super) fn around(time: Duration, random: &mut ChaCha8Rng) -> Duration {
    time.mul_f64(random.random_range(0.5..1.5))
}

/// A random time as between independent events, so long on average.
pub(super) fn by_chance(average: Duration, random: &mut ChaCha8Rng) -> Duration {
    average.mul_f64(-(1.0 - random.random::<f64>()).ln())
}

const COUNT: usize = 9;
const HABITS: [Habit; COUNT] = [
    Habit::Ping,
    Habit::Queue,
    Habit::Think,
    Habit::Break,
    Habit::Follow,
    Habit::Call,
    Habit::Refresh,
    Habit::Read,
    Habit::Go,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_out_once_with_the_moment_when_it_was() {
        let mut agenda = Agenda([None; COUNT]);
        let now = Instant::now();
        let later = |ms| now + Duration::from_millis(ms);
        agenda.set(Habit::Queue, later(10));
        agenda.set(Habit::Ping, later(20));
        agenda.set_earlier(Habit::Queue, later(30));
        assert_eq!(agenda.next(), Some(later(10)));
        assert_eq!(agenda.take_due(later(5)), None);
        assert_eq!(agenda.take_due(later(15)), Some((Habit::Queue, later(10))));
        assert_eq!(agenda.take_due(later(15)), None);
        agenda.set(Habit::Read, later(40));
        agenda.rest();
        assert_eq!(agenda.next(), Some(later(40)));
    }

    #[test]
    fn every_habit_has_its_place() {
        for (place, habit) in HABITS.into_iter().enumerate() {
            assert_eq!(habit as usize, place);
        }
    }
}
