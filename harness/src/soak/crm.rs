//! Owns the simulated CRM of a soak, which is stopped and started again now and then on the same address.

use std::net::SocketAddr;
use std::rc::Rc;

use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;

use super::World;
use super::phase::pass;
use super::watch::Gate;
use crate::crm::{CrmHandle, CrmOptions, SimulatedCrm};
use crate::error::Result;

/// Starts the CRM; `None` takes a free loopback port.
pub(super) async fn start(address: Option<SocketAddr>) -> Result<CrmHandle> {
    let options = address.map_or_else(CrmOptions::on_loopback, CrmOptions::new);
    SimulatedCrm::start(options).await
}

/// Stops and starts the CRM until the traffic ends; it runs when this returns, unless its address is lost.
pub(super) async fn come_and_go(
    world: Rc<World>,
    mut random: ChaCha8Rng,
    mut crm: CrmHandle,
) -> Option<CrmHandle> {
    let mut phases = world.phases.subscribe();
    let up = |random: &mut ChaCha8Rng| world.scaled(random.random_range(UP_MS));
    while pass(&mut phases, up(&mut random)).await {
        let address = crm.address();
        crm.stop().await;
        world.watch.count(|counts| counts.crm_stops += 1);
        // However this ends, the CRM comes back.
        pass(&mut phases, world.scaled(random.random_range(DOWN_MS))).await;
        match start(Some(address)).await {
            Ok(started) => crm = started,
            Err(error) => {
                world.watch.fail(Gate::Scenario, error);
                return None;
            }
        }
    }
    Some(crm)
}

/// How long the CRM runs.
const UP_MS: std::ops::Range<u64> = 10_000..30_000;
/// How long it is away.
const DOWN_MS: std::ops::Range<u64> = 200..6_000;
