//! Connecting, handshake, introduction, keep-alive, loss and the next try.

use super::*;
use crate::wire::frame::{append_close, append_ping, append_pong};

const QUESTIONS: [&str; 3] = ["getavailablemethods", "getavailableforms", "getactiveusers"];

#[test]
fn the_handshake_asks_for_json_with_the_settings_version() {
    for (version, number) in [(Version::V13, "13"), (Version::V8, "8"), (Version::V7, "7")] {
        let mut world = World::with(CrmConfig {
            transport: out(version),
            ..config()
        });
        assert_eq!((world.connects, world.state()), (1, "connecting"));
        world.report(CrmInput::Connected);
        let request = world.crm.request_text();
        assert!(request.starts_with("GET /oktell HTTP/1.1\r\nHost: crm.example:8045\r\n"));
        assert!(
            request.contains("Sec-WebSocket-Protocol: json\r\n"),
            "{request}"
        );
        assert!(request.contains(&format!("Sec-WebSocket-Version: {number}\r\n")));
    }
}

#[test]
fn the_gateway_introduces_itself_as_soon_as_the_link_is_up() {
    let mut world = World::introducing();
    assert_eq!(world.state(), "introducing");
    let fields = world.heard("whoareyou");
    assert!(fields["qid"].is_string());
    assert_eq!(fields["type"], "commserver");
    assert_eq!(fields["name"], "Oktell");
    assert_eq!(fields["version"], 160_101);
    assert_eq!(fields["build"], "2.13.0.160101");
    assert_eq!(world.take_events(), []);
}

#[test]
fn the_crms_introduction_ends_the_wait_and_the_gateway_asks_what_it_can_do() {
    let mut world = World::introducing();
    let asked = world.heard("whoareyou");
    world.say(
        "iam",
        &json!({"qid": asked["qid"], "type": "ws-server", "name": "Web CRM", "version": "1"}),
    );
    assert_eq!(world.heard_names(), QUESTIONS);
    assert_eq!(world.take_events(), [CrmEvent::Ready { peer: None }]);
    assert_eq!(world.link.status().name.as_deref(), Some("Web CRM"));
}

#[test]
fn the_crms_own_question_is_answered_and_ends_the_wait() {
    let mut world = World::introducing();
    world.crm.heard.clear();
    world.say(
        "whoareyou",
        &json!({"qid": "q", "type": "ws-server", "name": "First"}),
    );
    let (name, iam) = world.crm.heard.remove(0);
    assert_eq!((name.as_str(), &iam["qid"]), ("iam", &json!("q")));
    assert_eq!(
        (&iam["type"], &iam["name"]),
        (&json!("commserver"), &json!("Oktell"))
    );
    assert_eq!(world.heard_names(), QUESTIONS);
    assert_eq!(world.state(), "ready");
    assert_eq!(world.link.status().name.as_deref(), Some("First"));
    // Its later iam changes nothing but the name.
    world.say("iam", &json!({"qid": "x", "name": "Later"}));
    assert_eq!(world.heard_names(), [""; 0]);
}

#[test]
fn any_other_request_of_the_crm_ends_the_wait() {
    for request in ["ping", "getpbxnumbers", "no_such_method"] {
        let mut world = World::introducing();
        world.say(request, &json!({"qid": "1"}));
        assert_eq!(world.state(), "ready", "{request}");
    }
}

#[test]
fn an_error_for_an_answer_to_our_question_ends_the_wait() {
    for answer in ["error", "whoareyouresult"] {
        let mut world = World::introducing();
        let asked = world.heard("whoareyou");
        world.say(answer, &json!({"qid": "another", "result": 0}));
        assert_eq!(world.state(), "introducing", "{answer}");
        world.say(answer, &json!({"qid": asked["qid"], "result": 0}));
        assert_eq!(world.state(), "ready", "{answer}");
    }
}

#[test]
fn five_seconds_of_silence_end_the_wait() {
    let mut world = World::introducing();
    world.crm.heard.clear();
    world.pass(Duration::from_micros(4_999_999));
    assert_eq!(
        (world.state(), world.heard_names().len()),
        ("introducing", 0)
    );
    world.pass(Duration::from_micros(1));
    assert_eq!(world.heard_names(), QUESTIONS);
    assert_eq!(world.take_events(), [CrmEvent::Ready { peer: None }]);
}

#[test]
fn an_answer_without_a_subprotocol_is_accepted_and_another_subprotocol_is_not() {
    for (lines, state) in [
        ("", "introducing"),
        ("Sec-WebSocket-Protocol: xml\r\n", "waiting"),
    ] {
        let mut world = World::new();
        world.report(CrmInput::Connected);
        let answer = world.crm.handshake_answer(lines);
        world.bytes(answer);
        assert_eq!(world.state(), state, "{lines}");
    }
}

