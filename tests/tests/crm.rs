//! The CRM's link in mode `ws-out` with a simulated CRM in this process: introduction, catalogues, events of its users,
//! dynamic methods, the caller's name, and restoring after a loss.
#![forbid(unsafe_code)]

use std::time::Duration;

use anyhow::Context as _;
use okgate_harness::Message;
use okgate_harness::admin::AdminAnswer;
use okgate_harness::crm::{
    CrmHandle, CrmOptions, CrmRecord, CrmSeen, Introduce, SimulatedCrm, SubprotocolAnswer,
};
use okgate_harness::gateway::{DEFAULT_PASSWORD, Gateway, Settings, User};
use okgate_harness::journal::Reader;
use okgate_harness::tab::{Seen, Tab};
use okgate_tests::{TestResult, number_state};
use serde_json::{Value, json};
use tokio::time::Instant;

const CALLER: &str = "89274513158";
const NAME: &str = "Иван Петров";
const SOON: Duration = Duration::from_secs(10);
/// The longest pause between two tries to link the CRM, and some time to make the link.
const LINK_MAX: Duration = Duration::from_secs(40);

fn settings(crm: &CrmHandle) -> Settings {
    Settings::new()
        .user(User::new("anna"))
        .user(User::new("boris"))
        .crm_ws_out(crm.address())
}

/// A gateway whose CRM's link is ready.
async fn linked(settings: Settings) -> anyhow::Result<Gateway> {
    let gateway = Gateway::start(settings).await?;
    wait_for_link(&gateway, true, SOON).await?;
    Ok(gateway)
}

async fn wait_for_link(gateway: &Gateway, is_wanted: bool, within: Duration) -> TestResult {
    let is_it = |crm: &Value| (crm["state"] == "ready") == is_wanted;
    Ok(gateway.until_crm(within, is_it).await.map(drop)?)
}

/// The names of the first messages that the CRM got.
async fn first_messages(
    reader: &mut Reader<CrmRecord>,
    count: usize,
) -> anyhow::Result<Vec<Message>> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let record = reader.next(SOON).await;
        let record = record.with_context(|| format!("only {messages:?} came"))?;
        messages.extend(record.received().cloned());
    }
    Ok(messages)
}

// protocol 2-c, 4-a, 4-b, 4-d, 2.2-i, 8-a, 8-b, 3.3-h and 5-c
#[tokio::test]
async fn the_gateway_introduces_itself_and_then_asks_what_the_crm_can_do() -> TestResult {
    let mut options = CrmOptions::on_loopback();
    options.multipart_catalogue = true;
    let crm = SimulatedCrm::start(options).await?;
    let gateway = linked(settings(&crm)).await?;
    let mut records = crm.received();
    let up = records.next(SOON).await.context("a link")?;
    assert_eq!(up.what, CrmSeen::LinkUp(Some("json".into())));
    let messages = first_messages(&mut records, 4).await?;
    let names: Vec<&str> = messages
        .iter()
        .map(|message| message.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "whoareyou",
            "getavailablemethods",
            "getavailableforms",
            "getactiveusers"
        ]
    );
    let introduction = &messages[0];
    let field = |key: &str| introduction.field(key).clone();
    assert_eq!(
        (field("type"), field("name")),
        (json!("commserver"), json!("Oktell"))
    );
    assert_eq!(introduction.text("build"), Some("2.13.0.160101"));
    assert!(messages.iter().all(|message| message.qid().is_some()));
    let keys = |list: Value| -> Vec<String> {
        let entries = list.as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .filter_map(|entry| Some(entry["key"].as_str()?.to_owned()))
            .collect()
    };
    let mut methods = keys(gateway.admin().get("/api/v1/methods").await?.json()?);
    methods.sort();
    assert_eq!(methods, ["callername", "echo", "fail", "slow"]);
    assert_eq!(
        keys(gateway.admin().get("/api/v1/forms").await?.json()?),
        ["callercard"]
    );
    Ok(gateway.stop().await?)
}

