//! Owns drawings of figures as lines: over time, with a run's phases behind them, and of times by percentile.

use std::fmt::Write as _;

use super::palette::{self, BAND, PALE_INK};
use super::scale::{Axis, Spread};
use super::svg::{
    Anchor, Drawing, Room, Width, fitting, label_room, overhang, rectangle, sheet, text,
};
use crate::report::markup::Element;
use crate::report::units::Unit;
use crate::results::Distribution;

/// Lines over a common axis.
#[derive(Debug, Clone)]
pub struct Lines {
    /// What it shows, in a line.
    pub title: String,
    /// What its lines are of.
    pub name: String,
    /// The unit of that.
    pub unit: Unit,
    /// Evenly or by their size.
    pub spread: Spread,
    /// What the lines run over.
    pub over: Over,
    /// They, six at most.
    pub lines: Vec<Line>,
}

/// What lines run over.
#[derive(Debug, Clone)]
pub enum Over {
    /// Seconds, with what went on meanwhile.
    Time(Vec<Band>),
    /// Shares, of so many values.
    Percentiles(u64),
}

/// One line.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its points; a gap where there is no figure.
    pub points: Vec<(f64, Option<f64>)>,
}

/// A stretch of time with a name.
#[derive(Debug, Clone)]
pub struct Band {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
}

impl Line {
    /// The times of a distribution by percentile.
    #[allow(clippy::cast_precision_loss)] // percentiles are drawn to a pixel
    pub fn by_percentile(name: &str, times: &Distribution) -> Self {
        let mut points = Vec::with_capacity(times.steps.len() + 1);
        let mut before = 0;
        for (us, count) in &times.steps {
            let share = before as f64 / times.count.max(1) as f64;
            points.push((share, Some(*us as f64)));
            before += count;
        }
        if let Some((us, _)) = times.steps.last() {
            points.push((1.0, Some(*us as f64)));
        }
        Self {
            name: name.to_owned(),
            points,
        }
    }

    fn figures(&self) -> impl Iterator<Item = f64> {
        let figures = self.points.iter().filter_map(|(_, figure)| *figure);
        figures.filter(|figure| figure.is_finite())
    }
}

impl Lines {
    fn x_axis(&self, width: Width) -> Axis {
        match &self.over {
            Over::Percentiles(values) => Axis::nines(*values),
            Over::Time(bands) => {
                let points = self.lines.iter().flat_map(|line| &line.points);
                let last = points.map(|(at, _)| *at).fold(0.0, f64::max);
                let last = bands.iter().map(|band| band.to).fold(last, f64::max);
                Axis::clock(last, width.steps())
            }
        }
    }

    fn y_axis(&self) -> Axis {
        let figures = self.lines.iter().flat_map(Line::figures);
        match self.spread {
            Spread::Log => Axis::log(figures, &self.unit),
            Spread::Linear | Spread::Nines => Axis::linear(figures, &self.unit, 5),
        }
    }

    /// The points of a line that can be drawn, as places; never more than two for each pixel.
    fn places(&self, line: &Line, room: &Room, axes: (&Axis, &Axis)) -> Vec<Option<Place>> {
        let (x_axis, y_axis) = axes;
        let place = |(at, figure): &(f64, Option<f64>)| {
            let is_drawn =
                |figure: &f64| figure.is_finite() && (self.spread != Spread::Log || *figure > 0.0);
            let figure = figure.filter(is_drawn)?;
            Some(Place {
                x: room.x(x_axis, *at),
                y: room.y(y_axis, figure),
                at: *at,
                figure,
            })
        };
        let places: Vec<Option<Place>> = line.points.iter().map(place).collect();
        match self.over {
            Over::Time(_) => thinned(places, room.right - room.left),
            Over::Percentiles(_) => moved(places),
        }
    }

    fn draw_line(&self, series: usize, line: &Line, room: &Room, axes: (&Axis, &Axis)) -> Element {
        let places = self.places(line, room, axes);
        let path = path(&places, matches!(self.over, Over::Percentiles(_)));
        let mut group = Element::new("g").child(palette::stroke(series, &path));
        #[allow(clippy::cast_precision_loss)] // there are six
        let mut next_marker = room.left + MARKER_STEP_PIXELS * series as f64 / 6.0;
        for (index, place) in places.iter().enumerate() {
            let Some(place) = place else { continue };
            let before = index.checked_sub(1).and_then(|before| places[before]);
            let after = places.get(index + 1).copied().flatten();
            let is_alone = before.is_none() && after.is_none();
            if place.x >= next_marker || is_alone {
                next_marker = place.x + MARKER_STEP_PIXELS;
                let words = self.words_at(line, place);
                let marker = palette::marker(series, place.x, place.y);
                group.push(marker.child(Element::of_text("title", words)));
            }
        }
        group
    }

