use std::sync::Arc;
use std::time::Duration;

use super::{SimConfig, SimulatedPbx};
use crate::base::{CommandId, Guid, Instant, LegId};
use crate::pbx::{Command, CommandFailure, EndCause, PbxEvent, PhoneState};

const FIRST: LegId = LegId(Guid::from_bits(1));
const SECOND: LegId = LegId(Guid::from_bits(2));
const START: Instant = Instant::from_micros(0);

fn config() -> SimConfig {
    SimConfig {
        phones: vec!["101".into(), "102".into()],
        busy_numbers: vec!["555".into()],
        no_answer_numbers: vec!["777".into()],
        ..SimConfig::default()
    }
}

/// A switch whose first event, *connected*, has been taken.
fn switch(config: SimConfig) -> SimulatedPbx {
    let mut sim = SimulatedPbx::new(config);
    let connected = sim.poll_event();
    assert!(matches!(connected, Some(PbxEvent::Connected { .. })));
    sim
}

fn dial(leg: LegId, number: &str) -> Command {
    Command::Dial {
        leg,
        number: number.into(),
        caller: None,
        caller_name: None,
        auto_answer: false,
    }
}

/// Gives a command; what it leads to at once, without *accepted*.
fn command(sim: &mut SimulatedPbx, command: Command, now: Instant) -> Vec<PbxEvent> {
    let id = CommandId(7);
    sim.handle_command(id, command, now);
    let mut events = events(sim);
    assert_eq!(events.remove(0), PbxEvent::Accepted(id));
    events
}

fn events(sim: &mut SimulatedPbx) -> Vec<PbxEvent> {
    std::iter::from_fn(|| sim.poll_event()).collect()
}

/// Lets time pass and takes what happened.
fn at(sim: &mut SimulatedPbx, seconds: u64) -> Vec<PbxEvent> {
    sim.handle_timeout(START + Duration::from_secs(seconds));
    events(sim)
}

/// Two answered legs that hear each other.
fn talk(sim: &mut SimulatedPbx) {
    for (leg, number) in [(FIRST, "101"), (SECOND, "102")] {
        command(sim, dial(leg, number), START);
        assert!(sim.answer(leg, START));
        assert_eq!(events(sim), [PbxEvent::Answered(leg)]);
    }
    let (first, second) = (FIRST, SECOND);
    let joined = command(sim, Command::Join { first, second }, START);
    assert_eq!(joined, [PbxEvent::Joined(FIRST, SECOND)]);
}

#[test]
fn an_outside_number_rings_and_answers_after_its_time() {
    let mut sim = switch(config());
    let events = command(&mut sim, dial(FIRST, "89031112233"), START);
    assert_eq!(events, [PbxEvent::Ringing(FIRST)]);
    assert_eq!(at(&mut sim, 1), []);
    assert_eq!(at(&mut sim, 2), [PbxEvent::Answered(FIRST)]);
}

#[test]
fn a_busy_number_is_busy_and_a_silent_one_is_given_up() {
    let mut sim = switch(config());
    let events = command(&mut sim, dial(FIRST, "555"), START);
    assert_eq!(events, [PbxEvent::Ended(FIRST, EndCause::Busy)]);
    let events = command(&mut sim, dial(SECOND, "777"), START);
    assert_eq!(events, [PbxEvent::Ringing(SECOND)]);
    assert_eq!(
        at(&mut sim, 30),
        [PbxEvent::Ended(SECOND, EndCause::NoAnswer)]
    );
    assert_eq!(sim.next_timeout(), None);
}

#[test]
fn a_phone_is_rung_until_somebody_acts_and_busy_for_others_meanwhile() {
    let mut sim = switch(config());
    let events_ = command(&mut sim, dial(FIRST, "101"), START);
    assert_eq!(events_, [PbxEvent::Ringing(FIRST)]);
    let busy = command(&mut sim, dial(SECOND, "101"), START);
    assert_eq!(busy, [PbxEvent::Ended(SECOND, EndCause::Busy)]);
    assert!(sim.hang_up(FIRST, START));
    assert_eq!(
        events(&mut sim),
        [PbxEvent::Ended(FIRST, EndCause::Refused)]
    );
    assert!(!sim.hang_up(FIRST, START) && !sim.answer(FIRST, START));
}

