//! Forms of the CRM at users, and dynamic methods at users' tabs, against the real gateway with a simulated CRM: way 1 over
//! the CRM's link, way 2 at the tabs, rules on events, and the scenario API.
#![forbid(unsafe_code)]

use std::time::Duration;

use anyhow::{Context as _, ensure};
use okgate_harness::Message;
use okgate_harness::admin::AdminAnswer;
use okgate_harness::crm::{CrmHandle, CrmOptions, SimulatedCrm};
use okgate_harness::gateway::{Gateway, Settings, User};
use okgate_harness::tab::Tab;
use okgate_tests::TestResult;
use serde_json::{Value, json};
use tokio::time::{Instant, interval};

const CALLER: &str = "89274513158";
const NAME: &str = "Иван Петров";
const SOON: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
const FORM_EVENTS: [&str; 2] = ["showuserform", "closeform"];

struct World {
    crm: CrmHandle,
    gateway: Gateway,
}

impl World {
    /// A gateway whose CRM has declared the form `card` and the method `ask`, which needs a user.
    async fn new(
        options: CrmOptions,
        change: impl FnOnce(Settings) -> Settings,
    ) -> anyhow::Result<Self> {
        let crm = SimulatedCrm::start(options).await?;
        let settings = Settings::new()
            .user(User::new("anna"))
            .user(User::new("boris"))
            .crm_ws_out(crm.address());
        let gateway = Gateway::start(change(settings)).await?;
        // protocol 8-c: catalogues may come unasked; these follow the answers to the gateway's questions.
        CrmHandle::wait_for(&mut crm.received(), "getactiveusers", SOON).await?;
        crm.request("ping", json!({}), SOON).await?;
        let parameter =
            |key: &str, kind: &str| json!({"key": key, "name": key, "type": kind, "items": []});
        let declared = |key: &str, inputs: Value, outputs: Value| {
            json!({"key": key, "name": key, "defineuser": true, "allowcancel": true, "connectiontype": "websocket",
                "inputparams": inputs, "outputparams": outputs})
        };
        let card = declared(
            "card",
            json!([
                parameter("callerid", "string"),
                parameter("name", "string"),
                parameter("outside", "boolean")
            ]),
            json!([parameter("comment", "string")]),
        );
        let ask = declared(
            "ask",
            json!([parameter("text", "string")]),
            json!([parameter("text", "string")]),
        );
        let mut name = declared(
            "callername",
            json!([parameter("callerid", "string")]),
            json!([parameter("name", "string")]),
        );
        name["defineuser"] = json!(false);
        for (message, field, list) in [
            ("availableforms", "forms", json!([card, null])),
            ("availablemethods", "methods", json!([ask, name])),
        ] {
            crm.send(Message::new(message, json!({ field: list })))
                .await?;
        }
        crm.request("ping", json!({}), SOON).await?;
        Ok(Self { crm, gateway })
    }

    async fn tab(&self, login: &str, events: &[&str]) -> anyhow::Result<Tab> {
        let mut tab = self.gateway.logged_in(login).await?;
        tab.subscribe(events).await?;
        // The hub knows of the subscription before the next thing that it is asked.
        tab.request_ok("getuserstate", json!({})).await?;
        Ok(tab)
    }

    async fn open(&self, login: &str, input: Value) -> anyhow::Result<AdminAnswer> {
        let body = json!({"userlogin": login, "inputparameters": input});
        Ok(self
            .gateway
            .admin()
            .post("/api/v1/forms/card", &body)
            .await?)
    }

    async fn window(&self, window: &str, wait_ms: u64) -> anyhow::Result<Value> {
        let path = format!("/api/v1/forms/windows/{window}?wait_ms={wait_ms}");
        Ok(self.gateway.admin().get(&path).await?.json()?)
    }
}

fn text(value: &Value) -> anyhow::Result<String> {
    let text = value
        .as_str()
        .with_context(|| format!("{value} is no text"))?;
    Ok(text.to_owned())
}

