//! Owns the colours, strokes and markers of what is drawn, so that each series differs from every other in more than its colour.
//!
//! Colours are chosen so that they differ for people who see no red, green or blue, and in their lightness; the tests hold it.
//! They are written twice: as attributes, for readers whose content policy takes the style sheet away, and as variables of the
//! style sheet, which knows dark screens and paper.

use std::fmt::Write as _;

use crate::report::markup::Element;

/// How one series looks. The style sheet knows its lines by the class `l` and its place, its areas by `a` and that.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Look {
    /// Its colour on white.
    light: &'static str,
    /// Its colour on a dark screen.
    dark: &'static str,
    /// Its dashes, as SVG has them; empty for none.
    dashes: &'static str,
}

/// An element that is filled as an area of a series. After the last series comes the first again.
pub(super) fn area(series: usize, element: Element) -> Element {
    let series = series % SERIES_MAX;
    element
        .with("class", format_args!("a{series}"))
        .with("fill", LOOKS[series].light)
}

/// The marker of a series around a point.
pub(super) fn marker(series: usize, x: f64, y: f64) -> Element {
    let path = match series % SERIES_MAX {
        0 => format!(
            "M{:.1} {y:.1}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z",
            x - 3.5
        ),
        1 => format!("M{:.1} {:.1}h6.4v6.4h-6.4z", x - 3.2, y - 3.2),
        2 => format!("M{x:.1} {:.1}l4.2 7.4h-8.4z", y - 4.6),
        3 => format!("M{x:.1} {:.1}l4.6 4.6l-4.6 4.6l-4.6 -4.6z", y - 4.6),
        4 => format!("M{x:.1} {:.1}l4.2 -7.4h-8.4z", y + 4.6),
        _ => format!(
            "M{:.1} {:.1}h2v-2.6h2.4v2.6h2.6v2.4h-2.6v2.6h-2.4v-2.6h-2z",
            x - 3.4,
            y - 1.2
        ),
    };
    area(series, Element::new("path")).with("d", path)
}

/// A line of a series along a path.
pub(super) fn stroke(series: usize, path: &str) -> Element {
    let series = series % SERIES_MAX;
    let look = &LOOKS[series];
    let line = Element::new("path")
        .with("class", format_args!("l{series}"))
        .with("fill", "none")
        .with("stroke", look.light)
        .with("stroke-width", "1.75")
        .with("stroke-linejoin", "round")
        .with("d", path);
    match look.dashes {
        "" => line,
        dashes => line.with("stroke-dasharray", dashes),
    }
}

/// The variables of the style sheet, and the classes that use them.
pub(super) fn style() -> String {
    let mut light = variables(&PAPER, |paper| paper.light);
    let mut dark = variables(&PAPER, |paper| paper.dark);
    let mut classes = String::new();
    for paper in &PAPER {
        let _ = match paper.property {
            "" => Ok(()),
            property => writeln!(classes, ".{0} {{ {property}: var(--{0}); }}", paper.name),
        };
    }
    for (series, look) in LOOKS.iter().enumerate() {
        let _ = writeln!(light, "  --s{series}: {};", look.light);
        let _ = writeln!(dark, "  --s{series}: {};", look.dark);
        let _ = writeln!(classes, ".l{series} {{ stroke: var(--s{series}); }}");
        let _ = writeln!(classes, ".a{series} {{ fill: var(--s{series}); }}");
    }
    format!(
        ":root {{\n  color-scheme: light dark;\n{light}}}\n\
         @media screen and (prefers-color-scheme: dark) {{\n:root {{\n{dark}}}\n}}\n{classes}"
    )
}

fn variables(papers: &[Paper], colour: impl Fn(&Paper) -> &'static str) -> String {
    let lines = papers.iter();
    let lines = lines.map(|paper| format!("  --{}: {};\n", paper.name, colour(paper)));
    lines.collect()
}

/// A colour that is no series'.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paper {
    /// The name of its variable, and of its class if it has a property.
    pub(super) name: &'static str,
    /// What elements of its class use it for.
    property: &'static str,
    /// On white.
    pub(super) light: &'static str,
    /// On a dark screen.
    pub(super) dark: &'static str,
}

/// The page.
pub(super) const BACKGROUND: Paper = PAPER[0];
/// Text.
pub(super) const INK: Paper = PAPER[1];
/// Text that matters less.
pub(super) const PALE_INK: Paper = PAPER[2];
/// Lines behind what is drawn.
pub(super) const GRID: Paper = PAPER[3];
/// Every second phase.
pub(super) const BAND: Paper = PAPER[4];

const fn paper(
    name: &'static str,
    property: &'static str,
    light: &'static str,
    dark: &'static str,
) -> Paper {
    Paper {
        name,
        property,
        light,
        dark,
    }
}

const PAPER: [Paper; 7] = [
    paper("background", "stroke", "#ffffff", "#15181c"),
    paper("ink", "fill", "#1a1c1f", "#e9ebee"),
    paper("pale", "fill", "#50555b", "#a9b0b8"),
    paper("grid", "stroke", "#d9dce0", "#373d44"),
    paper("band", "fill", "#f0f2f4", "#1f242a"),
    paper("good", "", "#00637a", "#6fd6ee"),
    paper("bad", "", "#a3161d", "#ff9d94"),
];

/// How many series look different.
pub(super) const SERIES_MAX: usize = LOOKS.len();

const LOOKS: [Look; 6] = [
    Look {
        light: "#1b6bda",
        dark: "#2a7df0",
        dashes: "",
    },
    Look {
        light: "#c9692a",
        dark: "#f9642d",
        dashes: "7 3",
    },
    Look {
        light: "#0b3326",
        dark: "#aff7e2",
        dashes: "2 2.5",
    },
    Look {
        light: "#7a1079",
        dark: "#e493e0",
        dashes: "10 3 2 3",
    },
    Look {
        light: "#4d4303",
        dark: "#fef096",
        dashes: "14 4",
    },
    Look {
        light: "#757a71",
        dark: "#918c88",
        dashes: "5 2 1.5 2 1.5 2",
    },
];

#[cfg(test)]
mod tests;
