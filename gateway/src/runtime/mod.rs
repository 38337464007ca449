//! The runtime: executors, the tab ring, mailboxes, timers, signals and streams.
//!
//! Moves bytes and messages between the kernel and the engines that give them
//! a meaning. It is the only module that names the executor library or
//! `io_uring`, and the only one with `unsafe` code; it knows nothing of the
//! protocol.
//!
//! A composition calls [`prepare`], [`listen`] for every address, makes a
//! [`shard_port`] per core, and hands [`start`] one main per core that makes a
//! [`TabRing`] and runs it.

mod clock;
mod connection;
mod counters;
mod dial;
mod executor;
mod http;
mod http_client;
mod listen;
mod mailbox;
mod ring;
mod signals;
mod start;
mod stream;
mod system;
mod task;
mod tls;
mod watchdog;

pub use clock::Clock;
pub use connection::{Connection, ReadHalf, WriteHalf};
pub use counters::{Counter, RingCounters};
pub use dial::{DialError, dial};
pub use executor::{
    ExecutorSettings, Executors, Seat, ShardFailure, ShardFuture, ShardMain, cores, start,
};
pub use http::{HttpLimits, serve_http};
pub use http_client::{HttpAnswer, HttpClient, HttpClientLimits, HttpFailure, HttpTarget};
pub use listen::{Listening, listen};
pub use mailbox::{Inbox, LocalMailbox, Mailbox, MailboxError, RingWaker, mailbox, task_mailbox};
pub use ring::{Outside, RingSettings, ShardHandle, ShardPort, TabRing, shard_port};
pub use rustls::pki_types::ServerName;
pub use signals::{Signal, SignalSource, signals};
pub use start::StartError;
pub use stream::{Listener, Stream, resolve};
pub use system::{KERNEL_MIN, MEMLOCK_BYTES_MIN, available_cores, prepare};
pub use task::{Task, on_thread, sleep, spawn, timeout};
pub use tls::{
    AcceptorSettings, CertificateFault, ConnectorSettings, Roots, TlsAcceptor, TlsConnector,
    TlsError, TlsFile, TlsSettingsError, Whose,
};
pub use watchdog::Watchdog;
