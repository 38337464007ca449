//! Owns drawings of bars: how often times of each length were, and amounts one below the other with how sure they are.

use super::palette::{self, INK, PALE_INK};
use super::scale::{Axis, Spread};
use super::svg::{
    Anchor, Drawing, Room, Width, fitting, label_room, line, overhang, rectangle, sheet, text,
    text_over_lines, text_width,
};
use crate::report::markup::Element;
use crate::report::table::show_us;
use crate::report::units::{Unit, as_number};
use crate::results::Distribution;

/// How often times of each length were. Always half a page wide, so that two stand side by side.
#[derive(Debug, Clone)]
pub struct Histogram {
    title: String,
    series: usize,
    times: Distribution,
    shares: Vec<f64>,
    x_axis: Axis,
    y_axis: Axis,
}

impl Histogram {
    /// Of each of these distributions, all over the same axes. Titles and series come with them.
    pub fn side_by_side(of: &[(String, usize, &Distribution)]) -> Vec<Self> {
        let ends = of
            .iter()
            .flat_map(|(_, _, times)| [times.min_us, times.max_us]);
        let x_axis = Axis::log(ends.map(as_number), &Unit::Time);
        let shares: Vec<Vec<f64>> = of
            .iter()
            .map(|(_, _, times)| shares(times, &x_axis))
            .collect();
        let y_axis = Axis::linear(shares.iter().flatten().copied(), &Unit::Share, 4);
        let drawn = of
            .iter()
            .zip(shares)
            .map(|((title, series, times), shares)| Self {
                title: title.clone(),
                series: *series,
                times: (*times).clone(),
                shares,
                x_axis: x_axis.clone(),
                y_axis: y_axis.clone(),
            });
        drawn.collect()
    }

    fn draw_bars(&self, room: &Room) -> Element {
        let bars = palette::area(self.series, Element::new("g"));
        let step = (room.right - room.left) / as_number(BINS);
        let shares = self
            .shares
            .iter()
            .enumerate()
            .filter(|(_, share)| **share > 0.0);
        bars.children(shares.map(|(bin, share)| {
            let x = room.left + step * as_number(bin);
            let y = room.y(&self.y_axis, *share).min(room.bottom - 1.0);
            rectangle((x + 0.5, y), (x + step - 0.5, room.bottom))
        }))
    }

    /// Lines at the median and at the 99th percentile, with their names above: the one's to its left, the other's to its
    /// right, as far as there is room.
    fn draw_marks(&self, room: &Room, width: f64) -> Element {
        let [(x50, p50), (x99, p99)] = [("p50", self.times.p50_us), ("p99", self.times.p99_us)]
            .map(|(name, us)| {
                (
                    room.x(&self.x_axis, as_number(us)),
                    format!("{name} {}", show_us(us)),
                )
            });
        let from = x99.min(width - text_width(&p99));
        let to = x50.max(room.left + text_width(&p50)).min(from - 6.0);
        let mut marks = Element::new("g");
        for (x, anchor, at, words) in [
            (x50, Anchor::End, to, &p50),
            (x99, Anchor::Start, from, &p99),
        ] {
            let stroke = line(INK, (x, room.top - 2.0), (x, room.bottom));
            marks.push(stroke.with("stroke-dasharray", "3 2"));
            marks.push(text(INK, anchor, at, room.top - 6.0, words));
        }
        marks
    }
}

impl Drawing for Histogram {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let [p50, _, p99, _, max] = crate::report::table::quantiles(&self.times).map(show_us);
        let count = crate::report::units::number(self.times.count);
        format!("{count} times, half of them up to {p50}, 99 % up to {p99}, the longest {max}.")
    }

    fn legend(&self) -> Vec<(usize, String)> {
        Vec::new()
    }

    fn draw(&self, _: Width) -> Element {
        let (width, height) = (Width::Narrow.pixels(), 220.0);
        let room = Room {
            left: label_room(&self.y_axis).max(overhang(&self.x_axis).0),
            right: width - overhang(&self.x_axis).1,
            top: 38.0,
            bottom: height - 38.0,
        };
        let mut sheet = sheet(self, width, height)
            .child(room.y_axis(&self.y_axis, "share of all"))
            .child(room.x_axis(&self.x_axis, "time"))
            .child(self.draw_bars(&room));
        if self.times.count > 0 {
            sheet.push(self.draw_marks(&room, width));
        }
        sheet
    }
}

/// Amounts one below the other, each with the interval that it lies in.
#[derive(Debug, Clone)]
pub struct Intervals {
    /// What it shows, in a line.
    pub title: String,
    /// What the amounts are.
    pub name: String,
    /// Their unit.
    pub unit: Unit,
    /// Evenly or by their size.
    pub spread: Spread,
    /// An amount that the others are held against, and what it is.
    pub reference: Option<(f64, String)>,
    /// The names of the marks, by their series.
    pub marks: Vec<String>,
    /// They.
    pub rows: Vec<Row>,
}

/// One row.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// From where to where its bar goes.
    pub bar: Option<(f64, f64)>,
    /// Amounts that are marked, each with its place among the names of marks.
    pub marks: Vec<(f64, usize)>,
    /// What stands at its end.
    pub words: String,
}

impl Intervals {
    fn axis(&self, width: Width) -> Axis {
        let amounts = self.rows.iter().flat_map(|row| {
            let ends = row.bar.map(|(low, high)| [low, high]);
            let marks = row.marks.iter().map(|(amount, _)| *amount);
            marks.chain(ends.into_iter().flatten())
        });
        let amounts = amounts.chain(self.reference.iter().map(|(amount, _)| *amount));
        match self.spread {
            Spread::Log => Axis::log(amounts, &self.unit),
            Spread::Linear | Spread::Nines => Axis::linear(amounts, &self.unit, width.steps() - 1),
        }
    }

