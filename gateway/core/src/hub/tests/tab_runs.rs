//! Dynamic methods at users' pages (protocol 8-g, 8-i and 8-j).

use std::time::Duration;

use serde_json::{Value, json};

use super::crm::Linked;
use super::forms::{listen, tab, told};
use super::link;
use crate::base::{AdminTicket, ExecutionId};
use crate::crm::MethodRun;
use crate::hub::{AdminReply, AdminRequest, Upward};
use crate::protocol::{
    Answer, DynamicEvent, DynamicRequest, EventKind, MethodCall, MethodResult, Reply, UserRequest,
};

const ANNA: u128 = 1;
const BORIS: u128 = 2;
const RUNS: [EventKind; 3] = [
    EventKind::ExecuteMethod,
    EventKind::CancelMethod,
    EventKind::ExecuteMethodWaitAborted,
];

fn run(linked: &mut Linked, ticket: u64, key: &str, input: &Value) {
    let run = MethodRun {
        key: key.into(),
        input: input.to_string().into(),
        user_login: Some("anna".into()),
        timeout: Duration::from_secs(10),
        wait_for_link: false,
    };
    let (ticket, request) = (AdminTicket(ticket), AdminRequest::RunMethod(run));
    linked
        .world
        .hub
        .handle_admin(ticket, request, linked.world.now);
    linked.world.settle();
    linked.pump();
}

fn calls(linked: &mut Linked, slot: u32) -> Vec<MethodCall> {
    let told = told(&mut linked.world, slot).into_iter();
    told.filter_map(|event| match event {
        DynamicEvent::Execute(call) => Some(call),
        _ => None,
    })
    .collect()
}

fn answer(
    linked: &mut Linked,
    (slot, user): (u32, u128),
    execution: ExecutionId,
    output: &str,
) -> Reply {
    let result = DynamicRequest::Result(MethodResult {
        window: None,
        execution: Some(execution),
        end: Ok(output.into()),
    });
    linked
        .world
        .ask(slot, user, UserRequest::Dynamic(Box::new(result)))
}

/// The ends that the admin interface was told: outputs, or statuses.
fn ends(linked: &mut Linked) -> Vec<Result<String, u16>> {
    let told = linked.world.admin.drain(..);
    told.map(|reply| match reply {
        Ok(AdminReply::Run { output, .. }) => Ok(output.to_string()),
        Ok(other) => panic!("no run: {other:?}"),
        Err(fault) => Err(fault.status),
    })
    .collect()
}

