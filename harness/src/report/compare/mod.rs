//! Owns the comparison of runs: for each figure the ratio to that of the first run, how sure it is, and what that means in words.
//!
//! Results come in, a [`Comparison`] goes out, for people as text and as a page, for programs as JSON. Which runs were worth
//! comparing is for the reader to say; what speaks against it is told.

mod blocks;
mod circumstances;
mod figures;
mod noise;
mod page;
mod seconds;
mod text;

use serde::Serialize;

pub use self::page::page;

use self::circumstances::{differences, refusals};
use self::figures::{Figure, figures};
use crate::error::{Error, Result};
use crate::results::Results;

/// A run with what it is called, such as its file's name.
#[derive(Debug, Clone)]
pub struct Run {
    /// What it is called.
    pub name: String,
    /// What it found.
    pub results: Results,
}

/// Runs beside the first of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The version of this form.
    pub schema: u32,
    /// The scenario that was run.
    pub scenario: String,
    /// What the run that the others are held against is called.
    pub base: String,
    /// How the intervals come about, in a line.
    pub method: &'static str,
    /// The others.
    pub others: Vec<Other>,
}

/// One run beside the first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Other {
    /// What it is called.
    pub name: String,
    /// What speaks against the comparison.
    pub differences: Vec<String>,
    /// The figures that both have; zeros that are zeros in both are left out.
    pub rows: Vec<Row>,
    /// Measures that only one of them has, with who has each.
    pub lonely: Vec<String>,
}

/// One figure of two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The measure's name.
    pub measure: String,
    /// Which figure of it: `service p99`, or `value`.
    pub figure: String,
    /// Its unit, as results have it: `us`, `bytes`, `1/s`, `share`, or empty.
    pub unit: String,
    /// The first run's.
    pub base: f64,
    /// The other's.
    pub other: f64,
    /// The other's by the first's; `None` if the first's is zero.
    pub ratio: Option<f64>,
    /// The interval that holds the true ratio in 99 of 100 cases; `None` without an estimate.
    pub interval: Option<(f64, f64)>,
    /// What that means.
    pub verdict: Verdict,
    /// Why there is no estimate.
    pub reason: Option<String>,
}

/// What a ratio means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The noise alone could make it.
    Same,
    /// Beyond the noise, and wanted.
    Better,
    /// Beyond the noise, and not wanted.
    Worse,
    /// Beyond the noise, more; which is neither good nor bad by itself.
    Higher,
    /// Beyond the noise, less; which is neither good nor bad by itself.
    Lower,
    /// How much the noise makes is not known.
    Unsure,
}

impl Verdict {
    /// In a word, or in the sign for what the noise makes.
    pub fn words(self) -> &'static str {
        match self {
            Self::Same => "~",
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Higher => "higher",
            Self::Lower => "lower",
            Self::Unsure => "?",
        }
    }
}

/// Holds every run against the first. Runs of different scenarios or forms are refused unless that is forced.
pub fn compare(runs: &[Run], is_forced: bool) -> Result<Comparison> {
    let [base, others @ ..] = runs else {
        return Err(Error::Usage("no runs to compare".to_owned()));
    };
    if others.is_empty() {
        let name = &base.name;
        let problem = format!("{name} alone cannot be compared: name two files or more");
        return Err(Error::Usage(problem));
    }
    let refusals: Vec<String> = others.iter().flat_map(|it| refusals(base, it)).collect();
    if !refusals.is_empty() && !is_forced {
        let problem = refusals.join("; ");
        return Err(Error::Usage(format!(
            "{problem} (--force compares all the same)"
        )));
    }
    let base_figures = figures(&base.results);
    let others = others.iter().map(|it| other(base, &base_figures, it));
    Ok(Comparison {
        schema: SCHEMA,
        scenario: base.results.scenario.clone(),
        base: base.name.clone(),
        method: METHOD,
        others: others.collect(),
    })
}

fn other(base: &Run, base_figures: &[Figure], other: &Run) -> Other {
    let figures = figures(&other.results);
    let same = |one: &Figure, other: &Figure| {
        one.measure == other.measure && one.name == other.name && one.unit == other.unit
    };
    let rows = base_figures.iter().filter_map(|figure| {
        let found = figures.iter().find(|it| same(figure, it))?;
        let is_nothing = figure.amount == 0.0 && found.amount == 0.0;
        (!is_nothing).then(|| row(figure, found))
    });
    let lonely = |of: &[Figure], without: &[Figure], who: &str| {
        let alone = of
            .iter()
            .filter(|it| !without.iter().any(|other| same(it, other)));
        let words = alone.map(|it| format!("{} {} only in {who}", it.measure, it.name));
        words.collect::<Vec<_>>()
    };
    let mut alone = lonely(base_figures, &figures, &base.name);
    alone.extend(lonely(&figures, base_figures, &other.name));
    let mut differences = refusals(base, other);
    differences.extend(self::differences(base, other));
    Other {
        name: other.name.clone(),
        differences,
        rows: rows.collect(),
        lonely: alone,
    }
}

fn row(base: &Figure, other: &Figure) -> Row {
    let ratio = other.amount / base.amount;
    let ratio = ratio.is_finite().then_some(ratio);
    let (interval, reason) = match (&base.noise, &other.noise) {
        (Ok(of_base), Ok(of_other)) => {
            let interval = ratio.map(|ratio| {
                let (down, up) = noise::interval(of_base, of_other);
                (ratio * down, ratio * up)
            });
            (interval, None)
        }
        (Err(reason), _) | (_, Err(reason)) => (None, Some(reason.clone())),
    };
    let is_equal = (base.amount - other.amount).abs() < f64::EPSILON * base.amount.abs();
    let verdict = match interval {
        _ if is_equal => Verdict::Same,
        None => Verdict::Unsure,
        Some((low, high)) if low <= 1.0 && high >= 1.0 => Verdict::Same,
        Some((low, _)) => base.better.verdict(low > 1.0),
    };
    Row {
        measure: base.measure.clone(),
        figure: base.name.clone(),
        unit: base.unit.clone(),
        base: base.amount,
        other: other.amount,
        ratio,
        interval,
        verdict,
        reason,
    }
}

/// The version of a comparison's form.
pub const SCHEMA: u32 = 1;

const METHOD: &str = "[low, high] holds the true ratio in 99 of 100 cases as far as a run can tell from its own seconds: blocks of neighbouring seconds of each phase are drawn again and again (a moving block bootstrap), and the figure of the run is made anew from them. ~: the noise alone could make the ratio, or it is not more than 1 %. ?: no estimate. What differs from one run to the next but not within one, such as another boot, is not in it: only repeated runs show that.";
