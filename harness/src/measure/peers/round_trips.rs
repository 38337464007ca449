//! Owns the comparison of round trips: `ping` in a closed loop, whose bytes are the same for every server.

use super::super::round_trips::{SHAPES, Turns, USERS, run_load};
use super::super::servers::Server;
use super::contenders::{Contender, Running};
use super::{Comparison, Field, by_server};
use crate::error::Result;
use crate::gateway::DEFAULT_PASSWORD;
use crate::load::{LoadLogin, LoadMethod, LoadOptions, LoadReport};

pub(super) async fn measure(
    field: &Field<'_, impl Fn(&str)>,
    running: &[Running],
    comparison: &mut Comparison,
) -> Result<()> {
    for shape in SHAPES {
        let mut turns: Vec<Turns> = running.iter().map(|_| Turns::default()).collect();
        let mut load_shares: Vec<Vec<f64>> = vec![Vec::new(); running.len()];
        for round in 0..field.options.rounds_or(ROUNDS) {
            for place in field.order(round) {
                let report = load(field, &running[place], shape).await?;
                load_shares[place]
                    .push(report.driver_cpu_us_per_message * report.messages_per_s / 1e6);
                turns[place].push(&report);
            }
            (field.progress)(&format!("{}: turn {}", name(shape), round + 1));
        }
        let of = |figure: fn(&Turns) -> &Vec<f64>| by_server(running, &turns, figure);
        comparison.less_is_better(&cpu_figure(shape), "µs", &of(|turns| &turns.cpu_us));
        comparison.more_is_better(
            &format!("{}, rate", name(shape)),
            "1/s",
            &of(|turns| &turns.per_s),
        );
        comparison.less_is_better(
            &format!("{}, p99", name(shape)),
            "µs",
            &of(|turns| &turns.p99_us),
        );
        note_load_bound(running, &load_shares, shape, comparison);
    }
    Ok(())
}

/// The name of the figure that tells the server's CPU time.
pub(super) fn cpu_figure(shape: (usize, usize)) -> String {
    format!("{}, CPU time a round trip", name(shape))
}

fn name((connections, depth): (usize, usize)) -> String {
    format!("ping {connections}×{depth}")
}

async fn load(
    field: &Field<'_, impl Fn(&str)>,
    server: &Running,
    (connections, depth): (usize, usize),
) -> Result<LoadReport> {
    let turn = field.options.peers.turn;
    let is_okgate = server.contender() == Contender::Okgate;
    run_load(LoadOptions {
        address: server.address(),
        connections,
        depth,
        method: LoadMethod::Ping,
        duration: turn,
        warm_up: turn / 4,
        login: is_okgate.then(|| LoadLogin {
            prefix: "user".into(),
            users: USERS.min(field.options.users()),
            password: DEFAULT_PASSWORD.into(),
        }),
        names_user: false,
        is_reference: server.contender() == Contender::Echo,
        threads: 1,
        server_process: Some(server.process()?),
        padding_bytes: 0,
    })
    .await
}

/// Says whose rates are rather those of the load.
fn note_load_bound(
    running: &[Running],
    load_shares: &[Vec<f64>],
    shape: (usize, usize),
    comparison: &mut Comparison,
) {
    let servers = running.iter().zip(load_shares);
    let bound: Vec<&str> = servers
        .filter(|(_, shares)| {
            shares
                .iter()
                .filter(|share| **share > LOAD_SHARE_MAX)
                .count()
                * 2
                > shares.len()
        })
        .map(|(server, _)| server.name())
        .collect();
    if !bound.is_empty() {
        comparison.note(format!(
            "{}: the load's core was full beside {}, whose rates and latencies are the load's rather than the server's",
            name(shape),
            bound.join(", ")
        ));
    }
}

/// How many turns there are unless told otherwise: many short ones, since what else a machine does comes and goes.
const ROUNDS: usize = 17;
/// With a greater share of its core the load is what bounds the rate.
const LOAD_SHARE_MAX: f64 = 0.9;
