//! Owns what has to work in every mode and format: one function for each column of the table.

use anyhow::{Context as _, ensure};
use okgate_harness::crm::{CrmHandle, CrmSeen, Mode};
use okgate_harness::format::Format;
use okgate_tests::TestResult;
use serde_json::{Value, json};

use crate::stage::{CALLER, LONG_BYTES, SOON, Stage};

// protocol 2.1-i, 2.2-d, 2.2-i, 4-a, 4-b, 4-d
pub(crate) async fn introduction(mode: Mode, format: Format) -> TestResult {
    let stage = Stage::start(mode, format).await?;
    let question = stage.at_crm("whoareyou").await?;
    let said = (question.text("type"), question.text("name"));
    assert_eq!(said, (Some("commserver"), Some("Oktell")));
    assert_eq!(question.text("build"), Some("2.13.0.160101"));
    assert!(question.qid().is_some());
    let records = stage.crm.records();
    let linked = records.iter().find_map(|record| match &record.what {
        CrmSeen::LinkUp(subprotocol) => Some(subprotocol.clone()),
        _ => None,
    });
    let word = (!mode.is_http()).then(|| format.name().to_owned());
    assert_eq!(linked, Some(word));
    Ok(stage.gateway.stop().await?)
}

// protocol 2.1-h, 4-d, 8-a, 8-b
pub(crate) async fn catalogue(mode: Mode, format: Format) -> TestResult {
    let stage = Stage::start(mode, format).await?;
    for name in ["getavailablemethods", "getavailableforms"] {
        stage.at_crm(name).await?;
    }
    let keys = |list: Value| -> Vec<String> {
        let entries = list.as_array().cloned().unwrap_or_default();
        let keys = entries.iter().filter_map(|entry| entry["key"].as_str());
        let mut keys: Vec<String> = keys.map(str::to_owned).collect();
        keys.sort();
        keys
    };
    let methods = stage.admin().get("/api/v1/methods").await?.json()?;
    assert_eq!(
        keys(methods),
        ["callername", "echo", "fail", "long", "slow"]
    );
    let forms = stage.admin().get("/api/v1/forms").await?.json()?;
    assert_eq!(keys(forms), ["callercard"]);
    Ok(stage.gateway.stop().await?)
}

// protocol 3.1-i, 3.2-b, 3.2-f, 8-d, 8-f
pub(crate) async fn method(mode: Mode, format: Format) -> TestResult {
    let stage = Stage::start(mode, format).await?;
    stage.expect_name().await?;
    let inputs = json!({
        "text": " a\r\nb\t<&>\"']]> Ё 📞 \u{1}",
        "number": 12.5,
        "flag": true,
        "moment": "2024-03-15 10:00:00",
        "choice": "1",
    });
    assert_eq!(stage.run("echo", inputs.clone()).await?, inputs);
    let body = json!({"inputparameters": {}});
    let failed = stage.admin().run_method("fail", &body).await?;
    assert_eq!(failed.status, 502, "{}", failed.body);
    Ok(stage.gateway.stop().await?)
}

// protocol 8-l, 8-m
pub(crate) async fn form(mode: Mode, format: Format) -> TestResult {
    let stage = Stage::start(mode, format).await?;
    let body =
        json!({"userlogin": "anna", "inputparameters": {"callerid": CALLER, "chainid": "c"}});
    let opened = stage
        .admin()
        .post("/api/v1/forms/callercard", &body)
        .await?;
    ensure!((200..300).contains(&opened.status), "{opened:?}");
    let window = opened.json()?["windowid"]
        .as_str()
        .context("a windowid")?
        .to_owned();
    let shown = stage.at_crm("showform").await?;
    assert_eq!(shown.text("formkey"), Some("callercard"));
    assert_eq!(shown.text("windowid"), Some(&*window));
    assert_eq!(shown.text("userlogin"), Some("anna"));
    assert_eq!(shown.field("inputparameters")["callerid"], CALLER);
    let path = format!("/api/v1/forms/windows/{window}");
    let closed = stage.admin().delete(&path).await?;
    ensure!((200..300).contains(&closed.status), "{closed:?}");
    let closed = stage.at_crm("closeform").await?;
    assert_eq!(closed.text("windowid"), Some(&*window));
    Ok(stage.gateway.stop().await?)
}