    fn words_at(&self, line: &Line, place: &Place) -> String {
        let figure = self.unit.show(place.figure);
        match self.over {
            Over::Time(_) => format!("{} at {:.0} s: {figure}", line.name, place.at),
            Over::Percentiles(_) => {
                format!("{}: {:.4} % within {figure}", line.name, place.at * 100.0)
            }
        }
    }
}

impl Drawing for Lines {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let mut words = String::new();
        for line in &self.lines {
            let figures = || line.figures();
            let (low, high) = (figures().reduce(f64::min), figures().reduce(f64::max));
            let _ = match (low, high, figures().last()) {
                (Some(low), Some(high), Some(last)) => {
                    let [low, high, last] = [low, high, last].map(|it| self.unit.show(it));
                    write!(
                        words,
                        "{}: from {low} to {high}, at the end {last}. ",
                        line.name
                    )
                }
                _ => write!(words, "{}: no figures. ", line.name),
            };
        }
        if let Over::Time(bands) = &self.over {
            for band in bands {
                let _ = write!(
                    words,
                    "{} from {:.0} s to {:.0} s. ",
                    band.name, band.from, band.to
                );
            }
        }
        words.trim_end().to_owned()
    }

    fn legend(&self) -> Vec<(usize, String)> {
        if self.lines.len() < 2 {
            return Vec::new();
        }
        let names = self.lines.iter().map(|line| line.name.clone());
        names.enumerate().collect()
    }

    fn draw(&self, width: Width) -> Element {
        let height = HEIGHT_PIXELS;
        let (x_axis, y_axis) = (self.x_axis(width), self.y_axis());
        let room = Room {
            left: label_room(&y_axis).max(overhang(&x_axis).0),
            right: width.pixels() - overhang(&x_axis).1,
            top: TOP_PIXELS,
            bottom: height - 38.0,
        };
        let mut sheet = sheet(self, width.pixels(), height);
        let x_name = match &self.over {
            Over::Time(bands) => {
                sheet.push(draw_bands(bands, &room, &x_axis));
                "time from the beginning"
            }
            Over::Percentiles(_) => "share of all that took no longer",
        };
        sheet.push(room.y_axis(&y_axis, &self.name));
        sheet.push(room.x_axis(&x_axis, x_name));
        for (series, line) in self.lines.iter().enumerate() {
            sheet.push(self.draw_line(series, line, &room, (&x_axis, &y_axis)));
        }
        sheet
    }
}

#[derive(Debug, Clone, Copy)]
struct Place {
    x: f64,
    y: f64,
    at: f64,
    figure: f64,
}

/// Every second band is shaded; each has its name above it where there is room, else its number.
fn draw_bands(bands: &[Band], room: &Room, axis: &Axis) -> Element {
    let mut group = Element::new("g");
    for (index, band) in bands.iter().enumerate() {
        let (from, to) = (room.x(axis, band.from), room.x(axis, band.to));
        if index % 2 == 0 {
            let shade = rectangle((from, room.top - 18.0), (to, room.bottom))
                .with("class", BAND.name)
                .with("fill", BAND.light);
            group.push(shade);
        }
        let number = (index + 1).to_string();
        let label =
            fitting(&band.name, to - from - 4.0).or_else(|| (to - from >= 8.0).then_some(number));
        if let Some(label) = label {
            let middle = f64::midpoint(from, to);
            let label = text(PALE_INK, Anchor::Middle, middle, room.top - 6.0, &label);
            group.push(label.child(Element::of_text("title", &band.name)));
        }
    }
    group
}

