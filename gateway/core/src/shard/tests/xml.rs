//! Tabs that chose XML (protocol 2.2-d, 3.2): they are served as others are.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::world::{HEAD, World, anna, logged_in};
use crate::base::{ChainId, DepartmentId, Guid, LinkId, NumberId, RateLimit};
use crate::hub::{Downward, FromShard, Upward};
use crate::protocol::{
    Answer, Assembler, BodyReader, DeskEvent, Event, MultipartLimits, NumberChange, NumberEntry,
    NumberKind, Occurrence, StateId, json_from_xml, peek,
};
use crate::shard::{Config, Refused};

fn world() -> World {
    World::new(Config::default())
}

/// A link that was upgraded with `xml`.
fn link(world: &mut World) -> LinkId {
    let id = world.connect();
    world.send_bytes(id, HEAD.replace(": json", ": oktell-XML.v1").as_bytes());
    let head = String::from_utf8(world.take_bytes(id)).expect("ASCII");
    assert!(
        head.contains("\r\nSec-WebSocket-Protocol: oktell-XML.v1\r\n"),
        "{head}"
    );
    id
}

/// A link that is logged in as Anna, subscribed to the events of a call and to numbers' states.
fn tab(world: &mut World) -> LinkId {
    let id = link(world);
    world.send(
        id,
        r#"<message name="login"><qid>l</qid><userlogin>anna</userlogin><password>x</password></message>"#,
    );
    let request = world.asked_to_log_in();
    world.answer(id, request, Ok(logged_in()));
    let answer = document(world, id);
    assert!(answer.starts_with(
        r#"<message name="loginresult"><qid>l</qid><result type="number">1</result>"#
    ));
    world.send(
        id,
        "<message name='subscribeevent'><qid>s</qid><eventmethod type='array'>\
           <item>phoneevent</item><item type='null'/><item>pbxnumberstatechanged</item><item>customevent</item>\
         </eventmethod></message>",
    );
    assert_eq!(
        messages(world, id),
        [(
            "subscribeeventresult".to_owned(),
            json!({"qid": "s", "result": 1})
        )]
    );
    id
}

/// The only document that the link got.
fn document(world: &mut World, id: LinkId) -> String {
    let mut documents = world.texts(id);
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents.remove(0)
}

/// What the link got, all of it documents.
fn messages(world: &mut World, id: LinkId) -> Vec<(String, Value)> {
    let read = |text: String| {
        let json = json_from_xml(text.as_bytes()).expect("a document");
        serde_json::from_slice(&json).expect("JSON")
    };
    world.texts(id).into_iter().map(read).collect()
}

fn event(what: Occurrence) -> Downward {
    Downward::Event(Arc::new(Event {
        qid: Guid::from_bits(7),
        user: Some(anna()),
        what,
    }))
}

fn custom(param: &str) -> Occurrence {
    let event = DeskEvent::Custom {
        name: "e".into(),
        param: param.into(),
    };
    Occurrence::Desk(event.into())
}

fn ring_stopped() -> Downward {
    event(Occurrence::RingStopped {
        chain: ChainId(Guid::from_bits(8)),
    })
}

#[test]
fn a_ping_is_answered_by_a_document_with_all_of_its_fields() {
    let mut world = world();
    let id = link(&mut world);
    world.send(id, "<message name=\"ping\"><qid>7</qid><n type=\"number\">1.50</n><field name=\"a b\">&lt;</field></message>");
    let pong = "<message name=\"pong\"><qid>7</qid><n type=\"number\">1.50</n><field name=\"a b\">&lt;</field></message>";
    assert_eq!(document(&mut world, id), pong);
}

