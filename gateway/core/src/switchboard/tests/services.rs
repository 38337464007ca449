//! Groups, voice menus and redirect rules (protocol 6.3, 6.4, 6.6).

use std::time::Duration;

use super::ladders::story;
use super::world::{World, call_to, user};
use crate::pbx::EndCause;
use crate::protocol::{CallRequest, Phase, RedirectRule, Sequence, SetUserState, StateId};

impl World {
    fn ringing(&self) -> Vec<&'static str> {
        let rings = |login: &&&str| self.phase(login) == Phase::Ringing;
        super::world::PEOPLE.iter().filter(rings).copied().collect()
    }

    fn queue_of(&self, login: &str) -> Vec<String> {
        let queue = self
            .switchboard
            .current_queue(user(login))
            .expect("a known user");
        let number = |it: crate::protocol::QueuedCaller| it.party.number.unwrap_or_default();
        queue.into_iter().map(|it| number(it).to_string()).collect()
    }

    fn rule(&mut self, of: &str, id: &str, to: &str, change: impl FnOnce(&mut RedirectRule)) {
        let mut rule = RedirectRule {
            id: id.into(),
            is_enabled: true,
            destination: to.into(),
            ..RedirectRule::default()
        };
        change(&mut rule);
        let saved = self.switchboard.save_redirect_rule(user(of), rule);
        saved.expect("a fine rule");
    }
}

#[test]
fn a_group_rings_all_who_are_free_and_the_first_has_the_call() {
    let story = story(|world| {
        // Group 1: david, elena, fedor.
        world.set_state("fedor", StateId::Lunch);
        world.told_outside_call("89274513158", "201");
        world.told_pick_up("105");
        world.told_hang_up("89274513158");
        world.set_state("fedor", StateId::Ready);
    });
    insta::assert_snapshot!(story);
}

#[test]
fn callers_wait_in_line_for_a_group_and_the_first_is_served_first() {
    let mut world = World::new();
    for login in ["david", "elena"] {
        world.set_state(login, StateId::Lunch);
    }
    for caller in ["89270000001", "89270000002", "89270000003", "89270000004"] {
        world.outside_call(caller, "201");
    }
    assert_eq!(world.ringing(), ["fedor"]);
    assert_eq!(world.queue_of("fedor"), ["89270000002", "89270000003"]);
    assert_eq!(
        world.queue_of("elena"),
        ["89270000001", "89270000002", "89270000003"]
    );
    // The line holds three; the fourth caller found it busy.
    assert_eq!(world.hang_ups().collect::<Vec<_>>(), [EndCause::Busy]);
    world.pick_up("106");
    assert_eq!(world.queue_of("fedor"), ["89270000002", "89270000003"]);
    world.set_state("elena", StateId::Ready);
    assert_eq!(world.ringing(), ["elena"]);
    assert_eq!(world.queue_of("elena"), ["89270000003"]);
    world.hang_up("89270000001");
    assert_eq!(world.ringing(), ["elena", "fedor"]);
    assert_eq!(
        world.queue_of("fedor"),
        ["89270000003"],
        "both ring for the first"
    );
    world.pick_up("105");
    assert_eq!(world.ringing(), ["fedor"]);
    assert_eq!(
        world.queue_of("elena"),
        ["89270000003"],
        "it rings elsewhere"
    );
}

// protocol 6.5-aq
#[test]
fn an_outside_caller_waits_for_a_user_who_is_in_a_call() {
    let story = story(|world| {
        // fedor lets callers wait, boris does not.
        world.told_outside_call("89270000001", "106");
        world.told_pick_up("106");
        world.told_outside_call("89270000002", "106");
        assert_eq!(world.queue_of("fedor"), ["89270000002"]);
        world.told_hang_up("89270000001");
        world.told_pick_up("106");
        world.told_hang_up("106");
    });
    insta::assert_snapshot!(story);
    let mut world = World::new();
    world.set_state("fedor", StateId::DoNotDisturb);
    world.outside_call("89274513158", "106");
    world.assert_all_is_over();
}

#[test]
fn a_caller_who_waited_too_long_is_let_go() {
    let mut world = World::new();
    for login in ["david", "elena", "fedor"] {
        world.set_state(login, StateId::Lunch);
    }
    world.outside_call("89274513158", "201");
    world.pass(Duration::from_secs(119));
    assert_eq!(world.queue_of("david").len(), 1);
    world.pass(Duration::from_secs(1));
    assert!(world.queue_of("david").is_empty());
    world.assert_all_is_over();
}

#[test]
fn a_group_rings_who_has_been_idle_for_longest() {
    let mut world = World::new();
    // Group 2: clara, david, elena, fedor.
    for number in ["103", "104", "105", "106"] {
        world.outside_call("89270000000", number);
        world.pass(Duration::from_secs(1));
        world.hang_up("89270000000");
    }
    for expected in ["clara", "david", "elena"] {
        world.outside_call("89274513158", "202");
        assert_eq!(world.ringing(), [expected]);
        world.pass(Duration::from_secs(1));
        world.hang_up("89274513158");
    }
}

