//! Crossing events, commands that fail, and a switch that comes and goes.
//! The test plays the switch, event by event.

use std::sync::Arc;
use std::time::Duration;

use super::world::{World, call_to, number_of, user};
use crate::base::{Guid, LegId};
use crate::pbx::{Command, CommandFailure, EndCause, PbxEvent, PhoneState, SnapshotLeg};
use crate::protocol::{CallRequest, FlashMode, Phase, Sequence, StateId};
use crate::switchboard::tests::world::PEOPLE;

const HOLD: CallRequest = CallRequest::Flash(FlashMode::Switch);
const OUTSIDE: LegId = LegId(Guid::from_bits(0xA));

/// An outside caller's leg arrives for anna; returns the leg of her phone.
fn caller_dials_anna(world: &mut World) -> LegId {
    world.handle(PbxEvent::Incoming {
        leg: OUTSIDE,
        caller: Some("89274513158".into()),
        caller_name: None,
        called: "101".into(),
    });
    let leg = world.accept_dial("101");
    world.handle(PbxEvent::Ringing(leg));
    assert_eq!(world.phase("anna"), Phase::Ringing);
    leg
}

/// anna talks with the outside caller; returns the leg of her phone.
fn anna_talks(world: &mut World) -> LegId {
    let leg = caller_dials_anna(world);
    world.handle(PbxEvent::Answered(leg));
    world.handle(PbxEvent::Answered(OUTSIDE));
    world.handle(PbxEvent::Joined(OUTSIDE, leg));
    assert_eq!(world.phase("anna"), Phase::Commutated);
    leg
}

fn snapshot(legs: &[(LegId, bool, Option<LegId>)]) -> PbxEvent {
    let phones = PEOPLE.iter();
    PbxEvent::Connected {
        phones: phones
            .map(|it| (number_of(it), PhoneState::Registered))
            .collect(),
        legs: legs.iter().map(snapshot_leg).collect(),
    }
}

fn snapshot_leg(&(leg, is_answered, joined_with): &(LegId, bool, Option<LegId>)) -> SnapshotLeg {
    SnapshotLeg {
        leg,
        number: "".into(),
        is_answered,
        is_held: false,
        joined_with,
        room: None,
    }
}

fn assert_over(world: &World) {
    world.switchboard.assert_nothing_left();
    assert_eq!(world.state("anna"), StateId::Ready);
}

#[test]
fn between_ring_and_talk_the_line_never_shows_anything_else() {
    let mut world = World::by_hand();
    let leg = caller_dials_anna(&mut world);
    world.handle(PbxEvent::Answered(leg));
    assert_eq!(world.last_command().1, Command::Answer { leg: OUTSIDE });
    assert_eq!(world.phase("anna"), Phase::Ringing);
    world.handle(PbxEvent::Answered(OUTSIDE));
    let (first, second) = (OUTSIDE, leg);
    assert_eq!(world.last_command().1, Command::Join { first, second });
    assert_eq!(world.phase("anna"), Phase::Ringing);
    world.handle(PbxEvent::Joined(OUTSIDE, leg));
    assert_eq!(world.phase("anna"), Phase::Commutated);
}

#[test]
fn a_caller_who_leaves_while_the_phone_is_picked_up_is_gone() {
    let mut world = World::by_hand();
    let leg = caller_dials_anna(&mut world);
    world.handle(PbxEvent::Ended(OUTSIDE, EndCause::Normal));
    world.handle(PbxEvent::Answered(leg));
    assert_eq!(world.phase("anna"), Phase::Ringing, "her leg still exists");
    world.handle(PbxEvent::Ended(leg, EndCause::Normal));
    assert_over(&world);
    assert!(!world.story().contains("commstarted"), "{}", world.story());
}

#[test]
fn a_dial_that_the_switch_refuses_leaves_no_trace() {
    let mut world = World::by_hand();
    world.ask("anna", call_to("102", Sequence::User));
    let (id, _) = world.last_command();
    world.handle(PbxEvent::Failed(id, CommandFailure::Rejected));
    assert_over(&world);
    assert_eq!(world.story(), "");
    world.ask("anna", call_to("102", Sequence::User));
    assert_eq!(world.switchboard.call_count(), 1);
}

