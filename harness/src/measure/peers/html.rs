//! Owns the page of a comparison: one file with everything in it, for a screen or for paper. It needs no script and loads nothing.
//!
//! Every bar bears its name and its figure in words, and differs from others by its pattern, so that no meaning hangs on a colour.

use std::fmt::Write as _;

use super::super::statistics::Summary;
use super::super::table::shown;
use super::comparison::{Comparison, ECHO, Entry, Figure, OKGATE, Wanted};

pub(super) fn page(comparison: &Comparison) -> String {
    let title = escaped(&comparison.title);
    let servers = items(comparison.servers.iter().map(|server| {
        format!(
            "<b>{}</b>: {}",
            escaped(&server.name),
            escaped(&server.description)
        )
    }));
    let targets: String = comparison.targets.iter().map(target).collect();
    let figures: String = comparison.figures.iter().map(figure).collect();
    let notes = items(comparison.notes.iter().map(|note| escaped(note)));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n{PATTERNS}\n<h1>{title}</h1>\n<ul>\n{servers}</ul>\n\
         <h2>What okgate has to reach</h2>\n<table>\n<thead><tr><th>verdict</th><th>found</th><th>wanted</th></tr></thead>\n\
         <tbody>\n{targets}</tbody>\n</table>\n\
         <h2>Figures</h2>\n<p>{LEGEND}</p>\n{figures}\
         <h2>How this was measured</h2>\n<ul>\n{notes}</ul>\n</body>\n</html>\n"
    )
}

fn items(texts: impl Iterator<Item = String>) -> String {
    let item = |mut items: String, text: String| {
        items += "<li>";
        items += &text;
        items + "</li>\n"
    };
    texts.fold(String::new(), item)
}

fn target(wanted: &Wanted) -> String {
    let (class, mark) = if wanted.is_met {
        ("met", "✓")
    } else {
        ("missed", "✗")
    };
    format!(
        "<tr class=\"{class}\"><td class=\"number\">{mark} {}</td><td class=\"number\">{}</td><td>{}</td></tr>\n",
        wanted.verdict(),
        shown(wanted.found.as_ref()),
        escaped(&wanted.what)
    )
}

/// The bars of one figure, and below them its numbers.
fn figure(figure: &Figure) -> String {
    let rows: String = figure.entries.iter().map(row).collect();
    format!(
        "<section>\n<h3>{} <small>{}</small></h3>\n{}\n<table>\n<thead><tr><th>server</th><th>{}</th><th>by {OKGATE}</th>\
         <th>by {ECHO}</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</section>\n",
        escaped(&figure.name),
        escaped(&figure.unit_and_way()),
        bars(figure),
        escaped(figure.unit),
    )
}

fn row(entry: &Entry) -> String {
    let cell = |summary: &Option<Summary>| {
        format!("<td class=\"number\">{}</td>", shown(summary.as_ref()))
    };
    format!(
        "<tr><td>{}</td>{}{}{}</tr>\n",
        escaped(&entry.server),
        cell(&entry.figure),
        cell(&entry.by_okgate),
        cell(&entry.by_echo)
    )
}

fn bars(figure: &Figure) -> String {
    let measured = || {
        let entries = figure.entries.iter();
        entries.filter_map(|entry| Some((entry, entry.figure.as_ref()?)))
    };
    let highest = measured().map(|(_, summary)| summary.high);
    let highest = highest.fold(0.0, f64::max);
    if highest <= 0.0 {
        return String::new();
    }
    let count = u32::try_from(measured().count()).unwrap_or(u32::MAX);
    let height = f64::from(count) * BAR_STEP + 4.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n",
        escaped(&format!("{}, in {}", figure.name, figure.unit))
    );
    for (place, (entry, summary)) in (0..count).zip(measured()) {
        let top = f64::from(place) * BAR_STEP;
        append_bar(&mut svg, top, entry, summary, BARS_WIDTH / highest);
    }
    svg.push_str("</svg>");
    svg
}

