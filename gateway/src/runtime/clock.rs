//! The only clock: everything else is told what time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use okgate_core::base::{Instant, Now, WallTime};

/// The gateway's clock. Copies of it show the same time on every thread.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// A clock whose [`Instant`]s count from now.
    pub fn start() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }

    /// The monotonic time.
    pub fn instant(&self) -> Instant {
        let micros = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        Instant::from_micros(micros)
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        Now {
            instant: self.instant(),
            wall: WallTime::from_unix_millis(millis),
        }
    }
}