#[test]
fn a_dial_of_unknown_fate_is_hung_up_until_the_switch_knows_of_no_leg() {
    let mut world = World::by_hand();
    world.ask("anna", call_to("102", Sequence::User));
    world.handle(PbxEvent::TimedOut(world.last_command().0));
    let (id, command) = world.last_command();
    assert!(matches!(command, Command::HangUp { .. }));
    assert_eq!(world.switchboard.call_count(), 1);
    world.handle(PbxEvent::Failed(id, CommandFailure::NoSuchLeg));
    assert_over(&world);
}

#[test]
fn a_called_phone_that_cannot_be_dialled_ends_the_call_for_the_caller() {
    let mut world = World::by_hand();
    world.ask("anna", call_to("102", Sequence::User));
    let own = world.accept_dial("101");
    world.handle(PbxEvent::Ringing(own));
    world.handle(PbxEvent::Answered(own));
    assert_eq!(world.phase("anna"), Phase::AutoCall);
    world.handle(PbxEvent::Failed(
        world.last_command().0,
        CommandFailure::Rejected,
    ));
    world.handle(PbxEvent::Ended(own, EndCause::Normal));
    assert_over(&world);
    assert!(world.story().contains("phoneevent_acmcallstopped"));
    assert!(!world.story().contains("boris: "));
}

#[test]
fn two_legs_that_cannot_be_joined_are_hung_up() {
    let mut world = World::by_hand();
    let leg = caller_dials_anna(&mut world);
    world.handle(PbxEvent::Answered(leg));
    world.handle(PbxEvent::Answered(OUTSIDE));
    world.handle(PbxEvent::TimedOut(world.last_command().0));
    world.handle(PbxEvent::Ended(leg, EndCause::Failed));
    assert_eq!(world.phase("anna"), Phase::Idle);
    world.handle(PbxEvent::Ended(OUTSIDE, EndCause::Failed));
    assert_over(&world);
    assert!(!world.story().contains("commstarted"));
}

#[test]
fn a_join_that_is_accepted_but_never_happens_ends_the_call() {
    let mut world = World::by_hand();
    let leg = caller_dials_anna(&mut world);
    world.handle(PbxEvent::Answered(leg));
    world.handle(PbxEvent::Answered(OUTSIDE));
    world.handle(PbxEvent::Accepted(world.last_command().0));
    world.pass(Duration::from_secs(11));
    assert!(matches!(world.last_command().1, Command::HangUp { .. }));
}

#[test]
fn a_hold_that_fails_leaves_the_talk_as_it_is() {
    let mut world = World::by_hand();
    anna_talks(&mut world);
    let told = world.story().len();
    world.ask("anna", HOLD);
    let (id, command) = world.last_command();
    assert_eq!(command, Command::Hold { held: OUTSIDE });
    world.ask("anna", HOLD);
    assert!(world.story()[told..].contains("a change of the call is under way"));
    world.handle(PbxEvent::Failed(id, CommandFailure::Rejected));
    assert_eq!(world.phase("anna"), Phase::Commutated);
    world.ask("anna", HOLD);
    let (next, command) = world.last_command();
    assert_eq!(command, Command::Hold { held: OUTSIDE });
    assert_ne!(next, id, "she may ask again");
}

#[test]
fn a_hold_that_is_accepted_but_never_happens_may_be_asked_for_again() {
    let mut world = World::by_hand();
    anna_talks(&mut world);
    world.ask("anna", HOLD);
    let (id, _) = world.last_command();
    world.handle(PbxEvent::Accepted(id));
    world.pass(Duration::from_secs(9));
    world.ask("anna", HOLD);
    assert_eq!(
        world.last_command().0,
        id,
        "the first hold is still under way"
    );
    world.pass(Duration::from_secs(1));
    world.ask("anna", HOLD);
    assert_ne!(world.last_command().0, id);
}

#[test]
fn a_hold_that_happens_after_all_is_shown() {
    let mut world = World::by_hand();
    let leg = anna_talks(&mut world);
    world.ask("anna", HOLD);
    world.handle(PbxEvent::TimedOut(world.last_command().0));
    assert_eq!(world.phase("anna"), Phase::Commutated);
    world.handle(PbxEvent::Held(OUTSIDE));
    assert_eq!(world.phase("anna"), Phase::Idle);
    // The far side of the same pair may hold, too: the switch is the truth.
    world.handle(PbxEvent::Joined(leg, OUTSIDE));
    world.handle(PbxEvent::Held(leg));
    assert_eq!(world.phase("anna"), Phase::WaitingInFlash);
}