#[test]
fn the_first_messages_may_come_with_the_answer_to_the_handshake() {
    let mut world = World::new();
    world.report(CrmInput::Connected);
    let mut answer = world.crm.handshake_answer("").into_bytes();
    append_text(&mut answer, r#"["whoareyou",{"qid":"1"}]"#, None);
    for byte in answer {
        world.bytes([byte]);
    }
    assert_eq!(world.heard_names()[..2], ["whoareyou", "iam"]);
}

#[test]
fn nothing_is_closed_when_the_connection_could_not_be_made() {
    let mut world = World::new();
    world.report(CrmInput::ConnectFailed("refused".to_owned()));
    assert_eq!((world.state(), world.closes), ("waiting", 0));
}

#[test]
fn what_keeps_a_link_from_being_made_is_said_and_tried_again() {
    type Trouble = fn(&mut World);
    let troubles: [(&str, Trouble); 6] = [
        ("cannot connect: refused", |world| {
            world.report(CrmInput::ConnectFailed("refused".to_owned()));
        }),
        ("cannot connect: it takes too long", |world| {
            world.pass_seconds(10);
        }),
        ("the CRM does not answer the handshake", |world| {
            world.report(CrmInput::Connected);
            world.pass_seconds(10);
        }),
        ("401", |world| {
            world.report(CrmInput::Connected);
            world.bytes("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
        }),
        ("not a readable HTTP/1.1 head", |world| {
            world.report(CrmInput::Connected);
            world.bytes("hello\r\n\r\n");
        }),
        ("the connection was closed: reset", |world| {
            world.report(CrmInput::Connected);
            world.report(CrmInput::Closed("reset".to_owned()));
        }),
    ];
    for (words, trouble) in troubles {
        let mut world = World::new();
        trouble(&mut world);
        world.pump();
        let events = world.take_events();
        let [
            CrmEvent::Lost {
                reason,
                was_ready,
                retry_in: Some(retry_in),
            },
        ] = &events[..]
        else {
            panic!("{words}: {events:?}");
        };
        assert!(reason.contains(words), "{reason}");
        assert!(!was_ready && *retry_in <= Duration::from_millis(500));
    }
}

#[test]
fn a_ready_link_that_is_lost_comes_back_by_itself() {
    let mut world = World::ready();
    world.report(CrmInput::Closed("reset by peer".to_owned()));
    let events = world.take_events();
    let [
        CrmEvent::Lost {
            was_ready: true,
            retry_in: Some(retry_in),
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(world.connects, 1);
    world.pass(*retry_in);
    assert_eq!(world.connects, 2);
    world.link_up();
    world.introduce();
    assert_eq!(world.state(), "ready");
    assert_eq!((world.counters().connects, world.counters().losses), (2, 1));
}

/// The bounds of the pauses after which the link was tried, doubled from seed to seed.
fn longest_pauses(healthy_seconds: u64) -> Vec<Duration> {
    let mut longest = vec![Duration::ZERO; 4];
    for seed in 0..200 {
        let mut world = World::new();
        world.link.random = Random::from_number(seed);
        for longest in &mut longest {
            world.link_up();
            world.introduce();
            for _ in 0..healthy_seconds / 10 {
                world.pass_seconds(10);
                world.say("ping", &json!({"qid": 1}));
            }
            world.events.clear();
            world.report(CrmInput::Closed("gone".to_owned()));
            let Some(CrmEvent::Lost {
                retry_in: Some(retry_in),
                ..
            }) = world.events.pop()
            else {
                panic!("not lost");
            };
            *longest = retry_in.max(*longest);
            world.pass(retry_in);
        }
    }
    longest
}

#[test]
fn a_link_that_is_lost_early_waits_longer_each_time_and_a_healthy_one_does_not() {
    let bounds = |pauses: Vec<Duration>| -> Vec<u128> {
        pauses
            .iter()
            .map(|it| it.as_millis().div_ceil(500))
            .collect()
    };
    assert_eq!(bounds(longest_pauses(50)), [1, 2, 4, 8]);
    assert_eq!(bounds(longest_pauses(60)), [1, 1, 1, 1]);
}

#[test]
fn a_silent_link_is_pinged_and_closed_after_a_minute() {
    let mut world = World::ready();
    world.pass_seconds(19);
    assert_eq!(world.crm.pings, 0);
    world.pass_seconds(1);
    assert_eq!(world.crm.pings, 1);
    world.pass_seconds(39);
    assert_eq!((world.crm.pings, world.state()), (2, "ready"));
    world.pass_seconds(1);
    assert_eq!((world.crm.close, world.closes), (Some(1000), 1));
    let lost = world.take_events().into_iter().next();
    assert!(
        matches!(
            lost,
            Some(CrmEvent::Lost {
                was_ready: true,
                ..
            })
        ),
        "{lost:?}"
    );
}

#[test]
fn a_pong_is_a_sign_of_life() {
    let mut world = World::ready();
    for _ in 0..10 {
        world.pass_seconds(50);
        let mut pong = Vec::new();
        append_pong(&mut pong, b"", None);
        world.bytes(pong);
    }
    assert_eq!((world.state(), world.closes), ("ready", 0));
}

#[test]
fn both_kinds_of_pings_are_answered() {
    let mut world = World::ready();
    let mut ping = Vec::new();
    append_ping(&mut ping, b"payload", None);
    world.bytes(ping);
    assert_eq!(world.crm.pongs, [b"payload"]);
    let fields = json!({"qid": "7", "userlogin": "anna", "x": [1.5, {"y": null}]});
    world.say("ping", &fields);
    assert_eq!(world.heard("pong"), fields);
}

#[test]
fn a_close_of_the_crm_is_answered_with_its_code() {
    let mut world = World::ready();
    let mut close = Vec::new();
    append_close(&mut close, Some(CloseCode::Away), "restart", None);
    world.bytes(close);
    assert_eq!((world.crm.close, world.closes), (Some(1001), 1));
    let reason = world.link.status().last_error.expect("a reason");
    assert!(reason.contains("1001 restart"), "{reason}");
}

#[test]
fn a_link_that_reads_too_slowly_is_dropped_and_made_again() {
    let mut world = World::ready_with(CrmConfig {
        limits: Limits {
            queue_bytes_max: 10_000,
            ..Limits::default()
        },
        ..config()
    });
    world.is_stuck = true;
    let fields = json!({"qid": "1", "x": "y".repeat(1000)});
    for _ in 0..8 {
        world.say("ping", &fields);
    }
    assert_eq!((world.closes, world.counters().queue_overflows), (0, 0));
    assert!(world.link.status().queue_bytes > 8000);
    for _ in 0..3 {
        world.say("ping", &fields);
    }
    assert_eq!((world.closes, world.counters().queue_overflows), (1, 1));
    assert_eq!(world.link.status().queue_bytes, 0);
    world.pass_seconds(1);
    assert_eq!(world.connects, 2);
}

#[test]
fn nothing_is_sent_before_the_last_send_has_gone_out() {
    let mut world = World::ready();
    world.is_stuck = true;
    world.say("ping", &json!({"qid": "1"}));
    world.say("ping", &json!({"qid": "2"}));
    world.say("ping", &json!({"qid": "3"}));
    assert_eq!(world.crm.heard.len(), 1);
    world.is_stuck = false;
    world.report(CrmInput::Sent);
    assert_eq!(world.crm.heard.len(), 3);
}

#[test]
fn the_end_of_the_gateway_closes_the_link_and_makes_no_other() {
    let mut world = World::ready();
    world.link.shut_down("the gateway is going down", world.now);
    world.pump();
    assert_eq!(
        (world.crm.close, world.closes, world.state()),
        (Some(1001), 1, "off")
    );
    world.pass_seconds(100);
    assert_eq!((world.connects, world.link.next_timeout()), (1, None));
}

// protocol 2-g: what is told too late, of a connection that is over, harms no other
#[test]
fn a_late_report_of_an_old_connection_does_not_touch_the_next() {
    let mut world = World::ready();
    let old = world.connection;
    world.bytes(b"\x83\0".as_slice());
    assert_eq!((world.state(), world.closes), ("waiting", 1));
    world.pass_seconds(1);
    assert_eq!(world.state(), "connecting");
    let late = |world: &mut World| {
        for what in [
            CrmInput::Connected,
            CrmInput::Bytes(b"x".to_vec()),
            CrmInput::Sent,
            CrmInput::Closed("late".to_owned()),
            CrmInput::ConnectFailed("late".to_owned()),
        ] {
            let connection = old;
            world
                .link
                .handle_report(CrmReport { connection, what }, world.now);
        }
        world.pump();
    };
    late(&mut world);
    assert_eq!(world.state(), "connecting");
    world.link_up();
    world.introduce();
    late(&mut world);
    assert_eq!(world.state(), "ready");
}

#[test]
fn what_is_told_of_a_connection_that_is_over_changes_nothing() {
    let mut world = World::ready();
    world.report(CrmInput::Closed("gone".to_owned()));
    world.events.clear();
    world.report(CrmInput::Closed("gone".to_owned()));
    world.report(CrmInput::ConnectFailed("refused".to_owned()));
    world.report(CrmInput::Connected);
    world.report(CrmInput::Sent);
    world.bytes("x");
    assert_eq!((world.state(), world.take_events()), ("waiting", vec![]));
}
