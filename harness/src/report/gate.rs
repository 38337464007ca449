//! Owns how a gate is shown: what was wanted and found, in the threshold's own unit, and how near the limit that is.

use super::text::one_line;
use super::units::{Unit, amount_and_unit};
use crate::results::Gate;

/// What a threshold's words say behind the sign of its comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// `<`, `<=`, `>`, `>=`, `=`, `==` or `!=`.
    pub sign: String,
    /// The number behind it.
    pub limit: f64,
    /// The unit behind that, as it stands there.
    pub unit: String,
}

impl Bound {
    /// `None` for words that hold no comparison with a number.
    pub fn of(threshold: &str) -> Option<Self> {
        let is_sign = |character: char| matches!(character, '<' | '>' | '=' | '!');
        let from_sign = &threshold[threshold.find(is_sign)?..];
        let behind = from_sign.trim_start_matches(is_sign);
        let sign = from_sign.strip_suffix(behind)?.to_owned();
        let (limit, unit) = amount_and_unit(behind)?;
        Some(Self {
            sign,
            limit,
            unit: one_line(unit).into_owned(),
        })
    }
}

/// What was found for a gate, in its threshold's unit.
pub fn found(gate: &Gate) -> String {
    let Some(observed) = gate.observed else {
        return "not measured".to_owned();
    };
    let amount = Unit::Number.show(observed);
    match Bound::of(&gate.threshold).map(|bound| bound.unit) {
        Some(unit) if !unit.is_empty() => format!("{amount} {unit}"),
        _ => amount,
    }
}

/// What was found by the limit; `None` where that says nothing, as for a limit of zero.
pub fn share_of_limit(gate: &Gate) -> Option<f64> {
    let bound = Bound::of(&gate.threshold)?;
    let share = gate.observed? / bound.limit;
    let is_ordered = bound.sign.starts_with(['<', '>']);
    (is_ordered && bound.limit > 0.0 && share.is_finite() && share >= 0.0).then_some(share)
}

/// What became of a gate, in words.
pub fn verdict(gate: &Gate) -> &'static str {
    match (gate.held, gate.aborted) {
        (true, _) => "held",
        (false, false) => "FAILED",
        (false, true) => "FAILED, ended the run",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(threshold: &str, observed: Option<f64>) -> Gate {
        Gate {
            threshold: threshold.into(),
            observed,
            held: false,
            aborted: false,
        }
    }

    #[test]
    fn a_thresholds_bound_is_read_from_its_words() {
        let bound = |sign: &str, limit, unit: &str| {
            Some(Bound {
                sign: sign.into(),
                limit,
                unit: unit.into(),
            })
        };
        let of = Bound::of;
        assert_eq!(of("p99 of ring_to_popup < 50 ms"), bound("<", 50.0, "ms"));
        assert_eq!(of("errors=0"), bound("=", 0.0, ""));
        assert_eq!(of("server_cpu <= 80 %"), bound("<=", 80.0, "%"));
        assert_eq!(of("stalls"), None);
        assert_eq!(of("stalls < few"), None);
        assert_eq!(of("< > ="), None);
    }

    #[test]
    fn what_was_found_is_told_in_the_thresholds_unit() {
        let slow = gate("p99 of ring_to_popup < 50 ms", Some(61.26));
        assert_eq!(found(&slow), "61.3 ms");
        assert_eq!(share_of_limit(&slow), Some(61.26 / 50.0));
        let wrong = gate("errors = 0", Some(3.0));
        assert_eq!(found(&wrong), "3");
        assert_eq!(share_of_limit(&wrong), None);
        assert_eq!(found(&gate("errors = 0", None)), "not measured");
    }
}