#[test]
fn a_phone_that_went_away_cannot_be_reached() {
    let mut sim = switch(config());
    let number: Arc<str> = "101".into();
    sim.set_phone(&number, PhoneState::Absent, START);
    let state = PhoneState::Absent;
    assert_eq!(events(&mut sim), [PbxEvent::Phone { number, state }]);
    let gone = command(&mut sim, dial(FIRST, "101"), START);
    assert_eq!(gone, [PbxEvent::Ended(FIRST, EndCause::Unreachable)]);
    assert_eq!(sim.hand_dial(&"101".into(), &"102".into(), START), None);
}

#[test]
fn a_phone_asked_to_answer_by_itself_does_not_ring() {
    let mut sim = switch(config());
    let Command::Dial {
        leg,
        number,
        caller,
        caller_name,
        ..
    } = dial(FIRST, "101")
    else {
        unreachable!("a dial")
    };
    let intercom = Command::Dial {
        leg,
        number,
        caller,
        caller_name,
        auto_answer: true,
    };
    assert_eq!(
        command(&mut sim, intercom, START),
        [PbxEvent::Answered(FIRST)]
    );
}

#[test]
fn an_outside_call_is_answered_and_ended_as_planned() {
    let mut sim = switch(config());
    let second = Duration::from_secs(1);
    let to = "101".into();
    let from = Some("8927".into());
    let caller = sim
        .outside_call(from, &to, None, Some(second), Some(second), START)
        .expect("there is room");
    assert!(matches!(&events(&mut sim)[..], [PbxEvent::Incoming { leg, .. }] if *leg == caller));
    command(&mut sim, dial(FIRST, "101"), START);
    assert_eq!(at(&mut sim, 1), [PbxEvent::Answered(FIRST)]);
    let now = START + second;
    command(&mut sim, Command::Answer { leg: caller }, now);
    let (first, second) = (caller, FIRST);
    command(&mut sim, Command::Join { first, second }, now);
    assert_eq!(at(&mut sim, 2), [PbxEvent::Ended(caller, EndCause::Normal)]);
}

#[test]
fn an_outside_caller_whom_nobody_serves_gives_up() {
    let mut sim = switch(config());
    let caller = sim.outside_call(None, &"101".into(), None, None, None, START);
    let caller = caller.expect("there is room");
    events(&mut sim);
    assert_eq!(
        at(&mut sim, 30),
        [PbxEvent::Ended(caller, EndCause::NoAnswer)]
    );
}

#[test]
fn a_held_leg_is_shown_in_the_snapshot_and_can_be_taken_back() {
    let mut sim = switch(config());
    talk(&mut sim);
    let held = command(&mut sim, Command::Hold { held: SECOND }, START);
    assert_eq!(held, [PbxEvent::Held(SECOND)]);
    let legs = sim.legs();
    assert!(legs[1].is_held && !legs[0].is_held && legs[0].joined_with.is_none());
    let (first, second) = (FIRST, SECOND);
    command(&mut sim, Command::Join { first, second }, START);
    assert_eq!(sim.legs()[0].joined_with, Some(SECOND));
}

#[test]
fn who_is_left_alone_hangs_up_after_a_while_but_who_is_on_hold_waits() {
    let mut sim = switch(config());
    talk(&mut sim);
    command(&mut sim, Command::Hold { held: SECOND }, START);
    assert_eq!(at(&mut sim, 600), []);
    sim.hang_up(FIRST, START + Duration::from_secs(600));
    let [PbxEvent::Ended(FIRST, EndCause::Normal)] = events(&mut sim)[..] else {
        panic!("the first leg ends");
    };
    assert_eq!(
        at(&mut sim, 660),
        [PbxEvent::Ended(SECOND, EndCause::Normal)]
    );
}

