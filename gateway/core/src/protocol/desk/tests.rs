//! The messages that are not about calls: golden texts with every field and its JSON
//! type, and the fields of every method.

use std::sync::Arc;

use super::*;
use crate::base::{Guid, UserId, WallTime};
use crate::protocol::{
    Answer, BodyReader, ErrorNumber, Event, EventKind, EventSet, Fault, FieldWriter as _,
    Fields as _, Method, Occurrence, PhotoLink, Secret, UserRef, UserRequest, parse_user_request,
    write_message, write_reply,
};

fn person(bits: u128, login: &str, name: &str) -> Person {
    Person {
        user: UserRef {
            id: UserId(Guid::from_bits(bits)),
            login: login.into(),
        },
        name: name.into(),
    }
}

fn at() -> Stamp {
    Stamp::new(WallTime::from_unix_millis(1_349_775_753_000), 0)
}

fn chat_message() -> Arc<ChatMessage> {
    Arc::new(ChatMessage {
        chat: Guid::from_bits(0xC),
        id: Guid::from_bits(0xE),
        text: "привет".into(),
        sender: person(1, "anna", "Анна"),
        at: at(),
    })
}

fn chat() -> ChatInfo {
    ChatInfo {
        id: Guid::from_bits(0xC),
        name: "Обед".into(),
        members: vec![person(1, "anna", "Анна"), person(2, "boris", "Борис")],
    }
}

fn member() -> ChatMember {
    ChatMember {
        chat: Guid::from_bits(0xC),
        member: person(2, "boris", "Борис"),
        by: person(1, "anna", "Анна").user,
    }
}

fn events() -> Vec<DeskEvent> {
    let by = person(1, "anna", "Анна").user;
    let chat_id = Guid::from_bits(0xC);
    vec![
        DeskEvent::Custom {
            name: "sale".into(),
            param: r#"{"sum":1.5,"to":["x",null]}"#.into(),
        },
        DeskEvent::HttpResponse {
            password: Secret::new("p"),
            response: "200 OK".into(),
            content: "<a/>".into(),
        },
        DeskEvent::Notification(Notification {
            id: Guid::from_bits(0xA),
            sender: "CRM".into(),
            text: "Пора".into(),
            kind: 1,
            at: at(),
            auto_hide: true,
            back_color: "FFFFFFFF".into(),
            save: false,
        }),
        DeskEvent::Text(TextMessage {
            id: Guid::from_bits(0xB),
            text: "привет".into(),
            sender: person(1, "anna", "Анна"),
            at: at(),
        }),
        DeskEvent::ChatCreated(chat()),
        DeskEvent::ChatRenamed {
            chat: chat_id,
            name: "Ужин".into(),
            by: by.clone(),
        },
        DeskEvent::ChatMemberAdded(member()),
        DeskEvent::ChatMemberRemoved(member()),
        DeskEvent::ChatMessage(chat_message()),
        DeskEvent::ChatViewed {
            chat: chat_id,
            message: Guid::from_bits(0xE),
            viewer: by,
        },
    ]
}