/// One bar with its name before it, and its figure and its interval on it.
fn append_bar(svg: &mut String, top: f64, entry: &Entry, summary: &Summary, scale: f64) {
    let middle = top + BAR_STEP / 2.0;
    let at = |value: f64| BARS_LEFT + value * scale;
    let (low, high) = (at(summary.low), at(summary.high));
    let (tick_top, tick_bottom) = (middle - 4.0, middle + 4.0);
    let label = match entry.by_okgate.as_ref() {
        Some(ratio) => format!("{} · {:.2} ×", shown(Some(summary)), ratio.median),
        None => shown(Some(summary)),
    };
    // Writing to a string cannot fail.
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
         <rect x=\"{BARS_LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" class=\"{}\"/>\n\
         <path d=\"M{low:.1} {tick_top:.1}V{tick_bottom:.1}M{high:.1} {tick_top:.1}V{tick_bottom:.1}M{low:.1} {middle:.1}H{high:.1}\" class=\"halo\"/>\n\
         <path d=\"M{low:.1} {tick_top:.1}V{tick_bottom:.1}M{high:.1} {tick_top:.1}V{tick_bottom:.1}M{low:.1} {middle:.1}H{high:.1}\" class=\"interval\"/>\n\
         <text x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
        BARS_LEFT - 8.0,
        middle + 4.0,
        escaped(&entry.server),
        top + 4.0,
        (at(summary.median) - BARS_LEFT).max(0.5),
        BAR_STEP - 8.0,
        kind(&entry.server),
        high + 8.0,
        middle + 4.0,
        escaped(&label)
    );
}

/// How a server's bar is filled.
fn kind(server: &str) -> &'static str {
    match server {
        ECHO => "echo",
        _ if server.starts_with(OKGATE) => "okgate",
        _ => "peer",
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

const WIDTH: f64 = 760.0;
/// Where bars begin, behind the names.
const BARS_LEFT: f64 = 170.0;
/// How long the longest is; its figure stands behind it.
const BARS_WIDTH: f64 = 370.0;
/// From one bar to the next.
const BAR_STEP: f64 = 26.0;
const LEGEND: &str = "A bar is the median of all turns, the line with two ends on it the interval that holds the median in 95 of \
    100 cases; behind it stands the figure, and how many times okgate's it is. okgate is filled, the bare echo, which is the limit, \
    is dotted, the peers are hatched.";
const PATTERNS: &str = r##"<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>
<pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse"><rect width="6" height="6" fill="#fff"/><circle cx="3" cy="3" r="1.3" fill="#333"/></pattern>
<pattern id="lines" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" fill="#fdeccf"/><rect width="1.2" height="6" fill="#d07a1c"/></pattern>
</defs></svg>"##;
const STYLE: &str = "\
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, sans-serif; color: #111; background: #fff; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { margin-top: 2rem; } h3 { margin-bottom: .3rem; } small { color: #444; font-weight: normal; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .15rem .8rem .15rem 0; border-bottom: 1px solid #bbb; vertical-align: top; }
.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.missed td { font-weight: bold; }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; fill: #111; }
rect[class] { stroke: #222; stroke-width: .8; }
.okgate { fill: #0059a8; } .echo { fill: url(#dots); } .peer { fill: url(#lines); }
.interval { fill: none; stroke: #000; stroke-width: 1.6; } .halo { fill: none; stroke: #fff; stroke-width: 4; }
@media print {
  body { margin: 0; max-width: none; font-size: 11px; }
  section, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
  rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
";

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison() -> Comparison {
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
        comparison
    }

    #[test]
    fn the_page_is_well_formed_and_says_everything_in_words() {
        let page = page(&comparison());
        // XML is stricter than what a browser takes.
        let document = page.replacen("<!DOCTYPE html>\n", "", 1);
        let closed = document
            .replace("<meta charset=\"utf-8\">", "")
            .replace("initial-scale=1\">", "initial-scale=1\"/>");
        let document = roxmltree::Document::parse(&closed).unwrap();
        let bars = |class: &str| {
            let nodes = document.descendants();
            nodes
                .filter(|node| node.has_tag_name("rect") && node.attribute("class") == Some(class))
                .count()
        };
        assert_eq!((bars("okgate"), bars("echo"), bars("peer")), (1, 1, 1));
        let texts: Vec<&str> = document
            .descendants()
            .filter_map(|node| node.text())
            .collect();
        for wanted in [
            "42.0 [40.0, 44.0] · 3.82 ×",
            "✗ MISSED",
            "on <one> core",
            "okgate & <others>",
        ] {
            assert!(texts.iter().any(|text| text.contains(wanted)), "{wanted}");
        }
    }

    #[test]
    fn the_page_loads_nothing_and_runs_nothing() {
        let page = page(&comparison());
        for foreign in [
            "http:", "https:", "src=", "href=", "@import", "<script", "url(\"",
        ] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn bars_are_as_long_as_their_medians() {
        let page = page(&comparison());
        let width = |class: &str| -> f64 {
            let line = page
                .lines()
                .find(|line| line.contains(&format!("class=\"{class}\"/>")));
            let width = line.unwrap().split("width=\"").nth(1).unwrap();
            width.split('"').next().unwrap().parse().unwrap()
        };
        assert!((width("peer") / width("okgate") - 42.0 / 11.0).abs() < 0.01);
        assert!(width("peer") < BARS_WIDTH);
    }
}
