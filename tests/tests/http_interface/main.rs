//! The HTTP interface for CRMs (protocol 10-a to 10-g), over real sockets, byte by byte as an HTTP client writes it.
#![forbid(unsafe_code)]

mod scripts;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use okgate_harness::Message;
use okgate_harness::gateway::{DEFAULT_PASSWORD, Gateway, Settings, User, user_id};
use okgate_harness::tab::{DEADLINE, Tab};
use okgate_tests::TestResult;
use okgate_tests::raw::{Answer, RawLink};
use serde_json::json;
use tokio::time::Instant;
use toml::Table;

/// Anna (101) and Boris (102), who work here, and the CRM's own user, who has the right to the interface.
fn settings() -> Settings {
    let sales = "number = \"201\"\nname = \"Sales & more\"\nkind = \"queue\"\nusers = [\"anna\"]";
    Settings::new()
        .user(User::new("anna").name("Анна"))
        .user(User::new("boris").name("Борис"))
        .user(User::new("crm"))
        .push("groups", sales.parse::<Table>().expect("TOML"))
        .set("web.users", vec!["crm".to_owned()])
        .set("pbx.sim.answer_after_ms", 600_000)
}

fn basic(login: &str, password: &str) -> String {
    let token = STANDARD.encode(format!("{login}:{password}"));
    format!("Authorization: Basic {token}\r\n")
}

/// What a request with these header lines is answered.
async fn ask(
    gateway: &Gateway,
    method: &str,
    target: &str,
    headers: &str,
) -> anyhow::Result<Answer> {
    let mut link = RawLink::connect(gateway.addresses().web).await?;
    let request = format!("{method} {target} HTTP/1.1\r\nHost: gate\r\n{headers}\r\n");
    link.ask(&request).await
}

/// What the CRM's user is answered to a GET.
async fn get(gateway: &Gateway, target: &str) -> anyhow::Result<Answer> {
    ask(gateway, "GET", target, &basic("crm", DEFAULT_PASSWORD)).await
}

/// The same, which must succeed; ids that change from run to run are left out.
async fn told(gateway: &Gateway, target: &str) -> anyhow::Result<String> {
    let answer = get(gateway, target).await?;
    anyhow::ensure!(answer.status == 200, "{target}: {answer:?}");
    Ok(without_ids(&answer.body))
}

/// The text with a line for each element, `[id]` for each GUID that is no user's, and talks without their first second.
fn without_ids(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(place) = rest.find("value=\"") {
        let (before, value) = rest.split_at(place + "value=\"".len());
        shown.push_str(before);
        let end = value.find('"').unwrap_or(value.len());
        let known = (1..=3).any(|user| user_id(user) == value[..end]);
        let is_id = end == 36 && !known && value[..end].matches('-').count() == 4;
        shown.push_str(if is_id { "[id]" } else { &value[..end] });
        rest = &value[end..];
    }
    shown.push_str(rest);
    // How long a talk lasts is not the same in every run.
    let second = "\"timertalklensec\" value=\"1\"";
    shown
        .replace(second, &second.replace('1', "0"))
        .replace("><", ">\n<")
}

/// How often a limit was met, as the metrics say once they say it.
async fn is_counted(gateway: &Gateway, reason: &str) -> TestResult {
    let label = format!("reason=\"{reason}\"");
    let deadline = Instant::now() + DEADLINE;
    loop {
        let metrics = gateway.admin().metrics().await?;
        let count = metrics.sum("okgate_refusals_total", &[&label]);
        if count.with_context(|| format!("no metric {reason}"))? > 0.0 {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "{reason} was not counted");
    }
}

async fn temp_password(tab: &mut Tab, respond: bool) -> anyhow::Result<String> {
    let answer = tab
        .request_ok("gettemphttppass", json!({"responsetowebsock": respond}))
        .await?;
    Ok(answer.text("password").context("a password")?.to_owned())
}

