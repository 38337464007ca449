//! The conformance cases against the real gateway, and against the same gateway with each rule broken in turn.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use okgate_harness::bend;
use okgate_harness::conform::{self, Filter, Judged, Subject};
use okgate_harness::crm::Mode;

fn gateway() -> Subject {
    let program = std::env::var_os("OKGATE_BIN").expect("OKGATE_BIN names the built gateway");
    Subject::Program(PathBuf::from(program))
}

#[tokio::test]
async fn every_case_holds_for_the_gateway_in_every_mode() {
    let verdicts = conform::run(&gateway(), &Filter::default(), None, |_| {})
        .await
        .unwrap();
    assert!(verdicts.is_good(), "{verdicts}");
    let skipped = |verdict: &&conform::Verdict| matches!(verdict.outcome, Judged::Skipped { .. });
    assert_eq!(
        verdicts.verdicts.iter().filter(skipped).count(),
        0,
        "{verdicts}"
    );
    for case in conform::all() {
        let is_played = verdicts
            .verdicts
            .iter()
            .any(|verdict| verdict.name == case.name);
        assert!(is_played, "{} was played nowhere: {}", case.rule, case.name);
    }
}

#[tokio::test]
async fn every_rule_that_is_broken_is_noticed_by_its_own_case() {
    for bend in bend::all() {
        let filter = Filter {
            rules: vec![bend.rule.to_owned()],
            modes: vec![Mode::WsOut],
            ..Filter::default()
        };
        let verdicts = conform::run(&gateway(), &filter, Some(bend), |_| {})
            .await
            .unwrap();
        assert_eq!(
            verdicts.broken_rules(),
            [bend.rule],
            "{}\n{verdicts}",
            bend.what
        );
    }
}