// protocol 4-a, 4-e, 2.2-j and 2.2-k
#[tokio::test]
async fn a_crm_may_introduce_itself_first_or_never_and_need_not_name_the_subprotocol() -> TestResult
{
    for introduce in [Introduce::First, Introduce::Never] {
        let mut options = CrmOptions::on_loopback();
        options.introduce = introduce;
        options.subprotocol = SubprotocolAnswer::Nothing;
        let crm = SimulatedCrm::start(options).await?;
        let gateway = linked(settings(&crm)).await?;
        if introduce == Introduce::First {
            let answer = CrmHandle::wait_for(&mut crm.received(), "iam", SOON).await?;
            assert_eq!(answer.text("type"), Some("commserver"));
        }
        CrmHandle::wait_for(&mut crm.received(), "getavailablemethods", SOON).await?;
        gateway.stop().await?;
    }
    let mut options = CrmOptions::on_loopback();
    options.subprotocol = SubprotocolAnswer::Token("xml".into());
    let crm = SimulatedCrm::start(options).await?;
    let gateway = Gateway::start(settings(&crm)).await?;
    let down = |record: &CrmRecord| matches!(record.what, CrmSeen::LinkDown(_));
    let refused = crm.received().find(SOON, down).await;
    assert!(
        refused.is_ok(),
        "a link with another subprotocol is refused"
    );
    wait_for_link(&gateway, false, SOON).await?;
    assert!(
        crm.records()
            .iter()
            .all(|record| record.received().is_none())
    );
    Ok(gateway.stop().await?)
}

// protocol 5-c, 5-g, 5-i, 5-k, 7-v and 6.6-e
#[tokio::test]
async fn the_crm_gets_the_events_of_its_active_users_with_its_own_ids() -> TestResult {
    let crm = SimulatedCrm::start(CrmOptions::on_loopback().active_user("anna", "crm-7")).await?;
    let gateway = linked(settings(&crm)).await?;
    CrmHandle::wait_for(&mut crm.received(), "getactiveusers", SOON).await?;
    // Its answer is in when a request behind it has been answered.
    crm.request("ping", json!({}), SOON).await?;
    let mut records = crm.received_from_now();
    for number in ["102", "101"] {
        let chain = gateway
            .admin()
            .start_call(CALLER, number, json!({"answer_after_ms": 0}))
            .await?;
        gateway.admin().hang_up_call(&chain).await?;
    }
    let is_last = |record: &CrmRecord| {
        let message = record.received();
        message.is_some_and(|message| message.text("linestatestr") == Some("lsHookDown"))
    };
    let mut seen = Vec::new();
    loop {
        let record = records
            .next(SOON)
            .await
            .with_context(|| format!("after {seen:?}"))?;
        seen.extend(record.received().cloned());
        if is_last(&record) {
            break;
        }
    }
    let (numbers, of_users): (Vec<_>, Vec<_>) = seen
        .into_iter()
        .partition(|message| message.name == "pbxnumberstatechanged");
    assert!(
        !numbers.is_empty()
            && numbers
                .iter()
                .all(|message| message.field("userlogin").is_null())
    );
    for event in &of_users {
        let user = (event.text("userlogin"), event.text("userid"));
        assert_eq!(user, (Some("anna"), Some("crm-7")), "{}", event.to_text());
    }
    let names: Vec<&str> = of_users
        .iter()
        .map(|message| message.name.as_str())
        .collect();
    assert_eq!(names.first(), Some(&"userstatechanged"));
    assert_eq!(names.get(1), Some(&"phoneevent_ringstarted"));
    assert_eq!(names.last(), Some(&"linestatechanged"));
    Ok(gateway.stop().await?)
}

