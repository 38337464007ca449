//! What the journal is told, and what a call's talks were (protocol 6.5-o, 6.5-p, 6.5-ag).

use std::time::Duration;

use super::world::{World, call_to, user};
use crate::pbx::{CommandFailure, PbxEvent};
use crate::protocol::{CallRequest, ConferenceRequest, NewConference, Sequence};

impl World {
    /// The facts so far: who called whom, and with what result.
    fn told_facts(&mut self) -> Vec<String> {
        let facts = std::mem::take(&mut self.facts);
        let tell = |fact: crate::switchboard::CallFact| {
            let (from, to) = (&fact.caller.number, &fact.called.number);
            let whose = fact.called.user.map(|user| user.login);
            let whose = whose.map_or(String::new(), |login| format!(" ({login})"));
            format!("{from} {to}{whose} {}", fact.result.text())
        };
        facts.into_iter().map(tell).collect()
    }
}

#[test]
fn each_call_has_its_result() {
    let mut world = World::new();
    world.outside_call("89274513158", "101");
    world.pick_up("101");
    world.pass(Duration::from_secs(4));
    world.hang_up("101");
    let fact = world.facts[0].clone();
    assert_eq!(
        fact.ended - fact.answered.expect("a talk"),
        Duration::from_secs(4)
    );
    assert_eq!(world.told_facts(), ["89274513158 101 (anna) answered"]);
    world.outside_call("89274513158", "101");
    world.outside_call("89270000000", "101");
    assert_eq!(world.told_facts(), ["89270000000 101 (anna) busy"]);
    world.ask("anna", CallRequest::Decline);
    assert_eq!(world.told_facts(), ["89274513158 101 (anna) refused"]);
    world.outside_call("89274513158", "101");
    world.hang_up("89274513158");
    assert_eq!(world.told_facts(), ["89274513158 101 (anna) abandoned"]);
    world.outside_call("89274513158", "101");
    world.pass(Duration::from_secs(61));
    assert_eq!(world.told_facts(), ["89274513158 101 (anna) noanswer"]);
    world.ask("anna", call_to("555", Sequence::User));
    world.pick_up("101");
    assert_eq!(world.told_facts(), ["101 555 busy"]);
}

#[test]
fn every_talk_of_a_call_is_told_and_stays_in_its_content() {
    let mut world = World::new();
    world.anna_and_boris_talk();
    world.ask("anna", call_to("103", Sequence::User));
    world.pick_up("103");
    world.ask("anna", CallRequest::Abort);
    assert_eq!(
        world.told_facts(),
        ["101 103 (clara) answered", "101 102 (boris) answered"]
    );
    let content = world.switchboard.chain_content(user("clara"), None);
    let content = content.expect("clara is in it");
    let talks: Vec<_> = (content.trace.iter())
        .map(|talk| (&*talk.caller, &*talk.called, talk.is_current))
        .collect();
    assert_eq!(
        talks,
        [
            ("101", "103", false),
            ("101", "102", false),
            ("102", "103", true)
        ]
    );
    let refused = world
        .switchboard
        .chain_content(user("david"), Some(content.chain));
    assert_eq!(
        refused.expect_err("not in it").to_string(),
        "the user takes part in no such call (404)"
    );
    world.hang_up("103");
    assert_eq!(world.told_facts(), ["102 103 (clara) answered"]);
}

#[test]
fn a_transfer_that_the_switch_undoes_leaves_nothing_in_the_journal() {
    let mut world = World::new();
    world.anna_and_boris_talk();
    world.facts.clear();
    world.has_switch = false;
    world.ask("anna", CallRequest::Transfer("103".into()));
    let dial = world.commands.iter().rev().find_map(|(id, command)| {
        let is_dial = matches!(command, crate::pbx::Command::Dial { .. });
        is_dial.then_some(*id)
    });
    let failed = PbxEvent::Failed(dial.expect("a dial"), CommandFailure::Rejected);
    world.handle(failed);
    assert_eq!(world.told_facts(), Vec::<String>::new());
    assert_eq!(world.phase("anna"), crate::protocol::Phase::Commutated);
}

#[test]
fn phones_that_rang_for_a_group_in_vain_are_told_of() {
    let mut world = World::new();
    world.outside_call("89274513158", "203");
    world.pass(Duration::from_secs(10));
    world.ask("clara", CallRequest::Decline);
    world.pick_up("104");
    world.hang_up("89274513158");
    assert_eq!(
        world.told_facts(),
        [
            "89274513158 203 (boris) noanswer",
            "89274513158 203 (clara) refused",
            "89274513158 203 (david) answered",
        ]
    );
}

#[test]
fn who_was_in_a_conference_and_who_was_not_is_told() {
    let mut world = World::new();
    let competitors = ["102", "555", "104"].map(Box::from).to_vec();
    world.confer(
        "anna",
        ConferenceRequest::Create(NewConference {
            competitors,
            ..NewConference::default()
        }),
    );
    world.pick_up("101");
    world.pick_up("102");
    world.ask("david", CallRequest::Decline);
    world.hang_up("101");
    assert_eq!(
        world.told_facts(),
        [
            "101 555 busy",
            "101 104 (david) refused",
            "101 102 (boris) answered",
        ]
    );
}
