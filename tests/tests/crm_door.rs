//! A CRM that connects to the gateway, on real sockets: who proves a login and who does not, one CRM at a time, and settings
//! that change while tabs are there.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use okgate_harness::auth::{Algorithm, Credentials, Proof};
use okgate_harness::crm::{CrmOptions, SimulatedCrm};
use okgate_harness::gateway::{Gateway, Settings, free_addresses};
use okgate_tests::TestResult;
use okgate_tests::link::{crm_status, until_crm, until_logged};
use okgate_tests::raw::{Answer, FINAL, PING, PONG, RawLink, request_head};
use serde_json::Value;
use tokio::time::{Instant, interval, timeout};

const LOGIN: &str = "crm";
const PASSWORD: &str = "secret";
const SOON: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A gateway that waits for its CRM here.
async fn waiting(auth: &str, more: &[(&str, i64)]) -> anyhow::Result<(Gateway, SocketAddr)> {
    let [listen] = free_addresses()?;
    let mut settings = incoming(listen, auth);
    for (key, value) in more {
        settings = settings.set(key, *value);
    }
    Ok((Gateway::start(settings).await?, listen))
}

fn incoming(listen: SocketAddr, auth: &str) -> Settings {
    let settings = Settings::new()
        .users(2)
        .set("crm.mode", "ws-in")
        .set("crm.listen", listen.to_string())
        .set("crm.auth", auth);
    if auth == "none" {
        return settings;
    }
    settings.set("crm.credentials", format!("{LOGIN}:{PASSWORD}"))
}

/// Asks for an upgrade with this `Authorization`.
async fn knock(address: SocketAddr, authorization: Option<&str>) -> anyhow::Result<Answer> {
    Ok(knock_and_stay(address, authorization).await?.1)
}

async fn knock_and_stay(
    address: SocketAddr,
    authorization: Option<&str>,
) -> anyhow::Result<(RawLink, Answer)> {
    let said = authorization.map(|value| format!("Authorization: {value}\r\n"));
    let lines = said.unwrap_or_default() + "Sec-WebSocket-Protocol: json\r\n";
    let mut link = RawLink::connect(address).await?;
    let answer = link.ask(&(request_head("13", &lines) + "\r\n")).await?;
    Ok((link, answer))
}

/// A challenge of the gateway, taken apart.
struct Challenge {
    nonce: String,
    is_stale: bool,
}

fn challenge(answer: &Answer, algorithm: &str) -> anyhow::Result<Challenge> {
    let mut challenges = answer.headers.iter();
    let (_, value) = challenges
        .find(|(name, value)| {
            name == "www-authenticate" && value.contains(&format!("algorithm={algorithm}"))
        })
        .with_context(|| format!("no challenge for {algorithm} in {answer:?}"))?;
    let nonce = value.split("nonce=\"").nth(1);
    let nonce = nonce.and_then(|rest| rest.split('"').next());
    Ok(Challenge {
        nonce: nonce.context("a nonce")?.to_owned(),
        is_stale: value.contains("stale=true"),
    })
}

fn digest(nonce: &str, count: u32, login: &str, password: &str, realm: &str) -> String {
    let count = format!("{count:08x}");
    let proof = Proof {
        algorithm: Algorithm::Sha256,
        realm,
        nonce,
        count: &count,
        client_nonce: "0a4f113b",
        method: "GET",
        uri: "/",
    };
    proof.authorization(&Credentials::new(login, password))
}

// protocol 2.2-l
#[tokio::test]
async fn without_authentication_whoever_comes_is_let_in() -> TestResult {
    let (gateway, address) = waiting("none", &[]).await?;
    for authorization in [None, Some("Basic Y3JtOnNlY3JldA=="), Some("rubbish")] {
        let (link, answer) = knock_and_stay(address, authorization).await?;
        assert_eq!(answer.status, 101, "{authorization:?}");
        drop(link);
        until_crm(&gateway, |crm| crm["state"] == "listening").await?;
    }
    Ok(gateway.stop().await?)
}

