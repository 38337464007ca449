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
        let unix = i64::try_from(at.unix_seconds()).unwrap_or(i64::MAX / 2);
        let local = unix.saturating_add(i64::from(utc_offset_min) * 60).max(0);
        let (year, month, day) = civil(local.div_euclid(86_400));
        let second = local.rem_euclid(86_400);
        let mut text = *b"00.00.0000 00:00:00";
        put(&mut text[0..2], day);
        put(&mut text[3..5], month);
        put(&mut text[6..10], year);
        put(&mut text[11..13], second / 3600);
        put(&mut text[14..16], second / 60 % 60);
        put(&mut text[17..19], second % 60);
        Self(text)
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

/// Writes a number in as many digits as there is room for.
fn put(digits: &mut [u8], mut number: i64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number.rem_euclid(10)).unwrap_or(0);
        number = number.div_euclid(10);
    }
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant's
/// `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months counted from March, so that the leap day is the last of the year.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
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