#[test]
fn a_hang_up_that_the_switch_refuses_is_repeated_and_the_line_stays_true() {
    let mut world = World::by_hand();
    let leg = anna_talks(&mut world);
    world.ask("anna", CallRequest::Abort);
    let hang_ups = world.hang_ups().count();
    let refused: Vec<_> = world.commands.iter().rev().take(2).cloned().collect();
    for (id, _) in refused {
        world.handle(PbxEvent::Failed(id, CommandFailure::Rejected));
    }
    assert_eq!(world.phase("anna"), Phase::Commutated);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.hang_ups().count(), hang_ups + 2);
    // Those are not answered: the switch is not asked again.
    world.pass(Duration::from_secs(10));
    assert_eq!(world.hang_ups().count(), hang_ups + 2);
    world.handle(PbxEvent::Ended(leg, EndCause::Normal));
    assert_eq!(world.phase("anna"), Phase::Idle);
    world.handle(PbxEvent::Ended(OUTSIDE, EndCause::Normal));
    assert_over(&world);
}

#[test]
fn a_user_is_free_for_the_next_call_while_the_other_leg_still_ends() {
    let mut world = World::by_hand();
    let leg = anna_talks(&mut world);
    world.ask("anna", CallRequest::Abort);
    world.handle(PbxEvent::Ended(leg, EndCause::Normal));
    world.ask("anna", call_to("102", Sequence::User));
    let next = world.accept_dial("101");
    world.handle(PbxEvent::Ringing(next));
    world.handle(PbxEvent::Ended(OUTSIDE, EndCause::Normal));
    assert_eq!(
        world.phase("anna"),
        Phase::Ringing,
        "the old call is not hers any more"
    );
}

#[test]
fn of_two_users_who_call_each_other_at_once_one_gets_through() {
    let mut world = World::new();
    world.ask("anna", call_to("102", Sequence::User));
    world.ask("boris", call_to("101", Sequence::User));
    world.pick_up("101");
    world.assert_line_is_idle("anna");
    world.pick_up("102");
    world.pick_up("101");
    assert_eq!(world.phase("anna"), Phase::Commutated);
    assert_eq!(world.phase("boris"), Phase::Commutated);
    assert_eq!(world.switchboard.call_count(), 1);
}

#[test]
fn a_caller_who_hangs_up_before_the_call_is_routed_is_simply_gone() {
    let mut world = World::new();
    world.routes_at_once = false;
    world.outside_call("89274513158", "101");
    let chain = world.arrived.pop_front().expect("a caller arrived");
    let waiting = world.switchboard.current_queue(user("anna"));
    assert_eq!(waiting.expect("a known user").len(), 1);
    world.hang_up("89274513158");
    world
        .switchboard
        .route(chain, Some("Ivan".into()), None, world.now);
    world.outputs();
    assert_eq!(world.story(), "");
    world.assert_all_is_over();
}

#[test]
fn a_caller_whom_nobody_routes_rings_without_a_name() {
    let mut world = World::new();
    world.routes_at_once = false;
    world.outside_call("89274513158", "101");
    world.pass(Duration::from_secs(4));
    assert_eq!(world.phase("anna"), Phase::Idle);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.phase("anna"), Phase::Ringing);
}

#[test]
fn of_two_callers_who_arrived_the_one_routed_second_finds_the_user_busy() {
    let mut world = World::new();
    world.routes_at_once = false;
    world.outside_call("89270000001", "101");
    world.outside_call("89270000002", "101");
    for chain in std::mem::take(&mut world.arrived) {
        world.switchboard.route(chain, None, None, world.now);
        world.outputs();
        world.run();
    }
    assert_eq!(world.hang_ups().collect::<Vec<_>>(), [EndCause::Busy]);
    assert_eq!(world.switchboard.call_count(), 1);
}

