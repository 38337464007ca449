//! The ladders of protocol 6.6 over real sockets: every event with its fields, in order, on tabs of several shards, and
//! the line as it can be asked for at each of them.
#![forbid(unsafe_code)]

mod conference;
mod consult;
mod groups;
mod menu;
mod people;
mod redirect;
mod states;
mod steps;
mod supervision;
mod transfer;

use std::time::Duration;

use anyhow::Context as _;
use okgate_harness::gateway::{Gateway, Settings, User, user_id};
use okgate_tests::ladder::{Ladder, Pace, Step};
use okgate_tests::{TestResult, number_state};
use serde_json::json;
use steps::{
    flash, incoming_answered, incoming_rings, line, other_answers, outside, over,
    own_phone_answered, own_phone_rings, ring_stops, state, step, talk_stops, user,
};

const OUTSIDE: &str = "89274513158";
/// Answers after the time of the settings.
const ANSWERING: &str = "84957654321";
const SILENT: &str = "89031112233";
const BUSY: &str = "555";
const PACES: [Pace; 2] = [Pace::Patient, Pace::Hasty];

async fn gateway() -> anyhow::Result<Gateway> {
    Ok(Gateway::start(settings()).await?)
}

fn settings() -> Settings {
    Settings::new()
        .user(User::new("anna").name("Анна"))
        .user(User::new("boris").name("Boris"))
        .user(User::new("clara"))
        .set("pbx.sim.no_answer_numbers", vec![SILENT.to_owned()])
        .set("pbx.sim.busy_numbers", vec![BUSY.to_owned()])
}

async fn anna(gateway: &Gateway, pace: Pace, steps: Vec<Step>) -> anyhow::Result<Ladder> {
    Ladder::open(gateway, "anna", "101", pace, steps).await
}

// protocol 6.6-b, 6.6-c, 6.6-d, 6.6-e, 6.6-f, 6.6-g, 6.6-h, 6.6-i, 6.5-g, 6.5-h, 7-e, 7-f, 7-g and 7-h
#[tokio::test]
async fn an_incoming_call_is_answered_and_ended_from_the_page() -> TestResult {
    let gateway = gateway().await?;
    for pace in PACES {
        let ivan = outside(OUTSIDE, Some("Иван"));
        let steps = vec![
            incoming_rings(&ivan, "101"),
            incoming_answered(&ivan, "101"),
            over(vec![talk_stops("$talk")]),
        ];
        let mut anna = anna(&gateway, pace, steps).await?;
        anna.allow(1);
        let chain = gateway
            .admin()
            .start_call(OUTSIDE, "101", json!({"name": "Иван"}))
            .await?;
        anna.bind("$chain", &chain);
        anna.reached(1).await?;
        anna.act(2, "pbxanswercall", json!({})).await?;
        anna.reached(2).await?;
        anna.act(3, "pbxabortcall", json!({})).await?;
        anna.finish().await?;
    }
    Ok(gateway.stop().await?)
}

// protocol 6.6-g, 6.6-h and 6.6-i
#[tokio::test]
async fn an_incoming_call_is_answered_on_the_phone_and_ended_by_the_caller() -> TestResult {
    let gateway = gateway().await?;
    for pace in PACES {
        let party = outside(OUTSIDE, None);
        let steps = vec![
            incoming_rings(&party, "101"),
            incoming_answered(&party, "101"),
            over(vec![talk_stops("$talk")]),
        ];
        let mut anna = anna(&gateway, pace, steps).await?;
        anna.allow(1);
        let chain = gateway
            .admin()
            .start_call(OUTSIDE, "101", json!({}))
            .await?;
        anna.reached(1).await?;
        anna.allow(2);
        gateway.admin().answer_call(&chain).await?;
        anna.reached(2).await?;
        anna.allow(3);
        gateway.admin().hang_up_call(&chain).await?;
        anna.finish().await?;
    }
    Ok(gateway.stop().await?)
}

// protocol 6.6-j and 6.5-i
#[tokio::test]
async fn a_ring_ends_by_refusal_by_the_caller_or_by_itself() -> TestResult {
    let gateway = Gateway::start(settings().set("pbx.sim.ring_timeout_ms", 1_000)).await?;
    for ending in ["refused", "caller gone", "no answer"] {
        for pace in PACES {
            let party = outside(OUTSIDE, None);
            let steps = vec![incoming_rings(&party, "101"), over(vec![ring_stops()])];
            let mut anna = anna(&gateway, pace, steps).await?;
            // In a ring that ends by itself the end may come at any time.
            anna.allow(if ending == "no answer" { 2 } else { 1 });
            let chain = gateway
                .admin()
                .start_call(OUTSIDE, "101", json!({}))
                .await?;
            if ending != "no answer" {
                anna.reached(1).await?;
            }
            match ending {
                "refused" => anna.act(2, "pbxdeclinecall", json!({})).await?,
                "caller gone" => {
                    anna.allow(2);
                    gateway.admin().hang_up_call(&chain).await?;
                }
                _ => {}
            }
            anna.finish().await.context(ending)?;
        }
    }
    Ok(gateway.stop().await?)
}

