//! What the two say to each other once the introduction is over.

use super::*;
use crate::base::{Guid, UserId};
use crate::protocol::{
    Answer, ErrorNumber, Fault, Format, NumberChange, Occurrence, StateId, UserRef, split,
};

pub(super) fn event_of(login: &str) -> Arc<Event> {
    Arc::new(Event {
        qid: Guid::from_bits(1),
        user: Some(UserRef {
            id: UserId(Guid::from_bits(0xABC)),
            login: login.into(),
        }),
        what: Occurrence::AcmCallStarted {
            number: "101".into(),
        },
    })
}

fn number_event() -> Arc<Event> {
    let change = NumberChange {
        number: "101".into(),
        state: StateId::FullBusy,
    };
    Arc::new(Event {
        qid: Guid::from_bits(2),
        user: None,
        what: Occurrence::NumberStateChanged(vec![change]),
    })
}

impl World {
    pub(super) fn event(&mut self, event: &Arc<Event>) {
        self.link.send_event(event, self.now);
        self.pump();
    }
}

#[test]
fn events_go_out_only_once_the_introduction_is_over() {
    let mut world = World::introducing();
    world.crm.heard.clear();
    world.event(&number_event());
    assert_eq!(world.heard_names(), [""; 0]);
    assert_eq!(world.counters().events_not_ready, 1);
    world.introduce();
    world.event(&number_event());
    let fields = world.heard("pbxnumberstatechanged");
    assert_eq!(fields["numbers"], json!([{"num": "101", "numstateid": 5}]));
    assert_eq!(
        (fields.get("userid"), fields.get("userlogin")),
        (None, None)
    );
    assert_eq!(world.counters().events_sent, 1);
}

#[test]
fn events_go_out_for_users_who_are_active_in_the_crm_with_the_crms_own_ids() {
    let mut world = World::ready();
    world.event(&event_of("anna"));
    assert_eq!(
        (
            world.heard_names().len(),
            world.counters().events_not_wanted
        ),
        (0, 1)
    );
    for (id, wanted) in [
        (json!(17), json!(17)),
        (json!("crm-17"), json!("crm-17")),
        (json!(""), json!(Guid::from_bits(0xABC).to_string())),
        (Value::Null, json!(Guid::from_bits(0xABC).to_string())),
    ] {
        world.say(
            "login",
            &json!({"qid": "1", "userlogin": "Anna", "userid": id}),
        );
        let answer = world.heard("loginresult");
        assert_eq!(
            answer,
            json!({"qid": "1", "userlogin": "Anna", "userid": id, "result": 1})
        );
        world.event(&event_of("anna"));
        let fields = world.heard("phoneevent_acmcallstarted");
        assert_eq!(
            (&fields["userid"], &fields["userlogin"]),
            (&wanted, &json!("Anna"))
        );
        assert_eq!(fields["number"], "101");
    }
    world.say("logout", &json!({"qid": "2", "userlogin": "ANNA"}));
    assert_eq!(world.heard("logoutresult")["result"], 1);
    world.event(&event_of("anna"));
    assert_eq!(world.heard_names(), [""; 0]);
    let events = world.take_events();
    assert!(matches!(&events[0], CrmEvent::UserAppeared(user) if &*user.login == "Anna"));
    assert!(matches!(events.last(), Some(CrmEvent::UserLeft(user)) if &*user.login == "Anna"));
}

#[test]
fn a_login_of_nobody_is_refused() {
    let mut world = World::ready();
    for fields in [json!({"qid": "1"}), json!({"qid": "1", "userlogin": ""})] {
        world.say("login", &fields);
        assert_eq!(world.heard("loginresult")["error"], 422);
    }
    assert_eq!(world.take_events(), []);
}

#[test]
fn the_list_of_active_users_is_the_one_that_counts() {
    let mut world = World::ready();
    world.say(
        "login",
        &json!({"qid": "1", "userlogin": "old", "userid": "1"}),
    );
    world.take_events();
    world.say(
        "activeusers",
        &json!({"qid": "x", "users": [
            {"userlogin": "anna", "userid": 7, "type": "ws-server"}, null, {"userid": 8}
        ]}),
    );
    let anna = ActiveUser {
        login: "anna".into(),
        crm_user_id: Some("7".into()),
        kind: Some("ws-server".into()),
    };
    assert_eq!(world.take_events(), [CrmEvent::ActiveUsers(vec![anna])]);
    world.crm.heard.clear();
    world.event(&event_of("old"));
    world.event(&event_of("ANNA"));
    assert_eq!(world.heard("phoneevent_acmcallstarted")["userid"], 7);
}

