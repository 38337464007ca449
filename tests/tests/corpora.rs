//! The committed corpora of the fuzz targets, replayed without the fuzzer, and for a short time changed by chance.
#![forbid(unsafe_code)]

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use okgate_core::base::Random;
use okgate_invariants::{TARGETS, Target};

/// How long each target is given changed inputs.
const CHANGED_FOR: Duration = Duration::from_secs(2);
/// Bytes of a changed input.
const CHANGED_BYTES_MAX: usize = 8 << 10;
/// Bytes of all corpora together.
const CORPORA_BYTES_MAX: usize = 1 << 20;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The inputs of a target with their files, in the order of their names.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = root().join("corpus").join(target);
    let entries = fs::read_dir(&directory);
    let entries =
        entries.unwrap_or_else(|error| panic!("no corpus {}: {error}", directory.display()));
    let paths = entries.map(|entry| entry.expect("an entry of the directory").path());
    let mut inputs: Vec<_> = paths
        .map(|path| {
            let input = fs::read(&path).expect("a file of the corpus");
            (path, input)
        })
        .collect();
    inputs.sort_unstable();
    assert!(!inputs.is_empty(), "{} is empty", directory.display());
    inputs
}

/// Runs each target with its corpus on a thread of its own.
fn for_all_targets(run: impl Fn(&Target, Vec<(PathBuf, Vec<u8>)>) + Sync) {
    std::thread::scope(|scope| {
        for target in &TARGETS {
            let run = &run;
            scope.spawn(move || run(target, corpus(target.0)));
        }
    });
}

#[test]
fn every_input_of_the_corpora_keeps_the_invariants() {
    for_all_targets(|(name, run), inputs| {
        for (path, input) in inputs {
            let outcome = catch_unwind(|| run(&input));
            assert!(
                outcome.is_ok(),
                "{name}: {} breaks an invariant",
                path.display()
            );
        }
    });
}

#[test]
fn inputs_changed_by_chance_keep_the_invariants() {
    for_all_targets(|(name, run), inputs| {
        let mut random = Random::from_number(1);
        let begun = Instant::now();
        while begun.elapsed() < CHANGED_FOR {
            let input = changed(&inputs, &mut random);
            let outcome = catch_unwind(|| run(&input));
            assert!(
                outcome.is_ok(),
                "{name} breaks an invariant on b\"{}\"",
                input.escape_ascii()
            );
        }
    });
}

/// An input with a piece of another one in it, and some bytes changed.
fn changed(inputs: &[(PathBuf, Vec<u8>)], random: &mut Random) -> Vec<u8> {
    let mut pick =
        |bound: usize| usize::try_from(random.below(bound as u64)).expect("below a usize");
    let mut input = inputs[pick(inputs.len())].1.clone();
    let other = &inputs[pick(inputs.len())].1;
    let start = pick(other.len() + 1);
    let piece = &other[start..start + pick(other.len() - start + 1)];
    let at = pick(input.len() + 1);
    let end = at + pick(input.len() - at + 1).min(piece.len());
    input.splice(at..end, piece.iter().copied());
    input.truncate(CHANGED_BYTES_MAX);
    for _ in 0..pick(4) {
        let bytes = input.len().max(1);
        if let Some(byte) = input.get_mut(pick(bytes)) {
            *byte = u8::try_from(pick(256)).expect("a byte");
        }
    }
    input
}

#[test]
fn every_target_has_its_file_and_the_corpora_are_small() {
    let mut bytes = 0;
    for (name, _) in TARGETS {
        let target = root().join("fuzz_targets").join(name).with_extension("rs");
        assert!(target.is_file(), "{} is missing", target.display());
        bytes += corpus(name)
            .iter()
            .map(|(_, input)| input.len())
            .sum::<usize>();
    }
    assert!(
        bytes <= CORPORA_BYTES_MAX,
        "{bytes} bytes: minimise the corpora"
    );
}
