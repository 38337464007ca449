//! Owns the soak: the real gateway under mixed traffic with churn for a long time, and the judgement of what it did.
//!
//! Options come in; rows and one report go out. Held tabs ask and get events, connections come and go in every way, calls
//! go through their steps, the CRM is stopped and started, and pauses let the shards sleep: all of it follows one seed.
//! A report names every gate that failed; nothing here repairs or retries what the gateway does wrong.

mod calls;
mod churn;
mod crm;
mod held;
mod phase;
mod report;
mod rest;
mod run;
mod watch;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;

pub use self::report::{Row, SoakReport};
pub use self::rest::Usages;
pub use self::run::run;
pub use self::watch::{Counts, Failed, Gate, Latencies};
use crate::admin::Admin;
use crate::error::{Error, Result};
use crate::gateway::{Settings, User};
pub use crate::process::Usage;
use crate::raw_link::INPUT_BYTES;

use self::calls::CallBook;
use self::phase::Phase;
use self::watch::Watch;

/// What a soak does.
#[derive(Debug, Clone)]
pub struct SoakOptions {
    /// The gateway's program.
    pub gateway: PathBuf,
    /// How long the traffic lasts, the warm-up included.
    pub duration: Duration,
    /// What the traffic is made from.
    pub seed: u64,
    /// How many tabs are held.
    pub tabs: usize,
    /// How many users they belong to.
    pub users: usize,
    /// How many connections come and go each second of busy time.
    pub churn_per_s: u32,
    /// How many calls there are at once.
    pub calls: usize,
    /// How long an answer or a call's event may take.
    pub stall: Duration,
}

impl SoakOptions {
    fn check(&self) -> Result<()> {
        let is_sound = self.users > 0 && self.tabs >= self.users && self.calls <= self.users;
        if !is_sound {
            let wanted = "at least one user, a tab for each user, and no more calls than users";
            return Err(Error::Usage(format!("a soak needs {wanted}")));
        }
        if self.duration.is_zero() || self.duration > DURATION_MAX {
            return Err(Error::Usage(format!(
                "a soak lasts longer than no time and {DURATION_MAX:?} at most"
            )));
        }
        Ok(())
    }

    fn settings(&self, crm: SocketAddr) -> Settings {
        let settings = Settings::new()
            .set("gateway.cores", 2)
            .users(self.users)
            .without_load_limits()
            .crm_ws_out(crm)
            .caller_name("callername", CALLER_NAME_WAIT_MS);
        (0..GUESTS).fold(settings, |settings, guest| {
            settings.user(User::new(&guest_login(guest)))
        })
    }

    /// How long the traffic lasts before what the gateway uses is taken as the measure.
    fn warm_up(&self) -> Duration {
        WARM_UP_MAX.min(self.duration / 10)
    }

    /// How often there is a row.
    fn row_interval(&self) -> Duration {
        ROW_INTERVAL_MAX.min(self.duration / 10)
    }
}

/// What everybody who makes traffic shares.
struct World {
    options: SoakOptions,
    clients: SocketAddr,
    admin: Admin,
    phases: tokio::sync::watch::Sender<Phase>,
    watch: Watch,
    calls: CallBook,
    /// The buffer that all held tabs read into.
    input: RefCell<Vec<u8>>,
}

impl World {
    fn new(options: SoakOptions, clients: SocketAddr, admin: Admin) -> Self {
        Self {
            options,
            clients,
            admin,
            phases: tokio::sync::watch::Sender::new(Phase::Calm),
            watch: Watch::new(),
            calls: CallBook::default(),
            input: RefCell::new(vec![0; INPUT_BYTES]),
        }
    }

    /// The random numbers of one maker of traffic.
    fn random(&self, stream: u64) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.options.seed);
        random.set_stream(stream);
        random
    }

    /// The held tabs of a user.
    fn tabs_of(&self, user: usize) -> Vec<usize> {
        (user..self.options.tabs)
            .step_by(self.options.users)
            .collect()
    }

    /// A time in milliseconds, shorter in a soak of less than ten minutes.
    fn scaled(&self, ms: u64) -> Duration {
        let share = self.options.duration.as_secs_f64() / UNSCALED.as_secs_f64();
        Duration::from_millis(ms).mul_f64(share.clamp(SCALE_MIN, 1.0))
    }
}

/// The login of a user who has held tabs, counted from 0.
fn login_of(user: usize) -> String {
    format!("user{}", user + 1)
}

/// The number of a user who has held tabs.
fn number_of(user: usize) -> String {
    (101 + user).to_string()
}

/// The login of a user who only comes and goes.
fn guest_login(guest: usize) -> String {
    format!("guest{}", guest + 1)
}

/// How many users only come and go.
const GUESTS: usize = 10;
/// How long a caller's name is waited for.
const CALLER_NAME_WAIT_MS: i64 = 500;
/// The longest warm-up.
const WARM_UP_MAX: Duration = Duration::from_secs(60);
/// The longest time between two rows.
const ROW_INTERVAL_MAX: Duration = Duration::from_secs(60);
/// The longest soak.
const DURATION_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// From this duration on the CRM's times are not shortened.
const UNSCALED: Duration = Duration::from_secs(600);
/// How far the CRM's times are shortened.
const SCALE_MIN: f64 = 0.2;
