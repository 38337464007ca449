//! Owns the comparison of the gateway with what a user would take instead, all of which do the same, and with a bare echo as the
//! limit: round trips, a fan-out, setting up connections, idle connections.
//!
//! Before anything is measured, every peer is proven to do its job. A turn measures all servers one after the other, and the next
//! one in another order; each figure is compared within its turn.

mod comparison;
mod contenders;
mod fan_out;
mod html;
mod idle;
mod round_trips;
mod set_up;

use std::path::PathBuf;
use std::time::Duration;

pub use self::comparison::{Comparison, Entry, Figure, ServerNamed, Wanted};
use self::contenders::{Contender, Running};
use super::cores::Cores;
use super::fan_out::CALLED;
use super::{MeasureOptions, TABS_PER_USER};
use crate::error::{Error, Result};
use crate::machine::load_averages;
use crate::results::Machine;
use crate::swarm::CONNECTIONS_PER_WORKER_MAX;

/// How [`super::Subject::Peers`] is measured.
#[derive(Debug, Clone)]
pub struct PeersOptions {
    /// How long a server is loaded in one turn.
    pub turn: Duration,
    /// The program of the peer on node's `ws`; without it that peer is left out.
    pub ws_server: Option<PathBuf>,
}

pub(super) async fn measure(
    options: &MeasureOptions,
    progress: &impl Fn(&str),
) -> Result<Comparison> {
    check(options)?;
    let (machine, load_before) = (Machine::look(), load_averages());
    let field = Field {
        options,
        cores: Cores::choose()?,
        contenders: Contender::all(options),
        progress,
    };
    let mut comparison = Comparison::new(TITLE);
    let running = field.start_all().await?;
    for server in &running {
        comparison.server(server.name(), server.description());
    }
    round_trips::measure(&field, &running, &mut comparison).await?;
    set_up::measure(&field, &running, &mut comparison).await?;
    fan_out::measure(&field, &running, &mut comparison).await?;
    for server in running {
        server.stop().await?;
    }
    idle::measure(&field, &mut comparison).await?;
    judge(&mut comparison);
    comparison.note(field.cores.note());
    comparison.notes(NOTES);
    if options.peers.ws_server.is_none() {
        comparison.note("node's ws is left out: the program of its server was not named");
    }
    comparison.note(machine_note(&machine, load_before));
    Ok(comparison)
}

/// What all measurements need.
struct Field<'f, P> {
    options: &'f MeasureOptions,
    cores: Cores,
    contenders: Vec<Contender>,
    progress: &'f P,
}

impl<P: Fn(&str)> Field<'_, P> {
    /// Starts all servers and has the peers proven.
    async fn start_all(&self) -> Result<Vec<Running>> {
        let users = self.options.users() + CALLED;
        let mut running = Vec::new();
        for contender in &self.contenders {
            let server = Running::start(*contender, self.options, users).await?;
            server.bind(self.cores)?;
            server.prove().await?;
            running.push(server);
        }
        Ok(running)
    }

    /// How long servers are let be after many connections have come.
    fn settling(&self) -> Duration {
        (self.options.peers.turn * 3).max(SETTLING_MIN)
    }

    /// In which order the servers have their turn: each round begins with another one, every other goes backwards.
    fn order(&self, round: usize) -> Vec<usize> {
        order(self.contenders.len(), round)
    }
}

fn order(count: usize, round: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    places.rotate_left(round / 2 % count);
    if round % 2 == 1 {
        places.reverse();
    }
    places
}

/// A figure of each server, turn by turn.
fn by_server<'t, T>(
    running: &'t [Running],
    turns: &'t [T],
    figure: impl Fn(&'t T) -> &'t Vec<f64>,
) -> Vec<(&'static str, &'t [f64])> {
    let pairs = running.iter().zip(turns);
    pairs
        .map(|(server, turns)| (server.name(), figure(turns).as_slice()))
        .collect()
}

/// What the gateway has to reach.
fn judge(comparison: &mut Comparison) {
    for shape in [(50, 16), (1000, 1)] {
        let figure = round_trips::cpu_figure(shape);
        comparison.wants_at_most_times_echo(&figure, 1.15);
        comparison.wants_ahead_of_all(&figure);
    }
    comparison.wants_not_surely_above_echo(fan_out::FIGURE, 1.05);
    comparison.wants_at_most(idle::FIGURE, 1.2 * 1024.0);
}

/// What the machine is, and how busy it was in the beginning and is now.
fn machine_note(machine: &Machine, load_before: [f64; 3]) -> String {
    let words = |load: [f64; 3]| load.map(|average| format!("{average:.2}")).join(" ");
    format!(
        "machine: {} × {}, Linux {}; load average at the beginning {}, at the end {}",
        machine.processors,
        machine.processor,
        machine.kernel,
        words(load_before),
        words(load_averages()),
    )
}

fn check(options: &MeasureOptions) -> Result<()> {
    let tabs = TABS_MIN..=CONNECTIONS_PER_WORKER_MAX;
    if !tabs.contains(&options.tabs) {
        return Err(Error::Usage(format!(
            "a comparison takes {TABS_MIN} to {CONNECTIONS_PER_WORKER_MAX} tabs, not {}",
            options.tabs
        )));
    }
    if options.peers.turn.is_zero() {
        return Err(Error::Usage("a turn cannot take no time".into()));
    }
    Ok(())
}

const TITLE: &str = "okgate beside what a user would take instead, on one core each";
/// How long servers are let be at least: tabs say four times a second what they have got.
const SETTLING_MIN: Duration = Duration::from_millis(500);
/// The fewest connections that make sense.
const TABS_MIN: usize = 10 * TABS_PER_USER;
/// What is to be known of the figures.
const NOTES: [&str; 6] = [
    "okgate is the real program with one shard; its round trips are those of logged-in tabs, its fan-out is \
     pbxnumberstatechanged to subscribed ones. The bare echo sends texts back unread; its fan-out is a bare loop of sends of the \
     same bytes. The peers parse a request's JSON and make an answer's; all requests are the same bytes for everybody",
    "CPU time is the server's, of all its threads, in user and kernel mode, by what was done",
    "each figure is the median of all turns, with the interval that holds it in 95 of 100 cases; ratios are taken turn by turn",
    "machines are shared, so ratios hold and absolute figures do not; a rate is that of this machine with the load on a core of \
     its own",
    "the peers run on one thread and are written with care: TCP_NODELAY, small buffers, no compression, the answers to requests that \
     came together in one write",
    "TLS is left out: the gateway has none for tabs yet",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_begins_a_turn_and_every_other_turn_goes_backwards() {
        assert_eq!(order(3, 0), [0, 1, 2]);
        assert_eq!(order(3, 1), [2, 1, 0]);
        assert_eq!(order(3, 2), [1, 2, 0]);
        assert_eq!(order(3, 3), [0, 2, 1]);
        assert_eq!(order(3, 6), [0, 1, 2]);
    }

    #[test]
    fn the_load_is_said_for_the_beginning_and_the_end() {
        let note = machine_note(&Machine::look(), [0.25, 1.0, 12.5]);
        assert!(note.contains("at the beginning 0.25 1.00 12.50, at the end "));
        assert!(note.contains(" Linux "), "{note}");
    }
}
