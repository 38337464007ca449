//! What happens in a day at the office, as a script: drawn by a seed, performed on a
//! world, and short enough to be read when it has been shrunk.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::world::{PEOPLE, World, number_of, user};
use crate::base::{ChainId, CommandId, Guid, LegId};
use crate::pbx::{CommandFailure, EndCause, PbxEvent, PhoneState};
use crate::protocol::{
    CallRequest, ConferenceRequest, FlashMode, GhostMode, NewConference, RedirectRule, Sequence,
    SetUserState, StateId,
};

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Ask(&'static str, CallRequest),
    Confer(&'static str, Confer),
    /// Whoever sits at one of the legs picks up, or hangs up.
    PickUp(usize),
    HangUp(usize),
    OutsideCall {
        is_anonymous: bool,
        to: Arc<str>,
        answer_after: Option<Duration>,
        talk: Option<Duration>,
    },
    HandDial(&'static str, Arc<str>),
    Set(&'static str, SetUserState),
    Comes(&'static str),
    Goes(&'static str),
    Rule(&'static str, Box<RedirectRule>),
    NoRules(&'static str),
    Phone(&'static str, PhoneState),
    Disconnect,
    Reconnect,
    /// The switch reports something that makes no sense, or that is known.
    Nonsense(u8, usize),
    /// The first caller who arrived is let through.
    Route,
    Pass(Duration),
}

/// A request about conferences, where who is meant depends on who is in one.
#[derive(Clone, Debug)]
pub(super) enum Confer {
    Build,
    Create(Vec<Box<str>>, bool),
    Invite(Vec<Box<str>>),
    Connect,
    Disconnect(usize),
    Exit,
    Handle(bool),
    Attach(Box<str>),
    Mode(GhostMode),
}

impl Act {
    /// Who acts, and the word for what; `None` for what is no user's request.
    pub(super) fn request(&self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::Ask(who, request) => (who, call_word(request)),
            Self::Confer(who, request) => (who, request.word()),
            _ => return None,
        })
    }

    pub(super) fn perform(&self, world: &mut World) {
        match self {
            Self::Ask(who, request) => world.ask(who, request.clone()),
            Self::Confer(who, request) => {
                let request = request.of(world, who);
                world.confer(who, request);
            }
            Self::PickUp(place) => {
                if let Some(leg) = leg_at(world, *place) {
                    world.sim.answer(leg, world.now);
                }
            }
            Self::HangUp(place) => {
                if let Some(leg) = leg_at(world, *place) {
                    world.sim.hang_up(leg, world.now);
                }
            }
            Self::OutsideCall {
                is_anonymous,
                to,
                answer_after,
                talk,
            } => {
                let from = (!is_anonymous).then(|| "89274513158".into());
                world
                    .sim
                    .outside_call(from, to, None, *answer_after, *talk, world.now);
            }
            Self::HandDial(who, number) => {
                world.sim.hand_dial(&number_of(who), number, world.now);
            }
            Self::Phone(who, state) => world.sim.set_phone(&number_of(who), *state, world.now),
            Self::Disconnect => world.sim.disconnect(),
            Self::Reconnect => world.sim.reconnect(),
            Self::Nonsense(kind, place) => world.handle(nonsense(world, *kind, *place)),
            Self::Route => {
                if let Some(chain) = world.arrived.pop_front() {
                    let name = Some("Ivan".into());
                    world.switchboard.route(chain, name, None, world.now);
                }
            }
            Self::Pass(span) => world.pass(*span),
            _ => self.change_user(world),
        }
        world.outputs();
        world.run();
    }

    fn change_user(&self, world: &mut World) {
        let (board, now) = (&mut world.switchboard, world.now);
        let done = match self {
            Self::Set(who, wanted) => board
                .set_user_state(user(who), wanted.clone(), now)
                .map(|_| ()),
            Self::Comes(who) => board.user_present(user(who), now),
            Self::Goes(who) => board.user_absent(user(who), now),
            Self::NoRules(who) => {
                let ids = ["0".into(), "1".into(), "2".into()];
                board.delete_redirect_rules(user(who), &ids)
            }
            Self::Rule(who, rule) => {
                // A rule that leads to its own user is refused, as it should be.
                let _own = board.save_redirect_rule(user(who), RedirectRule::clone(rule));
                Ok(())
            }
            _ => Ok(()),
        };
        done.expect("a known user and a fine request");
    }
}

/// The acts of one day.
pub(super) fn script(seed: u64, acts: usize) -> Vec<Act> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut script = Vec::new();
    while script.len() < acts {
        if random.random_bool(0.1) {
            script.extend(scene(&mut random));
        } else {
            script.push(any_act(&mut random));
        }
    }
    script.truncate(acts);
    script
}

/// Acts that belong together and lead where chance alone seldom does: a talk, and what
/// can be made of it.
fn scene(random: &mut ChaCha8Rng) -> Vec<Act> {
    let (who, first, second) = (somebody(random), somebody(random), somebody(random));
    let call = |number: Arc<str>| {
        let call = CallRequest::AutoCallStart {
            number: (&*number).into(),
            sequence: Sequence::User,
            intercom: false,
        };
        Act::Ask(who, call)
    };
    let answer = |login| Act::Ask(login, CallRequest::Answer);
    let at_once = Act::Pass(Duration::ZERO);
    let mut scene = vec![
        call(number_of(first)),
        answer(who),
        answer(first),
        at_once.clone(),
    ];
    let consult = [
        call(any_number(random)),
        answer(second),
        call(number_of(second)),
        answer(second),
    ];
    let conference = [
        Act::Confer(who, Confer::Build),
        Act::Confer(who, Confer::Handle(true)),
    ];
    match random.random_range(0..7) {
        0 => scene.extend(consult),
        6 => scene = vec![call("301".into()), answer(who), at_once],
        1 => scene.extend(conference),
        2 | 3 => scene.extend(conference.into_iter().chain(consult)),
        4 => scene.extend(consult.into_iter().chain(conference)),
        _ => {
            let supervise = Act::Confer("anna", Confer::Attach((&*number_of(first)).into()));
            scene.extend([supervise, answer("anna")]);
        }
    }
    let more = random.random_range(0..10);
    let again = (0..more).map(|_| {
        if random.random_bool(0.4) {
            Act::Confer(who, any_conference(random))
        } else {
            Act::Ask(who, any_request(random))
        }
    });
    scene.extend(again);
    scene
}

fn any_act(random: &mut ChaCha8Rng) -> Act {
    let who = somebody(random);
    match random.random_range(0..100) {
        0..14 => Act::Ask(who, any_call(random)),
        14..21 => Act::Confer(who, any_conference(random)),
        21..40 => Act::Ask(who, any_request(random)),
        40..49 => Act::PickUp(random.random_range(0..12)),
        49..54 => Act::HangUp(random.random_range(0..12)),
        54..65 => Act::OutsideCall {
            is_anonymous: random.random_bool(0.1),
            to: any_number_here(random),
            answer_after: random
                .random_bool(0.5)
                .then(|| Duration::from_millis(random.random_range(0..4_000))),
            talk: random.random_bool(0.5).then(|| Duration::from_secs(5)),
        },
        65..70 => Act::HandDial(who, any_number(random)),
        70..73 => any_state(who, random),
        73 => any_rule(who, random),
        74..77 => match random.random_range(0..4) {
            0 => Act::Disconnect,
            1 | 2 => Act::Reconnect,
            _ if random.random_bool(0.3) => Act::Phone(who, PhoneState::Absent),
            _ => Act::Phone(who, PhoneState::Registered),
        },
        77..80 => Act::Nonsense(random.random_range(0..12), random.random_range(0..12)),
        80..84 => Act::Route,
        _ => {
            let spans = [0, 1, 10, 100, 1_000, 7_000, 40_000];
            let span = spans.choose(random).copied().unwrap_or_default();
            Act::Pass(Duration::from_millis(span))
        }
    }
}

fn somebody(random: &mut ChaCha8Rng) -> &'static str {
    PEOPLE.choose(random).copied().expect("somebody works here")
}

fn any_number(random: &mut ChaCha8Rng) -> Arc<str> {
    match random.random_range(0..10) {
        0 => "555".into(),
        1 => "777".into(),
        2 => "89031112233".into(),
        3 => any_service(random),
        _ => number_of(somebody(random)),
    }
}

fn any_number_here(random: &mut ChaCha8Rng) -> Arc<str> {
    if random.random_bool(0.2) {
        any_service(random)
    } else {
        number_of(somebody(random))
    }
}

fn any_service(random: &mut ChaCha8Rng) -> Arc<str> {
    let services = ["201", "202", "203", "301", "302"];
    (*services.choose(random).expect("a number")).into()
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

fn any_request(random: &mut ChaCha8Rng) -> CallRequest {
    match random.random_range(0..12) {
        0 | 1 => CallRequest::Answer,
        2 => CallRequest::Abort,
        3 => CallRequest::Decline,
        4 => CallRequest::AutoCallAbort,
        5 => CallRequest::Flash(FlashMode::Abort),
        6 | 7 => CallRequest::Transfer((&*any_number(random)).into()),
        _ => CallRequest::Flash(FlashMode::Switch),
    }
}

fn any_conference(random: &mut ChaCha8Rng) -> Confer {
    let competitors = |random: &mut ChaCha8Rng| -> Vec<Box<str>> {
        let count = random.random_range(1..4);
        (0..count).map(|_| (&*any_number(random)).into()).collect()
    };
    match random.random_range(0..14) {
        0..3 => Confer::Build,
        3 | 4 => Confer::Create(competitors(random), random.random()),
        5 => Confer::Invite(competitors(random)),
        6 => Confer::Connect,
        7 => Confer::Disconnect(random.random_range(0..4)),
        8 => Confer::Exit,
        9 | 10 => Confer::Handle(random.random_bool(0.9)),
        11 | 12 => Confer::Attach((&*any_number(random)).into()),
        _ => {
            let modes = [GhostMode::Monitor, GhostMode::Help, GhostMode::Conference];
            Confer::Mode(modes[random.random_range(0..3)])
        }
    }
}

fn any_state(who: &'static str, random: &mut ChaCha8Rng) -> Act {
    let states = [
        StateId::Ready,
        StateId::Ready,
        StateId::Lunch,
        StateId::DoNotDisturb,
        StateId::FullBusy,
    ];
    match random.random_range(0..4) {
        0 => Act::Goes(who),
        1 => Act::Comes(who),
        _ => Act::Set(
            who,
            SetUserState {
                state: states.choose(random).copied(),
                on_redirect: random.random_bool(0.2).then(|| random.random()),
                ..SetUserState::default()
            },
        ),
    }
}

fn any_rule(who: &'static str, random: &mut ChaCha8Rng) -> Act {
    if random.random() {
        return Act::NoRules(who);
    }
    let rule = RedirectRule {
        id: random.random_range(0..3_u8).to_string().into(),
        is_enabled: true,
        allows_cascade: random.random(),
        destination: any_number(random),
        only_for_redirect_state: random.random(),
        ..RedirectRule::default()
    };
    Act::Rule(who, Box::new(rule))
}

fn leg_at(world: &World, place: usize) -> Option<LegId> {
    let legs = world.sim.legs();
    let place = place.checked_rem(legs.len())?;
    Some(legs[place].leg)
}

fn nonsense(world: &World, kind: u8, place: usize) -> PbxEvent {
    let unknown = LegId(Guid::from_bits(0xBAD));
    let leg = leg_at(world, place).unwrap_or(unknown);
    let is_answered = |it: &crate::pbx::SnapshotLeg| it.leg == leg && it.is_answered;
    match kind {
        // What is true already may be said again.
        0..3 if world.sim.legs().iter().any(is_answered) => PbxEvent::Answered(leg),
        3 => PbxEvent::Answered(unknown),
        4 => PbxEvent::Joined(leg, unknown),
        5 => PbxEvent::Held(unknown),
        6 => PbxEvent::Ended(unknown, EndCause::Busy),
        7 => PbxEvent::Accepted(CommandId(u64::MAX)),
        8 => PbxEvent::Failed(CommandId(u64::MAX), CommandFailure::NoSuchLeg),
        9 => PbxEvent::TimedOut(CommandId(0)),
        10 => PbxEvent::Parted(unknown),
        _ => PbxEvent::Phone {
            number: "999".into(),
            state: PhoneState::Absent,
        },
    }
}

fn call_word(request: &CallRequest) -> &'static str {
    match request {
        CallRequest::AutoCallStart { .. } => "call",
        CallRequest::AutoCallAbort => "stop dialling",
        CallRequest::Answer => "answer",
        CallRequest::Abort => "hang up",
        CallRequest::Decline => "decline",
        CallRequest::Flash(FlashMode::Switch) => "switch",
        CallRequest::Flash(FlashMode::Abort) => "return",
        CallRequest::Transfer(_) => "transfer",
    }
}

impl Confer {
    fn word(&self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Create(..) => "create",
            Self::Invite(_) => "invite",
            Self::Connect => "bring in",
            Self::Disconnect(_) => "kick",
            Self::Exit => "exit",
            Self::Handle(_) => "be told",
            Self::Attach(_) => "supervise",
            Self::Mode(_) => "mode",
        }
    }

    fn of(&self, world: &World, who: &str) -> ConferenceRequest {
        let conference = None;
        match self.clone() {
            Self::Build => ConferenceRequest::Build,
            Self::Create(competitors, everyone_can_invite) => {
                ConferenceRequest::Create(NewConference {
                    everyone_can_invite,
                    competitors,
                    ..NewConference::default()
                })
            }
            Self::Invite(competitors) => ConferenceRequest::Invite {
                conference,
                competitors,
            },
            Self::Connect => ConferenceRequest::Connect,
            Self::Disconnect(place) => {
                let info = world.conference_of(who);
                let list = info.map(|info| info.competitors).unwrap_or_default();
                let competitor = place.checked_rem(list.len()).map(|place| list[place].id);
                ConferenceRequest::Disconnect {
                    conference,
                    competitor: competitor.unwrap_or_default(),
                }
            }
            Self::Exit => ConferenceRequest::Exit,
            Self::Handle(handle) => ConferenceRequest::HandleEvents { conference, handle },
            Self::Attach(whom) => ConferenceRequest::AttachAsGhost(whom),
            Self::Mode(mode) => ConferenceRequest::GhostMode { conference, mode },
        }
    }
}

/// A chain that there is not.
pub(super) const NO_CHAIN: ChainId = ChainId(Guid::from_bits(1));
