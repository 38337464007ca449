//! `okgate echo`: sends every WebSocket message back, on the gateway's own
//! ring and codecs, for conformance suites and measurements.
//!
//! It speaks nothing of the protocol beyond handshake and frames.

use std::net::SocketAddr;
use std::ops::{ControlFlow, Range};

use okgate_core::base::{Action, Engine, Instant, LinkId, Payload, Peer};
use okgate_core::wire::frame::{
    Binary, FrameError, Limits, Role, append_binary, append_close, append_pong, append_text,
};
use okgate_core::wire::head::{self, RequestHead};
use okgate_core::wire::inbound::{Inbound, Incoming};
use okgate_core::wire::upgrade::{Policy, accept};

use super::Outcome;
use crate::runtime::{
    self, Clock, ExecutorSettings, Executors, RingSettings, Seat, ShardMain, StartError, TabRing,
};

/// Serves echoes on this address until the process is ended.
pub(super) fn echo(address: SocketAddr, cores: usize) -> Outcome {
    match start(address, cores).map(Executors::join) {
        Ok(Ok(())) => Outcome::Fine,
        Ok(Err(failure)) => {
            eprintln!("okgate: {failure}");
            Outcome::Failed
        }
        Err(error) => {
            eprintln!("okgate: cannot start: {error}");
            Outcome::CouldNotStart
        }
    }
}

fn start(address: SocketAddr, cores: usize) -> Result<Executors, StartError> {
    let ring = RingSettings::default().with_descriptors(runtime::prepare()?);
    let cores = runtime::cores(cores)?;
    let listening = runtime::listen(address, cores.len(), BACKLOG, "--listen")?;
    let mut mains = Vec::<ShardMain>::new();
    for socket in listening.sockets {
        let (_handle, mut port) = runtime::shard_port::<()>(1).map_err(StartError::Limits)?;
        port.listeners.push(socket);
        mains.push(Box::new(move |seat: Seat| {
            Box::pin(async move {
                let outside = |(), _now| {};
                let ring = TabRing::new(&seat, ring, port)?;
                ring.run(Echo::default(), outside).await.map(drop)
            })
        }));
    }
    let executors = runtime::start(ExecutorSettings::new(Clock::start()), &cores, mains)?;
    println!("listening on {}", listening.address);
    Ok(executors)
}

/// One connection.
struct Link {
    generation: u32,
    stage: Stage,
    /// What waits for room in the socket.
    queued: Vec<u8>,
    /// The socket is full: everything is queued.
    full: bool,
    /// Half-close when everything has gone out.
    ends: bool,
}

/// How far a connection is.
enum Stage {
    /// The slot is free.
    Free,
    /// The head of the handshake is incomplete.
    Handshake(Vec<u8>),
    /// It speaks frames.
    Open(Inbound),
    /// Our last words are said; what arrives is ignored.
    Closing,
}

/// The engine: answers of a wake-up gather in one buffer.
#[derive(Default)]
struct Echo {
    links: Vec<Link>,
    free: Vec<u32>,
    arena: Vec<u8>,
    sends: Vec<(LinkId, Range<usize>)>,
    next_send: usize,
    actions: Vec<Action<()>>,
}

impl Echo {
    fn live(&mut self, id: LinkId) -> Option<&mut Link> {
        let link = self.links.get_mut(id.slot as usize)?;
        (link.generation == id.generation && !matches!(link.stage, Stage::Free)).then_some(link)
    }

    /// Sends what was appended to the arena since `start`.
    fn send(&mut self, id: LinkId, start: usize) {
        let end = self.arena.len();
        let Some(link) = self.links.get_mut(id.slot as usize) else {
            return;
        };
        if link.full {
            link.queued.extend_from_slice(&self.arena[start..end]);
            self.arena.truncate(start);
            if link.queued.len() > QUEUED_BYTES_MAX {
                self.close(id);
            }
            return;
        }
        if let Some((last, range)) = self.sends.last_mut()
            && *last == id
            && range.end == start
        {
            range.end = end;
        } else if start != end {
            self.sends.push((id, start..end));
        }
        if self.live(id).is_some_and(|link| link.ends) {
            self.actions.push(Action::Shutdown { link: id });
        }
    }

    fn close(&mut self, id: LinkId) {
        self.forget(id);
        self.actions.push(Action::Close { link: id });
    }

    fn forget(&mut self, id: LinkId) {
        if let Some(link) = self.live(id) {
            link.stage = Stage::Free;
            link.generation = link.generation.wrapping_add(1);
            link.queued = Vec::new();
            link.full = false;
            link.ends = false;
            self.free.push(id.slot);
        }
    }
}

impl Engine for Echo {
    type Inbox = ();
    type Outbox = ();

