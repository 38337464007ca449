//! Whatever stands in a file of results, every report of it is well-formed and nothing panics.

use std::collections::BTreeMap;

use okgate_harness::report::compare::{self, Run, compare};
use okgate_harness::report::csv;
use okgate_harness::report::html::load_page;
use okgate_harness::report::junit::{self, Suite};
use okgate_harness::report::table::Summary;
use okgate_harness::results::{
    Distribution, Gate, Measure, Phase, Results, Series, Value, Verdict,
};
use proptest::prelude::*;

use super::sample::Sample;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        any::<String>(),
        Just("round_trip".to_owned()),
        Just("p99 of round_trip < 5 ms".to_owned()),
    ]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), 0.0..1e4, Just(0.0)]
}

fn distribution() -> impl Strategy<Value = Distribution> {
    let steps = prop::collection::vec((any::<u64>(), 0..1000_u64), 0..30);
    (steps, any::<[u64; 6]>(), 0..2000_u64).prop_map(|(steps, times, count)| {
        let [min_us, max_us, ..] = times;
        Distribution {
            count,
            min_us,
            mean_us: 1.5,
            p50_us: times[2],
            p90_us: times[3],
            p99_us: times[4],
            p999_us: times[5],
            max_us,
            steps,
        }
    })
}

fn value() -> impl Strategy<Value = Value> {
    let latency = (distribution(), prop::option::of(distribution()));
    prop_oneof![
        latency.prop_map(|(service, response)| Value::Latency { service, response }),
        any::<u64>().prop_map(|value| Value::Count { value }),
        (number(), text()).prop_map(|(value, unit)| Value::Gauge { value, unit }),
    ]
}

fn measures() -> impl Strategy<Value = Vec<Measure>> {
    let measure = (text(), text(), value()).prop_map(|(name, explanation, value)| Measure {
        name,
        explanation,
        value,
    });
    prop::collection::vec(measure, 0..6)
}

fn phases() -> impl Strategy<Value = Vec<Phase>> {
    let parts = (text(), number(), number(), any::<bool>(), measures());
    let phase = parts.prop_map(|(name, begun_s, ended_s, is_measured, measures)| Phase {
        kind: name.clone(),
        name,
        begun_s,
        ended_s,
        is_measured,
        measures,
    });
    prop::collection::vec(phase, 0..4)
}

/// Columns need not be as long as there are moments.
fn series() -> impl Strategy<Value = Series> {
    let column = prop::collection::vec(prop::option::of(number()), 0..40);
    let name = prop_oneof![
        text(),
        Just("round_trip.p50_us".to_owned()),
        Just("round_trip.p99_us".to_owned()),
        Just("server.rss_bytes".to_owned()),
    ];
    let columns = prop::collection::btree_map(name, column, 0..6);
    let moments = prop::collection::vec(number(), 0..40);
    (moments, columns).prop_map(|(at_s, columns): (_, BTreeMap<_, _>)| Series { at_s, columns })
}

fn results() -> impl Strategy<Value = Results> {
    let gate = (
        text(),
        prop::option::of(number()),
        any::<bool>(),
        any::<bool>(),
    );
    let gate = gate.prop_map(|(threshold, observed, held, aborted)| Gate {
        threshold,
        observed,
        held,
        aborted,
    });
    let gates = prop::collection::vec(gate, 0..4);
    let verdict = prop_oneof![
        Just(Verdict::Passed),
        Just(Verdict::Failed),
        Just(Verdict::Stopped)
    ];
    let parts = (
        text(),
        number(),
        phases(),
        measures(),
        series(),
        gates,
        verdict,
    );
    parts.prop_map(
        |(scenario, seconds, phases, measures, series, gates, verdict)| Results {
            scenario,
            seconds,
            phases,
            measures,
            series,
            gates,
            verdict,
            ..Sample::steady(1).results()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_report_of_anything_is_well_formed(results in results(), others in measures()) {
        let parsed = |xml: &str| {
            roxmltree::Document::parse(xml).map(|_| ()).map_err(|error| TestCaseError::fail(error.to_string()))
        };
        let html = load_page(&results).to_html();
        parsed(html.trim_start_matches("<!DOCTYPE html>"))?;
        for path in html.split(" d=\"").skip(1) {
            let path = path.split('"').next().unwrap_or_default();
            prop_assert!(!path.contains("NaN") && !path.contains("inf"), "{}", path);
        }
        parsed(&junit::write(&[Suite::of_load(&results)]))?;
        let mut table = Vec::new();
        csv::write(&results, &mut table).unwrap();
        for row in ::csv::Reader::from_reader(&*table).records() {
            prop_assert!(row.is_ok(), "{row:?}");
        }
        let summary = Summary(&results).to_string();
        prop_assert!(!summary.chars().any(|it| it.is_control() && it != '\n'));
        let other = Results { measures: others, ..results.clone() };
        let named = |name: &str, results| Run { name: name.to_owned(), results };
        let compared = compare(&[named("a", results), named("b", other)], false).unwrap();
        parsed(compare::page(&compared).to_html().trim_start_matches("<!DOCTYPE html>"))?;
        prop_assert!(!compared.to_string().is_empty());
    }
}