// protocol 6.6-k, 6.6-l, 6.6-m, 6.5-e and 7-j
#[tokio::test]
async fn a_back_call_rings_the_own_phone_first() -> TestResult {
    let gateway = Gateway::start(settings().set("pbx.sim.answer_after_ms", 400)).await?;
    for (pace, own_answers_by) in PACES.into_iter().zip(["page", "phone"]) {
        let party = outside(ANSWERING, None);
        let steps = vec![
            own_phone_rings(&party),
            own_phone_answered(&party),
            other_answers(&party),
            over(vec![talk_stops("$talk")]),
        ];
        let mut anna = anna(&gateway, pace, steps).await?;
        anna.act(
            1,
            "pbxautocallstart",
            json!({"number": ANSWERING, "sequence": "user"}),
        )
        .await?;
        anna.reached(1).await?;
        let chain = anna.chain().await?;
        if own_answers_by == "page" {
            anna.act(3, "pbxanswercall", json!({})).await?;
        } else {
            anna.allow(3);
            gateway.admin().answer_call(&chain).await?;
        }
        // From here on the other's answer may come at any time.
        anna.reached(3).await?;
        anna.act(4, "pbxabortcall", json!({})).await?;
        anna.finish().await?;
    }
    Ok(gateway.stop().await?)
}

// protocol 6.6-o, 6.6-p and 6.5-e
#[tokio::test]
async fn a_back_call_rings_the_other_party_first() -> TestResult {
    let gateway = Gateway::start(settings().set("pbx.sim.answer_after_ms", 400)).await?;
    for pace in PACES {
        let party = outside(ANSWERING, None);
        let answered = step(
            vec![
                party.dialling("phoneevent_acmcallstopped"),
                ring_stops(),
                party.talk_starts("$talk"),
                line("lsCommutated"),
            ],
            party.row("lsCommutated", ANSWERING, "iscommutated"),
        );
        let steps = vec![
            step(
                vec![
                    state(5),
                    party.dialling("phoneevent_acmcallstarted"),
                    line("lsReserved"),
                ],
                party.row("lsReserved", ANSWERING, "isautocall"),
            ),
            step(
                vec![party.back_rings(), line("lsReserved")],
                party.back_ring_row(),
            ),
            answered,
            over(vec![talk_stops("$talk")]),
        ];
        let mut anna = anna(&gateway, pace, steps).await?;
        // The other's answer may come at any time.
        anna.act(
            2,
            "pbxautocallstart",
            json!({"number": ANSWERING, "sequence": "abonent"}),
        )
        .await?;
        anna.reached(1).await?;
        let chain = anna.chain().await?;
        anna.reached(2).await?;
        anna.act(3, "pbxanswercall", json!({})).await?;
        anna.reached(3).await?;
        anna.allow(4);
        gateway.admin().hang_up_call(&chain).await?;
        anna.finish().await?;
    }
    Ok(gateway.stop().await?)
}

// protocol 6.6-n and 6.5-f
#[tokio::test]
async fn a_back_call_is_aborted_or_finds_nobody() -> TestResult {
    let gateway = gateway().await?;
    for pace in PACES {
        // Aborted while the own phone rings.
        let party = outside(SILENT, None);
        let no_more_dialling = party.dialling("phoneevent_acmcallstopped");
        let steps = vec![
            own_phone_rings(&party),
            over(vec![no_more_dialling.clone(), ring_stops()]),
        ];
        let mut ladder = anna(&gateway, pace, steps).await?;
        ladder
            .act(1, "pbxautocallstart", json!({"number": SILENT}))
            .await?;
        ladder.reached(1).await?;
        ladder.act(2, "pbxautocallabort", json!({})).await?;
        ladder.finish().await?;
        // Aborted while the other rings.
        let steps = vec![
            own_phone_rings(&party),
            own_phone_answered(&party),
            over(vec![no_more_dialling]),
        ];
        let mut ladder = anna(&gateway, pace, steps).await?;
        ladder
            .act(1, "pbxautocallstart", json!({"number": SILENT}))
            .await?;
        ladder.reached(1).await?;
        ladder.act(2, "pbxanswercall", json!({})).await?;
        ladder.reached(2).await?;
        ladder.act(3, "pbxautocallabort", json!({})).await?;
        ladder.finish().await?;
        // The other is busy: that comes right after the own phone's answer.
        let party = outside(BUSY, None);
        let no_more_dialling = party.dialling("phoneevent_acmcallstopped");
        let steps = vec![
            own_phone_rings(&party),
            own_phone_answered(&party),
            over(vec![no_more_dialling]),
        ];
        let mut ladder = anna(&gateway, pace, steps).await?;
        ladder
            .act(1, "pbxautocallstart", json!({"number": BUSY}))
            .await?;
        ladder.reached(1).await?;
        ladder.act(3, "pbxanswercall", json!({})).await?;
        ladder.finish().await?;
    }
    Ok(gateway.stop().await?)
}

