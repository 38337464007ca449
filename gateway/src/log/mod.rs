//! Logging that never stops a shard.
//!
//! Events come in through `tracing`; formatted lines go through a bounded
//! channel to a thread that writes them to standard error. When that thread
//! falls behind, lines are dropped and counted rather than waited for. It never
//! decides what is logged: whoever handles a thing logs it, once, and repeats go
//! through [`RateLimited`].

mod rate;
mod writer;

pub use rate::RateLimited;
pub use writer::{LogCounters, LogWriter, WriterThread, writer};

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// Starts logging to standard error for the whole process. The thread returned
/// writes what is left when it is dropped: keep it until the end.
pub fn start(directives: &str, is_json: bool) -> Result<WriterThread, StartError> {
    let filter = EnvFilter::builder().parse(directives)?;
    let (log_writer, thread) = writer(std::io::stderr()).map_err(StartError::Thread)?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(log_writer);
    if is_json {
        registry.with(layer.json().flatten_event(true)).try_init()?;
    } else {
        registry.with(layer).try_init()?;
    }
    Ok(thread)
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings' `log` is no filter.
    #[error("the log filter cannot be read: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The system gave no thread.
    #[error("the log's thread cannot start: {0}")]
    Thread(#[source] std::io::Error),
    /// Somebody started logging before.
    #[error("the log was started before: {0}")]
    Started(#[from] TryInitError),
}
