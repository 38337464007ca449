use super::*;
use crate::base::ChainId;
use crate::hub::SimCallRequest;
use crate::protocol::{CallRequest, EventKind, LineInfo, LineState, Sequence};

fn outside_call(to: &str) -> AdminRequest {
    AdminRequest::SimCall(SimCallRequest {
        from: "89274513158".into(),
        to: to.into(),
        name: Some("Ivan".into()),
        answer_after: None,
        talk: None,
    })
}

fn ring(world: &mut World, to: &str) -> ChainId {
    match world.admin(outside_call(to)) {
        Ok(AdminReply::SimCallStarted(chain)) => chain,
        other => panic!("no call, but {other:?}"),
    }
}

fn line(world: &mut World, user: u128) -> LineInfo {
    match world.ask(0, user, UserRequest::ExtendedLineInfo) {
        Ok(Answer::LineInfo(line)) => *line,
        other => panic!("no line, but {other:?}"),
    }
}

fn kinds(events: &[Arc<Event>]) -> Vec<&'static str> {
    events
        .iter()
        .map(|event| event.what.kind().name())
        .collect()
}

#[test]
fn a_call_rings_in_every_shard_where_the_user_has_tabs_and_nowhere_else() {
    let mut world = World::new();
    world.log_in(0, password("Anna")).expect("right");
    world.log_in(1, password("Anna")).expect("right");
    world.log_in(2, password("boris")).expect("right");
    world.told.clear();
    ring(&mut world, "101");
    let told = world.told.clone();
    let expected = [
        "userstatechanged",
        "phoneevent_ringstarted",
        "linestatechanged",
    ];
    assert_eq!(kinds(&world.events(0)), expected);
    world.told = told;
    assert_eq!(kinds(&world.events(1)), expected);
    assert_eq!(line(&mut world, 2).state, LineState::HookDown);
    assert_eq!(line(&mut world, 1).state, LineState::Reserved);
}

#[test]
fn a_call_that_the_switchboard_does_not_take_is_refused_and_not_forgotten() {
    let mut world = World::with(|config| config.switchboard.calls_max = 1);
    world.log_in(0, password("Anna")).expect("right");
    ring(&mut world, "101");
    let refused = world.admin(outside_call("102"));
    assert!(
        matches!(&refused, Err(fault) if fault.status == 429),
        "{refused:?}"
    );
}

#[test]
fn an_answered_call_is_held_and_hung_up_by_the_caller() {
    let mut world = World::new();
    world.log_in(0, password("Anna")).expect("right");
    let chain = ring(&mut world, "101");
    world
        .ask(0, 1, UserRequest::Call(CallRequest::Answer))
        .expect("it rings");
    assert_eq!(line(&mut world, 1).state, LineState::Commutated);
    let held = CallRequest::Flash(crate::protocol::FlashMode::Switch);
    world.ask(0, 1, UserRequest::Call(held)).expect("a talk");
    assert!(line(&mut world, 1).flashed.is_some());
    world
        .admin(AdminRequest::SimHangUp(chain))
        .expect("the caller is there");
    assert_eq!(line(&mut world, 1).state, LineState::HookDown);
    assert!(
        matches!(world.admin(AdminRequest::SimHangUp(chain)), Err(fault) if fault.status == 404)
    );
}

#[test]
fn users_call_each_other_across_shards() {
    let mut world = World::new();
    world.log_in(0, password("Anna")).expect("right");
    world.log_in(1, password("boris")).expect("right");
    world.told.clear();
    let call = CallRequest::AutoCallStart {
        number: "102".into(),
        sequence: Sequence::User,
        intercom: false,
    };
    world
        .ask(0, 1, UserRequest::Call(call))
        .expect("boris is there");
    world
        .ask(0, 1, UserRequest::Call(CallRequest::Answer))
        .expect("the own phone rings");
    let heard = kinds(&world.events(1));
    assert!(heard.contains(&EventKind::RingStarted.name()), "{heard:?}");
    world
        .ask(1, 2, UserRequest::Call(CallRequest::Answer))
        .expect("it rings");
    for user in [1, 2] {
        assert_eq!(line(&mut world, user).state, LineState::Commutated);
    }
}

#[test]
fn a_method_without_a_crm_fails_at_once() {
    let mut world = World::new();
    let run = crate::hub::MethodRun {
        key: "callername".into(),
        input: "{}".into(),
        user_login: None,
        timeout: Duration::from_secs(1),
        wait_for_link: false,
    };
    let fault = world
        .admin(AdminRequest::RunMethod(run))
        .expect_err("no CRM");
    assert_eq!((fault.status, fault.code), (503, "unavailable"));
}
