//! Owns what a case is: the rule that it cites, what it needs of the server, and the story that it plays.

use std::pin::Pin;

use super::stage::Stage;
use crate::crm::Mode;
use crate::error::Error;

/// One statement about a server, held against it over the wire.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The rule of the protocol's table that it cites, e.g. `3.1-i`.
    pub rule: &'static str,
    /// What must hold, as a sentence.
    pub name: &'static str,
    /// Where it is played.
    pub place: Place,
    /// What it needs beyond that.
    pub needs: &'static [Need],
    /// The story.
    pub(super) play: for<'s> fn(&'s mut Stage) -> Playing<'s>,
}

/// A story that is being played.
pub(super) type Playing<'s> = Pin<Box<dyn Future<Output = Outcome> + 's>>;

/// How a story ends.
pub(super) type Outcome = std::result::Result<(), Broken>;

/// Where a case is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At tabs: the CRM's link does not matter.
    Tabs,
    /// At the CRM's link in each of these modes, in both formats.
    Link(&'static [Mode]),
}

/// What a case needs of the server that is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The simulated telephone switch behind the admin address: outside calls, and phones that are picked up.
    Switch,
    /// A running dynamic method, asked for by the scenario API on the admin address.
    Scenarios,
}

impl Need {
    /// Why a case is skipped where this is missing.
    pub fn missing(self) -> &'static str {
        match self {
            Self::Switch => {
                "needs the simulated telephone switch: `admin` and `simulated_switch = true` in the target's file"
            }
            Self::Scenarios => "needs the scenario API: `admin` in the target's file",
        }
    }
}

/// Modes with a permanent link.
pub(super) const WEBSOCKETS: &[Mode] = &[Mode::WsOut, Mode::WssOut, Mode::WsIn, Mode::WssIn];

/// What did not hold, in words: what was done, what came, what the rule wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken(pub String);

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

/// A row of a table of cases: `case!("3.1-i", Place::Tabs, [], story, "what must hold")`.
macro_rules! case {
    ($rule:literal, $place:expr, [$($need:expr),*], $story:path, $name:literal) => {
        $crate::conform::case::Case {
            rule: $rule,
            name: $name,
            place: $place,
            needs: &[$($need),*],
            play: |stage| Box::pin($story(stage)),
        }
    };
}

/// Ends the story unless the condition holds: `hold!(condition, "what was seen: {answer:?}")`.
macro_rules! hold {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err($crate::conform::case::Broken(format!($($words)+)));
        }
    };
}

pub(super) use {case, hold};
