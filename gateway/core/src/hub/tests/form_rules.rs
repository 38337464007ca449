//! The rules by which events open forms (protocol 8-o), with a CRM and links in memory.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::World;
use super::crm::Linked;
use super::forms::{ANNA, FORMS, closed, end_of, hang_up, ring, shown, tab, told};
use crate::hub::{
    AdminReply, AdminRequest, Condition, Downward, FormClose, FormRule, RuleEvent, RuleMethod,
    Template,
};
use crate::protocol::{Answer, CallRequest, Event, UserRequest};

/// Anna picks up.
fn pick_up(linked: &mut Linked) {
    let answer = UserRequest::Call(CallRequest::Answer);
    assert_eq!(linked.world.ask(0, ANNA, answer), Ok(Answer::Done));
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
    hang_up(&mut linked, chain);
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
    pick_up(&mut linked);
    let all = order(&mut linked.world);
    assert!(
        all.contains(&"phoneevent_commstarted".to_owned())
            && !all.contains(&"!closeform".to_owned()),
        "{all:?}"
    );
    hang_up(&mut linked, chain);
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
    pick_up(&mut linked);
    let talk = shown(&told(&mut linked.world, 0)).clone();
    assert_eq!(talk.chain, Some(chain));
    hang_up(&mut linked, chain);
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
    hang_up(&mut linked, chain);
    told(&mut linked.world, 0);

    // A CRM that says nothing: the form comes without the name.
    let chain = ring(&mut linked, "89274513158");
    linked.world.pass(Duration::from_millis(299));
    assert!(told(&mut linked.world, 0).is_empty());
    linked.world.pass(Duration::from_millis(2));
    let input: Value =
        serde_json::from_str(&shown(&told(&mut linked.world, 0)).input).expect("JSON");
    assert_eq!(input.get("name"), None);
    hang_up(&mut linked, chain);
    told(&mut linked.world, 0);

    // A caller who is gone before the answer comes opens nothing.
    let chain = ring(&mut linked, "89274513158");
    hang_up(&mut linked, chain);
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
    pick_up(&mut linked);
    hang_up(&mut linked, chain);
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