/// The lowest and the highest of neighbours that would be drawn on one pixel, in their order.
fn thinned(places: Vec<Option<Place>>, pixels: f64) -> Vec<Option<Place>> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a drawing's width
    let chunk = places.len().div_ceil(pixels.max(1.0) as usize);
    if chunk <= 2 {
        return places;
    }
    let mut kept = Vec::new();
    for neighbours in places.chunks(chunk) {
        let seen = || neighbours.iter().flatten();
        let highest = seen().min_by(|one, other| one.y.total_cmp(&other.y));
        let lowest = seen().max_by(|one, other| one.y.total_cmp(&other.y));
        match (highest, lowest) {
            (Some(one), Some(other)) if one.at <= other.at => {
                kept.extend([Some(*one), Some(*other)]);
            }
            (Some(one), Some(other)) => kept.extend([Some(*other), Some(*one)]),
            _ => kept.push(None),
        }
    }
    kept
}

/// Those places that are seen to differ from the one before them, and the last.
fn moved(places: Vec<Option<Place>>) -> Vec<Option<Place>> {
    let mut kept: Vec<Option<Place>> = Vec::new();
    let last = places.last().copied();
    for place in places.into_iter().flatten() {
        let is_near =
            |before: &Place| (place.x - before.x).abs() < 1.0 && (place.y - before.y).abs() < 1.0;
        if !kept
            .last()
            .copied()
            .flatten()
            .is_some_and(|before| is_near(&before))
        {
            kept.push(Some(place));
        }
    }
    kept.extend(last);
    kept
}

/// The path through the places, with gaps; in steps, if a value holds until the next one.
fn path(places: &[Option<Place>], is_stepped: bool) -> String {
    let mut path = String::new();
    let mut is_down = false;
    for place in places {
        let Some(Place { x, y, .. }) = place else {
            is_down = false;
            continue;
        };
        let _ = match (is_down, is_stepped) {
            (false, _) => write!(path, "M{x:.1} {y:.1}"),
            (true, false) => write!(path, "L{x:.1} {y:.1}"),
            (true, true) => write!(path, "H{x:.1}V{y:.1}"),
        };
        is_down = true;
    }
    path
}

const HEIGHT_PIXELS: f64 = 240.0;
/// The axis's name and the bands' names are above the lines.
const TOP_PIXELS: f64 = 40.0;
/// How far the markers of a line are from each other.
const MARKER_STEP_PIXELS: f64 = 66.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(points: Vec<(f64, Option<f64>)>) -> Lines {
        Lines {
            title: "Tabs".into(),
            name: "tabs".into(),
            unit: Unit::Number,
            spread: Spread::Linear,
            over: Over::Time(Vec::new()),
            lines: vec![Line {
                name: "tabs".into(),
                points,
            }],
        }
    }

    #[test]
    fn a_missing_figure_is_a_gap_and_a_lone_one_a_marker() {
        let figures = [
            Some(1.0),
            Some(2.0),
            None,
            Some(3.0),
            None,
            Some(1.0),
            Some(1.0),
        ];
        let points = (0..).map(f64::from).zip(figures).collect();
        let drawn = lines(points).draw(Width::Narrow).to_string();
        let path = drawn.split(" d=\"").nth(1).unwrap();
        let path = path.split('"').next().unwrap();
        assert_eq!(path.matches('M').count(), 3, "{path}");
        assert_eq!(path.matches('L').count(), 2, "{path}");
        assert!(drawn.contains("tabs at 3 s: 3"), "{drawn}");
    }

    #[test]
    fn a_long_run_is_drawn_with_two_points_a_pixel_and_keeps_its_peak() {
        let points = (0..50_000).map(|second| {
            let figure = if second == 31_234 { 900.0 } else { 10.0 };
            (f64::from(second), Some(figure))
        });
        let drawn = lines(points.collect()).draw(Width::Wide).to_string();
        assert!(drawn.len() < 30_000, "{}", drawn.len());
        let top = format!(" {TOP_PIXELS:.1}");
        let path = drawn.split(" d=\"").nth(1).unwrap();
        assert!(path.split('L').filter(|point| point.contains(&top)).count() == 0);
        let highest = path.split(['L', 'M']).filter_map(|point| {
            let (_, y) = point.split_once(' ')?;
            y.split('"').next()?.parse::<f64>().ok()
        });
        let highest = highest.fold(f64::INFINITY, f64::min);
        assert!(highest < 70.0, "the peak is at {highest}");
    }

    #[test]
    fn what_is_seen_is_also_said() {
        let lines = lines(vec![
            (0.0, Some(10.0)),
            (1.0, Some(2_000.0)),
            (2.0, Some(40.0)),
        ]);
        assert_eq!(
            lines.description(),
            "tabs: from 10 to 2,000, at the end 40."
        );
    }
}