#[test]
fn active_users_are_told_of_in_one_order_however_they_are_listed() {
    let mut world = World::ready();
    let logins: Vec<String> = (0..20)
        .map(|it| format!("user{:02}", (it * 7) % 20))
        .collect();
    let users: Vec<Value> = logins.iter().map(|it| json!({"userlogin": it})).collect();
    world.say("activeusers", &json!({"qid": "x", "users": users}));
    let events = world.take_events();
    let [CrmEvent::ActiveUsers(told)] = &events[..] else {
        panic!("expected the users: {events:?}");
    };
    assert_eq!(told.len(), 20);
    assert!(told.is_sorted_by(|one, other| one.login < other.login));
}

#[test]
fn active_users_are_bounded_and_survive_a_loss_until_the_crm_says_otherwise() {
    let limits = Limits {
        users_max: 1,
        ..Limits::default()
    };
    let mut world = World::ready_with(CrmConfig { limits, ..config() });
    let users = json!([{"userlogin": "anna"}, {"userlogin": "boris"}]);
    world.say("activeusers", &json!({"qid": "x", "users": users}));
    world.say("login", &json!({"qid": "1", "userlogin": "vera"}));
    assert_eq!(world.heard("loginresult")["error"], 429);
    assert_eq!(world.counters().users_ignored, 2);
    world.report(CrmInput::Closed("gone".to_owned()));
    world.pass_seconds(1);
    world.link_up();
    world.introduce();
    world.event(&event_of("anna"));
    assert_eq!(
        world.heard("phoneevent_acmcallstarted")["userlogin"],
        "anna"
    );
}

fn catalogue() -> Value {
    json!([
        {"key": "callername", "name": "Имя", "inputparams": [{"key": "callerid"}, null], "price": 1.5},
        null,
        {"name": "a method without a key"},
    ])
}

