//! Forms at users (protocol 8-l to 8-t), with a CRM and links in memory.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::crm::Linked;
use super::{World, link, password};
use crate::base::{Guid, UserId, WindowId};
use crate::hub::{
    AdminReply, AdminRequest, Condition, Downward, FormClose, FormClosed, FormEnd, FormOpened,
    FormOpening, FormRule, RuleEvent, RuleMethod, SimCallRequest, Template, Upward,
};
use crate::protocol::{
    Answer, CallRequest, DynamicEvent, DynamicRequest, ErrorNumber, Event, EventKind, EventSet,
    MethodResult, Occurrence, Reply, ShownForm, UserRequest,
};

const ANNA: u128 = 1;
const BORIS: u128 = 2;
const FORMS: [EventKind; 2] = [EventKind::ShowUserForm, EventKind::CloseForm];

/// What a link was told of forms and methods, since the last look.
pub(super) fn told(world: &mut World, slot: u32) -> Vec<DynamicEvent> {
    let to = link(slot);
    let (own, others): (Vec<_>, Vec<_>) = std::mem::take(&mut world.told)
        .into_iter()
        .partition(|(_, what)| matches!(what, Downward::ToLink { link, .. } if *link == to));
    world.told = others;
    let dynamic = own.into_iter().filter_map(|(_, what)| match what {
        Downward::ToLink { event, .. } => match &event.what {
            Occurrence::Dynamic(what) => Some(DynamicEvent::clone(what)),
            _ => None,
        },
        _ => None,
    });
    dynamic.collect()
}

/// A link logs in and subscribes to these.
pub(super) fn tab(world: &mut World, slot: u32, (user, login): (u128, &str), events: &[EventKind]) {
    world
        .log_in(slot, password(login))
        .expect("the password is right");
    listen(world, slot, user, events);
}

pub(super) fn listen(world: &mut World, slot: u32, user: u128, events: &[EventKind]) {
    let (user, events) = (
        UserId(Guid::from_bits(user)),
        events.iter().copied().collect::<EventSet>(),
    );
    world.say(link(slot), Upward::Listens { user, events });
}

fn open(
    linked: &mut Linked,
    login: &str,
    input: &Value,
) -> Result<FormOpened, (u16, &'static str)> {
    let opening = FormOpening {
        key: "card".into(),
        input: input.to_string().into(),
        user_login: login.into(),
        chain: None,
    };
    let reply = linked.world.admin(AdminRequest::OpenForm(opening));
    linked.pump();
    match reply {
        Ok(AdminReply::FormOpened(opened)) => Ok(opened),
        Ok(other) => panic!("no form: {other:?}"),
        Err(fault) => Err((fault.status, fault.code)),
    }
}

fn shown(told: &[DynamicEvent]) -> &ShownForm {
    match told {
        [DynamicEvent::ShowForm(form)] => form,
        other => panic!("not one form: {other:?}"),
    }
}

fn closed(window: WindowId) -> DynamicEvent {
    DynamicEvent::CloseForm { window }
}

fn answer(linked: &mut Linked, (slot, user): (u32, u128), window: WindowId, values: &str) -> Reply {
    let result = DynamicRequest::Result(MethodResult {
        window: Some(window),
        execution: None,
        end: Ok(values.into()),
    });
    let reply = linked
        .world
        .ask(slot, user, UserRequest::Dynamic(Box::new(result)));
    linked.pump();
    reply
}

fn end_of(linked: &mut Linked, window: WindowId) -> Option<FormEnd> {
    let wait = Duration::ZERO;
    match linked
        .world
        .admin(AdminRequest::FormWindow { window, wait })
    {
        Ok(AdminReply::FormWindow(state, _)) => state.end,
        other => panic!("no form: {other:?}"),
    }
}

fn active(linked: &mut Linked, login: &str, id: &str) {
    linked.say(
        "login",
        &json!({"qid": "l", "userlogin": login, "userid": id}),
    );
    linked.heard.clear();
}

