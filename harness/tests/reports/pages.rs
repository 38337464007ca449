//! The page, read by a parser of XML, with and without hostile texts in it.

use std::collections::HashSet;

use okgate_harness::report::compare::{self, Run, compare};
use okgate_harness::report::html::load_page;
use okgate_harness::results::{Results, Series, Value, Verdict};
use roxmltree::{Document, Node, ParsingOptions};

use super::sample::Sample;

const HOSTILE: &str = "</td></table><script>alert('x')</script><img src=x onerror=alert(1)>\" onload=\"x\" ]]> & &amp; \0\u{8}\u{1b}[31m\u{202e}\u{fffe} javascript:alert(1) <svg onload=x> <style>@import url(http://x/)</style>";

fn with_page(results: &Results, look: impl FnOnce(&Document<'_>, &str)) {
    let html = load_page(results).to_html();
    look(&parse(&html), &html);
}

/// The page is HTML that is XML too, and its only declaration is the one that HTML wants.
fn parse(html: &str) -> Document<'_> {
    let html = html
        .strip_prefix("<!DOCTYPE html>")
        .expect("the page says what it is");
    Document::parse_with_options(html, ParsingOptions::default()).unwrap()
}

fn named<'a, 'input>(
    document: &'a Document<'input>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    document
        .descendants()
        .filter(move |node| node.tag_name().name() == name)
}

fn text(node: Node<'_, '_>) -> String {
    node.descendants()
        .filter_map(|node| node.is_text().then(|| node.text()).flatten())
        .collect()
}

/// The sample with a text in every place that a peer or a file can write to.
fn hostile() -> Results {
    let mut results = Sample::default().results();
    let texts = [
        &mut results.scenario,
        &mut results.description,
        &mut results.begun,
        &mut results.target,
        &mut results.machine.kernel,
        &mut results.machine.processor,
    ];
    for text in texts {
        HOSTILE.clone_into(text);
    }
    for phase in &mut results.phases {
        HOSTILE.clone_into(&mut phase.name);
        HOSTILE.clone_into(&mut phase.kind);
    }
    for measure in &mut results.measures {
        measure.name.push_str(HOSTILE);
        HOSTILE.clone_into(&mut measure.explanation);
        if let Value::Gauge { unit, .. } = &mut measure.value {
            HOSTILE.clone_into(unit);
        }
    }
    let columns = std::mem::take(&mut results.series.columns);
    results.series.columns = columns
        .into_iter()
        .map(|(name, column)| (HOSTILE.to_owned() + &name, column))
        .collect();
    for gate in &mut results.gates {
        gate.threshold = format!("{HOSTILE} < 5 {HOSTILE}");
    }
    for failure in &mut results.failures {
        HOSTILE.clone_into(&mut failure.kind);
        failure.first = HOSTILE.repeat(50);
    }
    results.notes = vec![HOSTILE.to_owned()];
    results
}

fn names_of_elements(results: &Results) -> HashSet<String> {
    let mut names = HashSet::new();
    with_page(results, |page, _| {
        names = page
            .descendants()
            .map(|node| node.tag_name().name().to_owned())
            .collect();
    });
    names
}

#[test]
fn hostile_texts_add_no_element_no_handler_and_no_address() {
    let (tame, hostile) = (Sample::default().results(), hostile());
    assert_eq!(names_of_elements(&hostile), names_of_elements(&tame));
    with_page(&hostile, |page, html| {
        assert!(!html.contains(['\0', '\u{8}', '\u{1b}', '\u{202e}', '\u{fffe}']));
        for node in page.descendants() {
            for attribute in node.attributes() {
                let name = attribute.name();
                assert!(!name.starts_with("on") && name != "style", "{name}");
                if matches!(name, "href" | "src") {
                    assert!(attribute.value().starts_with('#'), "{}", attribute.value());
                }
            }
        }
        let cell = named(page, "code").next().unwrap();
        assert!(
            text(cell).starts_with("</td></table><script>"),
            "{}",
            text(cell)
        );
        assert!(text(cell).chars().count() <= 300);
    });
}

