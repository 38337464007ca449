//! Owns thresholds: their little language, and whether a measure keeps one.
//!
//! `p99 of ring_to_popup < 50 ms`, `errors = 0`, `p99.9 service of round_trip.ping in spike <= 20 ms`,
//! `server_rss_per_tab < 2 KiB`. Texts and measures come in, what was observed and whether it holds go out.

use super::measures::{self, MeasureKind, MeasureName, Unit};
use crate::report::units::{amount_and_unit, as_number};
use crate::results::{Distribution, Value};

/// What must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// As the file has it.
    pub text: String,
    /// The measure's name.
    pub measure: String,
    /// The phase that it is about; `None`: all that are measured.
    pub phase: Option<String>,
    /// Whether its failing ends the run at once.
    pub aborts: bool,
    /// From which second of the run on it is looked at for that.
    pub from_s: f64,
    /// Where it stands in the file.
    pub(super) at: usize,
    figure: Figure,
    side: Side,
    relation: Relation,
    /// In the threshold's own unit.
    bound: f64,
    /// How much of the measure's own unit one of the threshold's is.
    factor: f64,
}

/// Which figure of a measure.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Figure {
    /// What this share of the times was not longer than.
    Quantile(f64),
    Min,
    Mean,
    Max,
    /// How many times there were.
    Times,
    /// A number or an amount itself.
    Itself,
}

/// Which of the two times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The response time where there is one.
    Either,
    Service,
    Response,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
    Different,
}

impl Threshold {
    /// Reads a threshold; what is wrong with it is said in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (left, relation, right) = split(text).ok_or_else(|| {
            format!("holds no comparison; it must be like `p99 of ring_to_popup < 50 ms` or `errors = 0`, with one of {}", words(&RELATIONS.map(|(sign, _)| sign)))
        })?;
        let (figure, rest) = match left.split_once(" of ") {
            Some((figure, rest)) => (Some(figure.trim()), rest.trim()),
            None => (None, left.trim()),
        };
        let (name, phase) = match rest.split_once(" in ") {
            Some((name, phase)) => (name.trim(), Some(phase.trim().to_owned())),
            None => (rest, None),
        };
        let measure = measures::find(name).ok_or_else(|| measures::unknown(name))?;
        let (figure, side) = figure_of(figure, &measure)?;
        let (bound, factor) = bound_of(right.trim(), figure, &measure)?;
        Ok(Self {
            text: text.trim().to_owned(),
            measure: measure.name,
            phase,
            aborts: false,
            from_s: 0.0,
            at: 0,
            figure,
            side,
            relation,
            bound,
            factor,
        })
    }

    /// What this value is in the threshold's own unit; `None` if nothing was measured.
    pub fn observed(&self, value: &Value) -> Option<f64> {
        let figure = match value {
            Value::Latency { service, response } => {
                let times = match (self.side, response) {
                    (Side::Service, _) | (Side::Either, None) => service,
                    (Side::Either | Side::Response, Some(response)) => response,
                    (Side::Response, None) => return None,
                };
                self.figure_in(times)?
            }
            Value::Count { value } => as_number(*value),
            Value::Gauge { value, .. } => *value,
        };
        Some(figure / self.factor)
    }

    /// Whether it holds for this figure.
    pub fn holds(&self, observed: f64) -> bool {
        match self.relation {
            Relation::Below => observed < self.bound,
            Relation::AtMost => observed <= self.bound,
            Relation::Above => observed > self.bound,
            Relation::AtLeast => observed >= self.bound,
            Relation::Equal => (observed - self.bound).abs() < f64::EPSILON,
            Relation::Different => (observed - self.bound).abs() >= f64::EPSILON,
        }
    }

    fn figure_in(&self, times: &Distribution) -> Option<f64> {
        if matches!(self.figure, Figure::Times) {
            return Some(as_number(times.count));
        }
        if times.count == 0 {
            return None;
        }
        Some(match self.figure {
            Figure::Quantile(share) => as_number(times.at(share)),
            Figure::Min => as_number(times.min_us),
            Figure::Mean => times.mean_us,
            Figure::Max => as_number(times.max_us),
            Figure::Times | Figure::Itself => return None,
        })
    }
}

