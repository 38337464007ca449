//! The executors: one thread per shard, pinned to its core.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};

use super::clock::Clock;
use super::start::StartError;
use super::system;
use crate::log::panic_text;

/// What a shard does, made on its own thread from its [`Seat`].
pub type ShardMain = Box<dyn FnOnce(Seat) -> ShardFuture + Send>;

/// The work of a shard until its end.
pub type ShardFuture = Pin<Box<dyn Future<Output = io::Result<()>>>>;

/// What executors share.
#[derive(Clone, Copy, Debug)]
pub struct ExecutorSettings {
    /// The clock that all shards read.
    pub clock: Clock,
}

impl ExecutorSettings {
    /// Executors on this clock.
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }
}

/// A shard's place in the process.
#[derive(Clone, Debug)]
pub struct Seat {
    index: u16,
    core: usize,
    clock: Clock,
    /// The executor's own rings: polled to see that it has events.
    rings: Rc<[OwnedFd]>,
}

impl Seat {
    /// The shard's number, from 0.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// The core that it is pinned to.
    pub fn core(&self) -> usize {
        self.core
    }

    /// The shared clock.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    pub(super) fn rings(&self) -> &[OwnedFd] {
        &self.rings
    }
}

/// The running executors.
#[derive(Debug)]
pub struct Executors {
    threads: Vec<JoinHandle<()>>,
    ends: mpsc::Receiver<(u16, Result<(), String>)>,
}

/// A shard ended badly.
#[derive(Debug, thiserror::Error)]
#[error("shard {shard} failed: {reason}")]
pub struct ShardFailure {
    /// Which one.
    pub shard: u16,
    /// Its error or panic message.
    pub reason: String,
}

/// The cores to use: the first `wanted` of those that the process may run on,
/// all of them for 0.
pub fn cores(wanted: usize) -> Result<Vec<usize>, StartError> {
    let mut cores = system::available_cores().map_err(StartError::Limits)?;
    let available = cores.len();
    if wanted > available {
        return Err(StartError::TooManyCores { wanted, available });
    }
    if wanted > 0 {
        cores.truncate(wanted);
    }
    Ok(cores)
}

/// Starts one executor per core, each with its own main; all of them run, or none.
pub fn start(
    settings: ExecutorSettings,
    cores: &[usize],
    mains: Vec<ShardMain>,
) -> Result<Executors, StartError> {
    let (ended, ends) = mpsc::channel();
    let mut threads = Vec::with_capacity(mains.len());
    let mut gates = Vec::with_capacity(mains.len());
    for ((index, &core), main) in (0_u16..).zip(cores).zip(mains) {
        let (ready, made) = mpsc::channel();
        let (gate, open) = mpsc::channel();
        let shard = Shard {
            index,
            core,
            clock: settings.clock,
            ready,
            open,
            ended: ended.clone(),
        };
        let thread = thread::Builder::new()
            .name(format!("shard-{index}"))
            .spawn(move || shard.run(main))
            .map_err(|error| executor_fault(index, &error.to_string()))?;
        threads.push(thread);
        gates.push(gate);
        match made.recv() {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => return Err(executor_fault(index, &reason)),
            Err(_) => return Err(executor_fault(index, "its thread ended")),
        }
    }
    // Opening the gates lets all of them go; on an error above they are
    // dropped, and the threads end.
    for gate in gates {
        let _ = gate.send(());
    }
    Ok(Executors { threads, ends })
}

impl Executors {
    /// Waits until all shards have ended; the first failure returns at once,
    /// for the caller to end the process.
    pub fn join(self) -> Result<(), ShardFailure> {
        for _ in &self.threads {
            match self.ends.recv() {
                Ok((_, Ok(()))) => {}
                Ok((shard, Err(reason))) => return Err(ShardFailure { shard, reason }),
                Err(_) => break,
            }
        }
        for thread in self.threads {
            // Its end was reported above: what remains is the thread's exit.
            let _ = thread.join();
        }
        Ok(())
    }
}

/// What a shard's thread starts with.
struct Shard {
    index: u16,
    core: usize,
    clock: Clock,
    /// Tells that the executor was made, or why not.
    ready: mpsc::Sender<Result<(), String>>,
    /// Opens when all executors were made; closed when one was not.
    open: mpsc::Receiver<()>,
    ended: mpsc::Sender<(u16, Result<(), String>)>,
}

impl Shard {
    fn run(self, main: ShardMain) {
        let (executor, rings) = match self.make() {
            Ok(made) => made,
            Err(reason) => {
                let _ = self.ready.send(Err(reason));
                return;
            }
        };
        let _ = self.ready.send(Ok(()));
        if self.open.recv().is_err() {
            return;
        }
        let seat = Seat {
            index: self.index,
            core: self.core,
            clock: self.clock,
            rings,
        };
        let work = AssertUnwindSafe(|| executor.run(async move { main(seat).await }));
        let result = match std::panic::catch_unwind(work) {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(panic) => Err(format!("a panic: {}", panic_text(panic.as_ref()))),
        };
        let _ = self.ended.send((self.index, result));
    }

    /// The executor and its rings, which are those that appear while it is made.
    fn make(&self) -> Result<(LocalExecutor, Rc<[OwnedFd]>), String> {
        let _alone = system::making_rings();
        let before = system::ring_descriptors().map_err(|error| error.to_string())?;
        let executor = LocalExecutorBuilder::new(Placement::Fixed(self.core))
            .name(&format!("shard-{}", self.index))
            // Sockets never use the registered memory, and its default is more
            // than some machines allow to be locked.
            .io_memory(64 << 10)
            .ring_depth(1024)
            // See `task::run_others` for what happens when it fires at a bad
            // moment, which needs a pause of this length there.
            .preempt_timer(EXECUTOR_PREEMPT)
            .make()
            .map_err(|error| error.to_string())?;
        let mut rings = system::ring_descriptors().map_err(|error| error.to_string())?;
        rings.retain(|ring| !before.contains(ring));
        rings.sort_unstable();
        if rings.len() == 3 {
            // Made in this order: the main ring, one for polled disks, and the
            // one for sockets. Nothing here uses the second. A wrong guess only
            // makes other tasks wait for their regular turn.
            rings.remove(1);
        }
        let rings: io::Result<Vec<OwnedFd>> = rings.into_iter().map(system::duplicate).collect();
        let rings = rings.map_err(|error| error.to_string())?;
        Ok((executor, rings.into()))
    }
}

fn executor_fault(shard: u16, reason: &str) -> StartError {
    StartError::Executor {
        shard,
        reason: reason.to_owned(),
    }
}

/// When the executor interrupts a queue of runnable tasks to look for IO.
const EXECUTOR_PREEMPT: Duration = Duration::from_millis(100);
