//! The long lists that many links get, and whose turn it is (protocol 3.3, 6.4).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::world::World;
use crate::base::{DepartmentId, Engine as _, Guid, LinkId, NumberId, RequestId};
use crate::hub::{FromShard, Upward};
use crate::protocol::{
    Answer, Assembler, BodyReader, MultipartLimits, NumberEntry, NumberKind, StateId, UserEntry,
    UserRequest,
};
use crate::shard::Config;

fn world() -> World {
    World::new(Config::default())
}

/// A list of so many numbers, all in this state.
fn numbers(count: u128, version: u64, state: StateId) -> Answer {
    let entry = |id| NumberEntry {
        id: NumberId(Guid::from_bits(id)),
        number: "101".into(),
        caption: "Анна".into(),
        kind: NumberKind::User,
        state,
        department: "".into(),
        department_id: DepartmentId::default(),
    };
    Answer::PbxNumbers {
        version,
        numbers: (0..count).map(entry).collect(),
    }
}

/// Long enough for packets.
const MANY: u128 = 1000;

fn ask(world: &mut World, id: LinkId, qid: &str) {
    let text = format!(r#"["getpbxnumbers",{{"qid":"{qid}","mode":"full"}}]"#);
    world.send(id, &text);
}

/// What the hub is asked for lists, in order.
fn asked(world: &mut World) -> Vec<(LinkId, RequestId)> {
    let posts = world.posts.drain(..);
    let lists = posts.filter_map(|post| match post {
        FromShard::Link {
            link,
            what:
                Upward::Request {
                    request,
                    what: UserRequest::PbxNumbers | UserRequest::AllUserNumbers,
                    ..
                },
        } => Some((link.link, request)),
        _ => None,
    });
    lists.collect()
}

/// Asks, and is answered.
fn get(world: &mut World, id: LinkId, qid: &str, answer: &Answer) {
    ask(world, id, qid);
    let asked = asked(world);
    let [(link, request)] = asked[..] else {
        panic!("one request, not {asked:?}");
    };
    assert_eq!(link, id);
    world.answer(id, request, Ok(answer.clone()));
}

/// The messages that the link got, those in packets put together, and the ids of those.
fn got(world: &mut World, id: LinkId) -> (Vec<(String, Value)>, Vec<String>) {
    let mut assembler = Assembler::new(MultipartLimits::default());
    let (mut whole, mut ids) = (Vec::new(), Vec::new());
    for (name, fields) in world.messages(id) {
        if name != "multipart" {
            assert_eq!(assembler.held_bytes(), 0, "{name} between packets");
            whole.push((name, fields));
            continue;
        }
        let message_id = fields["message-id"].as_str().expect("an id").to_owned();
        let mut text = fields.to_string().into_bytes();
        let taken = BodyReader::new().read(&mut text, |body| assembler.accept(&body, world.now));
        if let Some(text) = taken.expect("JSON").expect("a packet of the run") {
            whole.push(serde_json::from_slice(&text).expect("the answer is JSON"));
            ids.push(message_id);
        }
    }
    (whole, ids)
}

#[test]
fn two_links_get_the_same_list_with_their_own_qids_from_the_same_bytes() {
    let mut world = world();
    let (first, second) = (world.tab(), world.tab());
    let list = numbers(MANY, 1, StateId::Ready);
    get(&mut world, first, "one", &list);
    get(&mut world, second, "two \\u0451", &list);
    let (mut firsts, first_ids) = got(&mut world, first);
    let (mut seconds, second_ids) = got(&mut world, second);
    assert_eq!(firsts[0].0, "getpbxnumbersresult");
    assert_eq!(firsts[0].1["qid"].take(), "one");
    assert_eq!(seconds[0].1["qid"].take(), "two ё");
    assert_eq!(firsts[0].1["result"], 1);
    assert_eq!(firsts[0].1["numbers"][999]["caption"], "Анна");
    assert_eq!(firsts, seconds);
    assert_eq!(first_ids, second_ids, "it was encoded once");
}

#[test]
fn a_link_that_asks_again_never_gets_the_same_message_id() {
    let mut world = world();
    let (first, second) = (world.tab(), world.tab());
    let list = numbers(MANY, 1, StateId::Ready);
    let mut ids = HashSet::new();
    for (id, qid) in [
        (first, "1"),
        (first, "2"),
        (second, "1"),
        (first, "3"),
        (second, "2"),
    ] {
        get(&mut world, id, qid, &list);
        let (answers, given) = got(&mut world, id);
        assert_eq!((answers.len(), &answers[0].1["qid"]), (1, &qid.into()));
        assert_eq!(answers[0].1["numbers"].as_array().map(Vec::len), Some(1000));
        assert!(ids.insert((id, given)), "twice the same id");
    }
}

#[test]
fn a_list_that_has_changed_is_encoded_anew() {
    let mut world = world();
    let id = world.tab();
    for (version, state) in [(1, StateId::Ready), (2, StateId::FullBusy)] {
        get(&mut world, id, "1", &numbers(MANY, version, state));
        let (answers, _) = got(&mut world, id);
        assert_eq!(answers[0].1["numbers"][7]["state"], state.number());
    }
}

#[test]
fn lists_of_both_kinds_short_ones_and_long_qids_are_whole() {
    let mut world = world();
    let id = world.tab();
    let users = Answer::AllUserNumbers {
        users: Arc::new([UserEntry {
            id: crate::base::UserId(Guid::from_bits(1)),
            name: "Анна".into(),
            main: "101".into(),
            numbers: Vec::new(),
            subordinate: false,
        }]),
        is_common: true,
    };
    let long_qid = "ё".repeat(300);
    for list in [
        &numbers(2, 1, StateId::Ready),
        &numbers(MANY, 2, StateId::Ready),
        &users,
    ] {
        for qid in ["1", &long_qid] {
            get(&mut world, id, qid, list);
            let (answers, _) = got(&mut world, id);
            assert_eq!((answers.len(), &answers[0].1["qid"]), (1, &qid.into()));
            assert_eq!(answers[0].1["result"], 1);
        }
    }
}

#[test]
fn a_slow_reader_gets_all_of_it_and_then_what_came_after_it() {
    let mut world = world();
    let id = world.tab();
    world.stop_reading(id);
    get(&mut world, id, "1", &numbers(MANY, 1, StateId::Ready));
    world.send(id, r#"["ping",{"qid":"p"}]"#);
    get(&mut world, id, "2", &numbers(MANY, 2, StateId::Lunch));
    world.send(id, r#"["ping",{"qid":"q"}]"#);
    let mut bytes = Vec::new();
    while world.shard.counters().queue_bytes > 0 {
        world.read_some(id, 5000);
        bytes.extend(world.take_bytes(id));
    }
    world.put_bytes(id, bytes);
    let (answers, _) = got(&mut world, id);
    let qids: Vec<_> = answers.iter().map(|(_, fields)| &fields["qid"]).collect();
    assert_eq!(qids, ["1", "p", "2", "q"]);
}

/// Lists that are on their way at a time.
const TURNS: usize = 32;

/// So many tabs, none of which reads, that have asked for a list.
fn crowd(world: &mut World, count: usize) -> Vec<LinkId> {
    let tabs: Vec<LinkId> = (0..count).map(|_| world.tab()).collect();
    world.posts.clear();
    for id in &tabs {
        world.stop_reading(*id);
        ask(world, *id, "1");
    }
    tabs
}

#[test]
fn a_crowd_gets_long_lists_in_the_order_in_which_it_asked_a_few_at_a_time() {
    let mut world = world();
    let list = numbers(MANY, 1, StateId::Ready);
    let tabs = crowd(&mut world, 3 * TURNS);
    let first = asked(&mut world);
    let links = |asked: &[(LinkId, RequestId)]| -> Vec<_> { asked.iter().map(|it| it.0).collect() };
    assert_eq!(links(&first), &tabs[..TURNS]);
    for (id, request) in first {
        world.answer(id, request, Ok(list.clone()));
    }
    assert!(asked(&mut world).is_empty(), "nobody has read");
    // Who reads lets the next one have its turn at once.
    world.read(tabs[3]);
    world.pass(Duration::ZERO);
    let next = asked(&mut world);
    assert_eq!(links(&next), [tabs[TURNS]]);
    world.answer(next[0].0, next[0].1, Ok(list.clone()));
    // Who does not read keeps nobody waiting for long.
    world.pass(Duration::from_millis(100));
    assert_eq!(links(&asked(&mut world)), &tabs[TURNS + 1..=2 * TURNS]);
}

#[test]
fn short_lists_keep_nobody_waiting() {
    let mut world = world();
    let list = numbers(2, 1, StateId::Ready);
    let tabs = crowd(&mut world, 2 * TURNS);
    let mut answered = Vec::new();
    loop {
        let asked = asked(&mut world);
        if asked.is_empty() {
            break;
        }
        for (id, request) in asked {
            world.answer(id, request, Ok(list.clone()));
            answered.push(id);
        }
    }
    assert_eq!(answered, tabs);
}

#[test]
fn who_leaves_the_line_takes_nobodys_turn_and_who_logs_out_is_answered_first() {
    let mut world = world();
    let tabs = crowd(&mut world, 2 * TURNS);
    let first = asked(&mut world);
    world.shard.closed(tabs[TURNS], world.now);
    let leaving = tabs[TURNS + 1];
    world.send(leaving, r#"["logout",{"qid":"2"}]"#);
    let posts: Vec<_> = world.posts.iter().rev().take(2).collect();
    assert!(
        matches!(
            posts[..],
            [
                FromShard::Link {
                    what: Upward::Logout { .. },
                    ..
                },
                FromShard::Link {
                    what: Upward::Request { .. },
                    ..
                }
            ]
        ),
        "{posts:?}"
    );
    world.posts.clear();
    for (id, request) in first {
        world.answer(id, request, Ok(numbers(2, 1, StateId::Ready)));
    }
    let others: Vec<_> = asked(&mut world).iter().map(|it| it.0).collect();
    assert_eq!(others, &tabs[TURNS + 2..]);
}
