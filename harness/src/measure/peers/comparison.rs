//! Owns the outcome of a comparison: each figure of each server, beside the gateway's and beside the bare echo's, and what the
//! gateway has to reach. For people as a table and as a page, for programs as JSON.

use std::fmt;

use serde::Serialize;

use super::super::statistics::Summary;
use super::super::table::shown;
use super::html;
use crate::report::table::Columns;

/// What a comparison found.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// What was compared.
    pub title: String,
    /// Which servers.
    pub servers: Vec<ServerNamed>,
    /// The figures.
    pub figures: Vec<Figure>,
    /// What the gateway has to reach.
    pub targets: Vec<Wanted>,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// A server, and what it is exactly.
#[derive(Debug, Clone, Serialize)]
pub struct ServerNamed {
    /// Its name in the figures.
    pub name: String,
    /// Program, library, versions.
    pub description: String,
}

/// One figure of all servers.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// What it is measured in.
    pub unit: &'static str,
    /// Whether less of it is better.
    pub less_is_better: bool,
    /// Each server's.
    pub entries: Vec<Entry>,
}

/// One server's figure.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// The server's name.
    pub server: String,
    /// The figure.
    pub figure: Option<Summary>,
    /// The figure by the gateway's, turn by turn.
    pub by_okgate: Option<Summary>,
    /// The figure by the bare echo's, turn by turn.
    pub by_echo: Option<Summary>,
}

/// Something that the gateway has to reach.
#[derive(Debug, Clone, Serialize)]
pub struct Wanted {
    /// What it is.
    pub what: String,
    /// What was found.
    pub found: Option<Summary>,
    /// Whether it is reached.
    pub is_met: bool,
}

impl Comparison {
    pub(super) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            servers: Vec::new(),
            figures: Vec::new(),
            targets: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether the gateway has reached everything.
    pub fn is_good(&self) -> bool {
        self.targets.iter().all(|wanted| wanted.is_met)
    }

    /// The page for people, complete in itself.
    pub fn to_html(&self) -> String {
        html::page(self).to_html()
    }

    pub(super) fn server(&mut self, name: &str, description: &str) {
        self.servers.push(ServerNamed {
            name: name.to_owned(),
            description: description.to_owned(),
        });
    }

    /// Adds a figure of which less is better: each server's turns, in the same order.
    pub(super) fn less_is_better(
        &mut self,
        name: &str,
        unit: &'static str,
        turns: &[(&str, &[f64])],
    ) {
        self.figures.push(Figure::new(name, unit, true, turns));
    }

    /// Adds a figure of which more is better.
    pub(super) fn more_is_better(
        &mut self,
        name: &str,
        unit: &'static str,
        turns: &[(&str, &[f64])],
    ) {
        self.figures.push(Figure::new(name, unit, false, turns));
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    pub(super) fn notes<'n>(&mut self, notes: impl IntoIterator<Item = &'n str>) {
        self.notes.extend(notes.into_iter().map(str::to_owned));
    }

    /// The gateway's figure is no more than so many times the bare echo's, by the median.
    pub(super) fn wants_at_most_times_echo(&mut self, figure: &str, most: f64) {
        let found = self
            .entry(figure, OKGATE)
            .and_then(|entry| entry.by_echo.clone());
        self.want(
            format!("{figure}: {OKGATE} at most {most} times the {ECHO}"),
            found,
            |ratio| ratio.median <= most,
        );
    }

    /// The gateway's figure is not surely more than so many times the bare echo's: the interval of the ratio reaches that down.
    pub(super) fn wants_not_surely_above_echo(&mut self, figure: &str, most: f64) {
        let found = self
            .entry(figure, OKGATE)
            .and_then(|entry| entry.by_echo.clone());
        self.want(
            format!(
                "{figure}: {OKGATE} at most {most} times the bare loop of sends, or not surely more"
            ),
            found,
            |ratio| ratio.low <= most,
        );
    }

    /// Every peer's figure is surely more than the gateway's: the whole interval of the ratio is.
    pub(super) fn wants_ahead_of_all(&mut self, figure: &str) {
        let peers: Vec<String> = self
            .servers
            .iter()
            .map(|server| server.name.clone())
            .collect();
        for peer in peers
            .iter()
            .filter(|name| ![OKGATE, ECHO].contains(&name.as_str()))
        {
            let found = self
                .entry(figure, peer)
                .and_then(|entry| entry.by_okgate.clone());
            self.want(
                format!("{figure}: {peer} surely more than {OKGATE}"),
                found,
                |ratio| ratio.low > 1.0,
            );
        }
    }

    /// The gateway's figure is no more than that, by the median.
    pub(super) fn wants_at_most(&mut self, figure: &str, most: f64) {
        let found = self
            .entry(figure, OKGATE)
            .and_then(|entry| entry.figure.clone());
        let is_reached = |figure: &Summary| figure.median <= most;
        self.want(
            format!("{figure}: {OKGATE} at most {most:.0}"),
            found,
            is_reached,
        );
    }

    /// What could not be measured is not reached.
    fn want(
        &mut self,
        what: String,
        found: Option<Summary>,
        is_reached: impl Fn(&Summary) -> bool,
    ) {
        self.targets.push(Wanted {
            what,
            is_met: found.as_ref().is_some_and(is_reached),
            found,
        });
    }

