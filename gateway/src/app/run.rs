//! `okgate run`: puts the parts together and lets them go.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use okgate_core::base::{Random, ShardId};
use okgate_core::hub::{Hub, StoredFile, ToShard, TokenKeyError};
use okgate_core::shard::{self, Admission, Shard};

use super::Outcome;
use super::check::error_lines;
use super::crm::{self, CrmDriver, CrmTasks, PrepareError, Prepared};
use super::hub_seat::{CrmEnds, Forward, Helpers, HubMessage, HubSeat};
use super::metered::Metered;
use super::programs::Programs;
use super::reload::Reloader;
use super::services::Services;
use super::signals::SignalHandler;
use super::tls;
use super::urls::UrlCaller;
use super::wiring::hub_config;
use crate::admin::{AdminGate, Readiness};
use crate::config::{self, LogFormat, Settings};
use crate::log::{self, LogCounters};
use crate::metrics::{Metrics, RingReader, ShardMetrics};
use crate::runtime::{
    self, Clock, ExecutorSettings, Executors, Inbox, Mailbox, RingSettings, Seat, ShardHandle,
    ShardMain, ShardPort, Signal, SignalSource, TabRing, TlsSettingsError, Watchdog,
};
use crate::store::Store;
use crate::web::{Interface, Proxies, Site};