#[test]
fn an_event_is_told_to_each_tab_in_its_own_format() {
    let mut world = world();
    let (xml, json, other) = (tab(&mut world), world.tab(), tab(&mut world));
    world.send(
        json,
        r#"["subscribeevent",{"qid":"s","eventmethod":["phoneevent"]}]"#,
    );
    world.messages(json);
    world.hub(ring_stopped());
    let first = document(&mut world, xml);
    insta::assert_snapshot!(first, @r#"<message name="phoneevent_ringstopped"><qid>00000000-0000-0000-0000-000000000007</qid><chainid>00000000-0000-0000-0000-000000000008</chainid><userid>00000000-0000-0000-0000-00000000000a</userid><userlogin>Anna</userlogin></message>"#);
    assert_eq!(document(&mut world, other), first);
    let told = world.messages(json);
    let read: (String, Value) =
        serde_json::from_slice(&json_from_xml(first.as_bytes()).expect("a document"))
            .expect("JSON");
    assert_eq!(told, [read]);
}

#[test]
fn numbers_states_and_events_to_everybody_come_as_documents() {
    let mut world = world();
    let id = tab(&mut world);
    let change = NumberChange {
        number: "101".into(),
        state: StateId::FullBusy,
    };
    world.hub(Downward::Numbers {
        version: 1,
        changes: [(NumberId(Guid::from_bits(1)), change)].into(),
    });
    world.pass(Duration::from_secs(1));
    let told = messages(&mut world, id);
    assert_eq!(told[0].0, "pbxnumberstatechanged");
    assert_eq!(
        told[0].1["numbers"],
        json!([{"num": "101", "numstateid": 5}])
    );
}

// protocol 3.2-r and 3.4-a
#[test]
fn what_is_no_document_is_answered_with_an_error_and_the_link_goes_on() {
    let mut world = world();
    let id = tab(&mut world);
    for (text, about, errormsg) in [
        (
            "[\"ping\",{}]",
            json!({}),
            "text between elements at byte 0: it belongs into a field",
        ),
        (
            "<!DOCTYPE x><message name='ping'/>",
            json!({}),
            "a DOCTYPE at byte 0: leave it out",
        ),
        (
            "<message name='ping'><qid>7</qid><n type='number'>x</n></message>",
            json!({"method": "ping", "qid": "7"}),
            "not a number as JSON writes it at byte 33",
        ),
    ] {
        world.send(id, text);
        let mut expected = json!({"result": 0, "error": 400, "errormsg": errormsg});
        let about = about.as_object().expect("an object").clone();
        expected.as_object_mut().expect("an object").extend(about);
        assert_eq!(messages(&mut world, id), [("error".to_owned(), expected)]);
    }
    world.send(id, "<message name='ping'/>");
    assert_eq!(
        document(&mut world, id),
        "<message name=\"pong\"></message>"
    );
}

#[test]
fn documents_that_come_too_fast_are_refused_whatever_is_in_them() {
    let mut config = Config::default();
    config.limits.session.messages = RateLimit::new(1, 1);
    let mut world = World::new(config);
    let id = link(&mut world);
    world.send(id, "<message name='ping'/>");
    document(&mut world, id);
    for text in [
        "<message name='x'><qid>7</qid></message>",
        "<message name='x'><qid>7</qid>",
    ] {
        world.send(id, text);
        assert_eq!(messages(&mut world, id)[0].1["error"], 429);
    }
}

#[test]
fn what_was_sent_during_the_login_is_done_after_it() {
    let mut world = world();
    let id = link(&mut world);
    world.send(id, "<message name='login'><qid>l</qid><userlogin>anna</userlogin><password>x</password></message>");
    world.send(id, "<message name='getuserstate'><qid>7</qid></message>");
    let request = world.asked_to_log_in();
    world.answer(id, request, Ok(logged_in()));
    let asked = |post: &FromShard| {
        matches!(
            post,
            FromShard::Link {
                what: Upward::Request { .. },
                ..
            }
        )
    };
    assert!(world.posts.iter().any(asked));
}

// protocol 3.3-e and 3.3-g
#[test]
fn a_long_list_comes_in_packets_of_xml() {
    let mut world = world();
    let id = tab(&mut world);
    let entry = |id| NumberEntry {
        id: NumberId(Guid::from_bits(id)),
        number: "101".into(),
        caption: "Анна & <Co>\r".into(),
        kind: NumberKind::User,
        state: StateId::Ready,
        department: "".into(),
        department_id: DepartmentId::default(),
    };
    let answer = Answer::PbxNumbers {
        version: 1,
        numbers: (0..1000).map(entry).collect(),
    };
    world.posts.clear();
    world.send(
        id,
        "<message name='getpbxnumbers'><qid>7</qid><mode>full</mode></message>",
    );
    let Some(FromShard::Link {
        what: Upward::Request { request, .. },
        ..
    }) = world.posts.pop()
    else {
        panic!("no request");
    };
    world.answer(id, request, Ok(answer));
    let mut assembler = Assembler::new(MultipartLimits::default());
    let mut whole = None;
    for packet in world.texts(id) {
        let packet = json_from_xml(packet.as_bytes()).expect("a document");
        let peeked = peek(&packet).expect("a message");
        assert_eq!((peeked.name, whole.as_ref()), ("multipart", None));
        let mut fields = peeked.fields.to_vec();
        let taken = BodyReader::new().read(&mut fields, |body| assembler.accept(&body, world.now));
        whole = taken.expect("JSON").expect("a packet of the run");
    }
    let whole = json_from_xml(&whole.expect("all packets")).expect("a document");
    let (name, fields): (String, Value) = serde_json::from_slice(&whole).expect("JSON");
    assert_eq!(
        (name.as_str(), &fields["qid"]),
        ("getpbxnumbersresult", &json!("7"))
    );
    assert_eq!(fields["numbers"][999]["caption"], "Анна & <Co>\r");
    assert_eq!(fields["numbers"][999]["state"], 1);
}

// protocol 3.2-s
#[test]
fn an_event_that_xml_cannot_say_is_left_out_and_counted() {
    let mut world = world();
    let id = tab(&mut world);
    world.hub(event(custom(r#"{"a":"\ud800"}"#)));
    assert_eq!(world.texts(id), Vec::<String>::new());
    assert_eq!(world.shard.counters().refused[Refused::NotXml as usize], 1);
    world.hub(event(custom(r#"{"a":"b"}"#)));
    assert_eq!(
        messages(&mut world, id)[0].1["eventparam"],
        json!({"a": "b"})
    );
}
