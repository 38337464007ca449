//! Owns the soak: the real gateway under mixed traffic with churn for a long time, and the judgement of what it did.
//!
//! Options come in; rows and one report go out. Held tabs ask and get events, connections come and go in every way, calls
//! go through their steps, the CRM is stopped and started, and pauses let the shards sleep: all of it follows one seed. With
//! faults some of the tabs and the CRM's link go through proxies that make them fail.
//! A report names every gate that failed; nothing here repairs or retries what the gateway does wrong.

mod calls;
mod churn;
mod crm;
mod desk;
mod held;
mod leak;
mod phase;
mod pictures;
mod proxies;
mod report;
mod rest;
mod returning;
mod run;
mod story;
mod tab_link;
mod watch;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;

pub use self::leak::{Leak, LeakVerdict};
pub use self::report::{Row, SoakReport};
pub use self::rest::Usages;
pub use self::run::run;
pub use self::watch::{Counts, Failed, Gate, Latencies};
use crate::admin::Admin;
use crate::crm::Mode;
use crate::error::{Error, Result};
use crate::faults::Plan;
use crate::gateway::{Settings, User};
pub use crate::process::Usage;
use crate::raw_link::INPUT_BYTES;

use self::calls::CallBook;
use self::phase::Phase;
use self::pictures::Witnesses;
use self::proxies::Proxies;
use self::story::Stories;
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
    /// How many tabs there are, those behind the fault proxy included.
    pub tabs: usize,
    /// How many users they belong to.
    pub users: usize,
    /// How many connections come and go each second of busy time.
    pub churn_per_s: u32,
    /// How many calls there are at once.
    pub calls: usize,
    /// How long an answer or a call's event may take.
    pub stall: Duration,
    /// What happens to a quarter of the tabs and to the CRM's link; an empty plan leaves out the proxies, too.
    pub faults: Plan,
    /// How the CRM is linked: by a WebSocket.
    pub crm_mode: Mode,
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
        if self.has_faults() && self.returning_tabs() == 0 {
            let wanted = "four tabs and more tabs than users";
            return Err(Error::Usage(format!(
                "a soak with faults needs at least {wanted}"
            )));
        }
        if self.crm_mode.is_http() {
            return Err(Error::Usage(format!(
                "a soak needs a CRM that is linked by a WebSocket, not by {}",
                self.crm_mode
            )));
        }
        Ok(())
    }

    fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// How many tabs go through the fault proxy: every user keeps one that does not.
    fn returning_tabs(&self) -> usize {
        if self.has_faults() {
            (self.tabs / 4).min(self.tabs - self.users)
        } else {
            0
        }
    }

    /// How many tabs must keep their links.
    fn held_tabs(&self) -> usize {
        self.tabs - self.returning_tabs()
    }

    /// The settings without the CRM's link.
    fn settings(&self) -> Settings {
        let settings = Settings::new()
            .set("gateway.cores", 2)
            .users(self.users)
            .without_load_limits()
            .caller_name("callername", CALLER_NAME_WAIT_MS);
        let settings = (0..GUESTS).fold(settings, |settings, guest| {
            settings.user(User::new(&guest_login(guest)))
        });
        if !self.has_faults() {
            return settings;
        }
        let settings = (0..CRM_USERS).fold(settings, |settings, user| {
            settings.user(User::new(&crm_login(user)))
        });
        let close_s = self.silence().as_secs();
        settings
            .set("clients.silence_ping_s", whole(close_s / 3))
            .set("clients.silence_close_s", whole(close_s))
            .set("clients.idle_sessions_per_user", IDLE_SESSIONS)
    }

    /// With faults: after how much silence the gateway closes a tab's link.
    fn silence(&self) -> Duration {
        let seconds = self.duration.as_secs() / 20;
        Duration::from_secs(seconds).clamp(SILENCE_MIN, SILENCE_MAX)
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

#[cfg(test)]
impl SoakOptions {
    /// Those of a test that starts no gateway; a quarter of the tabs is behind the fault proxy.
    fn of_test(tabs: usize, users: usize, stall: Duration) -> Self {
        Self {
            gateway: "/nowhere".into(),
            duration: Duration::from_secs(60),
            seed: 1,
            tabs,
            users,
            churn_per_s: 0,
            calls: 0,
            stall,
            faults: Plan::light(),
            crm_mode: Mode::WsOut,
        }
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
    stories: Stories,
    witnesses: Witnesses,
    /// Which tabs behind the fault proxy have had the same picture as others since the traffic began.
    agreed: RefCell<BTreeSet<usize>>,
    /// `None` without faults.
    proxies: Option<Proxies>,
    /// The buffer that all held tabs read into.
    input: RefCell<Vec<u8>>,
}

impl World {
    fn new(
        options: SoakOptions,
        clients: SocketAddr,
        admin: Admin,
        proxies: Option<Proxies>,
    ) -> Self {
        Self {
            options,
            clients,
            admin,
            phases: tokio::sync::watch::Sender::new(Phase::Calm),
            watch: Watch::new(),
            calls: CallBook::default(),
            stories: Stories::default(),
            witnesses: Witnesses::default(),
            agreed: RefCell::default(),
            proxies,
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
        (user..self.options.held_tabs())
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

/// The login of a user who has no tab and is active in the CRM at times.
fn crm_login(user: usize) -> String {
    format!("office{}", user + 1)
}

/// A number of seconds, as settings have it.
fn whole(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// How many users only come and go.
const GUESTS: usize = 10;
/// How many users are active in the CRM at times, with faults.
const CRM_USERS: usize = 6;
/// With faults: sessions without a tab that are kept for one user, so that tabs find theirs although many others come and go.
const IDLE_SESSIONS: i64 = 200;
/// With faults: the shortest silence after which a tab's link is closed.
const SILENCE_MIN: Duration = Duration::from_secs(6);
/// With faults: the longest such silence.
const SILENCE_MAX: Duration = Duration::from_secs(15);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_keeps_a_tab_on_a_clean_link_and_without_faults_nothing_is_set_for_them() {
        let stall = Duration::from_secs(1);
        for (tabs, users, returning) in [(200, 20, 50), (8, 2, 2), (21, 20, 1), (20, 20, 0)] {
            let mut options = SoakOptions::of_test(tabs, users, stall);
            assert_eq!(options.returning_tabs(), returning);
            assert_eq!(options.check().is_ok(), returning > 0, "{tabs} {users}");
            assert!(
                options
                    .settings()
                    .value("clients.silence_close_s")
                    .is_some()
            );
            options.faults = Plan::none();
            assert_eq!((options.held_tabs(), options.check().is_ok()), (tabs, true));
            assert!(
                options
                    .settings()
                    .value("clients.silence_close_s")
                    .is_none()
            );
        }
    }

    #[test]
    fn links_are_closed_for_silence_sooner_in_a_short_soak() {
        let mut options = SoakOptions::of_test(8, 2, Duration::from_secs(1));
        for (seconds, silence) in [(12, 6), (200, 10), (7200, 15)] {
            options.duration = Duration::from_secs(seconds);
            assert_eq!(options.silence(), Duration::from_secs(silence));
        }
    }
}