// protocol 10-a and 10-q
#[tokio::test]
async fn without_credentials_there_is_a_challenge_and_without_the_right_a_refusal() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let target = "/tst_getuserstate?iduser=anna";
    for headers in [
        String::new(),
        basic("crm", "wrong"),
        basic("nobody", DEFAULT_PASSWORD),
        "Authorization: Basic %%%\r\n".to_owned(),
        "Authorization: Bearer x\r\n".to_owned(),
    ] {
        let answer = ask(&gateway, "GET", target, &headers).await?;
        assert_eq!(answer.status, 401, "{headers}");
        let challenge = Some("Basic realm=\"okgate\", charset=\"UTF-8\"");
        assert_eq!(answer.header("www-authenticate"), challenge);
        // Nothing of the call is looked at before.
        let answer = ask(&gateway, "GET", "/callto?async=maybe", &headers).await?;
        assert_eq!(answer.status, 401, "{headers}");
    }
    let refused = ask(&gateway, "GET", target, &basic("anna", DEFAULT_PASSWORD)).await?;
    assert_eq!(
        (refused.status, refused.header("www-authenticate")),
        (403, None)
    );
    insta::assert_snapshot!(without_ids(&refused.body));
    let answer = get(&gateway, target).await?;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/xml; charset=utf-8")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("access-control-allow-origin"), None);
    is_counted(&gateway, "interface_login").await?;
    is_counted(&gateway, "interface_right").await?;
    assert!(
        !gateway.log().contains(DEFAULT_PASSWORD),
        "secrets are not logged"
    );
    Ok(gateway.stop().await?)
}

// protocol 10-o
#[tokio::test]
async fn whoever_guesses_passwords_is_told_to_wait() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let target = "/tst_getuserstate?iduser=anna";
    let mut refused = None;
    // Ten at once, and one more a second.
    for attempt in 0..200 {
        let password = format!("guess{attempt}");
        let answer = ask(&gateway, "GET", target, &basic("crm", &password)).await?;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 401);
    }
    let refused = refused.context("nobody was told to wait")?;
    assert_eq!(refused.header("retry-after"), Some("1"));
    is_counted(&gateway, "interface_failures").await?;
    Ok(gateway.stop().await?)
}

// protocol 10-d, 10-n and 10-q
#[tokio::test]
async fn the_crm_calls_for_an_operator_whose_tab_sees_it_as_if_it_had_called_itself() -> TestResult
{
    let gateway = Gateway::start(settings()).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let mut boris = gateway.logged_in("boris").await?;
    anna.subscribe(&["phoneevent", "linestatechanged"]).await?;
    boris.subscribe(&["phoneevent"]).await?;
    let idle = told(&gateway, "/wp_getabonentinfo?user=anna").await?;
    insta::assert_snapshot!("idle", idle);
    // A doubled & is tolerated; the number may stand in the form.
    let headers = basic("crm", DEFAULT_PASSWORD)
        + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\nnumber=102";
    let mut link = RawLink::connect(gateway.addresses().web).await?;
    let request =
        format!("POST /callto?user=anna&&sequence=user HTTP/1.1\r\nHost: gate\r\n{headers}");
    let called = link.ask(&request).await?;
    assert_eq!(called.status, 200, "{called:?}");
    insta::assert_snapshot!("done", without_ids(&called.body));
    // Her own phone rings first, as when she calls herself.
    anna.event("phoneevent_ringstarted").await?;
    anna.request_ok("pbxanswercall", json!({})).await?;
    boris.event("phoneevent_ringstarted").await?;
    boris.request_ok("pbxanswercall", json!({})).await?;
    anna.event("phoneevent_commstarted").await?;
    let talks = told(&gateway, "/wp_getabonentinfo?line=101").await?;
    insta::assert_snapshot!("talks", talks);
    let content = told(&gateway, "/wp_getchaincontent?wp=101").await?;
    insta::assert_snapshot!("content", content);

    // Held, taken back, and passed on to an outside number.
    told(&gateway, "/wp_flash?user=anna").await?;
    let held = told(&gateway, "/wp_getabonentinfo?user=anna").await?;
    assert!(held.contains("key=\"isflashing\" value=\"1\""), "{held}");
    told(&gateway, "/wp_flash?user=anna").await?;
    told(&gateway, "/wp_switchcall?user=anna&number=89274513158").await?;
    let free = told(&gateway, "/wp_getabonentinfo?user=anna").await?;
    assert!(free.contains("lsHookDown"), "{free}");

    told(&gateway, "/callto?user=anna&number=89274513159").await?;
    told(&gateway, "/wp_autocallstop?user=anna").await?;
    let nothing = get(&gateway, "/wp_flash?user=anna&mode=abort").await?;
    assert_eq!(nothing.status, 409, "{nothing:?}");
    for (target, status) in [
        ("/callto?number=102", 422),
        ("/callto?user=anna", 422),
        ("/callto?user=anna&line=102&number=5", 422),
        ("/callto?user=nobody&number=5", 404),
        ("/callto?line=201&number=5", 404),
        ("/wp_getchaincontent?user=anna&chainid=5", 422),
        ("/callto?user=%FF&number=5", 400),
    ] {
        assert_eq!(get(&gateway, target).await?.status, status, "{target}");
    }
    Ok(gateway.stop().await?)
}

