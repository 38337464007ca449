//! Owns what is said of the machine beside the figures: its processor, its kernel, and how busy it was.

use std::fs;

use crate::error::{Error, Result};

/// The machine as it was when the measurement began.
#[derive(Debug)]
pub(super) struct Machine {
    load: String,
}

impl Machine {
    pub(super) fn look() -> Result<Self> {
        Ok(Self {
            load: load_average()?,
        })
    }

    /// What it is, and how busy it was then and is now.
    pub(super) fn note(&self) -> String {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let now = load_average().unwrap_or_default();
        format!(
            "machine: {}, Linux {}; load average at the beginning {}, at the end {now}",
            processor(&cpu),
            kernel.trim(),
            self.load,
        )
    }
}

/// The first three numbers: of one, five and fifteen minutes.
fn load_average() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg")
        .map_err(|error| Error::io("reading /proc/loadavg", error))?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

/// How many cores of what kind.
fn processor(cpuinfo: &str) -> String {
    let cores = cpuinfo
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model.trim());
    format!("{cores} × {model}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_named_by_its_processor_and_its_cores() {
        let cpuinfo =
            "processor\t: 0\nmodel name\t: Fast 3000\n\nprocessor\t: 1\nmodel name\t: Fast 3000\n";
        assert_eq!(processor(cpuinfo), "2 × Fast 3000");
        assert_eq!(processor("processor: 0\n"), "1 × unknown processor");
    }

    #[test]
    fn the_load_is_said_for_the_beginning_and_the_end() {
        let note = Machine::look().unwrap().note();
        assert!(
            note.contains("at the beginning") && note.contains("Linux "),
            "{note}"
        );
    }
}
