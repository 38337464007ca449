use super::*;
use crate::base::{Refused, SessionId};
use crate::protocol::{ErrorNumber, StateId};

fn session(login: Option<&str>, session: SessionId) -> LoginRequest {
    LoginRequest {
        login: login.map(Into::into),
        session: Some(session),
        ..LoginRequest::default()
    }
}

fn text(refused: Result<LoginAnswer, Fault>) -> String {
    refused.expect_err("the login is refused").text.into_owned()
}

#[test]
fn a_login_is_found_in_any_case_and_echoed_as_typed() {
    let mut world = World::new();
    let mut login = password("Anna");
    login.login = Some("ANNA".into());
    let answer = world.log_in(0, login).expect("the password is right");
    assert_eq!(&*answer.user.login, "ANNA");
    assert_eq!(answer.user.id, UserId(Guid::from_bits(1)));
}

#[test]
fn the_lower_case_hash_alone_is_enough_and_a_wrong_one_is_not() {
    let mut world = World::new();
    let lower = "secret of anna";
    let hash = password_hashes(lower).expect("plain").as_typed;
    let hex = hex(hash).to_uppercase();
    let mut login = LoginRequest {
        login: Some("anna".into()),
        password_lower: Some(Secret::new(hex.clone())),
        ..LoginRequest::default()
    };
    assert!(world.log_in(0, login.clone()).is_ok());
    login.password_lower = None;
    login.password = Some(Secret::new(hex));
    assert_eq!(text(world.log_in(1, login)), "Wrong login/pass combination");
}

#[test]
fn unknown_logins_and_empty_ones_are_told_the_same_as_wrong_passwords() {
    let mut world = World::new();
    let mut login = password("Anna");
    login.login = Some("nobody".into());
    assert_eq!(text(world.log_in(0, login)), "Wrong login/pass combination");
    let refused = text(world.log_in(0, LoginRequest::default()));
    assert_eq!(refused, "Wrong login/pass combination");
}

#[test]
fn a_session_is_gone_on_with_and_belongs_to_its_user() {
    let mut world = World::new();
    let first = world.log_in(0, password("Anna")).expect("right");
    let again = world
        .log_in(1, session(None, first.session))
        .expect("the session lives");
    assert_eq!(again.session, first.session);
    let other = session(Some("boris"), first.session);
    assert_eq!(
        text(world.log_in(2, other)),
        "Bad request. Invalid session user"
    );
    let unknown = session(None, SessionId::named("nothing"));
    assert_eq!(
        text(world.log_in(2, unknown)),
        "Bad request. Session does not exist"
    );
    let mut both = password("boris");
    both.session = Some(SessionId::named("nothing"));
    assert!(
        world.log_in(2, both).is_ok(),
        "the password counts where the session does not"
    );
}

#[test]
fn logging_out_ends_the_session_and_closes_its_other_links() {
    let mut world = World::new();
    let first = world.log_in(0, password("Anna")).expect("right");
    world
        .log_in(1, session(None, first.session))
        .expect("the session lives");
    world.say(
        link(0),
        Upward::Logout {
            request: RequestId(3),
        },
    );
    assert_eq!(world.reply(), Ok(Answer::Done));
    let ended = |(_, what): &(ShardId, Downward)| matches!(what, Downward::SessionEnded { link: ended } if *ended == link(1));
    assert!(world.told.iter().any(ended));
    let again = session(None, first.session);
    assert_eq!(
        text(world.log_in(2, again)),
        "Bad request. Session does not exist"
    );
}

#[test]
fn a_user_is_ready_with_the_first_tab_and_absent_ten_seconds_after_the_last() {
    let mut world = World::new();
    world.log_in(0, password("Anna")).expect("right");
    let state = |world: &mut World| match world.ask(1, 1, UserRequest::UserState) {
        Ok(Answer::UserState(_, state)) => state.id,
        other => panic!("no state, but {other:?}"),
    };
    assert_eq!(state(&mut world), StateId::Ready);
    world.say(link(0), Upward::Gone);
    world.pass(Duration::from_secs(9));
    assert_eq!(state(&mut world), StateId::Ready);
    world.pass(Duration::from_secs(2));
    assert_eq!(state(&mut world), StateId::Disconnected);
}

#[test]
fn a_user_who_logged_out_is_absent_ten_seconds_later_with_nobody_else_there() {
    let mut world = World::new();
    world.log_in(0, password("Anna")).expect("right");
    let request = RequestId(1);
    world.say(link(0), Upward::Logout { request });
    assert_eq!(world.reply(), Ok(Answer::Done));
    world.pass(Duration::from_secs(11));
    match world.ask(1, 1, UserRequest::UserState) {
        Ok(Answer::UserState(_, state)) => assert_eq!(state.id, StateId::Disconnected),
        other => panic!("no state, but {other:?}"),
    }
}

#[test]
fn the_bound_on_tabs_is_answered_with_its_number() {
    let mut world = World::new();
    for slot in 0..20 {
        world.log_in(slot, password("Anna")).expect("room");
    }
    let refused = world.log_in(20, password("Anna")).expect_err("no room");
    assert_eq!(refused.number, ErrorNumber::LicenceReached);
    let met = world.told.iter().find_map(|(_, what)| match what {
        Downward::Refused { link, reason, user } => Some((*link, *reason, &*user.login)),
        _ => None,
    });
    assert_eq!(met, Some((link(20), Refused::TabsOfUser, "Anna")));
}

#[test]
fn going_down_is_over_when_every_shard_is_drained() {
    let mut world = World::new();
    world.hub.drain(Duration::from_secs(1), world.now);
    world.settle();
    let drains = world
        .told
        .iter()
        .filter(|(_, what)| matches!(what, Downward::Drain { .. }));
    assert_eq!(drains.count(), 2);
    for shard in 0..2 {
        assert!(!world.is_drained);
        world
            .hub
            .handle_shard(FromShard::Drained(ShardId(shard)), world.now);
        world.settle();
    }
    assert!(world.is_drained);
}
