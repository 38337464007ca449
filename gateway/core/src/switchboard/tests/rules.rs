//! What may be asked, what is refused and in which words, and what states and
//! directories say.

use std::sync::Arc;
use std::time::Duration;

use super::world::{World, call_to, directory, number_of, sim_config, user};
use crate::base::{Guid, NumberId, UserId};
use crate::pbx::{EndCause, PhoneState};
use crate::protocol::{
    CallRequest, ErrorNumber, Fault, FlashMode, Phase, Sequence, SetUserState, StateId,
};
use crate::switchboard::{ChainState, Directory, Limits, Switchboard};

fn fault(world: &mut World, login: &str, request: CallRequest) -> String {
    let answer = world
        .switchboard
        .handle_call(user(login), request, world.now);
    world.outputs();
    answer.expect_err("a fault").to_string()
}

fn set(world: &mut World, wanted: SetUserState) -> Result<StateId, Fault> {
    let state = world
        .switchboard
        .set_user_state(user("anna"), wanted, world.now);
    world.outputs();
    state.map(|state| state.id)
}

fn lunch(reason: Option<i64>) -> SetUserState {
    SetUserState {
        state: Some(StateId::Lunch),
        lunch_reason: reason,
        ..SetUserState::default()
    }
}

#[test]
fn what_cannot_be_dialled_is_refused_in_clear_words() {
    let mut world = World::new();
    let anna = user("anna").to_string();
    let anna_number = NumberId(Guid::from_bits(0x200)).to_string();
    let nobody = Guid::from_bits(0x999).to_string();
    let long = "1".repeat(65);
    let cases = [
        (
            "",
            "field `number`: expected a number, a user id or a number id (422)",
        ),
        (
            "  ",
            "field `number`: expected a number, a user id or a number id (422)",
        ),
        (
            "1\n2",
            "field `number`: expected a number, a user id or a number id (422)",
        ),
        (
            &*long,
            "field `number`: expected at most 64 characters (422)",
        ),
        (
            "101",
            "field `number`: expected somebody else's number: this one is the caller's own (422)",
        ),
        (
            &*anna,
            "field `number`: expected somebody else's number: this one is the caller's own (422)",
        ),
        (
            &*anna_number,
            "field `number`: expected somebody else's number: this one is the caller's own (422)",
        ),
        (
            &*nobody,
            "no user and no number has the id 00000000-0000-0000-0000-000000000999 (404)",
        ),
    ];
    for (number, expected) in cases {
        let text = fault(&mut world, "anna", call_to(number, Sequence::User));
        assert_eq!(text, expected, "{number:?}");
    }
    assert_eq!(world.switchboard.call_count(), 0);
}

#[test]
fn a_number_may_be_given_as_a_user_id_or_a_number_id() {
    let boris = user("boris").to_string().to_uppercase();
    let number = NumberId(Guid::from_bits(0x201)).to_string();
    for given in [&*boris, &*number, " 102 "] {
        let mut world = World::new();
        world.ask("anna", call_to(given, Sequence::User));
        let line = world.switchboard.line_info(user("anna"), world.now);
        let party = line.expect("a known user").abonent.party.expect("a party");
        assert_eq!(party.number, Some(number_of("boris")), "{given}");
        assert_eq!(party.user.map(|user| user.login), Some("boris".into()));
    }
}

#[test]
fn what_does_not_fit_the_line_is_refused_in_clear_words() {
    let mut world = World::new();
    let switch = CallRequest::Flash(FlashMode::Switch);
    let idle = [
        (CallRequest::Answer, "the user's phone does not ring (409)"),
        (CallRequest::Decline, "the user's phone does not ring (409)"),
        (CallRequest::Abort, "the user is in no call (409)"),
        (
            CallRequest::AutoCallAbort,
            "nothing is being dialled for the user (409)",
        ),
        (switch.clone(), "the user is in no talk (409)"),
    ];
    for (request, expected) in idle {
        assert_eq!(fault(&mut world, "anna", request), expected);
    }
    world.outside_call("89274513158", "101");
    assert_eq!(
        fault(&mut world, "anna", switch),
        "the user is in no talk (409)"
    );
    let abort = fault(&mut world, "anna", CallRequest::AutoCallAbort);
    assert_eq!(abort, "nothing is being dialled for the user (409)");
    world.pick_up("101");
    let talking = [
        (CallRequest::Answer, "the user's phone does not ring (409)"),
        (
            CallRequest::Flash(FlashMode::Abort),
            "the user holds nobody to return to (409)",
        ),
    ];
    for (request, expected) in talking {
        assert_eq!(fault(&mut world, "anna", request), expected);
    }
}