// protocol 5-a, 5-b, 5-f, 5-h, 5-i, 5-j, 5-l and 5-m
#[tokio::test]
async fn the_crm_speaks_in_the_name_of_its_users() -> TestResult {
    let crm = SimulatedCrm::start(CrmOptions::on_loopback()).await?;
    let gateway = linked(settings(&crm)).await?;
    // The list of who is active, which is empty, comes before the login and not behind it.
    CrmHandle::wait_for(&mut crm.received(), "getactiveusers", SOON).await?;
    let anna = json!({"userlogin": "anna", "userid": "crm-7"});
    let login = crm.request("login", anna.clone(), SOON).await?;
    assert!(
        login.name == "loginresult" && login.succeeded(),
        "{}",
        login.to_text()
    );
    let state = crm.request("getuserstate", anna.clone(), SOON).await?;
    assert_eq!(state.name, "getuserstateresult");
    assert_eq!(state.field("userstateid"), &json!(1));
    assert_eq!(
        (state.text("userlogin"), state.text("userid")),
        (Some("anna"), Some("crm-7"))
    );
    let numbers = crm
        .request(
            "getpbxnumbers",
            json!({"userlogin": "", "userid": ""}),
            SOON,
        )
        .await?;
    assert_eq!(numbers.field("numbers").as_array().map(Vec::len), Some(2));
    let mut records = crm.received_from_now();
    let chain = gateway.admin().start_call(CALLER, "101", json!({})).await?;
    let ring = CrmHandle::wait_for(&mut records, "phoneevent_ringstarted", SOON).await?;
    assert_eq!(ring.text("userid"), Some("crm-7"));
    gateway.admin().hang_up_call(&chain).await?;
    CrmHandle::wait_for(&mut records, "phoneevent_ringstopped", SOON).await?;
    assert!(crm.request("logout", anna.clone(), SOON).await?.succeeded());
    let state = crm.request("getuserstate", anna, SOON).await?;
    assert_eq!(state.field("userstateid"), &json!(0));
    let stranger = json!({"userlogin": "zoe"});
    let login = crm.request("login", stranger.clone(), SOON).await?;
    assert!(login.succeeded(), "{}", login.to_text());
    let state = crm.request("getuserstate", stranger, SOON).await?;
    assert_eq!(state.field("error"), &json!(404));
    let mut records = crm.received_from_now();
    let chain = gateway.admin().start_call(CALLER, "101", json!({})).await?;
    gateway.admin().hang_up_call(&chain).await?;
    // The events would have come before the answer.
    crm.request("ping", json!({}), SOON).await?;
    while let Some(record) = records.try_next() {
        let name = record
            .received()
            .map_or("", |message| message.name.as_str());
        assert!(!name.starts_with("phoneevent"), "{name} after the logout");
    }
    Ok(gateway.stop().await?)
}

// protocol 9-l
#[tokio::test]
async fn a_gateway_that_goes_down_closes_the_crms_link_last_with_1001() -> TestResult {
    let crm = SimulatedCrm::start(CrmOptions::on_loopback().active_user("anna", "crm-7")).await?;
    let gateway = linked(settings(&crm)).await?;
    let tab = gateway.logged_in("boris").await?;
    gateway.stop().await?;
    assert_eq!(tab.closed().await?.code, Some(1001));
    let is_down = |record: &CrmRecord| matches!(record.what, CrmSeen::LinkDown(_));
    let down = crm.received().find(SOON, is_down).await;
    let down = down.map_err(|seen| anyhow::anyhow!("the link is not down: {seen:?}"))?;
    assert!(
        matches!(&down.what, CrmSeen::LinkDown(how) if how.contains("1001")),
        "{down:?}"
    );
    Ok(())
}

/// The status and the `error` of an answer.
fn fault(answer: &AdminAnswer) -> anyhow::Result<(u16, String)> {
    let error = answer.json()?["error"]
        .as_str()
        .context("an error")?
        .to_owned();
    Ok((answer.status, error))
}

