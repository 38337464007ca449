//! Owns the measurements of a gateway beside the reference server: what a tab costs, a fan-out, a round trip, an arrival, and
//! how soon a ring is in the tabs, whether each event is there once and in order, what the CRM's runs and requests cost, and
//! whether a CRM that is killed again and again or falls silent does any harm.
//!
//! Options come in; a [`Table`] goes out. Every figure with a reference is measured in turns with it, in one run, since
//! machines are shared: the ratios hold, the absolute figures do not. The gateway is the real program, with the settings that
//! were given and users of its own.

mod arrivals;
mod bad_input;
mod exactness;
mod fan_out;
mod healthy;
mod memory;
mod methods;
mod popup;
mod posts;
mod round_trips;
mod runs;
mod servers;
mod silent;
mod statistics;
mod storm;
mod table;
mod tunnel;

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

pub use self::exactness::ExactnessOptions;
pub use self::silent::SilentOptions;
pub use self::statistics::Summary;
pub use self::storm::StormOptions;
pub use self::table::{Row, Table, Target};
use crate::crm::Mode;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::gateway::{DEFAULT_PASSWORD, Settings};
use crate::swarm::{CONNECTIONS_PER_WORKER_MAX, OPENING_MAX, SwarmOptions};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Subject {
    /// What an idle tab costs: memory, and CPU time for its pings and its questions for the queue
    Memory,
    /// What it costs to tell all tabs of an event
    FanOut,
    /// What it costs to answer a request, and how fast that goes
    RoundTrips,
    /// What it costs to let a tab in, and how long it takes when all come at once
    Arrivals,
    /// What peers get that send what they may not, and whether other tabs notice
    BadInput,
    /// How long it takes from a call to its event in each of the called user's tabs
    Popup,
    /// Whether under many calls every event reaches each tab of its user once and in order, and what memory does
    Exactness,
    /// What a dynamic method costs, from the scenario API to the CRM and back, beside a bare proxy
    Methods,
    /// What a request costs that the CRM sends in a user's name, beside a bare proxy
    Tunnel,
    /// Whether all is as it should be again each time that a CRM was killed under load, and how soon
    Storm,
    /// Whether tabs notice that the CRM has fallen silent, and what memory does
    SilentCrm,
}

/// How it is measured.
#[derive(Debug, Clone)]
pub struct MeasureOptions {
    /// The gateway's program.
    pub gateway: PathBuf,
    /// This program's own file, for the reference server and the tabs.
    pub harness: PathBuf,
    /// The gateway's settings without users and addresses.
    pub settings: Settings,
    /// How many turns; 0: as many as the measurement thinks right.
    pub rounds: usize,
    /// How many tabs there are when there are many.
    pub tabs: usize,
    /// The users and calls of [`Subject::Exactness`].
    pub exactness: ExactnessOptions,
    /// How the CRM is linked in [`Subject::Methods`] and [`Subject::Tunnel`].
    pub link: (Mode, Format),
    /// The users and runs of [`Subject::Storm`].
    pub storm: StormOptions,
    /// The runs of [`Subject::SilentCrm`].
    pub silent: SilentOptions,
}

impl MeasureOptions {
    fn check(&self) -> Result<()> {
        if (TABS_PER_USER * TABS_FEW..=CONNECTIONS_PER_WORKER_MAX).contains(&self.tabs) {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "a measurement takes {} to {CONNECTIONS_PER_WORKER_MAX} tabs, not {}",
            TABS_PER_USER * TABS_FEW,
            self.tabs
        )))
    }

    fn rounds_or(&self, usual: usize) -> usize {
        if self.rounds == 0 { usual } else { self.rounds }
    }

    /// As many users as the tabs need.
    fn users(&self) -> usize {
        self.tabs.div_ceil(TABS_PER_USER)
    }
}

/// Tabs of these users, logged in and subscribed, that are quiet.
fn quiet_tabs(address: SocketAddr, users: Range<usize>) -> SwarmOptions {
    SwarmOptions {
        address,
        users: users.len(),
        first_user: users.start,
        tabs_per_user: TABS_PER_USER,
        login_prefix: "user".into(),
        password: DEFAULT_PASSWORD.into(),
        workers: None,
        rate: 0.0,
        opening_max: OPENING_MAX,
        hold: None,
        ping_interval: Duration::ZERO,
        queue_interval: Duration::ZERO,
        full_opening: false,
        number_states_every: 1,
        is_judged: false,
        is_reference: false,
    }
}

/// As many tabs of the reference server, which knows neither logins nor subscriptions.
fn reference_tabs(address: SocketAddr, users: Range<usize>) -> SwarmOptions {
    SwarmOptions {
        is_reference: true,
        ..quiet_tabs(address, users)
    }
}

/// Measures; `progress` gets a line for each turn.
pub async fn run(
    subject: Subject,
    options: &MeasureOptions,
    progress: impl Fn(&str),
) -> Result<Table> {
    if subject != Subject::Exactness {
        options.check()?;
    }
    crate::report::raise_descriptor_limit();
    match subject {
        Subject::Memory => memory::measure(options, &progress).await,
        Subject::FanOut => fan_out::measure(options, &progress).await,
        Subject::RoundTrips => round_trips::measure(options, &progress).await,
        Subject::Arrivals => arrivals::measure(options, &progress).await,
        Subject::BadInput => bad_input::measure(options, &progress).await,
        Subject::Popup => popup::measure(options, &progress).await,
        Subject::Exactness => exactness::measure(options, &progress).await,
        Subject::Methods => methods::measure(options, &progress).await,
        Subject::Tunnel => tunnel::measure(options, &progress).await,
        Subject::Storm => storm::measure(options, &progress).await,
        Subject::SilentCrm => silent::measure(options, &progress).await,
    }
}

/// Microseconds, for a table.
fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A number of things, for a table.
#[allow(clippy::cast_precision_loss)] // nothing here comes near 2^52
fn number(count: u64) -> f64 {
    count as f64
}

/// How many tabs a user has.
const TABS_PER_USER: usize = 3;
/// How many tabs are few.
const TABS_FEW: usize = 1000;
/// How long opening all tabs may take.
const OPENING_TIME_MAX: Duration = Duration::from_secs(180);
