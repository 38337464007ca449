//! Owns what came of the cases: a verdict for each, in the order of the rules, for people and for programs.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::case::Case;
use crate::crm::Mode;
use crate::format::Format;

/// What came of one case in one place.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// The rule that it cites.
    pub rule: &'static str,
    /// What must hold.
    pub name: &'static str,
    /// The CRM's link that it was played at, e.g. `ws-out json`; `None` for tabs.
    pub link: Option<String>,
    /// How long it took.
    pub seconds: f64,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Judged,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Judged {
    /// It holds.
    Passed,
    /// It does not.
    Failed {
        /// What was seen.
        seen: String,
    },
    /// It could not be played here.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// All verdicts of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verdicts {
    /// One a case and place.
    pub verdicts: Vec<Verdict>,
}

impl Verdict {
    pub(super) fn new(
        case: &Case,
        link: Option<(Mode, Format)>,
        took: Duration,
        outcome: Judged,
    ) -> Self {
        Self {
            rule: case.rule,
            name: case.name,
            link: link.map(|(mode, format)| format!("{mode} {format}")),
            seconds: took.as_secs_f64(),
            outcome,
        }
    }
}

impl Verdicts {
    /// How many passed, failed and were skipped.
    pub fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for verdict in &self.verdicts {
            counts[match verdict.outcome {
                Judged::Passed => 0,
                Judged::Failed { .. } => 1,
                Judged::Skipped { .. } => 2,
            }] += 1;
        }
        counts
    }

    /// Whether something was tried and nothing failed.
    pub fn is_good(&self) -> bool {
        let [passed, failed, _] = self.counts();
        passed > 0 && failed == 0
    }

    /// The rules of the cases that failed, each once.
    pub fn broken_rules(&self) -> Vec<&'static str> {
        let failed = self.verdicts.iter();
        let failed = failed.filter(|verdict| matches!(verdict.outcome, Judged::Failed { .. }));
        let mut rules: Vec<_> = failed.map(|verdict| verdict.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, detail) = match &self.outcome {
            Judged::Passed => ("ok  ", None),
            Judged::Failed { seen } => ("FAIL", Some(seen)),
            Judged::Skipped { reason } => ("skip", Some(reason)),
        };
        write!(formatter, "{word}  {:8} {}", self.rule, self.name)?;
        if let Some(link) = &self.link {
            write!(formatter, " [{link}]")?;
        }
        if let Some(detail) = detail {
            write!(formatter, "\n      {}", detail.replace('\n', "\n      "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for verdict in &self.verdicts {
            writeln!(formatter, "{verdict}")?;
        }
        let [passed, failed, skipped] = self.counts();
        write!(
            formatter,
            "{passed} passed, {failed} failed, {skipped} skipped"
        )
    }
}
