//! A CRM that sends what it should not: it costs its own link and nothing else.

use proptest::prelude::*;

use super::*;
use crate::wire::frame::{append_binary, append_text};

/// What the link does after the end is to try again.
#[track_caller]
fn assert_closed(world: &mut World, code: Option<u16>) {
    assert_eq!(
        (world.state(), world.closes, world.crm.close),
        ("waiting", 1, code)
    );
    world.pass_seconds(1);
    assert_eq!(world.connects, 2);
}

#[test]
fn frames_that_break_the_protocol_close_the_link_with_their_code() {
    let mut masked = Vec::new();
    append_text(&mut masked, "[]", Some([1, 2, 3, 4]));
    let mut binary = Vec::new();
    append_binary(&mut binary, b"x", None);
    for (bytes, code) in [
        (masked, 1002),
        (binary, 1003),
        (vec![0xF1, 0], 1002),
        (vec![0x81, 2, 0xC3, 0x28], 1007),
        (vec![0x81, 127, 0, 0, 0, 0, 0x7F, 0, 0, 0], 1009),
    ] {
        let mut world = World::ready();
        world.bytes(bytes);
        assert_closed(&mut world, Some(code));
    }
}

#[test]
fn an_endless_answer_to_the_handshake_is_refused() {
    let mut world = World::new();
    world.report(CrmInput::Connected);
    for _ in 0..10 {
        world.bytes("HTTP/1.1 101 Switching Protocols\r\nX: ".to_owned() + &"y".repeat(1000));
    }
    assert_closed(&mut world, None);
}

#[test]
fn a_flood_of_requests_is_bounded_by_the_queue() {
    let mut world = World::ready_with(CrmConfig {
        limits: Limits {
            queue_bytes_max: 100_000,
            ..Limits::default()
        },
        ..config()
    });
    let mut flood = Vec::new();
    for _ in 0..100_000 {
        append_text(&mut flood, r#"["x",{"qid":"1"}]"#, None);
    }
    world.bytes(flood);
    assert_eq!(
        (world.state(), world.counters().queue_overflows),
        ("waiting", 1)
    );
    assert!(world.counters().messages < 2000);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..8),
        stage in 0..3,
    ) {
        let mut world = match stage {
            0 => World::new(),
            1 => World::introducing(),
            _ => World::ready(),
        };
        if stage == 0 {
            world.report(CrmInput::Connected);
        }
        for chunk in chunks {
            world.bytes(chunk);
        }
        world.pass_seconds(200);
    }

    #[test]
    fn arbitrary_fields_of_known_messages_never_panic_and_cost_no_link(
        name in prop::sample::select(vec![
            "iam", "whoareyou", "login", "logout", "ping", "getpbxnumbers", "methodresult",
            "availablemethods", "availableforms", "activeusers", "multipart", "error",
        ]),
        key in prop::sample::select(vec![
            "qid", "userlogin", "userid", "methods", "forms", "users", "executionid", "message-id",
            "outputparameters", "result", "content", "packetcount", "packetnumber",
        ]),
        value in prop::sample::select(vec![
            "null", "1", "-1", "1e999", r#""""#, r#""x""#, "[]", "{}", "[null]", "[1]", "[{}]",
            r#"[{"key":1,"inputparams":7}]"#, r#"[{"userlogin":"a","userid":{}}]"#, "\"\\ud800\"",
        ]),
    ) {
        let mut world = World::ready();
        world.say_text(&format!(r#"["{name}",{{"{key}":{value}}}]"#));
        prop_assert_eq!(world.state(), "ready");
        world.say_text(&format!(r#"["{name}",{{"qid":"1","{key}":{value}}}]"#));
        prop_assert_eq!(world.state(), "ready");
    }
}
