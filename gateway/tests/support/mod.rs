//! An echo engine on raw bytes, shards that run it, and what runs beside it.
#![allow(dead_code)] // each test program uses its part

pub(crate) mod certificates;

use std::collections::VecDeque;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use okgate::runtime::{
    Clock, ExecutorSettings, Executors, RingSettings, Seat, ShardHandle, ShardMain, StartError,
    TabRing, cores, listen, shard_port, spawn, start,
};
use okgate_core::base::{Action, Engine, Instant, LinkId, Payload, Peer};

/// What other threads tell the echo engine.
#[derive(Debug)]
pub(crate) enum Told {
    /// Say this on every link.
    Say(Vec<u8>),
    /// Say this on every link when the time has come.
    SayLater(Vec<u8>, Duration),
    /// Half-close every link.
    Shutdown,
    /// Close every link.
    Close,
    /// Post the number of open links.
    Count,
}

struct Link {
    generation: u32,
    open: bool,
    /// What the next batch sends.
    pending: Vec<u8>,
    /// What waits for room in the socket.
    queued: VecDeque<u8>,
    full: bool,
}

/// Sends back what it receives.
#[derive(Default)]
pub(crate) struct Echo {
    links: Vec<Link>,
    free: Vec<u32>,
    dirty: Vec<u32>,
    arena: Vec<u8>,
    actions: VecDeque<Action<usize>>,
    later: Option<(Instant, Vec<u8>)>,
}

impl Echo {
    fn say(&mut self, slot: usize, bytes: &[u8]) {
        let link = &mut self.links[slot];
        if link.full {
            link.queued.extend(bytes);
            return;
        }
        if link.pending.is_empty() {
            self.dirty.push(u32::try_from(slot).expect("few links"));
        }
        link.pending.extend_from_slice(bytes);
    }

    fn live(&mut self, id: LinkId) -> Option<&mut Link> {
        let link = self.links.get_mut(id.slot as usize)?;
        (link.open && link.generation == id.generation).then_some(link)
    }

    fn ids(&self) -> Vec<LinkId> {
        let open = self.links.iter().enumerate().filter(|(_, link)| link.open);
        open.map(|(slot, link)| LinkId {
            slot: u32::try_from(slot).expect("few links"),
            generation: link.generation,
        })
        .collect()
    }

    fn say_all(&mut self, bytes: &[u8]) {
        for id in self.ids() {
            self.say(id.slot as usize, bytes);
        }
    }

    fn forget(&mut self, id: LinkId) {
        if let Some(link) = self.live(id) {
            link.open = false;
            link.generation += 1;
            link.pending.clear();
            link.queued.clear();
            link.full = false;
            self.free.push(id.slot);
        }
    }
}

impl Engine for Echo {
    type Inbox = Told;
    type Outbox = usize;

    fn open(&mut self, _peer: Peer, _now: Instant) -> Option<LinkId> {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.links.push(Link {
                generation: 0,
                open: false,
                pending: Vec::new(),
                queued: VecDeque::new(),
                full: false,
            });
            u32::try_from(self.links.len() - 1).expect("few links")
        });
        let link = &mut self.links[slot as usize];
        link.open = true;
        Some(LinkId {
            slot,
            generation: link.generation,
        })
    }

    fn receive(&mut self, link: LinkId, bytes: &mut [u8], _now: Instant) {
        assert!(self.live(link).is_some(), "bytes for a dead link");
        self.say(link.slot as usize, bytes);
    }

    fn closed(&mut self, link: LinkId, _now: Instant) {
        assert!(self.live(link).is_some(), "a dead link closed again");
        self.forget(link);
    }

    fn message(&mut self, message: Told, now: Instant) {
        match message {
            Told::Say(bytes) => self.say_all(&bytes),
            Told::SayLater(bytes, delay) => self.later = Some((now + delay, bytes)),
            Told::Shutdown => {
                for link in self.ids() {
                    self.actions.push_back(Action::Shutdown { link });
                }
            }
            Told::Close => {
                for link in self.ids() {
                    self.actions.push_back(Action::Close { link });
                }
            }
            Told::Count => self.actions.push_back(Action::Post(self.ids().len())),
        }
    }

    fn timeout(&mut self, now: Instant) {
        if let Some((due, bytes)) = self.later.take() {
            assert!(due <= now, "a timer came early");
            self.say_all(&bytes);
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.later.as_ref().map(|(due, _)| *due)
    }

    fn poll_action(&mut self) -> Option<Action<usize>> {
        while let Some(slot) = self.dirty.pop() {
            let link = &mut self.links[slot as usize];
            if link.open && !link.pending.is_empty() {
                let start = self.arena.len();
                self.arena.append(&mut link.pending);
                link.pending = Vec::new();
                let id = LinkId {
                    slot,
                    generation: link.generation,
                };
                let payload = Payload::Arena(start..self.arena.len());
                return Some(Action::Send { link: id, payload });
            }
        }
        let action = self.actions.pop_front();
        if let Some(Action::Close { link }) = action {
            self.forget(link);
        }
        action
    }

    fn payload<'engine>(&'engine self, payload: &'engine Payload) -> &'engine [u8] {
        match payload {
            Payload::Arena(range) => &self.arena[range.clone()],
            Payload::Shared(bytes) => bytes.rest(),
        }
    }

    fn unsent(&mut self, link: LinkId, payload: &Payload, sent: usize) {
        let rest = self.payload(payload)[sent..].to_vec();
        if let Some(link) = self.live(link) {
            link.full = true;
            link.queued.extend(rest);
        }
    }

    fn writable(&mut self, link: LinkId, _now: Instant) {
        let id = link;
        if let Some(link) = self.live(id) {
            link.full = false;
            let queued: Vec<u8> = link.queued.drain(..).collect();
            if !queued.is_empty() {
                self.say(id.slot as usize, &queued);
            }
        }
    }

    fn end_batch(&mut self) {
        self.arena.clear();
    }
}

