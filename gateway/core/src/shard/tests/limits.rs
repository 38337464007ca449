use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::world::{HEAD, Seen, World, anna};
use crate::base::{Engine, LinkId, LinkRef, RateLimit};
use crate::hub::Downward;
use crate::shard::{Admission, Config, Limits, Refusal, Refused};

fn world(limits: Limits) -> World {
    World::new(Config {
        limits,
        trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network")],
        ..Config::default()
    })
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn refused(world: &World, reason: Refused) -> u64 {
    world.shard.counters().refused[reason as usize]
}

/// The status that a peer was answered with.
fn status(world: &mut World, id: LinkId) -> String {
    let answer = String::from_utf8(world.take_bytes(id)).expect("text");
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// A handshake that a proxy passes on.
fn forwarded_head(client: &str) -> String {
    let line = format!("X-Forwarded-For: {client}\r\n\r\n");
    HEAD.strip_suffix("\r\n").expect("an empty line").to_owned() + &line
}

// protocol 9-p and 9-q
#[test]
fn a_connection_too_many_is_told_so_at_once_and_its_place_is_free_again() {
    let mut world = world(Limits {
        links_max: 2,
        ..Limits::default()
    });
    let (first, _second) = (world.link(), world.link());
    for _ in 0..3 {
        let third = world.connect();
        assert_eq!(status(&mut world, third), "503");
        assert!(world.is_cut(third));
        world.send_bytes(third, HEAD.as_bytes());
    }
    assert_eq!(
        (world.shard.links(), world.shard.counters().accepted),
        (2, 2)
    );
    assert_eq!(refused(&world, Refused::LinksMax), 3);
    world.shard.closed(first, world.now);
    world.link();
}

#[test]
fn shards_that_share_an_admission_count_together() {
    let limits = Limits {
        links_max: 2,
        ..Limits::default()
    };
    let admission = Arc::new(Admission::new(&limits));
    let mut worlds = [(); 2].map(|()| {
        let mut world = world(limits.clone());
        world.share(Arc::clone(&admission));
        world
    });
    for world in &mut worlds {
        world.link();
    }
    for world in &mut worlds {
        let id = world.connect();
        assert_eq!(status(world, id), "503");
    }
    assert_eq!(admission.links(), 2);
}

// protocol 9-m
#[test]
fn an_address_has_its_connections_from_their_first_moment_to_their_last() {
    let mut world = world(Limits {
        links_per_address: 1,
        ..Limits::default()
    });
    let mine = address("192.0.2.1");
    let first = world.connect_from(mine);
    let second = world.connect_from(mine);
    assert_eq!(status(&mut world, second), "503");
    assert!(world.is_cut(second));
    // The same address in the form that a socket of both families gives.
    let third = world.connect_from(address("::ffff:192.0.2.1"));
    assert_eq!(status(&mut world, third), "503");
    let other = world.connect_from(address("192.0.2.2"));
    world.send_bytes(other, HEAD.as_bytes());
    assert_eq!(status(&mut world, other), "101");
    world.pass(Duration::from_secs(11));
    assert!(world.is_cut(first), "its handshake never came");
    let fourth = world.connect_from(mine);
    world.send_bytes(fourth, HEAD.as_bytes());
    assert_eq!(status(&mut world, fourth), "101");
    assert_eq!(refused(&world, Refused::LinksOfAddress), 2);
}

// protocol 9-n
#[test]
fn an_address_that_connects_too_fast_is_answered_429() {
    let mut world = world(Limits {
        handshakes_per_address: RateLimit::new(1, 2),
        ..Limits::default()
    });
    let mine = address("192.0.2.1");
    for expected in ["101", "101", "429", "429"] {
        let id = world.connect_from(mine);
        world.send_bytes(id, HEAD.as_bytes());
        assert_eq!(status(&mut world, id), expected);
    }
    world.pass(Duration::from_secs(1));
    let id = world.connect_from(mine);
    world.send_bytes(id, HEAD.as_bytes());
    assert_eq!(status(&mut world, id), "101");
    assert_eq!(refused(&world, Refused::HandshakesOfAddress), 2);
}

// protocol 9-o
#[test]
fn behind_a_trusted_proxy_the_client_is_counted_and_not_the_proxy() {
    let mut world = world(Limits {
        links_per_address: 1,
        ..Limits::default()
    });
    let proxy = address("10.1.2.3");
    let ask = |world: &mut World, client: &str| {
        let id = world.connect_from(proxy);
        world.send_bytes(id, forwarded_head(client).as_bytes());
        (id, status(world, id))
    };
    let (first, answer) = ask(&mut world, "192.0.2.1");
    assert_eq!(answer, "101");
    let (second, answer) = ask(&mut world, "192.0.2.2, 192.0.2.1, 10.0.0.9");
    assert_eq!(answer, "503");
    assert!(world.is_shut(second));
    assert_eq!(ask(&mut world, "192.0.2.2").1, "101");
    assert_eq!(ask(&mut world, "nonsense").1, "400");
    assert_eq!(refused(&world, Refused::Forwarded), 1);
    world.shard.closed(first, world.now);
    assert_eq!(ask(&mut world, "192.0.2.1").1, "101");
}

// protocol 9-o
#[test]
fn what_an_untrusted_peer_says_of_its_address_is_ignored() {
    let mut world = world(Limits {
        links_per_address: 1,
        ..Limits::default()
    });
    let mine = address("192.0.2.1");
    let first = world.connect_from(mine);
    world.send_bytes(first, forwarded_head("nonsense").as_bytes());
    assert_eq!(status(&mut world, first), "101");
    let second = world.connect_from(mine);
    world.send_bytes(second, forwarded_head("198.51.100.7").as_bytes());
    assert_eq!(status(&mut world, second), "503");
}

// protocol 9-r
#[test]
fn the_log_is_told_once_a_reason_with_address_user_and_count() {
    let mut limits = Limits::default();
    limits.session.messages = RateLimit::new(1, 4);
    let mut world = world(limits);
    let id = world.tab();
    for _ in 0..10 {
        world.send(id, r#"["ping",{"qid":"1"}]"#);
    }
    assert_eq!(
        world.shard.poll_refusal(),
        Some(Refusal {
            reason: Refused::Throttled,
            address: Some(address("127.0.0.1")),
            user: Some("Anna".into()),
            count: 7,
        })
    );
    assert_eq!(world.shard.poll_refusal(), None);
    assert_eq!(refused(&world, Refused::Throttled), 7);
}

#[test]
fn a_limit_of_the_hub_is_counted_with_the_link_that_met_it() {
    let mut world = world(Limits::default());
    let link = world.link();
    let link = LinkRef {
        shard: world.shard.id(),
        link,
    };
    let (reason, user) = (Refused::UsersMax, anna());
    world.hub(Downward::Refused { link, reason, user });
    let noted = world.shard.poll_refusal().expect("it is noted");
    assert_eq!((noted.reason, noted.user), (reason, Some("Anna".into())));
    assert_eq!(noted.address, Some(address("127.0.0.1")));
    world.shard.closed(link.link, world.now);
    let (reason, user) = (Refused::IdleSessions, anna());
    world.hub(Downward::Refused { link, reason, user });
    let noted = world.shard.poll_refusal().expect("it is noted");
    assert_eq!((noted.reason, noted.address), (reason, None));
}

#[test]
fn a_peer_that_does_not_answer_a_close_is_cut_and_counted() {
    let mut world = world(Limits::default());
    let id = world.link();
    world.pass(Duration::from_secs(31));
    assert_eq!(world.seen(id), [Seen::Ping, Seen::Close(1008)]);
    world.pass(Duration::from_secs(5));
    assert!(world.is_cut(id));
    assert_eq!(refused(&world, Refused::CloseTimeout), 1);
}
