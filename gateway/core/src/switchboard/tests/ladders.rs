//! Each ladder of protocol 6.6 as a golden text: what happens, the events of
//! each step in order, and the line pictures that can be asked for then.

use std::time::Duration;

use super::world::{World, call_to, user};
use crate::pbx::EndCause;
use crate::protocol::{CallRequest, FlashMode, Sequence, StateId};

pub(super) const SWITCH: CallRequest = CallRequest::Flash(FlashMode::Switch);

/// Tells a story from the first line to the last, with nothing left at the end.
pub(super) fn story(tell: impl FnOnce(&mut World)) -> String {
    let mut world = World::new();
    tell(&mut world);
    world.assert_all_is_over();
    world.story().to_owned()
}

impl World {
    pub(super) fn told_ask(&mut self, login: &str, what: &str, request: CallRequest) {
        self.tell(&format!("{login} {what}"));
        self.ask(login, request);
    }

    pub(super) fn told_pick_up(&mut self, number: &str) {
        self.tell(&format!("{number} is picked up"));
        self.pick_up(number);
    }

    pub(super) fn told_hang_up(&mut self, number: &str) {
        self.tell(&format!("{number} hangs up"));
        self.hang_up(number);
    }

    pub(super) fn told_outside_call(&mut self, number: &str, to: &str) {
        self.tell(&format!("{number} calls {to}"));
        self.outside_call(number, to);
    }

    pub(super) fn told_pass(&mut self, seconds: u64) {
        self.tell(&format!("{seconds} s pass"));
        self.pass(Duration::from_secs(seconds));
    }

    pub(super) fn boris_and_an_outside_caller_talk(&mut self) {
        self.told_outside_call("89274513158", "102");
        self.told_pick_up("102");
    }

    pub(super) fn anna_and_boris_talk(&mut self) {
        self.told_ask("anna", "calls 102", call_to("102", Sequence::User));
        self.told_pick_up("101");
        self.told_pick_up("102");
    }
}

