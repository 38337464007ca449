//! The executors: one thread per shard, pinned to its core.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};

use super::clock::Clock;
use super::start::StartError;
use super::system;

/// What a shard does, made on its own thread from its [`Seat`].
pub type ShardMain = Box<dyn FnOnce(Seat) -> ShardFuture + Send>;

/// The work of a shard until its end.
pub type ShardFuture = Pin<Box<dyn Future<Output = io::Result<()>>>>;

/// How executors are made.
#[derive(Clone, Copy, Debug)]
pub struct ExecutorSettings {
    /// The time after which a shard lets its other tasks run.
    pub preempt: Duration,
    /// The clock that all shards share.
    pub clock: Clock,
}

impl ExecutorSettings {
    /// The measured best: half a millisecond.
    pub fn new(clock: Clock) -> Self {
        Self {
            preempt: Duration::from_micros(500),
            clock,
        }
    }
}

/// A shard's place in the process.
#[derive(Clone, Debug)]
pub struct Seat {
    index: u16,
    core: usize,
    preempt: Duration,
    clock: Clock,
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

    pub(super) fn preempt(&self) -> Duration {
        self.preempt
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
    for ((index, core), main) in (0_u16..).zip(cores).zip(mains) {
        let seat = Seat {
            index,
            core: *core,
            preempt: settings.preempt,
            clock: settings.clock,
        };
        let (ready, made) = mpsc::channel();
        let (gate, open) = mpsc::channel::<()>();
        let ended = ended.clone();
        let thread = thread::Builder::new()
            .name(format!("shard-{index}"))
            .spawn(move || run(seat, main, &ready, &open, &ended))
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

fn run(
    seat: Seat,
    main: ShardMain,
    ready: &mpsc::Sender<Result<(), String>>,
    open: &mpsc::Receiver<()>,
    ended: &mpsc::Sender<(u16, Result<(), String>)>,
) {
    let index = seat.index;
    let executor = match make(&seat) {
        Ok(executor) => executor,
        Err(reason) => {
            let _ = ready.send(Err(reason));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    if open.recv().is_err() {
        return;
    }
    let work = std::panic::AssertUnwindSafe(|| executor.run(async move { main(seat).await }));
    let result = match std::panic::catch_unwind(work) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => Err(panic_text(panic.as_ref())),
    };
    let _ = ended.send((index, result));
}

fn make(seat: &Seat) -> Result<LocalExecutor, String> {
    LocalExecutorBuilder::new(Placement::Fixed(seat.core))
        .name(&format!("shard-{}", seat.index))
        // Sockets never use the registered memory, and its default is more
        // than some machines allow to be locked.
        .io_memory(64 << 10)
        .ring_depth(1024)
        // Not the ring's period: see `task::run_others` for what happens when
        // it fires at a bad moment, which needs a pause of this length there.
        .preempt_timer(EXECUTOR_PREEMPT)
        .make()
        .map_err(|error| error.to_string())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.map_or_else(|| "a panic".to_owned(), |text| format!("a panic: {text}"))
}

fn executor_fault(shard: u16, reason: &str) -> StartError {
    StartError::Executor {
        shard,
        reason: reason.to_owned(),
    }
}

/// When the executor interrupts a queue of runnable tasks to look for IO.
const EXECUTOR_PREEMPT: Duration = Duration::from_millis(100);
