//! `okgate run`: puts the parts together and lets them go.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use okgate_core::base::{Random, ShardId};
use okgate_core::hub::{self, Hub, ToShard};
use okgate_core::pbx::sim::SimConfig;
use okgate_core::protocol::VersionInfo;
use okgate_core::shard::{self, Shard};

use super::Outcome;
use super::check::error_lines;
use super::hub_seat::{Forward, HubMessage, HubSeat};
use crate::config::{self, PbxSettings, Settings};
use crate::runtime::{
    self, Clock, ExecutorSettings, Inbox, Mailbox, RingSettings, Seat, ShardHandle, ShardMain,
    ShardPort, StartError, TabRing,
};

/// Runs the gateway until it is told to end.
pub(super) fn run(path: &Path) -> Outcome {
    let settings = match config::load(path) {
        Ok(settings) => settings,
        Err(error) => {
            eprint!("{}", error_lines(path, &error));
            return Outcome::Usage;
        }
    };
    match start(&settings) {
        Ok(executors) => match executors.join() {
            Ok(()) => Outcome::Fine,
            Err(failure) => {
                eprintln!("okgate: {failure}");
                Outcome::Failed
            }
        },
        Err(error) => {
            eprintln!("okgate: cannot start: {error}");
            Outcome::CouldNotStart
        }
    }
}

fn start(settings: &Settings) -> Result<runtime::Executors, StartError> {
    let descriptors = runtime::prepare()?;
    let cores = runtime::cores(settings.gateway.cores.unwrap_or(0))?;
    let clock = Clock::start();
    let mut random = Random::from_seed(seed());
    let (handles, mut ports) = ports(cores.len()).map_err(StartError::Limits)?;
    for address in &settings.clients.listen {
        let backlog = u32::from(settings.clients.backlog);
        let listening = runtime::listen(*address, cores.len(), backlog, "clients.listen")?;
        for (port, socket) in ports.iter_mut().zip(listening.sockets) {
            port.listeners.push(socket);
        }
    }
    let (hub_mailbox, hub_inbox) = runtime::mailbox(MAILBOX_CAPACITY, handles[0].waker());
    let hub = Hub::new(
        hub_config(settings, cores.len()),
        random.split(),
        clock.now(),
    );
    let shard_config = Arc::new(settings.shard_config());
    let ring = RingSettings::default().with_descriptors(descriptors);
    let mut hub = Some((hub, hub_inbox));
    let mut mains: Vec<ShardMain> = Vec::with_capacity(cores.len());
    for port in ports {
        let seed = ShardSeed {
            config: Arc::clone(&shard_config),
            random: random.split(),
            ring,
            port,
        };
        mains.push(match hub.take() {
            Some((hub, inbox)) => first_shard(seed, hub, inbox, Arc::clone(&handles)),
            None => other_shard(seed, hub_mailbox.clone()),
        });
    }
    runtime::start(ExecutorSettings::new(clock), &cores, mains)
}

/// What a shard is made of on its own thread.
struct ShardSeed {
    config: Arc<shard::Config>,
    random: Random,
    ring: RingSettings,
    port: ShardPort<ToShard>,
}

impl ShardSeed {
    fn grow(self, seat: &Seat) -> io::Result<(Shard, TabRing<ToShard>)> {
        let id = ShardId(seat.index());
        let shard = Shard::new(id, self.config, self.random, seat.clock().instant());
        Ok((shard, TabRing::new(seat, self.ring, self.port)?))
    }
}

/// The shard beside which the hub lives.
fn first_shard(
    seed: ShardSeed,
    hub: Hub,
    inbox: Inbox<HubMessage>,
    shards: Arc<[ShardHandle<ToShard>]>,
) -> ShardMain {
    Box::new(move |seat| {
        Box::pin(async move {
            let (shard, ring) = seed.grow(&seat)?;
            let seat = HubSeat {
                hub,
                clock: seat.clock(),
                inbox,
                local: ring.local_mailbox(),
                backlogs: shards.iter().map(|_| VecDeque::new()).collect(),
                shards,
            };
            ring.run(shard, seat).await.map(drop)
        })
    })
}

fn other_shard(seed: ShardSeed, hub: Mailbox<HubMessage>) -> ShardMain {
    Box::new(move |seat| {
        Box::pin(async move {
            let (shard, ring) = seed.grow(&seat)?;
            let forward = Forward {
                hub,
                backlog: VecDeque::new(),
                clock: seat.clock(),
            };
            ring.run(shard, forward).await.map(drop)
        })
    })
}

/// The two ends of every shard.
type Ends = (Arc<[ShardHandle<ToShard>]>, Vec<ShardPort<ToShard>>);

fn ports(count: usize) -> io::Result<Ends> {
    let mut handles = Vec::with_capacity(count);
    let mut ports = Vec::with_capacity(count);
    for _ in 0..count {
        let (handle, port) = runtime::shard_port(MAILBOX_CAPACITY)?;
        handles.push(handle);
        ports.push(port);
    }
    Ok((handles.into(), ports))
}

fn hub_config(settings: &Settings, shards: usize) -> hub::Config {
    let PbxSettings::Sim(sim) = &settings.pbx;
    let phones = settings.directory.users.iter();
    let phones = phones.flat_map(|user| user.numbers.iter().map(|(_, number)| Arc::clone(number)));
    let shared = |numbers: &[String]| numbers.iter().map(|it| Arc::from(it.as_str())).collect();
    hub::Config {
        shards: u16::try_from(shards).unwrap_or(u16::MAX),
        directory: settings.directory.clone(),
        switchboard: hub::SwitchboardLimits::default(),
        sessions: settings.clients.session_limits(),
        token: None,
        version: VersionInfo {
            dated: 160_101,
            build: "2.13.0.160101".into(),
            web_server_port: settings.web.listen.first().map_or(0, SocketAddr::port),
            procedures: Vec::new(),
        },
        caller_name: None,
        pbx: SimConfig {
            phones: phones.collect(),
            answer_after: sim.answer_after,
            ring_timeout: sim.ring_timeout,
            busy_numbers: shared(&sim.busy_numbers),
            no_answer_numbers: shared(&sim.no_answer_numbers),
            seed: sim.seed,
            reject_share: sim.reject_share,
            delay: sim.delay,
            ..SimConfig::default()
        },
    }
}

fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the system has randomness");
    seed
}

/// Messages that may wait for a shard or the hub; more wait with the sender.
const MAILBOX_CAPACITY: usize = 64 << 10;
