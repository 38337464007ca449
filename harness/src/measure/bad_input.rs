//! Owns the measurement of bad input: what each kind gets, and what tabs notice that do nothing wrong.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::healthy::HealthyTabs;
use super::servers::{Server, start_gateway};
use super::table::{Table, Target};
use super::{MeasureOptions, number};
use crate::error::{Error, Result};
use crate::hostile::{self, Case};

pub(super) async fn measure(options: &MeasureOptions, progress: &impl Fn(&str)) -> Result<Table> {
    let limited = MeasureOptions {
        settings: options
            .settings
            .clone()
            .set("clients.handshake_s", HANDSHAKE_S),
        ..options.clone()
    };
    let gateway = start_gateway(&limited, USERS, 1).await?;
    let healthy = HealthyTabs::start(gateway.address());
    let mut table = Table::new(
        "Bad input: what it gets, and the pings of 100 healthy tabs meanwhile, in turns with a calm of the same length",
    );
    for attack in attacks() {
        let mut turns = Turns::default();
        for _ in 0..options.rounds_or(5) {
            turns.take(&attack, gateway.address(), &healthy).await?;
        }
        turns.put_into(&mut table, &attack);
        progress(&format!("{}: {}", attack.name, turns.got.join(" or ")));
    }
    healthy.stop()?;
    gateway.stop().await?;
    table.note(format!(
        "each kind comes {PER_SECOND} times a second, or 10 MiB of it, for {} s a turn; the figures are the pings' p99",
        WINDOW.as_secs_f32()
    ));
    Ok(table)
}

/// A kind of bad input.
struct Attack {
    name: String,
    expected: &'static str,
    how: How,
}

enum How {
    /// Again and again, each on a connection of its own.
    Repeat(Case),
    /// So many connections that say nothing.
    Silent(u32),
    /// A tab that reads nothing while its user has so many events: the kernel keeps some of them, the gateway some.
    Starve(usize),
}

fn attacks() -> Vec<Attack> {
    let cases = hostile::all().into_iter().map(|case| Attack {
        name: case.name.to_owned(),
        expected: case.expected,
        how: How::Repeat(case),
    });
    let silent = Attack {
        name: format!("{SILENT} connections that say nothing"),
        expected: "cut",
        how: How::Silent(SILENT),
    };
    let starving = |events, expected| Attack {
        name: format!("a tab that does not read while its user has {events} events"),
        expected,
        how: How::Starve(events),
    };
    let few = starving(10_000, "10000 events, silence");
    let many = starving(60_000, "close 1013");
    cases.chain([silent, few, many]).collect()
}

impl Attack {
    /// Does it for the length of a turn; what its peers got, each thing once.
    async fn run(&self, address: SocketAddr, until: Instant) -> Result<Vec<String>> {
        let mut peers = JoinSet::new();
        match &self.how {
            How::Starve(events) => drop(peers.spawn(hostile::starve(address, *events))),
            How::Silent(count) => {
                let mut ticks = interval(WINDOW / *count);
                for _ in 0..*count {
                    ticks.tick().await;
                    peers.spawn(hostile::meet_and_hold(address, until + hostile::PATIENCE));
                }
            }
            How::Repeat(case) => {
                let mut ticks = interval(case_interval(case));
                ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
                while Instant::now() < until {
                    ticks.tick().await;
                    let case = case.clone();
                    peers.spawn(async move { hostile::meet(address, &case).await });
                }
            }
        }
        let mut got = Vec::new();
        sleep_until(until).await;
        while let Some(met) = peers.join_next().await {
            let met = met.map_err(|error| Error::Usage(format!("a peer panicked: {error}")))??;
            if !got.contains(&met) {
                got.push(met);
            }
        }
        Ok(got)
    }
}

/// What one kind of bad input did, turn by turn.
#[derive(Default)]
struct Turns {
    calm_us: Vec<f64>,
    meanwhile_us: Vec<f64>,
    got: Vec<String>,
}

impl Turns {
    async fn take(
        &mut self,
        attack: &Attack,
        address: SocketAddr,
        healthy: &HealthyTabs,
    ) -> Result<()> {
        let p99 = || number(healthy.take().value_at_quantile(0.99));
        p99();
        sleep(WINDOW).await;
        self.calm_us.push(p99());
        let until = Instant::now() + WINDOW;
        let at_the_end = async {
            sleep_until(until).await;
            p99()
        };
        let (got, meanwhile) = tokio::join!(attack.run(address, until), at_the_end);
        self.meanwhile_us.push(meanwhile);
        for what in got? {
            if !self.got.contains(&what) {
                self.got.push(what);
            }
        }
        Ok(())
    }

    fn put_into(&self, table: &mut Table, attack: &Attack) {
        let got = self.got.join(" or ");
        table
            .row(
                format!("{} → {got}", attack.name),
                "µs",
                &self.meanwhile_us,
                &self.calm_us,
            )
            .wanted(Target::RatioAtMost(1.5));
        if self.got.iter().any(|got| !got.ends_with(attack.expected)) {
            let name = format!("  it was to get: {}", attack.expected);
            table.row(name, "", &[], &[]).wanted(Target::AtMost(0.0));
        }
    }
}

/// How often a case comes.
fn case_interval(case: &Case) -> Duration {
    let by_bytes =
        Duration::from_secs(1).mul_f64(number(case.bytes.len() as u64) / BYTES_PER_SECOND);
    by_bytes.max(Duration::from_secs(1) / PER_SECOND)
}

/// How often in a second each kind comes.
const PER_SECOND: u32 = 200;
/// How much of it comes in a second at most: what is measured is not the copying of bytes.
const BYTES_PER_SECOND: f64 = (10 << 20) as f64;
/// How long a turn is, with bad input and without.
const WINDOW: Duration = Duration::from_secs(2);
/// How many connections say nothing.
const SILENT: u32 = 5000;
/// How many users there are: the one who does everything wrong, and another.
const USERS: usize = 2;
/// The time-out of handshakes: short, so that it comes within a turn.
const HANDSHAKE_S: i64 = 1;