/// As the shard writes an event.
fn event_text(what: DeskEvent) -> String {
    let event = Event {
        qid: Guid::from_bits(9),
        user: Some(person(2, "boris", "Борис").user),
        what: Occurrence::Desk(Arc::new(what)),
    };
    let mut out = Vec::new();
    write_message(&mut out, event.what.kind().name(), |writer| {
        writer.guid("qid", event.qid);
        event.what.write(writer);
        if let Some(user) = &event.user {
            writer.guid("userid", user.id.0);
            writer.string("userlogin", &user.login);
        }
    });
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// protocol 5-e, 6.7-f, 6.7-h, 6.7-k, 7-n, 7-o, 7-p, 7-q and 7-s.
#[test]
fn every_event_has_its_fields_with_their_types() {
    let texts: Vec<String> = events().into_iter().map(event_text).collect();
    for text in &texts {
        assert!(
            serde_json::from_str::<serde_json::Value>(text).is_ok(),
            "{text}"
        );
    }
    insta::assert_snapshot!(texts.join("\n"));
}

/// protocol 6.4-c, 6.7-b, 6.7-c, 6.7-d and 6.7-i to 6.7-l.
#[test]
fn every_answer_has_its_fields_with_their_types() {
    let summary = ChatSummary {
        chat: chat(),
        unviewed: 3,
        last: Some(chat_message()),
    };
    let photo = PhotoLink {
        id: UserId(Guid::from_bits(1)),
        link: "/photo/1/a".into(),
        link_32: "/photo/1/a/32x32".into(),
        link_96: "/photo/1/a/96x96".into(),
    };
    let sent = DeskAnswer::ChatMessageSent {
        message: Guid::from_bits(0xE),
        at: at(),
    };
    let dataset = DeskAnswer::Dataset(r#"[[["id"],[1]]]"#.into());
    let answers = [
        ("execpredefineddbstoredproc", dataset),
        ("execsvcscript", DeskAnswer::ReturnValue("5".into())),
        (
            "gettemphttppass",
            DeskAnswer::TempPassword(Secret::new("p")),
        ),
        ("getuserphoto", DeskAnswer::Photo(photo)),
        ("createchat", DeskAnswer::Chat(chat())),
        ("sendchatmessage", sent),
        ("getchats", DeskAnswer::Chats(vec![summary])),
        (
            "getchatmessages",
            DeskAnswer::ChatMessages(vec![chat_message()]),
        ),
    ];
    let mut out = Vec::new();
    for (method, answer) in answers {
        let reply = Ok(Answer::Desk(Box::new(answer)));
        write_reply(&mut out, method, Some(b"\"q\""), &reply);
        out.push(b'\n');
    }
    for method in ["execpredefineddbstoredproc", "execsvcscript", "getchats"] {
        let fault = Err(Fault::new(ErrorNumber::NotFound, "no"));
        write_reply(&mut out, method, Some(b"\"q\""), &fault);
        out.push(b'\n');
    }
    insta::assert_snapshot!(String::from_utf8(out).expect("JSON is UTF-8"));
}

fn parsed(name: &str, fields: &str) -> Result<DeskRequest, Fault> {
    let mut fields = fields.as_bytes().to_vec();
    let request = BodyReader::new()
        .read(&mut fields, |body| {
            parse_user_request(Method::named(name), &body)
        })
        .expect("a JSON object");
    match request.expect("a known method")? {
        UserRequest::Desk(request) => Ok(*request),
        other => panic!("not about calls: {other:?}"),
    }
}

#[test]
fn a_custom_event_takes_any_parameter_and_both_forms_of_sendback() {
    for (fields, param, send_back) in [
        (r#"{"eventname":"e"}"#, "null", false),
        (
            r#"{"eventname":"e","eventparam":"x","sendback":"0"}"#,
            r#""x""#,
            false,
        ),
        (
            r#"{"eventname":"e","eventparam":{"a":[1]},"sendback":1}"#,
            r#"{"a":[1]}"#,
            true,
        ),
    ] {
        let wanted = DeskRequest::CustomEvent(CustomEvent {
            name: "e".into(),
            param: param.into(),
            recipients: Vec::new(),
            send_back,
        });
        assert_eq!(parsed("triggercustomevent", fields), Ok(wanted), "{fields}");
    }
    for fields in [
        "{}",
        r#"{"eventname":" "}"#,
        r#"{"eventname":"e","recipients":{}}"#,
    ] {
        let fault = parsed("triggercustomevent", fields).expect_err(fields);
        assert_eq!(fault.number, ErrorNumber::WrongParameters);
    }
}

#[test]
fn a_procedures_parameters_are_taken_with_and_without_at_signs() {
    for (fields, input) in [
        (r#"{"procedure":"p"}"#, "{}"),
        (r#"{"procedure":"p","inputparams":[]}"#, "{}"),
        (
            r#"{"procedure":"p","inputparams":{"@id":5,"name":"Я","@list":[1,null],"nothing":null}}"#,
            r#"{"id":5,"name":"Я","list":[1,null],"nothing":null}"#,
        ),
        (
            r#"{"procedure":"p","inputparams":{"id":1,"@id":2}}"#,
            r#"{"id":2}"#,
        ),
    ] {
        let wanted = DeskRequest::Run(RunProcedure {
            kind: ProcedureKind::Procedure,
            name: "p".into(),
            input: input.into(),
            timeout: None,
        });
        assert_eq!(
            parsed("execpredefineddbstoredproc", fields),
            Ok(wanted),
            "{fields}"
        );
    }
    let many = r#""a":1,"#.repeat(1000) + r#""b":2"#;
    let many = format!(r#"{{"procedure":"p","inputparams":{{{many}}}}}"#);
    assert!(parsed("execpredefineddbstoredproc", &many).is_err());
    for fields in [
        r#"{"inputparams":{}}"#,
        r#"{"procedure":"p","inputparams":[1]}"#,
    ] {
        let fault = parsed("execpredefineddbstoredproc", fields).expect_err(fields);
        assert_eq!(fault.number, ErrorNumber::WrongParameters);
    }
}

#[test]
fn a_script_has_up_to_five_parameters_and_a_time_out() {
    let fields = r#"{"name":"s","startparam1":"a","startparam5":5,"startparam6":6,"timeout":"3"}"#;
    let wanted = DeskRequest::Run(RunProcedure {
        kind: ProcedureKind::Script,
        name: "s".into(),
        input: r#"{"startparam1":"a","startparam5":5}"#.into(),
        timeout: Some(std::time::Duration::from_secs(3)),
    });
    assert_eq!(parsed("execsvcscript", fields), Ok(wanted));
}

#[test]
fn the_methods_of_chats_want_their_ids_and_texts() {
    for (method, fields) in [
        ("createchat", r#"{"members":["a"]}"#),
        (
            "renamechat",
            r#"{"chatid":"00000000-0000-0000-0000-00000000000c"}"#,
        ),
        (
            "addchatmembers",
            r#"{"chatid":"00000000-0000-0000-0000-00000000000c","members":[null]}"#,
        ),
        ("sendchatmessage", r#"{"chatid":"x","text":"t"}"#),
        ("sendchatmessage", r#"{"text":"t"}"#),
        (
            "viewchatmessage",
            r#"{"chatid":"00000000-0000-0000-0000-00000000000c"}"#,
        ),
        (
            "getchatmessages",
            r#"{"chatid":"00000000-0000-0000-0000-00000000000c","count":0}"#,
        ),
        ("sendusertextmessage", r#"{"text":"t"}"#),
        (
            "sendusertextmessage",
            r#"{"text":["t"],"recipients":["a"]}"#,
        ),
        ("setmyuserphoto", "{}"),
    ] {
        let fault = parsed(method, fields).expect_err(fields);
        assert_eq!(
            fault.number,
            ErrorNumber::WrongParameters,
            "{method} {fields}"
        );
    }
}

/// protocol 7-k, 7-s, 7-t and 7-u.
#[test]
fn the_groups_and_the_events_that_never_come_can_be_subscribed() {
    let chat = EventSet::named("chat");
    assert!(chat.contains(EventKind::ChatMessage) && chat.contains(EventKind::ChatMessageViewed));
    assert!(!chat.contains(EventKind::UserTextMessageReceived));
    let cards = EventSet::named("dlgcard");
    assert!(cards.contains(EventKind::CardShowReserve) && cards.contains(EventKind::CardCloseAll));
    assert_eq!(cards.intersection(chat), EventSet::EMPTY);
    assert!(EventSet::named("phoneevent").contains(EventKind::FaxReceived));
    for kind in EventKind::ALL {
        assert_eq!(EventSet::named(kind.name()), [*kind].into_iter().collect());
    }
}

#[test]
fn neither_answers_nor_events_have_grown_by_all_this() {
    assert!(size_of::<Answer>() <= 80, "{}", size_of::<Answer>());
    assert!(size_of::<Occurrence>() <= 96, "{}", size_of::<Occurrence>());
    assert!(
        size_of::<UserRequest>() <= 72,
        "{}",
        size_of::<UserRequest>()
    );
}