#[test]
fn an_outside_caller_rings_is_answered_and_hangs_up() {
    let story = story(|world| {
        world.crm_name = Some("Ivan Petrov".into());
        world.told_outside_call("89274513158", "101");
        world.told_pick_up("101");
        world.told_hang_up("89274513158");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn an_incoming_call_is_answered_and_ended_from_the_page() {
    let story = story(|world| {
        world.told_outside_call("89274513158", "101");
        world.told_ask("anna", "answers from the page", CallRequest::Answer);
        world.told_ask("anna", "hangs up from the page", CallRequest::Abort);
    });
    insta::assert_snapshot!(story);
}

#[test]
fn an_incoming_call_is_refused() {
    let story = story(|world| {
        world.told_outside_call("89274513158", "101");
        world.told_ask("anna", "declines", CallRequest::Decline);
    });
    insta::assert_snapshot!(story);
}

#[test]
fn an_outside_caller_gives_up() {
    let story = story(|world| {
        world.told_outside_call("89274513158", "101");
        world.told_hang_up("89274513158");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn nobody_answers_an_incoming_call() {
    let story = story(|world| {
        world.told_outside_call("89274513158", "101");
        world.told_pass(31);
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_second_caller_finds_the_user_busy() {
    let story = story(|world| {
        world.told_outside_call("89274513158", "101");
        world.told_outside_call("89270000000", "101");
        world.tell("(the second caller is gone; nothing changed)");
        world.told_hang_up("89274513158");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_back_call_to_an_outside_number_own_phone_first() {
    let story = story(|world| {
        let request = call_to("89031112233", Sequence::User);
        world.told_ask("anna", "calls 89031112233", request);
        world.told_pick_up("101");
        world.told_pass(3);
        world.told_hang_up("89031112233");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_back_call_to_a_busy_number() {
    let story = story(|world| {
        world.told_ask("anna", "calls 555", call_to("555", Sequence::User));
        world.told_pick_up("101");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_back_call_that_nobody_answers() {
    let story = story(|world| {
        world.told_ask("anna", "calls 777", call_to("777", Sequence::User));
        world.told_pick_up("101");
        world.told_pass(31);
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_back_call_aborted_while_the_own_phone_rings() {
    let story = story(|world| {
        let request = call_to("89031112233", Sequence::User);
        world.told_ask("anna", "calls 89031112233", request);
        world.told_ask("anna", "aborts the dialling", CallRequest::AutoCallAbort);
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_back_call_aborted_while_the_other_rings() {
    let story = story(|world| {
        let request = call_to("89031112233", Sequence::User);
        world.told_ask("anna", "calls 89031112233", request);
        world.told_pick_up("101");
        world.told_ask("anna", "aborts the dialling", CallRequest::AutoCallAbort);
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_back_call_to_an_outside_number_other_party_first() {
    let story = story(|world| {
        let request = call_to("89031112233", Sequence::Abonent);
        world.told_ask("anna", "calls 89031112233, it first", request);
        world.told_pass(3);
        world.told_pick_up("101");
        world.told_ask("anna", "hangs up from the page", CallRequest::Abort);
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_back_call_to_a_busy_number_other_party_first() {
    let story = story(|world| {
        world.told_ask(
            "anna",
            "calls 555, it first",
            call_to("555", Sequence::Abonent),
        );
    });
    insta::assert_snapshot!(story);
}

#[test]
fn one_user_calls_another_own_phone_first() {
    let story = story(|world| {
        world.anna_and_boris_talk();
        world.told_hang_up("102");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn one_user_calls_another_other_party_first() {
    let story = story(|world| {
        let request = call_to("102", Sequence::Abonent);
        world.told_ask("anna", "calls 102, it first", request);
        world.told_pick_up("102");
        world.told_pick_up("101");
        world.told_hang_up("101");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_called_user_declines_a_colleague() {
    let story = story(|world| {
        world.told_ask("anna", "calls 102", call_to("102", Sequence::User));
        world.told_pick_up("101");
        world.told_ask("boris", "declines", CallRequest::Decline);
    });
    insta::assert_snapshot!(story);
}

#[test]
fn an_intercom_call_is_answered_without_a_ring() {
    let story = story(|world| {
        let request = CallRequest::AutoCallStart {
            number: "102".into(),
            sequence: Sequence::User,
            intercom: true,
        };
        world.told_ask("anna", "calls 102 by intercom", request);
        world.told_pick_up("101");
        world.told_hang_up("101");
    });
    insta::assert_snapshot!(story);
}

// protocol 6.6-q
#[test]
fn a_number_dialled_by_hand() {
    let story = story(|world| {
        world.tell("anna dials 89031112233 by hand");
        let dialled = world
            .sim
            .hand_dial(&"101".into(), &"89031112233".into(), world.now);
        assert!(dialled.is_some());
        world.run();
        world.told_pass(3);
        world.told_hang_up("101");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_colleague_dialled_by_hand() {
    let story = story(|world| {
        world.tell("anna dials 102 by hand");
        let dialled = world.sim.hand_dial(&"101".into(), &"102".into(), world.now);
        assert!(dialled.is_some());
        world.run();
        world.told_pick_up("102");
        world.told_hang_up("102");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn an_outside_party_is_held_and_taken_back() {
    let story = story(|world| {
        world.boris_and_an_outside_caller_talk();
        world.told_ask("boris", "holds", SWITCH);
        world.told_ask("boris", "takes back", SWITCH);
        world.told_ask("boris", "holds", SWITCH);
        let abort = CallRequest::Flash(FlashMode::Abort);
        world.told_ask("boris", "takes back with abort", abort);
        world.told_hang_up("102");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_colleague_is_held_and_taken_back() {
    let story = story(|world| {
        world.anna_and_boris_talk();
        world.told_ask("boris", "holds", SWITCH);
        world.told_ask("anna", "wants to hold too", SWITCH);
        world.told_ask("boris", "takes back", SWITCH);
        world.told_ask("anna", "hangs up from the page", CallRequest::Abort);
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_held_party_hangs_up() {
    let story = story(|world| {
        world.anna_and_boris_talk();
        world.told_ask("boris", "holds", SWITCH);
        world.told_hang_up("101");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_break_chosen_in_a_talk_begins_after_it() {
    let story = story(|world| {
        world.told_outside_call("89274513158", "101");
        world.told_pick_up("101");
        world.tell("anna chooses a break");
        world.set_state("anna", StateId::Lunch);
        world.told_hang_up("89274513158");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_talk_goes_on_through_a_loss_of_the_switch_without_events() {
    let story = story(|world| {
        world.anna_and_boris_talk();
        world.tell("the switch is lost and found");
        world.sim.disconnect();
        world.run();
        world.sim.reconnect();
        world.run();
        world.told_hang_up("101");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_talk_that_ended_while_the_switch_was_lost_ends_after_it() {
    let story = story(|world| {
        world.boris_and_an_outside_caller_talk();
        world.tell("the switch is lost, 89274513158 hangs up, the switch is found");
        world.sim.disconnect();
        world.run();
        world.hang_up("89274513158");
        world.told_ask("boris", "hangs up from the page", CallRequest::Abort);
        world.sim.reconnect();
        world.run();
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_phone_goes_away_and_comes_back() {
    use crate::pbx::PhoneState;
    let story = story(|world| {
        world.tell("the phone 101 goes away");
        world
            .sim
            .set_phone(&"101".into(), PhoneState::Absent, world.now);
        world.run();
        world.told_ask("anna", "calls 102", call_to("102", Sequence::User));
        world.told_outside_call("89274513158", "101");
        world.tell("the phone 101 comes back");
        world
            .sim
            .set_phone(&"101".into(), PhoneState::Registered, world.now);
        world.run();
    });
    insta::assert_snapshot!(story);
}

#[test]
fn a_user_who_leaves_is_disconnected_and_keeps_what_was_set() {
    let story = story(|world| {
        world.set_state("anna", StateId::DoNotDisturb);
        for is_present in [false, true] {
            world.tell(if is_present {
                "anna comes"
            } else {
                "anna leaves"
            });
            let anna = user("anna");
            let done = if is_present {
                world.switchboard.user_present(anna, world.now)
            } else {
                world.switchboard.user_absent(anna, world.now)
            };
            assert_eq!(done, Ok(()));
            world.outputs();
        }
        world.told_outside_call("89274513158", "101");
    });
    insta::assert_snapshot!(story);
}

#[test]
fn the_far_end_is_told_why_a_call_was_not_answered() {
    let mut world = World::new();
    let caller = world.outside_call("89274513158", "101");
    world.ask("anna", CallRequest::Decline);
    assert!(world.sim.legs().iter().all(|leg| leg.leg != caller));
    let ends: Vec<_> = world.hang_ups().collect();
    assert!(
        ends.iter().all(|cause| *cause == EndCause::Refused),
        "{ends:?}"
    );
    assert_eq!(ends.len(), 2);
}