    /// Names stand at the left where there is room, else above their bars; words at the right.
    fn room(&self, width: Width, axis: &Axis) -> (Room, f64) {
        let widest = |text: fn(&Row) -> &str| {
            let widths = self.rows.iter().map(|row| text_width(text(row)));
            widths.fold(0.0, f64::max)
        };
        let (row_height, left) = match width {
            Width::Wide => (24.0, widest(|row| &row.name).min(330.0) + 10.0),
            // The first label goes as far to the left as half of it is wide.
            Width::Narrow => (38.0, overhang(axis).0.max(4.0)),
        };
        let words = widest(|row| &row.words).min(width.pixels() * 0.52);
        let room = Room {
            left,
            right: width.pixels() - words - 18.0,
            top: 26.0,
            bottom: 32.0 + row_height * as_number(self.rows.len()),
        };
        (room, row_height)
    }

    fn draw_row(row: &Row, at: f64, room: &Room, axis: &Axis, width: Width) -> Element {
        let (name_at, bar_at, name_room) = match width {
            Width::Wide => (at + 4.0, at, room.left - 8.0),
            Width::Narrow => (at - 8.0, at + 6.0, width.pixels()),
        };
        let name = fitting(&row.name, name_room).unwrap_or_default();
        let name = text_over_lines(0.0, name_at, &name);
        let mut group = Element::new("g").child(name.child(Element::of_text("title", &row.name)));
        if let Some((low, high)) = row.bar {
            let (from, to) = (room.x(axis, low), room.x(axis, high));
            let bar = rectangle((from, bar_at - 4.0), (to.max(from + 1.0), bar_at + 4.0));
            group.push(palette::area(0, bar).with("fill-opacity", "0.35"));
        }
        for (amount, series) in &row.marks {
            if axis.holds(*amount) {
                group.push(palette::marker(*series, room.x(axis, *amount), bar_at));
            }
        }
        let words_room = width.pixels() - room.right - 8.0;
        let words = fitting(&row.words, words_room).unwrap_or_default();
        group.child(text(
            INK,
            Anchor::Start,
            room.right + 10.0,
            bar_at + 4.0,
            &words,
        ))
    }
}

impl Drawing for Intervals {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let rows = self.rows.iter();
        let rows = rows.map(|row| format!("{}: {}.", row.name, row.words));
        rows.collect::<Vec<_>>().join(" ")
    }

    fn legend(&self) -> Vec<(usize, String)> {
        if self.marks.len() < 2 {
            return Vec::new();
        }
        self.marks.iter().cloned().enumerate().collect()
    }

    fn draw(&self, width: Width) -> Element {
        let axis = self.axis(width);
        let (room, row_height) = self.room(width, &axis);
        let mut sheet = sheet(self, width.pixels(), room.bottom + 38.0);
        sheet.push(room.x_axis(&axis, &self.name));
        if let Some((amount, name)) = &self.reference {
            let x = room.x(&axis, *amount);
            let stroke = line(INK, (x, room.top - 4.0), (x, room.bottom));
            sheet.push(stroke.with("stroke-width", "1.5"));
            let middle = x.max(text_width(name) / 2.0);
            sheet.push(text(PALE_INK, Anchor::Middle, middle, room.top - 9.0, name));
        }
        for (index, row) in self.rows.iter().enumerate() {
            let at = room.top + 6.0 + row_height * (as_number(index) + 0.5);
            sheet.push(Self::draw_row(row, at, &room, &axis, width));
        }
        sheet
    }
}

/// The share of all times that falls into each bin; the bins divide the axis evenly.
fn shares(times: &Distribution, axis: &Axis) -> Vec<f64> {
    let mut shares = vec![0.0; usize::try_from(BINS).unwrap_or_default()];
    for (us, count) in &times.steps {
        let place = axis.place(as_number(*us)) * as_number(BINS);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        // from 0 to the number of bins
        let bin = (place as usize).min(shares.len() - 1);
        shares[bin] += as_number(*count) / as_number(times.count.max(1));
    }
    shares
}

/// How many bars a histogram has.
const BINS: u64 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bars_of_a_histogram_hold_everything_that_was_measured() {
        let mut recorded = crate::report::histogram();
        for us in [1_000, 1_100, 2_000, 55_000] {
            recorded.record(us).unwrap();
        }
        let times = Distribution::from(&recorded);
        let nothing = Distribution::default();
        let drawn = Histogram::side_by_side(&[
            ("service".into(), 0, &times),
            ("response".into(), 1, &nothing),
        ]);
        let total: f64 = drawn[0].shares.iter().sum();
        assert!((total - 1.0).abs() < 1e-9, "{total}");
        assert_eq!(drawn[0].x_axis, drawn[1].x_axis);
        assert!(drawn[1].shares.iter().all(|share| *share == 0.0));
        assert!(drawn[1].draw(Width::Narrow).to_string().contains("0 times"));
    }

    #[test]
    fn a_row_without_a_bar_or_marks_still_has_its_words() {
        let drawn = Intervals {
            title: "Gates".into(),
            name: "found".into(),
            unit: Unit::Share,
            spread: Spread::Linear,
            reference: Some((1.0, "limit".into())),
            marks: Vec::new(),
            rows: vec![Row {
                name: "p99".into(),
                bar: None,
                marks: Vec::new(),
                words: "not measured".into(),
            }],
        };
        for width in [Width::Wide, Width::Narrow] {
            assert!(drawn.draw(width).to_string().contains(">not measured<"));
        }
        assert_eq!(drawn.description(), "p99: not measured.");
    }
}
