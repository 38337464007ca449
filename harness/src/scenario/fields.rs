//! Owns the reading of one section, key by key against the list of keys, with the line of every fault.
//!
//! Every getter gives a usable value in any case: the file's, or the one that stands for a key that is left out. So one reading
//! finds all faults.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::schema::{self, Form, Key, Section};

/// One fault of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The line, from 1 on.
    pub line: usize,
    /// The key with its section.
    pub key: String,
    /// What is wrong with it, and what is allowed.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.line)?;
        if !self.key.is_empty() {
            write!(formatter, "{}: ", self.key)?;
        }
        write!(formatter, "{}", self.problem)
    }
}

/// A file while it is read.
pub(super) struct Document {
    line_starts: Vec<usize>,
    faults: RefCell<Vec<Fault>>,
}

impl Document {
    pub(super) fn new(text: &str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(place, _)| place + 1);
        Self {
            line_starts: std::iter::once(0).chain(after_breaks).collect(),
            faults: RefCell::default(),
        }
    }

    /// Notes a fault at this byte of the text.
    pub(super) fn fault(&self, at: usize, key: &str, problem: impl Into<String>) {
        self.faults.borrow_mut().push(Fault {
            line: self.line_starts.partition_point(|start| *start <= at),
            key: key.to_owned(),
            problem: problem.into(),
        });
    }

    /// All faults by their lines, each once.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort();
        faults.dedup();
        faults
    }

    pub(super) fn has_faults(&self) -> bool {
        !self.faults.borrow().is_empty()
    }
}

/// A value and where it stands.
pub(super) type Item<'t> = Spanned<DeValue<'t>>;

/// One section of a file.
pub(super) struct Fields<'t> {
    pub(super) document: &'t Document,
    section: &'static Section,
    /// Its name in faults, e.g. `phases[2]`.
    name: String,
    /// Where it starts.
    at: usize,
    items: BTreeMap<&'t str, (usize, &'t Item<'t>)>,
}

impl<'t> Fields<'t> {
    /// A section that is there; keys that it must not have are faults.
    pub(super) fn new(
        document: &'t Document,
        section: &str,
        name: String,
        at: usize,
        table: &'t DeTable<'t>,
    ) -> Self {
        let mut fields = Self {
            document,
            section: schema::section(section),
            name,
            at,
            items: BTreeMap::new(),
        };
        for (key, item) in table {
            let (word, at) = (key.get_ref().as_ref(), key.span().start);
            if fields.section.key(word).is_some() {
                fields.items.insert(word, (at, item));
            } else {
                let known: Vec<&str> = fields.section.keys.iter().map(|key| key.name).collect();
                let problem = format!("unknown key; {}", allowed(word, &known));
                document.fault(at, &fields.full_name(word), problem);
            }
        }
        fields
    }

    /// A section that is not there.
    pub(super) fn absent(document: &'t Document, section: &str) -> Self {
        Self {
            document,
            section: schema::section(section),
            name: section.to_owned(),
            at: 0,
            items: BTreeMap::new(),
        }
    }