// protocol 8-l, 8-m, 8-n, 8-p, 8-s and 8-t
#[tokio::test]
async fn a_scenario_opens_a_form_in_every_place_and_gets_the_values_that_are_typed_there()
-> TestResult {
    let world = World::new(
        CrmOptions::on_loopback().active_user("anna", "crm-7"),
        |it| it,
    )
    .await?;
    let mut first = world.tab("anna", &FORM_EVENTS).await?;
    let second = world.tab("anna", &FORM_EVENTS).await?;
    let other = world.tab("boris", &FORM_EVENTS).await?;
    let mut records = world.crm.received_from_now();
    let opened = world
        .open("anna", json!({"callerid": CALLER}))
        .await?
        .expect_status(201)?
        .json()?;
    assert_eq!(opened["shown"], json!({"crm": true, "tabs": 2}));
    let window = text(&opened["windowid"])?;

    let at_crm = CrmHandle::wait_for(&mut records, "showform", SOON).await?;
    let field = |key: &str| at_crm.text(key).map(str::to_owned);
    assert_eq!(field("windowid").as_deref(), Some(&*window));
    assert_eq!(
        (field("formkey"), field("userid"), field("userlogin")),
        (
            Some("card".into()),
            Some("crm-7".into()),
            Some("anna".into())
        )
    );
    let shown = first.event("showuserform").await?;
    assert_eq!(shown.text("windowid"), Some(&*window));
    assert_eq!(shown.field("inputparameters"), &json!({"callerid": CALLER}));
    assert_eq!(
        (
            shown.text("formname"),
            &shown.field("outputparams")[0]["key"]
        ),
        (Some("card"), &json!("comment"))
    );
    assert_eq!(world.window(&window, 0).await?["state"], "open");

    let asked_at = Instant::now();
    let waiting = world.window(&window, 20_000);
    let typed = first.request_ok(
        "methodresult",
        json!({"windowid": window, "outputparameters": {"comment": "перезвонить"}}),
    );
    let (told, answered) = tokio::join!(waiting, typed);
    answered?;
    assert_eq!(told?["outputparameters"], json!({"comment": "перезвонить"}));
    assert!(
        asked_at.elapsed() < Duration::from_secs(10),
        "the scenario is told at once"
    );
    CrmHandle::wait_for(&mut records, "closeform", SOON).await?;
    let mut tabs = [first, second];
    for tab in &mut tabs {
        let closed = tab.event("closeform").await?;
        assert_eq!(closed.text("windowid"), Some(&*window));
        tab.settle().await?;
        let shown = tab
            .events_so_far()
            .into_iter()
            .filter(|event| event.name == "showuserform");
        assert_eq!(shown.count(), 1, "each place once");
    }
    assert!(
        other
            .events_so_far()
            .iter()
            .all(|event| !FORM_EVENTS.contains(&&*event.name))
    );
    Ok(world.gateway.stop().await?)
}

// protocol 8-l, 8-n and 8-t
#[tokio::test]
async fn the_crm_answers_a_form_for_its_user_and_a_scenario_closes_one() -> TestResult {
    let world = World::new(
        CrmOptions::on_loopback().active_user("anna", "crm-7"),
        |it| it,
    )
    .await?;
    let mut tab = world.tab("anna", &FORM_EVENTS).await?;
    let opened = world
        .open("anna", json!({}))
        .await?
        .expect_status(201)?
        .json()?;
    let window = text(&opened["windowid"])?;
    let values = json!({"windowid": window, "outputparameters": {"comment": "crm"}});
    let told = world.crm.request("methodresult", values, SOON).await?;
    assert_eq!(told.field("result"), &json!(1));
    tab.event("closeform").await?;
    assert_eq!(
        world.window(&window, 0).await?["outputparameters"]["comment"],
        "crm"
    );

    let opened = world
        .open("anna", json!({}))
        .await?
        .expect_status(201)?
        .json()?;
    let path = format!("/api/v1/forms/windows/{}", text(&opened["windowid"])?);
    let mut records = world.crm.received_from_now();
    world
        .gateway
        .admin()
        .delete(&path)
        .await?
        .expect_status(204)?;
    world
        .gateway
        .admin()
        .delete(&path)
        .await?
        .expect_status(404)?;
    CrmHandle::wait_for(&mut records, "closeform", SOON).await?;
    let closed = tab.event("closeform").await?;
    assert_eq!(closed.text("windowid"), opened["windowid"].as_str());
    Ok(world.gateway.stop().await?)
}

// protocol 8-p: the declaration is looked at before anybody is told.
#[tokio::test]
async fn what_cannot_be_opened_is_said_with_the_fitting_status() -> TestResult {
    let world = World::new(CrmOptions::on_loopback(), |it| it).await?;
    let tab = world.tab("anna", &FORM_EVENTS).await?;
    world.open("nobody", json!({})).await?.expect_status(404)?;
    world
        .open("anna", json!({"caller": 1}))
        .await?
        .expect_status(422)?;
    world
        .open("anna", json!({"outside": "perhaps"}))
        .await?
        .expect_status(422)?;
    let body = json!({"userlogin": "anna"});
    let unknown = world
        .gateway
        .admin()
        .post("/api/v1/forms/nosuch", &body)
        .await?;
    assert_eq!(unknown.expect_status(404)?.json()?["error"], "not_found");
    assert!(tab.events_so_far().is_empty());
    Ok(world.gateway.stop().await?)
}

