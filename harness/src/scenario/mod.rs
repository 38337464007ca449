//! Owns a load scenario as its user writes it: a TOML file comes in; a [`Scenario`], or every fault of the file with line, key and
//! what is allowed, goes out. What a scenario leads to in time is [`Schedule`]'s, who plays it [`Cast`]'s.
//!
//! Nothing here connects or measures. The reference of the format is `SCENARIOS.md`.

mod cast;
mod check;
mod fields;
mod keys;
mod measures;
mod method;
mod read;
mod schedule;
mod schema;
mod threshold;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::cast::{Cast, Share};
pub use self::fields::Fault;
pub use self::keys::SECTIONS;
pub use self::measures::{
    FailureKind, MeasureKind, MeasureName, Unit, all as all_measures, find as find_measure,
};
pub use self::method::Method;
pub use self::schedule::{Arrivals, Leg, Level, Schedule};
pub use self::schema::{Form, Key, Section};
pub use self::threshold::Threshold;
use crate::error::{Error, Result};

/// A scenario that makes sense.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What reports call the run.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What chances are drawn from.
    pub seed: u64,
    /// Against what it runs.
    pub server: Server,
    /// What tabs and workers do.
    pub play: Play,
    /// What a call is like.
    pub calls: Calls,
    /// What must hold.
    pub thresholds: Vec<Threshold>,
}

/// The part of a scenario that workers need to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Play {
    /// Who the tabs belong to.
    pub users: Users,
    /// Which methods are asked how often.
    pub requests: Vec<(Method, f64)>,
    /// What tabs do.
    pub behaviours: Vec<Behaviour>,
    /// What happens.
    pub phases: Vec<Phase>,
    /// Bounds of the harness.
    pub bounds: Bounds,
}

/// The server that is loaded.
#[derive(Debug, Clone, PartialEq)]
pub enum Server {
    /// One that runs.
    Runs(Target),
    /// One that the harness starts.
    Started(Start),
}

/// A server that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// For tabs.
    pub address: SocketAddr,
    /// For simulated calls.
    pub admin: Option<SocketAddr>,
    /// A file with the token for those.
    pub admin_token_file: Option<PathBuf>,
    /// Its process.
    pub pid: Option<u32>,
}

/// A gateway that is started.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Start {
    /// Its program.
    pub program: Option<PathBuf>,
    /// Its settings beside users and addresses.
    pub settings: toml::Table,
}

/// Who the tabs belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// How many.
    pub count: usize,
    /// How many tabs each has.
    pub tabs_per_user: usize,
    /// Logins are this and a number.
    pub prefix: String,
    /// The first user's.
    pub first: usize,
    /// Everybody's.
    pub password: String,
    /// The first user's telephone number.
    pub first_number: usize,
}

impl Users {
    /// How many tabs there are when all are there.
    pub fn tabs(&self) -> usize {
        self.count * self.tabs_per_user
    }

    /// The login of the user at this place, from 0 on.
    pub fn login(&self, place: usize) -> String {
        format!("{}{}", self.prefix, self.first + place)
    }
}

/// What a simulated outside call is like.
#[derive(Debug, Clone, PartialEq)]
pub struct Calls {
    /// The shortest and the longest ring.
    pub ring_ms: (u64, u64),
    /// The shortest and the longest talk.
    pub talk_ms: (u64, u64),
    /// Which share is not answered.
    pub unanswered_share: f64,
    /// How long a user is left alone after a call.
    pub pause: Duration,
}

/// What a tab does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Behaviour {
    /// What reports call it.
    pub name: String,
    /// Its share of the tabs.
    pub weight: f64,
    /// How often it sends `ping`; zero: never.
    pub ping: Duration,
    /// How often it asks for its queue; zero: never.
    pub queue: Duration,
    /// Whether it is told of all numbers' states.
    pub number_states: bool,
    /// Whether it asks all that a browser library does at first.
    pub full_opening: bool,
    /// Bound of the first wait before a lost link is tried again.
    pub back_off: Duration,
    /// What the tab is like.
    pub kind: BehaviourKind,
}

/// What a tab is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BehaviourKind {
    /// It listens.
    Idle,
    /// Somebody works with it.
    BusyOperator {
        /// How long that person thinks between requests, on average.
        think: Duration,
        /// It reads its line again after each change of it.
        follows: bool,
        /// It answers and ends calls.
        answers: bool,
        /// How often that person goes on a break or comes back; zero: never.
        break_every: Duration,
    },
    /// Somebody watches everybody with it.
    Supervisor {
        /// How often it reads the lists again; zero: never.
        refresh: Duration,
    },
    /// It reads more slowly than it is told.
    SlowReader {
        /// Its socket's buffer.
        receive_buffer_bytes: u32,
        /// How much it reads at a time.
        read_bytes: usize,
        /// How long it waits before it reads again.
        read_every: Duration,
    },
    /// Its page is loaded again and again.
    Reloading {
        /// How often.
        every: Duration,
        /// How long that takes.
        away: Duration,
    },
    /// Its network comes and goes.
    Flapping {
        /// How often it goes.
        every: Duration,
    },
}

impl BehaviourKind {
    /// Whether the tab is there all the time and gets everything, so that its user can be called.
    pub fn stays(&self) -> bool {
        matches!(
            self,
            Self::Idle | Self::BusyOperator { .. } | Self::Supervisor { .. }
        )
    }

    /// Whether somebody answers and ends calls with it.
    pub fn answers(&self) -> bool {
        matches!(self, Self::BusyOperator { answers: true, .. })
    }
}

