//! Owns which keys a scenario's file has: of each its form, what holds without it and one line about it.
//!
//! The reader asks it what is allowed, the reference (`SCENARIOS.md`) shows it. It reads nothing itself.

use std::fmt;

/// A section of the file, or the file's top.
#[derive(Debug)]
pub struct Section {
    /// Its name in the file; empty for the top.
    pub name: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// A key of a section.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub form: Form,
    /// What holds without it, where the form itself has no such value.
    pub without: &'static str,
    /// One line about it.
    pub about: &'static str,
}

/// What a value is, and the one that stands for a key that is left out.
#[derive(Debug)]
pub enum Form {
    /// Any text.
    Text(Option<&'static str>),
    /// One of these.
    Choice(&'static [&'static str], Option<&'static str>),
    /// `true` or `false`.
    Flag(Option<bool>),
    /// A whole number from one to another.
    Whole(u64, u64, Option<u64>),
    /// A number from one to another.
    Number(f64, f64, Option<f64>),
    /// A time in milliseconds, or the shortest and the longest of random ones.
    Times(u64, (u64, u64)),
    /// Something with keys of its own.
    Table(&'static str),
}

impl Section {
    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Key {
    /// What holds without it, for people.
    pub fn left_out(&self) -> String {
        match &self.form {
            Form::Text(Some(text)) | Form::Choice(_, Some(text)) => format!("`{text:?}`"),
            Form::Flag(Some(flag)) => format!("`{flag}`"),
            Form::Whole(_, _, Some(number)) => format!("`{number}`"),
            Form::Number(_, _, Some(number)) => format!("`{number}`"),
            Form::Times(_, (shortest, longest)) => format!("`[{shortest}, {longest}]`"),
            _ => self.without.to_owned(),
        }
    }

    /// Its row in the reference.
    pub fn row(&self) -> String {
        let (name, form, about) = (self.name, &self.form, self.about);
        format!("| `{name}` | {form} | {} | {about} |", self.left_out())
    }
}

impl fmt::Display for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => write!(formatter, "a text"),
            Self::Choice(words, _) => {
                let words: Vec<_> = words.iter().map(|word| format!("`{word:?}`")).collect();
                write!(formatter, "{}", words.join(", "))
            }
            Self::Flag(_) => write!(formatter, "`true` or `false`"),
            Self::Whole(min, max, _) => write!(formatter, "a whole number from {min} to {max}"),
            Self::Number(min, max, _) => write!(formatter, "a number from {min} to {max}"),
            Self::Times(max, _) => {
                write!(
                    formatter,
                    "milliseconds, or `[shortest, longest]`, to {max}"
                )
            }
            Self::Table(what) => write!(formatter, "{what}"),
        }
    }
}

/// The section of this name.
pub(super) fn section(name: &str) -> &'static Section {
    let found = super::keys::SECTIONS
        .iter()
        .find(|section| section.name == name);
    found.expect("only names that stand in this file are asked for")
}