// protocol 8-r
#[tokio::test]
async fn a_reloaded_page_and_a_restarted_crm_get_the_open_form_again() -> TestResult {
    let options = CrmOptions::on_loopback().active_user("anna", "crm-7");
    let world = World::new(options.clone(), |it| it).await?;
    let tab = world.tab("anna", &FORM_EVENTS).await?;
    let opened = world
        .open("anna", json!({"callerid": CALLER}))
        .await?
        .expect_status(201)?
        .json()?;
    tab.close(1000).await?;
    let mut reloaded = world.tab("anna", &FORM_EVENTS).await?;
    let again = reloaded.event("showuserform").await?;
    assert_eq!(again.text("windowid"), opened["windowid"].as_str());
    let address = world.crm.address();
    world.crm.stop().await;
    let mut options = options;
    options.listen = address;
    let crm = SimulatedCrm::start(options).await?;
    let again =
        CrmHandle::wait_for(&mut crm.received(), "showform", Duration::from_secs(40)).await?;
    assert_eq!(again.text("windowid"), opened["windowid"].as_str());
    Ok(world.gateway.stop().await?)
}

fn rule(parameters: &str) -> toml::Table {
    let text = format!(
        "event = \"phoneevent_ringstarted\"\nwhen = [\"isextline = true\"]\nform = \"card\"\nmethod = \"callername\"\n\
         method_wait_ms = 5000\nmethod_parameters = {{ callerid = \"{{callerid}}\" }}\nparameters = {{ {parameters} }}\n"
    );
    text.parse().expect("a rule")
}

// protocol 8-o and 8-q
#[tokio::test]
async fn an_outside_call_pops_the_card_with_the_name_of_a_method_and_its_end_closes_it()
-> TestResult {
    let parameters =
        "callerid = \"{callerid}\", name = \"{method.name}\", outside = \"{isextline}\"";
    let options = CrmOptions::on_loopback().caller(CALLER, NAME);
    let world = World::new(options, |settings| {
        settings.push("form_rules", rule(parameters))
    })
    .await?;
    let mut tab = world
        .tab("anna", &["phoneevent", "showuserform", "closeform"])
        .await?;
    let chain = world
        .gateway
        .admin()
        .start_call(CALLER, "101", json!({}))
        .await?;
    tab.event("phoneevent_ringstarted").await?;
    let shown = tab.event("showuserform").await?;
    assert_eq!(
        shown.field("inputparameters"),
        &json!({"callerid": CALLER, "name": NAME, "outside": true})
    );
    assert_eq!(shown.text("chainid"), Some(&*chain));
    world.gateway.admin().answer_call(&chain).await?;
    tab.event("phoneevent_commstarted").await?;
    assert_eq!(
        world
            .window(shown.text("windowid").context("a window")?, 0)
            .await?["state"],
        "open"
    );
    world.gateway.admin().hang_up_call(&chain).await?;
    let closed = tab.event("closeform").await?;
    assert_eq!(closed.text("windowid"), shown.text("windowid"));
    let ended = world
        .window(shown.text("windowid").context("a window")?, 0)
        .await?;
    assert_eq!(
        (&ended["state"], &ended["reason"]),
        (&json!("closed"), &json!("call_end"))
    );
    // A call of a colleague opens nothing: the condition does not hold.
    let mut boris = world.tab("boris", &[]).await?;
    boris
        .request_ok(
            "pbxautocallstart",
            json!({"number": "101", "sequence": "abonent"}),
        )
        .await?;
    tab.event("phoneevent_ringstarted").await?;
    tab.settle().await?;
    let forms = tab
        .events_so_far()
        .into_iter()
        .filter(|event| event.name == "showuserform");
    assert_eq!(forms.count(), 1);
    Ok(world.gateway.stop().await?)
}