#[test]
fn commands_that_do_not_fit_fail_for_their_reason() {
    let mut sim = switch(config());
    command(&mut sim, dial(FIRST, "101"), START);
    let (first, second) = (FIRST, SECOND);
    let cause = EndCause::Normal;
    let cases = [
        (dial(FIRST, "102"), CommandFailure::WrongState),
        (Command::Answer { leg: SECOND }, CommandFailure::NoSuchLeg),
        (
            Command::HangUp { leg: SECOND, cause },
            CommandFailure::NoSuchLeg,
        ),
        (Command::Join { first, second }, CommandFailure::WrongState),
        (Command::Hold { held: FIRST }, CommandFailure::WrongState),
    ];
    for (index, (command, failure)) in (0..).zip(cases) {
        sim.handle_command(CommandId(index), command, START);
        let failed = PbxEvent::Failed(CommandId(index), failure);
        assert_eq!(events(&mut sim), [failed]);
    }
}

#[test]
fn a_switch_that_rejects_everything_changes_nothing() {
    let mut sim = switch(SimConfig {
        reject_share: 1.0,
        ..config()
    });
    sim.handle_command(CommandId(1), dial(FIRST, "101"), START);
    let rejected = PbxEvent::Failed(CommandId(1), CommandFailure::Rejected);
    assert_eq!(events(&mut sim), [rejected]);
    assert_eq!(sim.legs(), []);
}

#[test]
fn of_commands_whose_fate_is_unknown_about_half_took_effect() {
    let mut sim = switch(SimConfig {
        drop_share: 1.0,
        ..config()
    });
    for number in 0..100_u64 {
        let leg = LegId(Guid::from_bits(u128::from(number)));
        sim.handle_command(CommandId(number), dial(leg, "89031112233"), START);
    }
    assert!((30..70).contains(&sim.legs().len()));
    let events = at(&mut sim, 5);
    let timed_out = events
        .iter()
        .filter(|it| matches!(it, PbxEvent::TimedOut(_)));
    assert_eq!(timed_out.count(), 100);
    assert!(!events.iter().any(|it| matches!(it, PbxEvent::Accepted(_))));
}

#[test]
fn delayed_events_keep_their_order() {
    let mut sim = switch(SimConfig {
        delay: Duration::from_millis(100),
        ..config()
    });
    for number in 0..50_u64 {
        let leg = LegId(Guid::from_bits(u128::from(number)));
        sim.handle_command(CommandId(number), dial(leg, "555"), START);
    }
    assert_eq!(events(&mut sim), []);
    assert_eq!(
        sim.next_timeout()
            .map(|at| at >= START + Duration::from_millis(100)),
        Some(true)
    );
    let accepted: Vec<_> = at(&mut sim, 1)
        .into_iter()
        .filter_map(|event| match event {
            PbxEvent::Accepted(id) => Some(id.0),
            _ => None,
        })
        .collect();
    assert_eq!(accepted, (0..50).collect::<Vec<_>>());
}

#[test]
fn while_the_driver_is_away_the_world_goes_on_and_the_snapshot_tells() {
    let mut sim = switch(config());
    talk(&mut sim);
    sim.disconnect();
    sim.hang_up(FIRST, START);
    assert_eq!(events(&mut sim), [PbxEvent::Disconnected]);
    sim.handle_command(CommandId(1), dial(FIRST, "101"), START);
    let failed = PbxEvent::Failed(CommandId(1), CommandFailure::Unavailable);
    assert_eq!(events(&mut sim), [failed]);
    sim.reconnect();
    let events = events(&mut sim);
    let [PbxEvent::Connected { phones, legs }] = events.as_slice() else {
        panic!("a snapshot: {events:?}");
    };
    assert_eq!((phones.len(), legs.len()), (2, 1));
    assert_eq!((legs[0].leg, legs[0].joined_with), (SECOND, None));
}

#[test]
fn legs_over_the_limit_are_refused() {
    let mut sim = switch(SimConfig {
        legs_max: 1,
        ..config()
    });
    command(&mut sim, dial(FIRST, "101"), START);
    assert_eq!(
        sim.outside_call(None, &"102".into(), None, None, None, START),
        None
    );
    sim.handle_command(CommandId(1), dial(SECOND, "102"), START);
    assert!(matches!(events(&mut sim)[..], [PbxEvent::Failed(..)]));
}