// protocol 8-d, 8-e, 8-h, 8-i, 8-k, 6.7-e and 7-r
#[tokio::test]
async fn dynamic_methods_run_with_every_ending() -> TestResult {
    let mut options = CrmOptions::on_loopback().caller(CALLER, NAME);
    options.method_delay = Duration::from_secs(20);
    let crm = SimulatedCrm::start(options).await?;
    let gateway = linked(settings(&crm)).await?;
    let admin = gateway.admin();
    let run = |key: &'static str, body: Value| {
        let admin = admin.clone();
        async move { admin.run_method(key, &body).await }
    };
    let good = run(
        "callername",
        json!({"inputparameters": {"callerid": CALLER}}),
    )
    .await?
    .expect_status(200)?;
    assert_eq!(good.json()?["outputparameters"], json!({"name": NAME}));
    let id = good.json()?["executionid"]
        .as_str()
        .context("an executionid")?
        .to_owned();
    let asked = CrmHandle::wait_for(&mut crm.received(), "executemethod", SOON).await?;
    assert_eq!(asked.text("executionid"), Some(id.as_str()));
    assert_eq!(asked.text("methodkey"), Some("callername"));
    let long = json!({"inputparameters": {"callerid": "ы".repeat(3_000)}});
    let long = run("callername", long).await?.expect_status(200)?;
    assert_eq!(long.json()?["outputparameters"], json!({"name": ""}));
    let unknown = run("nosuchmethod", json!({"inputparameters": {}})).await?;
    assert_eq!(fault(&unknown)?, (404, "not_found".into()));
    let wrong = run(
        "callername",
        json!({"inputparameters": {"callerid": {"a": 1}}}),
    )
    .await?;
    assert_eq!(fault(&wrong)?.0, 422);
    let failed = run("fail", json!({"inputparameters": {}})).await?;
    assert_eq!(fault(&failed)?.0, 502);
    let mut records = crm.received_from_now();
    let late = run(
        "slow",
        json!({"inputparameters": {"text": "x"}, "timeout_ms": 200}),
    )
    .await?;
    assert_eq!(fault(&late)?, (504, "timeout".into()));
    let aborted = CrmHandle::wait_for(&mut records, "executemethodwaitaborted", SOON).await?;
    assert!(aborted.field("waitresponsems").is_u64());
    // A run that is under way when the link is lost fails at once, and so does one without a link.
    let under_way = tokio::spawn(run(
        "slow",
        json!({"inputparameters": {"text": "y"}, "timeout_ms": 15_000}),
    ));
    CrmHandle::wait_for(&mut records, "executemethod", SOON).await?;
    let lost_at = Instant::now();
    crm.stop().await;
    assert_eq!(fault(&under_way.await??)?, (503, "unavailable".into()));
    assert!(lost_at.elapsed() < Duration::from_secs(5));
    let without = run(
        "callername",
        json!({"inputparameters": {"callerid": CALLER}}),
    )
    .await?;
    assert_eq!(fault(&without)?, (503, "unavailable".into()));
    Ok(gateway.stop().await?)
}

// protocol 7-e, 6.5-b and 8-h
#[tokio::test]
async fn the_callers_name_comes_from_the_crm_and_nobody_waits_for_a_dead_one() -> TestResult {
    let crm = SimulatedCrm::start(CrmOptions::on_loopback().caller(CALLER, NAME)).await?;
    let gateway = linked(settings(&crm).caller_name("callername", 2_000)).await?;
    let mut tab = gateway.logged_in("anna").await?;
    tab.subscribe(&["phoneevent"]).await?;
    for (number, name) in [(CALLER, NAME), ("84950000000", "")] {
        let chain = gateway.admin().start_call(number, "101", json!({})).await?;
        let ring = tab.event("phoneevent_ringstarted").await?;
        assert_eq!(
            (ring.text("callerid"), ring.text("callername")),
            (Some(number), Some(name))
        );
        let line = tab.request_ok("getextendedlineinfo", json!({})).await?;
        let shown = line.field("abonent")["name"].as_str().unwrap_or_default();
        assert_eq!(shown, name);
        gateway.admin().hang_up_call(&chain).await?;
        tab.event("phoneevent_ringstopped").await?;
    }
    crm.stop().await;
    wait_for_link(&gateway, false, SOON).await?;
    let called_at = Instant::now();
    gateway.admin().start_call(CALLER, "101", json!({})).await?;
    let ring = tab.event("phoneevent_ringstarted").await?;
    assert_eq!(ring.text("callername"), Some(""));
    assert!(
        called_at.elapsed() < Duration::from_secs(2),
        "without a link nothing is waited for"
    );
    Ok(gateway.stop().await?)
}

// protocol 8-h
#[tokio::test]
async fn a_call_rings_without_a_name_when_the_crm_is_too_slow() -> TestResult {
    let mut options = CrmOptions::on_loopback();
    options.method_delay = Duration::from_secs(60);
    let crm = SimulatedCrm::start(options).await?;
    let settings = settings(&crm)
        .caller_name("slow", 300)
        .set("crm.caller_name.input", "text")
        .set("crm.caller_name.output", "text");
    let gateway = linked(settings).await?;
    let mut tab = gateway.logged_in("anna").await?;
    tab.subscribe(&["phoneevent"]).await?;
    let called_at = Instant::now();
    gateway.admin().start_call(CALLER, "101", json!({})).await?;
    let ring = tab.event("phoneevent_ringstarted").await?;
    assert_eq!(ring.text("callername"), Some(""));
    let after = called_at.elapsed();
    assert!(
        after > Duration::from_millis(250) && after < Duration::from_secs(5),
        "{after:?}"
    );
    Ok(gateway.stop().await?)
}

