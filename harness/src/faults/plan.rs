//! Owns plans: which faults a proxy's connections may have, how likely each is, and within which bounds.
//!
//! TOML comes in, a checked [`Plan`] goes out; what makes no sense is refused with the place of the fault in it. Nothing is
//! drawn here.

use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::effect::{Bounds, Direction, Effect, Kind, Moment};
use crate::error::{Error, Result};

/// What may happen to a proxy's connections.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Plan {
    /// How many faults one connection has at most; of more that are drawn some are chosen by weight.
    pub faults_max: usize,
    /// The faults.
    #[serde(rename = "fault")]
    pub faults: Vec<Fault>,
}

/// One fault of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fault {
    /// What happens.
    #[serde(flatten)]
    pub effect: Effect<Bounds>,
    /// Which way the bytes go that it happens to.
    pub direction: Direction,
    /// How likely a connection draws it, from 0 to 1.
    pub probability: f64,
    /// How often it is chosen, compared with others, where not all that were drawn can stay.
    pub weight: u32,
}

impl Plan {
    /// No faults at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Few faults, and late ones: most connections live for minutes.
    pub fn light() -> Self {
        Self::from_toml(LIGHT).expect("a test reads it")
    }

    /// Nearly every connection is slow, broken off, or both.
    pub fn heavy() -> Self {
        Self::from_toml(HEAVY).expect("a test reads it")
    }

    /// Every connection has all of these kinds, within their usual bounds; of those that end one, it has one.
    pub fn of_kinds(kinds: &[Kind]) -> Self {
        let certain = |kind: &Kind| Fault {
            effect: kind.usual(),
            direction: Direction::Both,
            probability: 1.0,
            weight: 1,
        };
        Self {
            faults_max: kinds.len(),
            faults: kinds.iter().map(certain).collect(),
        }
    }

    /// `none`, `light`, `heavy`, or the plan in a file of this name.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "none" => Ok(Self::none()),
            "light" => Ok(Self::light()),
            "heavy" => Ok(Self::heavy()),
            file => Self::from_file(Path::new(file)),
        }
    }

    /// The plan in a file.
    pub fn from_file(path: &Path) -> Result<Self> {
        let unreadable = |error| {
            Error::Usage(format!(
                "the plan of faults {:?} is neither none, light, heavy nor a file that can be read: {error}",
                path.display()
            ))
        };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let wrong = |error: Error| Error::Usage(format!("{}: {error}", path.display()));
        Self::from_toml(&text).map_err(wrong)
    }

    /// The plan of a text.
    pub fn from_toml(text: &str) -> Result<Self> {
        let wrong = |error: toml::de::Error| Error::Usage(format!("a plan of faults: {error}"));
        let raw: RawPlan = toml::from_str(text).map_err(wrong)?;
        let faults: Result<Vec<Fault>> =
            raw.fault.iter().enumerate().map(RawFault::check).collect();
        let faults = faults?;
        let faults_max = raw.faults_max.unwrap_or(faults.len());
        Ok(Self { faults_max, faults })
    }

    /// The text of the plan, which can be read again.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a plan holds numbers and names only")
    }

    /// Whether no connection can have a fault.
    pub fn is_empty(&self) -> bool {
        self.faults_max == 0 || self.faults.is_empty()
    }

    /// How long half-open connections last at least; `None` if the plan has none.
    pub fn half_open_ms_min(&self) -> Option<u64> {
        let lasting = self.faults.iter().filter_map(|fault| match fault.effect {
            Effect::HalfOpen { lasts_ms, .. } => Some(lasts_ms.min),
            _ => None,
        });
        lasting.min()
    }
}

impl FromStr for Plan {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::named(name)
    }
}

/// A plan as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlan {
    faults_max: Option<usize>,
    #[serde(default)]
    fault: Vec<RawFault>,
}

/// A fault as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFault {
    kind: Kind,
    #[serde(default = "certain")]
    probability: f64,
    #[serde(default = "one")]
    weight: u32,
    #[serde(default)]
    direction: Direction,
    delay_ms: Option<Bounds>,
    jitter_ms: Option<Bounds>,
    bytes_per_s: Option<Bounds>,
    pause_ms: Option<Bounds>,
    after_bytes: Option<Bounds>,
    after_ms: Option<Bounds>,
    lasts_ms: Option<Bounds>,
}

impl RawFault {
    /// The fault, or what is wrong with it; `index` is its place.
    fn check((index, raw): (usize, &Self)) -> Result<Fault> {
        let wrong = |what: &str| {
            let (place, kind) = (index + 1, raw.kind);
            Error::Usage(format!("fault {place} of the plan ({kind}): {what}"))
        };
        if !(0.0..=1.0).contains(&raw.probability) {
            return Err(wrong("probability is not from 0 to 1"));
        }
        if raw.weight == 0 || raw.weight > WEIGHT_MAX {
            return Err(wrong(&format!("weight is not from 1 to {WEIGHT_MAX}")));
        }
        for (name, bounds, least, most) in raw.numbers() {
            let Some(Bounds { min, max }) = bounds else {
                continue;
            };
            if min > max || min < least || max > most {
                let what = format!("{name} is not two numbers in order from {least} to {most}");
                return Err(wrong(&what));
            }
        }
        let given = raw.numbers().into_iter().filter(|(_, it, ..)| it.is_some());
        let given: Vec<&str> = given.map(|(name, ..)| name).collect();
        if let Some(other) = given.iter().find(|name| !own(raw.kind).contains(name)) {
            let wanted = own(raw.kind).join(", ");
            return Err(wrong(&format!(
                "{other} does not belong to it; it takes {wanted}"
            )));
        }
        Ok(Fault {
            effect: raw.effect(),
            direction: raw.direction,
            probability: raw.probability,
            weight: raw.weight,
        })
    }

