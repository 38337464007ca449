//! Takes the step of one hot path where callgrind can count it: `counts PATH`. `counts --list` names the paths.
//!
//! Callgrind is told to collect within `counted_step` alone, so set-ups do not count; `scripts/check-counts` tells it.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::process::ExitCode;

use okgate_benches::{HotPath, Repeats, Step, hot_paths};

fn main() -> ExitCode {
    let argument = std::env::args().nth(1).unwrap_or_default();
    if argument == "--list" {
        for path in hot_paths() {
            println!("{}", path.name);
        }
        return ExitCode::SUCCESS;
    }
    let Some(path) = hot_paths().find(|path| path.name == argument) else {
        eprintln!("counts: there is no hot path '{argument}'; --list names them");
        return ExitCode::from(2);
    };
    count(path);
    ExitCode::SUCCESS
}

/// Takes the step until buffers have grown and what is made at first use is there, then once more where it counts.
fn count(path: &HotPath) {
    let mut step = (path.set_up)();
    // They stay till the end: what they would give back, hash seeds decide the order of, and so the next one's counts.
    let mut used = Vec::new();
    for _ in 0..WARM_UP_STEPS {
        black_box(step());
        if path.repeats == Repeats::Once {
            used.push(std::mem::replace(&mut step, (path.set_up)()));
        }
    }
    black_box(counted_step(&mut step));
}

/// What counts. Never inlined: callgrind knows it by its name.
#[inline(never)]
fn counted_step(step: &mut Step) -> usize {
    black_box(step())
}

const WARM_UP_STEPS: usize = 3;