/// Something that happens for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// What reports and thresholds call it.
    pub name: String,
    /// How tabs and rates get to their values.
    pub kind: PhaseKind,
    /// How long it is.
    pub seconds: f64,
    /// How many tabs there are; `None`: as many as before.
    pub tabs: Option<usize>,
    /// How many calls begin in a second; `None`: as many as before.
    pub calls_per_s: Option<f64>,
    /// How many requests are made in a second; `None`: as many as before.
    pub requests_per_s: Option<f64>,
    /// When things happen.
    pub arrival: Arrival,
    /// Whether its figures count.
    pub is_measured: bool,
}

/// How tabs and rates get to a phase's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PhaseKind {
    /// As `Ramp`, not measured.
    WarmUp,
    /// Evenly over its time.
    Ramp,
    /// At once; tabs stay as they are.
    Hold,
    /// At once, and back at its end.
    Spike,
    /// As `Hold`, for long.
    Soak,
}

impl PhaseKind {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::WarmUp => "warm_up",
            Self::Ramp => "ramp",
            Self::Hold => "hold",
            Self::Spike => "spike",
            Self::Soak => "soak",
        }
    }
}

/// When things happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Arrival {
    /// When they are due.
    Open {
        /// Evenly, not by chance.
        is_even: bool,
        /// How many requests a tab has in flight.
        in_flight: usize,
        /// How much may be due and not done.
        outstanding_max: usize,
    },
    /// When those before are done.
    Closed {
        /// How many tabs come in at a time.
        opening_at_once: usize,
        /// How many calls go on at a time.
        calls_at_once: usize,
        /// How many requests each tab has in flight.
        requests_at_once: usize,
        /// How long a tab waits between an answer and its next request.
        think: Duration,
    },
}

impl Arrival {
    /// Nothing comes, however long one waits.
    pub const NOTHING: Self = Self::Closed {
        opening_at_once: 0,
        calls_at_once: 0,
        requests_at_once: 0,
        think: Duration::ZERO,
    };
}

/// Bounds of the harness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// How many worker processes; `None`: as many as the tabs need.
    pub workers: Option<usize>,
    /// How late timers may be.
    pub lag_p99_max: Duration,
    /// How busy a process may be.
    pub cpu_share_max: f64,
    /// How long an answer may take.
    pub answer_max: Duration,
}

/// What the command line says beside the file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overrides {
    /// Another seed.
    pub seed: Option<u64>,
    /// Another server that runs.
    pub target: Option<SocketAddr>,
    /// Its admin address.
    pub admin: Option<SocketAddr>,
    /// Its process.
    pub pid: Option<u32>,
    /// Another program to be started.
    pub program: Option<PathBuf>,
    /// So many times the users, tabs and rates.
    pub scale: Option<f64>,
    /// So many times the phases' length.
    pub stretch: Option<f64>,
}

impl Scenario {
    /// Reads a file; every fault of it is in the error, one a line.
    pub fn read(file: &Path, overrides: &Overrides) -> Result<Self> {
        let failed = |error| Error::Usage(format!("{}: {error}", file.display()));
        let text = std::fs::read_to_string(file).map_err(failed)?;
        let directory = file.parent().unwrap_or(Path::new(""));
        let mut scenario = Self::parse(&text, directory, overrides).map_err(|faults| {
            let file = file.display();
            let lines = faults.iter().map(|fault| format!("{file}:{fault}"));
            Error::Usage(lines.collect::<Vec<_>>().join("\n"))
        })?;
        scenario.scale(overrides)?;
        Ok(scenario)
    }

    /// Reads a text; paths in it start from this directory.
    pub fn parse(
        text: &str,
        directory: &Path,
        overrides: &Overrides,
    ) -> std::result::Result<Self, Vec<Fault>> {
        read::read(text, directory, overrides)
    }

    /// Everything so many times as much, or as long.
    fn scale(&mut self, overrides: &Overrides) -> Result<()> {
        let factor = |option: &str, factor: Option<f64>| match factor.unwrap_or(1.0) {
            factor if factor > 0.0 && factor <= FACTOR_MAX => Ok(factor),
            factor => Err(Error::Usage(format!(
                "{option} {factor}: it must be above 0 and at most {FACTOR_MAX}"
            ))),
        };
        let scale = factor("--scale", overrides.scale)?;
        let stretch = factor("--stretch", overrides.stretch)?;
        let users = &mut self.play.users;
        users.count = scaled(users.count, scale).max(1);
        let tabs_max = users.tabs();
        for phase in &mut self.play.phases {
            phase.seconds *= stretch;
            phase.tabs = phase.tabs.map(|tabs| scaled(tabs, scale).min(tabs_max));
            phase.calls_per_s = phase.calls_per_s.map(|rate| rate * scale);
            phase.requests_per_s = phase.requests_per_s.map(|rate| rate * scale);
            if let Arrival::Closed { calls_at_once, .. } = &mut phase.arrival {
                *calls_at_once = scaled(*calls_at_once, scale);
            }
        }
        Ok(())
    }
}

/// So many times as many, rounded up.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)] // numbers of tabs times at most 1000
fn scaled(count: usize, scale: f64) -> usize {
    // A little less than half of nothing keeps 0.3 times 10 from being 4.
    (count as f64 * scale - 1e-9).ceil().max(0.0) as usize
}

/// How much bigger or longer the command line may make a scenario.
const FACTOR_MAX: f64 = 1000.0;

#[cfg(test)]
mod tests;
