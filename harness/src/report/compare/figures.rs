//! Owns the list of figures that runs are compared by, each with what its run says of its noise.

use super::Verdict;
use super::noise::{Noise, of_amount, of_quantile};
use super::seconds::Seconds;
use crate::report::units::{Unit, as_number};
use crate::results::{Distribution, Results, Value};

/// One figure of a run.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    pub(super) measure: String,
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) amount: f64,
    pub(super) better: Better,
    /// Why there is none, if there is none.
    pub(super) noise: Result<Noise, String>,
}

/// Which change of a figure is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    Less,
    More,
    Neither,
}

impl Better {
    pub(super) fn verdict(self, is_more: bool) -> Verdict {
        match (self, is_more) {
            (Self::Less, true) | (Self::More, false) => Verdict::Worse,
            (Self::Less, false) | (Self::More, true) => Verdict::Better,
            (Self::Neither, true) => Verdict::Higher,
            (Self::Neither, false) => Verdict::Lower,
        }
    }
}

/// Everything that can be compared. Times that nothing was measured of are left out.
pub(super) fn figures(results: &Results) -> Vec<Figure> {
    let seconds = Seconds::of(results);
    let mut figures = Vec::new();
    for measure in &results.measures {
        let name = &measure.name;
        match &measure.value {
            Value::Latency { service, response } => {
                // The plain columns are those of the response time, or of the only time that there is.
                let plain = name.clone();
                let of_service = format!("{name}.service");
                let both = match response {
                    None => vec![("service", service, plain)],
                    Some(response) => vec![
                        ("service", service, of_service),
                        ("response", response, plain),
                    ],
                };
                for (time, times, stem) in both {
                    if times.count > 0 {
                        figures.extend(quantiles(&seconds, name, (time, times), &stem));
                    }
                }
            }
            Value::Count { value } => figures.push(Figure {
                measure: name.clone(),
                name: "value".to_owned(),
                unit: String::new(),
                amount: as_number(*value),
                better: if name.starts_with("errors") {
                    Better::Less
                } else {
                    Better::Neither
                },
                noise: amount_noise(results, &seconds, name, |unit| *unit == Unit::PerSecond),
            }),
            Value::Gauge { value, unit } => figures.push(Figure {
                measure: name.clone(),
                name: "value".to_owned(),
                unit: unit.clone(),
                amount: *value,
                better: better(unit),
                noise: amount_noise(results, &seconds, name, |_| true),
            }),
        }
    }
    figures
}

/// The median and the 99th percentile.
fn quantiles(
    seconds: &Seconds<'_>,
    measure: &str,
    (time, times): (&str, &Distribution),
    stem: &str,
) -> [Figure; 2] {
    let [p50, p99] = ["p50", "p99"].map(|name| format!("{stem}.{name}_us"));
    let columns = seconds.pairs(&p50, &p99);
    [("p50", 0.5, times.p50_us), ("p99", 0.99, times.p99_us)].map(|(name, quantile, us)| {
        let noise = match &columns {
            Some(columns) => of_quantile(columns, times, quantile),
            None => Err(format!(
                "the series has no p50 and p99 of their {time} times"
            )),
        };
        Figure {
            measure: measure.to_owned(),
            name: format!("{time} {name}"),
            unit: "us".to_owned(),
            amount: as_number(us),
            better: Better::Less,
            noise,
        }
    })
}

/// From the column of the measure's name, whether that has the unit at its end or not: `server_rss` is `server.rss_bytes`, and
/// how many `calls` there are is told by `calls_per_s`.
fn amount_noise(
    results: &Results,
    seconds: &Seconds<'_>,
    measure: &str,
    is_fitting: impl Fn(&Unit) -> bool,
) -> Result<Noise, String> {
    let plain = |name: &str| name.replace('.', "_");
    let mut names = results.series.columns.keys();
    let column = names.find(|name| {
        let (stem, unit) = Unit::of_column(name);
        let is_named = plain(name) == plain(measure) || plain(stem) == plain(measure);
        is_named && is_fitting(&unit)
    });
    let column = column.and_then(|name| seconds.column(name));
    match column {
        Some(column) => of_amount(&column),
        None => Err("the series has no columns of them".to_owned()),
    }
}

fn better(unit: &str) -> Better {
    match unit {
        "us" | "bytes" => Better::Less,
        "1/s" => Better::More,
        _ => Better::Neither,
    }
}