/// Running echo shards.
pub(crate) struct Shards {
    pub(crate) address: SocketAddr,
    pub(crate) handles: Vec<ShardHandle<Told>>,
    pub(crate) posts: mpsc::Receiver<usize>,
    join: Option<JoinHandle<()>>,
}

/// Starts echo shards on a free loopback port.
pub(crate) fn shards(count: usize, settings: RingSettings) -> Shards {
    let cores = cores(0).expect("cores");
    let cores: Vec<usize> = cores.iter().copied().cycle().take(count).collect();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listening = listen(address, count, 1024, "test.listen").expect("a free port");
    let address = listening.address;
    let (post, posts) = mpsc::channel();
    let (mut handles, mut mains) = (Vec::new(), Vec::<ShardMain>::new());
    for socket in listening.sockets {
        let (handle, mut shard) = shard_port::<Told>(4096).expect("an event descriptor");
        shard.listeners.push(socket);
        handles.push(handle);
        let post = post.clone();
        mains.push(Box::new(move |seat: Seat| {
            Box::pin(async move {
                let ring = TabRing::new(&seat, settings, shard)?;
                let outside = move |count, _now| post.send(count).expect("the test waits");
                ring.run(Echo::default(), outside).await.map(drop)
            })
        }));
    }
    let executors: Result<Executors, StartError> =
        start(ExecutorSettings::new(Clock::start()), &cores, mains);
    let executors = executors.expect("executors");
    let join = thread::spawn(move || executors.join().expect("shards that end well"));
    Shards {
        address,
        handles,
        posts,
        join: Some(join),
    }
}

impl Shards {
    /// Stops all shards and waits for them.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        for handle in &self.handles {
            handle.stop();
        }
        if let Some(join) = self.join.take() {
            join.join().expect("shards that end well");
        }
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.end();
        }
    }
}

/// Waits until `done` holds, at most ten seconds.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(std::time::Instant::now() < deadline, "not in time: {what}");
        thread::yield_now();
    }
}

/// Runs a future beside an echo ring on a shard of its own and hands back what it gives.
pub(crate) fn beside_a_ring<Work, Done, Value>(work: Work) -> Value
where
    Work: FnOnce(ShardHandle<Told>) -> Done + Send + 'static,
    Done: Future<Output = Value> + 'static,
    Value: Send + 'static,
{
    let (handle, port) = shard_port::<Told>(64).expect("an event descriptor");
    let (sender, receiver) = mpsc::channel();
    let worker = handle.clone();
    let main: ShardMain = Box::new(move |seat: Seat| {
        Box::pin(async move {
            let ring = TabRing::new(&seat, RingSettings::default(), port)?;
            spawn(async move {
                let value = work(worker.clone()).await;
                sender.send(value).expect("the test waits");
                worker.stop();
            })
            .detach();
            ring.run(Echo::default(), |_, _| {}).await.map(drop)
        })
    });
    let cores = cores(1).expect("a core");
    let settings = ExecutorSettings::new(Clock::start());
    let executors = start(settings, &cores, vec![main]).expect("an executor");
    let value = receiver.recv_timeout(Duration::from_secs(20));
    executors.join().expect("a shard that ends well");
    value.expect("in time")
}

/// A socket that listens on a free port.
pub(crate) fn free_listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}
