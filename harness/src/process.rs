//! Owns what is read of a server's process while it is loaded: descriptors, threads, memory and waits for a processor from `/proc`, and
//! its log, which stays readable after the process has ended.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::report::{process_cpu_time, process_rss_bytes, process_threads, thread_times};

/// What a process uses at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Open file descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Resident memory.
    pub rss_bytes: u64,
    /// CPU time so far, of all threads.
    #[serde(rename = "cpu_ms", serialize_with = "in_ms")]
    pub cpu: Duration,
}

impl Usage {
    /// Of this process now; an error once it has ended.
    pub(crate) fn of(process: u32) -> Result<Self> {
        Ok(Self {
            descriptors: descriptors(process)?,
            threads: process_threads(process)?.len(),
            rss_bytes: process_rss_bytes(process)?,
            cpu: process_cpu_time(process)?,
        })
    }
}

impl std::fmt::Display for Usage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} descriptors, {} threads, {} KiB, {:.1} s of CPU time",
            self.descriptors,
            self.threads,
            self.rss_bytes >> 10,
            self.cpu.as_secs_f64()
        )
    }
}

fn in_ms<S: Serializer>(time: &Duration, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    u64::try_from(time.as_millis())
        .unwrap_or(u64::MAX)
        .serialize(serializer)
}

/// How long the threads of a process have waited for a processor although they had something to do.
#[derive(Debug, Default)]
pub(crate) struct ProcessorWaits(HashMap<u32, Duration>);

impl ProcessorWaits {
    /// The longest wait of any thread since the last call. A thread that waits still is seen when it has run.
    pub(crate) fn longest(&mut self, process: u32) -> Duration {
        let mut longest = Duration::ZERO;
        for thread in process_threads(process).unwrap_or_default() {
            if let Some([_, waited]) = thread_times(process, thread) {
                let before = self.0.insert(thread, waited).unwrap_or(waited);
                longest = longest.max(waited.saturating_sub(before));
            }
        }
        longest
    }
}

/// How many descriptors a process has. Linux from 6.2 on says it at once, and spares a server with thousands the reading.
fn descriptors(process: u32) -> Result<usize> {
    let directory = format!("/proc/{process}/fd");
    match fs::metadata(&directory).map(|about| about.len()) {
        Ok(0) | Err(_) => entries(&directory),
        Ok(count) => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
    }
}

fn entries(directory: &str) -> Result<usize> {
    let listed = fs::read_dir(directory);
    listed
        .map(Iterator::count)
        .map_err(|error| Error::io(format!("reading {directory}"), error))
}

/// The log of a running process, opened a second time.
#[derive(Debug)]
pub(crate) struct Log(File);

impl Log {
    /// What the process writes its standard output to, which must be a file.
    pub(crate) fn of(process: u32) -> Result<Self> {
        let path = format!("/proc/{process}/fd/1");
        let file = File::open(&path);
        file.map(Self)
            .map_err(|error| Error::io(format!("opening {path}"), error))
    }

    /// Everything logged so far.
    pub(crate) fn text(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        let read = self
            .0
            .rewind()
            .and_then(|()| self.0.read_to_end(&mut bytes));
        read.map_err(|error| Error::io("reading the gateway's log", error))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The lines of a log that tell of an error or a panic.
pub(crate) fn error_lines(log: &str) -> Vec<&str> {
    let is_error = |line: &&str| line.contains("ERROR") || line.contains("panicked");
    log.lines().filter(is_error).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_is_one_descriptor_more() {
        let process = std::process::id();
        let before = Usage::of(process).unwrap();
        let files: Vec<File> = (0..100).map(|_| File::open("/dev/null").unwrap()).collect();
        // Other tests of this process open and close some too.
        assert!(Usage::of(process).unwrap().descriptors > before.descriptors + 50);
        drop(files);
        assert!(before.threads > 0 && before.rss_bytes > 0);
        assert!(Usage::of(u32::MAX).is_err());
    }

    #[test]
    fn waits_for_a_processor_are_counted_from_the_last_look_on() {
        let mut waits = ProcessorWaits::default();
        let process = std::process::id();
        assert_eq!(waits.longest(process), Duration::ZERO);
        assert!(waits.longest(process) < Duration::from_secs(60));
        assert_eq!(waits.longest(u32::MAX), Duration::ZERO);
    }

    #[test]
    fn errors_and_panics_are_found_among_other_lines() {
        let log = "a  INFO x\nb ERROR y\nthread 'z' panicked at\nc  WARN w\n";
        assert_eq!(error_lines(log), ["b ERROR y", "thread 'z' panicked at"]);
    }
}