// protocol 2.2-l, 2.2-m
#[tokio::test]
async fn basic_credentials_must_be_right_and_readable() -> TestResult {
    let (gateway, address) = waiting("basic", &[]).await?;
    let basic = |login: &str, password: &str| Credentials::new(login, password).basic();
    let (wrong_login, wrong_password) = (basic("CRM", PASSWORD), basic(LOGIN, "Secret"));
    for (what, value) in [
        ("no header", None),
        ("wrong login", Some(wrong_login.as_str())),
        ("wrong password", Some(wrong_password.as_str())),
        ("malformed", Some("Basic !!!")),
        ("no colon", Some("Basic Y3Jt")),
        ("another scheme", Some("Bearer Y3JtOnNlY3JldA==")),
    ] {
        let answer = knock(address, value).await?;
        assert_eq!(answer.status, 401, "{what}");
        let challenge = answer.header("www-authenticate").context("a challenge")?;
        assert!(challenge.starts_with("Basic realm="), "{what}: {challenge}");
        assert_eq!(answer.header("connection"), Some("close"), "{what}");
    }
    let answer = knock(address, Some(&basic(LOGIN, PASSWORD))).await?;
    assert_eq!(answer.status, 101);
    assert_eq!(crm_status(&gateway).await?["unauthenticated"], 6);
    let log = gateway.log();
    assert!(!log.contains(PASSWORD) && !log.contains("Y3Jt"), "{log}");
    Ok(gateway.stop().await?)
}

// protocol 2.2-l, 2.2-m
#[tokio::test]
async fn digest_credentials_must_be_right_fresh_and_for_this_realm() -> TestResult {
    let (gateway, address) = waiting("digest", &[]).await?;
    let nonce = challenge(&knock(address, None).await?, "SHA-256")?.nonce;
    let realm = "okgate";
    for (what, value) in [
        ("wrong login", digest(&nonce, 1, "CRM", PASSWORD, realm)),
        ("wrong password", digest(&nonce, 1, LOGIN, "Secret", realm)),
        ("other realm", digest(&nonce, 1, LOGIN, PASSWORD, "other")),
        ("malformed", "Digest username=\"crm".to_owned()),
        ("Basic", Credentials::new(LOGIN, PASSWORD).basic()),
    ] {
        let answer = knock(address, Some(&value)).await?;
        assert_eq!(answer.status, 401, "{what}");
        for algorithm in ["SHA-256", "MD5"] {
            let again = challenge(&answer, algorithm)?;
            assert!(!again.is_stale, "{what}");
        }
    }
    let right = digest(&nonce, 1, LOGIN, PASSWORD, realm);
    let (link, answer) = knock_and_stay(address, Some(&right)).await?;
    assert_eq!(answer.status, 101);
    drop(link);
    until_crm(&gateway, |crm| crm["state"] == "listening").await?;
    // The same count a second time, and then the next one.
    assert_eq!(knock(address, Some(&right)).await?.status, 401);
    let next = digest(&nonce, 2, LOGIN, PASSWORD, realm);
    assert_eq!(knock(address, Some(&next)).await?.status, 101);
    Ok(gateway.stop().await?)
}

// protocol 2.2-m
#[tokio::test]
async fn a_nonce_that_is_too_old_is_stale_and_a_fresh_one_comes_with_the_refusal() -> TestResult {
    let (gateway, address) = waiting("digest", &[("crm.nonce_lifetime_s", 1)]).await?;
    let old = challenge(&knock(address, None).await?, "SHA-256")?.nonce;
    let deadline = Instant::now() + SOON;
    let mut ticks = interval(Duration::from_millis(200));
    let mut count = 0;
    // It is good for a second, and each use needs a count of its own.
    let fresh = loop {
        ticks.tick().await;
        count += 1;
        let said = digest(&old, count, LOGIN, PASSWORD, "okgate");
        let answer = knock(address, Some(&said)).await?;
        if answer.status == 401 {
            let challenge = challenge(&answer, "SHA-256")?;
            ensure!(challenge.is_stale, "{answer:?}");
            break challenge.nonce;
        }
        ensure!(Instant::now() < deadline, "the nonce never becomes stale");
        until_crm(&gateway, |crm| crm["state"] == "listening").await?;
    };
    let said = digest(&fresh, 1, LOGIN, PASSWORD, "okgate");
    assert_eq!(knock(address, Some(&said)).await?.status, 101);
    Ok(gateway.stop().await?)
}

// protocol 2-i, 2-j
#[tokio::test]
async fn a_second_crm_is_refused_while_the_first_answers_and_takes_its_place_when_it_does_not()
-> TestResult {
    let (gateway, address) = waiting("none", &[]).await?;
    let (mut first, _) = knock_and_stay(address, None).await?;
    let second = tokio::spawn(knock_and_stay(address, None));
    let ping = loop {
        let (opcode, payload) = first.next_frame().await?;
        if opcode == PING {
            break payload;
        }
    };
    first.frame(FINAL | PONG, &ping).await?;
    let (_, answer) = second.await??;
    assert_eq!(answer.status, 409);
    // Now it stays silent.
    let asked = Instant::now();
    let (mut third, answer) = knock_and_stay(address, None).await?;
    assert_eq!(answer.status, 101);
    ensure!(asked.elapsed() >= Duration::from_millis(1900), "too soon");
    third
        .message("iam", serde_json::json!({"name": "Third"}))
        .await?;
    until_crm(&gateway, |crm| crm["name"] == "Third").await?;
    let (code, _) = first.closed().await?;
    assert_eq!(code, 1000);
    Ok(gateway.stop().await?)
}