// protocol 8-q: neither the ring nor the card waits for a CRM that says nothing.
#[tokio::test]
async fn a_silent_crm_delays_the_card_by_its_wait_and_the_ring_not_at_all() -> TestResult {
    let text = "event = \"phoneevent_ringstarted\"\nform = \"card\"\nmethod = \"slow\"\n\
        method_parameters = { text = \"{callerid}\" }\nparameters = { callerid = \"{callerid}\" }\n";
    let mut options = CrmOptions::on_loopback();
    options.method_delay = Duration::from_secs(60);
    let world = World::new(options, |settings| {
        settings.push("form_rules", text.parse().expect("a rule"))
    })
    .await?;
    // It declares what it can do as it did at first: with the method that takes its time.
    let slow = json!({"key": "slow", "inputparams": [{"key": "text", "type": "string"}]});
    world
        .crm
        .send(Message::new("availablemethods", json!({"methods": [slow]})))
        .await?;
    world.crm.request("ping", json!({}), SOON).await?;
    let mut tab = world.tab("anna", &["phoneevent", "showuserform"]).await?;
    let mut events = tab.events();
    world
        .gateway
        .admin()
        .start_call(CALLER, "101", json!({}))
        .await?;
    let (rang_at, _) = events.named("phoneevent_ringstarted").await?;
    let (shown_at, shown) = events.named("showuserform").await?;
    assert_eq!(shown.field("inputparameters"), &json!({"callerid": CALLER}));
    let after = shown_at - rang_at;
    assert!(
        after > Duration::from_millis(250) && after < Duration::from_secs(5),
        "{after:?}"
    );
    tab.settle().await?;
    Ok(world.gateway.stop().await?)
}

// protocol 8-d, 8-e, 8-g and 8-u
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_runs_at_two_tabs_end_each_with_its_own_result() -> TestResult {
    const RUNS: usize = 1000;
    let world = World::new(CrmOptions::on_loopback(), |it| {
        it.without_load_limits().set("clients.queue_bytes_max", 0)
    })
    .await?;
    let first = world.tab("anna", &["dynamic", "dynamicwaitabort"]).await?;
    let mut second = world.tab("anna", &["dynamic"]).await?;
    let mut runs = Vec::new();
    // The first tab takes all of them and answers none before it is lost; the other answers the newest first.
    let mut events = first.events();
    for number in 0..RUNS {
        let admin = world.gateway.admin().clone();
        let body = json!({"userlogin": "anna", "inputparameters": {"text": format!("run {number}")}, "timeout_ms": 60_000});
        runs.push(tokio::spawn(async move {
            let answer = admin.run_method("ask", &body).await?;
            let output = answer.expect_status(200)?.json()?;
            text(&output["outputparameters"]["text"])
        }));
        // Few ask at once, all wait at once.
        if runs.len() % 50 == 0 {
            for _ in 0..50 {
                events.named("executemethod").await?;
            }
        }
    }
    first.close(1000).await?;
    let mut asked = Vec::new();
    for _ in 0..RUNS {
        asked.push(second.event("executemethod").await?);
    }
    for (place, call) in asked.iter().rev().enumerate() {
        let output = json!({"outputparameters": call.field("inputparameters")});
        let mut fields = output;
        // Some libraries echo the run, some the message alone.
        let id = if place % 2 == 0 { "executionid" } else { "qid" };
        fields[id] = call.field("executionid").clone();
        second.send(&Message::new("methodresult", fields)).await?;
    }
    for (number, run) in runs.into_iter().enumerate() {
        assert_eq!(run.await??, format!("run {number}"));
    }
    Ok(world.gateway.stop().await?)
}

// protocol 8-g, 8-i, 8-j and 8-u
#[tokio::test]
async fn a_run_goes_to_the_crm_without_a_tab_and_late_results_are_told_apart() -> TestResult {
    let world = World::new(CrmOptions::on_loopback(), |it| it).await?;
    let mut records = world.crm.received_from_now();
    let run = |timeout_ms: u64| {
        let admin = world.gateway.admin().clone();
        let body = json!({"userlogin": "anna", "inputparameters": {"text": "x"}, "timeout_ms": timeout_ms});
        tokio::spawn(async move { admin.run_method("ask", &body).await })
    };
    // The simulated CRM knows no such method, though it is declared.
    let failed = run(5000).await??;
    assert_eq!(failed.expect_status(502)?.json()?["error"], "failed");
    CrmHandle::wait_for(&mut records, "executemethod", SOON).await?;
    let mut tab = world.tab("anna", &["dynamic", "dynamicwaitabort"]).await?;
    let late = run(200);
    let call = tab.event("executemethod").await?;
    let aborted = tab.event("executemethodwaitaborted").await?;
    assert_eq!(aborted.text("executionid"), call.text("executionid"));
    late.await??.expect_status(504)?;
    let result = json!({"executionid": call.text("executionid"), "outputparameters": {}});
    assert_eq!(
        tab.request("methodresult", result.clone())
            .await?
            .field("result"),
        &json!(1)
    );
    assert_eq!(
        tab.request("methodresult", result).await?.field("error"),
        &json!(404)
    );
    // A scenario that goes away takes its run with it.
    let cancelled = run(20_000);
    let call = tab.event("executemethod").await?;
    let path = format!(
        "/api/v1/executions/{}",
        call.text("executionid").context("a run")?
    );
    world
        .gateway
        .admin()
        .delete(&path)
        .await?
        .expect_status(204)?;
    tab.event("cancelmethod").await?;
    cancelled.await??.expect_status(409)?;
    Ok(world.gateway.stop().await?)
}