#[test]
fn an_unknown_user_is_named_in_the_fault() {
    let mut world = World::new();
    let nobody = UserId(Guid::from_bits(7));
    let expected = "there is no user 00000000-0000-0000-0000-000000000007 (404)";
    let answer = world
        .switchboard
        .handle_call(nobody, CallRequest::Answer, world.now);
    assert_eq!(answer.expect_err("a fault").to_string(), expected);
    let line = world.switchboard.line_info(nobody, world.now);
    assert_eq!(line.expect_err("a fault").number, ErrorNumber::NotFound);
}

#[test]
fn a_colleague_who_cannot_be_rung_is_told_of_at_once() {
    let mut world = World::new();
    world.outside_call("89274513158", "102");
    let text = fault(&mut world, "anna", call_to("102", Sequence::Abonent));
    assert_eq!(text, "the called user is busy (409)");
    world
        .sim
        .set_phone(&"103".into(), PhoneState::Absent, world.now);
    world.run();
    let text = fault(&mut world, "anna", call_to("103", Sequence::User));
    assert_eq!(text, "no phone of the called user is registered (409)");
}

#[test]
fn who_does_not_want_to_be_disturbed_is_busy_and_who_is_on_a_break_rings() {
    for (state, expected) in [
        (StateId::DoNotDisturb, Phase::Idle),
        (StateId::FullBusy, Phase::Idle),
        (StateId::Lunch, Phase::Ringing),
    ] {
        let mut world = World::new();
        world.set_state("anna", state);
        world.outside_call("89274513158", "101");
        assert_eq!(world.phase("anna"), expected, "{state:?}");
        if expected == Phase::Idle {
            assert_eq!(world.hang_ups().collect::<Vec<_>>(), [EndCause::Busy]);
            world.ask("anna", call_to("102", Sequence::User));
            assert_eq!(world.phase("anna"), Phase::Ringing, "own calls go out");
        }
    }
}

#[test]
fn an_unknown_number_is_refused_for_an_outside_caller() {
    let mut world = World::new();
    world.outside_call("89274513158", "999");
    assert_eq!(world.hang_ups().collect::<Vec<_>>(), [EndCause::Unknown]);
    world.assert_all_is_over();
}

#[test]
fn a_user_who_dials_the_own_number_by_hand_finds_it_busy() {
    let mut world = World::new();
    world.sim.hand_dial(&"101".into(), &"101".into(), world.now);
    world.run();
    assert_eq!(world.hang_ups().collect::<Vec<_>>(), [EndCause::Busy]);
    world.assert_all_is_over();
}

#[test]
fn calls_over_the_limit_are_refused_and_counted() {
    let limits = Limits {
        calls_max: 1,
        ..Limits::default()
    };
    let mut world = World::with(sim_config(), limits, 1);
    world.outside_call("89274513158", "101");
    let text = fault(&mut world, "boris", call_to("103", Sequence::User));
    assert_eq!(
        text,
        "the exchange carries as many calls as it may: try again later (429)"
    );
    world.outside_call("89270000000", "102");
    assert_eq!(world.hang_ups().collect::<Vec<_>>(), [EndCause::Busy]);
    assert_eq!(world.switchboard.counters().calls_over_limit, 2);
    assert_eq!(
        world.sim.legs().len(),
        2,
        "the refused caller's leg is gone"
    );
}

#[test]
fn a_break_has_a_reason_from_the_list_or_the_first_one() {
    let mut world = World::new();
    let text = set(&mut world, lunch(Some(77))).expect_err("an unknown reason");
    let expected = "field `lunchreasonid`: expected the id of a break reason, as \
                    cc_getlunchtypes lists them (422)";
    assert_eq!(text.to_string(), expected);
    assert_eq!(set(&mut world, lunch(None)), Ok(StateId::Lunch));
    let message = SetUserState {
        lunch_message: Some("back at two".into()),
        ..SetUserState::default()
    };
    assert_eq!(set(&mut world, message), Ok(StateId::Lunch));
    let state = world
        .switchboard
        .user_state(user("anna"))
        .expect("a known user");
    let words: Arc<str> = "back at two".into();
    assert_eq!(
        (state.lunch_reason, state.lunch_message),
        (Some(4), Some(words))
    );
    world.set_state("anna", StateId::Ready);
    let state = world
        .switchboard
        .user_state(user("anna"))
        .expect("a known user");
    assert_eq!((state.lunch_reason, state.lunch_message), (None, None));
}

#[test]
fn states_that_nobody_may_set_and_words_without_end_are_refused() {
    let mut world = World::new();
    for state in [StateId::Disconnected, StateId::WithoutPhone] {
        let wanted = SetUserState {
            state: Some(state),
            ..SetUserState::default()
        };
        let text = set(&mut world, wanted)
            .expect_err("not settable")
            .to_string();
        assert_eq!(text, "field `userstateid`: expected 1, 2, 3 or 5 (422)");
    }
    let wanted = SetUserState {
        lunch_message: Some("x".repeat(501).into()),
        ..lunch(None)
    };
    let text = set(&mut world, wanted).expect_err("too long").to_string();
    assert_eq!(
        text,
        "field `lunchreasonmsg`: expected at most 500 characters (422)"
    );
    assert_eq!(world.state("anna"), StateId::Ready);
}