    /// Whether the file has this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.items.contains_key(key)
    }

    /// The keys that the file has.
    pub(super) fn present(&self) -> impl Iterator<Item = &'t str> {
        self.items.keys().copied()
    }

    /// The value as it stands there, and where the key does.
    pub(super) fn raw(&self, key: &str) -> Option<(usize, &'t Item<'t>)> {
        self.items.get(key).copied()
    }

    /// Where this key stands, or its section if it is left out.
    pub(super) fn position(&self, key: &str) -> usize {
        self.items.get(key).map_or(self.at, |(at, _)| *at)
    }

    /// The key's name with its section.
    pub(super) fn full_name(&self, key: &str) -> String {
        if self.name.is_empty() {
            return key.to_owned();
        }
        format!("{}.{key}", self.name)
    }

    /// Notes a fault of this key.
    pub(super) fn fault(&self, key: &str, problem: impl Into<String>) {
        self.document
            .fault(self.position(key), &self.full_name(key), problem);
    }

    /// A text; `None` if it is left out and nothing stands for it.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let known = self.known(key);
        let Some(value) = self.value(known) else {
            let (Form::Text(default) | Form::Choice(_, default)) = known.form else {
                return None;
            };
            return default.map(str::to_owned);
        };
        let DeValue::String(text) = value else {
            self.wrong_form(known, value);
            return None;
        };
        match &known.form {
            Form::Choice(words, default) if !words.contains(&text.as_ref()) => {
                let problem = format!("{text:?} is not known; {}", allowed(text, words));
                self.fault(key, problem);
                default.map(str::to_owned)
            }
            _ => Some(text.clone().into_owned()),
        }
    }

    /// `true` or `false`; `None` as for texts.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        let known = self.known(key);
        let Form::Flag(default) = known.form else {
            return None;
        };
        match self.value(known) {
            None => default,
            Some(DeValue::Boolean(flag)) => Some(*flag),
            Some(other) => {
                self.wrong_form(known, other);
                default
            }
        }
    }

    /// A whole number within its bounds; `None` as for texts.
    pub(super) fn whole(&self, key: &str) -> Option<u64> {
        let known = self.known(key);
        let Form::Whole(min, max, default) = known.form else {
            return None;
        };
        let Some(value) = self.value(known) else {
            return default;
        };
        match whole_of(value) {
            Some(number) if (min..=max).contains(&number) => return Some(number),
            _ => self.wrong_form(known, value),
        }
        default.or(Some(min))
    }

    /// A number within its bounds; `None` as for texts.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        let known = self.known(key);
        let Form::Number(min, max, default) = known.form else {
            return None;
        };
        let Some(value) = self.value(known) else {
            return default;
        };
        match number_of(value) {
            Some(number) if (min..=max).contains(&number) => return Some(number),
            _ => self.wrong_form(known, value),
        }
        default.or(Some(max.min(1.0)))
    }

    /// The shortest and the longest of some times.
    pub(super) fn times(&self, key: &str) -> (u64, u64) {
        let known = self.known(key);
        let Form::Times(max, default) = known.form else {
            return (0, 0);
        };
        let Some(value) = self.value(known) else {
            return default;
        };
        let times = match value {
            DeValue::Array(both) => match both.as_ref() {
                [shortest, longest] => {
                    whole_of(shortest.get_ref()).zip(whole_of(longest.get_ref()))
                }
                _ => None,
            },
            alone => whole_of(alone).map(|time| (time, time)),
        };
        match times {
            Some((shortest, longest)) if shortest <= longest && longest <= max => {
                (shortest, longest)
            }
            _ => {
                self.wrong_form(known, value);
                default
            }
        }
    }

    /// The section below this key, if it is there.
    pub(super) fn inner(&self, key: &str, section: &str) -> Option<Fields<'t>> {
        let (at, item) = self.raw(key)?;
        let DeValue::Table(table) = item.get_ref() else {
            self.wrong_form(self.known(key), item.get_ref());
            return None;
        };
        let name = self.full_name(key);
        Some(Fields::new(self.document, section, name, at, table))
    }

    /// The repeated sections below this key.
    pub(super) fn entries(&self, key: &str, section: &str) -> Vec<Fields<'t>> {
        let Some((_, item)) = self.raw(key) else {
            return Vec::new();
        };
        let DeValue::Array(entries) = item.get_ref() else {
            self.wrong_form(self.known(key), item.get_ref());
            return Vec::new();
        };
        let mut all = Vec::new();
        for (place, entry) in (1..).zip(entries.iter()) {
            let (name, at) = (
                format!("{}[{place}]", self.full_name(key)),
                entry.span().start,
            );
            if let DeValue::Table(table) = entry.get_ref() {
                all.push(Fields::new(self.document, section, name, at, table));
            } else {
                let form = entry.get_ref().type_str();
                let problem = format!("is {form}, not a section [[{key}]]");
                self.document.fault(at, &name, problem);
            }
        }
        all
    }

    fn known(&self, key: &str) -> &'static Key {
        let known = self.section.key(key);
        known.expect("only keys that are listed are asked for")
    }

    /// The key's value; one that must be there and is not is a fault.
    fn value(&self, key: &Key) -> Option<&'t DeValue<'t>> {
        let found = self.items.get(key.name).map(|(_, item)| item.get_ref());
        if found.is_none() && key.without == REQUIRED {
            self.fault(key.name, format!("is missing; it must be {}", key.form));
        }
        found
    }

    fn wrong_form(&self, key: &Key, value: &DeValue<'_>) {
        let value = shown(value);
        let problem = format!("is {value}, but must be {}", key.form);
        self.fault(key.name, problem);
    }
}

/// What is allowed instead of this word, with the one that was meant, if there is one that is close.
pub(super) fn allowed(word: &str, known: &[&str]) -> String {
    let meant = meant(word, known).map(|meant| format!("did you mean `{meant}`? "));
    let known: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
    format!("{}Allowed: {}", meant.unwrap_or_default(), known.join(", "))
}

/// Which of these words was meant by one that is close to it.
pub(super) fn meant<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let close = known
        .iter()
        .map(|known| (strsim::jaro_winkler(word, known), *known));
    let closest = close.max_by(|one, other| one.0.total_cmp(&other.0));
    closest
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .map(|(_, word)| word)
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text {text:?}"),
        DeValue::Integer(number) => format!("{number}"),
        DeValue::Float(number) => format!("{number}"),
        DeValue::Boolean(flag) => flag.to_string(),
        other => format!("of the form {}", other.type_str()),
    }
}

fn whole_of(value: &DeValue<'_>) -> Option<u64> {
    match value {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    }
}

pub(super) fn number_of(value: &DeValue<'_>) -> Option<f64> {
    match value {
        #[allow(clippy::cast_precision_loss)] // bounds are far below 2^52
        DeValue::Integer(_) => whole_of(value).map(|number| number as f64),
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    }
}

/// What the list of keys says of one that must be there.
const REQUIRED: &str = "required";
/// From which likeness on a word is taken for a misspelled other one.
const LIKENESS_MIN: f64 = 0.82;
