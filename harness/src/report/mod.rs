//! Owns how figures are shown: as a table in a terminal, as CSV, JUnit and one HTML page, live while a run lasts, and two runs side
//! by side. The latencies and the figures of processes that measurements report are below `figures`.
//!
//! [`crate::results::Results`] comes in, text goes out. Nothing here measures or judges a threshold. Whatever text a peer had a
//! part in is data: it cannot become markup, a line of its own or a terminal's control sequence.

pub mod compare;
pub mod csv;
mod figures;
pub mod gate;
pub mod html;
pub mod junit;
pub mod live;
pub mod markup;
pub mod table;
pub mod text;
pub mod units;

pub(crate) use self::figures::{
    LATENCY_US_MAX, add_steps, histogram, monotonic, process_threads, record, steps, thread_times,
};
pub use self::figures::{Latency, process_cpu_time, process_rss_bytes, raise_descriptor_limit};