/// Runs the gateway until it is told to end.
pub(super) fn run(path: &Path) -> Outcome {
    let settings = match config::load(path) {
        Ok(settings) => settings,
        Err(error) => {
            eprint!("{}", error_lines(path, &error));
            return Outcome::Usage;
        }
    };
    let is_json = settings.gateway.log_format == LogFormat::Json;
    let log = match log::start(&settings.gateway.log, is_json) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("okgate: cannot start: {error}");
            return Outcome::CouldNotStart;
        }
    };
    match start(&settings, path, log.counters()) {
        Ok(running) => match running.executors.join() {
            Ok(()) => {
                tracing::info!("ended");
                Outcome::Fine
            }
            Err(failure) => {
                tracing::error!(%failure, "a shard failed: the gateway ends");
                Outcome::Failed
            }
        },
        Err(error) => {
            tracing::error!("cannot start: {error}");
            Outcome::CouldNotStart
        }
    }
}

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
enum StartFailure {
    #[error(transparent)]
    Runtime(#[from] runtime::StartError),
    #[error(transparent)]
    Crm(#[from] PrepareError),
    #[error("procedures.url: {0}")]
    Https(#[from] TlsSettingsError),
    #[error(transparent)]
    TokenKey(#[from] TokenKeyError),
    #[error("gateway.data_dir: {0}")]
    DataDir(io::Error),
    #[error("the system refuses what a shard needs: {0}")]
    System(#[from] io::Error),
    #[error("the system gives no randomness: {0}")]
    Random(getrandom::Error),
}

/// What runs, and what watches over it as long as it does.
struct Running {
    executors: Executors,
    _watchdog: Watchdog,
    _signals: SignalSource,
}

fn start(settings: &Settings, path: &Path, log: Arc<LogCounters>) -> Result<Running, StartFailure> {
    let descriptors = runtime::prepare()?;
    let cores = runtime::cores(settings.gateway.cores.unwrap_or(0))?;
    let clock = Clock::start();
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(StartFailure::Random)?;
    let mut random = Random::from_seed(seed);

    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    let mut sockets = Sockets::bind(settings, cores.len())?;
    let prepared = Prepared::new(&settings.crm.mode)?;
    let (handles, ports) = sockets.ports(cores.len())?;
    let (hub_mailbox, hub_inbox) = runtime::mailbox(MAILBOX_CAPACITY, handles[0].waker());
    let (store, stored) = open_store(settings)?.unzip();
    let mut config = hub_config(settings, cores.len(), sockets.web.first().map(|it| it.0))?;
    config.desk.stored = stored;
    let hub = Hub::new(config, random.split(), clock.now());

    let rings = handles.iter().map(ring_reader).collect();
    let shard_config = Arc::new(settings.shard_config());
    let admission = Arc::new(Admission::new(&shard_config.limits));
    let started_at = clock.now().wall.unix_seconds();
    let metrics = Arc::new(Metrics::new(rings, Arc::clone(&admission), log, started_at));
    let readiness = Arc::new(Readiness::default());
    let ring = RingSettings::default().with_descriptors(descriptors);
    let crm = crm::link(&settings.crm.mode, prepared, handles[0].waker(), clock);
    let (helpers, mut url_caller) = helpers(store, &handles[0], &hub_mailbox)?;
    url_caller.https = tls::for_procedures(&settings.desk)?;
    let (source, signals) = runtime::signals(handles[0].waker())?;
    let mut first = Some(First {
        hub,
        inbox: hub_inbox,
        mailbox: hub_mailbox.clone(),
        shards: Arc::clone(&handles),
        crm,
        helpers,
        url_caller,
        services: services(settings, &mut sockets, &metrics, &readiness),
        signals,
        settings: settings.clone(),
        path: path.to_owned(),
        readiness: Arc::clone(&readiness),
    });
    let mut mains: Vec<ShardMain> = Vec::with_capacity(cores.len());
    for (index, port) in ports.into_iter().enumerate() {
        let seed = ShardSeed {
            config: Arc::clone(&shard_config),
            admission: Arc::clone(&admission),
            random: random.split(),
            metrics: metrics.shard(index),
            ring,
            port,
        };
        mains.push(match first.take() {
            Some(first) => first.main(seed),
            None => other_shard(seed, hub_mailbox.clone()),
        });
    }
    let executors = runtime::start(ExecutorSettings::new(clock), &cores, mains)?;
    let watchdog = Watchdog::start(handles.to_vec(), PATIENCE)?;
    readiness.started();
    sockets.announce();
    Ok(Running {
        executors,
        _watchdog: watchdog,
        _signals: source,
    })
}

/// What outlives the gateway, if the settings have a place for it.
fn open_store(settings: &Settings) -> Result<Option<(Store, Vec<StoredFile>)>, StartFailure> {
    let data_dir = settings.gateway.data_dir.as_deref();
    let opened = data_dir.map(Store::open).transpose();
    opened.map_err(StartFailure::DataDir)
}

/// Those who work for the hub, and the one of them that lives beside its shard's ring.
fn helpers(
    store: Option<Store>,
    shard: &ShardHandle<ToShard>,
    hub: &Mailbox<HubMessage>,
) -> io::Result<(Helpers, UrlCaller)> {
    let (urls, runs) = runtime::task_mailbox(URLS_MAX, shard.waker());
    let helpers = Helpers {
        programs: Programs::start(hub.clone())?,
        urls,
        store,
    };
    let hub = hub.clone();
    let https = None;
    Ok((helpers, UrlCaller { runs, hub, https }))
}

fn ring_reader(shard: &ShardHandle<ToShard>) -> RingReader {
    let counters = Arc::clone(shard.counters());
    Box::new(move || counters.named())
}

/// Every address that is listened on, bound before any shard starts.
struct Sockets {
    clients: Vec<runtime::Listening>,
    web: Vec<(SocketAddr, std::net::TcpListener)>,
    admin: Option<(SocketAddr, std::net::TcpListener)>,
    /// Where tabs connect, for the operator page.
    client_port: u16,
}

/// The two ends of every shard.
type Ends = (Arc<[ShardHandle<ToShard>]>, Vec<ShardPort<ToShard>>);

impl Sockets {
    fn bind(settings: &Settings, shards: usize) -> Result<Self, runtime::StartError> {
        let backlog = u32::from(settings.clients.backlog);
        let mut clients = Vec::new();
        for address in &settings.clients.listen {
            clients.push(runtime::listen(
                *address,
                shards,
                backlog,
                "clients.listen",
            )?);
        }
        let one = |address: SocketAddr, setting: &str| {
            let listening = runtime::listen(address, 1, HTTP_BACKLOG, setting)?;
            let socket = listening.sockets.into_iter().next();
            Ok::<_, runtime::StartError>(socket.map(|socket| (listening.address, socket)))
        };
        let mut web = Vec::new();
        for address in &settings.web.listen {
            web.extend(one(*address, "web.listen")?);
        }
        Ok(Self {
            client_port: clients.first().map_or(0, |first| first.address.port()),
            clients,
            web,
            admin: one(settings.admin.listen, "admin.listen")?,
        })
    }

    /// Makes both ends of every shard and gives each its sockets.
    fn ports(&mut self, shards: usize) -> io::Result<Ends> {
        let (mut handles, mut ports) = (Vec::new(), Vec::new());
        for _ in 0..shards {
            let (handle, port) = runtime::shard_port(MAILBOX_CAPACITY)?;
            handles.push(handle);
            ports.push(port);
        }
        for listening in &mut self.clients {
            for (port, socket) in ports.iter_mut().zip(listening.sockets.drain(..)) {
                port.listeners.push(socket);
            }
        }
        Ok((handles.into(), ports))
    }

    fn announce(&self) {
        for listening in &self.clients {
            tracing::info!(address = %listening.address, "tabs are served");
        }
    }
}

fn services(
    settings: &Settings,
    sockets: &mut Sockets,
    metrics: &Arc<Metrics>,
    readiness: &Arc<Readiness>,
) -> Option<Services> {
    let (admin_address, admin_socket) = sockets.admin.take()?;
    tracing::info!(address = %admin_address, "the admin interface is served");
    let (ask, questions) = async_channel::bounded(QUESTIONS_MAX);
    let token = settings.admin.token.clone();
    let site = Site::new(sockets.client_port, None);
    let site = site.with_hub(ask.clone(), settings.desk.limits.upload_bytes_max);
    let proxies = Proxies {
        trusted: settings.clients.trusted_proxies.clone(),
        header: settings.clients.forwarded_header,
    };
    let form_bytes_max = settings.web.form_bytes;
    let site = site.with_interface(Interface::new(ask.clone(), form_bytes_max, proxies));
    let gate = AdminGate::new(ask, token, Arc::clone(metrics), Arc::clone(readiness));
    let web = std::mem::take(&mut sockets.web).into_iter();
    Some(Services {
        admin_socket,
        admin: Arc::new(gate),
        questions,
        web_sockets: web
            .map(|(address, socket)| {
                tracing::info!(%address, "the operator page is served");
                socket
            })
            .collect(),
        site: Arc::new(site),
    })
}

/// What a shard is made of on its own thread.
struct ShardSeed {
    config: Arc<shard::Config>,
    admission: Arc<Admission>,
    random: Random,
    metrics: Option<Arc<ShardMetrics>>,
    ring: RingSettings,
    port: ShardPort<ToShard>,
}

impl ShardSeed {
    fn grow(self, seat: &Seat) -> io::Result<(Metered, TabRing<ToShard>)> {
        let (id, clock) = (ShardId(seat.index()), seat.clock());
        let shard = Shard::new(id, self.config, self.random, clock.instant());
        let shard = shard.sharing(self.admission);
        let shard = Metered::new(shard, self.metrics, clock);
        Ok((shard, TabRing::new(seat, self.ring, self.port)?))
    }
}

/// What lives beside the first shard.
struct First {
    hub: Hub,
    inbox: Inbox<HubMessage>,
    mailbox: Mailbox<HubMessage>,
    shards: Arc<[ShardHandle<ToShard>]>,
    crm: Option<(CrmEnds, CrmDriver)>,
    helpers: Helpers,
    url_caller: UrlCaller,
    services: Option<Services>,
    signals: Inbox<Signal>,
    settings: Settings,
    path: PathBuf,
    readiness: Arc<Readiness>,
}

impl First {
    fn main(self, seed: ShardSeed) -> ShardMain {
        Box::new(move |seat| {
            Box::pin(async move {
                let (shard, ring) = seed.grow(&seat)?;
                // Dropped at the end, which closes the addresses.
                let mailbox = self.mailbox.clone();
                let _serving = self.services.map(|it| it.start(mailbox));
                let tasks = CrmTasks::default();
                let signals = SignalHandler {
                    signals: self.signals,
                    spread: self.settings.gateway.drain,
                    hub: self.mailbox.clone(),
                    shards: Arc::clone(&self.shards),
                    readiness: self.readiness,
                    reloader: Reloader {
                        path: self.path,
                        settings: self.settings,
                        hub: self.mailbox,
                        waker: self.shards[0].waker().clone(),
                        tasks: tasks.clone(),
                        clock: seat.clock(),
                    },
                };
                runtime::spawn(signals.handle()).detach();
                let _calling = runtime::spawn(self.url_caller.run());
                let local = ring.local_mailbox();
                let clock = seat.clock();
                let (crm, driver) = self.crm.unzip();
                if let Some(driver) = driver {
                    tasks.start(driver);
                }
                let (inbox, helpers) = (self.inbox, self.helpers);
                let hub = HubSeat::new(self.hub, clock, inbox, local, self.shards, crm, helpers);
                Box::pin(ring.run(shard, hub)).await?;
                // The hub is gone; what it wanted sent to the CRM last still goes out.
                tasks.end(CRM_END_WAIT).await;
                Ok(())
            })
        })
    }
}

fn other_shard(seed: ShardSeed, hub: Mailbox<HubMessage>) -> ShardMain {
    Box::new(move |seat| {
        Box::pin(async move {
            let (shard, ring) = seed.grow(&seat)?;
            let forward = Forward::new(hub, seat.clock());
            ring.run(shard, forward).await.map(drop)
        })
    })
}

/// Messages that may wait for a shard or the hub; more wait with the sender.
const MAILBOX_CAPACITY: usize = 64 << 10;

/// Questions of the admin address that may wait for the hub.
const QUESTIONS_MAX: usize = 256;

/// Runs of URLs that may wait to be begun: as many as the settings let run at a time.
const URLS_MAX: usize = 256;

/// How long the end of the CRM's link may hold up the gateway's.
const CRM_END_WAIT: Duration = Duration::from_secs(2);

const HTTP_BACKLOG: u32 = 128;

/// A shard that has work and does not get on with it for this long is stuck.
const PATIENCE: Duration = Duration::from_secs(1);
