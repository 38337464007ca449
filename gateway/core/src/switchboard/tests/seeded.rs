//! Thousands of seeded days at the office: random people do random things on a
//! switch that refuses, delays, forgets and goes away, while every step is
//! checked; at the end of each day nothing may be left.

use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::world::{PEOPLE, World, directory, number_of, sim_config, user};
use crate::base::{ChainId, CommandId, Guid, LegId};
use crate::pbx::sim::SimConfig;
use crate::pbx::{CommandFailure, EndCause, PbxEvent, PhoneState};
use crate::protocol::{
    CallRequest, ConferenceRequest, FlashMode, GhostMode, NewConference, RedirectRule, Sequence,
    SetUserState, StateId,
};
use crate::switchboard::Limits;

/// Days of a normal run; `OKGATE_SIMULATION_DAYS` asks for more.
const DAYS: u64 = 500;
const ACTS: usize = 120;

#[test]
fn whatever_happens_lines_stay_true_and_every_call_ends() {
    let (mut talks, mut refused, mut forgotten) = (0, 0, 0);
    let days = std::env::var("OKGATE_SIMULATION_DAYS");
    let days = days.map_or(DAYS, |days| days.parse().expect("a number of days"));
    for seed in 0..days {
        let day = std::panic::catch_unwind(|| day(seed, false));
        let (_, counters) = day.unwrap_or_else(|_| {
            let _told = std::panic::catch_unwind(|| self::day(seed, true));
            panic!("the day of seed {seed} failed")
        });
        talks += counters.calls_connected;
        refused += counters.commands_failed;
        forgotten += counters.commands_timed_out;
    }
    // The days are eventful enough to mean something.
    assert!(talks > days && refused > days && forgotten > days / 4);
}

#[test]
fn the_same_seed_is_the_same_day() {
    let ((first, _), (second, _)) = (day(7, true), day(7, true));
    assert_eq!(first, second);
}

/// One day; returns its story.
fn day(seed: u64, is_told: bool) -> (String, crate::switchboard::Counters) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let is_calm = random.random_bool(0.3);
    let share = |random: &mut ChaCha8Rng| {
        if is_calm {
            0.0
        } else {
            random.random_range(0.0..0.3)
        }
    };
    let delays = [0, 0, 5, 40, 400, 3_000];
    let delay = delays.choose(&mut random).copied().unwrap_or_default();
    let config = SimConfig {
        reject_share: share(&mut random),
        drop_share: share(&mut random),
        delay: Duration::from_millis(delay),
        seed,
        ..sim_config()
    };
    let limits = Limits {
        calls_max: 5,
        ..Limits::default()
    };
    let mut world = World::with(config, limits, seed);
    world.is_told = is_told;
    world.routes_at_once = random.random();
    for _ in 0..ACTS {
        act(&mut world, &mut random);
    }
    finish(&mut world);
    (world.story().to_owned(), world.switchboard.counters())
}

fn act(world: &mut World, random: &mut ChaCha8Rng) {
    let who = *PEOPLE.choose(random).expect("somebody");
    match random.random_range(0..100) {
        0..14 => {
            let request = any_call(random);
            world.ask(who, request);
        }
        14..20 => {
            let request = any_conference(world, who, random);
            world.confer(who, request);
        }
        20..40 => {
            let request = any_request(random);
            world.ask(who, request);
        }
        40..55 => phone_is_used(world, random),
        55..65 => {
            let from = (!random.random_bool(0.1)).then(|| "89274513158".into());
            let to = number_of(who);
            let answer_after = random
                .random_bool(0.5)
                .then(|| Duration::from_millis(random.random_range(0..4_000)));
            let talk = random.random_bool(0.5).then(|| Duration::from_secs(5));
            world
                .sim
                .outside_call(from, &to, None, answer_after, talk, world.now);
            world.run();
        }
        65..70 => {
            world
                .sim
                .hand_dial(&number_of(who), &any_number(random), world.now);
            world.run();
        }
        70..73 => state_is_set(world, who, random),
        73 => rule_is_changed(world, who, random),
        74..77 => switch_moves(world, who, random),
        77..80 => nonsense(world, random),
        80..84 => {
            if let Some(chain) = world.arrived.pop_front() {
                world
                    .switchboard
                    .route(chain, Some("Ivan".into()), None, world.now);
                world.outputs();
                world.run();
            }
        }
        _ => {
            let spans = [0, 1, 10, 100, 1_000, 7_000, 40_000];
            let span = spans.choose(random).copied().unwrap_or_default();
            world.pass(Duration::from_millis(span));
        }
    }
}