// protocol 6.6-s, 6.6-l, 6.6-w, 6.6-y, 6.6-z, 6.5-j, 6.5-b and 7-d
#[tokio::test]
async fn one_user_calls_another_holds_and_takes_back() -> TestResult {
    let gateway = gateway().await?;
    for pace in PACES {
        let (annas, boris) = (
            user("boris", 2, "102", "Boris"),
            user("anna", 1, "101", "Анна"),
        );
        let held = step(
            vec![line("lsCommutated")],
            annas.row("lsCommutated", "102", "iswaitinginflash"),
        );
        let back = step(
            vec![line("lsCommutated")],
            annas.row("lsCommutated", "102", "iscommutated"),
        );
        let her = vec![
            own_phone_rings(&annas),
            own_phone_answered(&annas),
            other_answers(&annas),
            held,
            back,
            over(vec![talk_stops("$talk")]),
        ];
        let holds = vec![flash(true), talk_stops("$talk"), line("lsHookUp")];
        let takes_back = vec![
            flash(false),
            boris.talk_starts("$talk"),
            line("lsCommutated"),
        ];
        let his = vec![
            incoming_rings(&boris, "102"),
            incoming_answered(&boris, "102"),
            step(holds, boris.held_row()),
            step(takes_back, boris.row("lsCommutated", "102", "iscommutated")),
            over(vec![talk_stops("$talk")]),
        ];
        let mut anna = anna(&gateway, pace, her).await?;
        let mut boris = Ladder::open(&gateway, "boris", "102", pace, his).await?;
        anna.act(1, "pbxautocallstart", json!({"number": user_id(2)}))
            .await?;
        anna.reached(1).await?;
        let chain = anna.chain().await?;
        boris.bind("$chain", &chain);
        boris.allow(1);
        anna.act(2, "pbxanswercall", json!({})).await?;
        anna.reached(2).await?;
        boris.reached(1).await?;
        anna.allow(3);
        boris.act(2, "pbxanswercall", json!({})).await?;
        anna.reached(3).await?;
        boris.reached(2).await?;
        anna.allow(4);
        boris
            .act(3, "pbxmakeflash", json!({"mode": "switch"}))
            .await?;
        anna.reached(4).await?;
        boris.reached(3).await?;
        anna.allow(5);
        boris.act(4, "pbxmakeflash", json!({})).await?;
        anna.reached(5).await?;
        boris.reached(4).await?;
        boris.allow(5);
        anna.act(6, "pbxabortcall", json!({})).await?;
        anna.finish().await?;
        boris.finish().await?;
    }
    Ok(gateway.stop().await?)
}

// protocol 6.6-r
#[tokio::test]
async fn an_intercom_call_is_answered_by_the_other_phone_itself() -> TestResult {
    let gateway = gateway().await?;
    for pace in PACES {
        let (annas, boris) = (
            user("boris", 2, "102", "Boris"),
            user("anna", 1, "101", "Анна"),
        );
        let her = vec![
            own_phone_rings(&annas),
            own_phone_answered(&annas),
            other_answers(&annas),
            over(vec![talk_stops("$talk")]),
        ];
        let talks = vec![state(5), boris.talk_starts("$talk"), line("lsCommutated")];
        let his = vec![
            step(talks, boris.row("lsCommutated", "102", "iscommutated")),
            over(vec![talk_stops("$talk")]),
        ];
        let mut anna = anna(&gateway, pace, her).await?;
        let mut boris = Ladder::open(&gateway, "boris", "102", pace, his).await?;
        anna.act(
            1,
            "pbxautocallstart",
            json!({"number": "102", "intercom": true}),
        )
        .await?;
        anna.reached(1).await?;
        boris.allow(1);
        anna.act(3, "pbxanswercall", json!({})).await?;
        anna.reached(3).await?;
        boris.reached(1).await?;
        anna.allow(4);
        boris.act(2, "pbxabortcall", json!({})).await?;
        anna.finish().await?;
        boris.finish().await?;
    }
    Ok(gateway.stop().await?)
}

