//! Owns how amounts are written for people: in the unit that fits their size, to three digits.

/// What an amount is of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Unit {
    /// Microseconds.
    Time,
    /// Seconds from the beginning of a run on.
    Clock,
    /// Bytes.
    Bytes,
    /// Things a second.
    PerSecond,
    /// A share: 1 is all.
    Share,
    /// A number of things, or a figure without a unit.
    #[default]
    Number,
    /// Anything else, by its name.
    Other(String),
}

impl Unit {
    /// The unit that results give a gauge.
    pub fn of_gauge(name: &str) -> Self {
        match name {
            "us" | "µs" => Self::Time,
            "bytes" => Self::Bytes,
            "1/s" => Self::PerSecond,
            "share" => Self::Share,
            "" => Self::Number,
            other => Self::Other(other.to_owned()),
        }
    }

    /// A column's name without its unit, and the unit: `server.rss_bytes` are bytes of `server.rss`.
    pub fn of_column(name: &str) -> (&str, Self) {
        for (end, unit) in COLUMN_ENDS {
            if let Some(rest) = name.strip_suffix(end) {
                return (rest, unit);
            }
        }
        (name, Self::Number)
    }

    /// The amount in the unit that fits it, such as `1.25 ms`, `3.10 MiB`, `12,500 /s`.
    pub fn show(&self, amount: f64) -> String {
        let scale = self.scale(amount.abs());
        let shown = three_digits(
            amount / scale.divisor,
            self.is_whole() && scale.divisor <= 1.0,
        );
        match scale.name {
            "" => shown,
            name => format!("{shown} {name}"),
        }
    }

    /// The step of this unit in which the largest of some amounts is a number of one to four digits.
    pub fn scale(&self, largest: f64) -> Scale<'_> {
        let steps: &[(f64, &'static str)] = match self {
            Self::Time => TIMES,
            Self::Clock => CLOCK,
            Self::Bytes => BYTES,
            Self::PerSecond => &[(1.0, "/s")],
            Self::Share => &[(0.01, "%")],
            Self::Number => &[(1.0, "")],
            Self::Other(name) => {
                return Scale { divisor: 1.0, name };
            }
        };
        let fitting = steps.iter().rev().find(|(divisor, _)| largest >= *divisor);
        let (divisor, name) = fitting.unwrap_or(&steps[0]);
        Scale {
            divisor: *divisor,
            name,
        }
    }

    /// Whether amounts below the first step are whole numbers as they are measured.
    fn is_whole(&self) -> bool {
        !matches!(self, Self::Share | Self::PerSecond)
    }
}

/// One step of a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale<'n> {
    /// What an amount is divided by.
    pub divisor: f64,
    /// The name of what comes out.
    pub name: &'n str,
}

/// An amount as people write it: a number, and the unit behind it or nothing. `None` if it does not begin with a number.
pub(crate) fn amount_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|character: char| !"0123456789.+-".contains(character));
    let (amount, unit) = text.split_at(end.unwrap_or(text.len()));
    Some((amount.parse().ok()?, unit.trim()))
}

/// A number with commas between its thousands.
pub fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A count as a figure to reckon with.
#[allow(clippy::cast_precision_loss)] // what is counted stays below 2^52
pub(crate) fn as_number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

/// A time of a run: `48.2 s`, `12 min 05 s`, `3 h 20 min`.
pub fn duration(seconds: f64) -> String {
    let whole = whole(seconds.round());
    match whole {
        0..120 => format!("{seconds:.1} s"),
        120..7200 => format!("{} min {:02} s", whole / 60, whole % 60),
        7200.. => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Three digits, or all of a whole number.
fn three_digits(amount: f64, is_whole: bool) -> String {
    if !amount.is_finite() {
        return "–".to_owned();
    }
    let size = amount.abs();
    let decimals = match size {
        0.0 => 0,
        ..0.009_95 => 4,
        ..0.099_5 => 3,
        _ if is_whole && amount.fract() == 0.0 => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    if decimals > 0 {
        return format!("{amount:.decimals$}");
    }
    let sign = if amount <= -0.5 { "-" } else { "" };
    format!("{sign}{}", number(whole(size.round())))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // what is greater than any number stays the greatest one
fn whole(amount: f64) -> u64 {
    amount as u64
}

/// The ends of columns' names; longer ones before those that they end in.
const COLUMN_ENDS: [(&str, Unit); 5] = [
    ("_us", Unit::Time),
    ("_bytes", Unit::Bytes),
    ("_per_s", Unit::PerSecond),
    ("_share", Unit::Share),
    ("_s", Unit::Clock),
];
const TIMES: &[(f64, &str)] = &[(1.0, "µs"), (1e3, "ms"), (1e6, "s")];
const CLOCK: &[(f64, &str)] = &[(1.0, "s")];
const BYTES: &[(f64, &str)] = &[
    (1.0, "B"),
    (1024.0, "KiB"),
    (1_048_576.0, "MiB"),
    (1_073_741_824.0, "GiB"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_come_in_the_unit_that_fits_them() {
        for (unit, amount, shown) in [
            (Unit::Time, 850.0, "850 µs"),
            (Unit::Time, 1_254.0, "1.25 ms"),
            (Unit::Time, 38_200.0, "38.2 ms"),
            (Unit::Time, 60_000_000.0, "60.0 s"),
            (Unit::Time, 3.5, "3.50 µs"),
            (Unit::Bytes, 12.0, "12 B"),
            (Unit::Bytes, 2048.0, "2.00 KiB"),
            (Unit::Bytes, 99.0 * 1_048_576.0, "99.0 MiB"),
            (Unit::PerSecond, 12_500.4, "12,500 /s"),
            (Unit::PerSecond, 0.25, "0.25 /s"),
            (Unit::Share, 0.425, "42.5 %"),
            (Unit::PerSecond, 0.0, "0 /s"),
            (Unit::Number, 0.012_34, "0.012"),
            (Unit::Number, 0.001_234, "0.0012"),
            (Unit::Share, 1.75, "175 %"),
            (Unit::Number, 20_000.0, "20,000"),
            (Unit::Number, -3.0, "-3"),
            (Unit::Other("wakes".into()), 7.0, "7 wakes"),
            (Unit::Time, f64::NAN, "– µs"),
        ] {
            assert_eq!(unit.show(amount), shown);
        }
    }

    #[test]
    fn a_columns_name_ends_in_its_unit() {
        for (column, stem, unit) in [
            ("tabs", "tabs", Unit::Number),
            ("ring_to_popup.p99_us", "ring_to_popup.p99", Unit::Time),
            ("server.rss_bytes", "server.rss", Unit::Bytes),
            ("messages_per_s", "messages", Unit::PerSecond),
            ("server.cpu_share", "server.cpu", Unit::Share),
        ] {
            assert_eq!(Unit::of_column(column), (stem, unit));
        }
    }

    #[test]
    fn times_of_runs_are_read_by_people() {
        assert_eq!(duration(48.21), "48.2 s");
        assert_eq!(duration(725.0), "12 min 05 s");
        assert_eq!(duration(12_000.0), "3 h 20 min");
        assert_eq!(number(1_234_567), "1,234,567");
    }
}
