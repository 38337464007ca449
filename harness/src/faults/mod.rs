//! Owns a proxy for TCP connections that makes them fail: late, slow, byte by byte, cut in the middle of a frame, reset, half-open.
//!
//! Connections come in on one address and go on to another, whatever they carry. What happens to each is drawn from a plan with
//! a seed and its number, so that the same faults come again; a handle can cut, reset and stall connections besides, switch all
//! faults off ([`FaultProxy::heal`]) and on again ([`FaultProxy::arm`]). Nothing waits in it without bound, and not a byte is
//! ever changed, lost from the middle or put out of order.

mod connection;
mod effect;
mod fate;
mod pipe;
mod plan;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};

pub use self::effect::{Bounds, Direction, Effect, Kind, Moment};
pub use self::fate::Drawn;
pub use self::plan::{Fault, Plan};
pub use self::record::{End, FaultCounts, FaultRecord};

use self::connection::{Connection, Orders, Outcome};
use self::fate::Fate;
use self::pipe::Pipe;
use crate::error::{Error, Result};
use crate::journal::{Journal, Reader};
use crate::listening;

/// Where a proxy stands and what it does.
#[derive(Debug, Clone)]
pub struct FaultOptions {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where connections go on to.
    pub connect: SocketAddr,
    /// What the faults are drawn with.
    pub seed: u64,
    /// What may happen.
    pub plan: Plan,
    /// Whether faults come from the beginning on, or only once they are switched on.
    pub is_armed: bool,
    /// Whether there is a record of each connection that is over.
    pub keeps_records: bool,
}

impl FaultOptions {
    /// On a free loopback port before this address, with this seed and plan; faults come at once.
    pub fn before(connect: SocketAddr, seed: u64, plan: Plan) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            connect,
            seed,
            plan,
            is_armed: true,
            keeps_records: true,
        }
    }
}

/// Which connections are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// All that there are now.
    All,
    /// Those with these numbers.
    These(Vec<u64>),
}

impl Chosen {
    fn has(&self, number: u64) -> bool {
        match self {
            Self::All => true,
            Self::These(numbers) => numbers.contains(&number),
        }
    }
}

/// A running proxy; dropping it ends it, and every connection through it.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// What the proxy's tasks and its handle share.
#[derive(Debug)]
struct Shared {
    options: FaultOptions,
    started: Instant,
    journal: Journal<FaultRecord>,
    desk: Mutex<Desk>,
}

#[derive(Debug)]
struct Desk {
    is_armed: bool,
    open: BTreeMap<u64, watch::Sender<Orders>>,
    counts: FaultCounts,
}