#[test]
fn what_the_switch_says_twice_or_of_unknown_legs_is_ignored_and_counted() {
    let mut world = World::by_hand();
    let leg = anna_talks(&mut world);
    let told = world.story().len();
    let ignored = world.switchboard.counters().reports_ignored;
    let unknown = LegId(Guid::from_bits(0xB));
    let reports = [
        PbxEvent::Ringing(leg),
        PbxEvent::Answered(leg),
        PbxEvent::Ringing(unknown),
        PbxEvent::Answered(unknown),
        PbxEvent::Joined(unknown, leg),
        PbxEvent::Joined(leg, unknown),
        PbxEvent::Held(unknown),
        PbxEvent::Ended(unknown, EndCause::Normal),
        PbxEvent::Incoming {
            leg: OUTSIDE,
            caller: None,
            caller_name: None,
            called: "101".into(),
        },
    ];
    let count = u64::try_from(reports.len()).expect("a few");
    for report in reports {
        world.handle(report);
    }
    assert_eq!(world.story().len(), told);
    assert_eq!(
        world.switchboard.counters().reports_ignored,
        ignored + count
    );
}

#[test]
fn an_answer_that_was_missed_while_the_switch_was_lost_goes_on_to_a_talk() {
    let mut world = World::by_hand();
    let leg = caller_dials_anna(&mut world);
    world.handle(PbxEvent::Disconnected);
    world.handle(snapshot(&[(OUTSIDE, false, None), (leg, true, None)]));
    assert_eq!(world.last_command().1, Command::Answer { leg: OUTSIDE });
    assert_eq!(world.phase("anna"), Phase::Ringing);
}

#[test]
fn a_talk_whose_join_was_lost_is_joined_anew_without_an_event() {
    let mut world = World::by_hand();
    let leg = anna_talks(&mut world);
    let told = world.story().len();
    world.handle(PbxEvent::Disconnected);
    world.handle(snapshot(&[(OUTSIDE, true, None), (leg, true, None)]));
    let (first, second) = (OUTSIDE, leg);
    assert_eq!(world.last_command().1, Command::Join { first, second });
    world.handle(PbxEvent::Joined(OUTSIDE, leg));
    assert_eq!(&world.story()[told..], "");
    assert_eq!(world.switchboard.counters().calls_connected, 1);
}

#[test]
fn a_leg_that_the_snapshot_does_not_list_has_ended() {
    let mut world = World::by_hand();
    let leg = anna_talks(&mut world);
    world.handle(PbxEvent::Disconnected);
    world.handle(snapshot(&[(OUTSIDE, true, None)]));
    let hang_up = Command::HangUp {
        leg: OUTSIDE,
        cause: EndCause::Failed,
    };
    assert_eq!(world.last_command().1, hang_up);
    assert_eq!(world.phase("anna"), Phase::Idle);
    assert_eq!(world.state("anna"), StateId::Ready);
    let ignored = world.switchboard.counters().reports_ignored;
    world.handle(PbxEvent::Ended(leg, EndCause::Normal));
    assert_eq!(world.switchboard.counters().reports_ignored, ignored + 1);
}

#[test]
fn nothing_times_out_while_calls_are_in_doubt() {
    let mut world = World::by_hand();
    let leg = caller_dials_anna(&mut world);
    world.handle(PbxEvent::Disconnected);
    assert_eq!(world.switchboard.next_timeout(), None);
    world.pass(Duration::from_secs(600));
    assert_eq!(world.phase("anna"), Phase::Ringing);
    world.handle(snapshot(&[(OUTSIDE, false, None), (leg, false, None)]));
    assert_eq!(world.phase("anna"), Phase::Ringing);
    world.pass(Duration::from_secs(60));
    assert!(world.hang_ups().all(|cause| cause == EndCause::NoAnswer));
    assert_eq!(world.hang_ups().count(), 2);
}

#[test]
fn a_caller_routed_while_the_switch_is_lost_rings_after_it() {
    let mut world = World::by_hand();
    world.routes_at_once = false;
    world.handle(PbxEvent::Incoming {
        leg: OUTSIDE,
        caller: None,
        caller_name: None,
        called: "101".into(),
    });
    world.handle(PbxEvent::Disconnected);
    let chain = world.arrived.pop_front().expect("a caller arrived");
    world.switchboard.route(chain, None, None, world.now);
    world.outputs();
    assert_eq!(world.commands.len(), 0);
    world.handle(snapshot(&[(OUTSIDE, false, None)]));
    let leg = world.accept_dial("101");
    world.handle(PbxEvent::Ringing(leg));
    let line = world.switchboard.line_info(user("anna"), world.now);
    let party = line.expect("a known user").abonent.party.expect("a party");
    let anonymous: Arc<str> = "anonymous".into();
    assert_eq!(
        party.number,
        Some(anonymous),
        "without a number no answer button is shown"
    );
}