fn split(text: &str) -> Option<(&str, Relation, &str)> {
    let place = text.find(['<', '>', '=', '!'])?;
    let rest = &text[place..];
    let (sign, relation) = RELATIONS.iter().find(|(sign, _)| rest.starts_with(sign))?;
    Some((&text[..place], *relation, &rest[sign.len()..]))
}

/// The figure before `of`; a measure of times needs one, others have none.
fn figure_of(text: Option<&str>, measure: &MeasureName) -> Result<(Figure, Side), String> {
    let name = &measure.name;
    match (measure.kind, text) {
        (MeasureKind::Latency, Some(text)) => {
            let (figure, side) = match text.split_once(char::is_whitespace) {
                Some((figure, side)) => (figure, Some(side.trim())),
                None => (text, None),
            };
            let side = match side {
                None => Side::Either,
                Some("service") => Side::Service,
                Some("response") => Side::Response,
                Some(other) => {
                    return Err(format!(
                        "`{other}` is no kind of time; allowed before `of`: `service`, `response` or neither"
                    ));
                }
            };
            let figure = figure_named(figure).ok_or_else(|| {
                format!("`{figure}` is no figure of times; allowed: `p50` and any other percentile, `min`, `mean`, `max`, `count`")
            })?;
            Ok((figure, side))
        }
        (MeasureKind::Latency, None) => Err(format!(
            "`{name}` are times, so it must say which figure of them: `p99 of {name} …`"
        )),
        (_, None) => Ok((Figure::Itself, Side::Either)),
        (_, Some(figure)) => Err(format!(
            "`{name}` is one number, so there is no `{figure} of` it: `{name} …`"
        )),
    }
}

fn figure_named(name: &str) -> Option<Figure> {
    Some(match name {
        "min" => Figure::Min,
        "mean" => Figure::Mean,
        "max" => Figure::Max,
        "count" => Figure::Times,
        _ => {
            let percent: f64 = name.strip_prefix('p')?.parse().ok()?;
            if !(0.0..=100.0).contains(&percent) {
                return None;
            }
            Figure::Quantile(percent / 100.0)
        }
    })
}

/// The number behind the sign, and how much of the measure's unit its own is.
fn bound_of(text: &str, figure: Figure, measure: &MeasureName) -> Result<(f64, f64), String> {
    let (bound, unit) = amount_and_unit(text).ok_or_else(|| {
        format!("`{text}` does not begin with a number, such as `50 ms`, `0` or `2.5 KiB`")
    })?;
    let units: &[(&str, f64)] = match (figure, measure.kind) {
        (Figure::Times, _) | (_, MeasureKind::Count | MeasureKind::Gauge(Unit::Number)) => NUMBERS,
        (_, MeasureKind::Latency | MeasureKind::Gauge(Unit::Microseconds)) => TIMES,
        (_, MeasureKind::Gauge(Unit::Bytes)) => BYTES,
        (_, MeasureKind::Gauge(Unit::PerSecond)) => RATES,
        (_, MeasureKind::Gauge(Unit::Share)) => SHARES,
    };
    if let Some((_, factor)) = units.iter().find(|(known, _)| *known == unit) {
        return Ok((bound, *factor));
    }
    let units: Vec<&str> = units.iter().map(|(unit, _)| *unit).collect();
    let given = if unit.is_empty() { "no unit" } else { unit };
    let (name, allowed) = (&measure.name, words(&units));
    Err(format!(
        "{given} does not fit `{name}`; allowed behind the number: {allowed}"
    ))
}