fn any_number(random: &mut ChaCha8Rng) -> std::sync::Arc<str> {
    match random.random_range(0..10) {
        0 => "555".into(),
        1 => "777".into(),
        2 => "89031112233".into(),
        3 => ["201", "202", "203", "301", "302"]
            .choose(random)
            .copied()
            .unwrap_or("201")
            .into(),
        _ => number_of(PEOPLE.choose(random).expect("somebody")),
    }
}

fn any_call(random: &mut ChaCha8Rng) -> CallRequest {
    let sequence = if random.random() {
        Sequence::User
    } else {
        Sequence::Abonent
    };
    CallRequest::AutoCallStart {
        number: (&*any_number(random)).into(),
        sequence,
        intercom: random.random_bool(0.1),
    }
}

fn any_conference(world: &World, who: &str, random: &mut ChaCha8Rng) -> ConferenceRequest {
    let competitors = |random: &mut ChaCha8Rng| -> Vec<Box<str>> {
        let count = random.random_range(1..4);
        (0..count).map(|_| (&*any_number(random)).into()).collect()
    };
    let info = world.conference_of(who);
    let conference = info
        .as_ref()
        .map(|info| info.id)
        .filter(|_| random.random());
    match random.random_range(0..14) {
        0..3 => ConferenceRequest::Build,
        3 | 4 => ConferenceRequest::Create(NewConference {
            everyone_can_invite: random.random(),
            competitors: competitors(random),
            ..NewConference::default()
        }),
        5 => ConferenceRequest::Invite {
            conference,
            competitors: competitors(random),
        },
        6 => ConferenceRequest::Connect,
        7 => {
            let list = info.map(|info| info.competitors).unwrap_or_default();
            let competitor = list.choose(random).map(|it| it.id).unwrap_or_default();
            ConferenceRequest::Disconnect {
                conference,
                competitor,
            }
        }
        8 => ConferenceRequest::Exit,
        9 | 10 => ConferenceRequest::HandleEvents {
            conference,
            handle: random.random_bool(0.9),
        },
        11 | 12 => ConferenceRequest::AttachAsGhost((&*any_number(random)).into()),
        _ => ConferenceRequest::GhostMode {
            conference,
            mode: [GhostMode::Monitor, GhostMode::Help, GhostMode::Conference]
                [random.random_range(0..3)],
        },
    }
}

fn rule_is_changed(world: &mut World, who: &str, random: &mut ChaCha8Rng) {
    let rule = RedirectRule {
        id: random.random_range(0..3_u8).to_string().into(),
        is_enabled: true,
        allows_cascade: random.random(),
        destination: any_number(random),
        only_for_redirect_state: random.random(),
        ..RedirectRule::default()
    };
    // A rule that leads to its own user is refused, as it should be.
    let _own = world.switchboard.save_redirect_rule(user(who), rule);
    if random.random() {
        let ids = ["0".into(), "1".into(), "2".into()];
        let done = world.switchboard.delete_redirect_rules(user(who), &ids);
        done.expect("a known user");
    }
}

fn any_request(random: &mut ChaCha8Rng) -> CallRequest {
    match random.random_range(0..12) {
        10 | 11 => CallRequest::Transfer((&*any_number(random)).into()),
        0 | 1 => CallRequest::Answer,
        2 => CallRequest::Abort,
        3 => CallRequest::Decline,
        4 => CallRequest::AutoCallAbort,
        5 => CallRequest::Flash(FlashMode::Abort),
        _ => CallRequest::Flash(FlashMode::Switch),
    }
}