// protocol 2.2-g, 2.2-h
#[tokio::test]
async fn a_crm_that_asks_for_no_format_is_told_so_ten_times_and_closed() -> TestResult {
    let (gateway, address) = waiting("none", &[]).await?;
    let mut link = RawLink::upgraded(address, None).await?;
    for number in 0..10 {
        link.message("ping", serde_json::json!({"qid": number}))
            .await?;
        let error = link.next_message().await?;
        assert_eq!(error.name, "error");
        assert_eq!(error.field("qid"), &Value::from(number));
    }
    assert_eq!(link.closed().await?.0, 1008);
    assert_eq!(crm_status(&gateway).await?["connects"], 0);
    Ok(gateway.stop().await?)
}

// protocol 2-k
#[tokio::test]
async fn a_busy_port_of_the_crms_is_named_at_the_start() -> TestResult {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let settings = incoming(taken.local_addr()?, "none");
    let failure = Gateway::start(settings)
        .await
        .expect_err("the port is taken");
    let words = failure.to_string();
    ensure!(words.contains("crm.listen"), "{words}");
    Ok(())
}

// protocol 2-n
#[tokio::test]
async fn the_mode_changes_on_sighup_and_no_tab_notices() -> TestResult {
    let [listen] = free_addresses()?;
    let crm = SimulatedCrm::start(CrmOptions::on_loopback()).await?;
    let out = Settings::new().users(2).crm_ws_out(crm.address());
    let mut gateway = Gateway::start(out.clone()).await?;
    until_crm(&gateway, |crm| crm["state"] == "ready").await?;
    let mut tab = gateway.logged_in("user1").await?;

    gateway.reload(incoming(listen, "none"))?;
    until_crm(&gateway, |crm| crm["mode"] == "ws-in").await?;
    let (mut link, answer) = knock_and_stay(listen, None).await?;
    assert_eq!(answer.status, 101);
    link.message("iam", serde_json::json!({"name": "New"}))
        .await?;
    until_crm(&gateway, |crm| crm["name"] == "New").await?;
    tab.request_ok("getuserstate", serde_json::json!({}))
        .await?;

    // The same address with other settings.
    gateway.reload(incoming(listen, "basic"))?;
    assert_eq!(link.closed().await?.0, 1001);
    let right = Credentials::new(LOGIN, PASSWORD).basic();
    let deadline = Instant::now() + SOON;
    loop {
        // Between the two the address is free for a moment.
        match knock(listen, Some(&right)).await {
            Ok(answer) if answer.status == 101 => break,
            _ => ensure!(Instant::now() < deadline, "the new link is not there"),
        }
    }
    assert_eq!(knock(listen, None).await?.status, 401);

    gateway.reload(out)?;
    until_crm(&gateway, |crm| {
        crm["mode"] == "ws-out" && crm["state"] == "ready"
    })
    .await?;
    tab.request_ok("getuserstate", serde_json::json!({}))
        .await?;
    ensure!(
        timeout(POLL, tab.closed()).await.is_err(),
        "the tab was closed"
    );
    Ok(gateway.stop().await?)
}

#[tokio::test]
async fn faulty_settings_change_nothing_on_sighup_and_others_wait_for_the_next_start() -> TestResult
{
    let crm = SimulatedCrm::start(CrmOptions::on_loopback()).await?;
    let out = Settings::new().users(2).crm_ws_out(crm.address());
    let mut gateway = Gateway::start(out.clone()).await?;
    until_crm(&gateway, |crm| crm["state"] == "ready").await?;
    gateway.reload(out.clone().set("crm.mode", "sometimes"))?;
    until_logged(&gateway, "everything stays as it was").await?;
    until_logged(&gateway, "crm.mode").await?;
    gateway.reload(out.clone().set("gateway.drain_s", 3))?;
    until_logged(&gateway, "they take effect at the next start").await?;
    until_logged(&gateway, "[gateway]").await?;
    let status = crm_status(&gateway).await?;
    assert_eq!(
        (&status["connects"], &status["state"]),
        (&1.into(), &"ready".into())
    );
    // A port that somebody else has: the link stays as well.
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    gateway.reload(incoming(taken.local_addr()?, "none"))?;
    until_logged(&gateway, "cannot be linked as the settings say now").await?;
    assert_eq!(crm_status(&gateway).await?["state"], "ready");
    Ok(gateway.stop().await?)
}