#[test]
fn what_a_request_leaves_out_stays_as_it_was() {
    let mut world = World::new();
    let wanted = SetUserState {
        on_redirect: Some(true),
        on_call_center: Some(false),
        ..SetUserState::default()
    };
    set(&mut world, wanted).expect("a fine request");
    set(&mut world, lunch(Some(4))).expect("a fine request");
    let state = world
        .switchboard
        .user_state(user("anna"))
        .expect("a known user");
    assert!(state.on_redirect && !state.on_call_center && state.on_lunch);
}

#[test]
fn an_absent_user_in_a_call_is_busy_and_absent_after_it() {
    let mut world = World::new();
    world
        .switchboard
        .user_absent(user("anna"), world.now)
        .expect("a known user");
    world.outputs();
    world.outside_call("89274513158", "101");
    assert_eq!(world.state("anna"), StateId::FullBusy);
    world.hang_up("89274513158");
    assert_eq!(world.state("anna"), StateId::Disconnected);
}

#[test]
fn the_list_of_numbers_is_built_anew_only_after_a_change() {
    let mut world = World::new();
    let (version, first) = world.switchboard.number_entries();
    let (_, second) = world.switchboard.number_entries();
    assert!(Arc::ptr_eq(&first, &second));
    world.set_state("anna", StateId::DoNotDisturb);
    let (later, third) = world.switchboard.number_entries();
    assert!(later > version);
    assert_eq!(third[0].state, StateId::DoNotDisturb);
    assert_eq!((&*third[0].number, &*third[0].caption), ("101", "ANNA"));
}

#[test]
fn the_talk_lasts_as_long_as_it_lasts() {
    let mut world = World::new();
    world.outside_call("89274513158", "101");
    world.pass(Duration::from_secs(5));
    world.pick_up("101");
    world.pass(Duration::from_secs(9));
    let line = world.switchboard.line_info(user("anna"), world.now);
    assert_eq!(line.expect("a known user").talk, Duration::from_secs(9));
}

#[test]
fn a_called_party_that_answered_first_talks_since_then() {
    let mut world = World::new();
    world.ask("anna", call_to("102", Sequence::Abonent));
    world.pick_up("102");
    world.pass(Duration::from_secs(3));
    world.pick_up("101");
    world.pass(Duration::from_secs(4));
    let talk = |login| {
        let line = world.switchboard.line_info(user(login), world.now);
        line.expect("a known user").talk.as_secs()
    };
    assert_eq!((talk("anna"), talk("boris")), (4, 7));
}

#[test]
fn calls_can_be_listed_with_their_legs() {
    let mut world = World::new();
    let caller = world.outside_call("89274513158", "101");
    let chains = world.switchboard.chains();
    let [call] = chains.as_slice() else {
        panic!("one call: {chains:?}");
    };
    assert_eq!((&*call.from, &*call.to), ("89274513158", "101"));
    assert_eq!(call.state, ChainState::Ringing);
    let phone = world.leg_of("101");
    assert_eq!(world.switchboard.outside_leg(call.chain), Some(caller));
    assert_eq!(world.switchboard.caller_leg(call.chain), Some(caller));
    assert_eq!(world.switchboard.ringing_leg(call.chain), Some(phone));
    world.pick_up("101");
    assert_eq!(world.switchboard.ringing_leg(call.chain), None);
    assert_eq!(world.switchboard.chains()[0].state.text(), "talking");
}

#[test]
fn the_directory_says_who_is_who() {
    let mut people: Directory = directory();
    people.users[0].supervises = vec![user("boris")];
    let mut switchboard = Switchboard::new(&people, Limits::default(), 1);
    let (users, is_common) = switchboard
        .user_entries(user("anna"))
        .expect("a known user");
    assert!(!is_common, "she supervises somebody");
    let subordinates: Vec<_> = users.iter().filter(|user| user.subordinate).collect();
    assert_eq!(subordinates.len(), 1);
    assert_eq!(
        (&*subordinates[0].name, &*subordinates[0].main),
        ("BORIS", "102")
    );
    let info = switchboard
        .my_user_info(user("anna"))
        .expect("a known user");
    assert_eq!(info.line, None, "no phone is registered yet");
    assert_eq!(info.main_number, Some("101".into()));
    assert!(info.is_operator);
    assert_eq!(switchboard.break_reasons().len(), 1);
}
