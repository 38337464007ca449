use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::world::{World, anna};
use crate::base::{ChainId, Guid, LinkId, NumberId, RequestId, UserId};
use crate::hub::{Downward, FromShard, Upward};
use crate::protocol::{
    Answer, Assembler, BodyReader, Event, LineInfo, LineState, MultipartLimits, NumberChange,
    Occurrence, StateId, UserEntry,
};
use crate::shard::Config;

fn world() -> World {
    World::new(Config::default())
}

fn ring_stopped() -> Downward {
    Downward::Event(Arc::new(Event {
        qid: Guid::from_bits(7),
        user: Some(anna()),
        what: Occurrence::RingStopped {
            chain: ChainId(Guid::from_bits(8)),
        },
    }))
}

fn line_changed(version: u64) -> Downward {
    Downward::Event(Arc::new(Event {
        qid: Guid::from_bits(9),
        user: Some(anna()),
        what: Occurrence::LineStateChanged {
            state: LineState::Commutated,
            version,
        },
    }))
}

fn numbers(version: u64, changes: &[(u128, &str, StateId)]) -> Downward {
    let change = |(id, number, state): &(u128, &str, StateId)| {
        let change = NumberChange {
            number: Arc::from(*number),
            state: *state,
        };
        (NumberId(Guid::from_bits(*id)), change)
    };
    Downward::Numbers {
        version,
        changes: changes.iter().map(change).collect(),
    }
}

