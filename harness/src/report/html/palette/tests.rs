//! The colours are looked at as people with each kind of colour blindness see them.

use super::*;

const GOOD: Paper = PAPER[5];
const BAD: Paper = PAPER[6];

type Colour = [f64; 3];

#[test]
fn text_and_lines_stand_out_from_the_page() {
    for (kind, of) in SCREENS {
        let background = of(&BACKGROUND);
        for paper in [INK, PALE_INK, GOOD, BAD] {
            let contrast = contrast(of(&paper), background);
            assert!(contrast >= 4.5, "{} on {kind}: {contrast:.1}", paper.name);
        }
        let band = of(&BAND);
        for paper in [INK, PALE_INK] {
            let contrast = contrast(of(&paper), band);
            assert!(
                contrast >= 4.5,
                "{} on a band, {kind}: {contrast:.1}",
                paper.name
            );
        }
    }
    for look in &LOOKS {
        for (colour, background) in [
            (look.light, BACKGROUND.light),
            (look.light, BAND.light),
            (look.dark, BACKGROUND.dark),
            (look.dark, BAND.dark),
        ] {
            let contrast = contrast(colour, background);
            assert!(contrast >= 3.0, "{colour} on {background}: {contrast:.1}");
        }
    }
}

#[test]
fn every_two_series_differ_for_everybody_who_sees_colours_in_another_way() {
    for colours in [LOOKS.map(|look| look.light), LOOKS.map(|look| look.dark)] {
        for (sight, matrix) in SIGHTS {
            for (place, one) in colours.iter().enumerate() {
                for other in &colours[place + 1..] {
                    let distance = distance(seen(one, &matrix), seen(other, &matrix));
                    assert!(
                        distance >= 20.0,
                        "{one} and {other}, {sight}: {distance:.0}"
                    );
                }
            }
        }
    }
}

#[test]
fn good_and_bad_differ_without_their_words_too() {
    for colours in [[GOOD.light, BAD.light], [GOOD.dark, BAD.dark]] {
        for (sight, matrix) in SIGHTS {
            let [good, bad] = colours.map(|colour| seen(colour, &matrix));
            assert!(distance(good, bad) >= 15.0, "{colours:?}, {sight}");
        }
    }
}

#[test]
fn no_two_series_have_the_same_dashes_or_the_same_marker() {
    for (place, look) in LOOKS.iter().enumerate() {
        for (other, other_look) in LOOKS.iter().enumerate().skip(place + 1) {
            assert_ne!(look.dashes, other_look.dashes);
            let shapes = [place, other].map(|series| {
                let written = marker(series, 0.0, 0.0).to_string();
                written.split_once(" d=").map(|(_, shape)| shape.to_owned())
            });
            assert_ne!(shapes[0], shapes[1]);
        }
    }
}

/// Relative luminance and contrast as the guidelines for accessible content (WCAG 2.2) have them.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |colour: &str| {
        let [red, green, blue] = linear(colour);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn linear(colour: &str) -> Colour {
    [1, 3, 5].map(|at| {
        let part = u8::from_str_radix(&colour[at..at + 2], 16).unwrap();
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    })
}

fn seen(colour: &str, matrix: &[Colour; 3]) -> Colour {
    let colour = linear(colour);
    let parts = matrix.map(|row| {
        row.iter()
            .zip(colour)
            .map(|(by, part)| by * part)
            .sum::<f64>()
    });
    lab(parts.map(|part| part.clamp(0.0, 1.0)))
}

/// The place in the space of CIE 1976 in which distances are those that people see.
fn lab([red, green, blue]: Colour) -> Colour {
    let curve = |part: f64| {
        if part > 0.008_856 {
            part.cbrt()
        } else {
            7.787 * part + 16.0 / 116.0
        }
    };
    let x = curve((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505);
    let y = curve(0.2126 * red + 0.7152 * green + 0.0722 * blue);
    let z = curve((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

fn distance(one: Colour, other: Colour) -> f64 {
    let squares = one
        .iter()
        .zip(other)
        .map(|(one, other)| (one - other).powi(2));
    squares.sum::<f64>().sqrt()
}

type OfPaper = fn(&Paper) -> &'static str;
const SCREENS: [(&str, OfPaper); 2] = [
    ("white", |paper| paper.light),
    ("a dark screen", |paper| paper.dark),
];
/// How colours are seen by people who lack one kind of cones, in linear light (Machado, Oliveira and Fernandes 2009).
const SIGHTS: [(&str, [Colour; 3]); 4] = [
    (
        "all colours",
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    ),
    (
        "no red",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "no green",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "no blue",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];