/// How often the CRM is killed.
const RESTARTS: usize = 10;
/// Pings of one measurement.
const PINGS: usize = 400;

// protocol 2-c, 2-g and 2-h
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crm_killed_ten_times_is_linked_again_and_the_tabs_do_not_notice() -> TestResult {
    let crm = SimulatedCrm::start(CrmOptions::on_loopback()).await?;
    let gateway = linked(settings(&crm).without_load_limits()).await?;
    let mut options = CrmOptions::new(crm.address());
    options.callers.insert(CALLER.to_owned(), NAME.to_owned());
    let mut tabs = Vec::new();
    for login in ["anna", "anna", "boris", "boris"] {
        let mut tab = gateway.logged_in(login).await?;
        tab.opening_sequence(login, DEFAULT_PASSWORD).await?;
        tabs.push(tab);
    }
    settle_numbers(&mut tabs).await?;
    let events_before: Vec<usize> = tabs.iter().map(|tab| tab.events_so_far().len()).collect();
    let (mut calm, mut disturbed, mut returns) = (Vec::new(), Vec::new(), Vec::new());
    let mut crm = crm;
    for round in 1..=RESTARTS {
        calm.push(ping_p99(&mut tabs).await?);
        let killed_at = Instant::now();
        crm.stop().await;
        disturbed.push(ping_p99(&mut tabs).await?);
        crm = SimulatedCrm::start(options.clone()).await?;
        wait_for_link(&gateway, true, LINK_MAX)
            .await
            .context(format!("after loss {round}"))?;
        returns.push(killed_at.elapsed());
        let run = json!({"inputparameters": {"callerid": CALLER}});
        gateway
            .admin()
            .run_method("callername", &run)
            .await?
            .expect_status(200)?;
    }
    for (tab, before) in tabs.iter_mut().zip(events_before) {
        tab.request_ok("getuserstate", json!({})).await?;
        assert_eq!(
            tab.events_so_far().len(),
            before,
            "{:?}",
            tab.events_so_far().last()
        );
        let mut entries = tab.received();
        let is_close = |what: &Seen| {
            matches!(
                what,
                Seen::Closed(_) | Seen::Unasked(_) | Seen::Malformed(_)
            )
        };
        while let Some(entry) = entries.try_next() {
            assert!(!is_close(&entry.what), "{entry:?}");
        }
    }
    let losses = gateway
        .admin()
        .metrics()
        .await?
        .sum("okgate_crm_losses_total", &[]);
    assert_eq!(losses, Some(10.0));
    let (calm, disturbed) = (median(calm), median(disturbed));
    let ratio = disturbed.as_secs_f64() / calm.as_secs_f64();
    println!(
        "ping p99, median of {RESTARTS} rounds: {calm:?} calm, {disturbed:?} with the CRM gone, ratio {ratio:.2}"
    );
    println!("the link was back after {returns:?}");
    // The aim is 1.2, on a machine of its own; a busy one needs room for its noise.
    assert!(
        ratio < 2.0,
        "ping suffers from the CRM's loss: {calm:?} became {disturbed:?}"
    );
    Ok(gateway.stop().await?)
}

/// Makes sure that every tab has been told all that the logins did to the numbers' states.
async fn settle_numbers(tabs: &mut [Tab]) -> TestResult {
    for state in [3, 1] {
        tabs[0]
            .request_ok("setuserstate", json!({"userstateid": state}))
            .await?;
        for tab in &mut *tabs {
            number_state(tab, "101", state).await?;
        }
    }
    Ok(())
}

/// The 99th percentile of pings that go round the tabs, one at a time.
async fn ping_p99(tabs: &mut [Tab]) -> anyhow::Result<Duration> {
    let mut times = Vec::with_capacity(PINGS);
    for turn in 0..PINGS {
        let index = turn % tabs.len();
        let sent_at = Instant::now();
        tabs[index].settle().await?;
        times.push(sent_at.elapsed());
    }
    times.sort_unstable();
    Ok(times[PINGS * 99 / 100])
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values[values.len() / 2]
}
