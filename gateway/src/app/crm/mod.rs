//! The CRM's link on the network: does what the hub's state machine asks for.
//!
//! In come the machine's [`CrmAction`]s; out go [`CrmReport`]s. Each connection is a task of its own
//! (`connection`), whoever opened it. Connections that the gateway opens follow one another: what a
//! close finds still unsent delays the next try by no more than a second.

mod connection;
mod posts;
mod setup;

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use async_channel::Sender;
use okgate_core::crm::{CrmAction, CrmConnectionId, CrmInput, CrmReport};

use super::hub_seat::CrmEnds;
use super::tls;
use crate::config::{CrmMode, Fault, size};
use crate::runtime::{
    self, Clock, HttpClientLimits, HttpTarget, Inbox, Listener, Mailbox, RingWaker, StartError,
    Task, TlsAcceptor, TlsConnector, sleep, spawn, timeout,
};
use connection::{Order, Target, Wire};
use posts::Poster;
pub(super) use setup::crm_config;

/// Holds the CRM's connections.
pub(super) struct CrmDriver {
    way: Way,
    posting: Option<(HttpTarget, HttpClientLimits)>,
    clock: Clock,
    actions: Inbox<CrmAction>,
    reports: Mailbox<CrmReport>,
}

/// What the CRM's link needs before it is started, and may fail for.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    listener: Option<TcpListener>,
    connector: Option<TlsConnector>,
    /// For what is posted.
    https: Option<TlsConnector>,
    acceptor: Option<TlsAcceptor>,
}

/// Why the CRM cannot be linked as the settings say.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrepareError {
    /// The address.
    #[error(transparent)]
    Listen(#[from] StartError),
    /// A certificate or key.
    #[error("{}: {}", .0.key, .0.reason)]
    Tls(Fault),
}

impl From<Fault> for PrepareError {
    fn from(fault: Fault) -> Self {
        Self::Tls(fault)
    }
}

impl Prepared {
    /// Reads the certificates, and listens where the settings say, if they do.
    pub(super) fn new(mode: &CrmMode) -> Result<Self, PrepareError> {
        let mut prepared = Self::default();
        let posts = match mode {
            CrmMode::Off => None,
            CrmMode::Http(link) => Some(&link.url),
            CrmMode::WebSocketOut(link) => {
                prepared.connector = link.tls.as_ref().map(tls::connector).transpose()?;
                link.method_url.as_ref()
            }
            CrmMode::WebSocketIn(link) => {
                prepared.acceptor = link.tls.as_ref().map(tls::acceptor).transpose()?;
                let listening = runtime::listen(link.listen, 1, BACKLOG, "crm.listen")?;
                tracing::info!(address = %listening.address, "the CRM is waited for");
                prepared.listener = listening.sockets.into_iter().next();
                link.method_url.as_ref()
            }
        };
        let https = posts.and_then(|url| url.tls.as_ref());
        prepared.https = https.map(tls::connector).transpose()?;
        Ok(prepared)
    }
}

/// Where the CRM is waited for, if it is.
pub(super) fn listens_on(mode: &CrmMode) -> Option<SocketAddr> {
    match mode {
        CrmMode::WebSocketIn(link) => Some(link.listen),
        CrmMode::Off | CrmMode::Http(_) | CrmMode::WebSocketOut(_) => None,
    }
}

/// Both ends of the ways between the hub and the CRM's connections, if there is a CRM.
pub(super) fn link(
    mode: &CrmMode,
    prepared: Prepared,
    waker: &RingWaker,
    clock: Clock,
) -> Option<(CrmEnds, CrmDriver)> {
    let way = match mode {
        CrmMode::Off => return None,
        CrmMode::Http(_) => Way::None,
        CrmMode::WebSocketOut(link) => Way::Out(Arc::new(Target {
            address: link.address(),
            tls: prepared
                .connector
                .zip(link.tls.as_ref().map(|tls| tls.name.clone())),
        })),
        CrmMode::WebSocketIn(_) => Way::In(prepared.listener?, prepared.acceptor),
    };
    let (actions, wanted) = runtime::task_mailbox(ACTIONS_MAX, waker);
    let (reports, reported) = runtime::mailbox(REPORTS_MAX, waker);
    let driver = CrmDriver {
        way,
        posting: posting(mode, prepared.https),
        clock,
        actions: wanted,
        reports,
    };
    let ends = CrmEnds {
        actions,
        reports: reported,
    };
    Some((ends, driver))
}