// protocol 5-d, 5-g and 5-n
#[tokio::test]
async fn the_crm_subscribes_to_users_who_are_not_active_there_and_sends_them_into_the_call_centre()
-> TestResult {
    let world = World::new(
        CrmOptions::on_loopback().active_user("anna", "crm-7"),
        |it| it,
    )
    .await?;
    let subscribed = json!({"eventmethod": ["phoneevent"]});
    let told = world
        .crm
        .request("subscribeevent", subscribed, SOON)
        .await?;
    assert_eq!(told.field("result"), &json!(1));
    let mut records = world.crm.received_from_now();
    for (number, login) in [("102", "boris"), ("101", "anna")] {
        let chain = world
            .gateway
            .admin()
            .start_call(CALLER, number, json!({}))
            .await?;
        let ring = CrmHandle::wait_for(&mut records, "phoneevent_ringstarted", SOON).await?;
        assert_eq!(ring.text("userlogin"), Some(login));
        world.gateway.admin().hang_up_call(&chain).await?;
        CrmHandle::wait_for(&mut records, "phoneevent_ringstopped", SOON).await?;
    }
    for (method, is_in) in [("exitcallcenter", false), ("entercallcenter", true)] {
        let told = world
            .crm
            .request(method, json!({"userlogin": "anna"}), SOON)
            .await?;
        assert_eq!(
            (told.text("userid"), told.field("oncallcenter")),
            (Some("crm-7"), &json!(is_in))
        );
    }
    let told = world
        .crm
        .request("unsubscribeevent", json!({"event": "phoneevent"}), SOON)
        .await?;
    assert_eq!(told.field("result"), &json!(1));
    let mut tab = world.tab("boris", &["phoneevent"]).await?;
    world
        .gateway
        .admin()
        .start_call(CALLER, "102", json!({}))
        .await?;
    tab.event("phoneevent_ringstarted").await?;
    world.crm.request("ping", json!({}), SOON).await?;
    let rings = world.crm.records();
    let rings = rings.iter().filter_map(|record| record.received());
    assert_eq!(
        rings
            .filter(|message| message.name == "phoneevent_ringstarted")
            .count(),
        2
    );
    Ok(world.gateway.stop().await?)
}

/// What a form is counted as shows in the metrics and the status.
#[tokio::test]
async fn forms_are_counted_and_a_rule_that_cannot_open_its_form_too() -> TestResult {
    let world = World::new(CrmOptions::on_loopback(), |settings| {
        settings.push("form_rules", rule("nosuch = \"{callerid}\""))
    })
    .await?;
    let opened = world
        .open("anna", json!({}))
        .await?
        .expect_status(201)?
        .json()?;
    assert_eq!(opened["shown"], json!({"crm": false, "tabs": 0}));
    world
        .gateway
        .admin()
        .start_call(CALLER, "101", json!({}))
        .await?;
    let deadline = Instant::now() + SOON;
    let mut ticks = interval(POLL);
    loop {
        let status = world.gateway.admin().status().await?;
        if status["forms_refused"] == 1 {
            assert_eq!(
                (&status["forms_open"], &status["forms_opened"]),
                (&json!(1), &json!(1))
            );
            break;
        }
        ensure!(
            Instant::now() < deadline,
            "the rule's failure is counted: {status}"
        );
        ticks.tick().await;
    }
    let metrics = world.gateway.admin().metrics().await?;
    assert_eq!(
        metrics.sum("okgate_forms_total", &["what=\"refused\""]),
        Some(1.0)
    );
    Ok(world.gateway.stop().await?)
}