    /// All numbers with their names, the least and the most that they may be.
    fn numbers(&self) -> [(&'static str, Option<Bounds>, u64, u64); 7] {
        [
            ("delay_ms", self.delay_ms, 0, MS_MAX),
            ("jitter_ms", self.jitter_ms, 0, MS_MAX),
            ("bytes_per_s", self.bytes_per_s, 1, BYTES_MAX),
            ("pause_ms", self.pause_ms, 0, MS_MAX),
            ("after_bytes", self.after_bytes, 0, BYTES_MAX),
            ("after_ms", self.after_ms, 0, MS_MAX),
            ("lasts_ms", self.lasts_ms, 0, MS_MAX),
        ]
    }

    /// What is written, and the usual where nothing is.
    fn effect(&self) -> Effect<Bounds> {
        let moment = |usual: Moment<Bounds>| {
            let written = Moment {
                after_bytes: self.after_bytes,
                after_ms: self.after_ms,
            };
            let is_written = self.after_bytes.or(self.after_ms).is_some();
            if is_written { written } else { usual }
        };
        match self.kind.usual() {
            Effect::Delay { delay_ms } => Effect::Delay {
                delay_ms: self.delay_ms.unwrap_or(delay_ms),
            },
            Effect::Jitter { jitter_ms } => Effect::Jitter {
                jitter_ms: self.jitter_ms.unwrap_or(jitter_ms),
            },
            Effect::Bandwidth { bytes_per_s } => Effect::Bandwidth {
                bytes_per_s: self.bytes_per_s.unwrap_or(bytes_per_s),
            },
            Effect::ByteByByte { pause_ms } => Effect::ByteByByte {
                pause_ms: self.pause_ms.unwrap_or(pause_ms),
            },
            Effect::Cut { after } => Effect::Cut {
                after: moment(after),
            },
            Effect::Reset { after } => Effect::Reset {
                after: moment(after),
            },
            Effect::HalfOpen { after, lasts_ms } => Effect::HalfOpen {
                after: moment(after),
                lasts_ms: self.lasts_ms.unwrap_or(lasts_ms),
            },
        }
    }
}

/// Which numbers belong to a kind.
fn own(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Delay => &["delay_ms"],
        Kind::Jitter => &["jitter_ms"],
        Kind::Bandwidth => &["bytes_per_s"],
        Kind::ByteByByte => &["pause_ms"],
        Kind::Cut | Kind::Reset => &["after_bytes", "after_ms"],
        Kind::HalfOpen => &["after_bytes", "after_ms", "lasts_ms"],
    }
}

fn certain() -> f64 {
    1.0
}

fn one() -> u32 {
    1
}

const LIGHT: &str = include_str!("plans/light.toml");
const HEAVY: &str = include_str!("plans/heavy.toml");
/// The longest time: an hour.
const MS_MAX: u64 = 3_600_000;
/// The most bytes.
const BYTES_MAX: u64 = 1 << 40;
/// The greatest weight.
const WEIGHT_MAX: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plans_with_names_have_every_kind_and_read_back_as_they_are_written() {
        for plan in [Plan::light(), Plan::heavy()] {
            for kind in Kind::ALL {
                let has = plan.faults.iter().any(|fault| fault.effect.kind() == kind);
                assert!(has, "{kind}");
            }
            assert_eq!(Plan::from_toml(&plan.to_toml()).unwrap(), plan);
            assert_eq!(plan.half_open_ms_min(), Some(70_000));
        }
        assert!(Plan::named("none").unwrap().is_empty());
        assert_eq!(Plan::named("heavy").unwrap(), Plan::heavy());
    }

    #[test]
    fn a_fault_that_says_little_has_the_usual_numbers_of_its_kind() {
        for kind in Kind::ALL {
            let plan = Plan::from_toml(&format!("[[fault]]\nkind = \"{kind}\"\n")).unwrap();
            assert_eq!(plan, Plan::of_kinds(&[kind]));
        }
        let plan = Plan::from_toml("[[fault]]\nkind = \"cut\"\nafter_ms = 7\n").unwrap();
        let after = Moment {
            after_bytes: None,
            after_ms: Some(Bounds::new(7, 7)),
        };
        assert_eq!(plan.faults[0].effect, Effect::Cut { after });
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place_and_reason() {
        for (text, reason) in [
            (
                "kind = \"delay\"\nprobability = 1.5",
                "fault 1 of the plan (delay): probability",
            ),
            ("kind = \"delay\"\nweight = 0", "weight is not from 1"),
            (
                "kind = \"delay\"\ndelay_ms = [9, 3]",
                "delay_ms is not two numbers in order",
            ),
            (
                "kind = \"delay\"\nafter_ms = 3",
                "after_ms does not belong to it; it takes delay_ms",
            ),
            ("kind = \"bandwidth\"\nbytes_per_s = 0", "from 1 to"),
            ("kind = \"lag\"", "unknown variant `lag`"),
            ("kind = \"cut\"\nafter = 3", "unknown field `after`"),
            (
                "kind = \"delay\"\ndelay_ms = \"3\"",
                "a number, or the least and the greatest",
            ),
        ] {
            let error = Plan::from_toml(&format!("[[fault]]\n{text}\n")).unwrap_err();
            assert!(error.to_string().contains(reason), "{text}: {error}");
        }
        let error = Plan::named("/nowhere/plan.toml").unwrap_err().to_string();
        assert!(
            error.contains("neither none, light, heavy nor a file"),
            "{error}"
        );
    }
}