/// The drivers that have not ended.
#[derive(Clone, Default)]
pub(super) struct CrmTasks(Rc<RefCell<Vec<Task>>>);

impl CrmTasks {
    /// Lets a driver run on the calling shard.
    pub(super) fn start(&self, driver: CrmDriver) {
        self.0.borrow_mut().push(spawn(driver.run()));
    }

    /// Waits until all have ended, for this long at most.
    pub(super) async fn end(&self, within: Duration) {
        let tasks = std::mem::take(&mut *self.0.borrow_mut());
        let ending = async {
            for task in tasks {
                task.join().await;
            }
        };
        let _late = timeout(within, ending).await;
    }
}

/// How the CRM is reached.
enum Way {
    /// By connecting to it.
    Out(Arc<Target>),
    /// By waiting for it here.
    In(TcpListener, Option<TlsAcceptor>),
    /// There is no connection: everything is posted.
    None,
}

/// Where messages are posted to, in an HTTP mode all of them.
fn posting(mode: &CrmMode, https: Option<TlsConnector>) -> Option<(HttpTarget, HttpClientLimits)> {
    let (url, message_bytes) = match mode {
        CrmMode::Off => return None,
        CrmMode::Http(link) => (&link.url, link.message_bytes),
        CrmMode::WebSocketOut(link) => (link.method_url.as_ref()?, link.message_bytes),
        CrmMode::WebSocketIn(link) => (link.method_url.as_ref()?, link.message_bytes),
    };
    let target = HttpTarget {
        https,
        host: url.host.clone(),
        port: url.port,
        path_and_query: url.path_and_query.clone(),
        host_header: url.host_header(),
    };
    let limits = HttpClientLimits {
        answer: url.answer_timeout,
        body_bytes: size(message_bytes),
        exchanges_max: url.exchanges,
        ..HttpClientLimits::default()
    };
    Some((target, limits))
}

/// Who takes the orders for each connection.
type Orders = RefCell<HashMap<CrmConnectionId, Sender<Order>>>;

/// What every connection is made with.
#[derive(Clone)]
struct Wires {
    orders: Rc<Orders>,
    reports: Reports,
    clock: Clock,
    /// Closed when the last connection has ended.
    alive: Sender<Infallible>,
}

impl CrmDriver {
    /// Does what the hub asks until the hub is gone, and lets the last connection end.
    pub(super) async fn run(self) {
        let (alive, ended) = async_channel::bounded(1);
        let wires = Wires {
            orders: Rc::default(),
            reports: Reports(self.reports),
            clock: self.clock,
            alive,
        };
        let (mut target, mut accepting) = (None, None);
        let poster = self
            .posting
            .map(|(target, limits)| Poster::new(target, limits, wires.reports.clone()));
        match self.way {
            Way::Out(way) => target = Some(way),
            Way::In(listener, tls) => {
                let accept = accept(listener, tls.map(Rc::new), wires.clone());
                accepting = Some(spawn(accept));
            }
            Way::None => {}
        }
        let mut last: Option<Task> = None;
        while let Some(action) = self.actions.receive().await {
            match action {
                CrmAction::Connect(id) => {
                    let Some(target) = &target else { continue };
                    let wire = wires.wire(id);
                    let serving = wire.connect_and_serve(Arc::clone(target), last.take());
                    last = Some(spawn(serving));
                }
                CrmAction::Send(id, bytes) => wires.order(id, Order::Send(bytes)),
                CrmAction::Close(id, bytes) => wires.order(id, Order::Close(bytes)),
                CrmAction::Post(id, post) => {
                    if let Some(poster) = &poster {
                        poster.post(id, post);
                    }
                }
                CrmAction::Abandon(id) => {
                    if let Some(poster) = &poster {
                        poster.abandon(id);
                    }
                }
            }
        }
        drop((accepting, wires));
        // Nobody sends; it ends with the last connection, whose last bytes still go out.
        let _ended = ended.recv().await;
        drop(last);
    }
}

