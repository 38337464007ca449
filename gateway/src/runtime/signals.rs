//! The system's signals, handed to a closure on a thread of their own.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What the system asks of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: end.
    End,
    /// SIGHUP: read the settings anew.
    Reload,
}

/// Calls `handle` for every signal from now on, in their order.
pub fn watch_signals(mut handle: impl FnMut(Signal) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                handle(match signal {
                    SIGHUP => Signal::Reload,
                    _ => Signal::End,
                });
            }
        })?;
    Ok(())
}