#[test]
fn the_catalogues_are_kept_as_declared_without_stray_nulls() {
    let mut world = World::ready();
    assert_eq!(&*world.link.methods(), "[]");
    world.say(
        "availablemethods",
        &json!({"qid": "1", "methods": catalogue()}),
    );
    world.say(
        "availableforms",
        &json!({"qid": "2", "forms": [{"key": "card"}]}),
    );
    assert_eq!(
        world.take_events(),
        [CrmEvent::CatalogueChanged, CrmEvent::CatalogueChanged]
    );
    let methods: Value = serde_json::from_str(&world.link.methods()).expect("JSON");
    assert_eq!(methods, json!([catalogue()[0]]));
    assert_eq!(&*world.link.forms(), r#"[{"key":"card"}]"#);
    // The same again, unasked, is no change.
    world.say("availableforms", &json!({"forms": [null, {"key": "card"}]}));
    assert_eq!(world.take_events(), []);
    world.say("availableforms", &json!({"forms": []}));
    assert_eq!(world.take_events(), [CrmEvent::CatalogueChanged]);
    let status = world.link.status();
    assert_eq!((status.methods, status.forms), (1, 0));
    assert_eq!(world.heard_names(), [""; 0]);
}

#[test]
fn a_catalogue_that_cannot_be_read_leaves_the_old_one_and_is_not_answered() {
    let mut world = World::ready();
    world.say("availablemethods", &json!({"methods": catalogue()}));
    world.say("availablemethods", &json!({"methods": "none"}));
    world.say_text(r#"["availablemethods",{"methods":[1e999]}]"#);
    assert_eq!(world.link.status().methods, 1);
    assert!(
        world
            .link
            .status()
            .last_error
            .expect("said")
            .contains("methods")
    );
    assert_eq!(world.heard_names(), [""; 0]);
}

#[test]
fn declared_methods_are_bounded() {
    let limits = Limits {
        declared_max: 1,
        ..Limits::default()
    };
    let mut world = World::ready_with(CrmConfig { limits, ..config() });
    world.say(
        "availablemethods",
        &json!({"methods": [{"key": "a"}, {"key": "b"}]}),
    );
    assert_eq!(&*world.link.methods(), r#"[{"key":"a"}]"#);
}

#[test]
fn a_catalogue_in_packets_is_understood_in_any_order() {
    let mut world = World::ready();
    let message = json!(["availablemethods", {"qid": "1", "methods": catalogue()}]).to_string();
    let mut packets: Vec<_> =
        split(message.as_bytes(), Guid::from_bits(9), 64, Format::Json).collect();
    packets.reverse();
    for packet in packets {
        world.say_text(std::str::from_utf8(&packet).expect("ASCII"));
    }
    assert_eq!(world.take_events(), [CrmEvent::CatalogueChanged]);
    assert!(world.link.methods().contains("Имя"));
}

#[test]
fn a_wrong_packet_costs_its_message_and_not_the_link() {
    let mut world = World::ready();
    world.say(
        "multipart",
        &json!({"message-id": "1", "packetcount": 2, "packetnumber": 5}),
    );
    let error = world.heard("error");
    assert_eq!(
        (&error["error"], &error["method"]),
        (&json!(422), &json!("multipart"))
    );
    assert_eq!(
        (world.state(), world.counters().multiparts_dropped),
        ("ready", 1)
    );
}

#[test]
fn a_message_that_stays_unfinished_is_dropped_in_time() {
    let mut world = World::ready();
    let packet = json!({"message-id": "1", "packetcount": 2, "packetnumber": 0, "content": "WyJh"});
    world.say("multipart", &packet);
    for _ in 0..2 {
        world.pass_seconds(15);
        world.say("ping", &json!({}));
    }
    assert_eq!(world.counters().multiparts_dropped, 1);
}

#[test]
fn a_packet_within_packets_is_no_message() {
    let mut world = World::ready();
    let inner = split(br#"["ping",{}]"#, Guid::from_bits(1), 64, Format::Json)
        .next()
        .expect("a packet");
    for packet in split(&inner, Guid::from_bits(2), 2048, Format::Json) {
        world.say_text(std::str::from_utf8(&packet).expect("ASCII"));
    }
    assert_eq!(world.heard_names(), ["error"]);
}

#[test]
fn long_answers_go_out_in_packets_and_events_never_do() {
    let mut world = World::ready();
    let fields = json!({"qid": "1", "x": "Ж".repeat(3000)});
    world.say("ping", &fields);
    assert!(world.crm.texts.len() > 1);
    assert!(
        world
            .crm
            .texts
            .iter()
            .all(|text| text.starts_with(r#"["multipart","#) && text.is_ascii())
    );
    assert_eq!(world.heard("pong"), fields);
    world.crm.texts.clear();
    let changes = (0..500).map(|number| NumberChange {
        number: number.to_string().into(),
        state: StateId::Ready,
    });
    let event = Event {
        what: Occurrence::NumberStateChanged(changes.collect()),
        ..Event::clone(&number_event())
    };
    world.event(&Arc::new(event));
    assert_eq!(world.crm.texts.len(), 1);
}

#[test]
fn the_numbers_are_asked_of_the_hub_and_the_answer_goes_back_with_the_same_user_fields() {
    let mut world = World::ready();
    world.say(
        "getpbxnumbers",
        &json!({"qid": "q", "mode": "full", "userlogin": "", "userid": ""}),
    );
    assert_eq!(world.heard_names(), [""; 0]);
    let events = world.take_events();
    let [
        CrmEvent::Request(CrmRequest {
            token,
            user_login: None,
            what: UserRequest::PbxNumbers,
        }),
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    let answer = Ok(Answer::PbxNumbers {
        version: 1,
        numbers: Arc::from([]),
    });
    world.link.answer(token, &answer, world.now);
    world.link.answer(token, &answer, world.now);
    world.pump();
    assert_eq!(
        world.heard("getpbxnumbersresult"),
        json!({"qid": "q", "userlogin": "", "userid": "", "result": 1, "numbers": []})
    );
}

// protocol 5-f and 5-i
#[test]
fn a_request_in_a_users_name_goes_up_and_its_answer_says_whose_it_is() {
    let mut world = World::ready();
    let user = json!({"qid": 5, "userlogin": "Anna", "userid": "crm-7", "userstateid": 2});
    world.say("setuserstate", &user);
    let Some(CrmEvent::Request(request)) = world.take_events().pop() else {
        panic!("no request");
    };
    assert_eq!(request.user_login.as_deref(), Some("Anna"));
    assert!(matches!(request.what, UserRequest::SetUserState(_)));
    let fault = Fault::new(ErrorNumber::NotAllowed, "no");
    world.link.answer(request.token, &Err(fault), world.now);
    world.pump();
    let answer = world.heard("setuserstateresult");
    assert_eq!(
        (&answer["qid"], &answer["userlogin"], &answer["userid"]),
        (&json!(5), &json!("Anna"), &json!("crm-7"))
    );
    // What cannot be read does not go up.
    let wrong = json!({"qid": 6, "userlogin": "Anna", "userstateid": "often"});
    world.say("setuserstate", &wrong);
    assert_eq!(world.heard("setuserstateresult")["result"], 0);
    assert_eq!(world.take_events(), []);
}

#[test]
fn an_answer_for_a_link_that_is_gone_is_dropped() {
    let mut world = World::ready();
    world.say("getpbxnumbers", &json!({"qid": "q"}));
    let Some(CrmEvent::Request(request)) = world.take_events().pop() else {
        panic!("no request");
    };
    world.report(CrmInput::Closed("gone".to_owned()));
    world.pass_seconds(1);
    world.link_up();
    world.introduce();
    let fault = Fault::new(ErrorNumber::NotAvailable, "no");
    world.link.answer(request.token, &Err(fault), world.now);
    world.pump();
    assert_eq!(world.heard_names(), [""; 0]);
}

#[test]
fn a_request_that_would_wait_with_a_very_long_user_is_refused() {
    let mut world = World::ready();
    for field in ["userlogin", "userid"] {
        world.say(
            "getpbxnumbers",
            &json!({"qid": "1", field: "x".repeat(1000)}),
        );
        let answer = world.heard("getpbxnumbersresult");
        assert_eq!(
            (&answer["result"], &answer["error"]),
            (&json!(0), &json!(422))
        );
    }
    assert_eq!(world.take_events(), []);
}

#[test]
fn requests_that_wait_for_the_hub_are_bounded() {
    let limits = Limits {
        requests_max: 1,
        ..Limits::default()
    };
    let mut world = World::ready_with(CrmConfig { limits, ..config() });
    world.say("getpbxnumbers", &json!({"qid": "1"}));
    world.say("getpbxnumbers", &json!({"qid": "2"}));
    let refused = world.heard("getpbxnumbersresult");
    assert_eq!(
        (&refused["qid"], &refused["error"]),
        (&json!("2"), &json!(429))
    );
    assert_eq!(world.counters().too_many, 1);
}

#[test]
fn a_request_that_cannot_be_served_is_answered_and_an_answer_never_is() {
    let mut world = World::ready();
    world.say(
        "nosuchmethod",
        &json!({"qid": 5, "userlogin": "anna", "userid": 7}),
    );
    let answer = world.heard("nosuchmethodresult");
    assert_eq!(
        (&answer["qid"], &answer["result"], &answer["error"]),
        (&json!(5), &json!(0), &json!(404))
    );
    assert_eq!(
        (&answer["userlogin"], &answer["userid"]),
        (&json!("anna"), &json!(7))
    );
    world.say("clientconnectacknowledge", &json!({}));
    assert_eq!(world.heard("error")["error"], 404);
    for answer in [
        "error",
        "pong",
        "pingresult",
        "iam",
        "activeusers",
        "availableforms",
    ] {
        world.say(answer, &json!({"qid": "1", "result": 0}));
    }
    assert_eq!(world.heard_names(), [""; 0]);
}

#[test]
fn what_is_no_message_is_answered_with_an_error_and_the_link_goes_on() {
    let mut world = World::ready();
    for (text, qid) in [
        ("hello", Value::Null),
        (r#"{"qid":"1"}"#, Value::Null),
        (r#"["x"]"#, Value::Null),
        (r#"["x",{"qid":"7","a":tru}]"#, json!("7")),
    ] {
        world.say_text(text);
        let error = world.heard("error");
        assert_eq!(
            (&error["error"], &error["qid"]),
            (&json!(400), &qid),
            "{text}"
        );
    }
    world.say_text(r#"["xresult",{"qid":"7","a":tru}]"#);
    assert_eq!(world.heard_names(), [""; 0]);
    assert_eq!((world.state(), world.counters().malformed), ("ready", 5));
}

// protocol 3.3-j
#[test]
fn an_answer_that_is_too_long_to_be_sent_costs_itself_and_not_the_link() {
    let limits = Limits {
        queue_bytes_max: 20_000,
        ..Limits::default()
    };
    let mut world = World::ready_with(CrmConfig { limits, ..config() });
    // In packets, and escaped, it is three times as long.
    let text = "ы".repeat(4000);
    world.say("ping", &json!({"qid": "long", "text": text}));
    let error = world.heard("error");
    assert_eq!(
        (&error["qid"], &error["error"]),
        (&json!("long"), &json!(413))
    );
    assert_eq!((world.state(), world.counters().too_long), ("ready", 1));
    world.say("ping", &json!({"qid": "short"}));
    assert_eq!(world.heard("pong")["qid"], "short");
}