#[test]
fn the_page_needs_no_script_no_other_file_and_no_network() {
    with_page(&Sample::default().results(), |page, html| {
        for name in [
            "script",
            "link",
            "iframe",
            "object",
            "img",
            "image",
            "use",
            "foreignObject",
        ] {
            assert_eq!(named(page, name).count(), 0, "{name}");
        }
        let style = text(named(page, "style").next().unwrap());
        assert!(
            !style.contains("@import") && !style.contains("url("),
            "{style}"
        );
        // In HTML a style sheet is not unescaped as it is in XML, so it must need no escapes.
        assert!(!style.contains(['<', '>', '&']), "{style}");
        let names_of_forms = ["http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"];
        let rest = names_of_forms
            .iter()
            .fold(html.to_owned(), |html, name| html.replace(name, ""));
        assert!(!rest.contains("://"), "the page names an address");
        let policy = named(page, "meta").find_map(|meta| {
            (meta.attribute("http-equiv")? == "Content-Security-Policy")
                .then(|| meta.attribute("content"))?
        });
        assert_eq!(
            policy,
            Some("default-src 'none'; style-src 'unsafe-inline'")
        );
    });
}

#[test]
fn the_page_can_be_heard_as_well_as_seen() {
    with_page(&Sample::default().results(), |page, _| {
        assert_eq!(page.root_element().attribute("lang"), Some("en"));
        assert_eq!(named(page, "main").count(), 1);
        assert_eq!(named(page, "h1").count(), 1);
        let levels = page.descendants().filter_map(|node| {
            let level = node.tag_name().name().strip_prefix('h')?;
            level.parse::<u32>().ok()
        });
        let levels: Vec<u32> = levels.collect();
        assert!(levels.len() > 10 && levels[0] == 1, "{levels:?}");
        assert!(
            levels.windows(2).all(|two| two[1] <= two[0] + 1),
            "{levels:?}"
        );
        for drawing in named(page, "svg") {
            if drawing.attribute("aria-hidden") == Some("true") {
                continue;
            }
            assert_eq!(drawing.attribute("role"), Some("img"));
            let mut children = drawing.children().filter(Node::is_element);
            for name in ["title", "desc"] {
                let child = children.next().unwrap();
                assert_eq!(child.tag_name().name(), name);
                assert!(text(child).len() >= 4, "{name}: {}", text(child));
            }
        }
        for table in named(page, "table") {
            let has = |name: &str| {
                table
                    .descendants()
                    .any(|node| node.tag_name().name() == name)
            };
            assert!(has("caption") && has("thead") && has("tbody"));
            for heading in table
                .descendants()
                .filter(|node| node.tag_name().name() == "th")
            {
                assert!(matches!(heading.attribute("scope"), Some("col" | "row")));
            }
        }
        for figure in named(page, "figure") {
            assert_eq!(
                figure
                    .children()
                    .filter(|node| node.tag_name().name() == "figcaption")
                    .count(),
                1
            );
        }
    });
}

#[test]
fn the_contents_lead_to_every_section() {
    with_page(&Sample::default().results(), |page, _| {
        let ids: Vec<&str> = page
            .descendants()
            .filter_map(|node| node.attribute("id"))
            .collect();
        assert_eq!(
            ids.iter().collect::<HashSet<_>>().len(),
            ids.len(),
            "{ids:?}"
        );
        let links: Vec<_> = named(page, "a")
            .filter_map(|link| link.attribute("href"))
            .collect();
        assert_eq!(links.len(), named(page, "h2").count());
        for link in links {
            assert!(ids.contains(&link.trim_start_matches('#')), "{link}");
        }
    });
}

