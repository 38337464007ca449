//! Owns tables of a page.

use crate::report::markup::Element;

/// A table with a line of headings; each row begins with its own heading.
#[derive(Debug, Clone)]
pub struct Table {
    caption: String,
    headings: Vec<(String, bool)>,
    rows: Vec<Vec<Cell>>,
}

/// What stands in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// An amount, set to the right.
    Number(String),
    /// What a program said, as it said it.
    Code(String),
    /// A judgement.
    Judgement(Tone, String),
}

/// What a judgement means. It is told by a sign and by words, never by a colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As wanted.
    Good,
    /// Not as wanted.
    Bad,
    /// Neither.
    Neutral,
}

impl Table {
    /// With this caption and these headings; those that begin with `>` stand over amounts.
    pub fn new(caption: impl Into<String>, headings: &[&str]) -> Self {
        let heading = |name: &&str| {
            let is_amount = name.starts_with('>');
            (name.trim_start_matches('>').to_owned(), is_amount)
        };
        Self {
            caption: caption.into(),
            headings: headings.iter().map(heading).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// In a frame that can be moved from side to side where the table is wider than the screen.
    pub(super) fn element(&self) -> Element {
        let headings = self.headings.iter().map(|(name, is_amount)| {
            let heading = Element::new("th").with("scope", "col");
            let class = if *is_amount { "amount" } else { "words" };
            heading.with("class", class).text(name)
        });
        let head = Element::new("thead").child(Element::new("tr").children(headings));
        let body = Element::new("tbody").children(self.rows.iter().map(|row| row_element(row)));
        let table = Element::new("table")
            .child(Element::of_text("caption", &self.caption))
            .child(head)
            .child(body);
        Element::new("div")
            .with("class", "frame")
            .with("role", "region")
            .with("aria-label", &self.caption)
            .with("tabindex", "0")
            .child(table)
    }
}

impl Tone {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Bad => "✗",
            Self::Neutral => "–",
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Neutral => "neutral",
        }
    }
}

impl Cell {
    fn fill(&self, cell: Element) -> Element {
        match self {
            Self::Text(text) => cell.text(text),
            Self::Number(text) => cell.with("class", "amount").text(text),
            Self::Code(text) => cell.child(Element::of_text("code", text)),
            Self::Judgement(tone, words) => {
                let text = format!("{} {words}", tone.sign());
                cell.with("class", tone.class()).text(text)
            }
        }
    }
}

fn row_element(row: &[Cell]) -> Element {
    let cells = row.iter().enumerate().map(|(column, cell)| match column {
        0 => cell.fill(Element::new("th").with("scope", "row")),
        _ => cell.fill(Element::new("td")),
    });
    Element::new("tr").children(cells)
}
