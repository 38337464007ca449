use std::time::Duration;

use super::world::{Seen, World};
use crate::base::Engine;
use crate::hub::{Downward, FromShard, Upward};
use crate::shard::{Config, Limits, Refused};
use crate::wire::frame::{CloseCode, append_close, append_text};

fn world() -> World {
    World::new(Config::default())
}

fn gone(world: &World) -> usize {
    let is_gone = |post: &&FromShard| {
        matches!(
            post,
            FromShard::Link {
                what: Upward::Gone,
                ..
            }
        )
    };
    world.posts.iter().filter(is_gone).count()
}

fn refused(world: &World, reason: Refused) -> u64 {
    world.shard.counters().refused[reason as usize]
}

#[test]
fn a_handshake_that_takes_too_long_is_cut() {
    let mut world = world();
    let id = world.connect();
    world.send_bytes(id, b"GET / HT");
    world.pass(Duration::from_secs(9));
    assert!(!world.is_cut(id));
    world.pass(Duration::from_secs(2));
    assert!(world.is_cut(id));
    assert_eq!(
        (
            world.shard.links(),
            refused(&world, Refused::HandshakeTimeout)
        ),
        (0, 1)
    );
}

#[test]
fn a_panic_in_a_links_handling_costs_that_link_alone() {
    let mut world = world();
    let (good, bad) = (world.tab(), world.tab());
    world.messages(good);
    world.posts.clear();
    world.send(bad, r#"["panic",{}]"#);
    assert!(world.is_cut(bad));
    assert_eq!((gone(&world), refused(&world, Refused::Panicked)), (1, 1));
    world.send(good, r#"["ping",{"qid":1}]"#);
    let answer = ("pong".to_owned(), serde_json::json!({"qid": 1}));
    assert_eq!(world.messages(good), [answer]);
    assert_eq!(world.shard.links(), 1);
}

#[test]
fn a_link_on_which_nobody_logs_in_is_closed() {
    let mut world = world();
    let id = world.link();
    world.pass(Duration::from_secs(29));
    assert_eq!(world.seen(id), [Seen::Ping]);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.seen(id), [Seen::Close(1008)]);
}

#[test]
fn a_silent_tab_is_asked_and_then_closed_and_the_hub_hears_of_it() {
    let mut world = world();
    let id = world.tab();
    world.pass(Duration::from_secs(21));
    assert_eq!(world.seen(id), [Seen::Ping]);
    world.pass(Duration::from_secs(38));
    assert_eq!(world.seen(id), [Seen::Ping]);
    world.pass(Duration::from_secs(2));
    assert_eq!((world.seen(id), gone(&world)), (vec![Seen::Close(1001)], 1));
    world.pass(Duration::from_secs(6));
    assert!(world.is_cut(id));
    assert_eq!((world.shard.links(), gone(&world)), (0, 1));
}

#[test]
fn a_tab_that_is_heard_is_not_asked() {
    let mut world = world();
    let id = world.tab();
    for _ in 0..20 {
        world.pass(Duration::from_secs(15));
        world.send(id, r#"["ping",{"qid":"1"}]"#);
        assert_eq!(world.messages(id).len(), 1);
    }
}

#[test]
fn a_peer_that_closes_gets_its_code_back_and_the_end_of_the_stream() {
    let mut world = world();
    let id = world.tab();
    let mut frame = Vec::new();
    append_close(&mut frame, Some(CloseCode::Away), "bye", Some([7; 4]));
    world.send_bytes(id, &frame);
    assert_eq!((world.seen(id), gone(&world)), (vec![Seen::Close(1001)], 1));
    assert!(world.is_shut(id));
    world.shard.closed(id, world.now);
    assert_eq!((world.shard.links(), gone(&world)), (0, 1));
}

#[test]
fn a_violation_is_closed_with_its_code() {
    let mut world = world();
    let id = world.tab();
    let mut unmasked = Vec::new();
    append_text(&mut unmasked, "hello", None);
    world.send_bytes(id, &unmasked);
    assert_eq!(world.seen(id), [Seen::Close(1002)]);
    assert!(world.is_shut(id));
    assert_eq!(refused(&world, Refused::Protocol), 1);
}

#[test]
fn a_slow_reader_is_closed_with_1013_at_a_frame_boundary() {
    let limits = Limits {
        queue_bytes_max: 1000,
        ..Limits::default()
    };
    let mut world = World::new(Config {
        limits,
        ..Config::default()
    });
    let id = world.tab();
    world.stop_reading(id);
    for _ in 0..50 {
        world.send(
            id,
            r#"["ping",{"qid":"1","padding":"0123456789012345678901234567"}]"#,
        );
    }
    assert_eq!((refused(&world, Refused::Slow), gone(&world)), (1, 1));
    assert!(world.shard.counters().queue_bytes < 1000);
    world.read(id);
    let seen = world.seen(id);
    assert_eq!(seen.last(), Some(&Seen::Close(1013)));
    assert!(world.is_shut(id));
}

#[test]
fn logging_out_closes_the_link_after_the_answer() {
    let mut world = world();
    let id = world.tab();
    world.send(id, r#"["logout",{"qid":"9"}]"#);
    let Some(FromShard::Link {
        what: Upward::Logout { request },
        ..
    }) = world.posts.pop()
    else {
        panic!("the hub is asked to end the session");
    };
    world.answer(id, request, Ok(crate::protocol::Answer::Done));
    let seen = world.seen(id);
    assert!(matches!(&seen[0], Seen::Message(name, _) if name == "logoutresult"));
    assert_eq!(seen[1], Seen::Close(1000));
}

#[test]
fn going_down_closes_links_spread_over_the_time_and_refuses_new_ones() {
    let mut world = world();
    let tabs: Vec<_> = (0..10).map(|_| world.tab()).collect();
    world.hub(Downward::Drain { spread_ms: 1000 });
    world.pass(Duration::from_millis(500));
    let closed = tabs
        .iter()
        .filter(|id| !world.seen(**id).is_empty())
        .count();
    assert!(
        (4..=6).contains(&closed),
        "{closed} of 10 closed at half-time"
    );
    world.pass(Duration::from_millis(600));
    assert_eq!(refused(&world, Refused::GoingDown), 10);
    let peer = crate::base::Peer {
        address: ([127, 0, 0, 1], 2).into(),
        listener: 0,
    };
    assert_eq!(world.shard.open(peer, world.now), None);
    world.pass(Duration::from_secs(6));
    assert!(matches!(world.posts.last(), Some(FromShard::Drained(_))));
}

#[test]
fn an_idle_shard_is_drained_at_once() {
    let mut world = world();
    world.hub(Downward::Drain { spread_ms: 1000 });
    assert!(matches!(world.posts.as_slice(), [FromShard::Drained(_)]));
}