/// Somebody picks up or hangs up, at a phone or outside.
fn phone_is_used(world: &mut World, random: &mut ChaCha8Rng) {
    let legs = world.sim.legs();
    let Some(leg) = legs.choose(random) else {
        return;
    };
    if leg.is_answered && random.random_bool(0.4) || random.random_bool(0.1) {
        world.sim.hang_up(leg.leg, world.now);
    } else {
        world.sim.answer(leg.leg, world.now);
    }
    world.run();
}

fn state_is_set(world: &mut World, who: &str, random: &mut ChaCha8Rng) {
    let who = user(who);
    match random.random_range(0..4) {
        0 => world
            .switchboard
            .user_absent(who, world.now)
            .expect("a known user"),
        1 => world
            .switchboard
            .user_present(who, world.now)
            .expect("a known user"),
        _ => {
            let states = [
                StateId::Ready,
                StateId::Ready,
                StateId::Lunch,
                StateId::DoNotDisturb,
                StateId::FullBusy,
            ];
            let wanted = SetUserState {
                state: states.choose(random).copied(),
                ..SetUserState::default()
            };
            let set = world.switchboard.set_user_state(who, wanted, world.now);
            set.expect("a state that may be set");
        }
    }
    world.outputs();
    world.run();
}

fn switch_moves(world: &mut World, who: &str, random: &mut ChaCha8Rng) {
    match random.random_range(0..4) {
        0 => world.sim.disconnect(),
        1 | 2 => world.sim.reconnect(),
        _ => {
            let state = if random.random_bool(0.3) {
                PhoneState::Absent
            } else {
                PhoneState::Registered
            };
            world.sim.set_phone(&number_of(who), state, world.now);
        }
    }
    world.run();
}

/// Reports that make no sense, and some that come twice.
fn nonsense(world: &mut World, random: &mut ChaCha8Rng) {
    let legs = world.sim.legs();
    let unknown = LegId(Guid::from_bits(random.random()));
    let leg = match legs.choose(random) {
        Some(leg) if random.random_bool(0.7) => {
            // What is true already may be said again.
            if leg.is_answered {
                return world.handle(PbxEvent::Answered(leg.leg));
            }
            unknown
        }
        _ => unknown,
    };
    let event = match random.random_range(0..9) {
        0 => PbxEvent::Ringing(leg),
        1 => PbxEvent::Answered(leg),
        2 => PbxEvent::Joined(leg, unknown),
        3 => PbxEvent::Held(leg),
        4 => PbxEvent::Ended(leg, EndCause::Busy),
        5 => PbxEvent::Accepted(CommandId(u64::MAX)),
        6 => PbxEvent::Failed(CommandId(u64::MAX), CommandFailure::NoSuchLeg),
        7 => PbxEvent::TimedOut(CommandId(0)),
        _ => PbxEvent::Phone {
            number: "999".into(),
            state: PhoneState::Absent,
        },
    };
    world.handle(event);
    world
        .switchboard
        .route(ChainId(Guid::from_bits(1)), None, None, world.now);
    world.outputs();
}

/// The day ends: the switch is back, everybody hangs up, time passes.
fn finish(world: &mut World) {
    world.sim.reconnect();
    world.run();
    for login in PEOPLE {
        world
            .sim
            .set_phone(&number_of(login), PhoneState::Registered, world.now);
        world.run();
    }
    for _ in 0..100 {
        for leg in world.sim.legs() {
            if leg.is_answered {
                world.sim.hang_up(leg.leg, world.now);
                world.run();
            }
        }
        world.pass(Duration::from_secs(10));
        if world.sim.legs().is_empty() && world.switchboard.call_count() == 0 {
            break;
        }
    }
    world.assert_all_is_over();
    assert_eq!(world.switchboard.next_timeout(), None);
    for person in directory().users {
        world
            .switchboard
            .user_present(person.id, world.now)
            .expect("a known user");
        world.outputs();
        let state = world
            .switchboard
            .user_state(person.id)
            .expect("a known user");
        let set = world.switchboard.choice_of(person.id);
        assert_eq!(state.id, set, "everybody returns to the state that was set");
    }
}
