//! Owns the comparison of setting connections up: connecting and the WebSocket handshake, many at once.

use super::super::servers::Server;
use super::super::{OPENING_TIME_MAX, number, reference_tabs, us};
use super::contenders::Running;
use super::{Comparison, Field, by_server};
use crate::error::Result;
use crate::swarm::{OPENING_MAX, Swarm};

pub(super) async fn measure(
    field: &Field<'_, impl Fn(&str)>,
    running: &[Running],
    comparison: &mut Comparison,
) -> Result<()> {
    let mut turns: Vec<Turns> = running.iter().map(|_| Turns::default()).collect();
    for round in 0..field.options.rounds_or(ROUNDS) {
        for place in field.order(round) {
            turns[place].add(field, &running[place]).await?;
        }
        (field.progress)(&format!("set-up: turn {}", round + 1));
    }
    let of = |figure: fn(&Turns) -> &Vec<f64>| by_server(running, &turns, figure);
    comparison.less_is_better(
        "set-up, CPU time a connection",
        "µs",
        &of(|turns| &turns.cpu_us),
    );
    comparison.more_is_better("set-up, rate", "1/s", &of(|turns| &turns.per_s));
    comparison.note(format!(
        "set-up: {OPENING_MAX} connections at a time are on their way, through connecting and the handshake; nobody logs in"
    ));
    Ok(())
}

#[derive(Default)]
struct Turns {
    cpu_us: Vec<f64>,
    per_s: Vec<f64>,
}

impl Turns {
    /// Lets all connections come and go.
    async fn add(&mut self, field: &Field<'_, impl Fn(&str)>, server: &Running) -> Result<()> {
        let tabs = reference_tabs(server.address(), 1..field.options.users() + 1);
        let count = number((tabs.users * tabs.tabs_per_user) as u64);
        server.until_quiet().await?;
        let before = server.cpu()?;
        let mut tabs = Swarm::start(tabs, &field.options.harness).await?;
        tabs.opened(OPENING_TIME_MAX).await?;
        let cpu = server.cpu()?.saturating_sub(before);
        let settled = tabs.settled(OPENING_TIME_MAX).await?;
        tabs.stop().await;
        self.cpu_us.push(us(cpu) / count);
        self.per_s
            .push(count * 1e6 / number(settled.settled_after_us.max(1)));
        Ok(())
    }
}

/// How many turns there are unless told otherwise.
const ROUNDS: usize = 7;
