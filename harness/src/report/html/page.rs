//! Owns the page: its head, its sections in their order, and the style sheet that it carries.

use super::palette;
use super::svg::{Drawing, Width};
use super::table::{Table, Tone};
use crate::report::markup::Element;

/// A page.
#[derive(Debug, Clone)]
pub struct Page {
    title: String,
    verdict: Option<(Tone, String)>,
    introduction: String,
    facts: Vec<(String, String)>,
    sections: Vec<Section>,
}

/// A part of a page with a heading.
#[derive(Debug, Clone)]
pub struct Section {
    heading: String,
    parts: Vec<Element>,
    below: Vec<Section>,
}

impl Page {
    /// With this title.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            verdict: None,
            introduction: String::new(),
            facts: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// With what came of it, in a line that is seen first.
    #[must_use]
    pub fn verdict(mut self, tone: Tone, words: impl Into<String>) -> Self {
        self.verdict = Some((tone, words.into()));
        self
    }

    /// With what it is about.
    #[must_use]
    pub fn introduction(mut self, text: impl Into<String>) -> Self {
        self.introduction = text.into();
        self
    }

    /// Adds what is to be known of the circumstances.
    pub fn fact(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.facts.push((name.into(), value.into()));
    }

    /// Adds a section, unless nothing is in it.
    pub fn section(&mut self, section: Section) {
        if !section.is_empty() {
            self.sections.push(section);
        }
    }

    /// The file.
    pub fn to_html(&self) -> String {
        let html = Element::new("html")
            .with("lang", "en")
            .with("xmlns", "http://www.w3.org/1999/xhtml")
            .child(self.head())
            .child(Element::new("body").child(self.main()));
        format!("<!DOCTYPE html>\n{html}\n")
    }

    fn head(&self) -> Element {
        let meta = |name, content| {
            let meta = Element::new("meta");
            meta.with("name", name).with("content", content)
        };
        let policy = Element::new("meta")
            .with("http-equiv", "Content-Security-Policy")
            .with("content", "default-src 'none'; style-src 'unsafe-inline'");
        let style = format!("{}{}", palette::style(), include_str!("style.css"));
        Element::new("head")
            .child(Element::new("meta").with("charset", "utf-8"))
            .child(policy)
            .child(meta("viewport", "width=device-width, initial-scale=1"))
            .child(meta("color-scheme", "light dark"))
            .child(Element::of_text("title", &self.title))
            .child(Element::of_text("style", style))
    }

    fn main(&self) -> Element {
        let mut main = Element::new("main").child(Element::of_text("h1", &self.title));
        if let Some((tone, words)) = &self.verdict {
            let class = format!("verdict {}", tone.class());
            let words = format!("{} {words}", tone.sign());
            main.push(Element::new("p").with("class", class).text(words));
        }
        if !self.introduction.is_empty() {
            main.push(Element::of_text("p", &self.introduction));
        }
        if !self.facts.is_empty() {
            let facts = self.facts.iter().map(|(name, value)| {
                let fact = Element::new("div").child(Element::of_text("dt", name));
                fact.child(Element::of_text("dd", value))
            });
            main.push(Element::new("dl").children(facts));
        }
        if self.sections.len() > 2 {
            main.push(self.contents());
        }
        let sections = self.sections.iter().enumerate();
        main.children(sections.map(|(place, section)| {
            let id = format!("part-{}", place + 1);
            section.element("h2").with("id", id)
        }))
    }

    fn contents(&self) -> Element {
        let lines = self.sections.iter().enumerate().map(|(place, section)| {
            let link = Element::of_text("a", &section.heading);
            let link = link.with("href", format_args!("#part-{}", place + 1));
            Element::new("li").child(link)
        });
        Element::new("nav")
            .with("aria-label", "Contents")
            .child(Element::new("ul").children(lines))
    }
}

impl Section {
    /// With this heading.
    pub fn new(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            parts: Vec::new(),
            below: Vec::new(),
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.below.is_empty()
    }

    /// Adds a paragraph.
    pub fn paragraph(&mut self, text: impl Into<String>) {
        self.parts.push(Element::of_text("p", text));
    }

    /// Adds lines that belong together.
    pub fn list(&mut self, lines: impl IntoIterator<Item = String>) {
        let lines = lines.into_iter().map(|line| Element::of_text("li", line));
        let list = Element::new("ul").children(lines);
        if !list.is_empty() {
            self.parts.push(list);
        }
    }

    /// Adds a table, unless it has no rows.
    pub fn table(&mut self, table: &Table) {
        if !table.is_empty() {
            self.parts.push(table.element());
        }
    }

    /// Adds a drawing as wide as the page, in a second form for narrow screens.
    pub fn figure(&mut self, drawing: &dyn Drawing) {
        // Without the style sheet the narrow one stays hidden.
        let wide = Element::new("div")
            .with("class", "wide")
            .child(drawing.draw(Width::Wide));
        let narrow = Element::new("div")
            .with("class", "narrow")
            .with("hidden", "hidden");
        let narrow = narrow.child(drawing.draw(Width::Narrow));
        self.parts.push(figure(drawing).child(wide).child(narrow));
    }

    /// Adds narrow drawings, two beside each other where there is room.
    pub fn figures<'d>(&mut self, drawings: impl IntoIterator<Item = &'d dyn Drawing>) {
        let drawings = drawings.into_iter();
        let drawings = drawings.map(|drawing| figure(drawing).child(drawing.draw(Width::Narrow)));
        self.parts
            .push(Element::new("div").with("class", "pair").children(drawings));
    }

    /// Adds a section below this one, unless nothing is in it.
    pub fn section(&mut self, section: Self) {
        if !section.is_empty() {
            self.below.push(section);
        }
    }

    fn element(&self, heading: &'static str) -> Element {
        let next = if heading == "h2" { "h3" } else { "h4" };
        Element::new("section")
            .child(Element::of_text(heading, &self.heading))
            .children(self.parts.iter().cloned())
            .children(self.below.iter().map(|section| section.element(next)))
    }
}

/// The caption and the legend of a drawing.
fn figure(drawing: &dyn Drawing) -> Element {
    let figure = Element::new("figure").child(Element::of_text("figcaption", drawing.title()));
    let legend = drawing.legend();
    if legend.is_empty() {
        return figure;
    }
    let lines = legend.into_iter().map(|(series, name)| {
        let sample = Element::new("svg")
            .with("xmlns", "http://www.w3.org/2000/svg")
            .with("aria-hidden", "true")
            .with("width", "38")
            .with("height", "12")
            .child(palette::stroke(series, "M1 6H37"))
            .child(palette::marker(series, 19.0, 6.0));
        Element::new("li").child(sample).text(name)
    });
    figure.child(Element::new("ul").with("class", "legend").children(lines))
}
