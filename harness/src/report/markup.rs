//! Owns elements of XML, and of HTML that is XML as well, as a tree that can only be written well-formed.
//!
//! Names come from the code, texts and attributes' values from anywhere: they are escaped when the tree is written, and what XML
//! cannot hold is replaced as [`super::text`] says.

use std::fmt::{self, Display, Formatter};

use super::text;

/// An element with its attributes and what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Element(Element),
    Text(String),
}

impl Element {
    /// An empty one.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            attributes: Vec::new(),
            children: Vec::new(),
        }
    }

    /// One with this text in it.
    pub fn of_text(name: &'static str, text: impl Into<String>) -> Self {
        Self::new(name).text(text)
    }

    /// With one more attribute.
    #[must_use]
    pub fn with(mut self, attribute: &'static str, value: impl Display) -> Self {
        self.attributes.push((attribute, value.to_string()));
        self
    }

    /// With more text at its end.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.children.push(Node::Text(text.into()));
        self
    }

    /// With one more element at its end.
    #[must_use]
    pub fn child(mut self, child: Self) -> Self {
        self.push(child);
        self
    }

    /// With more elements at its end.
    #[must_use]
    pub fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        for child in children {
            self.push(child);
        }
        self
    }

    /// Puts one more element at its end.
    pub fn push(&mut self, child: Self) {
        self.children.push(Node::Element(child));
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// Lines are broken only where white space means nothing: between elements that have no text beside them.
    fn write(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "<{}", self.name)?;
        for (name, value) in &self.attributes {
            write!(formatter, " {name}=\"")?;
            escape(formatter, value, true)?;
            formatter.write_str("\"")?;
        }
        if self.is_empty() && CLOSED_AT_ONCE.contains(&self.name) {
            return formatter.write_str("/>");
        }
        formatter.write_str(">")?;
        let is_broken = BROKEN.contains(&self.name);
        for child in &self.children {
            if is_broken {
                formatter.write_str("\n")?;
            }
            match child {
                Node::Element(element) => element.write(formatter)?,
                Node::Text(text) => escape(formatter, text, false)?,
            }
        }
        if is_broken && !self.is_empty() {
            formatter.write_str("\n")?;
        }
        write!(formatter, "</{}>", self.name)
    }
}

impl Display for Element {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.write(formatter)
    }
}

fn escape(formatter: &mut Formatter<'_>, text: &str, is_attribute: bool) -> fmt::Result {
    let text = text::lines(text);
    let mut rest = &*text;
    while let Some(place) = rest.find(['&', '<', '>', '"', '\n', '\t']) {
        let (before, special) = rest.split_at(place);
        formatter.write_str(before)?;
        formatter.write_str(match special.as_bytes()[0] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' if is_attribute => "&quot;",
            b'\n' if is_attribute => "&#10;",
            b'\t' if is_attribute => "&#9;",
            _ => &special[..1],
        })?;
        rest = &special[1..];
    }
    formatter.write_str(rest)
}

/// Elements that HTML wants without an end, and SVG's shapes. All others have an end even when they are empty.
const CLOSED_AT_ONCE: [&str; 9] = [
    "br", "circle", "col", "hr", "line", "meta", "path", "rect", "use",
];
/// Elements in which each child has a line of its own.
const BROKEN: [&str; 18] = [
    "body",
    "dl",
    "figure",
    "g",
    "head",
    "html",
    "main",
    "nav",
    "ol",
    "section",
    "svg",
    "table",
    "tbody",
    "testcase",
    "testsuite",
    "testsuites",
    "thead",
    "ul",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_read_back_by_a_parser_of_xml() {
        let hostile = "</td><script>alert(1)</script>]]>&amp;\"'\t\n\r\0\u{1b}\u{202e}\u{ffff}";
        let element = Element::new("td")
            .with("title", hostile)
            .child(Element::new("br"))
            .text(hostile);
        let written = element.to_string();
        let document = roxmltree::Document::parse(&written).unwrap();
        let root = document.root_element();
        let seen = "</td><script>alert(1)</script>]]>&amp;\"'\t\n\n␀␛\u{fffd}\u{fffd}".to_owned();
        assert_eq!(root.attribute("title"), Some(&*seen));
        assert_eq!(root.last_child().unwrap().text(), Some(&*seen));
        assert_eq!(
            root.children().filter(roxmltree::Node::is_element).count(),
            1
        );
    }

    #[test]
    fn empty_elements_end_as_html_wants_it() {
        let row = Element::new("tr").children([Element::new("td"), Element::new("br")]);
        assert_eq!(row.to_string(), "<tr><td></td><br/></tr>");
    }
}