    fn entry(&self, figure: &str, server: &str) -> Option<&Entry> {
        let figure = self.figures.iter().find(|known| known.name == figure)?;
        figure.entries.iter().find(|entry| entry.server == server)
    }
}

impl Figure {
    fn new(name: &str, unit: &'static str, less_is_better: bool, turns: &[(&str, &[f64])]) -> Self {
        let of = |name: &str| turns.iter().find(|(server, _)| *server == name);
        let by = |server: &str, turns: &[f64], other: &str| {
            let (_, others) = of(other).filter(|_| server != other)?;
            Summary::of_ratios(turns, others)
        };
        let entries = turns.iter().map(|(server, turns)| Entry {
            server: (*server).to_owned(),
            figure: Summary::of(turns),
            by_okgate: by(server, turns, OKGATE),
            by_echo: by(server, turns, ECHO),
        });
        Self {
            name: name.to_owned(),
            unit,
            less_is_better,
            entries: entries.collect(),
        }
    }

    /// What it is measured in, and which way is good.
    pub(super) fn unit_and_way(&self) -> String {
        let way = if self.less_is_better { "less" } else { "more" };
        format!("{}, {way} is better", self.unit)
    }
}

impl Wanted {
    pub(super) fn verdict(&self) -> &'static str {
        if self.is_met { "holds" } else { "MISSED" }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}\n", self.title)?;
        for server in &self.servers {
            writeln!(formatter, "{}: {}", server.name, server.description)?;
        }
        let by = [OKGATE, ECHO].map(|server| format!("by {server}"));
        let mut figures = Columns::new(&["figure", "", &by[0], &by[1]]);
        for figure in &self.figures {
            figures.line([figure.name.as_str(), &figure.unit_and_way()]);
            for entry in &figure.entries {
                figures.line([
                    format!("  {}", entry.server),
                    shown(entry.figure.as_ref()),
                    shown(entry.by_okgate.as_ref()),
                    shown(entry.by_echo.as_ref()),
                ]);
            }
        }
        let mut targets = Columns::new(&["", "found", "target"]);
        for wanted in &self.targets {
            let found = shown(wanted.found.as_ref());
            targets.line([wanted.verdict(), found.as_str(), wanted.what.as_str()]);
        }
        write!(formatter, "\n{figures}\n{targets}")?;
        for note in &self.notes {
            write!(formatter, "\n{note}")?;
        }
        Ok(())
    }
}

/// The gateway's name in figures.
pub(super) const OKGATE: &str = "okgate";
/// The name of the reference server.
pub(super) const ECHO: &str = "bare echo";

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison() -> Comparison {
        let mut comparison = Comparison::new("Side by side");
        for name in [OKGATE, ECHO, "slow", "near"] {
            comparison.server(name, &format!("{name} 1.0"));
        }
        comparison.less_is_better(
            "ping, CPU time",
            "µs",
            &[
                (OKGATE, &[1.1, 1.0, 1.2]),
                (ECHO, &[1.0, 1.0, 1.0]),
                ("slow", &[4.4, 4.0, 4.8]),
                ("near", &[1.2, 0.9, 1.3]),
            ],
        );
        comparison
    }

    #[test]
    fn each_figure_stands_beside_the_gateways_and_the_echos_of_its_turn() {
        let comparison = comparison();
        let slow = comparison.entry("ping, CPU time", "slow").unwrap();
        let by_okgate = slow.by_okgate.as_ref().unwrap();
        assert!((by_okgate.low - 4.0).abs() < 1e-9 && (by_okgate.high - 4.0).abs() < 1e-9);
        assert!((slow.by_echo.as_ref().unwrap().median - 4.4).abs() < 1e-9);
        let own = comparison.entry("ping, CPU time", OKGATE).unwrap();
        assert!(own.by_okgate.is_none() && own.by_echo.is_some());
        let text = comparison.to_string();
        assert!(text.contains("µs, less is better"), "{text}");
        assert!(text.contains("4.40 [4.00, 4.80]"), "{text}");
    }

    #[test]
    fn ahead_is_who_is_ahead_with_the_whole_interval() {
        let mut comparison = comparison();
        comparison.wants_ahead_of_all("ping, CPU time");
        let met: Vec<bool> = comparison
            .targets
            .iter()
            .map(|wanted| wanted.is_met)
            .collect();
        assert_eq!(met, [true, false]);
        assert!(!comparison.is_good());
        assert!(comparison.to_string().contains("MISSED"));
    }

    #[test]
    fn medians_and_intervals_are_judged_as_each_target_says() {
        let mut comparison = comparison();
        comparison.wants_at_most_times_echo("ping, CPU time", 1.15);
        comparison.wants_not_surely_above_echo("ping, CPU time", 1.05);
        comparison.wants_at_most("ping, CPU time", 1.1);
        assert!(comparison.is_good(), "{comparison}");
        comparison.wants_at_most_times_echo("ping, CPU time", 1.05);
        assert!(!comparison.is_good());
    }

    #[test]
    fn what_could_not_be_measured_is_not_reached() {
        let mut comparison = comparison();
        comparison.wants_at_most("fan-out", 1.0);
        assert!(!comparison.is_good());
    }
}