fn subscribe(world: &mut World, id: LinkId, events: &str) -> Vec<(String, serde_json::Value)> {
    world.send(
        id,
        &format!(r#"["subscribeevent",{{"qid":"s","eventmethod":{events}}}]"#),
    );
    let mut messages = world.messages(id);
    assert_eq!(
        messages.remove(0),
        (
            "subscribeeventresult".into(),
            json!({"qid": "s", "result": 1})
        )
    );
    messages
}

fn last_request(world: &mut World) -> RequestId {
    match world.posts.pop() {
        Some(FromShard::Link {
            what: Upward::Request { request, .. },
            ..
        }) => request,
        other => panic!("no request, but {other:?}"),
    }
}

#[test]
fn an_event_reaches_the_users_tabs_that_subscribed_and_no_others() {
    let mut world = world();
    let (first, second, anonymous) = (world.tab(), world.tab(), world.link());
    subscribe(&mut world, first, r#"["phoneevent",null]"#);
    world.hub(ring_stopped());
    let fields = json!({
        "qid": "00000000-0000-0000-0000-000000000007",
        "chainid": "00000000-0000-0000-0000-000000000008",
        "userid": "00000000-0000-0000-0000-00000000000a",
        "userlogin": "Anna",
    });
    assert_eq!(
        world.messages(first),
        [("phoneevent_ringstopped".into(), fields)]
    );
    assert!(world.messages(second).is_empty() && world.messages(anonymous).is_empty());
    world.send(
        first,
        r#"["unsubscribeevent",{"qid":"u","event":"phoneevent"}]"#,
    );
    world.messages(first);
    world.hub(ring_stopped());
    assert!(world.messages(first).is_empty());
}

#[test]
fn a_line_that_changed_since_it_was_read_is_told_on_subscription() {
    let mut world = world();
    let id = world.tab();
    world.send(id, r#"["getextendedlineinfo",{"qid":"1"}]"#);
    let request = last_request(&mut world);
    let line = LineInfo {
        version: 5,
        ..LineInfo::default()
    };
    world.answer(id, request, Ok(Answer::LineInfo(Box::new(line))));
    world.messages(id);
    assert!(subscribe(&mut world, id, r#"["linestatechanged"]"#).is_empty());
    world.send(
        id,
        r#"["unsubscribeevent",{"qid":"u","event":"linestatechanged"}]"#,
    );
    world.messages(id);
    world.hub(line_changed(6));
    assert!(world.messages(id).is_empty());
    let told = subscribe(&mut world, id, r#"["linestatechanged"]"#);
    assert_eq!(told[0].0, "linestatechanged");
    assert_eq!(told[0].1["linestatestr"], "lsCommutated");
}

#[test]
fn numbers_are_collected_and_paced_and_the_last_state_counts() {
    let mut world = world();
    let id = world.tab();
    subscribe(&mut world, id, r#"["pbxnumberstatechanged"]"#);
    world.hub(numbers(1, &[(1, "101", StateId::FullBusy)]));
    let told = world.messages(id);
    assert_eq!(
        told[0].1["numbers"],
        json!([{"num": "101", "numstateid": 5}])
    );
    world.hub(numbers(
        2,
        &[(1, "101", StateId::Ready), (2, "102", StateId::FullBusy)],
    ));
    world.hub(numbers(3, &[(2, "102", StateId::Ready)]));
    world.pass(Duration::from_millis(250));
    assert!(world.messages(id).is_empty());
    world.pass(Duration::from_millis(60));
    let told = world.messages(id);
    let states = json!([{"num": "101", "numstateid": 1}, {"num": "102", "numstateid": 1}]);
    assert_eq!((told.len(), &told[0].1["numbers"]), (1, &states));
    assert!(told[0].1.get("userid").is_none());
}

#[test]
fn a_call_rings_between_two_slices_of_a_long_telling() {
    let mut world = world();
    let tabs: Vec<LinkId> = (0..600).map(|_| world.tab()).collect();
    for id in &tabs {
        subscribe(
            &mut world,
            *id,
            r#"["pbxnumberstatechanged","phoneevent_ringstopped"]"#,
        );
    }
    let (first, last) = (tabs[0], tabs[599]);
    world.hub(numbers(1, &[(1, "101", StateId::FullBusy)]));
    world.hub(ring_stopped());
    let name = |messages: Vec<(String, serde_json::Value)>| {
        let names = messages.into_iter().map(|(name, _)| name);
        names.collect::<Vec<_>>()
    };
    let in_order = ["pbxnumberstatechanged", "phoneevent_ringstopped"];
    assert_eq!(name(world.messages(first)), in_order);
    assert_eq!(name(world.messages(last)), ["phoneevent_ringstopped"]);
    for _ in 0..2 {
        world.pass(Duration::ZERO);
    }
    assert_eq!(name(world.messages(last)), ["pbxnumberstatechanged"]);
    let between = tabs[1..599].iter();
    assert!(between.copied().all(|id| world.messages(id).len() == 2));
}

#[test]
fn who_reads_the_numbers_during_a_telling_is_not_told_what_is_older() {
    let mut world = world();
    let tabs: Vec<LinkId> = (0..300).map(|_| world.tab()).collect();
    for id in &tabs {
        subscribe(&mut world, *id, r#"["pbxnumberstatechanged"]"#);
    }
    let last = tabs[299];
    world.hub(numbers(1, &[(1, "101", StateId::FullBusy)]));
    world.send(last, r#"["getpbxnumbers",{"qid":"1","mode":"full"}]"#);
    let request = last_request(&mut world);
    let answer = Answer::PbxNumbers {
        version: 2,
        numbers: [].into(),
    };
    world.answer(last, request, Ok(answer));
    world.hub(numbers(2, &[(1, "101", StateId::Ready)]));
    world.messages(last);
    world.pass(Duration::ZERO);
    assert!(world.messages(last).is_empty());
    world.pass(Duration::from_millis(310));
    world.pass(Duration::ZERO);
    assert!(world.messages(last).is_empty());
    assert_eq!(world.messages(tabs[298]).len(), 2);
}

#[test]
fn numbers_that_changed_since_they_were_read_are_told_on_subscription() {
    let mut world = world();
    let id = world.tab();
    world.send(id, r#"["getpbxnumbers",{"qid":"1","mode":"full"}]"#);
    let request = last_request(&mut world);
    let answer = Answer::PbxNumbers {
        version: 1,
        numbers: [].into(),
    };
    world.answer(id, request, Ok(answer));
    world.messages(id);
    world.hub(numbers(2, &[(1, "101", StateId::FullBusy)]));
    assert!(world.messages(id).is_empty());
    let told = subscribe(&mut world, id, r#"["pbxnumberstatechanged"]"#);
    assert_eq!(
        told[0].1["numbers"],
        json!([{"num": "101", "numstateid": 5}])
    );
}

#[test]
fn who_has_never_read_the_numbers_is_told_only_what_changes_from_then_on() {
    let mut world = world();
    let id = world.tab();
    world.hub(numbers(2, &[(1, "101", StateId::FullBusy)]));
    let told = subscribe(&mut world, id, r#"["pbxnumberstatechanged"]"#);
    assert!(told.is_empty(), "{told:?}");
    world.hub(numbers(3, &[(1, "101", StateId::Ready)]));
    world.pass(Duration::from_millis(310));
    assert_eq!(world.messages(id).len(), 1);
}

#[test]
fn a_long_answer_is_sent_in_packets_that_make_it_whole_again() {
    let mut world = world();
    let id = world.tab();
    world.send(id, r#"["getallusernumbers",{"qid":"1"}]"#);
    let request = last_request(&mut world);
    let user = |index: u128| UserEntry {
        id: UserId(Guid::from_bits(index)),
        name: "Анна".into(),
        main: "101".into(),
        numbers: Vec::new(),
        subordinate: false,
    };
    let answer = Answer::AllUserNumbers {
        users: (0..1000).map(user).collect(),
        is_common: false,
    };
    world.answer(id, request, Ok(answer));
    let mut assembler = Assembler::new(MultipartLimits::default());
    let mut whole = None;
    for (name, fields) in world.messages(id) {
        assert_eq!((name.as_str(), whole.is_none()), ("multipart", true));
        let mut text = fields.to_string().into_bytes();
        let taken = BodyReader::new().read(&mut text, |body| assembler.accept(&body, world.now));
        whole = taken.expect("JSON").expect("a packet of the run");
    }
    let whole = whole.expect("the run is complete");
    let (name, fields): (String, serde_json::Value) =
        serde_json::from_slice(&whole).expect("the answer is JSON");
    assert_eq!(name, "getallusernumbersresult");
    assert_eq!(fields["users"][999]["name"], "Анна");
}

#[test]
fn many_numbers_are_divided_over_several_events() {
    let mut world = world();
    let id = world.tab();
    subscribe(&mut world, id, r#"["pbxnumberstatechanged"]"#);
    let names: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
    let changes: Vec<_> = (0..)
        .zip(&names)
        .map(|(id, name)| (id, &**name, StateId::Ready))
        .collect();
    world.hub(numbers(1, &changes));
    let told = world.messages(id);
    let count = |fields: &serde_json::Value| fields["numbers"].as_array().map_or(0, Vec::len);
    assert_eq!(
        told.iter().map(|(_, fields)| count(fields)).sum::<usize>(),
        2000
    );
    assert!(
        told.iter()
            .all(|(_, fields)| fields.to_string().len() < 64 << 10)
    );
}