// protocol 3.3-a, 3.3-h, 2.1-b
pub(crate) async fn five_mebibytes(mode: Mode, format: Format) -> TestResult {
    let stage = Stage::start(mode, format).await?;
    let outputs = stage.run("long", json!({})).await?;
    assert_eq!(outputs["text"].as_str().map(str::len), Some(LONG_BYTES));
    // protocol 2.1-g: over HTTP the CRM has no way to send anything by itself.
    if !mode.is_http() {
        let text = format!("ы{}", "x".repeat(LONG_BYTES));
        let pong = stage
            .crm
            .request("ping", json!({"text": text}), SOON)
            .await?;
        ensure!(
            pong.text("text") == Some(&*text),
            "the text has changed on its way"
        );
    }
    Ok(stage.gateway.stop().await?)
}

// protocol 5-g, 5-i, 5-k, 2.1-h
pub(crate) async fn event(mode: Mode, format: Format) -> TestResult {
    let stage = Stage::start(mode, format).await?;
    if !mode.is_http() {
        // Who is active is known when a request behind the list has been answered.
        stage.at_crm("getactiveusers").await?;
        stage.crm.request("ping", json!({}), SOON).await?;
    }
    let mut records = stage.crm.received_from_now();
    let chain = stage.admin().start_call(CALLER, "101", json!({})).await?;
    if mode.is_http() {
        stage.admin().hang_up_call(&chain).await?;
        // What would have been told came before this.
        stage.expect_name().await?;
        let told = [
            "whoareyou",
            "iam",
            "getavailablemethods",
            "getavailableforms",
            "executemethod",
        ];
        for name in stage.names_at_crm() {
            ensure!(told.contains(&name.as_str()), "{name} was posted");
        }
        return Ok(stage.gateway.stop().await?);
    }
    let ring = CrmHandle::wait_for(&mut records, "phoneevent_ringstarted", SOON).await?;
    let user = (ring.text("userlogin"), ring.text("userid"));
    assert_eq!(user, (Some("anna"), Some("crm-7")));
    assert_eq!(ring.text("callerid"), Some(CALLER));
    let states = stage.at_crm("pbxnumberstatechanged").await?;
    assert!(states.field("userlogin").is_null());
    stage.admin().hang_up_call(&chain).await?;
    CrmHandle::wait_for(&mut records, "phoneevent_ringstopped", SOON).await?;
    Ok(stage.gateway.stop().await?)
}

// protocol 2-g, 2-h, 2.1-j, 8-k
pub(crate) async fn crm_restarts(mode: Mode, format: Format) -> TestResult {
    let stage = Stage::start(mode, format).await?;
    let gone = stage.without_crm().await?;
    let body = json!({"inputparameters": {"callerid": CALLER}, "timeout_ms": 3000});
    let failed = gone.gateway.admin().run_method("callername", &body).await?;
    ensure!([503, 504].contains(&failed.status), "{failed:?}");
    let stage = gone.with_crm().await?;
    stage.until_linked().await?;
    stage.at_crm("getavailablemethods").await?;
    stage.expect_name().await?;
    Ok(stage.gateway.stop().await?)
}

// protocol 2-g, 2.1-j
pub(crate) async fn gateway_restarts(mode: Mode, format: Format) -> TestResult {
    let mut stage = Stage::start(mode, format).await?;
    stage.expect_name().await?;
    stage.gateway = stage.gateway.restart().await?;
    stage.until_linked().await?;
    stage.expect_name().await?;
    let names = stage.names_at_crm();
    let introductions = names.iter().filter(|name| *name == "whoareyou").count();
    ensure!(introductions >= 2, "after the restart came {names:?}");
    Ok(stage.gateway.stop().await?)
}
