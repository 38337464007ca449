//! The ladders of protocol 6.6 with a held party: consulting, swapping, connecting,
//! transfers; as golden texts like those of `ladders`.

use super::ladders::{SWITCH, story};
use super::world::{World, call_to};
use crate::protocol::{CallRequest, FlashMode, Phase, Sequence};

const ABORT: CallRequest = CallRequest::Flash(FlashMode::Abort);

fn transfer(to: &str) -> CallRequest {
    CallRequest::Transfer(to.into())
}

impl World {
    /// anna talks with an outside caller and asks clara.
    fn anna_consults_clara(&mut self) {
        self.told_outside_call("89274513158", "101");
        self.told_pick_up("101");
        self.told_ask("anna", "calls 103", call_to("103", Sequence::User));
        self.told_pick_up("103");
    }

    /// anna holds boris, with whom she talked, and talks with clara.
    fn anna_holds_boris_and_talks_with_clara(&mut self) {
        self.anna_and_boris_talk();
        self.told_ask("anna", "calls 103", call_to("103", Sequence::User));
        self.told_pick_up("103");
    }
}

#[test]
fn a_colleague_is_consulted_and_both_are_swapped() {
    let story = story(|world| {
        world.anna_holds_boris_and_talks_with_clara();
        world.told_ask("anna", "swaps", SWITCH);
        world.told_ask("anna", "swaps back", SWITCH);
        world.told_ask("anna", "drops clara", ABORT);
        world.told_hang_up("101");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn whoever_consults_connects_the_two_and_leaves() {
    let story = story(|world| {
        world.anna_consults_clara();
        world.told_ask("anna", "connects the two", CallRequest::Abort);
        world.told_hang_up("103");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn hanging_up_the_phone_connects_the_two_as_well() {
    let story = story(|world| {
        world.anna_holds_boris_and_talks_with_clara();
        world.told_hang_up("101");
        world.told_ask("clara", "hangs up from the page", CallRequest::Abort);
    });
    insta::assert_snapshot!(story);
}

#[test]
fn the_two_are_connected_while_the_new_one_still_rings() {
    let story = story(|world| {
        world.anna_and_boris_talk();
        world.told_ask("anna", "calls 103", call_to("103", Sequence::User));
        world.told_ask("anna", "connects the two", CallRequest::Abort);
        world.told_pick_up("103");
        world.told_hang_up("102");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_held_party_that_waited_is_alone_when_the_new_one_refuses() {
    let story = story(|world| {
        world.anna_and_boris_talk();
        world.told_ask("anna", "calls 103", call_to("103", Sequence::User));
        world.told_ask("anna", "connects the two", CallRequest::Abort);
        world.told_ask("clara", "declines", CallRequest::Decline);
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_consultation_is_given_up_while_it_rings() {
    for give_up in [ABORT, SWITCH] {
        let story = story(|world| {
            world.anna_and_boris_talk();
            world.told_ask("anna", "calls 103", call_to("103", Sequence::User));
            world.told_ask("anna", "returns to boris", give_up);
            world.told_hang_up("102");
        });
        insta::allow_duplicates!(insta::assert_snapshot!(story));
    }
}

#[test]
fn who_refuses_a_consultation_leaves_the_held_party_with_whoever_asked() {
    let story = story(|world| {
        world.anna_and_boris_talk();
        world.told_ask("anna", "calls 103", call_to("103", Sequence::User));
        world.told_ask("clara", "declines", CallRequest::Decline);
        world.told_ask("anna", "takes boris back", SWITCH);
        world.told_hang_up("102");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_busy_number_is_consulted() {
    let story = story(|world| {
        world.anna_and_boris_talk();
        world.told_ask("anna", "calls 555", call_to("555", Sequence::User));
        world.told_ask("anna", "takes boris back", SWITCH);
        world.told_hang_up("102");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_held_party_hangs_up_during_a_consultation() {
    let story = story(|world| {
        world.anna_holds_boris_and_talks_with_clara();
        world.told_hang_up("102");
        world.told_hang_up("103");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn the_consulted_hold_on_their_part() {
    let story = story(|world| {
        world.anna_holds_boris_and_talks_with_clara();
        world.told_ask("clara", "holds", SWITCH);
        world.told_ask("anna", "swaps", SWITCH);
        world.told_ask("clara", "takes back", SWITCH);
        world.told_ask("anna", "swaps back", SWITCH);
        world.told_hang_up("101");
        world.told_hang_up("103");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_talk_is_passed_on_blind() {
    let story = story(|world| {
        world.told_outside_call("89274513158", "101");
        world.told_pick_up("101");
        world.told_ask("anna", "transfers to 103", transfer("103"));
        world.told_pick_up("103");
        world.told_hang_up("103");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_colleague_is_passed_on_to_a_number_outside() {
    let story = story(|world| {
        world.anna_and_boris_talk();
        world.told_ask("anna", "transfers to 89031112233", transfer("89031112233"));
        world.told_pass(3);
        world.told_hang_up("102");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn the_current_party_is_passed_on_and_the_held_one_taken_back() {
    let story = story(|world| {
        world.anna_holds_boris_and_talks_with_clara();
        world.told_ask("anna", "transfers clara to 104", transfer("104"));
        world.told_pick_up("104");
        world.told_hang_up("104");
        world.told_hang_up("102");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_ringing_call_is_passed_on_before_it_is_answered() {
    let story = story(|world| {
        world.told_outside_call("89274513158", "101");
        world.told_ask("anna", "transfers to 103", transfer("103"));
        world.told_pick_up("103");
        world.told_hang_up("89274513158");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_call_is_not_passed_on_to_who_cannot_take_it() {
    let mut world = World::new();
    world.outside_call("89274513158", "101");
    world.pick_up("101");
    world.outside_call("89270000000", "103");
    for (to, expected) in [
        ("103", "anna is told: the called user is busy (409)"),
        ("101", "anna is told: the called user is busy (409)"),
        ("\n", "anna is told: field `transferto`: expected a number"),
    ] {
        world.ask("anna", transfer(to));
        assert!(
            world.story().contains(expected),
            "{to:?}: {}",
            world.story()
        );
        assert_eq!(world.phase("anna"), Phase::Commutated, "{to}");
    }
}

#[test]
fn whoever_holds_and_talks_calls_no_third() {
    let mut world = World::new();
    world.anna_holds_boris_and_talks_with_clara();
    world.ask("anna", call_to("104", Sequence::User));
    let expected = "anna is told: the user holds a party already (409)";
    assert!(world.story().contains(expected), "{}", world.story());
    world.ask("boris", call_to("104", Sequence::User));
    let expected = "boris is told: the line is in a call that is no talk yet (409)";
    assert!(world.story().contains(expected), "{}", world.story());
}
