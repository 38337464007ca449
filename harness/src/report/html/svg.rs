//! Owns what all drawings have in common: their size, the place of what is drawn in it, axes, and the words that say what is seen
//! to those who do not see it.

use super::palette::{BACKGROUND, GRID, INK, PALE_INK, Paper};
use super::scale::{Axis, Tick};
use crate::report::markup::Element;

/// Something that can be drawn.
pub trait Drawing {
    /// What it shows, in a line.
    fn title(&self) -> String;

    /// What is seen, in words.
    fn description(&self) -> String;

    /// The names of its series and their places in the palette; empty if there is one alone.
    fn legend(&self) -> Vec<(usize, String)>;

    /// It, in so much room.
    fn draw(&self, width: Width) -> Element;
}

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// As wide as a page.
    Wide,
    /// As wide as a telephone, or half a page.
    Narrow,
}

impl Width {
    pub(super) fn pixels(self) -> f64 {
        match self {
            Self::Wide => 720.0,
            Self::Narrow => 350.0,
        }
    }

    /// How many steps an axis from left to right has room for.
    pub(super) fn steps(self) -> usize {
        match self {
            Self::Wide => 10,
            Self::Narrow => 5,
        }
    }
}

/// The room that is drawn in, and around it that of labels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl Room {
    /// Where an amount of the axis from left to right is.
    pub(super) fn x(&self, axis: &Axis, amount: f64) -> f64 {
        self.left + axis.place(amount) * (self.right - self.left)
    }

    /// Where an amount of the axis from bottom to top is.
    pub(super) fn y(&self, axis: &Axis, amount: f64) -> f64 {
        self.bottom - axis.place(amount) * (self.bottom - self.top)
    }

    /// The lines and labels of the axis from bottom to top, its name above them.
    pub(super) fn y_axis(&self, axis: &Axis, name: &str) -> Element {
        let mut group = Element::new("g");
        for tick in &axis.ticks {
            let y = self.y(axis, tick.at);
            group.push(line(GRID, (self.left, y), (self.right, y)));
            let label = text(PALE_INK, Anchor::End, self.left - 6.0, y + 4.0, &tick.label);
            group.push(label);
        }
        let name = with_unit(name, &axis.unit);
        group.child(text(INK, Anchor::Start, 0.0, 11.0, &name))
    }

    /// The lines and labels of the axis from left to right, its name below them.
    pub(super) fn x_axis(&self, axis: &Axis, name: &str) -> Element {
        let mut group = Element::new("g");
        let mut free_from = f64::NEG_INFINITY;
        for tick in &axis.ticks {
            let x = self.x(axis, tick.at);
            group.push(line(GRID, (x, self.top), (x, self.bottom)));
            let half = text_width(&tick.label) / 2.0;
            if x - half < free_from {
                continue;
            }
            free_from = x + half + 6.0;
            let label = text(PALE_INK, Anchor::Middle, x, self.bottom + 16.0, &tick.label);
            group.push(label);
        }
        let name = with_unit(name, &axis.unit);
        let (x, y) = (self.right, self.bottom + 33.0);
        group.child(text(INK, Anchor::End, x, y, &name))
    }
}

/// How much room the labels of an axis from bottom to top take.
pub(super) fn label_room(axis: &Axis) -> f64 {
    let widths = axis.ticks.iter().map(|tick| text_width(&tick.label));
    widths.fold(0.0, f64::max) + 8.0
}

/// How much room the first label of an axis from left to right takes before its tick, and the last one behind.
pub(super) fn overhang(axis: &Axis) -> (f64, f64) {
    let half = |tick: Option<&Tick>| tick.map_or(0.0, |tick| text_width(&tick.label) / 2.0);
    (half(axis.ticks.first()), half(axis.ticks.last()).max(12.0))
}

/// The drawing of this size with a title and a description for those who do not see it.
pub(super) fn sheet(drawing: &dyn Drawing, width: f64, height: f64) -> Element {
    Element::new("svg")
        .with("xmlns", "http://www.w3.org/2000/svg")
        .with("role", "img")
        .with("viewBox", format_args!("0 0 {width:.0} {height:.0}"))
        .with("width", format_args!("{width:.0}"))
        .with("height", format_args!("{height:.0}"))
        .with("font-family", "system-ui, sans-serif")
        .with("font-size", FONT_PIXELS)
        .child(Element::of_text("title", drawing.title()))
        .child(Element::of_text("desc", drawing.description()))
}

/// Where a text's place is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

pub(super) fn text(paper: Paper, anchor: Anchor, x: f64, y: f64, words: &str) -> Element {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    Element::new("text")
        .with("class", paper.name)
        .with("fill", paper.light)
        .with("x", format_args!("{x:.1}"))
        .with("y", format_args!("{y:.1}"))
        .with("text-anchor", anchor)
        .text(words)
}

/// A text with the page's colour around it, so that lines behind it do not cross it.
pub(super) fn text_over_lines(x: f64, y: f64, words: &str) -> Element {
    Element::new("text")
        .with("class", format_args!("{} {}", INK.name, BACKGROUND.name))
        .with("fill", INK.light)
        .with("stroke", BACKGROUND.light)
        .with("stroke-width", "4")
        .with("stroke-linejoin", "round")
        .with("paint-order", "stroke")
        .with("x", format_args!("{x:.1}"))
        .with("y", format_args!("{y:.1}"))
        .text(words)
}

pub(super) fn line(paper: Paper, from: (f64, f64), to: (f64, f64)) -> Element {
    Element::new("line")
        .with("class", paper.name)
        .with("stroke", paper.light)
        .with("x1", format_args!("{:.1}", from.0))
        .with("y1", format_args!("{:.1}", from.1))
        .with("x2", format_args!("{:.1}", to.0))
        .with("y2", format_args!("{:.1}", to.1))
}

/// A rectangle from one corner to the other, without any colour yet.
pub(super) fn rectangle(from: (f64, f64), to: (f64, f64)) -> Element {
    Element::new("rect")
        .with("x", format_args!("{:.1}", from.0.min(to.0)))
        .with("y", format_args!("{:.1}", from.1.min(to.1)))
        .with("width", format_args!("{:.1}", (to.0 - from.0).abs()))
        .with("height", format_args!("{:.1}", (to.1 - from.1).abs()))
}

/// About how wide a text is.
#[allow(clippy::cast_precision_loss)] // labels are short
pub(super) fn text_width(words: &str) -> f64 {
    words.chars().count() as f64 * CHARACTER_PIXELS
}

/// As much of a text as there is room for; nothing if that would be less than three characters.
pub(super) fn fitting(words: &str, room: f64) -> Option<String> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // rooms are small
    let characters = (room.max(0.0) / WORD_CHARACTER_PIXELS) as usize;
    let is_whole = words.chars().count() <= characters;
    let shown = crate::report::text::shortened(words, characters);
    (is_whole || characters >= 4).then(|| shown.into_owned())
}

fn with_unit(name: &str, unit: &str) -> String {
    match unit {
        "" => name.to_owned(),
        unit => format!("{name}, {unit}"),
    }
}

const FONT_PIXELS: u32 = 12;
/// A little more than most characters take, since every reader has a font of their own.
const CHARACTER_PIXELS: f64 = 7.5;
/// In words there are more narrow ones than in amounts with their units.
const WORD_CHARACTER_PIXELS: f64 = 7.0;
