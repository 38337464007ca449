//! Why the gateway could not start: one sentence each, for a person.

use std::io;
use std::net::SocketAddr;

/// A start-up failure; the process ends with exit code 3.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kernel or the container forbids `io_uring`.
    #[error(
        "io_uring is refused here ({0}): allow the io_uring system calls in the container's \
         seccomp profile, or set kernel.io_uring_disabled to 0"
    )]
    UringRefused(#[source] io::Error),
    /// The kernel lacks what the tab ring needs.
    #[error("the kernel is too old: {release}, but Linux 6.1 or newer is needed")]
    KernelTooOld {
        /// What the kernel calls itself.
        release: String,
    },
    /// Too little memory may be locked.
    #[error(
        "too little memory may be locked: the limit is {limit_kib} KiB, at least 512 KiB are \
         needed per core (ulimit -l, or LimitMEMLOCK= of the service)"
    )]
    MemlockTooSmall {
        /// The limit in force.
        limit_kib: u64,
    },
    /// The process's limits could not be read.
    #[error("the limits of the process cannot be read: {0}")]
    Limits(#[source] io::Error),
    /// Another program listens on this address.
    #[error("{setting}: the address {address} is in use by another program")]
    PortInUse {
        /// The address that was asked for.
        address: SocketAddr,
        /// The key of the setting that names it.
        setting: String,
    },
    /// No interface of this machine has the address.
    #[error("{setting}: the address {address} does not belong to this machine")]
    AddressNotAvailable {
        /// The address that was asked for.
        address: SocketAddr,
        /// The key of the setting that names it.
        setting: String,
    },
    /// The address needs rights that the process does not have.
    #[error("{setting}: no permission to listen on {address} (ports below 1024 need a right)")]
    PermissionDenied {
        /// The address that was asked for.
        address: SocketAddr,
        /// The key of the setting that names it.
        setting: String,
    },
    /// Listening failed for another reason.
    #[error("{setting}: cannot listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// The key of the setting that names it.
        setting: String,
        /// What the system said.
        source: io::Error,
    },
    /// More shards than cores.
    #[error("cores: {wanted} are asked for, but the process may run on {available}")]
    TooManyCores {
        /// What the settings ask for.
        wanted: usize,
        /// What there is.
        available: usize,
    },
    /// An executor could not be made.
    #[error("shard {shard} could not start: {reason}")]
    Executor {
        /// Which one.
        shard: u16,
        /// What the system said.
        reason: String,
    },
}
