//! What a shard is to the world outside: an engine that a thin driver moves
//! bytes and messages for.
//!
//! In come connections, bytes, messages and the time; out come
//! [`Action`]s. An engine performs no IO and holds no clock. The driver's
//! order within one wake-up is always: the inputs, then
//! [`Engine::poll_action`] until it returns `None`, then the sends, then
//! [`Engine::unsent`] for what a socket did not take, then
//! [`Engine::end_batch`].

use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;

use super::{Instant, LinkId};

/// A machine that owns connections and says what to do with them.
pub trait Engine {
    /// What other threads tell it (the hub to a shard).
    type Inbox: Send + 'static;
    /// What it tells others (a shard to the hub).
    type Outbox;

    /// A connection was accepted. `None` refuses it: the driver closes it at once.
    ///
    /// The id must differ from that of every other open link, and slots should
    /// be small numbers: the driver keeps a table by slot.
    fn open(&mut self, peer: Peer, now: Instant) -> Option<LinkId>;

    /// Bytes arrived; the buffer is the engine's to change, but only for this call.
    fn receive(&mut self, link: LinkId, bytes: &mut [u8], now: Instant);

    /// The peer closed or the socket failed. The id is dead afterwards: the
    /// driver has closed the connection and ignores actions for it.
    fn closed(&mut self, link: LinkId, now: Instant);

    /// A message from another part of the gateway.
    fn message(&mut self, message: Self::Inbox, now: Instant);

    /// The time of [`Engine::next_timeout`] has come.
    fn timeout(&mut self, now: Instant);

    /// When it wants [`Engine::timeout`] to be called; a driver may be a
    /// millisecond late, never early.
    fn next_timeout(&self) -> Option<Instant>;

    /// The next thing to do; polled until `None` after the inputs of a wake-up.
    ///
    /// Posts before sends let the answers to them join the same send.
    fn poll_action(&mut self) -> Option<Action<Self::Outbox>>;

    /// The bytes of a send. They are asked for after the last
    /// [`Engine::poll_action`] of the batch and stay as they are until
    /// [`Engine::end_batch`].
    fn payload<'engine>(&'engine self, payload: &'engine Payload) -> &'engine [u8];

    /// The socket was full after the first `sent` bytes of this payload. The
    /// engine queues the rest and sends nothing on this link until
    /// [`Engine::writable`]; what it sends all the same is handed back with
    /// `sent` zero. A [`Action::Shutdown`] of the same batch was dropped, and
    /// is to be repeated when the rest has gone out.
    fn unsent(&mut self, link: LinkId, payload: &Payload, sent: usize);

    /// A socket that was full takes bytes again.
    fn writable(&mut self, link: LinkId, now: Instant);

    /// Everything of the batch is settled: buffers behind payloads may be reused.
    fn end_batch(&mut self);
}

/// Who connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Which of the listeners it came to, in the order of the settings.
    pub listener: u16,
}

/// What an engine wants done.
#[derive(Debug)]
pub enum Action<Outbox> {
    /// Send these bytes. One send per link and batch is the fast case; further
    /// ones are sent in order, each at the price of a system call.
    Send {
        /// On this link.
        link: LinkId,
        /// These bytes.
        payload: Payload,
    },
    /// Half-close after what was sent: the peer reads the end of the stream,
    /// and [`Engine::closed`] comes when it closes its own side.
    Shutdown {
        /// This link.
        link: LinkId,
    },
    /// Close at once after what was sent; the id is dead, and
    /// [`Engine::closed`] is not called.
    Close {
        /// This link.
        link: LinkId,
    },
    /// Hand this to the part of the gateway that is responsible for it.
    Post(Outbox),
}

/// Where the bytes of a send are.
#[derive(Debug, Clone)]
pub enum Payload {
    /// In the engine's own buffer of this batch.
    Arena(Range<usize>),
    /// In bytes that several links share.
    Shared(SharedBytes),
}

/// Bytes that several links share, as far as one of them is still to be sent them.
#[derive(Debug, Clone)]
pub struct SharedBytes {
    bytes: Rc<[u8]>,
    from: u32,
    is_long: bool,
}

impl SharedBytes {
    /// All of these bytes. A long answer is told apart, since its bytes have a bound
    /// of their own. `None` for four gibibytes and more.
    pub fn new(bytes: Rc<[u8]>, is_long: bool) -> Option<Self> {
        u32::try_from(bytes.len()).ok().map(|_| Self {
            bytes,
            from: 0,
            is_long,
        })
    }

    /// What is still to be sent.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.from as usize..]
    }

    /// What is left when so many bytes more have gone out.
    #[must_use]
    pub fn after(&self, sent: usize) -> Self {
        let from = (self.from as usize + sent).min(self.bytes.len());
        Self {
            bytes: Rc::clone(&self.bytes),
            from: u32::try_from(from).expect("no more than the length, which fits"),
            is_long: self.is_long,
        }
    }

    /// Whether these are bytes of a long answer.
    pub const fn is_long(&self) -> bool {
        self.is_long
    }
}
