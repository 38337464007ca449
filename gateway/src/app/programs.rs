//! Programs of `[[procedures]]`: each runs as a child process that threads of its own
//! wait for, so that no shard ever does.
//!
//! In come runs of the hub; out goes the end of each, once, into the hub's mailbox. A
//! program is never run by a shell, leads a process group of its own, and is killed
//! with it when it takes too long or prints too much.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use okgate_core::hub::{ProgramFailure, ProgramRun, RunTarget};
use rustix::process::{Pid, Signal, kill_process_group};

use super::hub_seat::HubMessage;
use crate::runtime::{Mailbox, MailboxError};

/// Where runs are given to.
#[derive(Debug)]
pub(super) struct Programs {
    runs: Sender<ProgramRun>,
    groups: Groups,
}

/// The process groups that run now; `None` once everything was stopped. A leader is
/// reaped only under the lock, so that no number in it is another's.
type Groups = Arc<Mutex<Option<BTreeSet<u32>>>>;

impl Programs {
    /// Begins to wait for runs. It is to be called from a thread that is not pinned to
    /// a core: programs run where that thread may.
    pub(super) fn start(hub: Mailbox<HubMessage>) -> std::io::Result<Self> {
        let (runs, given) = mpsc::channel();
        let groups: Groups = Arc::new(Mutex::new(Some(BTreeSet::new())));
        let shared = Arc::clone(&groups);
        thread::Builder::new()
            .name("programs".to_owned())
            .spawn(move || take_runs(&given, &hub, &shared))?;
        Ok(Self { runs, groups })
    }

    /// Runs a program; gives it back if that is no longer possible.
    pub(super) fn run(&self, run: ProgramRun) -> Result<(), ProgramRun> {
        self.runs.send(run).map_err(|refused| refused.0)
    }

    /// Kills whatever runs; nothing is started any more.
    pub(super) fn stop(&self) {
        let groups = lock(&self.groups).take();
        groups.into_iter().flatten().for_each(kill);
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        self.stop();
    }
}

fn take_runs(given: &Receiver<ProgramRun>, hub: &Mailbox<HubMessage>, groups: &Groups) {
    while let Ok(run) = given.recv() {
        let id = run.id;
        let (own_hub, groups) = (hub.clone(), Arc::clone(groups));
        let waiting = move || {
            // Whatever happens here, the hub has to hear of the end.
            let end = catch_unwind(AssertUnwindSafe(|| wait_for(&run, &groups)));
            let end = end.unwrap_or(Err(ProgramFailure::NotStarted));
            if let Err(failure) = &end {
                tracing::warn!(procedure = &*run.name, %failure, "a procedure failed");
            }
            tell(&own_hub, HubMessage::Program(run.id, end));
        };
        let thread = thread::Builder::new().name("program".to_owned());
        if let Err(error) = thread.spawn(waiting) {
            tracing::error!(%error, "a procedure's thread cannot be started");
            tell(
                hub,
                HubMessage::Program(id, Err(ProgramFailure::NotStarted)),
            );
        }
    }
}

/// Tells the hub, as soon as it takes something.
fn tell(hub: &Mailbox<HubMessage>, mut message: HubMessage) {
    while let Err(MailboxError::Full(back)) = hub.send(message) {
        message = back;
        thread::sleep(RETRY);
    }
}

/// Runs a program to its end.
fn wait_for(run: &ProgramRun, groups: &Groups) -> Result<Vec<u8>, ProgramFailure> {
    let deadline = Instant::now() + run.timeout;
    let mut child = spawn(run, groups)?;
    let (mut input, output) = (child.stdin.take(), child.stdout.take());
    let text = run.input.clone();
    let writing = thread::spawn(move || {
        if let Some(input) = &mut input {
            // A program may end without having read everything.
            let _broken = input.write_all(text.as_bytes());
        }
    });
    let (printed_sender, printed) = mpsc::channel();
    let bytes_max = run.output_bytes_max as u64;
    let reading = thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.map(|output| output.take(bytes_max + 1).read_to_end(&mut bytes));
        // Nobody waits for it any more if the program was killed meanwhile.
        let _late = printed_sender.send(read.transpose().map(|_| bytes));
    });
    let end = await_end(run, &mut child, &printed, deadline, groups);
    if end.is_err() {
        end_child(&mut child, groups);
    }
    // Whatever the program left behind that holds its pipes holds this run, too: the
    // hub has answered meanwhile, and counts it among those that go on.
    let _panicked = (writing.join(), reading.join());
    end
}

fn spawn(run: &ProgramRun, groups: &Groups) -> Result<Child, ProgramFailure> {
    let RunTarget::Command(command) = &run.target else {
        return Err(ProgramFailure::NotStarted);
    };
    let (program, arguments) = command.split_first().ok_or(ProgramFailure::NotStarted)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(
            ENVIRONMENT
                .iter()
                .filter_map(|key| Some((key, std::env::var_os(key)?))),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    let mut groups = lock(groups);
    let running = groups.as_mut().ok_or(ProgramFailure::NotStarted)?;
    let child = command.spawn().map_err(|error| {
        tracing::error!(procedure = &*run.name, %error, "a procedure's program cannot be started");
        ProgramFailure::NotStarted
    })?;
    running.insert(child.id());
    Ok(child)
}

fn await_end(
    run: &ProgramRun,
    child: &mut Child,
    printed: &Receiver<std::io::Result<Vec<u8>>>,
    deadline: Instant,
    groups: &Groups,
) -> Result<Vec<u8>, ProgramFailure> {
    let left = deadline.saturating_duration_since(Instant::now());
    let bytes = match printed.recv_timeout(left) {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return Err(ProgramFailure::Ended(error.to_string())),
        Err(RecvTimeoutError::Timeout) => return Err(ProgramFailure::TimedOut),
        Err(RecvTimeoutError::Disconnected) => {
            return Err(ProgramFailure::Ended("a fault of the gateway".to_owned()));
        }
    };
    if bytes.len() > run.output_bytes_max {
        return Err(ProgramFailure::TooMuch);
    }
    loop {
        match reap(child, groups) {
            Some(status) if status.success() => return Ok(bytes),
            Some(status) => return Err(ProgramFailure::Ended(status.to_string())),
            None if Instant::now() >= deadline => return Err(ProgramFailure::TimedOut),
            None => thread::sleep(REAP_PAUSE),
        }
    }
}

/// The child's status, if it has ended.
fn reap(child: &mut Child, groups: &Groups) -> Option<ExitStatus> {
    let mut groups = lock(groups);
    let status = child.try_wait().ok()??;
    if let Some(running) = groups.as_mut() {
        running.remove(&child.id());
    }
    Some(status)
}

/// Kills the child with its group, unless it has been reaped.
fn end_child(child: &mut Child, groups: &Groups) {
    let mut groups = lock(groups);
    let is_unreaped = groups
        .as_mut()
        .is_some_and(|running| running.remove(&child.id()));
    if is_unreaped {
        kill(child.id());
    }
    // A killed process ends at once.
    let _gone = child.wait();
}

fn kill(group: u32) {
    let group = i32::try_from(group).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // It may have ended just now.
        let _gone = kill_process_group(group, Signal::KILL);
    }
}

fn lock(groups: &Groups) -> MutexGuard<'_, Option<BTreeSet<u32>>> {
    // A set is whole between any two of its calls.
    groups.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What programs get of the gateway's environment, in which secrets may be.
const ENVIRONMENT: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// When a full mailbox is tried again.
const RETRY: Duration = Duration::from_millis(1);

/// How often a program that has closed its output is looked after.
const REAP_PAUSE: Duration = Duration::from_millis(2);
