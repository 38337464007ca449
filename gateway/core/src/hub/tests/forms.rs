//! Forms at users (protocol 8-l to 8-t), with a CRM and links in memory.

use std::time::Duration;

use serde_json::{Value, json};

use super::crm::Linked;
use super::{World, link, password};
use crate::base::{ChainId, Guid, UserId, WindowId};
use crate::hub::{
    AdminReply, AdminRequest, Downward, FormClosed, FormEnd, FormOpened, FormOpening,
    SimCallRequest, Upward,
};
use crate::protocol::{
    Answer, DynamicEvent, DynamicRequest, ErrorNumber, EventKind, EventSet, MethodResult,
    Occurrence, Reply, ShownForm, UserRequest,
};

pub(super) const ANNA: u128 = 1;
const BORIS: u128 = 2;
pub(super) const FORMS: [EventKind; 2] = [EventKind::ShowUserForm, EventKind::CloseForm];

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

pub(super) fn shown(told: &[DynamicEvent]) -> &ShownForm {
    match told {
        [DynamicEvent::ShowForm(form)] => form,
        other => panic!("not one form: {other:?}"),
    }
}

pub(super) fn closed(window: WindowId) -> DynamicEvent {
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

pub(super) fn end_of(linked: &mut Linked, window: WindowId) -> Option<FormEnd> {
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

/// Somebody outside calls Anna.
pub(super) fn ring(linked: &mut Linked, from: &str) -> ChainId {
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

pub(super) fn hang_up(linked: &mut Linked, chain: ChainId) {
    linked
        .world
        .admin(AdminRequest::SimHangUp(chain))
        .expect("hung up");
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
    hang_up(&mut linked, chain);
    linked.world.pass(Duration::from_secs(1));
    assert_eq!(
        end_of(&mut linked, opened.window),
        Some(FormEnd::Closed(FormClosed::CallEnd))
    );
}