#[test]
fn lines_in_one_drawing_differ_in_more_than_their_colour() {
    with_page(&Sample::default().results(), |page, _| {
        let mut most = 0;
        for drawing in named(page, "svg") {
            let lines = drawing.descendants().filter(|node| {
                node.tag_name().name() == "path" && node.attribute("stroke").is_some()
            });
            let dashes: Vec<Option<&str>> = lines
                .map(|line| line.attribute("stroke-dasharray"))
                .collect();
            most = most.max(dashes.len());
            assert_eq!(
                dashes.iter().collect::<HashSet<_>>().len(),
                dashes.len(),
                "{dashes:?}"
            );
        }
        assert!(most >= 2, "no drawing has several lines");
    });
}

#[test]
fn everything_that_is_drawn_lies_within_its_drawing() {
    for results in [Sample::default().results(), hostile()] {
        with_page(&results, |page, _| {
            for drawing in named(page, "svg") {
                let Some(size) = drawing.attribute("viewBox") else {
                    continue;
                };
                let size: Vec<f64> = size.split(' ').map(|part| part.parse().unwrap()).collect();
                for node in drawing.descendants() {
                    for (names, most) in
                        [(["x", "x1", "x2"], size[2]), (["y", "y1", "y2"], size[3])]
                    {
                        for name in names {
                            let Some(at) = node.attribute(name) else {
                                continue;
                            };
                            let at: f64 = at.parse().unwrap();
                            assert!((0.0..=most).contains(&at), "{name}={at} of {most}");
                        }
                    }
                }
            }
        });
    }
}

#[test]
fn a_failed_gate_is_told_by_words_and_a_sign_and_a_missing_figure_too() {
    with_page(&Sample::default().results(), |page, _| {
        let verdict = named(page, "p")
            .find(|p| p.attribute("class") == Some("verdict bad"))
            .unwrap();
        assert_eq!(text(verdict), "✗ FAILED, 3 of 5 gates did not hold");
        let gates = named(page, "table").next().unwrap();
        let rows = gates
            .descendants()
            .filter(|node| node.tag_name().name() == "tr")
            .skip(1);
        let rows: Vec<Vec<String>> = rows
            .map(|row| row.children().filter(Node::is_element).map(text).collect())
            .collect();
        assert_eq!(
            rows[1],
            [
                "p99 of ring_to_popup in rush < 25 ms",
                "61.3 ms",
                "✗ FAILED"
            ]
        );
        assert_eq!(rows[3], ["requests_per_s > 1000", "2,512", "✓ held"]);
        assert_eq!(
            rows[4],
            ["server_rss_per_tab < 2 KiB", "not measured", "✗ FAILED"]
        );
    });
}

#[test]
fn an_empty_run_and_one_of_many_methods_still_make_pages() {
    let mut empty = Sample::default().results();
    empty.phases.clear();
    empty.measures.clear();
    empty.series = Series::default();
    empty.gates.clear();
    empty.failures.clear();
    empty.notes.clear();
    empty.verdict = Verdict::Passed;
    with_page(&empty, |page, html| {
        assert_eq!(named(page, "figure").count(), 0);
        assert!(html.contains("passed (it has no gates)"));
    });
    let methods: Vec<&'static str> = vec![
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r",
    ];
    let many = Sample {
        methods,
        per_second: 20,
        ..Sample::default()
    };
    with_page(&many.results(), |page, html| {
        assert_eq!(named(page, "h3").count(), 12);
        assert!(html.contains("Not drawn, since they are many: "));
        assert!(html.len() < 2_000_000, "{} bytes", html.len());
    });
}

#[test]
fn a_comparisons_page_is_as_well_formed_as_a_runs() {
    let run = |name: &str, results| Run {
        name: name.to_owned(),
        results,
    };
    let slower = Sample {
        slower: 1.3,
        ..Sample::default()
    };
    let runs = [
        run("before.json", Sample::default().results()),
        run(HOSTILE, slower.results()),
    ];
    let html = compare::page(&compare(&runs, false).unwrap()).to_html();
    let page = parse(&html);
    let names = named(&page, "script").count() + named(&page, "img").count();
    assert_eq!(names, 0);
    assert!(named(&page, "svg").count() >= 2);
    let cells: Vec<String> = named(&page, "td").map(text).collect();
    assert!(cells.iter().any(|cell| cell == "✗ worse"), "{cells:?}");
}