// protocol 10-e and 10-n
#[tokio::test]
async fn the_state_of_a_user_is_told_by_number_and_name() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let gone = told(&gateway, "/tst_getuserstate?iduser=anna").await?;
    assert!(
        gone.contains("key=\"state\" value=\"0\" name=\"usDisconnected\""),
        "{gone}"
    );
    let _anna = gateway.logged_in("anna").await?;
    let ready = told(
        &gateway,
        &format!("/tst_getuserstate?iduser={}", user_id(1)),
    )
    .await?;
    insta::assert_snapshot!(ready);
    Ok(gateway.stop().await?)
}

// protocol 10-f and 10-q
#[tokio::test]
async fn queues_are_told_with_those_who_wait_in_them() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let busy = json!({"userstateid": 3});
    anna.request_ok("setuserstate", busy).await?;
    let admin = gateway.admin();
    admin
        .start_call("89270000001", "201", json!({"name": "Иван <&>"}))
        .await?;
    let queues = told(&gateway, "/getqueues").await?;
    insta::assert_snapshot!(queues);
    assert_eq!(
        told(&gateway, "/getqueues?queue=201&user=anna").await?,
        queues
    );
    let none = told(&gateway, "/getqueues?user=boris").await?;
    assert!(none.contains("name=\"queues\" count=\"0\""), "{none}");
    assert_eq!(get(&gateway, "/getqueues?queue=101").await?.status, 404);
    Ok(gateway.stop().await?)
}

// protocol 10-g and 10-p
#[tokio::test]
async fn a_link_to_a_recording_leads_to_a_clear_answer() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let link = "/downloadrecordbylink?recordlink=0123456789abcdef0123456789abcdef";
    let nothing = get(&gateway, link).await?;
    assert_eq!(nothing.status, 404);
    insta::assert_snapshot!(without_ids(&nothing.body));
    for no_link in ["", "?recordlink=", "?recordlink=../../etc/passwd"] {
        let answer = get(&gateway, &format!("/downloadrecordbylink{no_link}")).await?;
        assert_eq!(answer.status, 422, "{no_link}");
    }
    Ok(gateway.stop().await?)
}

// protocol 6.7-d, 7-o, 10-h and 10-n
#[tokio::test]
async fn a_page_asks_with_a_one_use_password_and_gets_a_copy_over_its_link() -> TestResult {
    let gateway = Gateway::start(settings()).await?;
    let mut anna = gateway.logged_in("anna").await?;
    let version = anna.request_ok("getversion", json!({})).await?;
    let port = gateway.addresses().web.port();
    assert_eq!(version.field("version")["webserverport"], json!(port));
    let temp = temp_password(&mut anna, true).await?;
    let target = format!("/tst_getuserstate?temppass={temp}&&");
    // A page of another site may, with such a password.
    let foreign = "Sec-Fetch-Site: cross-site\r\n";
    let answer = ask(&gateway, "GET", &target, foreign).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    let copy: Message = anna.event("httpresponsecopy").await?;
    assert_eq!(copy.text("response"), Some("200 OK"));
    assert_eq!(copy.text("content"), Some(answer.body.as_str()));
    assert_eq!(ask(&gateway, "GET", &target, "").await?.status, 401, "once");
    let temp = temp_password(&mut anna, false).await?;
    let other = format!("/tst_getuserstate?iduser=boris&temppass={temp}");
    assert_eq!(
        ask(&gateway, "GET", &other, "").await?.status,
        403,
        "for herself"
    );
    let known = basic("crm", DEFAULT_PASSWORD) + foreign;
    let called = ask(&gateway, "GET", "/callto?user=anna&number=5", &known).await?;
    assert_eq!(
        called.status, 403,
        "the browser's password is not the page's"
    );
    Ok(gateway.stop().await?)
}

// protocol 10-o
#[tokio::test]
async fn other_methods_and_too_long_forms_are_refused() -> TestResult {
    let gateway = Gateway::start(settings().set("web.form_bytes_max", 1024)).await?;
    let known = basic("crm", DEFAULT_PASSWORD);
    for (method, target, allow) in [
        ("PATCH", "/callto", "GET, POST"),
        ("DELETE", "/execsvcscript", "GET, POST"),
        ("PUT", "/getqueues", "GET, HEAD, POST"),
    ] {
        let answer = ask(&gateway, method, target, &known).await?;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)));
    }
    let mut link = RawLink::connect(gateway.addresses().web).await?;
    let long = "a=".to_owned() + &"x".repeat(1100);
    let answer = link
        .ask(&format!(
            "POST /getqueues HTTP/1.1\r\nHost: gate\r\n{known}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{long}",
            long.len()
        ))
        .await?;
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("web.form_bytes_max"), "{answer:?}");
    Ok(gateway.stop().await?)
}
