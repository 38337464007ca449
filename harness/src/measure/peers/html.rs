//! Owns the page of a comparison: what the gateway has to reach, each figure drawn and in numbers, how it was measured.
//!
//! Every figure stands there in words too, and the servers' marks differ in their form, so that no meaning hangs on a colour.

use super::super::table::shown;
use super::comparison::{Comparison, ECHO, Entry, Figure, OKGATE, Wanted};
use crate::report::html::{Cell, Intervals, Page, Row, Section, Spread, Table, Tone};
use crate::report::units::Unit;

pub(super) fn page(comparison: &Comparison) -> Page {
    let mut page = Page::new(&comparison.title);
    for server in &comparison.servers {
        page.fact(&server.name, &server.description);
    }
    page.section(targets(&comparison.targets));
    let mut figures = Section::new("Figures");
    figures.paragraph(LEGEND);
    for figure in &comparison.figures {
        figures.section(section(figure));
    }
    page.section(figures);
    let mut notes = Section::new("How this was measured");
    notes.list(comparison.notes.iter().cloned());
    page.section(notes);
    page
}

fn targets(targets: &[Wanted]) -> Section {
    let headings = ["Wanted", ">Found", "Verdict"];
    let mut table = Table::new("What was wanted, and what was found", &headings);
    for wanted in targets {
        let tone = if wanted.is_met { Tone::Good } else { Tone::Bad };
        table.row([
            Cell::Text(wanted.what.clone()),
            Cell::Number(shown(wanted.found.as_ref())),
            Cell::Judgement(tone, wanted.verdict().to_owned()),
        ]);
    }
    let mut section = Section::new(format!("What {OKGATE} has to reach"));
    section.table(&table);
    section
}

/// The drawing of one figure, and below it its numbers.
fn section(figure: &Figure) -> Section {
    let mut section = Section::new(&figure.name);
    let rows: Vec<Row> = figure.entries.iter().filter_map(row).collect();
    if !rows.is_empty() {
        section.figure(&Intervals {
            title: figure.unit_and_way(),
            name: "median".into(),
            // Not in steps of it: the words beside the marks are in the figure's own unit.
            unit: Unit::Other(figure.unit.to_owned()),
            spread: Spread::Linear,
            reference: None,
            marks: SERIES.map(str::to_owned).into(),
            rows,
        });
    }
    section.table(&table(figure));
    section
}

fn row(entry: &Entry) -> Option<Row> {
    let summary = entry.figure.as_ref()?;
    let figure = shown(Some(summary));
    Some(Row {
        name: entry.server.clone(),
        bar: Some((summary.low, summary.high)),
        marks: vec![(summary.median, series(&entry.server))],
        words: match &entry.by_okgate {
            Some(ratio) => format!("{figure} · {:.2} ×", ratio.median),
            None => figure,
        },
    })
}

fn table(figure: &Figure) -> Table {
    let own = format!(">{}", figure.unit);
    let by = [OKGATE, ECHO].map(|server| format!(">by {server}"));
    let headings: [&str; 4] = ["Server", &own, &by[0], &by[1]];
    let mut table = Table::new(format!("{} in numbers", figure.name), &headings);
    for entry in &figure.entries {
        let summaries = [&entry.figure, &entry.by_okgate, &entry.by_echo];
        let numbers = summaries.map(|summary| Cell::Number(shown(summary.as_ref())));
        let server = Cell::Text(entry.server.clone());
        table.row([server].into_iter().chain(numbers));
    }
    table
}

/// The place of a server's mark among [`SERIES`].
fn series(server: &str) -> usize {
    match server {
        ECHO => 1,
        _ if server.starts_with(OKGATE) => 0,
        _ => 2,
    }
}

const SERIES: [&str; 3] = [OKGATE, ECHO, "peers"];
const LEGEND: &str = "A mark is the median of all turns, the bar around it the interval that holds the median in 95 of 100 cases; \
    behind it stands the figure, and how many times okgate's it is. The bare echo is the limit.";

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::*;

    fn html() -> String {
        let mut comparison = Comparison::new("okgate & <others>");
        comparison.server(OKGATE, "okgate 0.1.0");
        comparison.server("peer", "a \"peer\"");
        let turns: [(&str, &[f64]); 3] = [
            (OKGATE, &[10.0, 12.0, 11.0]),
            (ECHO, &[9.0, 9.0, 9.0]),
            ("peer", &[40.0, 44.0, 42.0]),
        ];
        comparison.less_is_better("ping", "µs", &turns);
        comparison.less_is_better("nothing", "µs", &[(OKGATE, &[]), ("peer", &[])]);
        comparison.wants_at_most("ping", 10.0);
        comparison.note("on <one> core");
        page(&comparison).to_html()
    }

    fn parse(html: &str) -> Document<'_> {
        Document::parse(html.trim_start_matches("<!DOCTYPE html>\n")).unwrap()
    }

    #[test]
    fn the_page_is_well_formed_and_says_everything_in_words() {
        let html = html();
        let document = parse(&html);
        let texts: Vec<&str> = document
            .descendants()
            .filter_map(|node| node.text())
            .collect();
        for wanted in [
            "42.0 [40.0, 44.0] · 3.82 ×",
            "✗ MISSED",
            "on <one> core",
            "okgate & <others>",
            "a \"peer\"",
            "µs, less is better",
        ] {
            assert!(texts.iter().any(|text| text.contains(wanted)), "{wanted}");
        }
    }

    #[test]
    fn the_page_loads_nothing_and_runs_nothing() {
        let html = html();
        for foreign in ["src=", "@import", "<script", "url(\""] {
            assert!(!html.contains(foreign), "{foreign}");
        }
        for node in parse(&html).descendants() {
            for attribute in node.attributes() {
                let leads_away = attribute.value().contains("http:")
                    || attribute.value().contains("https:")
                    || (attribute.name() == "href" && !attribute.value().starts_with('#'));
                assert!(!leads_away, "{}", attribute.value());
            }
        }
    }

    #[test]
    fn each_server_has_a_mark_of_its_kind_as_far_from_zero_as_its_median() {
        let html = html();
        let document = parse(&html);
        let is_drawing = |node: &Node<'_, '_>| node.attribute("role") == Some("img");
        let drawing = document.descendants().find(is_drawing).unwrap();
        let places = |name: &str, class: &str, attribute: &str| -> Vec<f64> {
            let nodes = drawing.descendants().filter(|node| {
                node.tag_name().name() == name && node.attribute("class") == Some(class)
            });
            let places = nodes.map(|node| {
                let place = node.attribute(attribute).unwrap();
                let place = place.trim_start_matches('M').split(' ').next().unwrap();
                place.parse().unwrap()
            });
            places.collect()
        };
        let view = drawing.attribute("viewBox").unwrap();
        let width: f64 = view.split(' ').nth(2).unwrap().parse().unwrap();
        let zero = places("line", "grid", "x1")[0];
        let [own, echo, peer] = ["a0", "a1", "a2"].map(|class| places("path", class, "d"));
        assert_eq!((own.len(), echo.len(), peer.len()), (1, 1, 1));
        // The path of a round mark begins at its left, that of a triangle in its middle.
        let (own, peer) = (own[0] + 3.5 - zero, peer[0] - zero);
        assert!((peer / own - 42.0 / 11.0).abs() < 0.01, "{peer} {own}");
        assert!(zero + peer < width, "{peer} {width}");
    }
}
