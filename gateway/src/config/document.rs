//! The text being read, its faults so far and what surrounds it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Fault;

/// What a settings file may refer to outside itself.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Where relative paths start.
    pub directory: PathBuf,
    /// The environment, for values `"env:NAME"`.
    pub environment: HashMap<String, String>,
}

impl Surroundings {
    /// The process's own environment and the directory of this file.
    #[must_use]
    pub fn of_process(file: &Path) -> Self {
        Self {
            directory: file.parent().unwrap_or(Path::new("")).to_owned(),
            environment: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        }
    }
}

/// One settings file while it is read. Faults are collected behind a cell, so
/// that several views of the file can report at once.
pub(super) struct Document<'d> {
    pub(super) surroundings: &'d Surroundings,
    line_starts: Vec<usize>,
    faults: RefCell<Vec<Fault>>,
}

impl<'d> Document<'d> {
    pub(super) fn new(text: &str, surroundings: &'d Surroundings) -> Self {
        let after_breaks = text.match_indices('\n').map(|(index, _)| index + 1);
        Self {
            surroundings,
            line_starts: std::iter::once(0).chain(after_breaks).collect(),
            faults: RefCell::default(),
        }
    }

    /// Notes a fault at a byte of the text.
    pub(super) fn fault_at(&self, byte: usize, key: &str, reason: impl Into<String>) {
        self.faults.borrow_mut().push(Fault {
            line: self.line(byte),
            key: key.to_owned(),
            reason: reason.into(),
        });
    }

    /// The line of a byte of the text, from 1.
    pub(super) fn line(&self, byte: usize) -> usize {
        self.line_starts.partition_point(|&start| start <= byte)
    }

    pub(super) fn has_faults(&self) -> bool {
        !self.faults.borrow().is_empty()
    }

    /// All faults in the order of their lines, each once.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort();
        faults.dedup();
        faults
    }
}
