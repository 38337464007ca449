//! The sample file and the reference page.

use std::fs;

use super::super::schema::{Fallback, SECTIONS};
use super::*;

#[test]
fn the_sample_is_a_good_file_and_has_every_key() {
    let sample = sample();
    good(&sample);
    let mut rest = sample.as_str();
    for section in SECTIONS {
        for key in section.keys {
            let assignment = format!("{} = {}\n", key.name, key.sample_value());
            let place = rest.find(&assignment);
            let place = place.unwrap_or_else(|| panic!("{}.{}", section.name, key.name));
            rest = &rest[place + assignment.len()..];
        }
    }
}

#[test]
fn the_sample_with_every_default_written_out_means_the_same() {
    let written_out = |line: &str| {
        let (name, value) = line.strip_prefix('#')?.split_once(" = ")?;
        let key = SECTIONS.iter().find_map(|section| section.key(name))?;
        let is_default = !matches!(key.default, Fallback::Required | Fallback::Absent(_));
        (is_default && key.modes.is_empty() && key.default.toml() == value)
            .then(|| format!("{name} = {value}"))
    };
    let (mut text, mut is_optional) = (String::new(), false);
    for line in sample().lines() {
        if line.starts_with('[') || line.starts_with("#[") {
            is_optional = line.starts_with('#');
        }
        let kept = (!line.starts_with('#')).then(|| line.to_owned());
        match kept.or_else(|| written_out(line)) {
            Some(line) if !is_optional => text.extend([&line, "\n"]),
            _ => {}
        }
    }
    assert!(text.contains("drain_s = 20\n"), "{text}");
    assert_eq!(good(&text), good(&sample()), "{text}");
}

#[test]
fn the_reference_page_in_the_repository_is_the_one_printed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/SETTINGS.md");
    let kept = fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == reference_page(),
        "run `okgate settings --markdown > gateway/SETTINGS.md`"
    );
}

#[test]
fn every_default_and_example_is_a_value_that_the_key_takes() {
    for key in SECTIONS.iter().flat_map(|section| section.keys) {
        let value = key.sample_value();
        assert!(!value.is_empty(), "{}", key.name);
        assert!(
            toml::de::DeValue::parse(&value).is_ok(),
            "{} = {value}",
            key.name
        );
        assert!(key.reason.ends_with('.'), "{}: a sentence", key.name);
    }
}