impl Wires {
    fn wire(&self, id: CrmConnectionId) -> Wire {
        let (sender, orders) = async_channel::bounded(ORDERS_MAX);
        self.orders.borrow_mut().insert(id, sender);
        Wire {
            id,
            orders,
            reports: self.reports.clone(),
            clock: self.clock,
            _place: Place {
                id,
                orders: Rc::downgrade(&self.orders),
                _alive: self.alive.clone(),
            },
        }
    }

    /// Tells a connection what to do; one that has ended hears nothing, and one that is told to
    /// close hears nothing more.
    fn order(&self, id: CrmConnectionId, order: Order) {
        let mut orders = self.orders.borrow_mut();
        let is_last = matches!(order, Order::Close(_));
        if let Some(connection) = orders.get(&id) {
            // There is room: the link orders one thing at a time.
            let _gone = connection.try_send(order);
        }
        if is_last {
            orders.remove(&id);
        }
    }
}

/// A connection's place among the others, which it leaves with its end, however that comes.
struct Place {
    id: CrmConnectionId,
    orders: Weak<Orders>,
    /// Says that the connection has not ended.
    _alive: Sender<Infallible>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(orders) = self.orders.upgrade() {
            orders.borrow_mut().remove(&self.id);
        }
    }
}

/// Takes every CRM that connects to the hub, which says who may stay.
async fn accept(listener: TcpListener, tls: Option<Rc<TlsAcceptor>>, wires: Wires) {
    let listener = match Listener::new(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the CRM's address cannot be served"),
    };
    let mut last = 0;
    loop {
        match listener.accept().await {
            Ok(stream) => {
                last += 1;
                let id = CrmConnectionId(last);
                let wire = wires.wire(id);
                spawn(wire.serve_accepted(stream, tls.clone())).detach();
            }
            Err(error) => {
                tracing::warn!(%error, "a CRM's connection cannot be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The way to the hub.
#[derive(Clone)]
struct Reports(Mailbox<CrmReport>);

impl Reports {
    /// Tells the hub, waiting for room: nothing of a connection is lost, and a CRM
    /// that sends faster than it is heard is read more slowly.
    async fn tell(&self, connection: CrmConnectionId, what: CrmInput) {
        self.0.send_when_room(CrmReport { connection, what }).await;
    }
}

/// Reports that may wait for the hub.
const REPORTS_MAX: usize = 16;

/// What the link wants done next: at most one send and one close a connection, and what there is
/// about exchanges.
const ACTIONS_MAX: usize = 64 << 10;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 64;

/// What the link wants done with one connection: a send and a close.
const ORDERS_MAX: usize = 4;

/// After a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_ends_by_itself_leaves_nothing_behind() {
        let waker = RingWaker::new().expect("an event descriptor");
        let (reports, _reported) = runtime::mailbox(1, &waker);
        let (alive, ended) = async_channel::bounded(1);
        let wires = Wires {
            orders: Rc::default(),
            reports: Reports(reports),
            clock: Clock::start(),
            alive,
        };
        let (first, second) = (
            wires.wire(CrmConnectionId(1)),
            wires.wire(CrmConnectionId(2)),
        );
        wires.order(second.id, Order::Close(Vec::new()));
        assert_eq!(wires.orders.borrow().len(), 1);
        drop(first);
        assert!(wires.orders.borrow().is_empty());
        drop(wires);
        assert!(matches!(second.orders.try_recv(), Ok(Order::Close(_))));
        assert!(second.orders.is_closed() && !ended.is_closed());
        drop(second);
        assert!(ended.is_closed());
    }
}