fn words(words: &[&str]) -> String {
    let shown = |word: &&str| match *word {
        "" => "nothing".to_owned(),
        word => format!("`{word}`"),
    };
    words.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// The longer signs first.
const RELATIONS: [(&str, Relation); 7] = [
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("==", Relation::Equal),
    ("!=", Relation::Different),
    ("<", Relation::Below),
    (">", Relation::Above),
    ("=", Relation::Equal),
];
const TIMES: &[(&str, f64)] = &[("us", 1.0), ("µs", 1.0), ("ms", 1e3), ("s", 1e6)];
const BYTES: &[(&str, f64)] = &[
    ("", 1.0),
    ("B", 1.0),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
];
const SHARES: &[(&str, f64)] = &[("", 1.0), ("%", 0.01)];
const RATES: &[(&str, f64)] = &[("", 1.0), ("/s", 1.0), ("1/s", 1.0)];
const NUMBERS: &[(&str, f64)] = &[("", 1.0)];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report;

    fn times(us: &[u64]) -> Distribution {
        let mut histogram = report::histogram();
        for us in us {
            report::record(&mut histogram, Duration::from_micros(*us));
        }
        Distribution::from(&histogram)
    }

    fn observed(text: &str, value: &Value) -> (Option<f64>, bool) {
        let threshold = Threshold::parse(text).unwrap();
        let observed = threshold.observed(value);
        (observed, observed.is_some_and(|it| threshold.holds(it)))
    }

    #[test]
    fn a_percentile_is_compared_in_the_thresholds_own_unit() {
        let value = Value::Latency {
            service: times(&[1000; 100]),
            response: None,
        };
        assert_eq!(
            observed("p99 of ring_to_popup < 50 ms", &value),
            (Some(1.0), true)
        );
        assert_eq!(
            observed("max of ring_to_popup < 900 us", &value),
            (Some(1000.0), false)
        );
        assert_eq!(
            observed("count of ring_to_popup >= 100", &value),
            (Some(100.0), true)
        );
        assert_eq!(
            observed("p99 response of ring_to_popup < 1 s", &value),
            (None, false)
        );
    }

    #[test]
    fn the_response_time_counts_unless_the_service_time_is_asked_for() {
        let value = Value::Latency {
            service: times(&[100]),
            response: Some(times(&[5000])),
        };
        assert!(!observed("p50 of round_trip.ping < 2 ms", &value).1);
        assert!(observed("p50 service of round_trip.ping < 2 ms", &value).1);
        assert!(!observed("p50 response of round_trip.ping < 2 ms", &value).1);
    }

    #[test]
    fn counts_and_amounts_are_compared_as_they_are() {
        assert_eq!(
            observed("errors = 0", &Value::Count { value: 0 }),
            (Some(0.0), true)
        );
        assert!(!observed("errors.event_lost=0", &Value::Count { value: 2 }).1);
        let memory = Value::Gauge {
            value: 1536.0,
            unit: "bytes".into(),
        };
        assert_eq!(
            observed("server_rss_per_tab < 2 KiB", &memory),
            (Some(1.5), true)
        );
        let share = Value::Gauge {
            value: 0.5,
            unit: "share".into(),
        };
        assert_eq!(observed("server_cpu <= 40 %", &share), (Some(50.0), false));
    }

    #[test]
    fn a_phase_can_be_named() {
        let threshold = Threshold::parse("p99 of ring_to_popup in the rush < 1 s").unwrap();
        assert_eq!(threshold.phase.as_deref(), Some("the rush"));
        assert_eq!(threshold.measure, "ring_to_popup");
    }

    #[test]
    fn what_makes_no_sense_is_said_with_what_is_allowed() {
        for (text, words) in [
            ("p99 of ring_to_popup", "holds no comparison"),
            ("ring_to_popup < 5 ms", "p99 of ring_to_popup"),
            (
                "p99 of ring_to_popup < 50",
                "no unit does not fit `ring_to_popup`; allowed behind the number: `us`",
            ),
            ("p99 of ring_to_popup < 5 KiB", "KiB does not fit"),
            ("p101 of ring_to_popup < 5 ms", "`p101` is no figure"),
            (
                "p99 best of ring_to_popup < 5 ms",
                "`best` is no kind of time",
            ),
            ("p99 of errors = 0", "there is no `p99 of` it"),
            ("errors = none", "does not begin with a number"),
            ("p99 of ring_to_pop < 5 ms", "did you mean `ring_to_popup`"),
        ] {
            let said = Threshold::parse(text).unwrap_err();
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
