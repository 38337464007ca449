//! A settings file as its tables: which sections there are, each as a [`View`].

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::Document;
use super::schema::{PLANNED_SECTIONS, SECTIONS, Section};
use super::view::{View, did_you_mean};

/// The file's tables by name.
pub(super) struct File<'d> {
    pub(super) document: &'d Document<'d>,
    root: &'d DeTable<'d>,
}

impl<'d> File<'d> {
    /// The tables of a document; sections that nobody knows are faults.
    pub(super) fn new(document: &'d Document<'d>, root: &'d DeTable<'d>) -> Self {
        unknown_sections(document, root);
        Self { document, root }
    }

    /// The section of this name, there or not.
    pub(super) fn view(&self, name: &str) -> View<'d> {
        let table = self.find(name).and_then(|(start, value)| match value {
            DeValue::Table(table) => Some((start, table)),
            other => {
                let reason = format!("is {}, expected a section [{name}]", other.type_str());
                self.document.fault_at(start, name, reason);
                None
            }
        });
        let section = section(name);
        View::new(self.document, section, name.to_owned(), table, &inner(name))
    }

    /// Whether the file has a section of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The entries of a repeated section; faults name them by place, from 1.
    pub(super) fn views(&self, name: &str) -> Vec<View<'d>> {
        let Some((start, value)) = self.find(name) else {
            return Vec::new();
        };
        let DeValue::Array(entries) = value else {
            let reason = format!("is {}, expected sections [[{name}]]", value.type_str());
            self.document.fault_at(start, name, reason);
            return Vec::new();
        };
        let mut views = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let (start, name_here) = (entry.span().start, format!("{name}[{}]", index + 1));
            if let DeValue::Table(table) = entry.get_ref() {
                let table = Some((start, table));
                views.push(View::new(
                    self.document,
                    section(name),
                    name_here,
                    table,
                    &[],
                ));
            } else {
                let reason = format!("is {}, expected a table", entry.get_ref().type_str());
                self.document.fault_at(start, &name_here, reason);
            }
        }
        views
    }

    /// The value under this dotted name, with where it starts.
    fn find(&self, name: &str) -> Option<(usize, &'d DeValue<'d>)> {
        let mut table = self.root;
        let mut parts = name.split('.').peekable();
        loop {
            let part = parts.next()?;
            let (key, item) = table.get_key_value(part).map(|found| spanned(found))?;
            if parts.peek().is_none() {
                return Some((key, item));
            }
            let DeValue::Table(inner) = item else {
                return None;
            };
            table = inner;
        }
    }
}

fn spanned<'d, K>(
    (key, item): (&'d Spanned<K>, &'d Spanned<DeValue<'d>>),
) -> (usize, &'d DeValue<'d>) {
    (key.span().start, item.get_ref())
}

fn unknown_sections(document: &Document<'_>, root: &DeTable<'_>) {
    for (key, _) in root {
        let (name, at) = (key.get_ref().as_ref(), key.span().start);
        if PLANNED_SECTIONS.contains(&name) {
            document.fault_at(at, name, "not supported by this version");
        } else if !SECTIONS.iter().any(|section| section.name == name) {
            let names = SECTIONS.iter().map(|section| section.name);
            let hint = did_you_mean(name, names);
            document.fault_at(at, name, format!("unknown section{hint}"));
        }
    }
}

fn section(name: &str) -> &'static Section {
    let found = SECTIONS.iter().find(|section| section.name == name);
    found.expect("the reader asks only for sections of the schema, each in every read")
}

/// The sections directly below this one.
fn inner(name: &str) -> Vec<&'static str> {
    let below = |section: &&'static Section| {
        let rest = section.name.strip_prefix(name)?;
        rest.strip_prefix('.')
    };
    SECTIONS.iter().filter_map(below).collect()
}
