//! Owns which cores a measurement runs on: the server that is measured on one, the load and all else on another, so that neither
//! takes time from the other and nothing is moved about.

use std::collections::BTreeSet;

use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

use crate::error::{Error, Result};
use crate::report::process_threads;

/// The cores of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cores {
    /// The server's and the load's; `None` where there is only one.
    chosen: Option<Chosen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chosen {
    server: usize,
    load: usize,
}

impl Cores {
    /// Chooses of those that this process may use, and binds it to the load's, with all threads and processes that it starts
    /// from now on.
    pub(super) fn choose() -> Result<Self> {
        let allowed = sched_getaffinity(None)
            .map_err(|error| Error::io("finding this process's cores", error.into()))?;
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let chosen = allowed
            .next()
            .and_then(|load| Some((load, allowed.next_back()?)))
            .map(|(load, server)| Chosen { server, load });
        if let Some(Chosen { load, .. }) = chosen {
            bind(std::process::id(), load)?;
        }
        Ok(Self { chosen })
    }

    /// Binds a server to its core.
    pub(super) fn bind_server(self, process: u32) -> Result<()> {
        match self.chosen {
            Some(Chosen { server, .. }) => bind(process, server),
            None => Ok(()),
        }
    }

    /// What was done.
    pub(super) fn note(self) -> String {
        match self.chosen {
            Some(Chosen { server, load }) => format!(
                "every server is bound to core {server}, the load to core {load}; all servers are there at once, one is loaded at a time"
            ),
            None => {
                "there is only one core: the servers and the load share it, nothing is bound".into()
            }
        }
    }
}

/// Binds all threads of a process; those that they start later are bound with them.
fn bind(process: u32, core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    let mut bound = BTreeSet::new();
    // A thread that is not bound yet may start another one meanwhile.
    loop {
        let more: Vec<u32> = process_threads(process)?
            .into_iter()
            .filter(|thread| !bound.contains(thread))
            .collect();
        if more.is_empty() {
            return Ok(());
        }
        for thread in more {
            bound.insert(thread);
            let id = i32::try_from(thread).ok().and_then(Pid::from_raw);
            match sched_setaffinity(id, &set) {
                // It may have ended meanwhile.
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => {
                    let doing = format!("binding the thread {thread} to core {core}");
                    return Err(Error::io(doing, error.into()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_bound_with_all_its_threads() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let cores = sched_getaffinity(None).unwrap();
        let core = (0..CpuSet::MAX_CPU)
            .find(|core| cores.is_set(*core))
            .unwrap();
        bind(child.id(), core).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        let line = format!("Cpus_allowed_list:\t{core}\n");
        assert!(status.contains(&line), "{status}");
        assert!(bind(u32::MAX, core).is_err());
    }

    #[test]
    fn the_note_says_where_everything_runs() {
        let two = Chosen { server: 3, load: 0 };
        let note = |chosen| Cores { chosen }.note();
        assert!(note(Some(two)).contains("bound to core 3, the load to core 0"));
        assert!(note(None).contains("only one core"));
    }
}
