//! Times as these messages write them: `09.10.2012 09:42:33`.

use crate::base::WallTime;
use crate::protocol::write::FieldWriter;

/// A moment to the second, in the settings' local time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stamp([u8; 19]);

impl Stamp {
    /// How clients are told that `dt` is written.
    pub const FORMAT: &str = "dd.MM.yyyy HH:mm:ss";

    /// The moment, so many minutes east of Greenwich.
    pub fn new(at: WallTime, utc_offset_min: i32) -> Self {
        let text = at.local(utc_offset_min, "%d.%m.%Y %H:%M:%S");
        let text = text.as_bytes().try_into();
        Self(text.expect("years up to 9999 have four digits"))
    }

    /// As it goes out.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits and punctuation are ASCII")
    }

    /// `dt` and `dtformat`.
    pub(super) fn write<W: FieldWriter>(&self, writer: &mut W) {
        writer.string("dt", self.text());
        writer.string("dtformat", Self::FORMAT);
    }
}

impl std::fmt::Debug for Stamp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(unix_seconds: u64, offset: i32) -> String {
        let at = WallTime::from_unix_millis(unix_seconds * 1000 + 999);
        Stamp::new(at, offset).text().to_owned()
    }

    #[test]
    fn a_moment_is_written_as_in_the_protocol() {
        assert_eq!(stamp(1_349_775_753, 0), "09.10.2012 09:42:33");
        assert_eq!(stamp(0, 0), "01.01.1970 00:00:00");
        assert_eq!(stamp(951_782_400, 0), "29.02.2000 00:00:00");
        assert_eq!(stamp(4_102_444_799, 0), "31.12.2099 23:59:59");
    }

    #[test]
    fn an_offset_moves_the_clock_and_the_day() {
        assert_eq!(stamp(1_349_775_753, 180), "09.10.2012 12:42:33");
        assert_eq!(stamp(1_349_740_800, -1), "08.10.2012 23:59:00");
        assert_eq!(stamp(0, -60), "01.01.1970 00:00:00");
    }
}
