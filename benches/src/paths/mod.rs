//! The list of hot paths: what has to be there first, and the step that is measured.

mod commands;
mod crm;
mod messages;
mod queues;
mod tabs;
mod wire;

/// One hot path.
#[derive(Clone, Copy, Debug)]
pub struct HotPath {
    /// `group/name`, and unique.
    pub name: &'static str,
    /// What one step does.
    pub amount: Amount,
    /// How often one step may be taken.
    pub repeats: Repeats,
    /// Makes what the step needs.
    pub set_up: fn() -> Step,
}

/// The measured step. It returns a number that depends on all it did, the same for every step.
pub type Step = Box<dyn FnMut() -> usize>;

/// How much a step does: what its time is divided by.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
    /// Bytes that are read or written.
    Bytes(u64),
    /// Messages, links or the like.
    Elements(u64),
}

/// How often a step may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// Again and again: it leaves things as they were.
    Always,
    /// Once a set-up.
    Once,
}

/// Every hot path.
pub fn hot_paths() -> impl Iterator<Item = &'static HotPath> {
    let paths = [
        wire::PATHS,
        messages::PATHS,
        tabs::PATHS,
        queues::PATHS,
        crm::PATHS,
        commands::FEW,
        commands::MANY,
    ];
    paths.into_iter().flatten()
}

/// A `ping` as browser libraries send it, 147 bytes.
const PING: &str = r#"["ping",{"qid":"EFD478CE-C7D9-4103-91D8-1BAC7528AC49","userlogin":"admin","userid":"1bac7528-c7d9-4103-91d8-efd478ceac49","timestamp":14285714285}]"#;

/// Messages that one read brings.
const BATCH: usize = 16;

/// Bytes that arrive again and again. Whoever takes them may change them, so each read is a copy.
struct Reads {
    bytes: Vec<u8>,
    buffer: Vec<u8>,
}

impl Reads {
    fn of(bytes: Vec<u8>) -> Self {
        Self {
            buffer: bytes.clone(),
            bytes,
        }
    }

    fn next(&mut self) -> &mut [u8] {
        self.buffer.copy_from_slice(&self.bytes);
        &mut self.buffer
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_path_has_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for path in hot_paths() {
            assert!(names.insert(path.name), "{} comes twice", path.name);
            assert!(path.name.contains('/'), "{} has no group", path.name);
        }
    }

    #[test]
    fn every_step_does_the_same_as_the_one_before() {
        for path in hot_paths() {
            let mut step = (path.set_up)();
            let first = step();
            assert!(first > 0, "{} does nothing", path.name);
            if path.repeats == Repeats::Once {
                step = (path.set_up)();
            }
            assert_eq!(step(), first, "{}", path.name);
        }
    }
}
