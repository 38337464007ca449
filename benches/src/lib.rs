//! The gateway's hot paths, and two ways to measure them: times by criterion (`benches/times.rs`) and instruction
//! counts by callgrind (`src/bin/counts.rs`). [`hot_paths`] is the one list that both go through.
//!
//! A time says what a path costs a machine, and moves with the machine's load. A count says what the compiler made of
//! the code: it is the same on a busy machine, so that a check can hold it to a few percent. `scripts/check-counts` takes
//! the counts and compares them with `baselines.toml`.
//!
//! Counts are taken by callgrind directly, one process for each path. A harness such as gungraun brings a runner that
//! takes minutes to build, the same valgrind below, and baselines that it keeps for itself; what it would do for us is one
//! option of callgrind (collect within one function) and one division. A process for each path keeps the heap that one
//! leaves behind out of the next one's count, and two paths run at a time. The counts come out the same in every run,
//! to a few instructions: nothing that is counted depends on the order of a hash map, valgrind loads programs at the same
//! addresses, and shows them the same processor wherever there is AVX2.
#![forbid(unsafe_code)]

mod crm;
mod gateway;
mod paths;

pub use paths::{Amount, HotPath, Repeats, Step, hot_paths};