#[test]
fn a_group_rings_one_after_the_other_and_who_does_not_answer_is_passed_over() {
    let mut world = World::new();
    // Group 3: boris, clara, david, elena, fedor.
    for expected in ["boris", "clara"] {
        world.outside_call("89274513158", "203");
        assert_eq!(world.ringing(), [expected]);
        world.hang_up("89274513158");
    }
    world.outside_call("89274513158", "203");
    assert_eq!(world.ringing(), ["david"]);
    world.ask("david", CallRequest::Decline);
    assert_eq!(world.ringing(), ["elena"]);
    world.pass(Duration::from_secs(10));
    assert_eq!(world.ringing(), ["fedor"]);
}

#[test]
fn whoever_calls_a_group_hears_it_ring_and_talks_with_who_answers() {
    let story = story(|world| {
        world.told_ask("anna", "calls 202", call_to("202", Sequence::User));
        world.told_pick_up("101");
        world.told_pick_up("103");
        world.told_hang_up("101");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_voice_menu_answers_and_passes_on() {
    let story = story(|world| {
        world.told_ask("anna", "calls 302", call_to("302", Sequence::User));
        world.told_pick_up("101");
        world.told_pass(3);
        world.told_pick_up("102");
        world.told_hang_up("101");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn an_outside_caller_comes_through_a_voice_menu() {
    let story = story(|world| {
        world.told_outside_call("89274513158", "302");
        world.told_pass(3);
        world.told_pick_up("102");
        world.told_hang_up("102");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_redirect_rule_sends_calls_elsewhere() {
    let mut world = World::new();
    world.rule("anna", "1", "102", |_| {});
    world.outside_call("89274513158", "101");
    assert_eq!(world.ringing(), ["boris"]);
    world.hang_up("89274513158");
    world.ask("clara", call_to("101", Sequence::Abonent));
    assert_eq!(world.ringing(), ["boris"]);
    world.ask("clara", CallRequest::Abort);
    let ids = ["1".into()];
    let done = world.switchboard.delete_redirect_rules(user("anna"), &ids);
    assert_eq!(done, Ok(()));
    world.outside_call("89274513158", "101");
    assert_eq!(world.ringing(), ["anna"]);
}

#[test]
fn a_rule_may_depend_on_the_state_the_switch_and_the_source() {
    let mut world = World::new();
    world.rule("anna", "1", "102", |rule| rule.state = Some(StateId::Lunch));
    world.rule("anna", "2", "103", |rule| {
        rule.only_for_redirect_state = true;
    });
    world.rule("anna", "3", "104", |rule| {
        rule.sources = vec!["89270000004".into()];
    });
    let called = |world: &mut World, from: &str| {
        world.outside_call(from, "101");
        let ringing = world.ringing();
        world.hang_up(from);
        ringing
    };
    assert_eq!(called(&mut world, "89270000001"), ["anna"]);
    assert_eq!(called(&mut world, "89270000004"), ["david"]);
    let on_redirect = SetUserState {
        on_redirect: Some(true),
        ..SetUserState::default()
    };
    let set = world
        .switchboard
        .set_user_state(user("anna"), on_redirect, world.now);
    assert!(set.is_ok());
    world.outputs();
    assert_eq!(called(&mut world, "89270000001"), ["clara"]);
    world.set_state("anna", StateId::Lunch);
    assert_eq!(called(&mut world, "89270000001"), ["boris"]);
}

#[test]
fn rules_follow_each_other_where_they_may_and_never_in_a_circle() {
    let mut world = World::new();
    world.rule("anna", "1", "102", |rule| rule.allows_cascade = true);
    world.rule("boris", "1", "103", |rule| rule.allows_cascade = true);
    world.outside_call("89274513158", "101");
    assert_eq!(world.ringing(), ["clara"]);
    world.hang_up("89274513158");
    world.rule("clara", "1", "101", |rule| rule.allows_cascade = true);
    world.outside_call("89274513158", "101");
    assert_eq!(world.ringing(), ["clara"]);
    world.hang_up("89274513158");
    world.rule("anna", "1", "102", |_| {});
    world.outside_call("89274513158", "101");
    assert_eq!(world.ringing(), ["boris"]);
}

#[test]
fn what_a_rule_may_not_say_is_refused() {
    let mut world = World::new();
    let rule = |to: &str| RedirectRule {
        id: "1".into(),
        destination: to.into(),
        ..RedirectRule::default()
    };
    let save = |world: &mut World, rule| {
        let saved = world.switchboard.save_redirect_rule(user("anna"), rule);
        saved.expect_err("a fault").to_string()
    };
    assert_eq!(
        save(&mut world, rule("101")),
        "field `destinationnumber`: expected somebody else's number: this one is the user's own (422)"
    );
    let mut long = rule("102");
    long.caption = "x".repeat(501).into();
    let expected = "field `caption`: expected at most 500 characters (422)";
    assert_eq!(save(&mut world, long), expected);
    for id in 0..50 {
        world.rule("anna", &id.to_string(), "102", |_| {});
    }
    let mut more = rule("102");
    more.id = "more".into();
    let expected = "there are as many redirect rules as there may be (429)";
    assert_eq!(save(&mut world, more), expected);
}
