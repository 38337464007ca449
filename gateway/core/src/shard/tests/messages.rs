use serde_json::json;

use super::world::{HEAD, Seen, World, logged_in};
use crate::base::{LinkId, RequestId};
use crate::hub::{FromShard, Upward};
use crate::protocol::{Answer, ErrorNumber, Fault, UserRequest};
use crate::shard::{Config, Refused};
use crate::wire::frame::append_ping;

fn world() -> World {
    World::new(Config::default())
}

fn error_of(world: &mut World, id: LinkId) -> (String, i64) {
    let messages = world.messages(id);
    let [(name, fields)] = messages.as_slice() else {
        panic!("one answer, not {messages:?}");
    };
    assert_eq!(fields["result"], 0);
    (name.clone(), fields["error"].as_i64().expect("a number"))
}

#[test]
fn a_ping_is_answered_with_all_its_fields_before_a_login() {
    let mut world = world();
    let id = world.link();
    world.send(
        id,
        r#"["ping",{"qid":"0.82","userlogin":"boris","n":[1,{"a":null}]}]"#,
    );
    let fields = json!({"qid": "0.82", "userlogin": "boris", "n": [1, {"a": null}]});
    assert_eq!(world.seen(id), [Seen::Message("pong".into(), fields)]);
}

#[test]
fn a_head_that_comes_in_pieces_with_a_frame_behind_it_is_understood() {
    let mut world = world();
    let id = world.connect();
    let (first, second) = HEAD.split_at(30);
    world.send_bytes(id, first.as_bytes());
    assert!(world.take_bytes(id).is_empty());
    let mut rest = second.as_bytes().to_vec();
    crate::wire::frame::append_text(&mut rest, r#"["ping",{"qid":"1"}]"#, Some([9; 4]));
    world.send_bytes(id, &rest);
    let bytes = world.take_bytes(id);
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head")
        + 4;
    assert!(bytes[end..].ends_with(br#"["pong",{"qid":"1"}]"#));
}

#[test]
fn a_plain_get_gets_a_page_and_the_end_of_the_stream() {
    let mut world = world();
    let id = world.connect();
    world.send_bytes(id, b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n");
    assert!(world.take_bytes(id).starts_with(b"HTTP/1.1 200 "));
    assert!(world.is_shut(id));
    world.send_bytes(id, b"GET / HTTP/1.1\r\n\r\n");
    assert!(world.take_bytes(id).is_empty());
}

#[test]
fn an_oversized_head_is_refused_with_431() {
    let mut world = world();
    let id = world.connect();
    let head = format!("GET / HTTP/1.1\r\nX: {}\r\n", "x".repeat(9000));
    world.send_bytes(id, head.as_bytes());
    assert!(world.take_bytes(id).starts_with(b"HTTP/1.1 431 "));
    assert_eq!(
        world.shard.counters().refused[Refused::HeadTooBig as usize],
        1
    );
}

#[test]
fn before_the_login_only_ping_login_and_logout_are_served() {
    let mut world = world();
    let id = world.link();
    world.send(id, r#"["getuserstate",{"qid":"1"}]"#);
    assert_eq!(error_of(&mut world, id), ("getuserstateresult".into(), 401));
    assert!(world.posts.is_empty());
    world.send(id, r#"["iam",{"qid":"2","type":"iriscrm-client"}]"#);
    assert!(world.seen(id).is_empty());
    world.send(id, r#"["logout",{"qid":"3"}]"#);
    let seen = world.seen(id);
    assert_eq!(
        seen[0],
        Seen::Message("logoutresult".into(), json!({"qid": "3", "result": 1}))
    );
    assert_eq!(seen[1], Seen::Close(1000));
}

#[test]
fn a_link_without_a_format_has_every_message_refused_and_is_closed_after_ten() {
    let mut world = world();
    let id = world.connect();
    let head = HEAD.replace("Sec-WebSocket-Protocol: json\r\n", "");
    world.send_bytes(id, head.as_bytes());
    world.take_bytes(id);
    for _ in 0..9 {
        world.send(id, r#"["ping",{"qid":"1"}]"#);
        assert_eq!(error_of(&mut world, id), ("error".into(), 403));
    }
    world.send(id, r#"["ping",{"qid":"1"}]"#);
    assert_eq!(world.seen(id)[1], Seen::Close(1008));
}

#[test]
fn what_comes_before_the_login_is_answered_waits_and_is_served_in_order() {
    let mut world = world();
    let id = world.link();
    world.send(
        id,
        r#"["login",{"qid":"1","userlogin":"anna","password":"x"}]"#,
    );
    world.send(id, r#"["getuserstate",{"qid":"2"}]"#);
    world.send(id, r#"["getmyuserinfo",{"qid":"3"}]"#);
    world.send(id, r#"["ping",{"qid":"4"}]"#);
    assert_eq!(world.messages(id)[0].0, "pong");
    let request = world.asked_to_log_in();
    world.answer(id, request, Ok(logged_in()));
    assert_eq!(world.messages(id)[0].0, "loginresult");
    let asked: Vec<_> = world.posts.iter().map(asked).collect();
    assert_eq!(asked, [UserRequest::UserState, UserRequest::MyUserInfo]);
}

fn asked(post: &FromShard) -> UserRequest {
    match post {
        FromShard::Link {
            what: Upward::Request { what, .. },
            ..
        } => what.clone(),
        other => panic!("no request, but {other:?}"),
    }
}

#[test]
fn a_refused_login_is_answered_and_the_link_stays_anonymous() {
    let mut world = world();
    let id = world.link();
    world.send(
        id,
        r#"["login",{"qid":"1","userlogin":"anna","password":"x"}]"#,
    );
    let request = world.asked_to_log_in();
    let fault = Fault::new(ErrorNumber::NotLoggedIn, "Wrong login/pass combination");
    world.answer(id, request, Err(fault));
    let answer =
        json!({"qid": "1", "result": 0, "error": 401, "errormsg": "Wrong login/pass combination"});
    assert_eq!(
        world.seen(id),
        [Seen::Message("loginresult".into(), answer)]
    );
    world.send(id, r#"["getuserstate",{"qid":"2"}]"#);
    assert_eq!(error_of(&mut world, id).1, 401);
}

#[test]
fn a_tab_acts_only_as_its_own_user() {
    let mut world = world();
    let id = world.tab();
    world.send(id, r#"["getuserstate",{"qid":"1","userlogin":"boris"}]"#);
    assert_eq!(error_of(&mut world, id), ("getuserstateresult".into(), 403));
    let own = r#"["getuserstate",{"qid":"2","userlogin":"ANNA","userid":"0000000000000000000000000000000A"}]"#;
    world.send(id, own);
    assert_eq!(asked(&world.posts[0]), UserRequest::UserState);
}

#[test]
fn unknown_methods_are_answered_and_answers_are_not() {
    let mut world = world();
    let id = world.tab();
    world.send(id, r#"["nosuchmethod",{"qid":"1"}]"#);
    assert_eq!(error_of(&mut world, id), ("nosuchmethodresult".into(), 404));
    for answer in ["error", "pong", "loginresult", "iam"] {
        world.send(id, &format!(r#"["{answer}",{{"qid":"1"}}]"#));
        assert!(world.seen(id).is_empty(), "{answer}");
    }
}

#[test]
fn what_is_no_message_is_answered_with_an_error() {
    let mut world = world();
    let id = world.tab();
    for text in [
        "",
        "hello",
        "{}",
        r#"["ping"]"#,
        r#"["ping",{"qid":"#,
        r#"["ping",{},{}]"#,
    ] {
        world.send(id, text);
        assert_eq!(error_of(&mut world, id), ("error".into(), 400), "{text}");
    }
}

#[test]
fn the_reply_carries_the_qid_as_it_came() {
    let mut world = world();
    let id = world.tab();
    world.send(id, r#"["pbxautocallabort",{"qid":"\u0416\"x"}]"#);
    let request = match world.posts.pop() {
        Some(FromShard::Link {
            what: Upward::Request { request, .. },
            ..
        }) => request,
        other => panic!("no request, but {other:?}"),
    };
    world.answer(id, request, Ok(Answer::Done));
    let answer = json!({"qid": "Ж\"x", "result": 1});
    assert_eq!(
        world.seen(id),
        [Seen::Message("pbxautocallabortresult".into(), answer)]
    );
    // Answered once: the same number means nothing any more.
    world.answer(id, request, Ok(Answer::Done));
    world.answer(id, RequestId(99), Ok(Answer::Done));
    assert!(world.seen(id).is_empty());
}

#[test]
fn a_websocket_ping_is_answered_with_its_payload() {
    let mut world = world();
    let id = world.link();
    let mut frame = Vec::new();
    append_ping(&mut frame, b"hey", Some([5; 4]));
    world.send_bytes(id, &frame);
    assert_eq!(world.seen(id), [Seen::Pong(b"hey".to_vec())]);
}

#[test]
fn a_flood_is_answered_with_429_and_then_closed() {
    let mut world = world();
    let id = world.link();
    for _ in 0..400 {
        world.send(id, r#"["ping",{"qid":"1"}]"#);
    }
    assert_eq!(world.seen(id).len(), 400);
    world.send(id, r#"["ping",{"qid":"1"}]"#);
    assert_eq!(error_of(&mut world, id), ("pingresult".into(), 429));
    for _ in 0..400 {
        world.send(id, r#"["ping",{"qid":"1"}]"#);
    }
    assert_eq!(world.seen(id).last(), Some(&Seen::Close(1008)));
    assert_eq!(world.shard.counters().refused[Refused::TooFast as usize], 1);
}