// protocol 6.6-y, 6.6-z and 6.6-aa
#[tokio::test]
async fn an_outside_party_is_held_and_taken_back() -> TestResult {
    let gateway = gateway().await?;
    for pace in PACES {
        let party = outside(OUTSIDE, None);
        let holds = || {
            step(
                vec![flash(true), talk_stops("$talk"), line("lsHookUp")],
                party.held_row(),
            )
        };
        let takes_back = || {
            let events = vec![
                flash(false),
                party.talk_starts("$talk"),
                line("lsCommutated"),
            ];
            step(events, party.row("lsCommutated", "101", "iscommutated"))
        };
        let steps = vec![
            incoming_rings(&party, "101"),
            incoming_answered(&party, "101"),
            holds(),
            takes_back(),
            holds(),
            takes_back(),
            holds(),
            // The held party hangs up: there is no talk that could stop.
            over(vec![flash(false)]),
        ];
        let mut anna = anna(&gateway, pace, steps).await?;
        anna.allow(1);
        let chain = gateway
            .admin()
            .start_call(OUTSIDE, "101", json!({}))
            .await?;
        anna.bind("$chain", &chain);
        anna.reached(1).await?;
        anna.act(2, "pbxanswercall", json!({})).await?;
        anna.reached(2).await?;
        for (number, mode) in ["switch", "next", "switch", "abort", "next"]
            .into_iter()
            .enumerate()
        {
            anna.act(3 + number, "pbxmakeflash", json!({"mode": mode}))
                .await?;
            anna.reached(3 + number).await?;
        }
        anna.allow(8);
        gateway.admin().hang_up_call(&chain).await?;
        anna.finish().await?;
    }
    Ok(gateway.stop().await?)
}

// protocol 7-b, 7-c, 6-b and 6.6-f
#[tokio::test]
async fn another_users_tab_learns_the_numbers_states_and_nothing_else() -> TestResult {
    let gateway = gateway().await?;
    let mut anna = gateway.logged_in("anna").await?;
    let mut other = gateway.logged_in("clara").await?;
    other
        .request_ok("getpbxnumbers", json!({"mode": "full"}))
        .await?;
    let all = [
        "pbxnumberstatechanged",
        "phoneevent",
        "userstatechanged",
        "linestatechanged",
        "flashstatechanged",
    ];
    other.subscribe(&all).await?;
    let chain = gateway
        .admin()
        .start_call(OUTSIDE, "101", json!({}))
        .await?;
    number_state(&mut other, "101", 5).await?;
    gateway.admin().answer_call(&chain).await?;
    // A choice made in the talk counts after it.
    anna.request_ok("setuserstate", json!({"userstateid": 3}))
        .await?;
    gateway.admin().hang_up_call(&chain).await?;
    number_state(&mut other, "101", 3).await?;
    other.request_ok("getuserstate", json!({})).await?;
    for event in other.events_so_far() {
        assert_eq!(event.name, "pbxnumberstatechanged");
        assert!(event.field("userid").is_null() && event.field("userlogin").is_null());
    }
    Ok(gateway.stop().await?)
}

// protocol 6.1-j and 6.1-y
#[tokio::test]
async fn a_tab_that_comes_in_the_middle_of_a_call_sees_it() -> TestResult {
    let gateway = gateway().await?;
    let present = gateway.logged_in("anna").await?;
    let chain = gateway
        .admin()
        .start_call(OUTSIDE, "101", json!({"answer_after_ms": 0}))
        .await?;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    let mut reloaded = gateway.logged_in("anna").await?;
    drop(present);
    loop {
        let line = reloaded
            .request_ok("getextendedlineinfo", json!({}))
            .await?;
        if line.text("linestatestr") == Some("lsCommutated") {
            assert_eq!(line.text("chainid"), Some(chain.as_str()));
            assert_eq!(line.field("abonent")["number"], OUTSIDE);
            break;
        }
        anyhow::ensure!(
            tokio::time::Instant::now() < deadline,
            "no talk: {}",
            line.to_text()
        );
    }
    // What changes between its last read and its subscription follows at once.
    gateway.admin().hang_up_call(&chain).await?;
    reloaded.subscribe(&["linestatechanged"]).await?;
    let event = reloaded.event("linestatechanged").await?;
    assert_eq!(event.text("linestatestr"), Some("lsHookDown"));
    Ok(gateway.stop().await?)
}
