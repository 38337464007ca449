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

use std::any::Any;
use std::panic::PanicHookInfo;

use tracing::Dispatch;
use tracing::dispatcher::SetGlobalDefaultError;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt;

/// Starts logging to standard error for the whole process. The thread returned
/// writes what is left when it is dropped: keep it until the end.
pub fn start(directives: &str, is_json: bool) -> Result<WriterThread, StartError> {
    let (log_writer, thread) = writer(std::io::stderr()).map_err(StartError::Thread)?;
    let dispatch = dispatch(directives, is_json, log_writer)?;
    tracing::dispatcher::set_global_default(dispatch)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(thread)
}

/// A panic is a fault of the gateway; where it was tells the way to it.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let reason = panic_text(panic.payload());
    tracing::error!(place, reason, "a fault of the gateway: please report it");
}

/// The words of a panic, if it has any.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic")
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings' `log` is no filter.
    #[error("the log filter cannot be read: {0}")]
    Filter(#[from] ParseError),
    /// The system gave no thread.
    #[error("the log's thread cannot start: {0}")]
    Thread(#[source] std::io::Error),
    /// Somebody started logging before.
    #[error("the log was started before: {0}")]
    Started(#[from] SetGlobalDefaultError),
}

/// The way from events to lines.
fn dispatch(directives: &str, is_json: bool, writer: LogWriter) -> Result<Dispatch, ParseError> {
    let filter = EnvFilter::builder().parse(directives)?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(writer);
    Ok(if is_json {
        Dispatch::new(registry.with(layer.json().flatten_event(true)))
    } else {
        Dispatch::new(registry.with(layer))
    })
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read, pipe};

    use super::*;

    /// What is written while `work` runs.
    fn logged(directives: &str, is_json: bool, work: impl FnOnce()) -> String {
        let (mut reader, end): (PipeReader, _) = pipe().expect("a pipe");
        let (log_writer, thread) = writer(end).expect("a thread");
        let dispatch = dispatch(directives, is_json, log_writer).expect("a filter");
        tracing::dispatcher::with_default(&dispatch, work);
        drop(thread);
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("text");
        text
    }

    #[test]
    fn a_json_line_holds_the_event_with_its_fields() {
        let text = logged("info", true, || {
            tracing::warn!(link = 7, user = "anna", "the link is slow");
            tracing::debug!("not asked for");
        });
        let line: serde_json::Value = serde_json::from_str(&text).expect("one JSON line");
        assert_eq!((&line["level"], &line["link"]), (&"WARN".into(), &7.into()));
        assert_eq!(line["message"], "the link is slow");
    }

    #[test]
    fn a_panic_is_logged_with_its_place() {
        let text = logged("error", false, || {
            std::panic::set_hook(Box::new(log_panic));
            let panicked = std::panic::catch_unwind(|| panic!("on purpose"));
            let _test_runners_own = std::panic::take_hook();
            assert!(panicked.is_err());
        });
        assert!(
            text.contains("on purpose") && text.contains("log/mod.rs:"),
            "{text}"
        );
    }

    #[test]
    fn the_filter_goes_by_module() {
        let text = logged("error,okgate::log=debug", false, || {
            tracing::debug!("near");
            tracing::info!(target: "elsewhere", "far");
        });
        assert!(text.contains("near") && !text.contains("far"), "{text}");
    }
}