// protocol 8-d and 8-g
#[test]
fn a_method_that_needs_a_user_runs_at_one_subscribed_tab_and_others_at_the_crm() {
    let mut linked = Linked::new();
    run(&mut linked, 1, "ask", &json!({}));
    assert_eq!(linked.take("executemethod").len(), 1, "there is no tab");
    for slot in [0, 1] {
        tab(&mut linked.world, slot, (ANNA, "Anna"), &RUNS);
    }
    tab(&mut linked.world, 2, (BORIS, "boris"), &RUNS);
    run(&mut linked, 2, "ask", &json!({"number": 7}));
    let asked = calls(&mut linked, 0);
    assert_eq!(
        (asked.len(), &*asked[0].key, &*asked[0].input),
        (1, "ask", r#"{"number":7}"#)
    );
    assert!(calls(&mut linked, 1).is_empty() && calls(&mut linked, 2).is_empty());
    assert!(linked.take("executemethod").is_empty());
    // Another link, even of the same user, was not asked.
    answer(&mut linked, (1, ANNA), asked[0].execution, "{}").expect_err("not asked");
    answer(&mut linked, (2, BORIS), asked[0].execution, "{}").expect_err("not asked");
    assert_eq!(
        answer(
            &mut linked,
            (0, ANNA),
            asked[0].execution,
            r#"{"name":"x"}"#
        ),
        Ok(Answer::Done)
    );
    assert_eq!(ends(&mut linked), [Ok(r#"{"name":"x"}"#.to_owned())]);
    answer(&mut linked, (0, ANNA), asked[0].execution, "{}").expect_err("a second result");
    run(&mut linked, 3, "callername", &json!({}));
    assert_eq!(linked.take("executemethod").len(), 1, "it needs no user");
    run(&mut linked, 4, "ask", &json!({"number": "x"}));
    assert_eq!(ends(&mut linked), [Err(422)]);
    assert!(calls(&mut linked, 0).is_empty());
}

// protocol 8-g and 8-u
#[test]
fn a_lost_tabs_run_goes_to_the_next_tab_then_to_the_crm_and_then_fails() {
    let mut linked = Linked::new();
    for slot in [0, 1] {
        tab(&mut linked.world, slot, (ANNA, "Anna"), &RUNS);
    }
    run(&mut linked, 1, "ask", &json!({}));
    let first = calls(&mut linked, 0);
    linked.world.pass(Duration::from_secs(4));
    linked.world.say(link(0), Upward::Gone);
    let second = calls(&mut linked, 1);
    assert_eq!(first[0].execution, second[0].execution);
    // It takes no more runs, though it is there.
    listen(&mut linked.world, 1, ANNA, &[]);
    let at_crm = linked.take("executemethod");
    assert_eq!(at_crm[0]["executionid"], first[0].execution.to_string());
    answer(&mut linked, (1, ANNA), first[0].execution, "{}").expect_err("it gave the run up");
    linked.lose_link();
    assert_eq!(ends(&mut linked), [Err(503)]);
}

#[test]
fn the_time_of_a_run_goes_on_when_it_moves() {
    let mut linked = Linked::new();
    tab(&mut linked.world, 0, (ANNA, "Anna"), &RUNS);
    run(&mut linked, 1, "ask", &json!({}));
    linked.world.pass(Duration::from_secs(6));
    linked.world.say(link(0), Upward::Gone);
    linked.world.pass(Duration::from_millis(3900));
    assert!(ends(&mut linked).is_empty());
    linked.world.pass(Duration::from_millis(200));
    assert_eq!(ends(&mut linked), [Err(504)]);
}

// protocol 8-i
#[test]
fn a_late_result_of_a_tab_is_accepted_once_and_for_a_while() {
    let mut linked = Linked::new();
    tab(&mut linked.world, 0, (ANNA, "Anna"), &RUNS);
    run(&mut linked, 1, "ask", &json!({}));
    run(&mut linked, 2, "ask", &json!({}));
    let asked = calls(&mut linked, 0);
    linked.world.pass(Duration::from_secs(10));
    assert_eq!(ends(&mut linked), [Err(504), Err(504)]);
    let aborted = told(&mut linked.world, 0);
    let expected = |call: &MethodCall| DynamicEvent::WaitAborted {
        execution: call.execution,
        wait_ms: 30_000,
    };
    assert!(
        asked.iter().all(|call| aborted.contains(&expected(call))),
        "{aborted:?}"
    );
    assert_eq!(
        answer(&mut linked, (0, ANNA), asked[0].execution, "{}"),
        Ok(Answer::Done)
    );
    answer(&mut linked, (0, ANNA), asked[0].execution, "{}").expect_err("only once");
    linked.world.pass(Duration::from_secs(30));
    answer(&mut linked, (0, ANNA), asked[1].execution, "{}").expect_err("too late");
    assert!(ends(&mut linked).is_empty());
}

// protocol 8-j
#[test]
fn a_cancelled_run_is_cancelled_at_its_tab() {
    let mut linked = Linked::new();
    tab(&mut linked.world, 0, (ANNA, "Anna"), &RUNS);
    run(&mut linked, 1, "ask", &json!({}));
    let execution = calls(&mut linked, 0)[0].execution;
    linked.world.hub.handle_admin(
        AdminTicket(2),
        AdminRequest::CancelRun(execution),
        linked.world.now,
    );
    linked.world.settle();
    assert_eq!(
        told(&mut linked.world, 0),
        [DynamicEvent::Cancel { execution }]
    );
    let told = std::mem::take(&mut linked.world.admin);
    assert!(
        told.iter()
            .any(|reply| matches!(reply, Ok(AdminReply::Done))),
        "{told:?}"
    );
    assert!(
        told.iter()
            .any(|reply| matches!(reply, Err(fault) if fault.status == 409)),
        "{told:?}"
    );
}

#[test]
fn a_thousand_runs_at_two_tabs_do_not_mix() {
    let mut linked = Linked::new();
    tab(&mut linked.world, 0, (ANNA, "Anna"), &RUNS);
    for number in 0..1000 {
        run(&mut linked, number, "ask", &json!({"number": number}));
    }
    tab(&mut linked.world, 1, (ANNA, "Anna"), &RUNS);
    let asked = calls(&mut linked, 0);
    assert_eq!(asked.len(), 1000);
    // Every third is answered, then the tab is lost and the other answers, backwards.
    for call in asked.iter().step_by(3) {
        answer(&mut linked, (0, ANNA), call.execution, &call.input).expect("open");
    }
    linked.world.say(link(0), Upward::Gone);
    let mut moved = calls(&mut linked, 1);
    moved.reverse();
    for call in &moved {
        answer(&mut linked, (1, ANNA), call.execution, &call.input).expect("open");
    }
    let outputs: std::collections::HashSet<String> = ends(&mut linked)
        .into_iter()
        .map(|end| end.expect("a result"))
        .collect();
    assert_eq!(outputs.len(), 1000);
    assert_eq!(moved.len(), 1000 - 334);
}