impl FaultProxy {
    /// Listens, and serves until it is dropped; it needs a runtime around it.
    pub fn start(options: FaultOptions) -> Result<Self> {
        let failed = |source| Error::Listen {
            address: options.listen.to_string(),
            source,
        };
        let listener = listen(options.listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            started: Instant::now(),
            journal: Journal::default(),
            desk: Mutex::new(Desk {
                is_armed: options.is_armed,
                open: BTreeMap::new(),
                counts: FaultCounts::default(),
            }),
            options,
        });
        Ok(Self {
            address,
            serving: tokio::spawn(accept(listener, Arc::clone(&shared))),
            shared,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The numbers of the connections that there are now.
    pub fn open(&self) -> Vec<u64> {
        self.shared.desk().open.keys().copied().collect()
    }

    /// What has happened so far.
    pub fn counts(&self) -> FaultCounts {
        self.shared.desk().counts.clone()
    }

    /// A reader of the records of all connections that are over, in the order of their ends.
    pub fn records(&self) -> Reader<FaultRecord> {
        self.shared.journal.reader_from_start()
    }

    /// Cuts connections: both sides see the end of the stream.
    pub fn cut(&self, chosen: &Chosen) {
        self.order(chosen, |orders| orders.end = Some(Kind::Cut));
    }

    /// Resets connections on both sides.
    pub fn reset(&self, chosen: &Chosen) {
        self.order(chosen, |orders| orders.end = Some(Kind::Reset));
    }

    /// Lets nothing through this way any more, until [`FaultProxy::heal`]; the connections stay open.
    pub fn stall(&self, chosen: &Chosen, direction: Direction) {
        self.order(chosen, |orders| orders.stalled = Some(direction));
    }

    /// Lets everything through that is stalled, and every connection alone from now on, those to come as well.
    pub fn heal(&self) {
        let mut desk = self.shared.desk();
        desk.is_armed = false;
        desk.order(&Chosen::All, |orders| {
            orders.is_armed = false;
            orders.stalled = None;
        });
    }

    /// Switches the plan's faults on, for the connections that there are, too: their moments count from now on.
    pub fn arm(&self) {
        let mut desk = self.shared.desk();
        desk.is_armed = true;
        desk.order(&Chosen::All, |orders| orders.is_armed = true);
    }

    fn order(&self, chosen: &Chosen, change: impl Fn(&mut Orders)) {
        self.shared.desk().order(chosen, change);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        // A panic while the lock is held cannot leave it half-written.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection's number and its orders.
    fn enter(&self) -> (u64, watch::Receiver<Orders>) {
        let mut desk = self.desk();
        desk.counts.connections += 1;
        let number = desk.counts.connections;
        let (sender, orders) = watch::channel(Orders {
            is_armed: desk.is_armed,
            stalled: None,
            end: None,
        });
        desk.open.insert(number, sender);
        (number, orders)
    }

    fn leave(&self, number: u64, fate: Fate, from: SocketAddr, began: Instant, outcome: &Outcome) {
        let mut desk = self.desk();
        desk.open.remove(&number);
        desk.counts.unnoticed += u64::from(outcome.is_unnoticed);
        drop(desk);
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        if self.options.keeps_records {
            self.journal.push(FaultRecord {
                connection: number,
                from,
                began_ms: ms(began - self.started),
                lasted_ms: ms(began.elapsed()),
                faults: fate.faults,
                up_bytes: outcome.up_bytes,
                down_bytes: outcome.down_bytes,
                end: outcome.end,
                client_left: outcome.client_left,
                server_left: outcome.server_left,
            });
        }
    }
}

impl Desk {
    fn order(&self, chosen: &Chosen, change: impl Fn(&mut Orders)) {
        for (number, orders) in &self.open {
            if chosen.has(*number) {
                orders.send_modify(&change);
            }
        }
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = small_socket(address)?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A socket with small buffers, so that a stall is soon felt by who sends.
fn small_socket(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_recv_buffer_size(SOCKET_BYTES)?;
    socket.set_send_buffer_size(SOCKET_BYTES)?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Accepts for ever; the connections' tasks die with this one.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (client, from) = listening::accept(&listener), if connections.len() < CONNECTIONS_MAX => {
                connections.spawn(serve(client, from, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(client: TcpStream, from: SocketAddr, shared: Arc<Shared>) {
    let began = Instant::now();
    let (number, orders) = shared.enter();
    let options = &shared.options;
    let fate = Fate::draw(&options.plan, options.seed, number);
    let outcome = match connect(&client, options.connect).await {
        Ok(server) => {
            // Other streams of numbers than the one that the fate was drawn from.
            let pipe = |stream| Pipe::new(fate::random(options.seed.wrapping_add(stream), number));
            let told = |kind| shared.desk().counts.add(kind);
            let sides = (client, server);
            let connection = Connection::new(sides, &fate, (pipe(1), pipe(2)), orders, &told);
            connection.run().await
        }
        Err(error) => {
            tracing::debug!(%error, number, "a connection could not be passed on");
            // It fails where the client is gone already.
            let _gone = client.set_zero_linger();
            Outcome::not_connected()
        }
    };
    shared.leave(number, fate, from, began, &outcome);
}

async fn connect(client: &TcpStream, address: SocketAddr) -> std::io::Result<TcpStream> {
    client.set_nodelay(true)?;
    let connecting = timeout(CONNECT_MAX, small_socket(address)?.connect(address));
    connecting
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

/// How many connections there are at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 10_000;
/// How many wait at once.
const BACKLOG: u32 = 1024;
/// The size of the sockets' buffers.
const SOCKET_BYTES: u32 = 64 << 10;
/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
