//! Time as a number: the core holds no clock, callers say what time it is.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on the gateway's monotonic clock, in microseconds since it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The point this many microseconds after the gateway's start.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the gateway's start.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is before.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// A point in calendar time: milliseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct WallTime(u64);

impl WallTime {
    /// The point this many milliseconds after 1970-01-01 00:00 UTC.
    pub const fn from_unix_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Whole seconds since 1970-01-01 00:00 UTC.
    pub const fn unix_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// This long before.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// In UTC to the second, as RFC 3339 writes it.
    pub fn rfc3339(self) -> String {
        self.timestamp(0).to_string()
    }

    /// What a clock shows so many minutes east of Greenwich, in the form that
    /// `strftime` describes; nothing is shown of before 1970.
    pub fn local(self, utc_offset_min: i32, format: &str) -> String {
        let offset_s = i64::from(utc_offset_min) * 60;
        self.timestamp(offset_s).strftime(format).to_string()
    }

    fn timestamp(self, offset_s: i64) -> jiff::Timestamp {
        let unix_s = i64::try_from(self.unix_seconds()).unwrap_or(i64::MAX);
        let time = jiff::Timestamp::from_second(unix_s.saturating_add(offset_s).max(0));
        time.unwrap_or(jiff::Timestamp::MAX)
    }

    /// Reads a date, or a date and a time with or without an offset; without one it
    /// is taken as UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let with_offset = text.parse::<jiff::Timestamp>().ok();
        let time = with_offset.or_else(|| {
            let civil = text.parse::<jiff::civil::DateTime>().ok()?;
            civil
                .to_zoned(jiff::tz::TimeZone::UTC)
                .ok()
                .map(|it| it.timestamp())
        })?;
        u64::try_from(time.as_millisecond()).ok().map(Self)
    }
}

/// Both clocks at one moment.
///
/// Durations and deadlines use [`Now::instant`], which never jumps; tokens and
/// journals use [`Now::wall`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Now {
    /// The monotonic clock.
    pub instant: Instant,
    /// Calendar time.
    pub wall: WallTime,
}