// protocol 8-l, 8-m and 8-n
#[test]
fn a_form_opens_once_in_each_place_and_its_values_close_it_in_all() {
    let mut linked = Linked::new();
    active(&mut linked, "Anna", "crm-7");
    for slot in [0, 1] {
        tab(&mut linked.world, slot, (ANNA, "Anna"), &FORMS);
    }
    tab(&mut linked.world, 2, (BORIS, "boris"), &FORMS);
    tab(&mut linked.world, 3, (ANNA, "Anna"), &[]);
    let opened = open(&mut linked, "anna", &json!({"callerid": "8927"})).expect("opened");
    assert!(opened.at_crm && opened.tabs == 2);
    let crm = linked.take("showform");
    assert_eq!(crm.len(), 1);
    assert_eq!(crm[0]["userid"], "crm-7");
    assert_eq!(crm[0]["formkey"], "card");
    assert_eq!(crm[0]["windowid"], opened.window.to_string());
    assert_eq!(crm[0]["inputparameters"], json!({"callerid": "8927"}));
    for slot in [0, 1] {
        let told = told(&mut linked.world, slot);
        let form = shown(&told);
        assert_eq!((form.window, &*form.key), (opened.window, "card"));
        let words = form.declared.as_ref().expect("the declaration is short");
        assert_eq!(&*words.name, "Card");
        assert_eq!(
            serde_json::from_str::<Vec<Value>>(&words.inputs)
                .expect("a list")
                .len(),
            3
        );
    }
    assert!(told(&mut linked.world, 2).is_empty() && told(&mut linked.world, 3).is_empty());

    let reply = answer(&mut linked, (1, ANNA), opened.window, r#"{"comment":"ok"}"#);
    assert_eq!(reply, Ok(Answer::Done));
    assert_eq!(told(&mut linked.world, 0), [closed(opened.window)]);
    assert_eq!(
        linked.take("closeform")[0]["windowid"],
        opened.window.to_string()
    );
    let values = FormEnd::Answered(r#"{"comment":"ok"}"#.into());
    assert_eq!(end_of(&mut linked, opened.window), Some(values));
    let again = answer(&mut linked, (0, ANNA), opened.window, "{}").expect_err("it is closed");
    assert_eq!(again.number, ErrorNumber::WrongState);
}

// protocol 8-n
#[test]
fn the_crm_answers_a_form_and_the_tabs_close_it() {
    let mut linked = Linked::new();
    active(&mut linked, "anna", "7");
    tab(&mut linked.world, 0, (ANNA, "Anna"), &FORMS);
    let window = open(&mut linked, "anna", &json!({}))
        .expect("opened")
        .window;
    told(&mut linked.world, 0);
    linked.heard.clear();
    let id = window.to_string();
    linked.say(
        "methodresult",
        &json!({"qid": "m", "windowid": id, "outputparameters": {"comment": "crm"}}),
    );
    let replies = linked.take("methodresultresult");
    assert_eq!(
        (&replies[0]["qid"], &replies[0]["result"]),
        (&json!("m"), &json!(1))
    );
    assert!(linked.take("closeform").is_empty(), "it closed it itself");
    assert_eq!(told(&mut linked.world, 0), [closed(window)]);
    assert_eq!(
        end_of(&mut linked, window),
        Some(FormEnd::Answered(r#"{"comment":"crm"}"#.into()))
    );
    linked.say("methodresult", &json!({"qid": "n", "windowid": id}));
    assert_eq!(linked.take("methodresultresult")[0]["error"], 409);
}

#[test]
fn nobody_answers_or_closes_another_users_form() {
    let mut linked = Linked::new();
    tab(&mut linked.world, 0, (ANNA, "Anna"), &FORMS);
    tab(&mut linked.world, 2, (BORIS, "boris"), &FORMS);
    let window = open(&mut linked, "anna", &json!({}))
        .expect("opened")
        .window;
    let refused = answer(&mut linked, (2, BORIS), window, "{}").expect_err("not his");
    assert_eq!(refused.number, ErrorNumber::NotFound);
    let close = UserRequest::Dynamic(Box::new(DynamicRequest::CloseForm(window)));
    linked
        .world
        .ask(2, BORIS, close.clone())
        .expect_err("not his");
    assert_eq!(end_of(&mut linked, window), None);
    assert_eq!(linked.world.ask(0, ANNA, close), Ok(Answer::Done));
    assert_eq!(
        end_of(&mut linked, window),
        Some(FormEnd::Closed(FormClosed::User))
    );
}

// protocol 8-r
#[test]
fn a_page_that_is_loaded_anew_gets_its_forms_again_and_only_once() {
    let mut linked = Linked::new();
    tab(&mut linked.world, 0, (ANNA, "Anna"), &FORMS);
    let first = open(&mut linked, "anna", &json!({}))
        .expect("opened")
        .window;
    let second = open(&mut linked, "anna", &json!({}))
        .expect("opened")
        .window;
    told(&mut linked.world, 0);
    linked.world.say(link(0), Upward::Gone);
    tab(&mut linked.world, 1, (ANNA, "Anna"), &FORMS);
    let windows = |told: &[DynamicEvent]| -> Vec<WindowId> {
        let forms = told.iter().map(|event| match event {
            DynamicEvent::ShowForm(form) => form.window,
            other => panic!("no form: {other:?}"),
        });
        forms.collect()
    };
    assert_eq!(windows(&told(&mut linked.world, 1)), [first, second]);
    // It subscribes to something else, too.
    let more = [
        EventKind::ShowUserForm,
        EventKind::CloseForm,
        EventKind::ShowNotifyMessage,
    ];
    listen(&mut linked.world, 1, ANNA, &more);
    assert!(told(&mut linked.world, 1).is_empty());
}

// protocol 8-r
#[test]
fn the_crm_gets_the_open_forms_when_its_user_appears_and_after_a_loss() {
    let mut linked = Linked::new();
    let window = open(&mut linked, "anna", &json!({})).expect("opened");
    assert!(!window.at_crm);
    assert!(linked.take("showform").is_empty());
    linked.say("login", &json!({"qid": "l", "userlogin": "anna"}));
    linked.say("login", &json!({"qid": "l", "userlogin": "anna"}));
    assert_eq!(linked.take("showform").len(), 1);
    linked.lose_link();
    linked.world.pass(Duration::from_secs(60));
    linked.link();
    linked.say("activeusers", &json!({"users": [{"userlogin": "anna"}]}));
    let again = linked.take("showform");
    assert_eq!(again.len(), 1);
    assert_eq!(again[0]["windowid"], window.window.to_string());
    // A logout and a login later it has to be told again, too.
    linked.say("logout", &json!({"qid": "l", "userlogin": "anna"}));
    linked.say("login", &json!({"qid": "l", "userlogin": "anna"}));
    assert_eq!(linked.take("showform").len(), 1);
}

#[test]
fn what_cannot_be_opened_is_said_before_anybody_is_told() {
    let mut linked = Linked::new();
    tab(&mut linked.world, 0, (ANNA, "Anna"), &FORMS);
    assert_eq!(
        open(&mut linked, "nobody", &json!({})),
        Err((404, "not_found"))
    );
    assert_eq!(
        open(&mut linked, "anna", &json!({"caller": 1})),
        Err((422, "wrong_parameters"))
    );
    assert_eq!(
        open(&mut linked, "anna", &json!({"order": "x"})),
        Err((422, "wrong_parameters"))
    );
    let long = json!({"callerid": "8".repeat(20_000)});
    assert_eq!(open(&mut linked, "anna", &long), Err((413, "too_big")));
    let unknown = FormOpening {
        key: "nosuch".into(),
        input: "{}".into(),
        user_login: "anna".into(),
        chain: None,
    };
    let fault = linked.world.admin(AdminRequest::OpenForm(unknown.clone()));
    assert_eq!(fault.expect_err("unknown").status, 404);
    assert!(told(&mut linked.world, 0).is_empty());
    let fault = World::new().admin(AdminRequest::OpenForm(unknown));
    assert_eq!(fault.expect_err("no CRM").status, 503);
}

#[test]
fn forms_are_bounded_a_user_in_all_and_in_time() {
    let mut linked = Linked::with(|config| {
        config.forms.limits.windows_per_user = 2;
        config.forms.limits.windows_max = 3;
        config.forms.limits.window_life = Duration::from_secs(100);
    });
    tab(&mut linked.world, 0, (ANNA, "Anna"), &FORMS);
    let mut windows = Vec::new();
    for _ in 0..3 {
        windows.push(
            open(&mut linked, "anna", &json!({}))
                .expect("opened")
                .window,
        );
    }
    assert_eq!(
        end_of(&mut linked, windows[0]),
        Some(FormEnd::Closed(FormClosed::Crowded))
    );
    assert_eq!(
        told(&mut linked.world, 0)
            .iter()
            .filter(|it| **it == closed(windows[0]))
            .count(),
        1
    );
    open(&mut linked, "boris", &json!({})).expect("the third in all");
    assert_eq!(
        open(&mut linked, "boris", &json!({})),
        Err((429, "too_many"))
    );
    linked.world.pass(Duration::from_secs(100));
    assert_eq!(
        end_of(&mut linked, windows[2]),
        Some(FormEnd::Closed(FormClosed::Expired))
    );
    linked.world.pass(Duration::from_secs(600));
    let (window, wait) = (windows[2], Duration::ZERO);
    let fault = linked
        .world
        .admin(AdminRequest::FormWindow { window, wait });
    assert_eq!(fault.expect_err("forgotten").status, 404);
}

#[test]
fn a_scenario_waits_for_the_values_or_for_its_time() {
    let mut linked = Linked::new();
    tab(&mut linked.world, 0, (ANNA, "Anna"), &FORMS);
    let window = open(&mut linked, "anna", &json!({}))
        .expect("opened")
        .window;
    let ask = |linked: &mut Linked, wait: u64| {
        let wait = Duration::from_secs(wait);
        let question = AdminRequest::FormWindow { window, wait };
        let ticket = crate::base::AdminTicket(wait.as_secs());
        linked
            .world
            .hub
            .handle_admin(ticket, question, linked.world.now);
        linked.world.settle();
    };
    ask(&mut linked, 2);
    ask(&mut linked, 60);
    assert!(linked.world.admin.is_empty());
    linked.world.pass(Duration::from_secs(2));
    let is_open = |reply: &Result<AdminReply, _>| matches!(reply, Ok(AdminReply::FormWindow(state, _)) if state.end.is_none());
    assert_eq!(linked.world.admin.drain(..).filter(is_open).count(), 1);
    answer(&mut linked, (0, ANNA), window, "{}").expect("answered");
    assert_eq!(
        linked
            .world
            .admin
            .drain(..)
            .filter(|reply| !is_open(reply))
            .count(),
        1
    );
}

/// A rule that opens the card for a call of outside, with the name from a method.
fn rule(event: &str, when: &[&str], close: FormClose, with_method: bool) -> Arc<FormRule> {
    let event = RuleEvent::named(event).expect("an event of rules");
    let template = |text: &str| Template::parse(text, event, with_method).expect("a template");
    let mut parameters = vec![("callerid".into(), template("{event} {userlogin}"))];
    if with_method {
        parameters.push(("name".into(), template("{method.name}")));
    }
    Arc::new(FormRule {
        event,
        when: when
            .iter()
            .map(|text| Condition::parse(text, event).expect("a condition"))
            .collect(),
        form: "card".into(),
        parameters,
        close,
        method: with_method.then(|| RuleMethod {
            key: "callername".into(),
            parameters: vec![("callerid".into(), template("{callerid}"))],
            wait: Duration::from_millis(300),
        }),
    })
}

fn ring(linked: &mut Linked, from: &str) -> crate::base::ChainId {
    let call = SimCallRequest {
        from: from.into(),
        to: "101".into(),
        name: None,
        answer_after: None,
        talk: None,
    };
    match linked.world.admin(AdminRequest::SimCall(call)) {
        Ok(AdminReply::SimCallStarted(chain)) => {
            linked.pump();
            chain
        }
        other => panic!("no call: {other:?}"),
    }
}

/// What the links and shards were told, in order: events by name, forms with `!`.
fn order(world: &mut World) -> Vec<String> {
    let told = std::mem::take(&mut world.told).into_iter();
    let name = |event: &Event| event.what.kind().name().to_owned();
    told.filter_map(|(_, what)| match what {
        Downward::Event(event) => Some(name(&event)),
        Downward::ToLink { event, .. } => Some(format!("!{}", name(&event))),
        _ => None,
    })
    .collect()
}

// protocol 8-o
#[test]
fn a_ring_opens_the_form_behind_the_whole_step_and_the_end_of_the_call_closes_it() {
    let rules = vec![rule(
        "phoneevent_ringstarted",
        &["isextline = true", "callerid starts 8927"],
        FormClose::CallEnd,
        false,
    )];
    let mut linked = Linked::with(|config| config.forms.rules = rules);
    tab(&mut linked.world, 0, (ANNA, "Anna"), &FORMS);
    linked.world.told.clear();
    ring(&mut linked, "84950000000");
    assert!(
        !order(&mut linked.world)
            .iter()
            .any(|name| name.starts_with('!')),
        "the condition does not hold"
    );
    let calls = linked.world.admin(AdminRequest::SimCalls);
    let Ok(AdminReply::SimCalls(calls)) = calls else {
        panic!("{calls:?}")
    };
    let chain = crate::base::ChainId(calls[0].chainid.parse().expect("a GUID"));
    linked
        .world
        .admin(AdminRequest::SimHangUp(chain))
        .expect("hung up");
    linked.world.told.clear();

    let chain = ring(&mut linked, "89274513158");
    let all = order(&mut linked.world);
    assert!(
        all.contains(&"phoneevent_ringstarted".to_owned()),
        "{all:?}"
    );
    assert_eq!(
        all.last().map(String::as_str),
        Some("!showuserform"),
        "{all:?}"
    );
    assert_eq!(
        linked
            .world
            .ask(0, ANNA, UserRequest::Call(CallRequest::Answer)),
        Ok(Answer::Done)
    );
    let all = order(&mut linked.world);
    assert!(
        all.contains(&"phoneevent_commstarted".to_owned())
            && !all.contains(&"!closeform".to_owned()),
        "{all:?}"
    );
    linked
        .world
        .admin(AdminRequest::SimHangUp(chain))
        .expect("hung up");
    let all = order(&mut linked.world);
    assert_eq!(
        all.last().map(String::as_str),
        Some("!closeform"),
        "{all:?}"
    );
}

// protocol 8-o
#[test]
fn a_form_of_a_talk_closes_with_the_talk_and_one_of_its_end_stays() {
    let rules = vec![
        rule("phoneevent_commstarted", &[], FormClose::TalkEnd, false),
        rule("phoneevent_commstopped", &[], FormClose::CallEnd, false),
        rule(
            "phoneevent_ringstarted",
            &["userlogin = boris"],
            FormClose::Never,
            false,
        ),
    ];
    let mut linked = Linked::with(|config| config.forms.rules = rules);
    tab(&mut linked.world, 0, (ANNA, "Anna"), &FORMS);
    let chain = ring(&mut linked, "89274513158");
    linked
        .world
        .ask(0, ANNA, UserRequest::Call(CallRequest::Answer))
        .expect("answered");
    let talk = shown(&told(&mut linked.world, 0)).clone();
    assert_eq!(talk.chain, Some(chain));
    linked
        .world
        .admin(AdminRequest::SimHangUp(chain))
        .expect("hung up");
    let after = told(&mut linked.world, 0);
    assert_eq!(after[0], closed(talk.window));
    let last = shown(&after[1..]);
    assert_eq!(
        &*last.input,
        r#"{"callerid":"phoneevent_commstopped Anna"}"#
    );
    assert_eq!(end_of(&mut linked, last.window), None);
}

// protocol 8-o and 8-q
#[test]
fn a_rules_method_is_asked_first_and_waited_for_no_longer_than_said() {
    let rules = vec![rule(
        "phoneevent_ringstarted",
        &[],
        FormClose::CallEnd,
        true,
    )];
    let mut linked = Linked::with(|config| config.forms.rules = rules);
    tab(&mut linked.world, 0, (ANNA, "Anna"), &FORMS);
    let chain = ring(&mut linked, "89274513158");
    assert!(told(&mut linked.world, 0).is_empty(), "the method runs");
    let asked = linked.take("executemethod");
    assert_eq!(
        asked[0]["inputparameters"],
        json!({"callerid": "89274513158"})
    );
    let answer = json!({"qid": asked[0]["qid"], "outputparameters": {"name": "Иван"}});
    linked.say("methodresult", &answer);
    let input: Value =
        serde_json::from_str(&shown(&told(&mut linked.world, 0)).input).expect("JSON");
    assert_eq!(input["name"], "Иван");
    linked
        .world
        .admin(AdminRequest::SimHangUp(chain))
        .expect("hung up");
    told(&mut linked.world, 0);

    // A CRM that says nothing: the form comes without the name.
    let chain = ring(&mut linked, "89274513158");
    linked.world.pass(Duration::from_millis(299));
    assert!(told(&mut linked.world, 0).is_empty());
    linked.world.pass(Duration::from_millis(2));
    let input: Value =
        serde_json::from_str(&shown(&told(&mut linked.world, 0)).input).expect("JSON");
    assert_eq!(input.get("name"), None);
    linked
        .world
        .admin(AdminRequest::SimHangUp(chain))
        .expect("hung up");
    told(&mut linked.world, 0);

    // A caller who is gone before the answer comes opens nothing.
    let chain = ring(&mut linked, "89274513158");
    linked
        .world
        .admin(AdminRequest::SimHangUp(chain))
        .expect("hung up");
    linked.world.pass(Duration::from_secs(1));
    assert!(told(&mut linked.world, 0).is_empty());
}

// protocol 8-o and 6.7-a
#[test]
fn a_custom_event_opens_forms_and_a_rule_that_cannot_is_said() {
    let event = RuleEvent::named("customevent").expect("an event of rules");
    let order = Template::parse("{eventparam.order}", event, false).expect("a template");
    let good = FormRule {
        event,
        when: vec![Condition::parse("eventname = order", event).expect("a condition")],
        form: "card".into(),
        parameters: vec![("order".into(), order)],
        close: FormClose::Never,
        method: None,
    };
    let bad = FormRule {
        form: "nosuch".into(),
        ..good.clone()
    };
    let mut linked =
        Linked::with(|config| config.forms.rules = vec![Arc::new(good), Arc::new(bad)]);
    tab(&mut linked.world, 0, (ANNA, "Anna"), &FORMS);
    linked.say(
        "triggercustomevent",
        &json!({"qid": "t", "userlogin": "boris", "eventname": "order", "eventparam": {"order": 7}, "recipients": ["anna"]}),
    );
    assert_eq!(&*shown(&told(&mut linked.world, 0)).input, r#"{"order":7}"#);
    assert_eq!(
        linked.world.refused_forms,
        ["the CRM declares no form `nosuch`".into()]
    );
}

#[test]
fn a_scenarios_form_ends_with_its_call_even_if_the_user_was_never_in_it() {
    let mut linked = Linked::new();
    let chain = ring(&mut linked, "89274513158");
    let opening = FormOpening {
        key: "card".into(),
        input: "{}".into(),
        user_login: "boris".into(),
        chain: Some(chain),
    };
    let Ok(AdminReply::FormOpened(opened)) = linked.world.admin(AdminRequest::OpenForm(opening))
    else {
        panic!("not opened");
    };
    linked.world.pass(Duration::from_secs(3));
    assert_eq!(end_of(&mut linked, opened.window), None);
    linked
        .world
        .admin(AdminRequest::SimHangUp(chain))
        .expect("hung up");
    linked.world.pass(Duration::from_secs(1));
    assert_eq!(
        end_of(&mut linked, opened.window),
        Some(FormEnd::Closed(FormClosed::CallEnd))
    );
}

// protocol 8-o: the fields that rules may ask for are those that the events have.
#[test]
fn rules_know_the_fields_that_events_have() {
    for name in [
        "phoneevent_ringstarted",
        "phoneevent_commstopped",
        "customevent",
    ] {
        assert!(RuleEvent::named(name).is_some(), "{name}");
    }
    let mut linked = Linked::new();
    tab(&mut linked.world, 0, (ANNA, "Anna"), &FORMS);
    let chain = ring(&mut linked, "89274513158");
    linked
        .world
        .ask(0, ANNA, UserRequest::Call(CallRequest::Answer))
        .expect("answered");
    linked
        .world
        .admin(AdminRequest::SimHangUp(chain))
        .expect("hung up");
    let mut seen = 0;
    for (_, what) in std::mem::take(&mut linked.world.told) {
        let Downward::Event(event) = what else {
            continue;
        };
        let Some(known) = RuleEvent::named(event.what.kind().name()) else {
            continue;
        };
        let mut text = Vec::new();
        crate::protocol::write_message(&mut text, "x", |writer| {
            crate::protocol::Fields::write(&event.what, writer);
        });
        let (_, fields): (String, serde_json::Map<String, Value>) =
            serde_json::from_slice(&text).expect("JSON");
        let known: Vec<&str> = known.fields().collect();
        for field in fields.keys() {
            assert!(
                known.contains(&field.as_str()),
                "{field} of {:?}",
                event.what.kind()
            );
        }
        seen += 1;
    }
    assert!(seen >= 4, "ring, its end, talk, its end: {seen}");
}
