//! Owns what is said of the machine beside figures: its processor, its kernel, and how busy it is.

use std::fs;

use crate::results::Machine;

impl Machine {
    /// This one. Who binds itself to some processors looks before that.
    pub(crate) fn look() -> Self {
        Self {
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            processor: model(&text("/proc/cpuinfo")).to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            load_before: load_averages()[0],
        }
    }
}

/// Those of the last minute, of the last five and of the last fifteen.
pub(crate) fn load_averages() -> [f64; 3] {
    let text = text("/proc/loadavg");
    let mut averages = text.split(' ').map_while(|word| word.parse().ok());
    [(); 3].map(|()| averages.next().unwrap_or_default())
}

fn model(cpuinfo: &str) -> &str {
    let mut lines = cpuinfo.lines();
    let model = lines.find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or("unknown", |(_, model)| model.trim())
}

fn text(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_known() {
        let machine = Machine::look();
        assert!(
            machine.processors > 0 && !machine.kernel.is_empty(),
            "{machine:?}"
        );
    }

    #[test]
    fn a_processor_is_named_by_its_model() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Fast 3000\n\nprocessor\t: 1\n";
        assert_eq!(model(cpuinfo), "Fast 3000");
        assert_eq!(model("processor: 0\n"), "unknown");
    }
}