    fn open(&mut self, _peer: Peer, _now: Instant) -> Option<LinkId> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => u32::try_from(self.links.len()).ok()?,
        };
        if slot as usize == self.links.len() {
            self.links.push(Link {
                generation: 0,
                stage: Stage::Free,
                queued: Vec::new(),
                full: false,
                ends: false,
            });
        }
        let link = &mut self.links[slot as usize];
        link.stage = Stage::Handshake(Vec::new());
        Some(LinkId {
            slot,
            generation: link.generation,
        })
    }

    fn receive(&mut self, id: LinkId, bytes: &mut [u8], _now: Instant) {
        let start = self.arena.len();
        let Some(link) = self.links.get_mut(id.slot as usize) else {
            return;
        };
        link.ends |= match &mut link.stage {
            Stage::Handshake(head) => {
                head.extend_from_slice(bytes);
                match handshake(head, &mut self.arena) {
                    Handshake::Incomplete => return,
                    Handshake::Refused => true,
                    Handshake::Done(mut inbound, mut rest) => {
                        let ends = answer(&mut inbound, &mut rest, &mut self.arena);
                        link.stage = Stage::Open(inbound);
                        ends
                    }
                }
            }
            Stage::Open(inbound) => answer(inbound, bytes, &mut self.arena),
            Stage::Closing | Stage::Free => return,
        };
        if link.ends {
            link.stage = Stage::Closing;
        }
        self.send(id, start);
    }

    fn closed(&mut self, link: LinkId, _now: Instant) {
        self.forget(link);
    }

    fn message(&mut self, (): (), _now: Instant) {}

    fn timeout(&mut self, _now: Instant) {}

    fn next_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_action(&mut self) -> Option<Action<()>> {
        if let Some((link, range)) = self.sends.get(self.next_send) {
            self.next_send += 1;
            return Some(Action::Send {
                link: *link,
                payload: Payload::Arena(range.clone()),
            });
        }
        self.actions.pop()
    }

    fn payload<'engine>(&'engine self, payload: &'engine Payload) -> &'engine [u8] {
        match payload {
            Payload::Arena(range) => &self.arena[range.clone()],
            Payload::Shared(bytes) => bytes.rest(),
        }
    }

    fn unsent(&mut self, id: LinkId, payload: &Payload, sent: usize) {
        let rest = self.payload(payload)[sent..].to_vec();
        if let Some(link) = self.live(id) {
            link.full = true;
            link.queued.extend_from_slice(&rest);
        }
    }

    fn writable(&mut self, id: LinkId, _now: Instant) {
        let start = self.arena.len();
        if let Some(link) = self.links.get_mut(id.slot as usize) {
            link.full = false;
            self.arena.append(&mut link.queued);
            link.queued = Vec::new();
            self.send(id, start);
        }
    }

    fn end_batch(&mut self) {
        self.arena.clear();
        self.arena.shrink_to(ARENA_BYTES_KEPT);
        self.sends.clear();
        self.next_send = 0;
    }
}

enum Handshake {
    Incomplete,
    Refused,
    /// Granted, with the frames that came behind the head.
    Done(Inbound, Vec<u8>),
}

fn handshake(bytes: &[u8], output: &mut Vec<u8>) -> Handshake {
    match RequestHead::parse(bytes, &head::Limits::default()) {
        Ok(None) => Handshake::Incomplete,
        Ok(Some(head)) => match accept(&head, &Policy::default()) {
            Ok(upgrade) => {
                upgrade.write_response(output);
                let inbound = Inbound::new(Role::Server, LIMITS, Binary::Accept);
                Handshake::Done(inbound, bytes[head.consumed()..].to_vec())
            }
            Err(refusal) => {
                refusal.write_response(output);
                Handshake::Refused
            }
        },
        Err(error) => {
            error.write_response(output);
            Handshake::Refused
        }
    }
}

/// Echoes what arrived; returns whether the link ends.
fn answer(inbound: &mut Inbound, bytes: &mut [u8], output: &mut Vec<u8>) -> bool {
    let received = inbound.receive(bytes, |incoming| {
        match incoming {
            Incoming::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => append_text(output, text, None),
                Err(_) => return ControlFlow::Break(()),
            },
            Incoming::Binary(payload) => append_binary(output, payload, None),
            Incoming::Ping(payload) => append_pong(output, payload, None),
            Incoming::Pong(_) => {}
            Incoming::Close { code, reason } => append_close(output, code, reason, None),
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = received {
        append_close(output, Some(FrameError::close_code(error)), "", None);
    }
    inbound.is_finished()
}

/// Conformance suites send messages of 16 MiB.
const LIMITS: Limits = Limits {
    frame_bytes_max: 64 << 20,
    message_bytes_max: 64 << 20,
};
/// What may wait for a peer that does not read; more closes the link.
const QUEUED_BYTES_MAX: usize = 256 << 20;
/// What the common buffer keeps between wake-ups.
const ARENA_BYTES_KEPT: usize = 1 << 20;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;
